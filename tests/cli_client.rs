//! The command line against a server that answers what the test says: what is sent, what is shown, how it ends.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

/// A request that reached the server.
#[derive(Debug, Clone)]
struct Received {
    line: String,
    headers: HeaderMap,
    body: String,
}

/// A server on a free port that gives the same answer to all.
struct Stub {
    address: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Stub {
    async fn answering(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: &'static str,
    ) -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&received);
        let router = Router::new().fallback(move |request: Request| async move {
            let (head, request_body) = request.into_parts();
            let request_body = to_bytes(request_body, 1 << 20).await.unwrap();
            keep.lock().unwrap().push(Received {
                line: format!("{} {}", head.method, head.uri),
                headers: head.headers,
                body: String::from_utf8(request_body.to_vec()).unwrap(),
            });
            let mut response = Response::builder().status(StatusCode::from_u16(status).unwrap());
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Body::from(body)).unwrap()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    async fn run(&self, args: &'static [&'static str]) -> Output {
        let address = self.address.clone();
        tokio::task::spawn_blocking(move || farelog(&address, args))
            .await
            .unwrap()
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

fn farelog(server: &str, args: &[&str]) -> Output {
    command(server, args).output().unwrap()
}

fn command(server: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farelog"));
    command
        .args(args)
        .env("FARELOG_SERVER", server)
        .env("TZ", "UTC")
        .env_remove("FARELOG_OUTPUT");
    command
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The proxy of a company's network was asked for the server of this machine, and no server was said to answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_this_machine_is_asked_without_a_proxy() {
    let server = Stub::answering(200, &[], "[]").await;
    let localhost = server.address.replace("127.0.0.1", "localhost");
    for address in [&server.address, &localhost] {
        let output = command(address, &["program", "list"])
            .env("http_proxy", "http://127.0.0.1:1")
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

const GRANTED: &str = r#"[{"pointDefinitionId":111,"pointDefinitionReference":"krone","amount":54.100000001,
  "transactions":[{"id":null,"memberId":8192,"amount":54.100000001,"validFrom":"2026-01-15T06:10:14Z"}]}]"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_asked_for_and_shown() {
    let server = Stub::answering(200, &[], GRANTED).await;
    let output = server
        .run(&[
            "replay",
            "register",
            "--program",
            "11",
            "--order",
            "TRIP",
            "--line",
            "TRIP-1",
            "--customer",
            "7",
            "--dry-run",
        ])
        .await;

    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("54.100000001"),
        "{}",
        stdout(&output)
    );
    assert!(
        stdout(&output).contains("2026-01-15 06:10:14 +00:00"),
        "{}",
        stdout(&output)
    );
    assert!(
        stderr(&output).contains("dry run: nothing was recorded"),
        "{}",
        stderr(&output)
    );
    let [request] = server.received().try_into().unwrap();
    assert_eq!(
        request.line,
        "POST /personalisation/v1/programs/11/deferred-registration?dryRun=true"
    );
    assert_eq!(
        request.body,
        r#"{"orderId":"TRIP","orderLineId":"TRIP-1","customerId":"7"}"#
    );
    assert_eq!(request.headers["et-client-name"], "farelog-cli");
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(!request.headers["x-correlation-id"].is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_the_servers_answer_byte_for_byte() {
    let server = Stub::answering(200, &[("Idempotent-Replayed", "true")], GRANTED).await;
    let output = server
        .run(&[
            "replay",
            "register",
            "--program",
            "11",
            "--order",
            "TRIP",
            "--line",
            "TRIP-1",
            "--customer",
            "7",
            "--output",
            "json",
        ])
        .await;

    assert_eq!(stdout(&output), format!("{GRANTED}\n"));
    assert!(
        stderr(&output).contains("nothing was changed"),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_its_reasons_and_ends_with_3() {
    let problem = r#"{"status":422,"title":"Refused","detail":"No points can be given.","reasons":[
        {"code":"window-closed","detail":"the window closed on 15 April","pointDefinitionReference":"back"},
        {"code":"customer-not-member","detail":"customer 7 is not a member"}]}"#;
    let server = Stub::answering(422, &[], problem).await;
    let output = server
        .run(&[
            "replay",
            "register",
            "--program",
            "11",
            "--order",
            "TRIP",
            "--line",
            "TRIP-1",
            "--customer",
            "7",
        ])
        .await;

    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout(&output).contains("window-closed"),
        "{}",
        stdout(&output)
    );
    assert!(
        stdout(&output).contains("customer 7 is not a member"),
        "{}",
        stdout(&output)
    );
    assert_eq!(stderr(&output), "farelog: No points can be given.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_server_ends_with_1_and_names_where_to_look() {
    let problem = r#"{"status":500,"title":"Internal error","detail":"Something went wrong.","correlationId":"c-1"}"#;
    let server = Stub::answering(500, &[], problem).await;
    let output = server.run(&["order", "TRIP"]).await;

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stdout(&output), "");
    assert_eq!(
        stderr(&output),
        "farelog: Something went wrong. (correlation id c-1)\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_named_by_its_reference() {
    let programs = r#"[{"id":11,"reference":"points-per-krone","name":"Ett poeng per tier","active":true,"version":2}]"#;
    let server = Stub::answering(200, &[], programs).await;
    let output = server.run(&["program", "list"]).await;
    assert!(
        stdout(&output).contains("Ett poeng per tier"),
        "{}",
        stdout(&output)
    );

    let output = server
        .run(&["member", "list", "--program", "no-such"])
        .await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("no program with the reference \"no-such\""),
        "{}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_stays_ends_with_3() {
    let refused = r#"{"number":812,"outcome":"REFUSED","detail":"programReference: there is no such program"}"#;
    let server = Stub::answering(200, &[], refused).await;
    let output = server.run(&["dead-letters", "retry", "812"]).await;

    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        stderr(&output),
        "farelog: dead letter 812 stays: programReference: there is no such program\n"
    );
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.line, "POST /v1/operate/dead-letters/812/retry");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_retry_of_all_did_not_come_to_is_shown() {
    let server = Stub::answering(200, &[], r#"{"taken":1200,"refused":3,"left":4500}"#).await;
    let output = server.run(&["dead-letters", "retry", "--all"]).await;

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "1,200 dead letters taken in, 3 stay, 4,500 left to try\n"
    );
    assert_eq!(
        stderr(&output),
        "farelog: 4,500 dead letters were not tried yet; run the command again to go on\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_part_of_the_path_whatever_characters_it_has() {
    let server = Stub::answering(
        404,
        &[],
        r#"{"status":404,"detail":"There is no order a/b?c."}"#,
    )
    .await;
    let output = server.run(&["order", "a/b?c"]).await;

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "farelog: There is no order a/b?c.\n");
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.line, "GET /v1/orders/a%2Fb%3Fc/timeline");
}

#[test]
fn a_server_out_of_reach_ends_with_4() {
    // Nothing listens on port 1.
    let output = farelog("http://127.0.0.1:1", &["program", "list"]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(
        stderr(&output),
        "farelog: no server answers at http://127.0.0.1:1/; start one with `farelog serve`, or name another with --server\n"
    );
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_broker_out_of_reach_ends_with_4() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().to_str().unwrap();
    let output = farelog(
        "http://127.0.0.1:1",
        &[
            "publish",
            "samples/day.ndjson",
            "--data-dir",
            data_dir,
            "--nats",
            "embedded",
        ],
    );
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("no embedded NATS server runs for"),
        "{}",
        stderr(&output)
    );

    let output = farelog(
        "http://127.0.0.1:1",
        &[
            "publish",
            "samples/day.ndjson",
            "--nats",
            "nats://me:secret@127.0.0.1:1",
        ],
    );
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("no NATS server answers at nats://127.0.0.1:1 ("),
        "{}",
        stderr(&output)
    );
    assert!(!stderr(&output).contains("secret"));
}

#[test]
fn wrong_usage_ends_with_2() {
    for args in [
        &["order"][..],
        &["dead-letters", "retry"],
        &["dead-letters", "retry", "1", "--all"],
        &["member", "list", "--program", "11", "--page", "0"],
        &[
            "member",
            "enroll",
            "--program",
            "11",
            "--customer",
            "7",
            "--metadata",
            "level",
        ],
        &["log", "stats", "--server", "https://elsewhere"],
    ] {
        let output = farelog("http://127.0.0.1:1", args);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn files_that_are_not_there_are_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("none");
    let output = farelog(
        "http://127.0.0.1:1",
        &[
            "log",
            "stats",
            "--offline",
            "--data-dir",
            missing.to_str().unwrap(),
        ],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("there is no event log in"),
        "{}",
        stderr(&output)
    );
    assert!(!missing.exists());
}

// A payload of one long line once made the table as wide as itself, beyond any screen.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_shown_no_wider_than_a_page() {
    let letter = r#"{"number":812,"reason":"malformed-field","detail":"data.orderId must be a text","subject":"orders.X",
        "stream":"ORDERS","streamSequence":7,"publishedAt":"2026-01-15T06:10:14Z","state":"OPEN","bytes":400,
        "payloadText":"{\"data\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}"}"#;
    let server = Stub::answering(200, &[], letter).await;
    let output = server.run(&["dead-letters", "show", "812"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for line in stdout(&output).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

// The help once showed the number as one that may be left out, and nothing of what has to stand in its place.
#[test]
fn a_retry_is_of_one_dead_letter_or_all() {
    let output = farelog("http://127.0.0.1:1", &["dead-letters", "retry", "--help"]);
    let help = stdout(&output);
    assert!(help.contains("retry [OPTIONS] <NUMBER>|--all"), "{help}");
}

const STATUS: &str = r#"{"customerId":"7","customerIds":["8","7"],"statusAt":"2026-01-20T00:00:00Z","programs":[
  {"programId":11,"programReference":"krone","programName":"Krone","counting":54.100000001,"pending":0,
   "memberships":[{"memberId":8192,"status":"ACTIVE"},{"memberId":4096,"status":"WITHDRAWN"}],
   "pointDefinitions":[{"pointDefinitionId":111,"pointDefinitionReference":"krone-bought","counting":54.100000001,
     "pending":3,"nextExpiry":{"expireAt":"2026-01-31T08:00:00Z","amount":2.5}}]}]}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_status_is_asked_for_a_time_and_shown_by_definition() {
    let server = Stub::answering(200, &[], STATUS).await;
    let output = server
        .run(&[
            "member",
            "status",
            "--customer",
            "7",
            "--program",
            "11",
            "--at",
            "2026-01-20T01:00:00+01:00",
        ])
        .await;

    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    for part in [
        "krone-bought",
        "54.100000001",
        "2026-01-31 08:00:00 +00:00",
        "2.5",
        "8192 active, 4096 withdrawn",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(stderr(&output).contains("merged customers: 8, 7"));
    let [request] = server.received().try_into().unwrap();
    assert_eq!(request.line, "POST /personalisation/v1/customers/status");
    assert_eq!(
        request.body,
        r#"{"customerId":"7","programId":"11","statusAt":"2026-01-20T00:00:00Z"}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_is_a_usage_error() {
    let server = Stub::answering(200, &[], STATUS).await;
    let output = server
        .run(&["member", "status", "--customer", "7", "--at", "tomorrow"])
        .await;
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(server.received().is_empty());
}
