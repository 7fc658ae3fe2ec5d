//! Ingestion, the broker or the log is interrupted.

use crate::given::{Given, PATIENCE, confirmed, orders, publish};
use async_nats::jetstream::Context;
use farelog_events::ingest::{IngestState, STREAM_DEFAULT};
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::writer::WriterError;
use farelog_events::log::{EventLog, StreamCheckpoint};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn ingestion_goes_on_at_the_checkpoint_after_each_restart() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    for round in 0..5 {
        publish(&jetstream, round * 20 + 1..=round * 20 + 20).await;
        // Somewhere in the middle, with batches read, written and not acknowledged.
        given.has_records(u64::from(round) * 20 + 3).await;
        drop(running);
        running = given.ingestion().await;
    }
    given.has_records(100).await;
    assert_eq!(given.events(), orders(1..=100));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_waited_for() {
    let mut given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    assert_eq!(running.is_running().await.last_sequence, 0);
    publish(&jetstream, 1..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    given.broker.stop();
    running
        .is(|status| status.state == IngestState::Reconnecting)
        .await;
    sleep(Duration::from_millis(500)).await;
    given.broker.start_again();
    running.is_running().await;
    publish(&jetstream, 11..=20).await;
    given.has_records(20).await;
    assert_eq!(given.events(), orders(1..=20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut given = Given::new();
    given.broker.kill();
    let mut running = given.ingestion().await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(running.status.borrow().state, IngestState::Connecting);
    given.broker.start_again();
    running.is_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_deleted_is_made_again_at_the_checkpoint() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    stream
        .delete_consumer(&given.consumer_name())
        .await
        .unwrap();
    publish(&jetstream, 11..=20).await;
    given.has_records(20).await;
    assert_eq!(given.events(), orders(1..=20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fails_ends_ingestion() {
    let log = Arc::new(MemoryLog::new());
    let given = Given::with_log(Arc::clone(&log) as Arc<dyn EventLog>);
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    log.fail();
    publish(&jetstream, 1..=1).await;
    let error = timeout(PATIENCE, &mut running.task).await.unwrap().unwrap();
    assert!(matches!(error, WriterError::Log(_)), "{error}");
    let checkpoint: Option<StreamCheckpoint> = given.log.head().checkpoint;
    assert_eq!(checkpoint, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_interrupted_each_event_is_in_the_log_once() {
    const COUNT: u32 = 600;
    let mut given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    // A publisher that sends again what was not acknowledged, as it has to.
    let publisher = tokio::spawn(async move {
        for order in 1..=COUNT {
            while !is_published(&jetstream, order).await {
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    for round in 1..=3 {
        given.has_records(round * 100).await;
        given.broker.stop();
        sleep(Duration::from_millis(100)).await;
        given.broker.start_again();
        given.has_records(round * 100 + 50).await;
        drop(running);
        running = given.ingestion().await;
    }
    publisher.await.unwrap();
    given.has_records(COUNT.into()).await;

    let read: Vec<String> = given.events().into_iter().map(|(_, order)| order).collect();
    let all: Vec<String> = (1..=COUNT).map(|order| format!("o{order}")).collect();
    assert_eq!(read, all);
}

async fn is_published(jetstream: &Context, order: u32) -> bool {
    let subject = format!("orders.o{order}");
    match jetstream.publish(subject, confirmed(order).into()).await {
        Ok(ack) => matches!(timeout(Duration::from_millis(500), ack).await, Ok(Ok(_))),
        Err(_) => false,
    }
}
