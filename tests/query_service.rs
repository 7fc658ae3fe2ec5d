//! Questions over NATS: the service `farelog`, as a client of NATS meets it.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::time::{Duration, Instant};

use async_nats::client::{Request, RequestErrorKind};
use async_nats::{Client, HeaderMap, Message};
use futures::StreamExt;
use serde_json::{Value, json};

use common::sale::{PER_TEN, claim, sale};
use common::{PATIENCE, Server};

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

/// The answer. What a question is to wait for it waits for as long as it may, if it does not say.
async fn asked(client: &Client, question: &str, with: &Value) -> Answer {
    let mut with = with.clone();
    if with.get("minStreamSequence").is_some() && with.get("timeoutMs").is_none() {
        with["timeoutMs"] = json!(30_000);
    }
    bytes_asked(client, question, with.to_string()).await
}

/// The answer, once there is a server that takes questions.
async fn bytes_asked(client: &Client, question: &str, with: String) -> Answer {
    let started = Instant::now();
    loop {
        let subject = format!("farelog.query.{question}");
        let request = Request::new().payload(with.clone().into());
        let request = request.timeout(Some(PATIENCE));
        match client.send_request(subject, request).await {
            Ok(answer) => return answer.into(),
            Err(error) => {
                assert_eq!(error.kind(), RequestErrorKind::NoResponders);
                assert!(started.elapsed() < PATIENCE, "nobody takes questions");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// Asks, and does not look at the answer.
async fn left_open(client: &Client, question: &str, with: &Value) {
    let subject = format!("farelog.query.{question}");
    let inbox = client.new_inbox();
    let published = client.publish_with_reply(subject, inbox, with.to_string().into());
    published.await.unwrap();
}

async fn no_responders(client: &Client, subject: &str) -> bool {
    let answer = client.request(subject.to_owned(), "".into()).await;
    answer.is_err_and(|error| error.kind() == RequestErrorKind::NoResponders)
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
        points.header("Farelog-Position"),
        over_http.header("Farelog-Position")
    );
    assert_ne!(points.header("X-Correlation-Id"), "no header");
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
    assert_eq!(registered.header("Idempotent-Replayed"), "no header");
    let again = asked(&client, "register", &question).await;
    assert_eq!(again.json, registered.json);
    assert_eq!(again.header("Idempotent-Replayed"), "true");
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
            refused.header("X-Correlation-Id")
        );
    }

    let mut headers = HeaderMap::new();
    headers.insert("X-Correlation-Id", "visit-42");
    headers.insert("ET-Client-Name", "acme-gate");
    let subject = "farelog.query.summary";
    let asked = client.request_with_headers(subject, headers, r#"{"orderId":"#.into());
    let refused = Answer::from(asked.await.unwrap());
    assert_eq!(refused.json["errors"][0]["field"], "body");
    assert_eq!(refused.header("X-Correlation-Id"), "visit-42");
    let said = server.stderr();
    assert!(
        said.contains("correlation_id=visit-42 client=\"acme-gate\""),
        "{said}"
    );
}

#[tokio::test]
async fn the_service_says_what_can_be_asked_and_is_there_again_with_its_broker() {
    let (mut server, client) = given().await;
    asked(&client, "summary", &json!({})).await;
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
    let answered = asked(&client, "transactions", &question).await;
    assert_eq!(answered.json, json!([]));
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.stderr());
}

/// A server whose projections were at the beginning answered that an order has no points, and callers believed it.
#[tokio::test]
async fn no_question_is_taken_before_the_projections_have_caught_up() {
    /// So many that to project them takes longer than to join.
    const ORDERS: u64 = 30_000;
    /// As many messages as a client publishes before it waits for what it has published.
    const AT_ONCE: usize = 3_000;
    let (mut server, client) = given().await;
    let jetstream = server.nats.jetstream().await;
    let mut sequence = 0;
    let mut published = Vec::new();
    for number in 1..=ORDERS {
        let order = format!("O{number}");
        for event in sale(&order, Some("C1"), "50.00") {
            let acknowledged =
                jetstream.publish(format!("orders.{order}"), event.to_string().into());
            published.push(acknowledged.await.unwrap());
        }
        if published.len() >= AT_ONCE || number == ORDERS {
            for acknowledged in published.drain(..) {
                sequence = acknowledged.await.unwrap().sequence;
            }
        }
    }
    let all_is_projected = |ready: &common::Reply| {
        ready.json["ingestion"]["lastSequence"] == sequence
            && ready.json["projections"]["position"] == ready.json["log"]["position"]
    };
    server.until_ready_says(all_is_projected).await;
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.stderr());
    fs::remove_dir_all(server.data_dir().join("projections")).unwrap();
    server.spawn();
    let question = json!({ "orderId": format!("O{ORDERS}") });
    let points = asked(&client, "transactions", &question).await;
    assert_eq!(points.json[0]["amount"], 5, "{}", points.json);
}

#[tokio::test]
async fn questions_that_wait_keep_no_others_waiting() {
    const PLACES: usize = 256;
    let (_server, client) = given().await;
    asked(&client, "summary", &json!({})).await;
    let waits = json!({ "orderId": "O1", "minPosition": 1_000_000, "timeoutMs": 30_000 });
    for _ in 0..PLACES {
        left_open(&client, "transactions", &waits).await;
    }
    let refused = asked(&client, "transactions", &json!({ "orderId": "O1" })).await;
    assert_eq!(refused.header("Nats-Service-Error-Code"), "503");
    assert_eq!(refused.header("Nats-Service-Error"), "service-unavailable");
    assert_eq!(refused.header("Retry-After"), "1");
    let other = asked(&client, "summary", &json!({ "orderId": "O1" })).await;
    assert_eq!(other.header("Nats-Service-Error"), "order-unknown");
}

#[tokio::test]
async fn a_question_has_a_limit_and_names_no_field_twice() {
    let (server, client) = given().await;
    let long = json!({ "orderId": "O".repeat(64 * 1024) });
    let refused = asked(&client, "summary", &long).await;
    assert_eq!(refused.header("Nats-Service-Error"), "body-too-large");
    // What is refused before it is a request is one of its operation all the same.
    let said = server.stderr();
    let path = "path=\"/sales/v1/ticket-distributions/{orderId}/summary\"";
    assert!(said.contains(path), "{said}");

    let twice = r#"{"programId":11,"orderId":"O1","orderLineId":"O1-1","customerId":"C1","customerId":"C2"}"#;
    let refused = bytes_asked(&client, "register", twice.to_owned()).await;
    assert_eq!(refused.header("Nats-Service-Error"), "validation-failed");
    assert_eq!(refused.json["errors"][0]["field"], "customerId");
}

#[tokio::test]
async fn what_wants_no_answer_is_not_done() {
    let (server, client) = given().await;
    for order in ["O1", "O2"] {
        let sequence = server.nats.publish(&sale(order, None, "50.00")).await;
        let question = json!({ "orderId": order, "minStreamSequence": sequence });
        asked(&client, "transactions", &question).await;
    }
    let register = |order| {
        let mut question = claim(order, "C1");
        question["programId"] = json!(11);
        question
    };
    let unanswered = register("O1").to_string().into();
    client
        .publish("farelog.query.register", unanswered)
        .await
        .unwrap();
    let registered = asked(&client, "register", &register("O2")).await;
    assert_eq!(registered.json[0]["amount"], 5, "{}", registered.json);
    let points = asked(&client, "transactions", &json!({ "orderId": "O1" })).await;
    assert_eq!(points.json, json!([]));
}

/// The end waited for subscriptions that only a broker could end, and then said that questions were left.
#[tokio::test]
async fn an_end_without_the_broker_leaves_no_question() {
    let (mut server, client) = given().await;
    asked(&client, "summary", &json!({})).await;
    server.nats.stop();
    let waits = |ready: &common::Reply| ready.json["ingestion"]["state"] != "RUNNING";
    server.until_ready_says(waits).await;
    server.terminate();
    assert!(server.ended().await.success(), "{}", server.stderr());
    let said = server.stderr();
    assert!(!said.contains("questions were not answered"), "{said}");
}

#[tokio::test]
async fn what_is_being_answered_at_the_end_is_answered() {
    let (mut server, client) = given().await;
    let waits = json!({ "orderId": "O1", "minPosition": 1_000_000, "timeoutMs": 1_000 });
    asked(&client, "summary", &json!({})).await;
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.unwrap();
    let subject = "farelog.query.transactions";
    let waiting = client.publish_with_reply(subject, inbox, waits.to_string().into());
    waiting.await.unwrap();
    // What comes later by the same connection is answered, so the first is under way.
    asked(&client, "transactions", &json!({ "orderId": "O1" })).await;
    server.terminate();
    let answer = tokio::time::timeout(PATIENCE, answers.next()).await;
    let answered = Answer::from(answer.unwrap().unwrap());
    assert_eq!(
        answered.header("Nats-Service-Error"),
        "position-not-reached"
    );
    assert!(server.ended().await.success(), "{}", server.stderr());
}

#[tokio::test]
async fn questions_can_be_turned_off() {
    let server = Server::start_with(&["--nats-queries=false"]).await;
    let client = server.nats.client().await;
    assert!(no_responders(&client, "$SRV.PING.farelog").await);
    assert!(no_responders(&client, "farelog.query.summary").await);
    server
        .until_it_says("no questions are taken from NATS")
        .await;
}

/// Two copies of a log, or two logs, would each answer a part of the questions and record a part of the registrations.
#[tokio::test]
async fn of_two_servers_at_a_broker_one_takes_questions() {
    let (mut first, client) = given().await;
    first.terminate();
    assert!(first.ended().await.success(), "{}", first.stderr());
    let mut second = first.copied();
    first.restart().await;
    asked(&client, "summary", &json!({})).await;
    let there = client.request("$SRV.PING.farelog", "".into()).await;
    let there: Value = serde_json::from_slice(&there.unwrap().payload).unwrap();
    let log_id = there["metadata"]["logId"].as_str().unwrap();
    second.spawn();
    second
        .until_it_says("another farelog takes questions")
        .await;
    assert!(second.stderr().contains(log_id), "{log_id}");
    first.terminate();
    assert!(first.ended().await.success(), "{}", first.stderr());
    assert!(no_responders(&client, "farelog.query.summary").await);
    assert!(no_responders(&client, "$SRV.PING.farelog").await);
    second.terminate();
    assert!(second.ended().await.success(), "{}", second.stderr());
}

#[tokio::test]
async fn an_answer_that_no_message_holds_says_so() {
    // Smaller than the room that headers are given.
    let mut server = Server::with_broker(json!({ "max_payload": 1_500 }));
    server.restart().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let client = server.nats.client().await;
    let sequence = server.nats.publish(&sale("O1", None, "50.00")).await;
    let mut question = claim("O1", "C1");
    question["programId"] = json!(11);
    question["minStreamSequence"] = json!(sequence);
    let refused = asked(&client, "register", &question).await;
    assert_eq!(refused.header("Nats-Service-Error"), "answer-too-large");
    assert_eq!(refused.header("Nats-Service-Error-Code"), "413");
    assert_ne!(refused.header("X-Correlation-Id"), "no header");
    // As its page says: it is recorded, and over HTTP it is answered again.
    let register = "/personalisation/v1/programs/11/deferred-registration";
    let again = server.post(register, &claim("O1", "C1")).await;
    assert_eq!(again.header("Idempotent-Replayed"), "true");
}
