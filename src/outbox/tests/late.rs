//! Beyond the duplicate window, where the broker no longer knows a repeat by its id: answers that are lost, and copies
//! that come when nobody waits for them any more.

use std::time::Duration;

use tokio::time::sleep;

use super::stage::Stage;

/// What the stream's duplicate window is here; two minutes where farelog makes the stream.
const WINDOW: Duration = Duration::from_millis(100);

/// Subjects of facts.
const FACTS: Option<&str> = Some("farelog.");

/// An outbox that goes a way which can be bad, to a stream that forgets ids at once.
async fn beyond_the_window() -> Stage {
    let mut stage = Stage::without_outbox();
    stage.make_stream(WINDOW).await;
    stage.go_by_a_way().await;
    stage.start().await;
    stage.record(1);
    stage.all_is_sent().await;
    stage
}

async fn the_window_passes() {
    sleep(3 * WINDOW).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_whose_answers_were_lost_are_not_sent_again() {
    let mut stage = beyond_the_window().await;
    for is_killed in [false, true, false] {
        stage.way().lose_answers(FACTS);
        let lost_before = stage.way().answers_lost();
        stage.record(300);
        stage
            .until_way(|way| way.answers_lost() > lost_before)
            .await;
        if is_killed {
            stage.kill().await;
        } else {
            stage.retries().await;
        }
        the_window_passes().await;
        stage.way().lose_answers(None);
        if is_killed {
            stage.start().await;
        }
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_come_after_the_facts_were_sent_again_are_not_taken() {
    let mut stage = beyond_the_window().await;
    for is_killed in [false, true] {
        stage.way().hold_back(FACTS);
        stage.record(300);
        stage.until_way(|way| way.held() > 0).await;
        if is_killed {
            stage.kill().await;
        } else {
            stage.retries().await;
        }
        stage.way().hold_back(None);
        if is_killed {
            stage.start().await;
        }
        stage.all_is_sent().await;
        the_window_passes().await;
        stage.way().deliver_held().await;
    }
    stage.record(10);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

/// The outbox has asked the stream what it has, and sends, when they come.
#[tokio::test(flavor = "multi_thread")]
async fn copies_that_come_while_the_facts_are_sent_again_are_taken_in_their_place_or_not_at_all() {
    let mut stage = beyond_the_window().await;
    for pause_ms in [0, 1, 2, 4, 8, 16] {
        stage.way().hold_back(FACTS);
        stage.record(600);
        stage.until_way(|way| way.held() > 0).await;
        stage.kill().await;
        stage.way().hold_back(None);
        the_window_passes().await;
        stage.start().await;
        sleep(Duration::from_millis(pause_ms)).await;
        stage.way().deliver_held().await;
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}

/// The copies were sent behind a fact that is now followed by a message of someone else.
#[tokio::test(flavor = "multi_thread")]
async fn copies_that_come_behind_a_message_of_someone_else_are_not_taken() {
    let mut stage = beyond_the_window().await;
    for others in 1..4 {
        stage.way().hold_back(FACTS);
        stage.record(6);
        stage.until_way(|way| way.held() > 0).await;
        stage.kill().await;
        stage.way().hold_back(None);
        stage.start().await;
        stage.all_is_sent().await;
        for _ in 0..others {
            stage.others_write().await;
        }
        the_window_passes().await;
        stage.way().deliver_held().await;
    }
    stage.record(3);
    stage.all_is_sent().await;
    stage.stream_has_all_from(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_for_longer_than_the_window_gets_the_rest_when_it_is_back() {
    let mut stage = beyond_the_window().await;
    for pause_ms in [1, 5, 20] {
        stage.record(600);
        sleep(Duration::from_millis(pause_ms)).await;
        stage.broker.kill();
        stage.record(50);
        the_window_passes().await;
        stage.broker.start_again();
        stage.all_is_sent().await;
    }
    stage.stream_has_all_from(1).await;
}
