//! What the index keeps of a record, and its entries as bytes (docs/log-format.md, "Index").

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::bytes::{Malformed, Reader, put_varint};
use crate::event::About;
use crate::log::Position;

const CHECK_BYTES: usize = 4;

/// Candidates in one entry at most. An entry is written anew with each batch that adds to it, so it stays small.
pub(crate) const CANDIDATES_MAX: usize = 256;

/// Stands for what an event is about.
///
/// Events about nothing are kept by their identity: there is nothing to list, and a repeat is found among few.
pub(crate) fn subject_digest(about: &About, source: &str, id: &str) -> u64 {
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
pub(crate) fn identity_digest(about: &About, source: &str, id: &str) -> u64 {
    event_digest(source, id) ^ subject_digest(about, source, id).rotate_left(1)
}

/// The digest that an entry keeps. 32 bits are enough: one false candidate in four thousand million costs one read.
pub(crate) fn candidate_digest(source: &str, id: &str) -> u32 {
    let [a, b, c, d, ..] = event_digest(source, id).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// A record that may be the one looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    /// Where the record is.
    pub(crate) position: Position,
    /// The digest of its source and id.
    pub(crate) digest: u32,
}

/// Candidates of one subject, in log order: the newest, or as many as an entry takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// How many full entries of the subject stand before this one.
    pub(crate) number: u32,
    pub(crate) candidates: Vec<Candidate>,
}

impl Entry {
    pub(crate) fn is_full(&self) -> bool {
        self.candidates.len() >= CANDIDATES_MAX
    }

    /// Whether all of it is about records behind a position.
    pub(crate) fn is_behind(&self, last: Position) -> bool {
        let first = self.candidates.first();
        first.is_none_or(|candidate| candidate.position > last)
    }

    /// The empty entry behind this one.
    pub(crate) fn next(&self) -> Self {
        Self {
            number: self.number + 1,
            candidates: Vec::new(),
        }
    }

    pub(crate) fn to_bytes(&self, subject: u64) -> Vec<u8> {
        let mut value = Vec::with_capacity(8 + self.candidates.len() * 8);
        put_varint(&mut value, u64::from(self.number));
        let mut last = 0;
        for candidate in &self.candidates {
            put_varint(&mut value, candidate.position - last);
            value.extend_from_slice(&candidate.digest.to_le_bytes());
            last = candidate.position;
        }
        let check = check(subject, &value);
        value.extend_from_slice(&check);
        value
    }

    /// # Errors
    /// The bytes are not those of an entry of this subject.
    pub(crate) fn read(subject: u64, value: &[u8]) -> Result<Self, Malformed> {
        let (checked, stored_check) = value
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(Malformed("it ends too early"))?;
        if *stored_check != check(subject, checked) {
            return Err(Malformed("its check does not match its bytes"));
        }
        let mut reader = Reader::new(checked);
        let number =
            u32::try_from(reader.varint()?).map_err(|_| Malformed("its number passes 32 bits"))?;
        let mut candidates = Vec::new();
        let mut position: Position = 0;
        while !reader.is_empty() {
            position = position
                .checked_add(reader.varint()?)
                .ok_or(Malformed("a position passes 64 bits"))?;
            let digest = u32::from_le_bytes(reader.array()?);
            candidates.push(Candidate { position, digest });
        }
        Ok(Self { number, candidates })
    }
}

fn check(subject: u64, checked: &[u8]) -> [u8; CHECK_BYTES] {
    let [a, b, c, d, ..] = xxh3_64_with_seed(checked, subject).to_le_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn any_entry() -> impl Strategy<Value = Entry> {
        let steps = vec((1..1_u64 << 40, any::<u32>()), 0..CANDIDATES_MAX);
        (any::<u32>(), steps).prop_map(|(number, steps)| {
            let mut position = 0;
            let candidates = steps.into_iter().map(|(step, digest)| {
                position += step;
                Candidate { position, digest }
            });
            Entry {
                number,
                candidates: candidates.collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn an_entry_reads_back(subject: u64, entry in any_entry()) {
            let read = Entry::read(subject, &entry.to_bytes(subject));
            prop_assert_eq!(read.ok(), Some(entry));
        }

        #[test]
        fn random_bytes_are_refused_and_never_panic(subject: u64, bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(Entry::read(subject, &bytes).is_err());
        }

        #[test]
        fn a_changed_byte_or_another_subject_is_noticed(
            subject: u64, entry in any_entry(), place: prop::sample::Index, change in 1..=255_u8
        ) {
            let mut bytes = entry.to_bytes(subject);
            prop_assert!(Entry::read(subject ^ 1, &bytes).is_err());
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            prop_assert!(Entry::read(subject, &bytes).is_err());
        }
    }
}
