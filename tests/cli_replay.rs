//! `farelog replay simulate`, `rebuild` and `register --from-file`, as commands against a real server and on its files.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use common::Server;
use common::sale::{PER_TEN, claim, sale};

/// `farelog` with these arguments, run to its end.
fn farelog(arguments: &[&str]) -> Output {
    common::farelog()
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn shown(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn done(arguments: &[&str]) -> String {
    let output = farelog(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    shown(&output)
}

fn json_of(arguments: &[&str]) -> Value {
    serde_json::from_str(&done(&[arguments, &["--output", "json"]].concat())).unwrap()
}

/// How many facts are in the stream.
async fn facts_told(server: &Server) -> u64 {
    let jetstream = server.nats.jetstream().await;
    let mut stream = jetstream.get_stream("FARELOG").await.unwrap();
    stream.info().await.unwrap().state.last_sequence
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A server on which two members bought for 399 and for 100 kroner, and somebody who is no member for 50.
async fn given_sales() -> (Server, String) {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    for customer in ["C1", "C2"] {
        server.enrol(11, customer).await;
    }
    let sales = [
        ("O1", "C1", "399.00"),
        ("O2", "C2", "100.00"),
        ("O3", "C3", "50.00"),
    ];
    let events: Vec<Value> = sales
        .iter()
        .flat_map(|(order, customer, price)| sale(order, Some(customer), price))
        .collect();
    let sequence = server.nats.publish(&events).await;
    let path = format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.json[0]["amount"], 39);
    let address = format!("http://{}", server.address());
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_shows_the_difference_and_changes_nothing() {
    let (mut server, address) = given_sales().await;
    let directory = tempfile::tempdir().unwrap();
    let candidate = directory.path().join("candidate.toml");
    fs::write(&candidate, PER_TEN.replace("/ 10.0", "/ 5.0")).unwrap();
    let before = server.get("/v1/operate/log/stats").await.json;

    let simulate = ["replay", "simulate", "--program", text(&candidate)];
    let online = [&simulate[..], &["--server", &address]].concat();
    let report = json_of(&online);
    let definition = &report["programs"][0]["definitions"][0];
    assert_eq!(definition["published"]["pointsLive"], 49);
    assert_eq!(definition["candidate"]["pointsLive"], 99);
    assert_eq!(report["winners"][0]["customerId"], "C1");
    assert_eq!(report["winners"][0]["difference"], 40);
    assert_eq!(report["losers"], json!([]));
    assert_eq!(server.get("/v1/operate/log/stats").await.json, before);
    assert!(!server.data_dir().join("projections.trial").exists());

    let table = done(&online);
    assert!(table.contains("49 → 99"), "{table}");
    let csv = done(&[&online[..], &["--output", "csv"]].concat());
    assert!(csv.starts_with("kind,programId,definition,"), "{csv}");
    assert!(
        csv.contains("definition,11,per-ten-purchase,,,2,2,2,2,49,99,49,99"),
        "{csv}"
    );

    let later = [&online[..], &["--from", "2126-01-01"]].concat();
    assert_eq!(json_of(&later)["totals"]["candidates"]["pointsLive"], 49);

    server.kill();
    let data_dir = server.data_dir();
    let offline = [&simulate[..], &["--offline", "--data-dir", text(&data_dir)]].concat();
    assert_eq!(json_of(&offline), report);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_would_not_be_published_is_refused_with_its_place() {
    let (_server, address) = given_sales().await;
    let directory = tempfile::tempdir().unwrap();
    let candidate = directory.path().join("candidate.toml");
    fs::write(&candidate, PER_TEN.replace("line.price", "line.cost")).unwrap();
    let output = farelog(&[
        "replay",
        "simulate",
        "--program",
        text(&candidate),
        "--server",
        &address,
    ]);
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(
        said.contains("candidate.toml: pointDefinitions[0].amount"),
        "{said}"
    );
    assert!(said.contains("line 9, column"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_and_tells_nobody_twice() {
    let (mut server, address) = given_sales().await;
    let told = |ready: &common::Reply| {
        ready.json["outbox"]["position"] == ready.json["log"]["position"]
            && ready.json["outbox"]["state"] == "SENDING"
    };
    server.until_ready_says(told).await;
    let facts = facts_told(&server).await;
    let before = server
        .get("/personalisation/v1/transactions?orderId=O1")
        .await
        .json;

    for _ in 0..2 {
        let rebuilt = json_of(&["replay", "rebuild", "--server", &address]);
        assert_eq!(rebuilt["position"], 12);
    }
    let answer = server
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(answer.json, before);
    assert_eq!(answer.header("farelog-position"), "12");

    // What comes after a rebuild is folded into the new store, and told once.
    let sequence = server.nats.publish(&sale("O4", Some("C1"), "20.00")).await;
    let path = format!("/personalisation/v1/transactions?orderId=O4&minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.json[0]["amount"], 2);
    server.until_ready_says(told).await;
    assert_eq!(facts_told(&server).await, facts + 1);

    server.kill();
    let data_dir = server.data_dir();
    let offline = [
        "replay",
        "rebuild",
        "--offline",
        "--data-dir",
        text(&data_dir),
        "--projection",
        "points",
    ];
    assert_eq!(json_of(&offline)["position"], 15);
    server.restart().await;
    assert_eq!(
        server
            .get("/personalisation/v1/transactions?orderId=O1")
            .await
            .json,
        before
    );
    server.until_ready_says(told).await;
    assert_eq!(facts_told(&server).await, facts + 1);
    for left in ["projections.rebuilt", "projections.unfinished"] {
        assert!(!data_dir.join(left).exists(), "{left}");
    }
}

/// The same, with lines that nobody is named on, and a list of claims in a file.
async fn given_claims(directory: &Path) -> (Server, String, PathBuf) {
    let (server, address) = given_sales().await;
    server.enrol(11, "C3").await;
    server.enrol(11, "C4").await;
    let unclaimed: Vec<Value> = ["O5", "O6", "O7"]
        .iter()
        .flat_map(|order| sale(order, None, "70.00"))
        .collect();
    let sequence = server.nats.publish(&unclaimed).await;
    let path = format!("/personalisation/v1/transactions?orderId=O7&minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.json, json!([]));
    let file = directory.join("claims.csv");
    let list = "program,orderId,orderLineId,customerId\n\
        per-ten,O3,O3-1,C3\n\
        11,O5,O5-1,C4\n\
        per-ten,O5,O5-1,C4\n\
        per-ten,O6,O6-1,C3\n\
        per-ten,O6,O6-1,C4\n\
        per-ten,O7,O7-1,C9\n\
        none,O7,O7-1,C4\n\
        per-ten,O7,O7-1,C4\n";
    fs::write(&file, list).unwrap();
    (server, address, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_are_planned_then_applied_and_again() {
    let directory = tempfile::tempdir().unwrap();
    let (server, address, file) = given_claims(directory.path()).await;
    let plan_file = directory.path().join("plan.json");

    let plan = [
        "replay",
        "register",
        "--from-file",
        text(&file),
        "--plan",
        text(&plan_file),
        "--server",
        &address,
    ];
    let planned = farelog(&[&plan[..], &["--output", "csv"]].concat());
    assert_eq!(planned.status.code(), Some(3), "{}", said(&planned));
    let rows = shown(&planned);
    for row in [
        "2,per-ten,O3,O3-1,C3,gives,5 per-ten-purchase,",
        "3,11,O5,O5-1,C4,gives,7 per-ten-purchase,",
        "4,per-ten,O5,O5-1,C4,repeats,,says the same as line 3",
        "8,none,O7,O7-1,C4,refused,,program-unknown:",
    ] {
        assert!(rows.contains(row), "{row} is not in\n{rows}");
    }
    assert_eq!(rows.matches("claimed-by-several").count(), 4, "{rows}");
    let again = farelog(&plan);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        said(&again).contains("is there already"),
        "{}",
        said(&again)
    );

    // The log moves under one of the claims: its order is cancelled.
    let cancelled = common::sale::event("OrderCancelled", "O5", json!({ "orderVersion": 1 }));
    let sequence = server.nats.publish(&[cancelled]).await;
    let path = format!("/v1/orders/O5/timeline?minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.status, 200);

    let apply = [
        "replay",
        "register",
        "--apply",
        text(&plan_file),
        "--server",
        &address,
        "--output",
        "csv",
    ];
    let applied = farelog(&apply);
    assert_eq!(applied.status.code(), Some(3));
    let rows = shown(&applied);
    assert!(
        rows.contains("2,per-ten,O3,O3-1,C3,given,5 per-ten-purchase,"),
        "{rows}"
    );
    assert!(
        rows.contains(r#"3,11,O5,O5-1,C4,refused,,"log-moved:"#),
        "{rows}"
    );
    let head = server.get("/v1/operate/log/stats").await.json["lastPosition"].clone();
    let again = shown(&farelog(&apply));
    assert!(
        again.contains("2,per-ten,O3,O3-1,C3,done before,5 per-ten-purchase,"),
        "{again}"
    );
    assert_eq!(
        server.get("/v1/operate/log/stats").await.json["lastPosition"],
        head
    );
    let points = server
        .get("/personalisation/v1/transactions?orderId=O3")
        .await
        .json;
    assert_eq!(points.as_array().unwrap().len(), 1);

    // A registration that was taken back is not made again by an old plan.
    let path = "/v1/operate/programs/11/revocations";
    let body = json!({ "orderId": "O3", "orderLineId": "O3-1" });
    assert_eq!(server.post(path, &body).await.status, 200);
    let rows = shown(&farelog(&apply));
    assert!(
        rows.contains("2,per-ten,O3,O3-1,C3,refused,,log-moved:"),
        "{rows}"
    );

    let other = Server::start().await;
    let there = format!("http://{}", other.address());
    let refused = farelog(&[
        "replay",
        "register",
        "--apply",
        text(&plan_file),
        "--server",
        &there,
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("planned on the log"),
        "{}",
        said(&refused)
    );
}

/// Each claim is one decision: whatever was recorded when the run was broken off is found done by the next.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_killed_goes_on_where_it_was() {
    let server = Server::start().await;
    server.publish_program(11, PER_TEN).await;
    server.enrol(11, "C1").await;
    let orders: Vec<String> = (0..300).map(|number| format!("K{number}")).collect();
    let events: Vec<Value> = orders
        .iter()
        .flat_map(|order| sale(order, None, "30.00"))
        .collect();
    let sequence = server.nats.publish(&events).await;
    let path = format!("/v1/orders/K299/timeline?minStreamSequence={sequence}");
    assert_eq!(server.get(&path).await.status, 200);
    let address = format!("http://{}", server.address());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("claims.csv");
    let claims = orders
        .iter()
        .map(|order| format!("per-ten,{order},{order}-1,C1"));
    let titles = "program,orderId,orderLineId,customerId".to_owned();
    let list: Vec<String> = std::iter::once(titles).chain(claims).collect();
    fs::write(&file, list.join("\n")).unwrap();
    done(&[
        "replay",
        "register",
        "--from-file",
        text(&file),
        "--server",
        &address,
    ]);
    let plan_file = directory.path().join("claims.csv.plan.json");
    let apply = [
        "replay",
        "register",
        "--apply",
        text(&plan_file),
        "--server",
        &address,
    ];

    // Some were registered one by one before.
    let path = "/personalisation/v1/programs/11/deferred-registration";
    assert_eq!(server.post(path, &claim("K7", "C1")).await.status, 200);
    let mut killed = common::farelog()
        .args(apply)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = std::time::Instant::now();
    while server.get("/v1/operate/log/stats").await.json["lastPosition"].as_u64() < Some(930) {
        assert!(started.elapsed() < common::PATIENCE, "nothing was applied");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();

    let applied = json_of(&apply);
    let claims = applied["claims"].as_array().unwrap();
    let count = |outcome: &str| {
        claims
            .iter()
            .filter(|claim| claim["outcome"] == outcome)
            .count()
    };
    assert_eq!(count("GIVEN") + count("DONE_BEFORE"), 300);
    assert!(count("DONE_BEFORE") >= 27, "{}", count("DONE_BEFORE"));
    // A program, a member, three events and one registration of each order.
    let stats = server.get("/v1/operate/log/stats").await.json;
    assert_eq!(stats["lastPosition"], 2 + 4 * 300);
    assert_eq!(stats["projections"]["transactionsGiven"], 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_says_why_online_and_on_the_files() {
    let (mut server, address) = given_sales().await;
    let transactions = "/personalisation/v1/transactions?orderId=O1";
    let transaction = server.get(transactions).await.json[0]["id"].to_string();
    let explain = ["replay", "explain", "--order", "O1"];
    let online = [&explain[..], &["--server", &address]].concat();

    let text = done(&online);
    assert!(text.starts_with("Order O1\n\nLine "), "{text}");
    for part in [
        "confirmed, 399.00 NOK",
        "customer C1: `amount` gave 39.9, rounded down to 39.",
        "amount: double(line.price.amount) / 10.0 → 39.9",
        "line.price.amount = \"399.00\"",
        &format!("transaction {transaction}: 39 to member"),
        "given by OrderConfirmed",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let json = json_of(&online);
    let line = &json["lines"][0];
    assert_eq!(line["definitions"][0]["points"], 39);
    let one = [
        &online[..],
        &["--line", line["orderLineId"].as_str().unwrap()],
    ]
    .concat();
    assert_eq!(
        json_of(&[&one[..], &["--program", "per-ten"]].concat()),
        json
    );

    let nothing = done(&["replay", "explain", "--order", "O3", "--server", &address]);
    assert!(
        nothing.contains("Nothing: customer C3 was not a member of the program"),
        "{nothing}"
    );
    let by_id = ["replay", "explain", "--transaction", &transaction];
    let given = done(&[&by_id[..], &["--server", &address]].concat());
    assert!(given.contains("When it was given\n\nLine "), "{given}");

    for (arguments, problem) in [
        (["--order", "O9"], "There is no order O9"),
        (["--transaction", "1"], "There is no transaction 1"),
    ] {
        let arguments = [&["replay", "explain", "--server", &address], &arguments[..]].concat();
        let output = farelog(&arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains(problem), "{}", said(&output));
    }
    let output = farelog(&[&online[..], &["--line", "b"]].concat());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("order O1 has no line b"),
        "{}",
        said(&output)
    );
    assert_eq!(farelog(&["replay", "explain"]).status.code(), Some(2));

    server.kill();
    let data_dir = server.data_dir();
    let offline = [
        &explain[..],
        &["--offline", "--data-dir", self::text(&data_dir)],
    ]
    .concat();
    assert_eq!(json_of(&offline), json);
}
