//! How a search goes about it: by a list of all groups that can meet its filters, where the list is short, or along the
//! index.

use std::collections::HashSet;

use farelog_events::id::{GroupId, OrderId, position_from_id};

use super::Limits;
use super::filters::GroupFilters;
use super::index::{self, KeyRange};
use super::place::GroupPlace;
use super::places::Stretch;
use super::ways::{PlaceFilter, Way, has_end_of_creation, named, way_by_update, ways};
use crate::store::{ProjectionError, Store};

/// Where to look.
#[derive(Debug)]
pub enum Plan<'f> {
    /// At these groups.
    Listed(Vec<GroupId>),
    /// Along the index.
    Along(Along<'f>),
}

/// What leads along the index, newest update first.
#[derive(Debug)]
pub struct Along<'f> {
    /// A group has to be on all of these.
    pub ways: Vec<Vec<Stretch>>,
    /// What its place has to be.
    pub places: PlaceFilter<'f>,
    /// Whether it can fail all the same to meet a filter, so that it has to be read.
    pub reads: bool,
    /// Whether more groups are known to meet the filters than are counted.
    pub over: bool,
}

impl<'f> Plan<'f> {
    /// The plan for these filters.
    pub fn make(
        store: &Store,
        filters: &'f GroupFilters,
        limits: Limits,
    ) -> Result<Self, ProjectionError> {
        if let Some(ids) = named(&filters.id) {
            return Ok(Self::Listed(ids.into_iter().copied().collect()));
        }
        if let Some(ids) = named(&filters.ticket_distribution_id) {
            let mut orders = Vec::new();
            for id in ids {
                let key = index::generated_key(position_from_id(id.get()));
                orders.extend(store.read::<OrderId>(&key, "order of a ticket")?);
            }
            return groups_of_orders(store, &orders).map(Self::Listed);
        }
        if let Some(orders) = named(&filters.order_id) {
            return groups_of_orders(store, orders).map(Self::Listed);
        }
        let places = PlaceFilter::of(store, filters)?;
        let ways = ways(store, filters, &places, limits.facets_max)?;
        let mut along = Along::of(filters, &ways, places);
        let is_straight = along.ways.len() == 1 && !along.reads && !along.places.refuses;
        if !is_straight {
            let mut runners: Vec<Runner> = ways.iter().map(|way| Runner::new(store, way)).collect();
            if !filters.updated_at.is_empty() {
                let stretches = way_by_update(filters);
                runners.push(Runner::new(store, &Way::Placed { stretches, met: 0 }));
            }
            if let Some(ids) = shortest(&mut runners, limits.total_exact_max)? {
                return Ok(Self::Listed(ids));
            }
            let count = filters.count().0;
            along.over = runners.iter().any(|runner| runner.met == count);
        }
        Ok(Self::Along(along))
    }
}

impl<'f> Along<'f> {
    fn of(filters: &GroupFilters, ways: &[Way], places: PlaceFilter<'f>) -> Self {
        let mut along = Vec::new();
        let mut all_met = places.met;
        for way in ways {
            if let Way::Placed { stretches, met } = way {
                along.push(stretches.clone());
                all_met += met;
            }
        }
        if along.is_empty() || has_end_of_creation(filters) {
            along.push(way_by_update(filters));
        }
        Self {
            ways: along,
            reads: all_met < filters.count().0,
            places,
            over: false,
        }
    }
}

/// Goes through the groups on a way, in whatever order.
struct Runner {
    ahead: Box<dyn Iterator<Item = Result<Option<GroupId>, ProjectionError>>>,
    met: usize,
    passed: HashSet<GroupId>,
}

impl Runner {
    fn new(store: &Store, way: &Way) -> Self {
        let (ranges, id_of_key, met): (Vec<KeyRange>, fn(&[u8]) -> _, _) = match way {
            Way::Placed { stretches, met } => (
                stretches.iter().map(Stretch::keys).collect(),
                |key| GroupPlace::of_key(key)?.id(),
                *met,
            ),
            Way::Unplaced { keys, met } => (keys.clone(), index::id_of_key, *met),
        };
        let keys = ranges.into_iter().map(|range| store.keys(range));
        let keys = keys.collect::<Vec<_>>().into_iter().flatten();
        Self {
            ahead: Box::new(keys.map(move |key| key.map(|key| id_of_key(&key)))),
            met,
            passed: HashSet::new(),
        }
    }
}

/// The groups on the way that has fewest, if it has no more than `most`. All go on side by side until the first is
/// through, so that it costs what the shortest does.
fn shortest(runners: &mut [Runner], most: usize) -> Result<Option<Vec<GroupId>>, ProjectionError> {
    loop {
        let mut goes_on = false;
        for runner in runners
            .iter_mut()
            .filter(|runner| runner.passed.len() <= most)
        {
            let Some(group) = runner.ahead.next().transpose()? else {
                return Ok(Some(runner.passed.drain().collect()));
            };
            runner.passed.extend(group);
            goes_on = true;
        }
        if !goes_on {
            return Ok(None);
        }
    }
}

fn groups_of_orders<'o>(
    store: &Store,
    orders: impl IntoIterator<Item = &'o OrderId>,
) -> Result<Vec<GroupId>, ProjectionError> {
    let mut groups = Vec::new();
    for order in orders {
        if let Some(document) = store.read_order(order)? {
            groups.extend(document.groups.to_view().iter().map(|group| group.id));
        }
    }
    Ok(groups)
}
