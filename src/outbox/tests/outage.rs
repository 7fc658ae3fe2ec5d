//! The outbox, or the broker, goes away and comes back.

use std::time::Duration;

use tokio::time::sleep;

use super::stage::Stage;
use crate::outbox::OutboxOptions;

#[tokio::test(flavor = "multi_thread")]
async fn facts_are_sent_once_and_in_order_while_more_come() {
    let mut stage = Stage::new().await;
    for events in [1, 700, 0, 2, 300] {
        stage.record(events);
        sleep(Duration::from_millis(3)).await;
    }
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_is_killed_again_and_again_sends_nothing_twice() {
    let mut stage = Stage::new().await;
    for pause_ms in [0, 1, 2, 4, 8, 12, 16, 24] {
        stage.record(400);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.kill().await;
        stage.start().await;
    }
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_outboxes_of_one_log_send_nothing_twice() {
    let mut stage = Stage::new().await;
    stage.record(1);
    stage.all_is_sent().await;
    stage.start_another().await;
    for _ in 0..20 {
        stage.record(50);
        sleep(Duration::from_millis(5)).await;
    }
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_while_it_takes_facts_gets_the_rest_when_it_is_back() {
    let mut stage = Stage::new().await;
    for pause_ms in [1, 5, 20] {
        stage.record(600);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.broker.kill();
        stage.record(50);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.broker.start_again();
    }
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// What was on it is lost, facts and acknowledgements alike.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    let mut stage = Stage::without_outbox();
    stage.go_by_a_way().await;
    stage.start().await;
    for pause_ms in [1, 2, 4, 8, 12, 16, 24, 40] {
        stage.record(400);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.way().cut();
    }
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// Facts are on their way when it stops; it takes them when it goes on, though nobody waits for its word any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_while_it_takes_facts_is_sent_nothing_twice() {
    let mut stage = Stage::new().await;
    // Connected, so that the broker hangs under facts and not under the first greeting.
    stage.all_is_sent().await;
    for pause_ms in [1, 15] {
        stage.record(600);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.broker.hang();
        stage.record(50);
        stage.retries().await;
        stage.broker.go_on();
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    let mut stage = Stage::without_outbox();
    stage.broker.kill();
    stage.start().await;
    stage.record(5);
    sleep(Duration::from_millis(200)).await;
    stage.broker.start_again();
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// The duplicate window is two minutes; here it is shorter than the outage.
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_longer_than_the_duplicate_window_doubles_nothing() {
    let mut stage = Stage::without_outbox();
    stage.make_stream(Duration::from_millis(100)).await;
    stage.start().await;
    stage.record(300);
    sleep(Duration::from_millis(8)).await;
    stage.kill().await;
    sleep(Duration::from_millis(300)).await;
    stage.start().await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_does_not_take_the_facts_is_tried_until_it_does() {
    let mut stage = Stage::without_outbox();
    let jetstream = stage.broker.jetstream().await;
    let mut config = async_nats::jetstream::stream::Config {
        name: "OTHER".to_owned(),
        subjects: vec!["other".to_owned()],
        ..Default::default()
    };
    jetstream.create_stream(config.clone()).await.unwrap();
    let options = OutboxOptions {
        stream: "OTHER".to_owned(),
        ..OutboxOptions::default()
    };
    stage.start_with(options).await;
    stage.record(3);
    stage.retries().await;
    config.subjects = vec!["farelog.dead-letters".to_owned()];
    jetstream.update_stream(config).await.unwrap();
    stage.all_is_sent().await;
}
