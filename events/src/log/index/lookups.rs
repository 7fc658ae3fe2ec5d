//! What the index has just said, for as long as the head stays.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use super::entry::{Candidate, Entry};
use crate::log::{LogError, Position};

/// Subjects that [`RecentLookups`] holds at most: more than a commit has.
const RECENT_SUBJECTS_MAX: usize = 8192;

/// All that the index has of a subject.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Of the full entries; most subjects have none.
    pub(crate) earlier: Vec<Candidate>,
    pub(crate) newest: Entry,
}

impl Known {
    /// In log order.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.earlier.iter().chain(&self.newest.candidates)
    }
}

/// What was looked up at one head.
///
/// Every event is looked for before it is appended, and an order's events come close together: without this each of
/// them goes through the tree for the same answer. And the append goes on from what was found.
#[derive(Default)]
pub(crate) struct RecentLookups {
    head: Position,
    of_subjects: HashMap<u64, Known>,
}

impl RecentLookups {
    /// What the index has of a subject, from `look_up` where it is not known at this head.
    pub(crate) fn known(
        &mut self,
        head: Position,
        subject: u64,
        look_up: impl FnOnce() -> Result<Known, LogError>,
    ) -> Result<&Known, LogError> {
        if self.head != head || self.of_subjects.len() >= RECENT_SUBJECTS_MAX {
            self.of_subjects.clear();
            self.head = head;
        }
        match self.of_subjects.entry(subject) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(unknown) => Ok(unknown.insert(look_up()?)),
        }
    }

    /// The newest entry of a subject, where it is known at this head. It is not known any more then.
    pub(crate) fn take_newest(&mut self, head: Position, subject: u64) -> Option<Entry> {
        if self.head != head {
            return None;
        }
        self.of_subjects.remove(&subject).map(|known| known.newest)
    }
}
