//! Messages: whatever comes is an event that every later reader can take, or a dead letter that has it whole.
//!
//! An input is a message as a text: the subject on the first line, then headers, an empty line, and the body.
#![no_main]

use bytes::Bytes;
use chrono::DateTime;
use farelog_events::dead_letter::{DeadLetter, RawMessage};
use farelog_events::envelope;
use farelog_events::event::{EventKind, decode};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|input: &[u8]| {
    let message = message(input);
    let arrival = envelope::read(message.clone());
    assert_eq!(arrival.message, message, "the message was changed");
    match arrival.content {
        Ok(event) => {
            let data: Value = serde_json::from_str(event.data.get()).expect("data is readable");
            if let Some(kind) = EventKind::of_type(&event.event_type) {
                assert!(data.is_object(), "data is no object");
                let decoded = decode(kind, event.data.get()).expect("data is decoded again");
                assert_eq!(decoded.about(), event.about);
            }
        }
        Err(dead_letter) => {
            assert!(!dead_letter.detail.is_empty(), "no reason is told");
            assert_eq!(dead_letter.message, message, "the message was not kept");
            let json = serde_json::to_string(&dead_letter).expect("it can be recorded");
            let read: DeadLetter = serde_json::from_str(&json).expect("it can be read again");
            assert_eq!(read, dead_letter);
        }
    }
    if let Ok(line) = std::str::from_utf8(&message.payload) {
        // What may be published is taken in when it comes back.
        if let Ok(outgoing) = envelope::from_line(line) {
            let headers = outgoing.headers.iter();
            let published = RawMessage {
                subject: outgoing.subject,
                headers: headers
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                payload: outgoing.payload,
                ..message
            };
            let event = envelope::read(published).content;
            assert_eq!(event.expect("it is taken in").about, outgoing.about);
        }
    }
});

fn message(input: &[u8]) -> RawMessage {
    let (head, payload) = match input.windows(2).position(|pair| pair == b"\n\n") {
        Some(end) => (&input[..end], &input[end + 2..]),
        None => (&b"orders.O1"[..], input),
    };
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    RawMessage {
        subject: lines.next().unwrap_or_default().to_owned(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        header_bytes: None,
        payload: Bytes::copy_from_slice(payload),
        stream: "ORDERS".to_owned(),
        stream_sequence: 1,
        published_at: DateTime::UNIX_EPOCH,
    }
}
