//! Records of the log on fjall as bytes: each field behind its length, packed and compressed.

use std::io;

use chrono::{DateTime, Utc};
use farelog_events::event::About;
use farelog_events::id::ProgramId;
use farelog_events::json::JsonText;
use farelog_events::log::{Entry, Position, Record, StreamOrigin};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};
use zstd::bulk::Compressor;

/// Largest pack, uncompressed, that is read.
const PACK_BYTES_MAX: usize = 256 * 1024 * 1024;
const CHECK_BYTES: usize = 8;

/// The record that an entry becomes.
pub fn record(position: Position, recorded_at: DateTime<Utc>, entry: Entry) -> Record {
    let Entry { event, origin } = entry;
    Record {
        position,
        recorded_at,
        origin,
        source: event.source,
        id: event.id,
        event_type: event.event_type,
        time: event.time,
        correlation_id: event.correlation_id,
        about: event.about,
        data: event.data,
    }
}

/// The value that keeps some records, and the digest of the last of them, given that of the one before them.
///
/// # Errors
/// zstd fails.
pub fn pack(
    records: &[Record],
    before: u64,
    compressor: &mut Compressor<'_>,
) -> io::Result<(Vec<u8>, u64)> {
    let mut digest = before;
    let mut plain = Vec::new();
    for record in records {
        let from = plain.len();
        put_record(&mut plain, record);
        digest = xxh3_64_with_seed(&plain[from..], digest);
    }
    plain.extend_from_slice(&digest.to_be_bytes());
    let mut value = compressor.compress(&plain)?;
    value.extend_from_slice(&xxh3_64(&value).to_be_bytes());
    Ok((value, digest))
}

/// The records of a value.
///
/// # Errors
/// The value is not what was written.
pub fn unpack(value: &[u8]) -> io::Result<Vec<Record>> {
    let (packed, check) = value
        .split_last_chunk::<CHECK_BYTES>()
        .ok_or_else(damaged)?;
    if u64::from_be_bytes(*check) != xxh3_64(packed) {
        return Err(damaged());
    }
    let plain = zstd::bulk::decompress(packed, PACK_BYTES_MAX)?;
    let (mut rest, _) = plain.split_last_chunk::<8>().ok_or_else(damaged)?;
    let mut records = Vec::new();
    while !rest.is_empty() {
        records.push(take_record(&mut rest).ok_or_else(damaged)?);
    }
    Ok(records)
}

fn damaged() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a pack is damaged; measure again on a new directory",
    )
}

fn put_record(out: &mut Vec<u8>, record: &Record) {
    put_number(out, record.position);
    put_time(out, record.recorded_at);
    put_time(out, record.time);
    let (stream, sequence) = record
        .origin
        .as_ref()
        .map_or(("", 0), |origin| (&*origin.stream, origin.sequence));
    put_text(out, stream);
    put_number(out, sequence);
    let (tag, about) = match &record.about {
        About::Order(order) => ("o", order.to_string()),
        About::Customer(customer) => ("c", customer.to_string()),
        About::Program(program) => ("p", program.get().to_string()),
        About::Nothing => ("", String::new()),
    };
    for text in [
        &record.source,
        &record.id,
        &record.event_type,
        record.correlation_id.as_deref().unwrap_or_default(),
        tag,
        &about,
        record.data.get(),
    ] {
        put_text(out, text);
    }
}

fn take_record(rest: &mut &[u8]) -> Option<Record> {
    let position = take_number(rest)?;
    let recorded_at = take_time(rest)?;
    let time = take_time(rest)?;
    let stream = take_text(rest)?;
    let sequence = take_number(rest)?;
    let mut text = || take_text(rest);
    let (source, id, event_type) = (text()?, text()?, text()?);
    let correlation_id = text()?;
    let about = match (text()?, text()?) {
        ("o", order) => About::Order(order.parse().ok()?),
        ("c", customer) => About::Customer(customer.parse().ok()?),
        ("p", program) => About::Program(ProgramId::new(program.parse().ok()?)?),
        _ => About::Nothing,
    };
    Some(Record {
        position,
        recorded_at,
        origin: (!stream.is_empty()).then(|| StreamOrigin {
            stream: stream.into(),
            sequence,
        }),
        source: source.into(),
        id: id.into(),
        event_type: event_type.into(),
        time,
        correlation_id: (!correlation_id.is_empty()).then(|| correlation_id.into()),
        about,
        data: JsonText::new(text()?).ok()?,
    })
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_be_bytes());
}

fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let (number, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_be_bytes(*number))
}

fn put_time(out: &mut Vec<u8>, time: DateTime<Utc>) {
    put_number(out, time.timestamp().cast_unsigned());
    put_number(out, time.timestamp_subsec_nanos().into());
}

fn take_time(rest: &mut &[u8]) -> Option<DateTime<Utc>> {
    let seconds = take_number(rest)?.cast_signed();
    DateTime::from_timestamp(seconds, take_number(rest)?.try_into().ok()?)
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(take_number(rest)?).ok()?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    std::str::from_utf8(text).ok()
}
