//! Messages that the broker keeps and the NATS client can't take in. Others publish them, so one must hold up nothing.
//!
//! The broker looks neither at the bytes of headers nor at those of a subject. The client closes its connection over what it
//! can't parse, and takes a header block that begins with a status for the broker's own word. Ingestion began anew at its
//! checkpoint, was given the same message, and so for good: nothing behind it was ever read, and readiness said that all
//! was well.

use std::ops::RangeInclusive;

use async_nats::jetstream::Context;
use farelog_events::dead_letter::{DeadLetter, DeadLetterReason};
use farelog_events::event::EventKind;
use farelog_events::ingest::{IngestState, STREAM_DEFAULT};
use farelog_events::log::EventLog;
use farelog_test_support::bare::BareMessage;

use crate::given::{Given, Running, confirmed, eventually, orders, publish, publish_many};

/// What the client can't take in: its headers, and what the dead letter is to say of it.
const HEADERS: [(&[u8], &str); 10] = [
    (
        b"NATS/1.0\r\nX-Butikk: Troms\xf8\r\n\r\n",
        "the headers are not UTF-8 text: byte 25 is wrong",
    ),
    (
        b"NATS/1.0\r\nTrace: 1\r\nX Butikk: 7\r\n\r\n",
        "the name in header line 2 has characters other than visible ASCII ones",
    ),
    (
        b"NATS/1.0\r\nX-Butikk 7\r\n\r\n",
        "header line 1 has no colon",
    ),
    (
        b"NATS/1.0 404 No Messages\r\n\r\n",
        "the headers begin with the status 404, which only the broker gives",
    ),
    (
        b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
        "the headers begin with the status 409, which only the broker gives",
    ),
    (
        b"NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: 1\r\n\r\n",
        "the headers begin with the status 408, which only the broker gives",
    ),
    (
        b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
        "the headers begin with the status 100, which only the broker gives",
    ),
    (
        b"NATS/1.0 503\r\n\r\n",
        "the headers begin with the status 503, which only the broker gives",
    ),
    (
        b"NATS/1.0 fine\r\n\r\n",
        "the headers begin with the status fine, which only the broker gives",
    ),
    (
        b"HTTP/1.1\r\nTrace: 1\r\n\r\n",
        "the headers do not begin with NATS/1.0",
    ),
];

/// A confirmation of an order, with such headers.
struct Undelivered {
    subject: Vec<u8>,
    headers: Option<&'static [u8]>,
    payload: String,
}

impl Undelivered {
    fn with_headers(order: u32, headers: &'static [u8]) -> Self {
        Self {
            subject: format!("orders.o{order}").into(),
            headers: Some(headers),
            payload: confirmed(order),
        }
    }

    fn bare(&self) -> BareMessage<'_> {
        BareMessage {
            subject: &self.subject,
            headers: self.headers,
            payload: self.payload.as_bytes(),
        }
    }
}

/// Publishes one such message after the other, with the headers in turn.
async fn publish_undelivered(given: &Given, orders: RangeInclusive<u32>) {
    let headers = HEADERS.iter().cycle().map(|(headers, _)| *headers);
    let messages: Vec<_> = orders
        .zip(headers)
        .map(|(order, headers)| Undelivered::with_headers(order, headers))
        .collect();
    let bare: Vec<_> = messages.iter().map(Undelivered::bare).collect();
    given.broker.publish_bare(&bare).await;
}

/// The dead letters of the log.
fn dead_letters(log: &dyn EventLog) -> Vec<DeadLetter> {
    let records = log.read(1, 100_000).unwrap();
    records
        .iter()
        .filter(|record| record.kind() == Some(EventKind::DeadLetterRecorded))
        .map(|record| serde_json::from_str(record.data.get()).unwrap())
        .collect()
}

/// Sequences of the log's records.
fn sequences(given: &Given) -> Vec<u64> {
    given.events().into_iter().map(|(at, _)| at).collect()
}

/// Ingestion that reads, with the stream's first message in the log.
async fn behind_the_first() -> (Given, Context, Running) {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    given.has_records(1).await;
    (given, jetstream, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_client_cant_take_in_is_kept_with_its_bytes_and_those_behind_it_go_on() {
    for (headers, detail) in HEADERS {
        let (given, jetstream, mut running) = behind_the_first().await;
        let undelivered = Undelivered::with_headers(2, headers);
        given.broker.publish_bare(&[undelivered.bare()]).await;
        publish(&jetstream, 3..=4).await;

        given.has_records(4).await;
        assert_eq!(sequences(&given), [1, 2, 3, 4], "{detail}");
        let letters = dead_letters(&*given.log);
        assert_eq!(letters.len(), 1, "{detail}");
        let letter = &letters[0];
        assert_eq!(letter.reason, DeadLetterReason::NotReadable);
        assert_eq!(letter.detail, detail);
        assert_eq!(letter.order_id.as_ref().unwrap().as_str(), "o2");
        assert_eq!(letter.message.subject, "orders.o2");
        assert_eq!(letter.message.stream_sequence, 2);
        assert_eq!(letter.message.headers, []);
        assert_eq!(letter.message.header_bytes.as_deref(), Some(headers));
        assert_eq!(letter.message.payload, undelivered.payload);

        let status = running.is(|status| status.last_sequence == 4).await;
        assert_eq!(status.behind(), Some(0));
        running.is_running().await;
        publish(&jetstream, 5..=5).await;
        given.has_records(5).await;
    }
}

/// It comes with another character for each byte that is none, so that nothing of it is believed.
#[tokio::test(flavor = "multi_thread")]
async fn one_whose_subject_is_no_text_is_kept_too() {
    let (given, jetstream, _running) = behind_the_first().await;
    for headers in [None, Some(b"NATS/1.0\r\nTrace: 1\r\n\r\n".as_slice())] {
        let undelivered = Undelivered {
            subject: b"orders.Troms\xf8".to_vec(),
            headers,
            payload: confirmed(2),
        };
        given.broker.publish_bare(&[undelivered.bare()]).await;
    }
    publish(&jetstream, 4..=4).await;

    given.has_records(4).await;
    assert_eq!(sequences(&given), [1, 2, 3, 4]);
    let letters = dead_letters(&*given.log);
    for letter in &letters {
        assert_eq!(letter.reason, DeadLetterReason::NotReadable);
        assert_eq!(letter.detail, "the subject is not UTF-8 text");
        assert_eq!(letter.message.subject, "orders.Troms\u{fffd}");
        assert_eq!(letter.message.payload, confirmed(2));
    }
    let headers: Vec<_> = letters.iter().map(|l| &l.message.headers[..]).collect();
    let trace = ("Trace".to_owned(), "1".to_owned());
    assert_eq!(headers, [&[][..], &[trace]]);
}

/// The client divides what the broker says at every kind of space, and a subject may have some.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_an_event_all_the_same_is_taken_in() {
    let (given, jetstream, _running) = behind_the_first().await;
    let undelivered = Undelivered {
        subject: "orders.o\u{3000}2".into(),
        headers: Some(b"NATS/1.0\r\nTrace: 1\r\n\r\n"),
        payload: confirmed(2),
    };
    given.broker.publish_bare(&[undelivered.bare()]).await;
    publish(&jetstream, 3..=3).await;
    given.has_records(3).await;
    assert_eq!(given.events(), orders(1..=3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_a_stream_and_the_largest_that_there_is_hold_up_nothing() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    // The stream is there; the log has nothing of it yet.
    given.ingestion().await.is_running().await;
    let headers = HEADERS[0].0;
    let large = Undelivered {
        payload: "x".repeat(1024 * 1024 - headers.len()),
        ..Undelivered::with_headers(1, headers)
    };
    given.broker.publish_bare(&[large.bare()]).await;
    publish(&jetstream, 2..=2).await;
    let _running = given.ingestion().await;
    given.has_records(2).await;
    let letters = dead_letters(&*given.log);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].message.payload, large.payload);
}

/// Behind what was removed from among others nobody can ask for the next by its number.
#[tokio::test(flavor = "multi_thread")]
async fn one_behind_a_gap_is_kept_and_the_gap_is_no_break() {
    const REMOVED: RangeInclusive<u32> = 2..=300;
    let (given, jetstream, running) = behind_the_first().await;
    drop(running);
    publish_many(&jetstream, REMOVED).await;
    publish_undelivered(&given, 301..=301).await;
    publish(&jetstream, 302..=302).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    for sequence in REMOVED {
        stream.delete_message(sequence.into()).await.unwrap();
    }

    let _running = given.ingestion().await;
    given.has_records(3).await;
    assert_eq!(sequences(&given), [1, 301, 302]);
    assert_eq!(dead_letters(&*given.log).len(), 1);
}

/// The consumer had delivered it and stood where the log did, and so was kept: each minute without another message it delivered
/// it again.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_a_stream_is_not_delivered_again() {
    let (given, jetstream, mut running) = behind_the_first().await;
    publish_undelivered(&given, 2..=2).await;
    given.has_records(2).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let consumer = given.consumer_name();
    eventually(async || {
        let info = stream.consumer_info(&consumer).await;
        info.is_ok_and(|info| info.num_ack_pending == 0 && info.delivered.stream_sequence == 2)
    })
    .await;
    running.is_running().await;
}

/// A publisher that writes such headers does so in every message, beside others that do not.
#[tokio::test(flavor = "multi_thread")]
async fn many_in_a_row_and_among_others_are_each_kept_once_also_when_reading_begins_anew() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=10).await;
    publish_undelivered(&given, 11..=110).await;
    let mut next = 111;
    for _ in 0..20 {
        publish(&jetstream, next..=next + 8).await;
        publish_undelivered(&given, next + 9..=next + 9).await;
        next += 10;
    }
    // At any moment of it.
    for records in [40, 110, 200] {
        given.has_records(records).await;
        drop(running);
        running = given.ingestion().await;
    }
    publish(&jetstream, next..=next).await;
    given.has_records(next.into()).await;

    let published: Vec<u64> = (1..=u64::from(next)).collect();
    assert_eq!(sequences(&given), published);
    let kept: Vec<u64> = dead_letters(&*given.log)
        .iter()
        .map(|letter| letter.message.stream_sequence)
        .collect();
    let undelivered: Vec<u64> = (11..=110).chain((120..=310).step_by(10)).collect();
    assert_eq!(kept, undelivered);
    // From then on it is read as ever.
    running
        .is(|status| {
            status.state == IngestState::Running && status.last_sequence == u64::from(next)
        })
        .await;
    let consumer = given.consumer_name();
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    publish(&jetstream, next + 1..=next + 1).await;
    eventually(async || {
        let info = stream.consumer_info(&consumer).await;
        info.is_ok_and(|info| info.ack_floor.stream_sequence == u64::from(next) + 1)
    })
    .await;
}
