//! What a running farelog says of its broker, and how it waits for one that is away.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::ops::Range;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, StorageType};
use serde_json::{Value, json};

use common::sale::{PER_TEN, sale};
use common::{Reply, Server, farelog};

/// What the readiness says of the broker, once it is known.
async fn broker(server: &Server) -> Value {
    let ready = server
        .until_ready_says(|ready| !ready.json["broker"].is_null())
        .await;
    assert_eq!(ready.status, 200);
    ready.json["broker"].clone()
}

#[tokio::test]
async fn what_the_broker_guarantees_is_said_in_the_log_and_in_the_readiness() {
    let mut server = Server::start().await;
    let told = broker(&server).await;
    assert_eq!(told["storage"], "FILE");
    assert_eq!(told["replicas"], 1);
    assert_eq!(told["sync"], "NOT_KNOWN");
    assert_eq!(told["warnings"], json!([]));
    let sentence = told["guarantee"].as_str().unwrap();
    assert!(sentence.contains("keeps the stream ORDERS in files, in one copy"));
    assert!(server.stderr().contains(sentence), "{}", server.stderr());

    // nats-server 2.9 does not say; a newer one says that it syncs every two minutes.
    server.kill();
    let monitoring = server.nats.monitoring().to_owned();
    server
        .restart_with(&["--nats-monitoring", &monitoring])
        .await;
    let told = broker(&server).await;
    assert_eq!(told["warnings"], json!([]));
    let sync = told["sync"].as_str().unwrap();
    match sync {
        "INTERVAL" => assert_eq!(told["syncIntervalSeconds"], 120.0),
        _ => assert_eq!(sync, "NOT_KNOWN"),
    }
}

#[tokio::test]
async fn a_monitoring_address_that_does_not_answer_is_a_warning() {
    let server = Server::start_with(&["--nats-monitoring", "http://127.0.0.1:1"]).await;
    let told = broker(&server).await;
    assert_eq!(told["sync"], "NOT_KNOWN");
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains("http://127.0.0.1:1/ can't be reached"));
    assert!(warning.contains("check --nats-monitoring"), "{warning}");
    assert!(server.stderr().contains(warning), "{}", server.stderr());
}

#[tokio::test]
async fn a_stream_in_memory_is_a_warning() {
    let mut server = Server::to_be_started(&[]);
    let config = Config {
        name: "ORDERS".to_owned(),
        subjects: vec!["orders.>".to_owned()],
        storage: StorageType::Memory,
        ..Config::default()
    };
    let jetstream = server.nats.jetstream().await;
    jetstream.create_stream(config).await.unwrap();
    server.restart().await;
    let told = broker(&server).await;
    assert_eq!(told["storage"], "MEMORY");
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("the stream ORDERS is kept in memory: "));
    assert!(server.stderr().contains(warning), "{}", server.stderr());
}

/// Ingestion was once cut off where it stood: the broker took what was in the log already for not delivered, and sent it again.
#[tokio::test]
async fn what_was_read_when_it_ended_is_acknowledged() {
    /// So many that most often they are not all read when the server is told to end.
    const MESSAGES: u64 = 24_000;
    /// In so many rounds it is told to end while it reads.
    const ROUNDS: u32 = 3;
    /// More rounds than it takes, to notice a server that is never told in time.
    const ROUNDS_MAX: u32 = 30;
    let mut server = Server::start().await;
    server.kill();
    let jetstream = server.nats.jetstream().await;
    let stream = jetstream.get_stream("ORDERS").await.unwrap();
    let (mut published, mut last) = (0, 0);
    let (mut all_rounds, mut rounds) = (0, 0);
    while rounds < ROUNDS {
        assert!(all_rounds < ROUNDS_MAX, "all was read in all but {rounds}");
        all_rounds += 1;
        if last == published {
            publish_orders(&jetstream, published..published + MESSAGES).await;
            published += MESSAGES;
        }
        server.restart().await;
        server
            .until_ready_says(|ready| ready.json["log"]["position"].as_u64() > Some(last))
            .await;
        server.terminate();
        assert!(server.ended().await.success(), "{}", server.stderr());
        let stats = common::farelog()
            .args([
                "log",
                "stats",
                "--offline",
                "--output",
                "json",
                "--data-dir",
            ])
            .arg(server.data_dir())
            .stdout(std::process::Stdio::piped())
            .output()
            .unwrap();
        let stats: Value = serde_json::from_slice(&stats.stdout).unwrap();
        last = stats["lastPosition"].as_u64().unwrap();
        let name = format!(
            "farelog-{}",
            stats["logId"].as_str().unwrap().replace('-', "")
        );
        let acknowledged = stream.consumer_info(&name).await.unwrap().ack_floor;
        assert_eq!(acknowledged.stream_sequence, last, "of {published}");
        rounds += u32::from(last < published);
    }
}

/// Publishes that orders of these numbers were created.
async fn publish_orders(jetstream: &Context, numbers: Range<u64>) {
    /// As many as a client publishes before it waits for what it has published.
    const AT_ONCE: usize = 4_000;
    let mut published = Vec::new();
    for number in numbers.clone() {
        let order = format!("O{number}");
        let event = sale(&order, None, "50.00")[0].to_string();
        let acknowledged = jetstream.publish(format!("orders.{order}"), event.into());
        published.push(acknowledged.await.unwrap());
        if published.len() == AT_ONCE || number + 1 == numbers.end {
            for acknowledged in published.drain(..) {
                acknowledged.await.unwrap();
            }
        }
    }
}

/// Longer than any wait between two tries of its client or of ingestion, and than two heartbeats.
#[tokio::test]
async fn a_broker_that_is_away_for_long_is_named_as_what_is_waited_for() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    // One that forgets is another story.
    server.nats.until_written().await;
    server.nats.kill();
    let waiting = server
        .until_ready_says(|ready| ready.json["ingestion"]["detail"] == "NATS can't be reached")
        .await;
    assert_eq!(waiting.status, 200);
    assert_eq!(waiting.json["ingestion"]["state"], "RECONNECTING");
    server.until_it_says("ingestion waits for it").await;
    tokio::time::sleep(Duration::from_secs(14)).await;

    server.nats.start_again();
    let sequence = server.nats.publish(&sale("O2", Some("C1"), "50.00")).await;
    let running = server
        .until_ready_says(|ready| ready.json["ingestion"]["state"] == "RUNNING")
        .await;
    assert!(running.json["ingestion"]["detail"].is_null());
    for order in ["O1", "O2"] {
        let points = format!(
            "/personalisation/v1/transactions?orderId={order}&minStreamSequence={sequence}"
        );
        let points = server.get(&points).await;
        assert_eq!(points.json.as_array().map(Vec::len), Some(1), "{points:?}");
    }
}

#[tokio::test]
async fn a_broker_that_hangs_is_named_too_and_queries_and_commands_go_on() {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.nats.hang();
    let waiting = server
        .until_ready_says(|ready| ready.json["ingestion"]["state"] == "RECONNECTING")
        .await;
    assert_eq!(waiting.status, 200);
    let detail = waiting.json["ingestion"]["detail"].as_str().unwrap();
    assert!(detail.contains("NATS"), "{detail}");
    server.until_it_says("ingestion begins anew").await;
    server.enrol(11, "C1").await;

    server.nats.go_on();
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    let points =
        format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    assert_eq!(server.get(&points).await.json[0]["amount"], 5);
}

/// A copy that was started beside its original: to the broker the two are one consumer.
#[tokio::test]
async fn two_servers_on_copies_of_one_directory_both_get_everything_and_tell_it_once() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    server.terminate();
    assert!(server.ended().await.success());
    let mut copy = server.copied();
    server.restart().await;
    copy.restart().await;
    let mut sequence = 0;
    for number in 1..=6 {
        // The last comes alone, when both have come to rest.
        let pause = if number == 6 { 2_500 } else { 50 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let events = sale(&format!("O{number}"), Some("C1"), "50.00");
        sequence = server.nats.publish(&events).await;
    }
    for server in [&server, &copy] {
        let told = server
            .until_ready_says(|ready| {
                let position = &ready.json["log"]["position"];
                ready.json["ingestion"]["lastSequence"] == sequence
                    && ready.json["outbox"]["position"] == *position
            })
            .await;
        // The program, the member, and three events of each order.
        assert_eq!(told.json["log"]["position"], 20);
        let points = server
            .get("/personalisation/v1/transactions?orderId=O6")
            .await;
        assert_eq!(points.json[0]["amount"], 5);
    }
    let jetstream = server.nats.jetstream().await;
    let mut told = jetstream.get_stream("FARELOG").await.unwrap();
    assert_eq!(told.info().await.unwrap().state.messages, 6);
    let said = server.stderr() + &copy.stderr();
    assert!(said.contains("ingestion begins anew"), "{said}");
}

/// A user and a password in an address were taken, and never sent: such a broker kept farelog out for ever.
#[tokio::test]
async fn a_broker_that_knows_its_users_lets_farelog_in_by_its_address() {
    // Given a broker that lets one user in
    let user = json!({ "user": "farelog", "password": "s@cret/42" });
    let mut server = Server::with_broker(json!({ "authorization": { "users": [user] } }));
    let host = server
        .nats
        .url()
        .strip_prefix("nats://")
        .unwrap()
        .to_owned();
    let known = format!("nats://farelog:s%40cret%2F42@{host}");

    // When the server is told so
    let serve = serve_at(&server, &known);
    server.spawn_as(serve);
    let reads = |ready: &Reply| ready.json["ingestion"]["state"] == "RUNNING";
    server.until_ready_says(reads).await;

    // Then what is published with the same address comes in
    let published = publish(&known);
    assert_eq!(published.status.code(), Some(0), "{published:?}");
    let is_in = |ready: &Reply| ready.json["ingestion"]["lastSequence"] == 1;
    server.until_ready_says(is_in).await;

    // And who is not let in is told what to do, and no password is shown
    let refused = publish(&format!("nats://farelog:another@{host}"));
    assert_eq!(refused.status.code(), Some(1));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(
        said.contains("does not let farelog in; name a user"),
        "{said}"
    );
    for said in [said, server.stderr()] {
        assert!(!said.contains("another"), "{said}");
        assert!(!said.contains("cret"), "{said}");
    }
}

/// Without a permission a request had no answer, and a subscription no messages: nothing said why.
#[tokio::test]
async fn what_the_broker_does_not_permit_is_said() {
    let permissions = json!({
        "publish": { "deny": ["$JS.API.STREAM.CREATE.ORDERS"] },
        "subscribe": { "deny": ["farelog.query.>"] },
    });
    let user = json!({ "user": "farelog", "password": "secret", "permissions": permissions });
    let mut server = Server::with_broker(json!({
        "authorization": { "users": [user] },
        "no_auth_user": "farelog",
    }));
    server.spawn();
    for refusal in [
        r#"Permissions Violation for Publish to "$JS.API.STREAM.CREATE.ORDERS""#,
        r#"Permissions Violation for Subscription to "farelog.query."#,
    ] {
        let is_said = |_: &Reply| server.stderr().contains(refusal);
        server.until_ready_says(is_said).await;
    }
}

/// The whole of a wrong address was shown, and of a variable it stood in the log of the system.
#[test]
fn a_wrong_address_is_refused_without_its_password() {
    for command in [&["serve"][..], &["publish", "-"]] {
        let mut refused = farelog();
        refused
            .args(command)
            .env("FARELOG_NATS", "nats://farelog:secret@host:99999")
            .stderr(Stdio::piped());
        let refused = refused.output().unwrap();
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        let sentence = "error: invalid value for '--nats <URL|embedded>': write it as";
        assert!(said.starts_with(sentence), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }
}

/// It was only said that NATS can't be reached: not that a certificate is wrong, or who farelog is. Then any of these was
/// "IO error", of no server and no connection.
#[tokio::test]
async fn why_the_broker_is_not_reached_is_said_once() {
    let mut server = Server::to_be_started(&[]);
    server.spawn_as(serve_at(&server, "nats://u:secret@127.0.0.1:1"));
    let waits = |ready: &Reply| ready.json["ingestion"]["detail"] == "NATS can't be reached";
    server.until_ready_says(waits).await;
    for connection in ["farelog", "farelog ingestion"] {
        let why = format!(
            "the connection `{connection}` to nats://127.0.0.1:1 could not be made: IO error: Connection refused"
        );
        server.until_it_says(&why).await;
        let said = server.stderr();
        assert_eq!(said.matches(&why).count(), 1, "{said}");
    }
}

/// That farelog is not let in was said by its client at each try.
#[tokio::test]
async fn that_the_broker_does_not_let_farelog_in_is_said_once() {
    let user = json!({ "user": "farelog", "password": "secret" });
    let mut server = Server::with_broker(json!({ "authorization": { "users": [user] } }));
    let nats = server.nats.url().to_owned();
    server.spawn_as(serve_at(&server, &nats));
    for connection in ["farelog", "farelog ingestion"] {
        let why = format!("the connection `{connection}` to {nats} could not be made: ");
        server.until_it_says(&why).await;
    }
    let said = server.stderr().to_lowercase();
    let times = said.matches("authorization violation").count();
    assert!((1..=4).contains(&times), "{said}");
}

/// The command that runs a server at another broker than its own.
fn serve_at(server: &Server, nats: &str) -> Command {
    let mut serve = farelog();
    serve
        .args(["serve", "--nats", nats, "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(server.data_dir());
    serve
}

/// Publishes one event.
fn publish(url: &str) -> Output {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), sale("O1", None, "10.00")[0].to_string()).unwrap();
    let mut publish = farelog();
    publish
        .arg("publish")
        .arg(file.path())
        .args(["--nats", url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    publish.output().unwrap()
}
