//! A running farelog on a disk that fails beside the log: under its projections, or under the outbox's position.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use common::sale::{PER_TEN, event, sale};
use common::{PATIENCE, Server};
use serde_json::{Value, json};

/// A server with a program and a member, that has ended.
async fn prepared() -> Server {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    server.kill();
    server
}

/// Publishes a sale of five points; gives its sequence.
async fn sell(server: &Server, order: &str) -> u64 {
    server.nats.publish(&sale(order, Some("C1"), "50.00")).await
}

/// The orders whose points were told, in the order of the stream.
async fn told(server: &Server) -> Vec<String> {
    let jetstream = server.nats.jetstream().await;
    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut orders = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let fact: Value = serde_json::from_slice(&message.payload).unwrap();
        orders.push(fact["data"]["orderId"].as_str().unwrap().to_owned());
    }
    orders
}

/// Publishes so much that what was folded is brought to the disk: it would take long to fold again.
async fn publish_much(server: &Server) {
    let padding = "x".repeat(700_000);
    for number in 1..=50 {
        let order = format!("P{number}");
        let data = json!({ "padding": padding });
        let much = event("SomethingElse", &order, data);
        server.nats.publish(&[much]).await;
    }
}

#[tokio::test]
async fn a_failure_under_the_projections_ends_the_server_with_a_reason_and_costs_nothing() {
    for fault in [
        "write:1:once",
        "write:2:full",
        "write:3:late",
        "sync:1:once",
        "sync:2:broken",
    ] {
        let mut server = prepared().await;
        assert!(server.spawn_on_failing_disk("projections", fault));
        // One before what can end it: on a busy machine the server was gone before the first, and none was looked for.
        let mut orders = 1_u64;
        let mut sequence = sell(&server, "O1").await;
        publish_much(&server).await;
        let started = Instant::now();
        while server.get("/health/live").await.status == 200 {
            assert!(started.elapsed() < PATIENCE, "{fault}: {}", server.stderr());
            orders += 1;
            sequence = sell(&server, &format!("O{orders}")).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        let status = server.ended().await;
        let log = server.stderr();
        assert_eq!(status.code(), Some(1), "{fault}: {log}");
        let last = log.lines().last().unwrap();
        let says_why = last.starts_with("farelog: the projections' store failed: ");
        assert!(says_why, "{fault}: {last}");

        server.restart().await;
        server.until_all_is_told(sequence).await;
        let expected: Vec<_> = (1..=orders).map(|number| format!("O{number}")).collect();
        assert_eq!(told(&server).await, expected, "{fault}");
        let points = format!("/personalisation/v1/transactions?orderId=O{orders}");
        let points = server.get(&points).await;
        assert_eq!(points.json[0]["amount"], 5, "{fault}");
    }
}

/// What is sent stands in the stream; the file only says so. So a failure there is tried again.
#[tokio::test]
async fn a_failure_under_the_outboxs_position_is_tried_again_and_doubles_nothing() {
    for (part, fault) in [
        ("outbox.json.new", "write:1:once"),
        ("outbox.json.new", "write:2:once"),
        ("outbox.json.new", "sync:1:once"),
        ("outbox.json.new", "sync:2:once"),
        // The first sync of the data directory is the log's.
        (".", "sync:2:once"),
        (".", "sync:3:once"),
    ] {
        let mut server = prepared().await;
        assert!(server.spawn_on_failing_disk(part, fault));
        let says_so = "the outbox tries again: the outbox's position in ";
        let mut orders = 0_u64;
        // The position is saved once a second.
        let started = Instant::now();
        while !server.stderr().contains(says_so) {
            assert!(started.elapsed() < PATIENCE, "{part} {fault}");
            orders += 1;
            sell(&server, &format!("O{orders}")).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        server.kill();
        server.restart().await;
        orders += 1;
        let sequence = sell(&server, &format!("O{orders}")).await;
        server.until_all_is_told(sequence).await;
        let expected: Vec<_> = (1..=orders).map(|number| format!("O{number}")).collect();
        assert_eq!(told(&server).await, expected, "{part} {fault}");
    }
}

#[tokio::test]
async fn while_the_outboxs_position_can_t_be_saved_nothing_is_sent_and_all_else_goes_on() {
    for fault in ["write:1:full", "sync:1:broken"] {
        let mut server = prepared().await;
        assert!(server.spawn_on_failing_disk("outbox.json.new", fault));
        let sequence = sell(&server, "O1").await;
        let retrying = server
            .until_ready_says(|ready| ready.json["outbox"]["state"] == "RETRYING")
            .await;
        assert_eq!(retrying.status, 200);
        let detail = retrying.json["outbox"]["detail"].as_str().unwrap();
        assert!(
            detail.contains("outbox.json can't be written: "),
            "{detail}"
        );
        let points =
            format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
        assert_eq!(server.get(&points).await.json[0]["amount"], 5);
        server.kill();

        server.restart().await;
        server.until_all_is_told(sequence).await;
        assert_eq!(told(&server).await, ["O1"]);
    }
}

/// "No file" is to mean that it was lost, so the first start makes it or does not begin.
#[tokio::test]
async fn a_first_start_that_can_t_write_the_outboxs_position_says_so_and_begins_nothing() {
    for fault in ["write:1:once", "sync:1:once"] {
        let mut server = Server::to_be_started(&[]);
        let mut command = server.command_on_failing_disk("outbox.json.new", fault);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        assert!(last.contains("outbox.json can't be written: "), "{last}");
        assert!(fs::read(server.data_dir().join("outbox.json")).is_err());
        server.restart().await;
        let sequence = sell(&server, "O1").await;
        server.until_all_is_told(sequence).await;
    }
}
