//! The way of a search through groups: one after the other, newest update first, and not for ever.

use std::iter::Peekable;
use std::ops::Bound;

use super::ROWS_READ_MAX;
use super::filters::GroupFilters;
use super::index::GroupPlace;
use super::plan::{Keys, Plan};
use crate::distribution::TicketDistributionGroup;
use crate::store::{ProjectionError, Store};

/// Groups that meet the filters, as far as the walk went.
pub struct Walk<'w> {
    store: &'w Store,
    /// `None`: whatever comes meets them.
    filters: Option<&'w GroupFilters>,
    candidates: Box<dyn Iterator<Item = Result<Candidate, ProjectionError>> + 'w>,
    rows_left: usize,
    /// Where the last group stands that was looked at.
    pub reached: Option<GroupPlace>,
    /// Whether it ended with groups not looked at.
    pub is_cut: bool,
}

/// A group that a search comes upon.
#[derive(Debug)]
pub struct Candidate {
    /// Where it stands.
    pub place: GroupPlace,
    /// The group, where it was read.
    group: Option<TicketDistributionGroup>,
}

impl Candidate {
    /// The group.
    pub fn group(self, store: &Store) -> Result<Option<TicketDistributionGroup>, ProjectionError> {
        match self.group {
            Some(group) => Ok(Some(group)),
            None => store.read(&self.place.group_key(), "group"),
        }
    }
}

impl<'w> Walk<'w> {
    /// A walk behind a place, or from the beginning.
    pub fn behind(
        after: Option<GroupPlace>,
        plan: &'w Plan,
        filters: &'w GroupFilters,
        store: &'w Store,
    ) -> Self {
        let is_behind = move |place: &GroupPlace| after.is_none_or(|after| *place > after);
        let (candidates, filters): (Box<dyn Iterator<Item = _> + 'w>, _) = match plan {
            Plan::Few(groups) => {
                let groups = groups.iter().filter(move |(place, _)| is_behind(place));
                let groups = groups.map(|(place, group)| {
                    Ok(Candidate {
                        place: *place,
                        group: Some(group.clone()),
                    })
                });
                (Box::new(groups), None)
            }
            Plan::Along(keys) => {
                let places = places(store, keys, after);
                let places =
                    places.map(|place| place.map(|place| Candidate { place, group: None }));
                (Box::new(places), keys.is_wide.then_some(filters))
            }
        };
        Self {
            store,
            filters,
            candidates,
            rows_left: ROWS_READ_MAX,
            reached: None,
            is_cut: false,
        }
    }

    /// The next group that meets the filters; `None` at the end, or when [`ROWS_READ_MAX`] groups were looked at.
    pub fn next(&mut self) -> Result<Option<Candidate>, ProjectionError> {
        for candidate in self.candidates.by_ref() {
            let mut candidate = candidate?;
            if let Some(filters) = self.filters {
                if self.rows_left == 0 {
                    self.is_cut = true;
                    return Ok(None);
                }
                self.rows_left -= 1;
                self.reached = Some(candidate.place);
                candidate.group = self.store.read(&candidate.place.group_key(), "group")?;
                let is_met = candidate
                    .group
                    .as_ref()
                    .is_some_and(|group| filters.admit(group));
                if !is_met {
                    continue;
                }
            }
            self.reached = Some(candidate.place);
            return Ok(Some(candidate));
        }
        Ok(None)
    }
}

/// The places behind one under any of the prefixes, in order, each once.
fn places<'w>(
    store: &'w Store,
    keys: &Keys,
    after: Option<GroupPlace>,
) -> impl Iterator<Item = Result<GroupPlace, ProjectionError>> + 'w {
    let (first, last) = (keys.first, keys.last);
    let start = match after {
        Some(after) if after >= first => Bound::Excluded(after),
        _ => Bound::Included(first),
    };
    let is_empty = first.max(after.unwrap_or(first)) >= last;
    let prefixes = keys.prefixes.iter().filter(|_| !is_empty);
    let streams = prefixes.map(|prefix| {
        let key = |place: GroupPlace| [prefix.as_slice(), &place.to_bytes()].concat();
        store
            .keys((start.map(key), Bound::Included(key(last))))
            .map(|key| key.map(|key| GroupPlace::of_key(&key)))
            .filter_map(Result::transpose)
            .peekable()
    });
    merged(streams.collect())
}

/// Sorted streams as one.
fn merged<E>(
    mut streams: Vec<Peekable<impl Iterator<Item = Result<GroupPlace, E>>>>,
) -> impl Iterator<Item = Result<GroupPlace, E>> {
    let mut before = None;
    std::iter::from_fn(move || {
        loop {
            // `None` sorts first: an error comes out at once.
            let next = streams
                .iter_mut()
                .filter_map(|stream| {
                    let place = stream.peek()?.as_ref().ok().copied();
                    Some((place, stream))
                })
                .min_by_key(|(place, _)| *place)?
                .1
                .next()?;
            if let Ok(place) = next
                && before.replace(place) == Some(place)
            {
                continue;
            }
            return Some(next);
        }
    })
}
