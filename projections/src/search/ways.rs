//! Ways through the index: which keys lead to the groups that a filter can admit.

use std::collections::BTreeSet;
use std::ops::{Bound, Range};

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, GroupId};

use super::condition::Condition;
use super::creation::ids_of_creation;
use super::filters::{GroupFilters, all};
use super::index::{self, KeyRange, Lag, Role, ValidityTime};
use super::place::GroupPlace;
use super::places::Stretch;
use crate::store::{ProjectionError, Store};

/// A way that leads to all groups that meet some of the filters, and perhaps to others.
#[derive(Debug)]
pub enum Way {
    /// In the order of a search.
    Placed {
        /// Where it leads along.
        stretches: Vec<Stretch>,
        /// How many filters every group on it meets.
        met: usize,
    },
    /// In another order.
    Unplaced {
        /// Where it leads along; keys that end in ids.
        keys: Vec<KeyRange>,
        /// How many filters every group on it meets.
        met: usize,
    },
}

/// What is known of a group on any way by its place alone.
#[derive(Debug)]
pub struct PlaceFilter<'f> {
    filters: &'f GroupFilters,
    /// The ids of all groups that were created as the filters say.
    created: Vec<Range<i64>>,
    /// Whether no other group has one of them.
    created_is_met: bool,
    /// How many filters a group meets whose place is admitted.
    pub met: usize,
    /// Whether a place between the first and the last may be refused.
    pub refuses: bool,
    /// The first place that can be admitted.
    pub first: GroupPlace,
    /// The last.
    pub last: GroupPlace,
}

impl<'f> PlaceFilter<'f> {
    /// What the filters say of places.
    pub fn of(store: &Store, filters: &'f GroupFilters) -> Result<Self, ProjectionError> {
        let creations = Spans::of(&filters.created_at);
        let created = creations.spans.iter();
        let created = created.map(|span| ids_of_creation(store, *span));
        let (first, last) = places_within(bounds(&filters.updated_at));
        let last = value(bounds(&filters.created_at).0)
            // A group is updated when it is created, or later.
            .map_or(last, |from| last.min(GroupPlace::last_of(*from)));
        Ok(Self {
            filters,
            created: created.collect::<Result<_, _>>()?,
            created_is_met: creations.are_exact,
            met: filters.id.len()
                + filters.updated_at.len()
                + if creations.are_exact {
                    filters.created_at.len()
                } else {
                    0
                },
            refuses: !(filters.id.is_empty()
                && filters.created_at.is_empty()
                && filters.updated_at.iter().all(is_range)),
            first,
            last,
        })
    }

    /// Whether the group at the place can meet the filters.
    pub fn admits(&self, place: GroupPlace) -> bool {
        !self.refuses
            || place.id().is_some_and(|id| {
                self.created.iter().any(|ids| ids.contains(&id.get()))
                    && all(&self.filters.id, Some(&id))
                    && all(&self.filters.updated_at, place.updated_at().as_ref())
            })
    }
}

/// The ways that the filters have, but for the one by update. `facets_max` is how many facets are looked at.
pub fn ways(
    store: &Store,
    filters: &GroupFilters,
    places: &PlaceFilter<'_>,
    facets_max: usize,
) -> Result<Vec<Way>, ProjectionError> {
    let on_tickets = filters.count().1;
    // One ticket has to meet all filters on tickets, so keys for some of them alone meet none.
    let on_one_ticket = |met| if met == on_tickets { met } else { 0 };
    let in_order = |prefixes: Vec<Vec<u8>>, met| Way::Placed {
        stretches: prefixes
            .into_iter()
            .map(|prefix| Stretch {
                prefix,
                first: places.first,
                last: places.last,
            })
            .collect(),
        met,
    };
    let mut ways = Vec::new();
    if let Some(numbers) = named(&filters.media_serial_number_id) {
        let prefixes = numbers.into_iter().map(|number| index::by_media(number));
        let on_cards = filters.media_serial_number_id.len();
        ways.push(in_order(prefixes.collect(), on_one_ticket(on_cards)));
    }
    for (conditions, role) in [
        (&filters.distribution_holder_customer_id, Role::Holder),
        (&filters.order_owner_customer_id, Role::Owner),
    ] {
        if let Some(customers) = named(conditions) {
            ways.push(in_order(by_customers(customers, role), conditions.len()));
        }
    }
    if let Some(facets) = facets(store, filters, facets_max)? {
        let met = filters.organisation_id.len()
            + filters.order_version.len()
            + on_one_ticket(filters.distribution_status.len());
        ways.push(in_order(facets, met));
    }
    if let Some(lines) = named(&filters.order_line_id) {
        let lines = lines.into_iter().map(index::by_line);
        ways.push(Way::Unplaced {
            keys: lines.map(index::keys_of).collect(),
            met: filters.order_line_id.len(),
        });
    }
    for (conditions, time) in [
        (&filters.start_of_validity, ValidityTime::Start),
        (&filters.end_of_validity, ValidityTime::End),
    ] {
        let times = Spans::of(conditions);
        if times.spans != [(Bound::Unbounded, Bound::Unbounded)] {
            let keys = times.spans.iter().map(|(from, to)| time.keys(*from, *to));
            ways.push(Way::Unplaced {
                keys: keys.collect(),
                met: if times.are_exact {
                    on_one_ticket(conditions.len())
                } else {
                    0
                },
            });
        }
    }
    if places.refuses {
        let of_ids = bounds(&filters.id);
        let ids = places
            .created
            .iter()
            .map(|created| ids_within(of_ids, created));
        let keys = ids.map(|ids| index::range(index::id_key(ids.start), index::id_key(ids.end)));
        let is_met = places.created_is_met && filters.id.iter().all(is_range);
        ways.push(Way::Unplaced {
            keys: keys.collect(),
            met: if is_met {
                filters.id.len() + filters.created_at.len()
            } else {
                0
            },
        });
    }
    Ok(ways)
}

/// The way along all groups, as far as the times of creation and of update leave them.
pub fn way_by_update(filters: &GroupFilters) -> Vec<Stretch> {
    let (from, to) = bounds(&filters.created_at);
    let from = value(from).copied().unwrap_or(DateTime::<Utc>::MIN_UTC);
    let to = value(to).copied().unwrap_or(DateTime::<Utc>::MAX_UTC);
    let updates = Spans::of(&filters.updated_at);
    let updates = updates.spans.into_iter().map(places_within);
    updates
        .flat_map(|(first, last)| {
            Lag::all().map(move |lag| {
                let updates = lag.updates(from, to);
                Stretch {
                    prefix: index::by_update(lag),
                    first: first.max(GroupPlace::first_of(*updates.end())),
                    last: last.min(GroupPlace::last_of(*updates.start())),
                }
            })
        })
        .collect()
}

/// Whether the filters say until when a group was created, so that the way by update is not all of what came since.
pub fn has_end_of_creation(filters: &GroupFilters) -> bool {
    bounds(&filters.created_at).1 != Bound::Unbounded
}

/// The values that all conditions admit, where one of them names what it admits.
pub fn named<T: Ord>(conditions: &[Condition<T>]) -> Option<BTreeSet<&T>> {
    let values = conditions.iter().find_map(Condition::named)?;
    Some(
        values
            .iter()
            .filter(|value| all(conditions, Some(value)))
            .collect(),
    )
}

/// Whether the condition is met by all that lies within its bounds.
fn is_range<T>(condition: &Condition<T>) -> bool {
    matches!(condition, Condition::Is(_)) || condition.compares()
}

/// What a condition leaves of a field: from where and to where.
pub type Span<'f, T> = (Bound<&'f T>, Bound<&'f T>);

/// What several conditions leave of a field.
struct Spans<'f, T> {
    /// All that they admit lies within these.
    spans: Vec<Span<'f, T>>,
    /// Whether nothing else does.
    are_exact: bool,
}

impl<'f, T: Ord> Spans<'f, T> {
    /// One for each value where they are named, else one.
    fn of(conditions: &'f [Condition<T>]) -> Self {
        let Some(values) = named(conditions) else {
            return Self {
                spans: vec![bounds(conditions)],
                are_exact: conditions.iter().all(is_range),
            };
        };
        let span = |value| (Bound::Included(value), Bound::Included(value));
        Self {
            spans: values.into_iter().map(span).collect(),
            are_exact: true,
        }
    }
}

/// The narrowest bounds of all conditions.
fn bounds<T: Ord>(conditions: &[Condition<T>]) -> Span<'_, T> {
    let limits = |bound: &Bound<_>| *bound != Bound::Unbounded;
    // Of two that begin or end at the same value the one without it is the narrower.
    let is_included = |bound: &Bound<_>| matches!(bound, Bound::Included(_));
    let all = conditions.iter().map(Condition::bounds);
    let from = all.clone().map(|(from, _)| from).filter(limits);
    let to = all.map(|(_, to)| to).filter(limits);
    (
        from.max_by_key(|from| (value(*from), !is_included(from)))
            .unwrap_or(Bound::Unbounded),
        to.min_by_key(|to| (value(*to), is_included(to)))
            .unwrap_or(Bound::Unbounded),
    )
}

fn value<T>(bound: Bound<&T>) -> Option<&T> {
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value),
        Bound::Unbounded => None,
    }
}

fn by_customers(customers: BTreeSet<&CustomerId>, role: Role) -> Vec<Vec<u8>> {
    customers
        .into_iter()
        .flat_map(|customer| {
            [role, Role::OwnerAndHolder].map(|role| index::by_customer(customer, role))
        })
        .collect()
}

/// The prefixes of all facets that can meet the filters; `None` where there is no filter on their fields, or more than
/// `most` facets are there.
fn facets(
    store: &Store,
    filters: &GroupFilters,
    most: usize,
) -> Result<Option<Vec<Vec<u8>>>, ProjectionError> {
    if filters.organisation_id.is_empty()
        && filters.order_version.is_empty()
        && filters.distribution_status.is_empty()
    {
        return Ok(None);
    }
    let sections = match named(&filters.organisation_id) {
        Some(organisations) => organisations
            .into_iter()
            .map(|organisation| [index::BY_FACET, &organisation.get().to_be_bytes()].concat())
            .collect(),
        None => vec![index::BY_FACET.to_vec()],
    };
    let mut admitted = Vec::new();
    let mut looked_at = 0;
    for section in sections {
        let end = index::behind(section.clone());
        let mut first = section;
        while let Some(key) = store
            .keys(index::range(first, end.clone()))
            .next()
            .transpose()?
        {
            let Some(facet) = index::parse_facet(&key) else {
                break;
            };
            if looked_at == most {
                return Ok(None);
            }
            looked_at += 1;
            let prefix = index::by_facet(facet);
            first = index::behind(prefix.clone());
            if facet.can_meet(filters) {
                admitted.push(prefix);
            }
        }
    }
    Ok(Some(admitted))
}

/// The first and the last place of a time of update.
fn places_within((from, to): Span<'_, DateTime<Utc>>) -> (GroupPlace, GroupPlace) {
    // No group has the first or last place of a time, so that what is excluded ends before or behind all of it.
    let first = match to {
        Bound::Included(to) => GroupPlace::first_of(*to),
        Bound::Excluded(to) => GroupPlace::last_of(*to),
        Bound::Unbounded => GroupPlace::START,
    };
    let last = match from {
        Bound::Included(from) => GroupPlace::last_of(*from),
        Bound::Excluded(from) => GroupPlace::first_of(*from),
        Bound::Unbounded => GroupPlace::END,
    };
    (first, last)
}

/// Of these ids, those within a span.
fn ids_within((from, to): Span<'_, GroupId>, ids: &Range<i64>) -> Range<i64> {
    let start = match from {
        Bound::Included(id) => id.get(),
        Bound::Excluded(id) => id.get() + 1,
        Bound::Unbounded => ids.start,
    };
    let end = match to {
        Bound::Included(id) => id.get() + 1,
        Bound::Excluded(id) => id.get(),
        Bound::Unbounded => ids.end,
    };
    ids.start.max(start)..ids.end.min(end)
}
