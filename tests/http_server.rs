//! The server as a process: what it answers, what survives it, how it begins and ends.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Output;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use common::sale::{PER_TEN, claim, sale};
use common::{PATIENCE, Server, farelog, reply};

const REGISTER: &str = "/personalisation/v1/programs/11/deferred-registration";
const ONE_STREAM: &str = "ORDERS";

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn a_publisher_can_wait_for_the_points_of_what_it_published() {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    let member = server.enrol(11, "C1").await;
    for number in 0..20 {
        let order = format!("O{number}");
        let sequence = server
            .nats
            .publish(&sale(&order, Some("C1"), "399.00"))
            .await;
        let path = format!(
            "/personalisation/v1/transactions?orderId={order}&minStreamSequence={sequence}"
        );
        let answer = server.get(&path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json[0]["amount"], 39, "{order}: {answer:?}");
        assert_eq!(answer.json[0]["memberId"], member);
        assert_ne!(answer.header("farelog-position"), "no header");
    }
}

/// Whether the stream is still the one that was read is asked of the broker. The answer was awaited within the time of the
/// request, so that one that does not wait was told now and then that what was long there was not.
#[tokio::test]
async fn what_is_there_is_found_by_a_request_that_does_not_wait() {
    let server = Server::start().await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "399.00")).await;
    let path = format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.status, 200);
    for _ in 0..100 {
        let answer = server.get(&format!("{path}&timeoutMs=0")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let next = sequence + 1;
    let path =
        format!("/personalisation/v1/transactions?minStreamSequence={next}&timeoutMs=0&orderId=O1");
    assert_eq!(server.get(&path).await.status, 504);
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    for round in 0..5 {
        let order = format!("O{round}");
        let events = sale(&order, None, "399.00");
        let sequence = server.nats.publish(&events).await;
        let register = format!("{REGISTER}?minStreamSequence={sequence}");
        let first = server.post(&register, &claim(&order, "C1")).await;
        assert_eq!(first.status, 200, "{first:?}");
        server.kill();
        // A publisher that does not know whether it was heard sends again.
        server.nats.publish(&events).await;
        server.restart().await;

        let again = server.post(REGISTER, &claim(&order, "C1")).await;
        assert_eq!(again.json, first.json);
        assert_eq!(again.header("idempotent-replayed"), "true");
        let path = format!("/personalisation/v1/transactions?orderId={order}");
        let of_order = server.get(&path).await;
        assert_eq!(of_order.json, first.json[0]["transactions"]);
    }
    let timeline = server.get("/v1/orders/O0/timeline").await;
    let entries = timeline.json["entries"].as_array().unwrap();
    assert_eq!(
        entries.len(),
        6,
        "three events, a registration, its transaction and the word of it"
    );
}

#[tokio::test]
async fn a_request_is_followed_through_log_and_events_without_what_is_personal() {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "PERSON-1").await;
    let sequence = server.nats.publish(&sale("O1", None, "39.00")).await;
    let register = format!("{REGISTER}?minStreamSequence={sequence}");
    let request = server
        .request(Method::POST, &register)
        .header("X-Correlation-Id", "visit-42")
        .json(&claim("O1", "PERSON-1"));
    let answer = reply(request).await;
    assert_eq!(answer.header("x-correlation-id"), "visit-42");
    server
        .get("/personalisation/v1/programs/11/members?customerId=PERSON-1")
        .await;

    let timeline = server.get("/v1/orders/O1/timeline").await;
    let entries = timeline.json["entries"].as_array().unwrap().iter();
    let caused: Vec<_> = entries
        .filter(|entry| entry["correlationId"] == "visit-42")
        .map(|entry| &entry["eventType"])
        .collect();
    assert_eq!(caused, ["DeferredRegistrationAccepted"]);
    let log = server.stderr();
    let span = "request{correlation_id=visit-42 client=\"farelog-tests\" method=POST";
    assert!(log.contains(span), "{log}");
    assert!(!log.contains("PERSON-1"), "{log}");
    let metrics = server.get("/metrics").await;
    assert!(
        metrics.text.contains("farelog_http_requests_total{"),
        "{}",
        metrics.text
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_retry_and_a_discard_at_once_one_is_done_and_the_other_told() {
    let server = Server::start().await;
    let jetstream = server.nats.jetstream().await;
    let mut sequence = 0;
    for number in 1..=20 {
        let enrolment = json!({
            "specversion": "1.0", "id": format!("E{number}"), "source": "/tests", "type": "MemberEnrolled",
            "time": "2026-01-15T08:00:00Z",
            "data": { "programId": 11, "customerId": format!("C{number}") },
        });
        let published = jetstream.publish("members.any", enrolment.to_string().into());
        sequence = published.await.unwrap().await.unwrap().sequence;
    }
    let letters = "/v1/operate/dead-letters";
    let open = format!("{letters}?minStreamSequence={sequence}&perPage=100");
    let open = server.get(&open).await;
    server.publish_program(11, PER_TEN).await;
    let mut taken = 0;
    for letter in open.json["items"].as_array().unwrap() {
        let number = &letter["number"];
        let (retry, discard) = (
            format!("{letters}/{number}/retry"),
            format!("{letters}/{number}/discard"),
        );
        let (retried, discarded) = tokio::join!(server.act(&retry), server.act(&discard));
        let (told, state) = match retried.status {
            200 => (discarded, "RETRIED"),
            _ => (retried, "DISCARDED"),
        };
        assert_eq!((told.status, told.code()), (409, "dead-letter-settled"));
        let letter = server.get(&format!("{letters}/{number}")).await;
        assert_eq!(letter.json["state"], state);
        taken += u64::from(state == "RETRIED");
    }
    let members = server.get("/personalisation/v1/programs/11/members").await;
    assert_eq!(members.json["totalItems"], taken);
    // Twenty dead letters, the program, twenty settlements, and the event of each that was taken in.
    let stats = server.get("/v1/operate/log/stats").await;
    assert_eq!(stats.json["lastPosition"], 41 + taken);
}

#[tokio::test]
async fn told_to_end_it_finishes_what_is_under_way() {
    let mut server = Server::start().await;
    let body = br#"{"customerId":"C1"}"#;
    let head = format!(
        "POST /personalisation/v1/customers/status?minPosition=1&timeoutMs=1000 HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    let mut connection = connected(&server);
    connection.write_all(head.as_bytes()).unwrap();
    // Its body is asked for, so it is under way.
    let mut asked = [0; 25];
    connection.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    server.terminate();
    connection.write_all(body).unwrap();
    let (head, problem) = last_answer(connection);
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    assert_eq!(problem["code"], "position-not-reached");
    assert!(server.ended().await.success(), "{}", server.stderr());
    assert!(!server.data_dir().join("http.addr").exists());
    assert!(
        server.stderr().trim_end().ends_with("ended"),
        "{}",
        server.stderr()
    );
    server.restart().await;
}

#[tokio::test]
async fn without_its_broker_it_answers_and_takes_commands() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.nats.kill();
    let ready = server
        .until_ready_says(|ready| ready.json["ingestion"]["state"] == "RECONNECTING")
        .await;
    assert_eq!(ready.status, 200);
    server.enrol(11, "C1").await;
    server.kill();
    server.spawn();
    let members = server.get("/personalisation/v1/programs/11/members").await;
    assert_eq!(
        (members.status, &members.json["totalItems"]),
        (200, &json!(1))
    );

    server.nats.start_again();
    let running = |ready: &common::Reply| ready.json["ingestion"]["state"] == "RUNNING";
    server.until_ready_says(running).await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "39.00")).await;
    let path = format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.json[0]["amount"], 3);
}

#[tokio::test]
async fn a_stream_that_was_made_anew_stops_ingestion_and_says_how_to_go_on() {
    let mut server = Server::start().await;
    server.nats.publish(&sale("O1", None, "39.00")).await;
    server
        .until_ready_says(|ready| ready.json["log"]["position"] == 3)
        .await;
    let jetstream = server.nats.jetstream().await;
    let stream = jetstream.get_stream(ONE_STREAM).await.unwrap();
    let config = stream.cached_info().config.clone();
    jetstream.delete_stream(ONE_STREAM).await.unwrap();
    jetstream.create_stream(config).await.unwrap();
    // Before ingestion has seen it, too.
    let path = "/v1/orders/O1/timeline?minStreamSequence=1";
    assert_eq!(server.get(path).await.status, 504);

    let ready = server.until_ready_says(|ready| ready.status == 503).await;
    assert_eq!(ready.code(), "service-unavailable");
    let detail = ready.json["waitingFor"][0].as_str().unwrap();
    assert!(detail.contains("--adopt-stream"), "{detail}");
    assert_eq!(server.get("/v1/orders/O1/timeline").await.status, 200);

    // Sequences of the new stream were once taken for those of the old one: a publisher that waited for its event was
    // told 200, with what the log knew before.
    let sequence = server.nats.publish(&sale("O1", None, "78.00")[..1]).await;
    let path = format!("/v1/orders/O1/timeline?minStreamSequence={sequence}");
    let waited = server.get(&path).await;
    assert_eq!(
        (waited.status, waited.code()),
        (504, "position-not-reached")
    );
    let detail = waited.json["detail"].as_str().unwrap();
    assert!(detail.starts_with("Ingestion has stopped"), "{detail}");
    assert_ne!(waited.header("retry-after"), "no header");

    server.kill();
    server.adopt_stream().await;
    let sequence = server.nats.publish(&sale("O2", None, "39.00")).await;
    let path = format!("/v1/orders/O2/timeline?minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.status, 200);
}

#[tokio::test]
async fn a_disk_that_is_full_ends_it_with_a_reason_and_loses_nothing() {
    let mut server = Server::start().await;
    server.kill();
    server.spawn_on_small_disk(6_000);
    // Text that does not compress.
    let text: String = (0..2_000)
        .map(|_| uuid::Uuid::new_v4().to_string())
        .collect();
    let mut sequence = 0;
    for number in 0..60 {
        let mut events = sale(&format!("O{number}"), None, "39.00");
        events[0]["data"]["note"] = json!(format!("{number}{text}"));
        sequence = server.nats.publish(&events).await;
    }
    let status = server.ended().await;
    assert_eq!(status.code(), Some(1), "{}", server.stderr());
    let log = server.stderr();
    // sled's own thread can find the disk full once more, and says so.
    let by_sled = |line: &&str| line.contains("failed to flush data to disk");
    let last = log.lines().rfind(|line| !by_sled(line)).unwrap();
    assert!(last.starts_with("farelog: "), "{last}");
    assert!(last.contains("File too large"), "{last}");

    server.restart().await;
    for number in [0, 30, 59] {
        let path = format!("/v1/orders/O{number}/timeline?minStreamSequence={sequence}");
        let timeline = server.get(&path).await;
        let entries = timeline.json["entries"].as_array().map(Vec::len);
        assert_eq!(entries, Some(3), "O{number}: {}", timeline.status);
    }
}

#[test]
fn what_it_can_not_be_told_is_said_before_it_starts() {
    let run = |arguments: &[&str]| farelog().arg("serve").args(arguments).output().unwrap();
    let output = run(&["--listen", "0.0.0.0:8080"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("knows no passwords"),
        "{}",
        stderr(&output)
    );
    let output = run(&["--log-filter", "nonsense="]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("names no level"),
        "{}",
        stderr(&output)
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "lisen = \"127.0.0.1:0\"\n").unwrap();
    let output = run(&["--config", file.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("line 1, column 1"),
        "{}",
        stderr(&output)
    );
    let output = farelog()
        .arg("serve")
        .env("FARELOG_LISTEN", "10.0.0.1:80")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn a_second_server_can_not_have_the_same_files() {
    let server = Server::start().await;
    let output = server.command().output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(said.contains("--data-dir"), "{said}");
    let taken = farelog()
        .args(["serve", "--listen", server.address(), "--data-dir"])
        .arg(server.data_dir().join("other"))
        .output()
        .unwrap();
    assert_eq!(taken.status.code(), Some(1));
    assert!(
        stderr(&taken).contains("choose another --listen"),
        "{}",
        stderr(&taken)
    );
}

/// A connection for bytes as they are.
fn connected(server: &Server) -> TcpStream {
    let connection = TcpStream::connect(server.address()).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// Waits until a connection is closed; gives the head and the body of the last answer on it.
fn last_answer(mut connection: TcpStream) -> (String, serde_json::Value) {
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let begin = answer.rfind("HTTP/1.1 ").unwrap();
    let (head, body) = answer[begin..].split_once("\r\n\r\n").unwrap();
    (head.to_owned(), serde_json::from_str(body).unwrap())
}

/// What the HTTP library refuses by itself once came as a bare status, without a reason and without a correlation id.
#[tokio::test]
async fn what_is_no_request_is_refused_like_any_other() {
    let server = Server::start().await;
    let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n";
    for (sent_as, status, code) in [
        ("hello there\r\n\r\n".to_owned(), 400, "request-unreadable"),
        (
            format!("{live}no header\r\n\r\n"),
            400,
            "request-unreadable",
        ),
        (
            format!("{live}\r\nhello there\r\n\r\n"),
            400,
            "request-unreadable",
        ),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(65_535)),
            414,
            "address-too-long",
        ),
        (
            format!("{live}{}\r\n", "a: b\r\n".repeat(200)),
            431,
            "headers-too-large",
        ),
    ] {
        let mut connection = connected(&server);
        connection.write_all(sent_as.as_bytes()).unwrap();
        let (head, problem) = last_answer(connection);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        assert!(
            head.contains("content-type: application/problem+json"),
            "{head}"
        );
        assert_eq!(problem["code"], code);
        assert_eq!(problem["status"], status);
        let id = problem["correlationId"].as_str().unwrap();
        assert!(head.contains(&format!("x-correlation-id: {id}")), "{head}");
        assert!(server.stderr().contains(id), "the log does not have {id}");
    }
}

#[tokio::test]
async fn connections_are_limited_and_wait_their_turn() {
    let server = Server::start_with(&["--connections-max", "2"]).await;
    let idle = |_| {
        let mut connection = connected(&server);
        let request = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n";
        connection.write_all(request).unwrap();
        connection
    };
    // The harness's own connection may be one of the two; a third and fourth must wait for it to go.
    let mut connections: Vec<TcpStream> = (0..3).map(idle).collect();
    let last = connections.last_mut().unwrap();
    last.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert!(last.read(&mut [0; 64]).is_err(), "served beyond the limit");
    let mut last = connections.pop().unwrap();
    drop(connections);
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    let started = Instant::now();
    let mut answer = [0; 15];
    last.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK", "after {:?}", started.elapsed());
}

#[tokio::test]
async fn log_lines_can_be_json() {
    let server = Server::start_with(&["--log-format", "json"]).await;
    let request = server
        .request(Method::GET, "/personalisation/v1/programs")
        .header("X-Correlation-Id", "line-1");
    reply(request).await;
    let log = server.stderr();
    // The last line may be on its way.
    let mut lines = log
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| -> serde_json::Value { serde_json::from_str(line).unwrap() });
    let line = lines
        .rfind(|line| line["span"]["correlation_id"] == "line-1")
        .unwrap_or_else(|| panic!("{log}"));
    assert_eq!(line["status"], 200);
    assert_eq!(line["span"]["path"], "/personalisation/v1/programs");
}

/// After a start nothing was shown of the projections until the next event came.
#[tokio::test]
async fn what_the_projections_have_counted_is_shown_from_the_start() {
    let mut server = Server::start().await;
    let unusable = PER_TEN.replace("double(line.price.amount) / 10.0", "line.extra.points");
    server.publish_program(11, &unusable).await;
    server.enrol(11, "C1").await;
    server.nats.publish(&sale("O1", Some("C1"), "50.00")).await;
    let without_type = json!({ "specversion": "1.0", "data": { "orderId": "O2" } });
    let sequence = server.nats.publish(&[without_type]).await;
    server.until_all_is_told(sequence).await;
    server.terminate();
    assert!(server.ended().await.success());
    server.restart().await;

    let figures = server.get("/metrics").await.text;
    for figure in [
        "farelog_projections_position 6",
        "farelog_rule_errors_total 1",
        "farelog_ticket_events_ignored_total 0",
        "farelog_dead_letters_open 1",
    ] {
        let (name, _) = figure.split_once(' ').unwrap();
        assert!(figures.lines().any(|line| line == figure), "{figures}");
        assert!(figures.contains(&format!("# HELP {name} ")), "{figures}");
    }
}
