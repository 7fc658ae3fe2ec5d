//! Streams that are not the one that the log was fed from, and the way on.

use std::sync::Arc;

use crate::given::{Given, orders, publish, publish_many};
use crate::held_log::HeldLog;
use async_nats::jetstream::stream::{Config as StreamConfig, RetentionPolicy};
use farelog_events::ingest::continuity::StreamBreak;
use farelog_events::ingest::{IngestState, STREAM_DEFAULT};
use farelog_test_support::directory;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_stops_ingestion_until_it_is_adopted() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;

    jetstream.delete_stream(STREAM_DEFAULT).await.unwrap();
    let subjects = vec!["orders.>".into()];
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects,
        ..StreamConfig::default()
    };
    // Where ingestion misses it first, it makes it.
    let _ = jetstream.create_stream(config).await;
    // One that the log has, and two under sequences that it has seen.
    publish(&jetstream, 3..=5).await;
    let stream_break = running.has_stopped().await;
    assert!(matches!(stream_break, StreamBreak::Recreated { .. }));
    assert_eq!(given.events(), orders(1..=3));
    drop(running);

    // Asking again changes nothing.
    assert_eq!(given.ingestion().await.has_stopped().await, stream_break);

    let running = given.adopting().await;
    given.has_records(5).await;
    let read: Vec<String> = given.events().into_iter().map(|(_, order)| order).collect();
    assert_eq!(read, ["o1", "o2", "o3", "o4", "o5"]);
    drop(running);

    // From then on it is the log's stream.
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 6..=6).await;
    given.has_records(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_tail_stops_ingestion_until_it_is_adopted() {
    let mut given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=5).await;
    running.is(|status| status.last_sequence == 5).await;
    given.broker.stop();
    let copies = tempfile::tempdir().unwrap();
    directory::copy(&given.broker.store(), copies.path());
    given.broker.start_again();
    running
        .is(|status| status.state != IngestState::Running)
        .await;
    publish(&jetstream, 6..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    // When the broker comes back it knows of five.
    given.broker.stop();
    std::fs::remove_dir_all(given.broker.store()).unwrap();
    directory::copy(copies.path(), &given.broker.store());
    given.broker.start_again();
    let stream_break = running.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::LostTail {
            last_sequence: 5,
            sequence: 10,
            ..
        }
    ));
    drop(running);

    // Others are published under the sequences that were lost, and past them.
    publish(&jetstream, 11..=16).await;
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::SequenceReused { sequence: 10, .. }
    ));
    assert_eq!(given.events(), orders(1..=10));

    let _running = given.adopting().await;
    given.has_records(16).await;
    let read: Vec<String> = given.events().into_iter().map(|(_, order)| order).collect();
    let published: Vec<String> = (1..=16).map(|order| format!("o{order}")).collect();
    assert_eq!(read, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_removed_unread_stop_ingestion_until_that_is_accepted() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;
    drop(running);

    publish(&jetstream, 4..=6).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    stream.purge().sequence(6).await.unwrap();
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::Trimmed {
            first_sequence: 6,
            sequence: 3,
            ..
        }
    ));

    let _running = given.adopting().await;
    given.has_records(4).await;
    assert_eq!(given.events().last(), Some(&(6, "o6".into())));
}

/// The stream's limits once removed messages while ingestion was reading, and it went on behind them without a word.
#[tokio::test(flavor = "multi_thread")]
async fn messages_removed_unread_while_others_are_read_stop_ingestion_too() {
    const COUNT: u32 = 40_000;
    const KEPT: i64 = 50;
    let log = HeldLog::new();
    let given = Given::with_log(Arc::<HeldLog>::clone(&log));
    let jetstream = given.broker.jetstream().await;
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects: vec!["orders.>".into()],
        max_messages: KEPT,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let mut running = given.ingestion().await;
    running.is_running().await;
    // From here on the log is of this stream. Without a message of it, it may begin anywhere.
    publish(&jetstream, 1..=1).await;
    running.is(|status| status.last_sequence == 1).await;
    // While the log takes none, some ten thousand messages are taken ahead and no more.
    log.hold();
    publish_many(&jetstream, 2..=COUNT).await;
    log.release();

    let stream_break = running.has_stopped().await;
    let StreamBreak::Trimmed {
        first_sequence,
        sequence,
        ..
    } = stream_break
    else {
        panic!("{stream_break}");
    };
    // A publisher that is far ahead of a busy reader makes the gap before all is published.
    let first_at_last = u64::from(COUNT) + 1 - KEPT.cast_unsigned();
    let behind_the_gap = sequence + 2..=first_at_last;
    assert!(behind_the_gap.contains(&first_sequence), "{stream_break}");
    // All that came before the gap is in the log.
    assert_eq!(given.events(), orders(1..=sequence.try_into().unwrap()));
    drop(running);

    let _running = given.adopting().await;
    given.has_records(sequence + KEPT.cast_unsigned()).await;
    let last = (u64::from(COUNT), format!("o{COUNT}"));
    assert_eq!(given.events().last(), Some(&last));
}

/// Somebody asked for that, and the stream is still the one that it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_removed_from_among_others_stops_nothing() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;
    drop(running);
    publish(&jetstream, 4..=6).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    stream.delete_message(5).await.unwrap();

    let mut running = given.ingestion().await;
    running.is(|status| status.last_sequence == 6).await;
    let read: Vec<u64> = given.events().into_iter().map(|(at, _)| at).collect();
    assert_eq!(read, [1, 2, 3, 4, 6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_stands_also_if_nothing_comes() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;
    drop(running);
    jetstream.delete_stream(STREAM_DEFAULT).await.unwrap();

    // The stream is made again, and is another one.
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(stream_break, StreamBreak::Recreated { .. }));
    given.adopting().await.is_running().await;
    given.ingestion().await.is_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_forgets_what_was_acknowledged_is_not_read() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects: vec!["orders.>".into()],
        retention: RetentionPolicy::WorkQueue,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let stream_break = given.adopting().await.has_stopped().await;
    assert_eq!(
        stream_break.to_string(),
        "the stream ORDERS has work queue retention and forgets what was acknowledged; give farelog a stream with \
         limits retention"
    );
}
