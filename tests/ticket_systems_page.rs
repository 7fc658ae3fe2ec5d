//! `docs/ticket-systems.md` read and run: what it shows of farelog's messages is what farelog sends, and what it shows of
//! answers does what it says.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use common::Server;
use common::sale::PER_TEN;

/// Everything that the page shows as JSON, in its order.
fn examples() -> Vec<Value> {
    let page = include_str!("../docs/ticket-systems.md");
    page.split("```json\n")
        .skip(1)
        .map(|block| {
            let json = block.split("```").next().unwrap();
            serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}"))
        })
        .collect()
}

/// The status that the page promises a ticket after an answer.
fn promised(answer: &Value) -> &'static str {
    let page = include_str!("../docs/ticket-systems.md");
    let type_of_row = format!("| `{}`", answer["type"].as_str().unwrap());
    let is_in_use = answer["data"]["status"] == "ACTIVATED";
    let row = page
        .lines()
        .filter(|line| line.starts_with(&type_of_row))
        .find(|line| line.contains("`status` `ACTIVATED`") == is_in_use)
        .unwrap_or_else(|| panic!("no row for {answer}"));
    let last = row.rsplit(" | ").next().unwrap();
    last.split('`').nth(1).unwrap()
}

/// When farelog did something; another in each run.
const OWN_TIMES: [&str; 6] = [
    "time",
    "requestedAt",
    "cancelledAt",
    "createdAt",
    "recordedAt",
    "publishedAt",
];

/// The same without what is another in each run: farelog's own times, what connects an event with its cause, and the log's
/// id in an event's id.
fn lasting(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| {
                let value = match (name.as_str(), value) {
                    ("id", Value::String(id)) => json!(id.split_once(':').unwrap().1),
                    ("correlationid", _) => json!("any"),
                    (name, Value::String(time)) if OWN_TIMES.contains(&name) => {
                        assert!(time.parse::<DateTime<Utc>>().is_ok(), "{name}: {time}");
                        json!("any")
                    }
                    _ => lasting(value),
                };
                (name.clone(), value)
            })
            .collect(),
        Value::Array(items) => items.iter().map(lasting).collect(),
        _ => value.clone(),
    }
}

/// A sale of one ticket with all that a line can say of it.
fn sale(order: &str) -> Vec<Value> {
    let line = json!({
        "orderVersion": 1, "orderLineId": format!("{order}-1"), "orderLineVersion": 1,
        "fareProducts": [{ "id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE" }],
        "price": { "amount": "39.00", "currency": "NOK" },
        "validity": { "start": "2026-01-15T08:00:00Z", "end": "2026-01-15T09:30:00Z" },
        "distributionDetails": { "fulfillmentMethod": "NOD", "distributionHolderCustomerId": "C2",
            "customerAccountRef": "NOD:CustomerAccount:12" },
    });
    let created =
        json!({ "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "C1" });
    vec![
        common::sale::event("OrderCreated", order, created),
        common::sale::event("OrderLineAdded", order, line),
        common::sale::event("OrderConfirmed", order, json!({ "orderVersion": 1 })),
    ]
}

/// Sells an order and has its ticket sent; gives the ticket's id.
async fn sell(server: &Server, order: &str) -> i64 {
    let sequence = server.nats.publish(&sale(order)).await;
    let generate =
        format!("/sales/v1/ticket-distributions/{order}/generate?minStreamSequence={sequence}");
    server.act(&generate).await;
    let distribute = format!("/sales/v1/ticket-distribution-groups/{order}/distribute");
    let body = json!({ "deliverAfter": "2026-01-15T07:00:00Z", "qrChecksumType": "SHA256",
        "travelCard": { "activate": true, "paymentMeansType": "T_CARD", "mediaSerialNumberId": "M1" } });
    let request = server
        .request(reqwest::Method::POST, &distribute)
        .header("Entur-Distribution-Channel", "ENT:DistributionChannel:App")
        .header("Entur-Pos", "App")
        .header("Accepts-Language", "eng");
    let groups = common::reply(request.json(&body)).await;
    assert_eq!(groups.status, 200, "{groups:?}");
    groups.json[0]["ticketDistributions"][0]["id"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn farelog_sends_what_the_page_shows() {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    sell(&server, "O1").await;
    let jetstream = server.nats.jetstream().await;
    let unreadable = jetstream.publish("orders.O1", "{".into()).await.unwrap();
    unreadable.await.unwrap();
    let cancelled = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1 });
    let cancelled = common::sale::event("OrderLineCancelled", "O1", cancelled);
    let sequence = server.nats.publish(&[cancelled]).await;
    server.until_all_is_told(sequence).await;

    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut sent = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        sent.push(serde_json::from_slice::<Value>(&message.payload).unwrap());
    }
    let mut shown = examples();
    shown.retain(|example| example["source"] == "farelog");
    assert_eq!(shown.len(), 4);
    for example in shown {
        let message = sent.iter().find(|event| event["type"] == example["type"]);
        let message = message.unwrap_or_else(|| panic!("{} is not sent", example["type"]));
        assert_eq!(
            lasting(message),
            lasting(&example),
            "{}",
            serde_json::to_string_pretty(message).unwrap()
        );
    }
}

#[tokio::test]
async fn answers_do_what_the_page_promises() {
    let server = Server::start().await;
    let mut answers = examples();
    answers.retain(|example| example["source"] == "/nod");
    assert_eq!(answers.len(), 6);
    for (number, mut answer) in answers.into_iter().enumerate() {
        let order = format!("O{number}");
        let ticket = sell(&server, &order).await;
        answer["data"]["orderId"] = json!(order);
        answer["data"]["orderLineId"] = json!(format!("{order}-1"));
        answer["data"]["ticketDistributionId"] = json!(ticket);
        let sequence = server.nats.publish(&[answer.clone()]).await;
        let groups =
            format!("/sales/v1/ticket-distributions/{order}/generate?minStreamSequence={sequence}");
        let groups = server.act(&groups).await;
        let ticket = &groups.json[0]["ticketDistributions"][0];
        assert_eq!(ticket["status"], promised(&answer), "{answer}");
        if let Some(contract) = answer["data"]["fareContractRef"].as_str() {
            assert_eq!(ticket["fareContractRef"], contract);
        }
    }
}
