//! The whole log read and checked: every pack, the chain through all of them, and the index against the records.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::SledLog;
use super::store::{missing, packs};
use crate::log::index::{self, Candidate};
use crate::log::{EventLog, LogError, Position, Record};

/// Packs between two calls of the progress function.
const PACKS_PER_PROGRESS: usize = 256;

/// What a whole log was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// Position of the last record.
    pub last_position: Position,
    /// Digest of the last record. It covers all records before it and does not depend on how they were batched, so
    /// two logs with the same records, recorded at the same times, have the same.
    pub digest: u64,
}

impl SledLog {
    /// Reads the log up to its head and checks every byte of it: the packs, the chain of digests through all records,
    /// and that the index has each record, and nothing else. `progress` hears how far it is, now and then.
    ///
    /// Takes some seconds per million records. Appends may go on meanwhile; what they add is not looked at.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with the first position found wrong; [`LogError::IndexDamaged`] where the records are as they
    /// were and the index is not.
    pub fn verify(&self, mut progress: impl FnMut(Position)) -> Result<Verified, LogError> {
        let last_position = self.head().position;
        let mut digest = 0;
        let mut indexed = Sum::default();
        if last_position > 0 {
            let mut next = 1;
            for (count, pack) in packs(&self.db, 1, |_| true)?.enumerate() {
                if next > last_position {
                    break;
                }
                let pack = pack?;
                if next == 1 && pack.before != 0 {
                    return Err(LogError::Corrupt {
                        position: 1,
                        problem: "the chain of digests has another start".to_owned(),
                    });
                }
                for record in &pack.records {
                    let (subject, candidate) = expected(record);
                    indexed.add(subject, candidate);
                }
                digest = pack.after;
                next = pack.next;
                if count % PACKS_PER_PROGRESS == 0 {
                    progress(next - 1);
                }
            }
            if next <= last_position {
                return Err(missing(next));
            }
        }
        self.verify_index(last_position, &indexed)?;
        progress(last_position);
        Ok(Verified {
            last_position,
            digest,
        })
    }

    /// The index has as many candidates as there are records, and the same ones.
    fn verify_index(&self, last_position: Position, expected: &Sum) -> Result<(), LogError> {
        let mut found = Sum::default();
        self.index
            .each_candidate(last_position, |subject, candidate| {
                found.add(subject, candidate);
            })?;
        if found == *expected {
            return Ok(());
        }
        Err(match self.first_not_indexed()? {
            Some(position) => self.index.damaged(&format!(
                "it does not have the record at position {position}"
            )),
            None => self.index.damaged("it has more than the records"),
        })
    }

    fn first_not_indexed(&self) -> Result<Option<Position>, LogError> {
        for pack in packs(&self.db, 1, |_| true)? {
            for record in pack?.records {
                let (subject, candidate) = expected(&record);
                if !self
                    .index
                    .known(subject)?
                    .candidates()
                    .any(|known| *known == candidate)
                {
                    return Ok(Some(record.position));
                }
            }
        }
        Ok(None)
    }
}

/// What the index is to have of a record.
fn expected(record: &Record) -> (u64, Candidate) {
    let candidate = Candidate {
        position: record.position,
        digest: index::candidate_digest(&record.source, &record.id),
    };
    let subject = index::subject_digest(&record.about, &record.source, &record.id);
    (subject, candidate)
}

/// Stands for a set of candidates, in whatever order they come. Two sets that differ by damage have the same once in 2^64
/// times.
#[derive(Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    digests: u64,
}

impl Sum {
    fn add(&mut self, subject: u64, candidate: Candidate) {
        let place = [candidate.position, u64::from(candidate.digest)].map(u64::to_le_bytes);
        let digest = xxh3_64_with_seed(place.as_flattened(), subject);
        self.count += 1;
        self.digests = self.digests.wrapping_add(digest);
    }
}
