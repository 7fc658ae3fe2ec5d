//! `farelog order`: what a service desk reads of an order, from a running server and from a stopped one's files.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::process::Stdio;

use common::sale::{PER_TEN, sale};
use common::{Server, farelog};

/// The timeline of an order as a person reads it. Tables are as wide as they need to be.
fn order(source: &[&str]) -> String {
    let output = farelog()
        .args(["order", "O1"])
        .args(source)
        .env("COLUMNS", "240")
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A stopped server's files know what it had sent: until its outbox's position was read, all facts seemed still to be sent.
#[tokio::test]
async fn the_files_of_a_stopped_server_tell_what_it_had_sent() {
    let mut server = Server::start().await;
    assert_eq!(server.publish_program(11, PER_TEN).await.status, 201);
    server.enrol(11, "C1").await;
    let sequence = server.nats.publish(&sale("O1", Some("C1"), "399.00")).await;
    server.until_all_is_told(sequence).await;
    let answered = order(&["--server", &format!("http://{}", server.address())]);
    let told = "Other systems were told that customer C1 has 39 points of this order";
    assert!(answered.contains(told), "{answered}");

    server.terminate();
    assert!(server.ended().await.success());
    let data_dir = server.data_dir();
    let offline = ["--offline", "--data-dir", data_dir.to_str().unwrap()];
    assert_eq!(order(&offline), answered);

    // Without it nothing is known to be sent.
    fs::remove_file(data_dir.join("outbox.json")).unwrap();
    let unknown = order(&offline);
    let to_be_told = "Other systems are to be told that customer C1 has 39 points of this order";
    assert!(unknown.contains(to_be_told), "{unknown}");
}
