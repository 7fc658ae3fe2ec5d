//! Search for ticket distribution groups (contract, section 1, "Search").
//!
//! - [`condition`] and [`filters`]: what is asked for, and how it is written.
//! - [`index`], with [`place`] and [`facet`]: the keys in the store that groups are found by.
//! - [`ways`], with [`creation`], and [`plan`]: which of them a search follows.
//! - [`places`] and [`walk`]: following them, and how far.
//! - [`cursor`]: where the next page begins.
//!
//! What a search costs depends on the page and on [`Limits`], not on how many groups there are. Every filter that names
//! what it admits has keys that lead to the groups in question, and so have ranges of times. Of several filters the one
//! with the fewest groups is followed, and the others are asked of each.

pub mod condition;
mod creation;
pub mod cursor;
pub mod facet;
pub mod filters;
pub mod index;
pub mod place;
mod places;
mod plan;
mod walk;
mod ways;

use serde::Serialize;

pub use cursor::Cursor;
pub use filters::{FILTERS, FilterError, GroupFilters};

use crate::answer::Answer;
use crate::distribution::TicketDistributionGroup;
use crate::projections::Projections;
use crate::store::{ProjectionError, Store};
use place::GroupPlace;
use plan::Plan;
use walk::{Found, walk};

/// Up to how many the groups found are counted, and can be reached by page.
pub const TOTAL_EXACT_MAX: usize = 10_000;

/// How far a search goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Up to how many the groups found are counted.
    pub total_exact_max: usize,
    /// How many keys are read in one go where no key leads to few groups; to read a group counts as ten.
    pub keys_read_max: u64,
    /// How many different organisations, order versions and statuses, taken together, are told apart. Where there are
    /// more, filters on them are asked of each group.
    pub facets_max: usize,
}

impl Limits {
    /// Those of the interfaces.
    pub const USUAL: Self = Self {
        total_exact_max: TOTAL_EXACT_MAX,
        keys_read_max: 200_000,
        facets_max: 1_024,
    };
}

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
    /// The groups. Fewer than a page holds, with a cursor: the search was ended by its [`Limits`] and goes on there.
    pub items: Vec<TicketDistributionGroup>,
    /// How many groups meet the filters, wherever the page begins; or of how many it is known.
    pub total_items: usize,
    /// Pages of so many groups.
    pub total_pages: usize,
    /// Whether there may be more: there are over [`TOTAL_EXACT_MAX`], or the search was ended by its [`Limits`].
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
        self.search_groups_within(Limits::USUAL, search)
    }

    /// The same within other limits. What they leave is reached by cursor, and the total says that it is a lower bound.
    ///
    /// # Errors
    /// The store failed.
    pub fn search_groups_within(
        &self,
        limits: Limits,
        search: &GroupSearch,
    ) -> Result<Answer<FoundGroups>, ProjectionError> {
        self.answer(|store| find(store, search, limits))
    }
}

fn find(
    store: &Store,
    search: &GroupSearch,
    limits: Limits,
) -> Result<FoundGroups, ProjectionError> {
    let filters = &search.filters;
    let plan = Plan::make(store, filters, limits)?;
    let is_over = matches!(&plan, Plan::Along(along) if along.over);
    let counted = if is_over {
        0
    } else {
        limits.total_exact_max + 1
    };
    // One more than is shown, to know whether there is one.
    let shown = search.per_page.saturating_add(1);
    let from = |first, wanted| walk(store, filters, &plan, limits, first, wanted);
    let (page, total) = match (search.start, &plan) {
        (Start::Offset(offset), _) => {
            let wanted = offset.saturating_add(shown).max(counted);
            (from(GroupPlace::START, wanted)?, None)
        }
        // All of a list is looked at, wherever the page begins.
        (Start::Cursor(_), Plan::Listed(_)) => (from(GroupPlace::START, counted)?, None),
        (Start::Cursor(Cursor(place)), Plan::Along(_)) => {
            let page = from(place.next(), shown)?;
            (page, Some(from(GroupPlace::START, counted)?))
        }
    };
    let total = total.as_ref().unwrap_or(&page);
    let total_items = if is_over {
        limits.total_exact_max
    } else {
        total.places.len().min(limits.total_exact_max)
    };
    let total_is_lower_bound =
        is_over || total.cut.is_some() || total.places.len() > limits.total_exact_max;
    let (items, cursor) = read_page(store, &page, search)?;
    Ok(FoundGroups {
        items,
        total_items,
        total_pages: total_items.div_ceil(search.per_page.max(1)),
        total_is_lower_bound,
        cursor,
    })
}

/// The groups of a page, and where the next begins.
fn read_page(
    store: &Store,
    found: &Found,
    search: &GroupSearch,
) -> Result<(Vec<TicketDistributionGroup>, Option<Cursor>), ProjectionError> {
    let places = &found.places;
    let passed = match search.start {
        Start::Offset(offset) => offset,
        Start::Cursor(Cursor(last)) => places.partition_point(|place| *place <= last),
    };
    let behind = places.get(passed..).unwrap_or_default();
    let (shown, rest) = behind.split_at(search.per_page.min(behind.len()));
    let groups = shown
        .iter()
        .filter_map(|place| place.id())
        .map(|id| store.read(&index::group_key(id), "group"));
    let cursor = match shown.last() {
        Some(last) if !rest.is_empty() => Some(*last),
        _ => found.cut.map(GroupPlace::before),
    };
    Ok((
        groups
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?,
        cursor.map(Cursor),
    ))
}
