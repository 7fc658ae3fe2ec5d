//! When groups were created, by their ids.

use std::ops::{Bound, Range};

use chrono::{DateTime, Utc};
use farelog_events::id::NUMERIC_ID_MAX;

use super::index;
use super::ways::Span;
use crate::distribution::TicketDistributionGroup;
use crate::store::{ProjectionError, Store};

/// The ids of all groups that were created within a span, and of no others.
pub fn ids_of_creation(
    store: &Store,
    (from, to): Span<'_, DateTime<Utc>>,
) -> Result<Range<i64>, ProjectionError> {
    let start = match from {
        Bound::Included(from) => first_created(store, |created| created >= from)?,
        Bound::Excluded(from) => first_created(store, |created| created > from)?,
        Bound::Unbounded => 0,
    };
    let end = match to {
        Bound::Included(to) => first_created(store, |created| created > to)?,
        Bound::Excluded(to) => first_created(store, |created| created >= to)?,
        Bound::Unbounded => NUMERIC_ID_MAX + 1,
    };
    Ok(start..end)
}

/// An id such that `is_reached` holds for the creation of the groups from there on and of none before. Creation never
/// goes back with the id, so halving finds it in some fifty looks.
fn first_created(
    store: &Store,
    is_reached: impl Fn(&DateTime<Utc>) -> bool,
) -> Result<i64, ProjectionError> {
    let (mut low, mut high) = (0, NUMERIC_ID_MAX + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let keys = index::range(index::id_key(middle), index::id_key(high));
        let next = store
            .scan_range::<TicketDistributionGroup>(keys)
            .next()
            .transpose()?;
        match next {
            Some((_, group)) if !is_reached(&group.created_at) => low = group.id.get() + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
