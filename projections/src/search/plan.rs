//! Where a search looks: the shortest way through the index to all groups that its filters can admit.

use std::ops::{Bound, Range};

use chrono::{DateTime, Utc};
use farelog_events::id::{GroupId, NUMERIC_ID_MAX, OrderId, position_from_id};

use super::TOTAL_EXACT_MAX;
use super::condition::Condition;
use super::filters::GroupFilters;
use super::index::{self, GroupPlace};
use crate::distribution::TicketDistributionGroup;
use crate::store::{ProjectionError, Store};

/// Where to look.
#[derive(Debug)]
pub enum Plan {
    /// These are all, newest update first.
    Few(Vec<(GroupPlace, TicketDistributionGroup)>),
    /// Along keys.
    Along(Keys),
}

/// Keys of the index whose groups a search looks at.
#[derive(Debug)]
pub struct Keys {
    /// What stands before the places.
    pub prefixes: Vec<Vec<u8>>,
    /// The first place to look at.
    pub first: GroupPlace,
    /// The last.
    pub last: GroupPlace,
    /// Whether a group there can fail to meet a filter, so that it has to be looked at.
    pub is_wide: bool,
    /// How many groups are known to meet all filters.
    pub known: usize,
}

impl Plan {
    /// The plan for these filters.
    pub fn make(store: &Store, filters: &GroupFilters) -> Result<Self, ProjectionError> {
        if let Some(ids) = named(&filters.id) {
            return Ok(Self::few(filters, groups_by_id(store, ids)?));
        }
        if let Some(ids) = named(&filters.ticket_distribution_id) {
            let mut orders = Vec::new();
            for id in ids {
                let key = index::generated_key(position_from_id(id.get()));
                orders.extend(store.read::<OrderId>(&key, "order of a ticket")?);
            }
            return Ok(Self::few(filters, groups_of_orders(store, &orders)?));
        }
        if let Some(orders) = named(&filters.order_id) {
            return Ok(Self::few(filters, groups_of_orders(store, orders)?));
        }
        let (count, on_tickets) = filters.count();
        let mut keys = Keys::of_updates(filters);
        let mut met = if filters.updated_at.iter().all(is_range) {
            filters.updated_at.len()
        } else {
            0
        };
        if let Some(numbers) = named(&filters.media_serial_number_id) {
            keys.prefixes = numbers
                .iter()
                .map(|number| index::by_media(number))
                .collect();
            // One ticket has to meet all filters on tickets, so the key alone meets none where there are several.
            met += usize::from(on_tickets == 1);
        } else if let Some(customers) = named(&filters.distribution_holder_customer_id) {
            keys.prefixes = customers.iter().map(index::by_holder).collect();
            met += 1;
        } else if let Some(customers) = named(&filters.order_owner_customer_id) {
            keys.prefixes = customers.iter().map(index::by_owner).collect();
            met += 1;
        } else if !filters.created_at.is_empty() {
            let ids = ids_of_creation(store, &filters.created_at)?;
            let created = count_up_to(store, &ids, TOTAL_EXACT_MAX + 1)?;
            if created <= TOTAL_EXACT_MAX {
                return Ok(Self::few(filters, groups_in(store, &ids)?));
            }
            if count == filters.created_at.len() && filters.created_at.iter().all(is_range) {
                keys.known = created;
            }
        }
        keys.is_wide = met < count;
        Ok(Self::Along(keys))
    }

    fn few(filters: &GroupFilters, groups: Vec<TicketDistributionGroup>) -> Self {
        let admitted = groups.into_iter().filter(|group| filters.admit(group));
        let mut few: Vec<_> = admitted
            .map(|group| (GroupPlace::new(group.updated_at, group.id), group))
            .collect();
        few.sort_by_key(|(place, _)| *place);
        few.dedup_by_key(|(place, _)| *place);
        Self::Few(few)
    }
}

impl Keys {
    /// All groups that were updated within the time that the filters leave. A group is updated when it is created, or later.
    fn of_updates(filters: &GroupFilters) -> Self {
        let mut first = GroupPlace::first_of(DateTime::<Utc>::MAX_UTC);
        let mut last = GroupPlace::last_of(DateTime::<Utc>::MIN_UTC);
        // No group has the first or last place of a time, so that what is excluded ends before or behind all of it.
        for condition in &filters.updated_at {
            let (from, to) = condition.bounds();
            match to {
                Bound::Included(to) => first = first.max(GroupPlace::first_of(*to)),
                Bound::Excluded(to) => first = first.max(GroupPlace::last_of(*to)),
                Bound::Unbounded => {}
            }
            match from {
                Bound::Included(from) => last = last.min(GroupPlace::last_of(*from)),
                Bound::Excluded(from) => last = last.min(GroupPlace::first_of(*from)),
                Bound::Unbounded => {}
            }
        }
        for condition in &filters.created_at {
            if let Bound::Included(from) | Bound::Excluded(from) = condition.bounds().0 {
                last = last.min(GroupPlace::last_of(*from));
            }
        }
        Self {
            prefixes: vec![index::by_update()],
            first,
            last,
            is_wide: true,
            known: 0,
        }
    }
}

/// The values that the first condition names which names all that it admits.
fn named<T>(conditions: &[Condition<T>]) -> Option<&[T]> {
    conditions.iter().find_map(Condition::named)
}

/// Whether the condition is met by all that lies within its bounds.
fn is_range<T>(condition: &Condition<T>) -> bool {
    matches!(condition, Condition::Is(_)) || condition.compares()
}

fn groups_by_id(
    store: &Store,
    ids: &[GroupId],
) -> Result<Vec<TicketDistributionGroup>, ProjectionError> {
    let groups = ids
        .iter()
        .map(|id| store.read(&index::group_key(*id), "group"));
    groups.filter_map(Result::transpose).collect()
}

fn groups_of_orders(
    store: &Store,
    orders: &[OrderId],
) -> Result<Vec<TicketDistributionGroup>, ProjectionError> {
    let mut groups = Vec::new();
    for order in orders {
        if let Some(document) = store.read_order(order)? {
            groups.extend(document.groups.to_view());
        }
    }
    Ok(groups)
}

fn groups_in(
    store: &Store,
    ids: &Range<i64>,
) -> Result<Vec<TicketDistributionGroup>, ProjectionError> {
    let groups = store.scan_range(id_keys(ids));
    groups.map(|entry| entry.map(|(_, group)| group)).collect()
}

fn count_up_to(store: &Store, ids: &Range<i64>, most: usize) -> Result<usize, ProjectionError> {
    let mut count = 0;
    for key in store.keys(id_keys(ids)).take(most) {
        key?;
        count += 1;
    }
    Ok(count)
}

fn id_keys(ids: &Range<i64>) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let key = |id: i64| [index::GROUPS, &id.to_be_bytes()].concat();
    (
        Bound::Included(key(ids.start)),
        Bound::Excluded(key(ids.end.max(ids.start))),
    )
}

/// The ids of all groups that meet these conditions on their creation, and of others where one is no range.
fn ids_of_creation(
    store: &Store,
    conditions: &[Condition<DateTime<Utc>>],
) -> Result<Range<i64>, ProjectionError> {
    let mut ids = 0..NUMERIC_ID_MAX + 1;
    for condition in conditions {
        let (from, to) = condition.bounds();
        let start = match from {
            Bound::Included(from) => first_created(store, |created| created >= from)?,
            Bound::Excluded(from) => first_created(store, |created| created > from)?,
            Bound::Unbounded => ids.start,
        };
        let end = match to {
            Bound::Included(to) => first_created(store, |created| created > to)?,
            Bound::Excluded(to) => first_created(store, |created| created >= to)?,
            Bound::Unbounded => ids.end,
        };
        ids = ids.start.max(start)..ids.end.min(end);
    }
    Ok(ids)
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
        let next = store
            .scan_range::<TicketDistributionGroup>(id_keys(&(middle..high)))
            .next()
            .transpose()?;
        match next {
            Some((_, group)) if !is_reached(&group.created_at) => low = group.id.get() + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}
