//! The index by what events are about (docs/log-format.md, "Index"), in a merge tree beside the records.
//!
//! Under each subject stand its newest records, with a short digest of their source and id, and under the subject and a
//! number those before them, in full entries. It serves two questions: which records are about an order, and whether an
//! event is a repeat. Digests only narrow down: every candidate's record is read and compared, so that two things or two
//! events with one digest do no harm.
//!
//! It holds nothing that is not in the records. So it is not synced with them: what a kill or a power cut takes of it is
//! made again when it is opened ([`open`]), from its checkpoint on, and readers never see it behind the head.

mod checkpoint;
mod entry;
mod lookups;
mod opening;
#[cfg(test)]
pub(super) mod tampering;
#[cfg(test)]
mod tests;
mod writer;

pub(super) use self::checkpoint::IndexCheckpoint;
pub(super) use self::entry::{Candidate, Entry, candidate_digest, identity_digest, subject_digest};
pub(super) use self::lookups::RecentLookups;
pub(super) use self::opening::{Opened, look_at, open};
pub(super) use self::writer::{Changes, IndexWriter};
use super::{LogError, Position};
use crate::bytes::Malformed;
use crate::tree::{Form, LATEST, Tree, TreeError};

/// What the index of a log may take of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexMemory {
    /// What is kept of blocks that were read, in bytes.
    pub cache_bytes: u64,
    /// New entries are gathered up to so many bytes, and while they are brought to the disk the next are gathered; three
    /// times as much, and three batches, at most. What was gathered is made again when a process was killed.
    pub gathered_bytes: u64,
}

impl IndexMemory {
    /// Of a log that is in use.
    pub const USUAL: Self = Self {
        cache_bytes: 16 * 1024 * 1024,
        gathered_bytes: 8 * 1024 * 1024,
    };
}

/// Records that would be read again after a kill, by their bytes.
const REPLAY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How the index's tree is kept.
fn form(memory: IndexMemory) -> Form {
    use lsm_tree::config::PinningPolicy;
    Form {
        name: "log-index",
        cache_bytes: memory.cache_bytes,
        gathered_bytes: memory.gathered_bytes,
        replay_bytes_max: REPLAY_BYTES_MAX,
        runs_together: 4,
        runs_unsorted_max: 12,
        table_bytes: 32 * 1024 * 1024,
        // Some bytes a subject, and without them a look-up of one that is not there would read.
        configure: |config| {
            config
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_pinning_policy(PinningPolicy::all(true))
                .filter_block_partitioning_policy(PinningPolicy::all(false))
                .index_block_partitioning_policy(PinningPolicy::all(false))
        },
    }
}

/// The key of the checkpoint: no subject's, for those are longer.
const CHECKPOINT_KEY: &[u8] = b"c";

const SUBJECT_KEY_BYTES: usize = 8;

/// The key of a subject's newest entry. Numbers in keys are big-endian.
fn newest_key(subject: u64) -> [u8; SUBJECT_KEY_BYTES] {
    subject.to_be_bytes()
}

/// The key of a full entry of a subject.
fn full_key(subject: u64, number: u32) -> [u8; SUBJECT_KEY_BYTES + 4] {
    let mut key = [0; SUBJECT_KEY_BYTES + 4];
    key[..SUBJECT_KEY_BYTES].copy_from_slice(&newest_key(subject));
    key[SUBJECT_KEY_BYTES..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The index as it is read, by any thread.
#[derive(Clone)]
pub(super) struct Index {
    tree: Tree,
}

impl Index {
    /// The newest entry of a subject; an empty one where there is none.
    pub(super) fn newest(&self, subject: u64) -> Result<Entry, LogError> {
        let entry = self.entry(subject, &newest_key(subject))?;
        Ok(entry.unwrap_or_default())
    }

    /// Where the records of a subject are, in log order. What a batch that is just being indexed adds may be among them, so
    /// positions behind the head are to be left out.
    pub(super) fn positions(&self, subject: u64) -> Result<Vec<Position>, LogError> {
        // The newest first: full entries never change, so what it says stands before it is there, and all of it.
        let newest = self.newest(subject)?;
        let mut positions = Vec::new();
        let mut add = |entry: &Entry| {
            positions.extend(entry.candidates.iter().map(|candidate| candidate.position));
        };
        for number in 0..newest.number {
            add(&self.full(subject, number)?);
        }
        add(&newest);
        Ok(positions)
    }

    /// Whether the index has this of a subject. Reads few entries, however many the subject has.
    pub(super) fn has(&self, subject: u64, candidate: Candidate) -> Result<bool, LogError> {
        let newest = self.newest(subject)?;
        if !newest.is_behind(candidate.position) {
            return Ok(newest.candidates.contains(&candidate));
        }
        let mut numbers = 0..newest.number;
        while !numbers.is_empty() {
            let middle = numbers.start.midpoint(numbers.end);
            let entry = self.full(subject, middle)?;
            if entry.is_behind(candidate.position) {
                numbers.end = middle;
            } else if entry.candidates.contains(&candidate) {
                return Ok(true);
            } else {
                numbers.start = middle + 1;
            }
        }
        Ok(false)
    }

    fn full(&self, subject: u64, number: u32) -> Result<Entry, LogError> {
        self.entry(subject, &full_key(subject, number))?
            .filter(|entry| entry.number == number && entry.is_full())
            .ok_or_else(|| self.damaged("a full entry is missing"))
    }

    fn entry(&self, subject: u64, key: &[u8]) -> Result<Option<Entry>, LogError> {
        self.tree
            .get(key, LATEST)?
            .map(|value| self.read_entry(subject, &value))
            .transpose()
    }

    fn read_entry(&self, subject: u64, value: &[u8]) -> Result<Entry, LogError> {
        Entry::read(subject, value).map_err(|Malformed(problem)| {
            self.damaged(&format!("an entry is malformed: {problem}"))
        })
    }

    /// Goes through all entries, while others may be added: gives each candidate up to a position, with its subject.
    pub(super) fn each_candidate(
        &self,
        last: Position,
        mut each: impl FnMut(u64, Candidate),
    ) -> Result<(), LogError> {
        // The newest entry of a subject comes first. It says which full ones are to follow; what stands behind those was
        // filled meanwhile, and what matters of it was seen in the newest.
        let mut current: Option<u64> = None;
        let mut full = 0..0;
        for item in self.tree.iter(LATEST) {
            let (key, value) = item?;
            if *key == *CHECKPOINT_KEY {
                continue;
            }
            let (subject, number) = parts(&key).ok_or_else(|| self.damaged("a key is none"))?;
            let entry = self.read_entry(subject, &value)?;
            match number {
                None if full.is_empty() => (current, full) = (Some(subject), 0..entry.number),
                Some(number)
                    if current == Some(subject) && full.start == number && full.end > number =>
                {
                    full.start += 1;
                }
                Some(_)
                    if full.is_empty() && (current == Some(subject) || entry.is_behind(last)) =>
                {
                    continue;
                }
                _ => {
                    return Err(self.damaged("its full entries are not those that should be there"));
                }
            }
            for candidate in entry.candidates {
                if candidate.position <= last {
                    each(subject, candidate);
                }
            }
        }
        if full.is_empty() {
            Ok(())
        } else {
            Err(self.damaged("a full entry is missing"))
        }
    }

    /// The error for an index that is not what was written. The next start makes it anew.
    pub(super) fn damaged(&self, problem: &str) -> LogError {
        self.tree.damaged(problem).into()
    }
}

impl From<TreeError> for LogError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Io {
                action,
                place,
                source,
            } => Self::Io {
                action,
                place,
                source,
            },
            TreeError::Damaged(problem) => Self::IndexDamaged { problem },
            TreeError::InUse(place) => Self::InUse(place),
            TreeError::StandsStill(waited) => Self::IndexStandsStill(waited),
            TreeError::Failed => Self::Poisoned,
            TreeError::Panicked => Self::IndexStopped,
        }
    }
}

/// The subject in a key, and the number in that of a full entry.
fn parts(key: &[u8]) -> Option<(u64, Option<u32>)> {
    let (subject, number) = key.split_first_chunk()?;
    let number = match number {
        [] => None,
        number => Some(u32::from_be_bytes(number.try_into().ok()?)),
    };
    Some((u64::from_be_bytes(*subject), number))
}
