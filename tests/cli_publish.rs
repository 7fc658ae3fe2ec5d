//! `farelog publish` against a real nats-server: what arrives, in which order, and what is told where a line is bad.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use async_nats::jetstream::stream::{Config, Stream};
use farelog_test_support::broker::Broker;
use serde_json::Value;

/// A broker with the stream that farelog makes, and its files.
struct Given {
    broker: Broker,
    stream: Stream,
    _files: tempfile::TempDir,
}

impl Given {
    async fn a_stream() -> Self {
        let files = tempfile::tempdir().unwrap();
        let broker = Broker::start(files.path());
        let config = Config {
            name: "ORDERS".to_owned(),
            subjects: vec!["orders.>".to_owned(), "members.>".to_owned()],
            ..Config::default()
        };
        let stream = broker
            .jetstream()
            .await
            .create_stream(config)
            .await
            .unwrap();
        Self {
            broker,
            stream,
            _files: files,
        }
    }

    /// Publishes a file, or what is given on stdin when the file is `-`.
    async fn publish(&self, file: &'static str, stdin: impl AsRef<[u8]>) -> Output {
        let (url, stdin) = (self.broker.url().to_owned(), stdin.as_ref().to_vec());
        let publish = move || publish(&url, file, &stdin);
        tokio::task::spawn_blocking(publish).await.unwrap()
    }

    async fn messages(&mut self) -> u64 {
        self.stream.info().await.unwrap().state.messages
    }
}

fn publish(url: &str, file: &str, stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_farelog"))
        .args(["publish", file, "--nats", url, "--output", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that has ended already reads no more.
    let _ = command.stdin.take().unwrap().write_all(stdin);
    command.wait_with_output().unwrap()
}

fn event(number: u64) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{number}","source":"/test","type":"OrderConfirmed","data":{{"orderId":"O-{number}","orderVersion":1}}}}"#
    )
}

fn told(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_day_arrives_whole_and_in_its_order() {
    let given = Given::a_stream().await;
    let output = given.publish("samples/day.ndjson", "").await;

    let day = include_str!("../samples/day.ndjson");
    let lines: Vec<&str> = day.lines().collect();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(told(&output)["events"], lines.len());
    assert_eq!(told(&output)["stream"], "ORDERS");
    assert_eq!(told(&output)["lastStreamSequence"], lines.len());
    assert_eq!(stderr(&output), "");
    for (sequence, line) in (1..).zip(&lines) {
        let message = given.stream.get_raw_message(sequence).await.unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        if let Some(subject) = line.get("subject") {
            assert_eq!(message.subject.as_str(), subject);
            let headers = line["headers"].as_object().unwrap();
            for (name, value) in headers {
                assert_eq!(message.headers.get(name.as_str()).unwrap().as_str(), value);
            }
        } else {
            let published: Value = serde_json::from_slice(&message.payload).unwrap();
            assert_eq!(published, line);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_line_is_named_and_what_stands_before_it_is_published() {
    let mut given = Given::a_stream().await;
    let mut lines = String::new();
    for number in 1..=700 {
        writeln!(lines, "{}\n", event(number)).unwrap();
    }
    lines.push_str("{\"specversion\":\"1.0\"}\n");
    lines.push_str(&event(701));
    let output = given.publish("-", lines).await;

    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "farelog: line 1401 can't be published: type: is missing, so the event has no type; \
         700 events published, the last with sequence 700 of the stream ORDERS\n"
    );
    assert!(output.stdout.is_empty());
    assert_eq!(given.messages().await, 700);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_publish_is_no_failure() {
    let mut given = Given::a_stream().await;
    let output = given.publish("-", "\n  \n").await;

    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(told(&output)["events"], 0);
    assert_eq!(told(&output)["lastStreamSequence"], Value::Null);
    assert_eq!(given.messages().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_text_or_no_line_is_refused() {
    let given = Given::a_stream().await;
    let output = given.publish("-", b"\xff\xfe\n").await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("farelog: line 1 can't be published: it is not UTF-8"),
        "{}",
        stderr(&output)
    );

    let output = given.publish("-", vec![b'x'; 5 * 1024 * 1024]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).starts_with("farelog: line 1 can't be published: it is longer than"),
        "{}",
        stderr(&output)
    );

    let output = given.publish("samples", "").await;
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "farelog: samples is a directory, name a file of one event a line\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_without_a_stream_is_told_with_a_way_on() {
    let given = Given::a_stream().await;
    let line = r#"{"subject":"elsewhere.1","body":{}}"#;
    let output = given.publish("-", format!("{}\n{line}", event(1))).await;

    assert_eq!(output.status.code(), Some(1));
    let url = given.broker.url();
    assert_eq!(
        stderr(&output),
        format!(
            "farelog: line 2 was not taken: no stream at {url} has its subject; `farelog serve --nats {url}` makes the \
             stream; 1 event published, the last with sequence 1 of the stream ORDERS\n"
        )
    );
}
