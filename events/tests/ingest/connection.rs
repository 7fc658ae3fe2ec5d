//! The way to the broker is bad, or the broker hangs.

use std::sync::Arc;
use std::time::Duration;

use farelog_events::ingest::{IngestOptions, IngestState, STREAM_DEFAULT};
use farelog_events::log::EventLog;
use farelog_test_support::way::Way;
use tokio::time::sleep;

use crate::given::{Given, events, eventually, impatient, orders, publish, start};
use crate::held_log::HeldLog;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    const COUNT: u32 = 3_000;
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let way = Way::to(given.broker.url()).await;
    let mut running = given.ingestion_by(way.client().await);
    running.is_running().await;
    let publisher = tokio::spawn(async move { publish(&jetstream, 1..=COUNT).await });
    for _ in 0..8 {
        sleep(Duration::from_millis(120)).await;
        way.cut();
    }
    publisher.await.unwrap();
    given.has_records(COUNT.into()).await;
    assert_eq!(given.events(), orders(1..=COUNT));
    running.is_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_connection_brings_everything() {
    const COUNT: u32 = 300;
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let way = Way::to(given.broker.url()).await;
    let mut running = given.ingestion_by(way.client().await);
    running.is_running().await;
    drop(running);
    publish(&jetstream, 1..=COUNT).await;

    // Some 70 kB a second, with 10 ms on each answer.
    way.delay(Duration::from_millis(10));
    let mut running = given.ingestion_by(way.client().await);
    given.has_records(COUNT.into()).await;
    assert_eq!(given.events(), orders(1..=COUNT));
    running
        .is(|status| status.last_sequence == u64::from(COUNT))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_because_its_acknowledgement_was_lost_is_dropped_and_acknowledged() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let way = Way::to(given.broker.url()).await;
    let mut running = given.ingestion_by(way.client().await);
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    running.is(|status| status.last_sequence == 1).await;
    impatient(&jetstream, &given.consumer_name()).await;

    way.lose_acknowledgements(true);
    publish(&jetstream, 2..=20).await;
    given.has_records(20).await;
    eventually(async || way.acknowledgements_lost() > 0).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let name = given.consumer_name();
    let floor = async || {
        let info = stream.consumer_info(&name).await.unwrap();
        info.ack_floor.stream_sequence
    };
    assert!(floor().await < 20);
    way.lose_acknowledgements(false);
    eventually(async || floor().await == 20).await;
    publish(&jetstream, 21..=25).await;
    given.has_records(25).await;
    assert_eq!(given.events(), orders(1..=25));
    assert_eq!(running.status.borrow().state, IngestState::Running);
}

/// It takes no notice of anything, and its connections stand.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_is_noticed_and_waited_for() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=5).await;
    running.is(|status| status.last_sequence == 5).await;

    given.broker.hang();
    let status = running
        .is(|status| status.state == IngestState::Reconnecting)
        .await;
    let waits_for = status.waits_for.unwrap();
    assert!(waits_for.contains("NATS"), "{waits_for}");
    given.broker.go_on();
    let status = running.is_running().await;
    assert_eq!(status.waits_for, None);
    publish(&jetstream, 6..=10).await;
    given.has_records(10).await;
    assert_eq!(given.events(), orders(1..=10));
}

/// Two farelogs on copies of one log are one consumer to the broker, and each takes away what the other waits for.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_copies_of_one_log_both_get_everything() {
    let log = HeldLog::new();
    let twin = log.twin();
    let given = Given::with_log(log);
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    let other: Arc<dyn EventLog> = twin;
    let client = given.broker.client().await;
    let mut other_running = start(&other, client, IngestOptions::default());
    for round in 0..5 {
        publish(&jetstream, round * 10 + 1..=round * 10 + 10).await;
        sleep(Duration::from_millis(100)).await;
    }
    // One alone, which only one of the two is given, when both have come to rest.
    eventually(async || given.log.head().position == 50 && other.head().position == 50).await;
    sleep(Duration::from_secs(2)).await;
    publish(&jetstream, 51..=51).await;
    for (ingestion, of) in [(&mut running, &given.log), (&mut other_running, &other)] {
        ingestion.is(|status| status.last_sequence == 51).await;
        assert_eq!(events(&**of), orders(1..=51));
    }
}

/// Two logs are two consumers, and neither knows of the other.
#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_stream_both_get_everything() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    let other: Arc<dyn EventLog> = HeldLog::new();
    let client = given.broker.client().await;
    let mut other_running = start(&other, client, IngestOptions::default());
    publish(&jetstream, 1..=200).await;
    for (ingestion, of) in [(&mut running, &given.log), (&mut other_running, &other)] {
        ingestion.is(|status| status.last_sequence == 200).await;
        assert_eq!(events(&**of), orders(1..=200));
    }
}
