//! What the tests of the log make their events with, and how they compare records.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

use super::{Batch, Entry, EventLog, Record, StreamCheckpoint, StreamOrigin};
use crate::event::{About, NewEvent};
use crate::json::JsonText;

/// So many seconds after 1970.
pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// JSON text as data.
pub fn raw(json: impl Into<String>) -> JsonText {
    JsonText::new(&json.into()).unwrap()
}

/// An event about an order.
pub fn event(order: &str, id: &str) -> NewEvent {
    NewEvent {
        source: "pos".into(),
        id: id.into(),
        event_type: "no.entur.sales.OrderConfirmed".into(),
        time: at(1),
        correlation_id: None,
        about: About::Order(order.parse().unwrap()),
        data: raw(format!(r#"{{"orderId":"{order}","orderVersion":1}}"#)),
    }
}

/// An entry about an order, of no stream.
pub fn entry(order: &str, id: &str) -> Entry {
    Entry {
        event: event(order, id),
        origin: None,
    }
}

/// A batch without a checkpoint.
pub fn batch(entries: Vec<Entry>) -> Batch {
    Batch {
        entries,
        checkpoint: None,
        recorded_at: at(100),
    }
}

/// How far a stream was read.
pub fn checkpoint(sequence: u64) -> StreamCheckpoint {
    StreamCheckpoint {
        stream: "ORDERS".to_owned(),
        stream_created_at: at(10),
        sequence,
        published_at: at(20),
    }
}

/// Text that hardly compresses.
fn noise(len: usize) -> String {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut text = String::with_capacity(len + 16);
    while text.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        write!(text, "{state:016x}").unwrap();
    }
    text.truncate(len);
    text
}

/// An entry with data of about so many bytes that hardly compress.
pub fn large(order: &str, id: &str, bytes: usize) -> Entry {
    let mut entry = entry(order, id);
    entry.event.data = raw(format!(r#"{{"text":"{}"}}"#, noise(bytes)));
    entry
}

/// Batches of records around the sizes that are cut or packed differently.
pub fn fill_with_large_records(log: &dyn EventLog) {
    for bytes in [5_000, 6_900, 7_100, 20_000, 60_000, 150_000, 2_000_000] {
        let entries = (0..8).map(|n| large("o", &format!("{bytes}-{n}"), bytes));
        log.append(batch(entries.collect())).unwrap();
    }
}

/// A time that a record may carry, leap seconds among them.
pub fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
    (-62_167_219_200..253_402_300_799_i64, 0..2_000_000_000_u32).prop_map(|(seconds, nanos)| {
        DateTime::from_timestamp(seconds, nanos)
            .or_else(|| DateTime::from_timestamp(seconds, nanos - 1_000_000_000))
            .unwrap()
    })
}

fn any_about() -> BoxedStrategy<About> {
    prop_oneof![
        4 => select(vec!["a", "b", "ENT:Order:1", "_"]).prop_map(|id| About::Order(id.parse().unwrap())),
        1 => select(vec!["a", "b"]).prop_map(|id| About::Customer(id.parse().unwrap())),
        1 => (1..4_i64).prop_map(|id| About::Program(crate::id::ProgramId::new(id).unwrap())),
        1 => Just(About::Nothing),
    ]
    .boxed()
}

fn any_data() -> BoxedStrategy<JsonText> {
    prop_oneof![
        ".{0,200}".prop_map(|text| raw(serde_json::to_string(&text).unwrap())),
        any::<i64>().prop_map(|number| raw(number.to_string())),
        (0..3000_usize, 0..9_usize).prop_map(|(len, gap)| raw(format!(
            "{{ \"t\":{}\"{}\"}}",
            " ".repeat(gap),
            noise(len)
        ))),
        Just(raw("null")),
    ]
    .boxed()
}

/// An entry with any fields, about one of few things.
pub fn any_entry() -> impl Strategy<Value = Entry> {
    let origin = prop::option::of((select(vec!["ORDERS", "ÅRE", ""]), any::<u64>()).prop_map(
        |(stream, sequence)| StreamOrigin {
            stream: stream.into(),
            sequence,
        },
    ));
    (
        (".{0,8}", ".{0,40}", ".{0,20}"),
        any_time(),
        prop::option::of(".{0,20}"),
        any_about(),
        any_data(),
        origin,
    )
        .prop_map(
            |((source, id, event_type), time, correlation_id, about, data, origin)| Entry {
                event: NewEvent {
                    source: source.into(),
                    id: id.into(),
                    event_type: event_type.into(),
                    time,
                    correlation_id: correlation_id.map(Into::into),
                    about,
                    data,
                },
                origin,
            },
        )
}

/// Fails unless the records are the same in every field.
#[track_caller]
pub fn assert_same(found: &[Record], expected: &[Record]) {
    assert_eq!(found.len(), expected.len(), "another number of records");
    for (found, expected) in found.iter().zip(expected) {
        // Debug shows every field.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
}
