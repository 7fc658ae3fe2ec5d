//! Merged customers from the stream to the service desk: published, asked for over HTTP and at the command line, and the
//! same after the projections are made anew.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::process::Stdio;

use serde_json::{Value, json};

use common::sale::{PER_TEN, sale};
use common::{Server, farelog};

const STATUS: &str = "/personalisation/v1/customers/status";

async fn merge(server: &Server, customer: &str, into: &str) -> u64 {
    let merged = json!({
        "specversion": "1.0", "id": format!("{customer}-{into}"), "source": "/tests", "type": "CustomersMerged",
        "time": "2026-01-20T08:00:00Z", "data": { "customerId": customer, "mergedIntoCustomerId": into },
    });
    let jetstream = server.nats.jetstream().await;
    let published = jetstream.publish(format!("members.{customer}"), merged.to_string().into());
    published.await.unwrap().await.unwrap().sequence
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_merged_customers_have_is_shown_together_and_survives_a_rebuild() {
    let mut server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    let first = server.enrol(11, "C1").await;
    let second = server.enrol(11, "C2").await;
    server.nats.publish(&sale("O1", Some("C1"), "100.00")).await;
    merge(&server, "C1", "C2").await;
    let sequence = server.nats.publish(&sale("O2", Some("C1"), "200.00")).await;

    let question = json!({ "customerId": "C1", "statusAt": "2026-02-01T00:00:00Z" });
    let path = format!("{STATUS}?minStreamSequence={sequence}");
    let status = server.post(&path, &question).await;
    assert_eq!(status.status, 200, "{status:?}");
    assert_eq!(status.json["customerIds"], json!(["C2", "C1"]));
    let program = &status.json["programs"][0];
    assert_eq!(program["counting"], 30);
    let members: Vec<&Value> = program["memberships"]
        .as_array()
        .unwrap()
        .iter()
        .map(|membership| &membership["memberId"])
        .collect();
    assert_eq!(members, [&json!(second), &json!(first)]);

    let address = format!("http://{}", server.address());
    let shown = tokio::task::spawn_blocking(move || {
        farelog()
            .args([
                "member",
                "status",
                "--customer",
                "C2",
                "--program",
                "per-ten",
            ])
            .args(["--at", "2026-02-01T00:00:00Z", "--output", "json"])
            .args(["--server", &address])
            .stdout(Stdio::piped())
            .output()
            .unwrap()
    });
    let shown = shown.await.unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["programs"], status.json["programs"]);

    server.kill();
    std::fs::remove_dir_all(server.data_dir().join("projections")).unwrap();
    server.restart().await;
    let anew = server.post(STATUS, &question).await;
    assert_eq!(anew.json, status.json);
}
