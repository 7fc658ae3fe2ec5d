//! Questions over NATS: the service `farelog`, as a client of NATS meets it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use async_nats::{Client, HeaderMap, Message};
use serde_json::{Value, json};

use common::Server;
use common::sale::{PER_TEN, claim, sale};

/// What was answered over NATS.
struct Answer {
    json: Value,
    headers: HeaderMap,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("no header", |value| value.as_str())
    }
}

impl From<Message> for Answer {
    fn from(message: Message) -> Self {
        Self {
            json: serde_json::from_slice(&message.payload).unwrap_or_default(),
            headers: message.headers.unwrap_or_default(),
        }
    }
}

async fn asked(client: &Client, question: &str, with: &Value) -> Answer {
    let subject = format!("farelog.query.{question}");
    let answer = client.request(subject, with.to_string().into()).await;
    answer.unwrap().into()
}

/// A farelog with a program and a member, and a client of its broker.
async fn given() -> (Server, Client) {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let client = server.nats.client().await;
    (server, client)
}

#[tokio::test]
async fn what_is_asked_over_nats_is_answered_as_over_http() {
    let (server, client) = given().await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    let question = json!({ "orderId": "O1", "minStreamSequence": sequence });
    let points = asked(&client, "transactions", &question).await;
    let over_http = server
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(points.json, over_http.json);
    assert_eq!(points.json[0]["amount"], 5);
    assert_eq!(
        points.header("farelog-position"),
        over_http.header("farelog-position")
    );
    assert_ne!(points.header("x-correlation-id"), "no header");
    assert_eq!(points.header("Nats-Service-Error-Code"), "no header");

    server
        .act("/sales/v1/ticket-distributions/O1/generate")
        .await;
    let summary = asked(&client, "summary", &json!({ "orderId": "O1" })).await;
    assert_eq!(
        summary.json,
        json!({ "orderId": "O1", "distributions": [] })
    );
}

#[tokio::test]
async fn a_registration_over_nats_is_one_over_http() {
    let (server, client) = given().await;
    let sequence = server.nats.publish(&sale("O1", None, "50.00")).await;
    let mut question = claim("O1", "C1");
    question["programId"] = json!(11);
    question["minStreamSequence"] = json!(sequence);
    question["dryRun"] = json!(true);
    let tried = asked(&client, "register", &question).await;
    assert_eq!(tried.json[0]["amount"], 5, "{}", tried.json);
    assert_eq!(tried.json[0]["transactions"][0]["id"], Value::Null);

    question["dryRun"] = json!(null);
    let registered = asked(&client, "register", &question).await;
    assert_eq!(registered.header("idempotent-replayed"), "no header");
    let again = asked(&client, "register", &question).await;
    assert_eq!(again.json, registered.json);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let register = "/personalisation/v1/programs/11/deferred-registration";
    let over_http = server.post(register, &claim("O1", "C1")).await;
    assert_eq!(over_http.json, registered.json);
}

#[tokio::test]
async fn what_is_refused_says_so_in_the_headers_of_the_service_api() {
    let (server, client) = given().await;
    for (question, with, status, code) in [
        ("transactions", json!({}), "400", "validation-failed"),
        ("transactions", json!([]), "400", "validation-failed"),
        (
            "transactions",
            json!({ "orderId": "O1", "page": 1 }),
            "400",
            "validation-failed",
        ),
        (
            "summary",
            json!({ "orderId": "O1" }),
            "404",
            "order-unknown",
        ),
        (
            "summary",
            json!({ "orderId": "a b" }),
            "400",
            "validation-failed",
        ),
        (
            "register",
            json!({ "programId": 12 }),
            "400",
            "validation-failed",
        ),
        (
            "register",
            json!({ "programId": 11, "orderId": "O1", "orderLineId": "O1-1", "customerId": "C1" }),
            "422",
            "registration-refused",
        ),
    ] {
        let refused = asked(&client, question, &with).await;
        assert_eq!(refused.header("Nats-Service-Error-Code"), status, "{with}");
        assert_eq!(refused.header("Nats-Service-Error"), code, "{with}");
        assert_eq!(refused.json["code"], code);
        assert_eq!(
            refused.json["correlationId"],
            refused.header("x-correlation-id")
        );
    }

    let mut headers = HeaderMap::new();
    headers.insert("X-Correlation-Id", "visit-42");
    headers.insert("ET-Client-Name", "acme-gate");
    let subject = "farelog.query.summary";
    let asked = client.request_with_headers(subject, headers, r#"{"orderId":"#.into());
    let refused = Answer::from(asked.await.unwrap());
    assert_eq!(refused.json["errors"][0]["field"], "body");
    assert_eq!(refused.header("x-correlation-id"), "visit-42");
    let said = server.stderr();
    assert!(
        said.contains("correlation_id=visit-42 client=\"acme-gate\""),
        "{said}"
    );
}

#[tokio::test]
async fn the_service_says_what_can_be_asked_and_is_there_again_with_its_broker() {
    let (mut server, client) = given().await;
    let info = client.request("$SRV.INFO.farelog", "".into()).await;
    let info: Value = serde_json::from_slice(&info.unwrap().payload).unwrap();
    let mut subjects: Vec<&str> = info["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|endpoint| endpoint["subject"].as_str().unwrap())
        .collect();
    subjects.sort_unstable();
    let expected = ["register", "summary", "transactions"];
    assert_eq!(
        subjects,
        expected.map(|name| format!("farelog.query.{name}"))
    );

    server.nats.stop();
    server.nats.start_again();
    let running = |ready: &common::Reply| ready.json["ingestion"]["state"] == "RUNNING";
    server.until_ready_says(running).await;
    let question = json!({ "orderId": "O1" });
    let answered = async {
        let subject = "farelog.query.transactions";
        while client
            .request(subject, question.to_string().into())
            .await
            .is_err()
        {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, answered)
        .await
        .unwrap();
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.stderr());
}
