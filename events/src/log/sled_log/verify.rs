//! The whole log read and checked: every pack, the chain through all of them, and the index against the records.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::SledLog;
use super::store::{missing, packs};
use crate::log::index::{self, Candidate, Index};
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
        let mut indexed = Sum::default();
        let verified = verify_records(&self.db, last_position, &mut progress, |record| {
            indexed.add_record(record);
        })?;
        verify_index(&self.db, &self.index, last_position, &indexed)?;
        progress(last_position);
        Ok(verified)
    }
}

/// Checks every byte of the records up to `last_position`, the chain of digests through them included.
pub(super) fn verify_records(
    db: &sled::Db,
    last_position: Position,
    progress: &mut impl FnMut(Position),
    mut each: impl FnMut(&Record),
) -> Result<Verified, LogError> {
    let mut verified = Verified {
        last_position,
        digest: 0,
    };
    if last_position == 0 {
        return Ok(verified);
    }
    let mut next = 1;
    for (count, pack) in packs(db, 1, |_| true)?.enumerate() {
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
        pack.records.iter().for_each(&mut each);
        verified.digest = pack.after;
        next = pack.next;
        if count % PACKS_PER_PROGRESS == 0 {
            progress(next - 1);
        }
    }
    if next <= last_position {
        return Err(missing(next));
    }
    Ok(verified)
}

/// The index has as many candidates up to `last_position` as there are records, and the same ones.
pub(super) fn verify_index(
    db: &sled::Db,
    index: &Index,
    last_position: Position,
    expected: &Sum,
) -> Result<(), LogError> {
    let mut found = Sum::default();
    index.each_candidate(last_position, |subject, candidate| {
        found.add(subject, candidate);
    })?;
    if found == *expected {
        return Ok(());
    }
    Err(match first_not_indexed(db, index, last_position)? {
        Some(position) => index.damaged(&format!(
            "it does not have the record at position {position}"
        )),
        None => index.damaged("it has more than the records"),
    })
}

fn first_not_indexed(
    db: &sled::Db,
    index: &Index,
    last_position: Position,
) -> Result<Option<Position>, LogError> {
    for pack in packs(db, 1, |position| position <= last_position)? {
        let pack = pack?;
        for record in &pack.records {
            let (subject, candidate) = expected(record);
            if !index.has(subject, candidate)? {
                return Ok(Some(record.position));
            }
        }
        if pack.next > last_position {
            break;
        }
    }
    Ok(None)
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
pub(super) struct Sum {
    count: u64,
    digests: u64,
}

impl Sum {
    pub(super) fn add_record(&mut self, record: &Record) {
        let (subject, candidate) = expected(record);
        self.add(subject, candidate);
    }

    fn add(&mut self, subject: u64, candidate: Candidate) {
        let place = [candidate.position, u64::from(candidate.digest)].map(u64::to_le_bytes);
        let digest = xxh3_64_with_seed(place.as_flattened(), subject);
        self.count += 1;
        self.digests = self.digests.wrapping_add(digest);
    }
}
