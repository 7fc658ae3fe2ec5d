//! What the index has just said.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use super::Index;
use super::entry::{CANDIDATES_MAX, Candidate, Entry};
use crate::log::{LogError, Position};

/// Subjects whose newest entries [`RecentLookups`] holds at most: more than a commit has. 32 MiB, were all of them full.
const RECENT_SUBJECTS_MAX: usize = 8192;

/// Candidates of full entries that [`RecentLookups`] holds at most: 16 MiB. A subject that has more is read each time.
const FULL_CANDIDATES_MAX: usize = 1024 * 1024;

/// What was looked up: the newest entries at one head, and the full ones, which never change.
///
/// Every event is looked for before it is appended, and an order's events come close together: without this each of
/// them goes through the tree for the same answer. And the append goes on from what was found.
#[derive(Default)]
pub(crate) struct RecentLookups {
    head: Position,
    newest: HashMap<u64, Entry>,
    full: FullEntries,
}

impl RecentLookups {
    /// Where the index has records of a subject with a digest, in log order. Some may be behind the head.
    pub(crate) fn positions(
        &mut self,
        index: &Index,
        head: Position,
        subject: u64,
        digest: u32,
    ) -> Result<Vec<Position>, LogError> {
        if self.head != head || self.newest.len() >= RECENT_SUBJECTS_MAX {
            self.newest.clear();
            self.head = head;
        }
        // Before the full ones, which are there before it says so.
        let newest = match self.newest.entry(subject) {
            Occupied(known) => known.into_mut(),
            Vacant(unknown) => unknown.insert(index.newest(subject)?),
        };
        let mut positions = Vec::new();
        if newest.number > 0 {
            positions = self.full.positions(index, subject, newest.number, digest)?;
        }
        positions.extend(with_digest(&newest.candidates, digest));
        Ok(positions)
    }

    /// The newest entry of a subject, where it is known at this head. It is not known any more then.
    pub(crate) fn take_newest(&mut self, head: Position, subject: u64) -> Option<Entry> {
        if self.head == head {
            self.newest.remove(&subject)
        } else {
            None
        }
    }
}

/// The full entries of some subjects.
struct FullEntries {
    of_subjects: HashMap<u64, FullEntriesOf>,
    candidates: usize,
    candidates_max: usize,
}

/// Those of one subject, from the first on.
#[derive(Default)]
struct FullEntriesOf {
    entries: u32,
    candidates: Vec<Candidate>,
}

impl Default for FullEntries {
    fn default() -> Self {
        Self::with_at_most(FULL_CANDIDATES_MAX)
    }
}

impl FullEntries {
    fn with_at_most(candidates_max: usize) -> Self {
        Self {
            of_subjects: HashMap::new(),
            candidates: 0,
            candidates_max,
        }
    }

    /// As [`RecentLookups::positions`], of the full entries of a subject, of which there are so many.
    fn positions(
        &mut self,
        index: &Index,
        subject: u64,
        entries: u32,
        digest: u32,
    ) -> Result<Vec<Position>, LogError> {
        let candidates = |entries: u32| entries as usize * CANDIDATES_MAX;
        if candidates(entries) > self.candidates_max {
            let mut positions = Vec::new();
            for number in 0..entries {
                let entry = index.full(subject, number)?;
                positions.extend(with_digest(&entry.candidates, digest));
            }
            return Ok(positions);
        }
        let known = self.of_subjects.get(&subject).map_or(0, |of| of.entries);
        if self.candidates + candidates(entries - known.min(entries)) > self.candidates_max {
            self.of_subjects.clear();
            self.candidates = 0;
        }
        let of_subject = self.of_subjects.entry(subject).or_default();
        while of_subject.entries < entries {
            let entry = index.full(subject, of_subject.entries)?;
            of_subject.candidates.extend(entry.candidates);
            of_subject.entries += 1;
            self.candidates += CANDIDATES_MAX;
        }
        Ok(with_digest(&of_subject.candidates, digest).collect())
    }
}

fn with_digest(candidates: &[Candidate], digest: u32) -> impl Iterator<Item = Position> {
    let with_digest = candidates
        .iter()
        .filter(move |candidate| candidate.digest == digest);
    with_digest.map(|candidate| candidate.position)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::log::index::tampering::Tree;
    use crate::log::index::{full_key, newest_key};

    /// Candidates from 1 on, each at the position of its digest.
    fn candidates(from: u64, to: u64) -> Vec<Candidate> {
        let candidate = |position| Candidate {
            position,
            digest: u32::try_from(position).unwrap(),
        };
        (from..to).map(candidate).collect()
    }

    /// An index in which each of these subjects has so many full entries, and a newest one with one record.
    fn index_with(directory: &Path, subjects: &[(u64, u32)]) -> Index {
        let tree = Tree::open(directory);
        for &(subject, full) in subjects {
            let mut from = 1;
            for number in 0..full {
                let to = from + CANDIDATES_MAX as u64;
                let candidates = candidates(from, to);
                let entry = Entry { number, candidates };
                tree.put(&full_key(subject, number), &entry.to_bytes(subject));
                from = to;
            }
            let newest = Entry {
                number: full,
                candidates: candidates(from, from + 1),
            };
            tree.put(&newest_key(subject), &newest.to_bytes(subject));
        }
        Index {
            tree: tree.reader(),
        }
    }

    /// All that was ever said of a subject was held once, of thousands of subjects and however large.
    #[test]
    fn what_is_held_has_a_bound_and_answers_do_not_depend_on_it() {
        let directory = tempfile::tempdir().unwrap();
        let subjects = [(7, 0), (8, 1), (9, 2), (10, 3), (11, 5)];
        let index = index_with(directory.path(), &subjects);
        let candidates_max = 3 * CANDIDATES_MAX;
        let mut lookups = RecentLookups {
            full: FullEntries::with_at_most(candidates_max),
            ..RecentLookups::default()
        };
        for head in [5, 5, 6] {
            for (subject, full) in subjects {
                let last = u64::from(full) * CANDIDATES_MAX as u64 + 1;
                for position in [1, last / 2 + 1, last] {
                    let digest = u32::try_from(position).unwrap();
                    let found = lookups.positions(&index, head, subject, digest);
                    assert_eq!(found.unwrap(), [position], "{subject} has {full}");
                    assert!(lookups.full.candidates <= candidates_max);
                }
                let none = lookups.positions(&index, head, subject, 0).unwrap();
                assert!(none.is_empty());
            }
            let held = lookups.full.of_subjects.values();
            let held: usize = held.map(|of| of.candidates.len()).sum();
            assert_eq!(held, lookups.full.candidates);
        }
    }
}
