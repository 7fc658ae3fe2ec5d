//! The router as a whole, over a real log and real projections in a directory of the test's own.
//!
//! Every answer that a test gets is held against the description of the interface ([`conformance`]): an operation can't
//! answer with a status, a header or a field that `/openapi.json` does not name.

mod arbitrary;
mod bounds;
mod conformance;
mod customers;
mod description;
mod distributions;
mod explanation;
mod export;
mod members;
mod operate;
mod orders;
mod programs;
mod registration;
mod replay;
mod request;
mod search;
mod transactions;

use std::thread;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, header};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use farelog_events::ingest::{IngestState, IngestStatus};
use farelog_events::log::StreamCheckpoint;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tower::ServiceExt;

use super::{Health, Server, router};
use crate::assembly::Assembly;
use crate::outbox::{OutboxState, OutboxStatus};
use conformance::Conformance;

const STREAM: &str = "ORDERS";

/// A server without a socket and without NATS: messages are handed to the writer as ingestion does.
struct Site {
    server: Server,
    router: Router,
    conformance: Conformance,
    /// What `/metrics` shows the figures of, for a test that has them recorded there.
    recorder: PrometheusRecorder,
    /// There until the site is dropped.
    assembly: Option<Assembly>,
    ingestion: watch::Sender<IngestStatus>,
    outbox: watch::Sender<OutboxStatus>,
    sequence: u64,
    _directory: TempDir,
}

impl Drop for Site {
    /// Nobody writes to the directory any more when it goes.
    fn drop(&mut self) {
        if let Some(assembly) = self.assembly.take() {
            // The test's own runtime can't be waited on from within.
            let close = move || Runtime::new().unwrap().block_on(assembly.close());
            let _ = thread::spawn(close).join();
        }
    }
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
    /// The body, where it is JSON.
    json: Value,
}

impl Answer {
    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or("no code")
    }

    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or("no header")
    }

    /// Field and code of each thing that is wrong.
    fn wrong(&self) -> Vec<(&str, &str)> {
        let errors = self.json["errors"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        errors
            .iter()
            .map(|error| {
                let of = |name: &str| error[name].as_str().unwrap_or("none");
                (of("field"), of("code"))
            })
            .collect()
    }
}

impl Site {
    fn open() -> Self {
        Self::known_as("")
    }

    /// One that others know by an address.
    fn known_as(public_url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let assembly = Assembly::open(directory.path()).unwrap();
        let (ingestion, status) = watch::channel(IngestStatus {
            state: IngestState::Running,
            stream_last_sequence: Some(0),
            ..IngestStatus::connecting(0)
        });
        let (outbox, outbox_status) = watch::channel(OutboxStatus {
            state: OutboxState::Sending,
            position: 0,
            sent: 0,
        });
        let engine = assembly.engine().clone();
        let health = Health::new(status, outbox_status, engine.catch_up_to());
        let recorder = PrometheusBuilder::new().build_recorder();
        let server = Server::new(engine, health, recorder.handle(), public_url);
        Self {
            router: router(server.clone()),
            server,
            conformance: Conformance::of_this_interface(),
            recorder,
            assembly: Some(assembly),
            ingestion,
            outbox,
            sequence: 0,
            _directory: directory,
        }
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let text = String::from_utf8(to_bytes(body, 1 << 26).await.unwrap().into()).unwrap();
        let answer = Answer {
            status: head.status.as_u16(),
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            headers: head.headers,
            text,
        };
        self.conformance.check(&method, &path, &answer);
        answer
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.answer(request.body(Body::from(body.to_owned())).unwrap())
            .await
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], "").await
    }

    /// A POST without a body.
    async fn act(&self, path: &str) -> Answer {
        self.ask(Method::POST, path, &[], "").await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.json(Method::POST, path, body).await
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let headers = [(header::CONTENT_TYPE.as_str(), "application/json")];
        self.ask(method, path, &headers, &body.to_string()).await
    }

    /// Publishes a program in TOML.
    async fn publish_program(&self, id: i64, toml: &str) -> Answer {
        let path = format!("/personalisation/v1/programs/{id}");
        let headers = [(header::CONTENT_TYPE.as_str(), "application/toml")];
        self.ask(Method::PUT, &path, &headers, toml).await
    }

    /// Makes a customer a member and gives the member's id.
    async fn enrol(&self, program: i64, customer: &str) -> i64 {
        let path = format!("/personalisation/v1/programs/{program}/members");
        let answer = self.post(&path, &json!({ "customerId": customer })).await;
        answer.json["id"].as_i64().unwrap()
    }

    /// Has messages arrive as they would from the stream; gives the sequence of the last.
    async fn arrive(&mut self, messages: &[Value]) -> u64 {
        for message in messages {
            let subject = match message["data"]["orderId"].as_str() {
                Some(order) => format!("orders.{order}"),
                None => "members.any".to_owned(),
            };
            self.arrive_raw(&subject, &message.to_string()).await;
        }
        self.sequence
    }

    /// Has messages arrive in one batch, so that they are recorded at one moment.
    async fn arrive_together(&mut self, messages: &[Value]) -> u64 {
        let messages = messages.iter().map(|message| {
            let order = message["data"]["orderId"].as_str().unwrap();
            (format!("orders.{order}"), message.to_string())
        });
        let messages: Vec<_> = messages.collect();
        self.arrive_batch(&messages).await
    }

    async fn arrive_raw(&mut self, subject: &str, payload: &str) -> u64 {
        self.arrive_batch(&[(subject.to_owned(), payload.to_owned())])
            .await
    }

    async fn arrive_batch(&mut self, messages: &[(String, String)]) -> u64 {
        let raw = messages.iter().map(|(subject, payload)| RawMessage {
            headers: vec![("Trace".to_owned(), "a".to_owned())],
            ..raw_message(subject, payload)
        });
        self.take_in(raw.collect()).await
    }

    /// One whose headers can't be read.
    async fn arrive_garbled(&mut self, subject: &str, headers: &[u8], payload: &str) -> u64 {
        let raw = RawMessage {
            header_bytes: Some(headers.to_vec().into()),
            ..raw_message(subject, payload)
        };
        self.take_in(vec![raw]).await
    }

    async fn take_in(&mut self, messages: Vec<RawMessage>) -> u64 {
        let published_at = chrono::Utc::now();
        let mut arrivals = Vec::new();
        for message in messages {
            self.sequence += 1;
            arrivals.push(envelope::read(RawMessage {
                stream_sequence: self.sequence,
                published_at,
                ..message
            }));
        }
        let checkpoint = StreamCheckpoint {
            stream: STREAM.to_owned(),
            stream_created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            sequence: self.sequence,
            published_at,
        };
        let writer = self.assembly.as_ref().unwrap().writer();
        let receipt = writer.ingest(arrivals, checkpoint).await.unwrap();
        let mut progress = self.server.projections().progress();
        progress
            .wait_for(|position| *position >= receipt.head)
            .await
            .unwrap();
        self.sequence
    }
}

/// A message of the stream without headers, whose place there is not known yet.
fn raw_message(subject: &str, payload: &str) -> RawMessage {
    RawMessage {
        subject: subject.to_owned(),
        headers: Vec::new(),
        header_bytes: None,
        payload: payload.to_owned().into(),
        stream: STREAM.to_owned(),
        stream_sequence: 0,
        published_at: chrono::DateTime::UNIX_EPOCH,
    }
}

/// A program that gives a point for each ten kroner.
const PER_TEN: &str = r#"
    id = 11
    reference = "per-ten"
    name = "A point for each ten kroner"
    [[pointDefinitions]]
    id = 111
    reference = "per-ten-purchase"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
"#;

/// An event about an order. Its identity is its type and number, so that a test can send it again.
fn event(kind: &str, number: u32, order: &str, data: Value) -> Value {
    let mut data = data;
    data["orderId"] = json!(order);
    json!({
        "specversion": "1.0",
        "id": format!("{kind}-{number}"),
        "source": "/tests",
        "type": kind,
        "time": format!("2026-01-15T08:00:{number:02}Z"),
        "data": data,
    })
}

/// An order of one confirmed line, `<order>-1`, of this price.
fn sale(order: &str, customer: Option<&str>, amount: &str) -> Vec<Value> {
    let mut created = json!({ "orderVersion": 1, "organisationId": 1, "currency": "NOK" });
    if let Some(customer) = customer {
        created["customerId"] = json!(customer);
    }
    vec![
        event("OrderCreated", 0, order, created),
        event("OrderLineAdded", 1, order, line(order, 1, 1, amount)),
        event("OrderConfirmed", 2, order, json!({ "orderVersion": 1 })),
    ]
}

/// The data of line `<order>-1`.
fn line(order: &str, order_version: u32, line_version: u32, amount: &str) -> Value {
    json!({
        "orderVersion": order_version,
        "orderLineId": format!("{order}-1"),
        "orderLineVersion": line_version,
        "fareProducts": [{ "id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE", "name": "Single" }],
        "price": { "amount": amount, "currency": "NOK" },
        "userType": "ADULT",
    })
}
