//! The stream takes no facts for now.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy};
use tokio::time::{sleep, timeout};

use super::stage::{PATIENCE, Stage};
use crate::outbox::{OutboxState, STREAM_DEFAULT};

/// How many messages the stream takes while it is small.
const ROOM: usize = 20;

/// A stream that refuses what is beyond its room.
fn small() -> Config {
    Config {
        name: STREAM_DEFAULT.to_owned(),
        subjects: vec!["farelog.dead-letters".to_owned()],
        max_messages: ROOM.try_into().unwrap(),
        discard: DiscardPolicy::New,
        ..Config::default()
    }
}

fn with_room() -> Config {
    Config {
        max_messages: -1,
        ..small()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_full_gets_the_rest_in_order_when_there_is_room() {
    let mut stage = Stage::without_outbox();
    let jetstream = stage.broker.jetstream().await;
    jetstream.create_stream(small()).await.unwrap();
    stage.start().await;
    stage.record(300);
    let why = stage.retries().await;
    assert!(why.contains("maximum messages exceeded"), "{why}");
    assert!(why.contains("make room"), "{why}");
    assert_eq!(stage.in_stream().await.len(), ROOM);

    stage.kill().await;
    stage.start().await;
    stage.record(300);
    stage.retries().await;
    jetstream.update_stream(with_room()).await.unwrap();
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// As somebody reads who takes messages out.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_stream_that_is_emptied_now_and_then_gets_each_fact_once_and_in_order() {
    let mut stage = Stage::without_outbox();
    let jetstream = stage.broker.jetstream().await;
    jetstream.create_stream(small()).await.unwrap();
    stage.start().await;
    stage.record(90);
    let mut taken = Vec::new();
    let all_are_taken = async {
        while taken.len() < 90 {
            taken.extend(stage.take_from_stream().await);
            sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(PATIENCE, all_are_taken).await;
    in_time.expect("all are taken in the end");
    let all: Vec<_> = (1..=90).collect();
    assert_eq!(taken, all);
}

/// It found the stream and knew where to go on, and said "sending" each time before the next refusal.
#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_is_refused_says_so_until_a_fact_is_taken() {
    let mut stage = Stage::without_outbox();
    let jetstream = stage.broker.jetstream().await;
    jetstream.create_stream(small()).await.unwrap();
    stage.start().await;
    stage.record(300);
    stage.retries().await;
    let mut status = stage.status();
    let sent_when_it_sends = tokio::spawn(async move {
        let sends = status.wait_for(|now| now.state == OutboxState::Sending);
        sends.await.unwrap().sent
    });
    // Some tries.
    sleep(Duration::from_secs(2)).await;
    jetstream.update_stream(with_room()).await.unwrap();
    stage.all_is_sent().await;
    assert!(sent_when_it_sends.await.unwrap() > ROOM as u64);
}
