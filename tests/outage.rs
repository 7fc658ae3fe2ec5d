//! A running farelog whose facts get out late, twice, or not at all for now: each is in the stream once and in order in
//! the end, and meanwhile nothing else waits.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Stream};
use serde_json::Value;
use tokio::time::sleep;

use common::Server;
use common::sale::{PER_TEN, claim, sale};

/// What the stream's duplicate window is here; two minutes where farelog makes the stream.
const WINDOW: Duration = Duration::from_millis(200);

/// Subjects of facts.
const FACTS: Option<&str> = Some("farelog.");

/// The stream of facts, as somebody may have made it before farelog was there.
fn stream() -> Config {
    Config {
        name: "FARELOG".to_owned(),
        subjects: vec![
            "farelog.points.*".to_owned(),
            "farelog.distributions.*.*".to_owned(),
        ],
        duplicate_window: WINDOW,
        ..Config::default()
    }
}

/// A farelog with a program and a member, by a way that can be bad, and the stream that its facts go to.
async fn given(config: Config) -> (Server, Stream) {
    let mut server = Server::to_be_started(&[]);
    let stream = server.nats.jetstream().await.create_stream(config).await;
    server.go_by_a_way().await;
    server.restart().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    (server, stream.unwrap())
}

/// Publishes sales of five points each, of the orders of these numbers; gives the sequence of the last.
async fn sell(server: &Server, orders: std::ops::Range<u32>) -> u64 {
    let events: Vec<_> = orders
        .flat_map(|number| sale(&format!("O{number}"), Some("C1"), "50.00"))
        .collect();
    server.nats.publish(&events).await
}

/// Sees to it that the points of each of so many orders were told once, in the order of the log, when all is told.
async fn all_were_told_once(server: &Server, sequence: u64, orders: u32) {
    server.until_all_is_told(sequence).await;
    let jetstream = server.nats.jetstream().await;
    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut told = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let fact: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(fact["data"]["orderPoints"], 5);
        told.push(fact["data"]["orderId"].as_str().unwrap().to_owned());
    }
    let expected: Vec<_> = (0..orders).map(|number| format!("O{number}")).collect();
    assert_eq!(told, expected);
}

/// Waits until something holds of the way to the broker.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !holds().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, holds)
        .await
        .expect("it comes to hold");
}

/// The broker has the facts, farelog does not know, and by their ids the broker no longer knows them.
#[tokio::test(flavor = "multi_thread")]
async fn facts_whose_answers_were_lost_are_not_told_again_after_the_duplicate_window() {
    let (mut server, _) = given(stream()).await;
    let mut sequence = 0;
    for round in 0..4 {
        server.way().lose_answers(FACTS);
        let lost_before = server.way().answers_lost();
        sequence = sell(&server, 40 * round..40 * (round + 1)).await;
        until(async || server.way().answers_lost() > lost_before).await;
        if round % 2 == 0 {
            server.kill();
            sleep(3 * WINDOW).await;
            server.way().lose_answers(None);
            server.restart().await;
        } else {
            sleep(3 * WINDOW).await;
            server.way().lose_answers(None);
            server.way().cut();
        }
    }
    all_were_told_once(&server, sequence, 160).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_that_come_after_the_facts_were_told_again_are_not_taken() {
    let (mut server, _) = given(stream()).await;
    let mut sequence = 0;
    for round in 0..4 {
        server.way().hold_back(FACTS);
        sequence = sell(&server, 40 * round..40 * (round + 1)).await;
        until(async || server.way().held() > 0).await;
        server.kill();
        server.way().hold_back(None);
        server.restart().await;
        if round % 2 == 0 {
            server.until_all_is_told(sequence).await;
            sleep(3 * WINDOW).await;
        }
        server.way().deliver_held().await;
    }
    all_were_told_once(&server, sequence, 160).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_beyond_its_duplicate_window_is_told_the_rest_when_it_is_back() {
    let (mut server, _) = given(stream()).await;
    let mut sequence = 0;
    for round in 0..4 {
        sequence = sell(&server, 40 * round..40 * (round + 1)).await;
        // The first of them is in the log, and more are on their way.
        let first = sequence - 3 * 39;
        let points = format!(
            "/personalisation/v1/transactions?orderId=O{}&minStreamSequence={first}",
            40 * round
        );
        assert_eq!(server.get(&points).await.json[0]["amount"], 5);
        // Ended and not killed: one that forgets what it acknowledged is another story.
        server.nats.stop();
        if round % 2 == 1 {
            server.kill();
            server.spawn();
        }
        sleep(3 * WINDOW).await;
        assert_eq!(server.get(&points).await.json[0]["amount"], 5);
        server.enrol(11, &format!("D{round}")).await;
        server.nats.start_again();
    }
    all_were_told_once(&server, sequence, 160).await;
}

/// What comes in goes by a connection of its own. Only both were ever cut together.
#[tokio::test(flavor = "multi_thread")]
async fn either_connection_may_be_gone_while_the_other_goes_on() {
    let (server, mut stream) = given(stream()).await;
    let mut sequence = server.nats.publish(&sale("O0", None, "50.00")).await;
    let timeline = format!("/v1/orders/O0/timeline?minStreamSequence={sequence}");
    assert_eq!(server.get(&timeline).await.status, 200);
    let mut orders = 1;
    for round in 0..2 {
        server.way().bar(Some("farelog ingestion"));
        sequence = sell(&server, orders..orders + 40).await;
        orders += 40;
        let ready = server
            .until_ready_says(|ready| ready.json["ingestion"]["state"] == "RECONNECTING")
            .await;
        assert_eq!(ready.status, 200);
        if round == 0 {
            // A command is taken, and what it does is told.
            let register = "/personalisation/v1/programs/11/deferred-registration";
            let registered = server.post(register, &claim("O0", "C1")).await;
            assert_eq!(registered.status, 200, "{registered:?}");
            until(async || stream.info().await.unwrap().state.messages == 1).await;
        }
        server.way().bar(None);
        all_were_told_once(&server, sequence, orders).await;

        server.way().bar(Some("farelog"));
        sequence = sell(&server, orders..orders + 40).await;
        orders += 40;
        let points = format!(
            "/personalisation/v1/transactions?orderId=O{}&minStreamSequence={sequence}",
            orders - 1
        );
        assert_eq!(server.get(&points).await.json[0]["amount"], 5);
        let ready = server.get("/health/ready").await;
        assert_eq!(ready.json["ingestion"]["state"], "RUNNING");
        let told = stream.info().await.unwrap().state.messages;
        assert_eq!(told, u64::from(orders) - 40);
        server.way().bar(None);
        all_were_told_once(&server, sequence, orders).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_way_holds_up_no_query_and_tells_each_fact_once() {
    let (server, _) = given(stream()).await;
    server.way().delay(Duration::from_millis(30));
    let sequence = sell(&server, 0..40).await;
    let points =
        format!("/personalisation/v1/transactions?orderId=O0&minStreamSequence={sequence}");
    assert_eq!(server.get(&points).await.json[0]["amount"], 5);
    server.way().delay(Duration::ZERO);
    all_were_told_once(&server, sequence, 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_full_holds_up_nothing_and_is_told_the_rest_when_there_is_room() {
    let small = Config {
        max_messages: 20,
        discard: DiscardPolicy::New,
        ..stream()
    };
    let (mut server, _) = given(small.clone()).await;
    let mut sequence = sell(&server, 0..60).await;
    let retrying = server
        .until_ready_says(|ready| ready.json["outbox"]["state"] == "RETRYING")
        .await;
    assert_eq!(retrying.status, 200);
    let detail = retrying.json["outbox"]["detail"].as_str().unwrap();
    assert!(detail.contains("maximum messages exceeded"), "{detail}");
    assert!(detail.contains("make room"), "{detail}");

    // Events are taken in, queries and commands answered, all as ever, also after a kill.
    for round in 1..3 {
        sequence = sell(&server, 60 * round..60 * (round + 1)).await;
        let last = 60 * (round + 1) - 1;
        let points = format!(
            "/personalisation/v1/transactions?orderId=O{last}&minStreamSequence={sequence}"
        );
        assert_eq!(server.get(&points).await.json[0]["amount"], 5);
        server.enrol(11, &format!("D{round}")).await;
        server.kill();
        server.restart().await;
    }
    let held_up = server
        .until_ready_says(|ready| ready.json["outbox"]["state"] == "RETRYING")
        .await;
    assert!(held_up.json["outbox"]["position"].as_u64() < held_up.json["log"]["position"].as_u64());

    let with_room = Config {
        max_messages: -1,
        ..small
    };
    let jetstream = server.nats.jetstream().await;
    jetstream.update_stream(with_room).await.unwrap();
    all_were_told_once(&server, sequence, 180).await;
}

/// All streams of the broker share its room. What farelog is told by HTTP it takes, and tells of it when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_out_of_room_holds_up_no_command() {
    let mut server = Server::with_small_broker(2 << 20);
    server.restart().await;
    let mut sequence = 0;
    for order in ["O1", "O2", "O3"] {
        sequence = server.nats.publish(&sale(order, Some("C1"), "50.00")).await;
    }
    server.until_all_is_told(sequence).await;
    let jetstream = server.nats.jetstream().await;
    let filler = Config {
        name: "FILLER".to_owned(),
        subjects: vec!["filler".to_owned()],
        ..Config::default()
    };
    let filler = jetstream.create_stream(filler).await.unwrap();
    let much = vec![b'x'; 64 << 10];
    let mut is_taken = true;
    while is_taken {
        let sent = jetstream.publish("filler", much.clone().into()).await;
        is_taken = sent.unwrap().await.is_ok();
    }

    for order in ["O1", "O2", "O3"] {
        let generate = format!("/sales/v1/ticket-distributions/{order}/generate");
        assert_eq!(server.act(&generate).await.status, 200);
        let distribute = format!("/sales/v1/ticket-distribution-groups/{order}/distribute");
        let group = &server.act(&distribute).await.json[0];
        assert_eq!(group["ticketDistributions"][0]["status"], "REQUESTED");
    }
    let retrying = server
        .until_ready_says(|ready| ready.json["outbox"]["state"] == "RETRYING")
        .await;
    assert_eq!(retrying.status, 200);
    server.kill();
    server.restart().await;
    filler.purge().await.unwrap();
    server.until_all_is_told(sequence).await;
    let mut told = jetstream.get_stream("FARELOG").await.unwrap();
    assert_eq!(told.info().await.unwrap().state.messages, 3);
}
