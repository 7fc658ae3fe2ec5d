//! The bytes of a record, apart from how records are packed and stored (docs/log-format.md, "Record").

use std::sync::Arc;

use foldhash::HashSet;
use smol_str::SmolStr;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::record::{Record, StreamOrigin};
use crate::bytes::{Malformed, Reader, put_text, put_time, put_varint};
use crate::event::About;
use crate::json::JsonText;

const ABOUT_MASK: u8 = 0b0000_0011;
const ABOUT_NOTHING: u8 = 0;
const ABOUT_ORDER: u8 = 1;
const ABOUT_CUSTOMER: u8 = 2;
const ABOUT_PROGRAM: u8 = 3;
const HAS_ORIGIN: u8 = 0b0000_0100;
const HAS_CORRELATION_ID: u8 = 0b0000_1000;
const FLAGS_KNOWN: u8 = ABOUT_MASK | HAS_ORIGIN | HAS_CORRELATION_ID;

/// Appends a record's bytes.
pub(super) fn put_record(out: &mut Vec<u8>, record: &Record) {
    let about = match &record.about {
        About::Nothing => ABOUT_NOTHING,
        About::Order(_) => ABOUT_ORDER,
        About::Customer(_) => ABOUT_CUSTOMER,
        About::Program(_) => ABOUT_PROGRAM,
    };
    let origin = record.origin.as_ref().map_or(0, |_| HAS_ORIGIN);
    let correlation = record
        .correlation_id
        .as_ref()
        .map_or(0, |_| HAS_CORRELATION_ID);
    out.push(about | origin | correlation);
    put_varint(out, record.position);
    put_time(out, record.recorded_at);
    put_time(out, record.time);
    if let Some(origin) = &record.origin {
        put_text(out, &origin.stream);
        put_varint(out, origin.sequence);
    }
    put_text(out, &record.source);
    put_text(out, &record.id);
    put_text(out, &record.event_type);
    if let Some(correlation_id) = &record.correlation_id {
        put_text(out, correlation_id);
    }
    match &record.about {
        About::Nothing => {}
        About::Order(id) => put_text(out, id.as_str()),
        About::Customer(id) => put_text(out, id.as_str()),
        About::Program(id) => put_varint(out, id.get().cast_unsigned()),
    }
    put_text(out, record.data.get());
}

/// The digest of a record, given that of the record before it (0 before the first): a chain over the whole log that
/// does not depend on how records are packed.
pub(super) fn chain_digest(before: u64, record_bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(record_bytes, before)
}

/// Types of event that a reader keeps at most: all that farelog knows, as several publishers name them.
const TYPES_KEPT_MAX: usize = 128;

/// Reads records. Keeps what many records share: the last stream's name, and the names of types.
#[derive(Default)]
pub(super) struct RecordReader {
    stream: Option<Arc<str>>,
    types: HashSet<SmolStr>,
}

impl RecordReader {
    /// Reads a record's bytes, all of them.
    pub(super) fn record(&mut self, bytes: &[u8]) -> Result<Record, Malformed> {
        let reader = &mut Reader::new(bytes);
        let flags = reader.byte()?;
        if flags & !FLAGS_KNOWN != 0 {
            return Err(Malformed("it has flags that are not known"));
        }
        let position = reader.varint()?;
        let recorded_at = reader.time()?;
        let time = reader.time()?;
        let origin = if flags & HAS_ORIGIN == 0 {
            None
        } else {
            let stream = self.stream(reader.text()?);
            let sequence = reader.varint()?;
            Some(StreamOrigin { stream, sequence })
        };
        let source = reader.text()?.into();
        let id = reader.text()?.into();
        let event_type = self.event_type(reader.text()?);
        let correlation_id = if flags & HAS_CORRELATION_ID == 0 {
            None
        } else {
            Some(reader.text()?.into())
        };
        let about = read_about(flags & ABOUT_MASK, reader)?;
        let data = JsonText::kept(reader.text()?);
        if !reader.is_empty() {
            return Err(Malformed("a record has more bytes than it uses"));
        }
        Ok(Record {
            position,
            recorded_at,
            origin,
            source,
            id,
            event_type,
            time,
            correlation_id,
            about,
            data,
        })
    }

    fn stream(&mut self, name: &str) -> Arc<str> {
        match &self.stream {
            Some(stream) if **stream == *name => Arc::clone(stream),
            _ => Arc::clone(self.stream.insert(name.into())),
        }
    }

    fn event_type(&mut self, name: &str) -> SmolStr {
        if let Some(known) = self.types.get(name) {
            return known.clone();
        }
        let event_type = SmolStr::new(name);
        if self.types.len() < TYPES_KEPT_MAX {
            self.types.insert(event_type.clone());
        }
        event_type
    }
}

fn read_about(tag: u8, reader: &mut Reader<'_>) -> Result<About, Malformed> {
    const NO_ID: Malformed = Malformed("what it is about has no valid id");
    Ok(match tag {
        ABOUT_ORDER => About::Order(reader.text()?.parse().map_err(|_| NO_ID)?),
        ABOUT_CUSTOMER => About::Customer(reader.text()?.parse().map_err(|_| NO_ID)?),
        ABOUT_PROGRAM => {
            let id = i64::try_from(reader.varint()?).map_err(|_| NO_ID)?;
            About::Program(crate::id::ProgramId::new(id).ok_or(NO_ID)?)
        }
        _ => About::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;

    use super::*;
    use crate::log::samples;

    proptest! {
        #[test]
        fn a_record_reads_back(entry in samples::any_entry(), position in 1..u64::MAX, at in samples::any_time()) {
            let record = Record::from_entry(entry, position, at);
            let mut bytes = Vec::new();
            put_record(&mut bytes, &record);
            let read = RecordReader::default().record(&bytes).unwrap();
            samples::assert_same(&[read], &[record]);
        }

        #[test]
        fn random_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = RecordReader::default().record(&bytes);
        }

        #[test]
        fn a_record_cut_short_is_refused(entry in samples::any_entry(), cut in any::<prop::sample::Index>()) {
            let record = Record::from_entry(entry, 1, DateTime::UNIX_EPOCH);
            let mut bytes = Vec::new();
            put_record(&mut bytes, &record);
            bytes.truncate(cut.index(bytes.len()));
            prop_assert!(RecordReader::default().record(&bytes).is_err());
        }
    }
}
