//! The way of a search through groups: newest update first, as far as it has to go, and not for ever.

use farelog_events::id::GroupId;

use super::Limits;
use super::filters::GroupFilters;
use super::index;
use super::place::GroupPlace;
use super::places::{Crossed, Crossing};
use super::plan::{Along, Plan};
use crate::distribution::TicketDistributionGroup;
use crate::store::{ProjectionError, Store};

/// What it takes to read a group, in keys that could be read meanwhile.
const GROUP_KEYS: u64 = 10;

/// Groups that meet the filters.
#[derive(Debug, Default)]
pub struct Found {
    /// Where they stand, in order.
    pub places: Vec<GroupPlace>,
    /// Where it goes on, if as many keys were read as may be.
    pub cut: Option<GroupPlace>,
}

/// Looks for groups that don't stand before `first`, until so many are found or there are no more. A list is looked
/// through as a whole.
pub fn walk(
    store: &Store,
    filters: &GroupFilters,
    plan: &Plan<'_>,
    limits: Limits,
    first: GroupPlace,
    wanted: usize,
) -> Result<Found, ProjectionError> {
    match plan {
        Plan::Listed(groups) => walk_through(store, filters, groups, first),
        Plan::Along(along) => walk_along(store, filters, along, limits, first, wanted),
    }
}

fn walk_through(
    store: &Store,
    filters: &GroupFilters,
    groups: &[GroupId],
    first: GroupPlace,
) -> Result<Found, ProjectionError> {
    let mut found = Found::default();
    for group in groups {
        let place = place_if_met(store, filters, *group)?;
        found.places.extend(place.filter(|place| *place >= first));
    }
    found.places.sort_unstable();
    found.places.dedup();
    Ok(found)
}

fn walk_along(
    store: &Store,
    filters: &GroupFilters,
    along: &Along<'_>,
    limits: Limits,
    first: GroupPlace,
    wanted: usize,
) -> Result<Found, ProjectionError> {
    let mut found = Found::default();
    let mut keys_read = 0;
    let mut next = first;
    // How many stretches there can be has limits of its own, so that looking for their beginnings is free: some way is
    // made each time.
    let mut crossing = Crossing::open(store, &along.ways, first, &mut 0)?;
    while found.places.len() < wanted {
        let place = match crossing.seek(next, &mut keys_read, limits.keys_read_max)? {
            Crossed::At(place) => place,
            Crossed::Short(place) => {
                found.cut = Some(place);
                break;
            }
            Crossed::Through => break,
        };
        next = place.next();
        if !along.places.admits(place) {
            continue;
        }
        if along.reads {
            keys_read += GROUP_KEYS;
            let Some(id) = place.id() else { continue };
            if place_if_met(store, filters, id)?.is_none() {
                continue;
            }
        }
        found.places.push(place);
    }
    Ok(found)
}

/// Where a group stands, if it meets the filters.
fn place_if_met(
    store: &Store,
    filters: &GroupFilters,
    id: GroupId,
) -> Result<Option<GroupPlace>, ProjectionError> {
    let group: Option<TicketDistributionGroup> = store.read(&index::group_key(id), "group")?;
    Ok(group
        .filter(|group| filters.admit(group))
        .map(|group| GroupPlace::new(group.updated_at, group.id)))
}
