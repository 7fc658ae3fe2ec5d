//! The index by what events are about (docs/log-format.md, "Index").
//!
//! One entry per batch and thing says which of the batch's records are about the thing, each with a short digest of
//! its source and id. It is written in the batch of the records, so it never lags, and it serves two questions:
//! which records are about an order, and whether an event is a repeat. Digests only narrow down: every candidate's
//! record is read and compared, so that two things or two events with one digest do no harm.

use std::collections::HashMap;
use std::collections::hash_map::Entry::{Occupied, Vacant};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::record::Record;
use super::{LogError, Position};
use crate::bytes::{Malformed, Reader, put_varint};
use crate::event::About;

const CHECK_BYTES: usize = 4;

/// Candidates in one entry at most: far under the store's largest value. A thing with more in one batch gets more
/// entries.
const ENTRY_CANDIDATES_MAX: usize = 256;

/// Stands in an index key for what an event is about.
///
/// Events about nothing are kept by their identity: there is nothing to list, and a repeat is found among few.
pub(super) fn subject_digest(about: &About, source: &str, id: &str) -> u64 {
    let tagged = |tag: u64, text: &str| xxh3_64_with_seed(text.as_bytes(), tag);
    match about {
        About::Order(order) => tagged(1, order.as_str()),
        About::Customer(customer) => tagged(2, customer.as_str()),
        About::Program(program) => xxh3_64_with_seed(&program.get().to_be_bytes(), 3),
        About::Nothing => xxh3_64(&event_digest(source, id).to_be_bytes()),
    }
}

/// Stands for the source and id of an event.
fn event_digest(source: &str, id: &str) -> u64 {
    xxh3_64_with_seed(id.as_bytes(), xxh3_64(source.as_bytes()))
}

/// Stands for the identity of an event: what it is about, source and id.
pub(super) fn identity_digest(about: &About, source: &str, id: &str) -> u64 {
    event_digest(source, id) ^ subject_digest(about, source, id).rotate_left(1)
}

/// The digest that an entry keeps. 32 bits are enough: one false candidate in four thousand million costs one read.
pub(super) fn candidate_digest(source: &str, id: &str) -> u32 {
    let [a, b, c, d, ..] = event_digest(source, id).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A record that may be the one looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    /// Where the record is.
    pub(super) position: Position,
    /// The digest of its source and id.
    pub(super) digest: u32,
}

/// What the index has just said, for as long as the head stays.
///
/// Every event is looked for before it is appended, and an order's events come close together: without this each of
/// them goes through the tree for the same answer.
#[derive(Default)]
pub(super) struct RecentLookups {
    head: Position,
    of_subjects: HashMap<u64, Vec<Candidate>>,
}

/// Subjects that [`RecentLookups`] holds at most: more than a commit has.
const RECENT_SUBJECTS_MAX: usize = 8192;

impl RecentLookups {
    /// The candidates of a subject, from `look_up` where they are not known at this head.
    pub(super) fn candidates(
        &mut self,
        head: Position,
        subject: u64,
        look_up: impl FnOnce() -> Result<Vec<Candidate>, LogError>,
    ) -> Result<&[Candidate], LogError> {
        if self.head != head || self.of_subjects.len() >= RECENT_SUBJECTS_MAX {
            self.of_subjects.clear();
            self.head = head;
        }
        match self.of_subjects.entry(subject) {
            Occupied(known) => Ok(known.into_mut()),
            Vacant(unknown) => Ok(unknown.insert(look_up()?)),
        }
    }
}

/// Makes the index entries of a batch. `put` takes the subject, the position of its first candidate, and the value.
pub(super) fn index(records: &[Record], mut put: impl FnMut(u64, Position, &[u8])) {
    let mut candidates: Vec<(u64, Candidate)> = records
        .iter()
        .map(|record| {
            let candidate = Candidate {
                position: record.position,
                digest: candidate_digest(&record.source, &record.id),
            };
            let subject = subject_digest(&record.about, &record.source, &record.id);
            (subject, candidate)
        })
        .collect();
    candidates.sort_unstable();
    let mut value = Vec::new();
    for of_one_subject in candidates.chunk_by(|a, b| a.0 == b.0) {
        for entry in of_one_subject.chunks(ENTRY_CANDIDATES_MAX) {
            let (subject, first) = entry[0];
            value.clear();
            put_entry(
                &mut value,
                subject,
                entry.iter().map(|(_, candidate)| candidate),
            );
            put(subject, first.position, &value);
        }
    }
}

/// Appends an entry's bytes; `candidates` are in log order.
pub(super) fn put_entry<'a>(
    value: &mut Vec<u8>,
    subject: u64,
    candidates: impl Iterator<Item = &'a Candidate>,
) {
    let mut first = None;
    let mut last = 0;
    for candidate in candidates {
        if first.is_none() {
            first = Some(candidate.position);
            last = candidate.position;
        }
        put_varint(value, candidate.position - last);
        value.extend_from_slice(&candidate.digest.to_le_bytes());
        last = candidate.position;
    }
    let check = check(subject, first.unwrap_or_default(), value);
    value.extend_from_slice(&check);
}

/// Reads an entry: its candidates in log order.
pub(super) fn read_entry(
    subject: u64,
    first: Position,
    value: &[u8],
) -> Result<Vec<Candidate>, LogError> {
    let corrupt = |problem: &str| LogError::Corrupt {
        position: first,
        problem: format!("the index entry is malformed, {problem}"),
    };
    let (list, stored_check) = value
        .split_last_chunk::<CHECK_BYTES>()
        .ok_or_else(|| corrupt("it ends too early"))?;
    if *stored_check != check(subject, first, list) {
        return Err(corrupt("its check does not match its bytes"));
    }
    let mut reader = Reader::new(list);
    let mut candidates = Vec::new();
    let mut position = first;
    while !reader.is_empty() {
        let candidate =
            read_candidate(&mut reader, position).map_err(|Malformed(problem)| corrupt(problem))?;
        position = candidate.position;
        candidates.push(candidate);
    }
    Ok(candidates)
}

fn read_candidate(reader: &mut Reader<'_>, last: Position) -> Result<Candidate, Malformed> {
    let distance = reader.varint()?;
    Ok(Candidate {
        position: last
            .checked_add(distance)
            .ok_or(Malformed("a position passes 64 bits"))?,
        digest: u32::from_le_bytes(reader.array()?),
    })
}

fn check(subject: u64, first: Position, list: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(list, subject.wrapping_add(first)).to_le_bytes();
    [a, b, c, d]
}
