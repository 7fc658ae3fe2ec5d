//! Messages of a stream that are numbered, so that a reader of the log can tell what belongs at each position.
//!
//! Every tenth message brings an event that the stream brought before; all others bring the next one. So event `n` belongs
//! at position `n`, once.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta};
use farelog_events::dead_letter::RawMessage;
use farelog_events::event::{About, NewEvent};
use farelog_events::json::JsonText;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::Arrival;
use farelog_events::log::{EventLog, Position, StreamCheckpoint};

use crate::chance::Chance;

const SOURCE: &str = "numbered";

/// Events of one order.
const ORDER_EVENTS: u64 = 5;

/// How many events the stream has brought with its message `sequence`.
pub fn events_up_to(sequence: u64) -> u64 {
    sequence - sequence / 10
}

/// Event `number`.
pub fn event(number: u64) -> NewEvent {
    let about = about(number);
    let order = match &about {
        About::Order(order) => order.to_string(),
        _ => unreachable!("all are about orders"),
    };
    let data = format!(
        r#"{{"orderId":"{order}","number":{number},"noise":"{}"}}"#,
        noise(number)
    );
    NewEvent {
        source: SOURCE.into(),
        id: number.to_string().into(),
        event_type: "OrderConfirmed".into(),
        time: DateTime::UNIX_EPOCH,
        correlation_id: None,
        about,
        data: JsonText::new(&data).unwrap(),
    }
}

fn about(number: u64) -> About {
    let order = format!("order-{}", number / ORDER_EVENTS);
    About::Order(order.parse().unwrap())
}

/// Hardly compresses. One event in 97 is cut into chunks.
fn noise(number: u64) -> String {
    let words = if number.is_multiple_of(97) { 1_500 } else { 8 };
    let mut chance = Chance::new(number);
    let mut text = String::new();
    for _ in 0..words {
        write!(text, "{:016x}", chance.number()).unwrap();
    }
    text
}

/// Messages of the stream as they arrive.
pub fn arrivals(sequences: RangeInclusive<u64>) -> Vec<Arrival> {
    sequences.map(arrival).collect()
}

fn arrival(sequence: u64) -> Arrival {
    let newest = events_up_to(sequence);
    let number = if sequence.is_multiple_of(10) {
        newest - newest.min(7) / 2
    } else {
        newest
    };
    let event = event(number);
    let message = RawMessage {
        subject: "orders.numbered".to_owned(),
        headers: Vec::new(),
        header_bytes: None,
        payload: event.data.get().to_owned().into(),
        stream: "ORDERS".to_owned(),
        stream_sequence: sequence,
        published_at: published_at(sequence),
    };
    Arrival {
        message,
        content: Ok(event),
    }
}

/// The stream's checkpoint behind message `sequence`.
pub fn behind(sequence: u64) -> StreamCheckpoint {
    StreamCheckpoint {
        stream: "ORDERS".to_owned(),
        stream_created_at: DateTime::UNIX_EPOCH,
        sequence,
        published_at: published_at(sequence),
    }
}

fn published_at(sequence: u64) -> chrono::DateTime<chrono::Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(sequence.cast_signed())
}

/// How far a log was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The stream's sequence at the checkpoint.
    pub sequence: u64,
    /// The last position.
    pub position: Position,
}

/// Fails unless the log has what was acknowledged, and is whole: each event at its position and once, as it came; no
/// gap; the checkpoint that belongs to the last record; an index by order and a duplicate check that agree with the
/// records.
#[track_caller]
pub fn assert_kept(log: &SledLog, acknowledged: u64) -> Found {
    let head = log.head();
    let sequence = head.checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
    assert!(
        sequence >= acknowledged,
        "the log is at {sequence}, acknowledged was {acknowledged}"
    );
    assert_eq!(
        events_up_to(sequence),
        head.position,
        "a batch and its checkpoint parted"
    );
    assert_eq!(log.verify(|_| ()).unwrap().last_position, head.position);

    let mut position = 0;
    while position < head.position {
        let records = log.read(position + 1, 1_000).unwrap();
        assert!(!records.is_empty(), "nothing behind {position}");
        for record in records {
            position += 1;
            let expected = event(position);
            assert_eq!(record.position, position);
            assert_eq!(record.id, expected.id);
            assert_eq!(record.about, expected.about);
            assert_eq!(record.data.get(), expected.data.get());
        }
    }
    assert!(
        log.read(head.position + 1, 1).unwrap().is_empty(),
        "more than the head says"
    );

    // The end, and places all over.
    let mut chance = Chance::new(head.position);
    let end = head.position.saturating_sub(7)..=head.position + 1;
    let anywhere = (0..8).map(|_| chance.up_to(head.position));
    for number in end.chain(anywhere).filter(|&number| number > 0) {
        let found = log
            .find(&about(number), SOURCE, &number.to_string())
            .unwrap();
        let expected = (number <= head.position).then_some(number);
        assert_eq!(
            found.map(|record| record.position),
            expected,
            "the duplicate check"
        );
        let of_order = log.read_about(&about(number)).unwrap();
        let found: Vec<Position> = of_order.iter().map(|record| record.position).collect();
        let first = number - number % ORDER_EVENTS;
        let expected: Vec<Position> = (first.max(1)..first + ORDER_EVENTS)
            .filter(|&position| position <= head.position)
            .collect();
        assert_eq!(found, expected, "the index by order");
    }
    Found {
        sequence,
        position: head.position,
    }
}
