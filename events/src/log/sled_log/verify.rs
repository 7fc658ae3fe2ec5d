//! The whole log read and checked: every pack, the chain through all of them, and the index against the records.

use super::SledLog;
use super::store::{missing, read_index_key};
use crate::log::index::{self, Candidate};
use crate::log::{EventLog, LogError, Position, keys};

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
    /// [`LogError::Corrupt`] with the first position found wrong.
    pub fn verify(&self, mut progress: impl FnMut(Position)) -> Result<Verified, LogError> {
        let last_position = self.head().position;
        let mut digest = 0;
        if last_position > 0 {
            let mut next = 1;
            for (count, pack) in self.packs(1, |_| true)?.enumerate() {
                if next > last_position {
                    break;
                }
                let pack = pack?;
                if next == 1 && pack.before != 0 {
                    return Err(damaged(1, "the chain of digests has another start"));
                }
                for record in &pack.records {
                    let candidate = Candidate {
                        position: record.position,
                        digest: index::candidate_digest(&record.source, &record.id),
                    };
                    let subject = index::subject_digest(&record.about, &record.source, &record.id);
                    if !self.candidates(subject)?.contains(&candidate) {
                        return Err(damaged(
                            record.position,
                            "the index does not have the record",
                        ));
                    }
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
            self.verify_index_size(last_position)?;
        }
        progress(last_position);
        Ok(Verified {
            last_position,
            digest,
        })
    }

    /// Every record is in the index, each once, as was seen: then as many candidates as records means no other.
    fn verify_index_size(&self, last_position: Position) -> Result<(), LogError> {
        let mut candidates = 0;
        for entry in self.db.scan_prefix(keys::INDEX_PREFIX) {
            let (key, value) = entry?;
            let (subject, first) = read_index_key(&key)?;
            if first <= last_position {
                candidates += index::read_entry(subject, first, &value)?.len() as u64;
            }
        }
        if candidates != last_position {
            return Err(damaged(
                0,
                "the index has another number of records than the log",
            ));
        }
        Ok(())
    }
}

fn damaged(position: Position, problem: &str) -> LogError {
    LogError::Corrupt {
        position,
        problem: problem.to_owned(),
    }
}
