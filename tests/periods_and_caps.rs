//! Periods and caps from the stream to the answer of a registration, and the same after a kill and after the projections
//! are made anew.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use serde_json::{Value, json};

use common::Server;
use common::sale::{claim, sale};

const PROGRAM: &str = r#"
    id = 21
    reference = "capped"
    name = "Fifty a year"
    timezone = "Europe/Oslo"
    [[pointDefinitions]]
    id = 211
    reference = "capped-purchase"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    period = { kind = "CALENDAR_YEAR" }
    cap = { amount = 50, per = "PERIOD" }
"#;
const REGISTER: &str = "/personalisation/v1/programs/21/deferred-registration";

async fn transactions(server: &Server) -> Vec<Value> {
    let mut all = Vec::new();
    for order in ["O1", "O2", "O3"] {
        let path = format!("/personalisation/v1/transactions?orderId={order}");
        all.push(server.get(&path).await.json);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_cuts_what_is_registered_and_then_refuses_it_also_after_a_kill_and_a_rebuild() {
    let mut server = Server::start().await;
    server.publish_program(21, PROGRAM).await;
    server.enrol(21, "C1").await;
    server.nats.publish(&sale("O1", Some("C1"), "399.00")).await;
    server.nats.publish(&sale("O2", None, "399.00")).await;
    let sequence = server.nats.publish(&sale("O3", None, "399.00")).await;

    let dry_run = format!("{REGISTER}?dryRun=true&minStreamSequence={sequence}");
    let tried = server.post(&dry_run, &claim("O2", "C1")).await;
    let given = server.post(REGISTER, &claim("O2", "C1")).await;
    assert_eq!(given.status, 200, "{given:?}");
    assert_eq!(given.json[0]["amount"], 11);
    assert_eq!(tried.json[0]["amount"], 11);
    let (tried, row) = (
        &tried.json[0]["transactions"][0],
        &given.json[0]["transactions"][0],
    );
    assert_eq!(tried["pointPeriodId"], row["pointPeriodId"]);

    let before = transactions(&server).await;
    assert_eq!(before[0][0]["amount"], 39);
    assert_eq!(before[0][0]["pointPeriodId"], row["pointPeriodId"]);
    assert_eq!(before[2], json!([]));

    server.kill();
    server.restart().await;
    assert_eq!(transactions(&server).await, before);
    let refused = server.post(REGISTER, &claim("O3", "C1")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json["reasons"][0]["code"], "cap-reached");

    server.kill();
    std::fs::remove_dir_all(server.data_dir().join("projections")).unwrap();
    server.restart().await;
    assert_eq!(transactions(&server).await, before);
    let again = server.post(REGISTER, &claim("O2", "C1")).await;
    assert_eq!(again.json, given.json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_cap_has_no_period_is_refused_with_its_place() {
    let server = Server::start().await;
    let program = PROGRAM.replace("period = { kind = \"CALENDAR_YEAR\" }", "");
    let request = server
        .request(reqwest::Method::PUT, "/personalisation/v1/programs/21")
        .header("content-type", "application/toml")
        .body(program);
    let refused = common::reply(request).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let problem = &refused.json["errors"][0];
    assert_eq!(problem["field"], "pointDefinitions[0].cap.per");
    assert_eq!(problem["code"], "missing-field");
}
