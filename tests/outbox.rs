//! What other systems hear of a running farelog: points and tickets, once and in order, and the answers of a ticket system.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use common::Server;
use common::sale::{PER_TEN, event, sale};

/// A message of the stream FARELOG.
#[derive(Debug)]
struct Heard {
    subject: String,
    id: String,
    position: u64,
    event: Value,
}

/// Everything in the stream, in its order.
async fn heard(server: &Server) -> Vec<Heard> {
    let jetstream = server.nats.jetstream().await;
    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut all = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let header = |name| message.headers.get(name).unwrap().to_string();
        all.push(Heard {
            subject: message.subject.to_string(),
            id: header("Nats-Msg-Id"),
            position: header("Farelog-Position").parse().unwrap(),
            event: serde_json::from_slice(&message.payload).unwrap(),
        });
    }
    all
}

#[tokio::test]
async fn a_ticket_goes_out_and_comes_back() {
    let server = Server::start().await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "39.00")).await;
    let generate =
        format!("/sales/v1/ticket-distributions/O1/generate?minStreamSequence={sequence}");
    assert_eq!(server.act(&generate).await.status, 200);
    let distribute = "/sales/v1/ticket-distribution-groups/O1/distribute";
    let group = &server.act(distribute).await.json[0];
    let ticket = &group["ticketDistributions"][0];
    assert_eq!(ticket["status"], "REQUESTED");
    // Asked again, nothing goes out again.
    assert_eq!(server.act(distribute).await.status, 200);

    server.until_all_is_told(sequence).await;
    let told = heard(&server).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].subject, "farelog.distributions.NOD.O1");
    let request = &told[0].event;
    assert_eq!(request["type"], "TicketRequested");
    assert_eq!(request["id"], told[0].id);
    assert_eq!(request["data"]["ticketDistributionId"], ticket["id"]);

    let added = json!({
        "orderLineId": request["data"]["orderLineId"],
        "ticketDistributionId": request["data"]["ticketDistributionId"],
        "fareContractRef": "NOD:FareContract:1",
    });
    let added = event("TicketDistributionAdded", "O1", added);
    let sequence = server.nats.publish(&[added]).await;
    let summary = format!("/sales/v1/ticket-distributions/O1/summary?minStreamSequence={sequence}");
    let summary = server.get(&summary).await;
    assert_eq!(
        summary.json["distributions"][0]["fareContractRef"],
        "NOD:FareContract:1"
    );

    let cancelled = event("OrderCancelled", "O1", json!({"orderVersion": 1}));
    let sequence = server.nats.publish(&[cancelled]).await;
    server.until_all_is_told(sequence).await;
    let told = heard(&server).await;
    assert_eq!(told.len(), 2, "{told:?}");
    let void = &told[1].event;
    assert_eq!(void["type"], "TicketCancelled");
    assert_eq!(void["data"]["fareContractRef"], "NOD:FareContract:1");
    // Who asks for at least what it was told of sees it.
    let groups = format!(
        "/sales/v1/ticket-distributions/O1/summary?minPosition={}",
        told[1].position
    );
    assert_eq!(server.get(&groups).await.status, 200);
}

#[tokio::test]
async fn points_are_told_once_however_often_farelog_and_its_broker_are_killed() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let mut sequence = 0;
    for round in 0..4_u64 {
        let events: Vec<_> = (0..40)
            .flat_map(|number| sale(&format!("O{round}-{number}"), Some("C1"), "50.00"))
            .collect();
        sequence = server.nats.publish(&events).await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        server.kill();
        if round % 2 == 1 {
            // One that forgets is another story.
            server.nats.until_written().await;
            server.nats.kill();
            server.nats.start_again();
        }
        server.restart().await;
    }
    server.until_all_is_told(sequence).await;
    let told = heard(&server).await;
    assert_eq!(told.len(), 160);
    assert!(told.is_sorted_by(|one, next| one.position < next.position));
    for fact in &told {
        let data = &fact.event["data"];
        assert_eq!(fact.event["type"], "PointsChanged");
        assert_eq!(
            fact.subject,
            format!("farelog.points.{}", data["orderId"].as_str().unwrap())
        );
        assert_eq!(data["customerId"], "C1");
        assert_eq!(data["orderPoints"], 5);
    }
}

#[tokio::test]
async fn a_start_or_a_rebuild_tells_nothing_again() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    server.until_all_is_told(sequence).await;
    for directory in [None, Some("projections")] {
        server.terminate();
        assert!(server.ended().await.success());
        if let Some(name) = directory {
            fs::remove_dir_all(server.data_dir().join(name)).unwrap();
        }
        server.restart().await;
        let ready = server.until_all_is_told(sequence).await;
        assert_eq!(ready.json["outbox"]["sent"], 0);
        assert_eq!(heard(&server).await.len(), 1);
    }
}

#[tokio::test]
async fn an_outbox_that_can_t_tell_what_was_sent_says_how_to_go_on_and_holds_up_nothing_else() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    server.until_all_is_told(sequence).await;
    server.terminate();
    assert!(server.ended().await.success());
    fs::remove_file(server.data_dir().join("outbox.json")).unwrap();
    let jetstream = server.nats.jetstream().await;
    jetstream.delete_stream("FARELOG").await.unwrap();

    server.restart().await;
    let sequence = server.nats.publish(&sale("O2", Some("C1"), "50.00")).await;
    let points =
        format!("/personalisation/v1/transactions?orderId=O2&minStreamSequence={sequence}");
    assert_eq!(server.get(&points).await.json[0]["amount"], 5);
    let stopped = server
        .until_ready_says(|ready| ready.json["outbox"]["state"] == "STOPPED")
        .await;
    assert_eq!(stopped.status, 200);
    let detail = stopped.json["outbox"]["detail"].as_str().unwrap();
    assert!(detail.contains("--outbox-after"), "{detail}");

    server.terminate();
    assert!(server.ended().await.success());
    server.restart_with(&["--outbox-after", "0"]).await;
    server.until_all_is_told(sequence).await;
    assert_eq!(heard(&server).await.len(), 2);
}
