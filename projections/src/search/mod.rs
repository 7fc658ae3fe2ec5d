//! Search for ticket distribution groups (contract, section 1, "Search").
//!
//! - [`condition`] and [`filters`]: what is asked for, and how it is written.
//! - [`index`]: the keys in the store that groups are found by.
//! - [`plan`] and [`walk`]: which of them a search follows, and how far.
//! - [`cursor`]: where the next page begins.
//!
//! What a search costs depends on the page and on [`TOTAL_EXACT_MAX`], not on how many groups there are. Filters on
//! ids, customers, travel cards and times have keys that lead to the groups in question; what no key answers is asked of
//! each group on the way, of [`ROWS_READ_MAX`] at most.

pub mod condition;
pub mod cursor;
pub mod filters;
pub mod index;
mod plan;
mod walk;

use serde::Serialize;

pub use cursor::Cursor;
pub use filters::{FILTERS, FilterError, GroupFilters};

use crate::answer::Answer;
use crate::distribution::TicketDistributionGroup;
use crate::projections::Projections;
use crate::store::{ProjectionError, Store};
use plan::Plan;
use walk::Walk;

/// Up to how many the groups found are counted, and can be reached by page.
pub const TOTAL_EXACT_MAX: usize = 10_000;

/// How many groups are read in one go to see whether they meet filters that have no key.
pub const ROWS_READ_MAX: usize = 10_000;

/// A search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSearch {
    /// What a group has to be.
    pub filters: GroupFilters,
    /// Where the page begins.
    pub start: Start,
    /// Most groups on the page.
    pub per_page: usize,
}

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Behind so many groups that meet the filters.
    Offset(usize),
    /// Where another page ended.
    Cursor(Cursor),
}

/// A page of groups, newest `updatedAt` first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundGroups {
    /// The groups. Fewer than a page holds, with a cursor: the search was ended by [`ROWS_READ_MAX`] and goes on there.
    pub items: Vec<TicketDistributionGroup>,
    /// How many groups meet the filters, wherever the page begins; or of how many it is known.
    pub total_items: usize,
    /// Pages of so many groups.
    pub total_pages: usize,
    /// Whether there may be more: there are over [`TOTAL_EXACT_MAX`], or [`ROWS_READ_MAX`] were looked at.
    pub total_is_lower_bound: bool,
    /// Where the next page begins; `None` when there is no more.
    pub cursor: Option<Cursor>,
}

impl Projections {
    /// Searches for groups.
    ///
    /// # Errors
    /// The store failed.
    pub fn search_groups(
        &self,
        search: &GroupSearch,
    ) -> Result<Answer<FoundGroups>, ProjectionError> {
        self.answer(|store| find(store, search))
    }
}

fn find(store: &Store, search: &GroupSearch) -> Result<FoundGroups, ProjectionError> {
    let plan = Plan::make(store, &search.filters)?;
    let (after, offset) = match search.start {
        Start::Offset(offset) => (None, offset),
        Start::Cursor(Cursor(place)) => (Some(place), 0),
    };
    let mut walk = Walk::behind(after, &plan, &search.filters, store);
    for _ in 0..offset {
        if walk.next()?.is_none() {
            break;
        }
    }
    let mut items = Vec::new();
    while items.len() < search.per_page
        && let Some(candidate) = walk.next()?
    {
        items.extend(candidate.group(store)?);
    }
    let end = walk.reached;
    let goes_on = walk.next()?.is_some() || walk.is_cut;
    let (total_items, total_is_lower_bound) = total(store, &plan, &search.filters)?;
    Ok(FoundGroups {
        items,
        total_items,
        total_pages: total_items.div_ceil(search.per_page.max(1)),
        total_is_lower_bound,
        cursor: end.filter(|_| goes_on).map(Cursor),
    })
}

/// How many groups meet the filters, and whether there may be more.
fn total(
    store: &Store,
    plan: &Plan,
    filters: &GroupFilters,
) -> Result<(usize, bool), ProjectionError> {
    match plan {
        Plan::Few(groups) => Ok((
            groups.len().min(TOTAL_EXACT_MAX),
            groups.len() > TOTAL_EXACT_MAX,
        )),
        Plan::Along(keys) if keys.known > TOTAL_EXACT_MAX => Ok((TOTAL_EXACT_MAX, true)),
        Plan::Along(_) => {
            let mut walk = Walk::behind(None, plan, filters, store);
            let mut total = 0;
            while walk.next()?.is_some() {
                if total == TOTAL_EXACT_MAX {
                    return Ok((total, true));
                }
                total += 1;
            }
            Ok((total, walk.is_cut))
        }
    }
}
