//! Operation 17: simulations, rebuilds, and claims that are planned and applied.

use axum::body::Body;
use axum::http::Request;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Answer, PER_TEN, Site, event, sale};

const SIMULATIONS: &str = "/v1/operate/simulations";
const REBUILD: &str = "/v1/operate/rebuild";
const PLAN: &str = "/v1/operate/claims/plan";
const APPLY: &str = "/v1/operate/claims/apply";

/// A site with a member who bought for 399 kroner, and an order that nobody is named on.
async fn given_sales() -> Site {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    site.arrive(&sale("O2", None, "70.00")).await;
    site
}

fn candidate(document: &str) -> Value {
    json!({ "mediaType": "application/toml", "document": document })
}

/// The lines of an answer, without the empty ones.
fn lines(answer: &Answer) -> Vec<Value> {
    answer
        .text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn claim(line: u64, program: &str, order: &str, customer: &str) -> Value {
    json!({
        "line": line, "program": program, "orderId": order, "orderLineId": format!("{order}-1"), "customerId": customer
    })
}

#[tokio::test]
async fn a_simulation_tells_how_far_it_is_and_then_what_it_found() {
    let site = given_sales().await;
    let double = PER_TEN.replace("/ 10.0", "/ 5.0");
    let body = json!({ "programs": [candidate(&double)] });
    let answer = site.post(SIMULATIONS, &body).await;
    assert_eq!(
        (answer.status, answer.header("farelog-position")),
        (200, "8")
    );
    let lines = lines(&answer);
    let [progress, result] = lines.as_slice() else {
        panic!("{lines:?}");
    };
    assert_eq!(
        progress["progress"],
        json!({ "position": 8, "lastPosition": 8 })
    );
    let report = &result["result"];
    assert_eq!(
        (&report["position"], &report["standsFrom"]),
        (&json!(8), &json!(1))
    );
    assert_eq!(report["totals"]["published"]["pointsLive"], 39);
    assert_eq!(report["totals"]["candidates"]["pointsLive"], 79);
    assert_eq!(report["winners"][0]["customerId"], "C1");
    assert_eq!(site.server.log().head().position, 8);
}

#[tokio::test]
async fn a_simulation_that_makes_no_sense_is_refused_before_it_runs() {
    let site = given_sales().await;
    let wrong = |field: &'static str, code: &'static str| (400, vec![(field, code)]);
    let misspelt = PER_TEN.replace("line.price", "line.cost");
    let body = json!({ "programs": [candidate(PER_TEN), candidate(&misspelt)] });
    let answer = site.post(SIMULATIONS, &body).await;
    assert_eq!(answer.code(), "program-refused");
    let field = "programs[1].pointDefinitions[0].amount";
    assert_eq!(
        (answer.status, answer.wrong()),
        wrong(field, "unknown-name")
    );

    for (body, field, code) in [
        (json!({ "programs": [] }), "programs", "out-of-range"),
        (
            json!({ "programs": [candidate(PER_TEN), candidate(PER_TEN)] }),
            "programs[1].id",
            "duplicate",
        ),
        (
            json!({ "programs": [candidate(PER_TEN)], "namedMembers": 1001 }),
            "namedMembers",
            "out-of-range",
        ),
        (
            json!({ "programs": [candidate(PER_TEN)], "from": "yesterday" }),
            "from",
            "malformed",
        ),
    ] {
        let answer = site.post(SIMULATIONS, &body).await;
        assert_eq!(
            (answer.status, answer.wrong()),
            wrong(field, code),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_rebuild_says_where_the_new_projections_took_over() {
    let site = given_sales().await;
    let before = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    let answer = site.act(&format!("{REBUILD}?projection=points")).await;
    assert_eq!(
        lines(&answer).last(),
        Some(&json!({ "result": { "position": 8 } }))
    );
    let after = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(after.text, before.text);
    let unknown = site.act(&format!("{REBUILD}?projection=orders")).await;
    assert_eq!(
        (unknown.status, unknown.wrong()),
        (400, vec![("projection", "malformed")])
    );
}

#[tokio::test]
async fn there_is_one_long_work_at_a_time() {
    let site = given_sales().await;
    let body = json!({ "programs": [candidate(PER_TEN)] });
    let alone = site.server.long_work().try_acquire().unwrap();
    for answer in [site.act(REBUILD).await, site.post(SIMULATIONS, &body).await] {
        assert_eq!((answer.status, answer.code()), (409, "work-under-way"));
    }
    drop(alone);
    assert_eq!(site.act(REBUILD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_with_its_client() {
    let site = given_sales().await;
    let request = Request::post(SIMULATIONS)
        .header("content-type", "application/json")
        .body(Body::from(
            json!({ "programs": [candidate(PER_TEN)] }).to_string(),
        ))
        .unwrap();
    let response = site.router.clone().oneshot(request).await.unwrap();
    let mut lines = response.into_body().into_data_stream();
    assert!(lines.next().await.unwrap().is_ok());
    drop(lines);
    let free = site.server.long_work().acquire();
    let waited = tokio::time::timeout(std::time::Duration::from_secs(30), free).await;
    assert!(waited.is_ok());
}

#[tokio::test]
async fn a_claim_that_was_planned_is_recorded_once() {
    let site = given_sales().await;
    site.enrol(11, "C2").await;
    let claims = [
        claim(2, "per-ten", "O2", "C2"),
        claim(3, "11", "O1", "C2"),
        claim(4, "none", "O1", "C2"),
        claim(5, "11", "O9", "C2"),
    ];
    let planned = site.post(PLAN, &json!({ "claims": claims })).await;
    assert_eq!(
        (planned.status, planned.header("farelog-position")),
        (200, "9")
    );
    let outcomes = |answer: &Answer| -> Vec<String> {
        let claims = answer.json["claims"].as_array().unwrap();
        let code = |claim: &Value| claim["reasons"][0]["code"].as_str().map(str::to_owned);
        claims
            .iter()
            .map(|claim| {
                code(claim).unwrap_or_else(|| claim["outcome"].as_str().unwrap().to_owned())
            })
            .collect()
    };
    let refused = ["already-earned", "program-unknown", "order-unknown"];
    assert_eq!(outcomes(&planned), [&["GIVES"][..], &refused].concat());
    let first = &planned.json["claims"][0];
    assert_eq!(first["grants"][0]["amount"], "7");
    assert_eq!(
        (&first["decidedAt"], &first["lastRecord"]),
        (&json!(9), &json!(8))
    );

    let applied = site.post(APPLY, &planned.json).await;
    assert_eq!(outcomes(&applied), [&["GIVEN"][..], &refused].concat());
    let again = site.post(APPLY, &planned.json).await;
    assert_eq!(outcomes(&again), [&["DONE_BEFORE"][..], &refused].concat());
    assert_eq!(site.server.log().head().position, 10);
    let planned_again = site.post(PLAN, &json!({ "claims": claims })).await;
    assert_eq!(planned_again.json["claims"][0]["outcome"], "REGISTERED");
}

#[tokio::test]
async fn a_claim_under_which_the_log_has_moved_is_refused() {
    let mut site = given_sales().await;
    site.enrol(11, "C2").await;
    let claims = json!({ "claims": [claim(2, "11", "O2", "C2")] });
    let planned = site.post(PLAN, &claims).await;
    let is_moved = |answer: &Answer| answer.json["claims"][0]["reasons"][0]["code"] == "log-moved";

    // Another version gives other points, without a record about the order.
    site.publish_program(11, &PER_TEN.replace("/ 10.0", "/ 7.0"))
        .await;
    site.arrive(&sale("O3", None, "70.00")).await;
    let planned_on_new = site
        .post(PLAN, &json!({ "claims": [claim(2, "11", "O3", "C2")] }))
        .await;
    // O2 was confirmed under the version before, so its claim is what it was.
    assert_eq!(
        planned_on_new.json["claims"][0]["grants"][0]["amount"],
        "10"
    );
    assert_eq!(
        site.post(PLAN, &claims).await.json["claims"][0]["grants"][0]["amount"],
        "7"
    );

    // A ticket that is activated changes no points of this program, but is about the line.
    let activated = json!({ "orderLineId": "O2-1", "activatedAt": "2026-01-15T09:00:00Z" });
    site.arrive(&[event("TicketActivated", 3, "O2", activated)])
        .await;
    let head = site.server.log().head().position;
    let applied = site.post(APPLY, &planned.json).await;
    assert!(is_moved(&applied), "{}", applied.text);
    assert_eq!(site.server.log().head().position, head);

    let withdrawn = site
        .post(PLAN, &json!({ "claims": [claim(2, "11", "O3", "C2")] }))
        .await;
    let members = site.get("/personalisation/v1/programs/11/members").await;
    let member = members.json["items"][1]["id"].as_i64().unwrap();
    let path = format!("/personalisation/v1/programs/11/members/{member}");
    site.ask(axum::http::Method::DELETE, &path, &[], "").await;
    let applied = site.post(APPLY, &withdrawn.json).await;
    assert!(is_moved(&applied), "{}", applied.text);
    assert_eq!(
        applied.json["claims"][0]["reasons"][1]["code"],
        "customer-not-member"
    );
}

#[tokio::test]
async fn a_plan_is_of_one_log_and_of_so_many_claims() {
    let site = given_sales().await;
    let planned = site
        .post(PLAN, &json!({ "claims": [claim(2, "11", "O2", "C1")] }))
        .await;
    let other = given_sales().await;
    let refused = other.post(APPLY, &planned.json).await;
    assert_eq!(
        (refused.status, refused.code()),
        (409, "plan-of-another-log")
    );
    assert_eq!(other.server.log().head().position, 8);

    for number in [0, 101] {
        let claims: Vec<Value> = (0..number)
            .map(|line| claim(line, "11", "O2", "C1"))
            .collect();
        let answer = site.post(PLAN, &json!({ "claims": claims })).await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![("claims", "out-of-range")])
        );
    }
}
