//! What the outbox remembers is lost, or what the stream has, or both.

use farelog_events::log::EventLog;
use farelog_test_support::bare::BareMessage;

use super::stage::Stage;
use crate::outbox::continuity::OutboxBreak;

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_sends_nothing() {
    let mut stage = Stage::new().await;
    stage.record(30);
    stage.all_is_sent().await;
    stage.end().await;

    stage.rebuild();
    stage.start().await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;

    stage.record(2);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_position_is_lost_the_stream_tells() {
    let mut stage = Stage::new().await;
    stage.record(300);
    stage.all_is_sent().await;
    stage.end().await;
    stage.delete_position();
    stage.record(3);

    stage.start().await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_deleted_gets_what_comes_and_nothing_that_went() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;

    stage.delete_stream().await;
    stage.record(3);
    stage.all_is_sent().await;
    stage.stream_has_all_from(21).await;

    stage.end().await;
    stage.delete_stream().await;
    stage.record(1);
    stage.start().await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(24).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_purged_are_not_sent_again() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;
    stage.end().await;
    let jetstream = stage.broker.jetstream().await;
    let stream = jetstream.get_stream("FARELOG").await.unwrap();
    stream.purge().await.unwrap();

    stage.record(2);
    stage.start().await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(21).await;
}

/// nats-server syncs every two minutes unless it is told otherwise: a power cut takes what it acknowledged last.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_took_and_lost_is_sent_again() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;
    stage.broker_keeps_what_it_has().await;
    stage.record(10);
    stage.all_is_sent().await;
    stage.position_is_saved().await;

    stage.broker_loses_what_came_since();
    assert_eq!(stage.in_stream().await.len(), 20);
    stage.record(1);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// Only where the stream ended was compared once. As many messages of others as facts were lost, and the outbox went on behind
/// facts that were in no stream, and said that it sends.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_lost_is_sent_again_also_where_others_took_its_sequences() {
    for others in [1, 10, 12] {
        let mut stage = Stage::new().await;
        stage.record(20);
        stage.all_is_sent().await;
        stage.broker_keeps_what_it_has().await;
        stage.record(10);
        stage.all_is_sent().await;
        stage.position_is_saved().await;
        stage.end().await;

        stage.broker_loses_what_came_since();
        for _ in 0..others {
            stage.others_write().await;
        }
        stage.start().await;
        stage.record(1);
        stage.all_is_sent().await;
        stage.stream_has_all_from(1).await;
    }
}

/// The same where the position was saved behind a message of others, which has no fact's id.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_message_of_others_is_told_from_the_one_in_its_place() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;
    stage.end().await;
    stage.broker_keeps_what_it_has().await;
    stage.start().await;
    stage.record(10);
    stage.all_is_sent().await;
    stage.end().await;
    stage.others_write().await;
    stage.start().await;
    stage.all_is_sent().await;
    stage.end().await;

    stage.broker_loses_what_came_since();
    for _ in 0..11 {
        stage.others_write().await;
    }
    stage.start().await;
    stage.record(1);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// The client can't parse such headers, and the outbox asked for the same message again for good.
#[tokio::test(flavor = "multi_thread")]
async fn messages_whose_headers_can_t_be_read_are_none_of_an_outbox() {
    let mut stage = Stage::new().await;
    stage.record(5);
    stage.all_is_sent().await;
    for headers in [
        b"NATS/1.0\r\nX-Butikk: Troms\xf8\r\n\r\n".as_slice(),
        b"NATS/1.0\r\nX-Butikk 7\r\n\r\n",
        b"NATS/1.0 404 No Messages\r\n\r\n",
    ] {
        stage.end().await;
        let message = BareMessage {
            subject: b"farelog.dead-letters",
            headers: Some(headers),
            payload: b"{}",
        };
        stage.broker.publish_bare(&[message]).await;
        stage.start().await;
        stage.record(2);
        stage.all_is_sent().await;
        stage.end().await;
        stage.delete_position();
        stage.start().await;
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}

/// What a stream had lost was once told as sent until it was.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_stream_lost_is_not_told_as_sent_before_it_is() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;
    stage.end().await;
    stage.broker_keeps_what_it_has().await;
    stage.go_by_a_way().await;
    stage.start().await;
    stage.record(10);
    stage.all_is_sent().await;

    stage.broker.kill();
    stage.lose_broker_files();
    stage.way().hold_back(Some("farelog."));
    stage.broker.start_again();
    // It looks what the stream has when it can't send on.
    stage.record(1);
    // Of the last record that the stream has it is not known whether it had more facts.
    stage.is_sent_to(19).await;

    stage.way().hold_back(None);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// The record of the last fact that was sent was told as sent whole, while a fact of it could be left.
#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_that_can_t_ask_the_stream_tells_no_more_than_it_surely_sent() {
    let mut stage = Stage::new().await;
    stage.record(5);
    stage.all_is_sent().await;
    stage.end().await;
    stage.broker.kill();
    stage.start().await;
    assert_eq!(stage.status().borrow().position, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_neither_tells_what_was_sent_someone_has_to() {
    let mut stage = Stage::new().await;
    stage.record(20);
    stage.all_is_sent().await;
    stage.end().await;
    stage.delete_position();
    stage.delete_stream().await;

    stage.start().await;
    let stopped = stage.has_stopped().await;
    let head = 20;
    let stream = "FARELOG".to_owned();
    assert_eq!(stopped, OutboxBreak::NothingKnown { stream, head });
    stage.end().await;

    stage.start_after(17).await;
    stage.all_is_sent().await;
    stage.stream_has_all_from(18).await;

    // Told so once more, there is nothing to decide.
    stage.end().await;
    stage.start_after(0).await;
    stage.record(1);
    stage.all_is_sent().await;
    stage.stream_has_all_from(18).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_another_log_is_left_alone_until_someone_decides() {
    let mut stage = Stage::new().await;
    let other = stage.log.id();
    stage.record(5);
    stage.all_is_sent().await;

    stage.begin_anew().await;
    stage.start().await;
    stage.record(2);
    let stopped = stage.has_stopped().await;
    let stream = "FARELOG".to_owned();
    assert_eq!(stopped, OutboxBreak::OtherLog { stream, other });
    assert_eq!(stage.in_stream().await.len(), 5);
    stage.end().await;

    stage.start_after(0).await;
    stage.all_is_sent().await;
    assert_eq!(stage.in_stream().await, [1, 2, 3, 4, 5, 1, 2]);
    stage.kill().await;
    stage.start().await;
    stage.record(1);
    stage.all_is_sent().await;
    assert_eq!(stage.in_stream().await, [1, 2, 3, 4, 5, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_others_in_the_stream_are_passed_over() {
    let mut stage = Stage::new().await;
    stage.record(5);
    stage.all_is_sent().await;
    for _ in 0..2 {
        stage.others_write().await;
        stage.record(200);
        stage.others_write().await;
        stage.all_is_sent().await;
        stage.end().await;
        stage.others_write().await;
        stage.start().await;
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}
