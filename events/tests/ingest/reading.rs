//! The plain way: what is published is in the log, once, in the stream's sequence.

use crate::given::{Given, eventually, orders, publish, publish_body, publish_many};
use async_nats::jetstream::stream::Config as StreamConfig;
use farelog_events::event::EventKind;
use farelog_events::ingest::STREAM_DEFAULT;
use farelog_events::log::Record;
use std::time::{Duration, Instant};
use tokio::time::sleep;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_in_the_log_and_acknowledged() {
    let given = Given::new();
    let mut running = given.ingestion().await;
    running.is_running().await;

    // The stream is there, since ingestion made it.
    let jetstream = given.broker.jetstream().await;
    publish(&jetstream, 1..=50).await;
    given.has_records(50).await;

    assert_eq!(given.events(), orders(1..=50));
    let status = running.is(|status| status.last_sequence == 50).await;
    assert_eq!(status.behind(), Some(0));
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let subjects = &stream.cached_info().config.subjects;
    assert_eq!(subjects, &["orders.>", "members.>", "programs.>"]);
    eventually(async || {
        let consumer = stream.consumer_info(given.consumer_name()).await.unwrap();
        consumer.ack_floor.stream_sequence == 50
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_exists_is_left_as_it_is_and_read_from_its_first_message() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects: vec!["orders.*".into()],
        max_messages: 3,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config.clone()).await.unwrap();
    publish(&jetstream, 1..=5).await;

    let _running = given.ingestion().await;
    given.has_records(3).await;
    assert_eq!(given.events(), orders(3..=5));
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    assert_eq!(stream.cached_info().config.subjects, config.subjects);
    assert_eq!(stream.cached_info().config.max_messages, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_read_whole_and_in_sequence() {
    const COUNT: u32 = 20_000;
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    given.ingestion().await.is_running().await;
    publish_many(&jetstream, 1..=COUNT).await;
    let _running = given.ingestion().await;
    given.has_records(COUNT.into()).await;
    assert_eq!(given.events(), orders(1..=COUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_is_in_the_log_within_milliseconds() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    let mut took = Vec::new();
    for order in 1..=20 {
        sleep(Duration::from_millis(30)).await;
        let started = Instant::now();
        publish(&jetstream, order..=order).await;
        given.has_records(u64::from(order)).await;
        took.push(started.elapsed());
    }
    // One of four may be slower: the machine does other things too.
    took.sort_unstable();
    assert!(took[5] < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_read_is_kept_and_the_events_behind_it_go_on() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    publish_body(&jetstream, "orders.o2", "no JSON").await;
    publish_body(&jetstream, "orders.o3", vec![0xff, 0xfe]).await;
    publish(&jetstream, 4..=4).await;
    given.has_records(4).await;

    assert_eq!(given.events(), orders(1..=4));
    let records = given.log.read(1, 10).unwrap();
    let kinds: Vec<_> = records.iter().map(Record::kind).collect();
    let letter = Some(EventKind::DeadLetterRecorded);
    let event = Some(EventKind::OrderConfirmed);
    assert_eq!(kinds, [event, letter, letter, event]);
}
