//! The bytes of a record, apart from how records are packed and stored (docs/log-format.md, "Record").

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::record::{Record, StreamOrigin};
use crate::event::About;

/// Bytes that are no record; says which part. Damage, or a writer with another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

const ABOUT_MASK: u8 = 0b0000_0011;
const ABOUT_NOTHING: u8 = 0;
const ABOUT_ORDER: u8 = 1;
const ABOUT_CUSTOMER: u8 = 2;
const ABOUT_PROGRAM: u8 = 3;
const HAS_ORIGIN: u8 = 0b0000_0100;
const HAS_CORRELATION_ID: u8 = 0b0000_1000;
const FLAGS_KNOWN: u8 = ABOUT_MASK | HAS_ORIGIN | HAS_CORRELATION_ID;

/// A varint of 64 bits has at most 10 groups of 7.
const VARINT_BYTES_MAX: usize = 10;

/// Appends `value`, least significant 7 bits first; the high bit says that more follow.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Seconds since 1970 in zigzag (times before it are negative), then nanoseconds, which pass 10^9 within a leap second.
pub(super) fn put_time(out: &mut Vec<u8>, time: DateTime<Utc>) {
    let seconds = time.timestamp();
    put_varint(out, ((seconds << 1) ^ (seconds >> 63)).cast_unsigned());
    put_varint(out, u64::from(time.timestamp_subsec_nanos()));
}

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

/// Reads encoded parts off the front of a slice. Every length is checked against what is there before it is used.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for group in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * group);
            if shifted >> (7 * group) != bits {
                return Err(Malformed("a number passes 64 bits"));
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number passes 64 bits"))
    }

    /// Bytes behind their length.
    pub(super) fn prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed("it ends too early"))?;
        self.take(len)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.prefixed()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub(super) fn time(&mut self) -> Result<DateTime<Utc>, Malformed> {
        let zigzag = self.varint()?;
        let seconds = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let nanoseconds = u32::try_from(self.varint()?).ok();
        nanoseconds
            .and_then(|nanoseconds| DateTime::from_timestamp(seconds, nanoseconds))
            .ok_or(Malformed("a time is out of range"))
    }
}

/// Reads records. Keeps the last stream's name, which nearly all records share.
#[derive(Default)]
pub(super) struct RecordReader {
    stream: Option<Arc<str>>,
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
        let event_type = reader.text()?.into();
        let correlation_id = if flags & HAS_CORRELATION_ID == 0 {
            None
        } else {
            Some(reader.text()?.into())
        };
        let about = read_about(flags & ABOUT_MASK, reader)?;
        // The JSON is checked again here: serde_json has no way around it, and it costs about a nanosecond a byte.
        let data = RawValue::from_string(reader.text()?.to_owned())
            .map_err(|_| Malformed("its data is not JSON"))?;
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
    use proptest::prelude::*;

    use super::*;
    use crate::log::samples;

    proptest! {
        #[test]
        fn a_varint_reads_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }

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

    #[test]
    fn a_number_past_64_bits_is_refused() {
        assert!(Reader::new(&[0xFF; 11]).varint().is_err());
        let mut eleven_groups = [0xFF; 10];
        eleven_groups[9] = 0x02;
        assert!(Reader::new(&eleven_groups).varint().is_err());
    }
}
