//! Operations 12 and 13.

use axum::http::Method;
use serde_json::{Value, json};

use super::{PER_TEN, Site, sale};

const MEMBERSHIPS: &str = "/personalisation/v1/customer-memberships";
const STATUS: &str = "/personalisation/v1/customers/status";

/// Points for each ten kroner, which count from the day after and for ten days.
const LATER: &str = r#"
    id = 12
    reference = "later"
    name = "Later"
    [[pointDefinitions]]
    id = 121
    reference = "later-purchase"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    rounding = { scale = 1, mode = "HALF_UP" }
    validFrom = 'trigger.time + duration("24h")'
    expiry = { kind = "DURATION", after = "P10D" }
    [[pointDefinitions]]
    id = 122
    reference = "later-activation"
    trigger = "LineActivated"
    amount = '1'
"#;

fn merged(customer: &str, into: &str, number: u32) -> Value {
    json!({
        "specversion": "1.0", "id": format!("merge-{number}"), "source": "/tests", "type": "CustomersMerged",
        "time": "2026-01-20T08:00:00Z", "data": { "customerId": customer, "mergedIntoCustomerId": into },
    })
}

fn sale_on(order: &str, customer: &str, day: u32, amount: &str) -> Vec<Value> {
    let mut events = sale(order, Some(customer), amount);
    for event in &mut events {
        event["time"] = json!(format!("2026-01-{day:02}T08:00:00Z"));
    }
    events
}

async fn status(site: &Site, customer: &str, at: &str) -> Value {
    let body = json!({ "customerId": customer, "statusAt": at });
    let answer = site.post(STATUS, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json
}

#[tokio::test]
async fn a_customer_has_memberships_in_all_programs_those_that_ended_too() {
    let site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.publish_program(12, LATER).await;
    let ended = site.enrol(11, "C1").await;
    let member = format!("/personalisation/v1/programs/11/members/{ended}");
    site.ask(Method::DELETE, &member, &[], "").await;
    let active = site.enrol(12, "C1").await;
    site.enrol(12, "C2").await;

    let answer = site.post(MEMBERSHIPS, &json!({ "customerId": "C1" })).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("farelog-position"), "6");
    let shown: Vec<_> = answer
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            json!([
                it["memberId"],
                it["programReference"],
                it["status"],
                it["receivesPoints"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!([ended, "per-ten", "WITHDRAWN", false]),
            json!([active, "later", "ACTIVE", true])
        ]
    );
    let body = json!({ "customerId": "C1", "programId": 12 });
    let answer = site.post(MEMBERSHIPS, &body).await;
    assert_eq!(answer.json.as_array().map(Vec::len), Some(1));
    let answer = site.post(MEMBERSHIPS, &json!({ "customerId": "C3" })).await;
    assert_eq!((answer.status, answer.json), (200, json!([])));
}

#[tokio::test]
async fn a_status_is_asked_for_a_time() {
    let mut site = Site::open();
    site.publish_program(12, LATER).await;
    site.enrol(12, "C1").await;
    site.arrive(&sale_on("O1", "C1", 1, "39.00")).await;
    site.arrive(&sale_on("O2", "C1", 5, "10.50")).await;
    site.arrive(&sale_on("O3", "C1", 5, "20.00")).await;

    let at = |day: u32| format!("2026-01-{day:02}T08:00:00Z");
    // Day, what counts, what is pending, what expires next. What is known of the log counts, whenever it came.
    for (day, counting, pending, next) in [
        (1, json!(0), json!(7), json!(null)),
        (
            2,
            json!(3.9),
            json!(3.1),
            json!({ "expireAt": at(12), "amount": 3.9 }),
        ),
        (
            6,
            json!(7),
            json!(0),
            json!({ "expireAt": at(12), "amount": 3.9 }),
        ),
        (
            12,
            json!(3.1),
            json!(0),
            json!({ "expireAt": at(16), "amount": 3.1 }),
        ),
        (16, json!(0), json!(0), json!(null)),
    ] {
        let status = status(&site, "C1", &at(day)).await;
        let program = &status["programs"][0];
        let definition = &program["pointDefinitions"][0];
        assert_eq!(definition["pointDefinitionReference"], "later-purchase");
        assert_eq!(definition["counting"], counting, "day {day}");
        assert_eq!(definition["pending"], pending, "day {day}");
        assert_eq!(definition["nextExpiry"], next, "day {day}");
        assert_eq!(program["counting"], counting);
        assert_eq!(program["pending"], pending);
        assert_eq!(program["pointDefinitions"][1]["counting"], 0);
        assert_eq!(status["statusAt"], at(day));
    }
}

#[tokio::test]
async fn a_status_of_either_of_two_merged_customers_shows_both() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let first = site.enrol(11, "C1").await;
    let second = site.enrol(11, "C2").await;
    site.arrive(&sale_on("O1", "C1", 2, "100.00")).await;
    site.arrive(&sale_on("O2", "C2", 3, "200.00")).await;
    let sequence = site.arrive(&[merged("C1", "C2", 1)]).await;
    site.arrive(&sale_on("O3", "C1", 4, "400.00")).await;

    for customer in ["C1", "C2"] {
        let status = status(&site, customer, "2026-02-01T00:00:00Z").await;
        assert_eq!(status["customerId"], customer);
        assert_eq!(status["customerIds"], json!(["C2", "C1"]));
        let program = &status["programs"][0];
        assert_eq!(program["counting"], 70);
        let memberships = program["memberships"].as_array().unwrap().iter();
        let shown: Vec<_> = memberships
            .map(|it| json!([it["memberId"], it["customerId"], it["receivesPoints"]]))
            .collect();
        assert_eq!(
            shown,
            [json!([second, "C2", true]), json!([first, "C1", false])]
        );
    }
    let rows =
        |member: i64| format!("/personalisation/v1/programs/11/members/{member}/transactions");
    assert_eq!(site.get(&rows(first)).await.json["items"][0]["amount"], 10);
    assert_eq!(site.get(&rows(second)).await.json["items"][0]["amount"], 40);

    let path = format!("{STATUS}?minStreamSequence={sequence}");
    let answer = site.post(&path, &json!({ "customerId": "C1" })).await;
    assert_eq!(answer.status, 200);
    let late = format!("{STATUS}?minPosition=1000&timeoutMs=1");
    let answer = site.post(&late, &json!({ "customerId": "C1" })).await;
    assert_eq!(
        (answer.status, answer.code()),
        (504, "position-not-reached")
    );
}

#[tokio::test]
async fn a_customer_that_is_not_known_has_no_programs() {
    let site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let status = status(&site, "C1", "2026-02-01T01:00:00+01:00").await;
    assert_eq!(
        status,
        json!({ "customerId": "C1", "customerIds": ["C1"], "statusAt": "2026-02-01T00:00:00Z", "programs": [] })
    );
}

#[tokio::test]
async fn a_malformed_question_is_a_400_and_an_unknown_program_a_404() {
    let site = Site::open();
    for (path, body, wrong) in [
        (STATUS, json!({}), ("customerId", "missing")),
        (
            MEMBERSHIPS,
            json!({ "customerId": "C 1" }),
            ("customerId", "malformed"),
        ),
        (
            STATUS,
            json!({ "customerId": "C1", "statusAt": "2026-02-01" }),
            ("statusAt", "malformed"),
        ),
        (
            STATUS,
            json!({ "customerId": "C1", "at": 1 }),
            ("at", "unknown-field"),
        ),
        (
            MEMBERSHIPS,
            json!({ "customerId": "C1", "programId": "x" }),
            ("programId", "malformed"),
        ),
    ] {
        let answer = site.post(path, &body).await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![wrong]),
            "{body}"
        );
    }
    for path in [STATUS, MEMBERSHIPS] {
        let body = json!({ "customerId": "C1", "programId": 99 });
        let answer = site.post(path, &body).await;
        assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
        let answer = site
            .post(&format!("{path}?page=1"), &json!({ "customerId": "C1" }))
            .await;
        assert_eq!(
            (answer.status, answer.wrong()),
            (400, vec![("page", "unknown-field")])
        );
    }
}

#[tokio::test]
async fn of_merged_customers_the_membership_that_counts_is_changed_and_ended() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let first = site.enrol(11, "C1").await;
    let second = site.enrol(11, "C2").await;
    site.arrive(&[merged("C1", "C2", 1)]).await;
    let members = "/personalisation/v1/programs/11/members";
    let change = json!({ "externalReference": "R-1" });

    let counts = site.get(&format!("{members}?customerId=C1")).await;
    assert_eq!(counts.json["items"][0]["id"], second);
    let other = format!("{members}/{first}");
    for answer in [
        site.json(Method::PATCH, &other, &change).await,
        site.ask(Method::DELETE, &other, &[], "").await,
    ] {
        assert_eq!((answer.status, answer.code()), (409, "member-merged"));
        assert_eq!(answer.json["memberId"], second);
    }
    assert_eq!(site.get(&other).await.json["status"], "ACTIVE");

    let one = format!("{members}/{second}");
    let answer = site.json(Method::PATCH, &one, &change).await;
    assert_eq!(answer.json["externalReference"], "R-1");
    site.ask(Method::DELETE, &one, &[], "").await;
    for member in [&one, &other] {
        assert_eq!(site.get(member).await.json["status"], "WITHDRAWN");
        let again = site.ask(Method::DELETE, member, &[], "").await;
        assert_eq!(again.status, 204);
    }

    let back = site.post(members, &json!({ "customerId": "C1" })).await;
    assert_eq!(
        (back.status, &back.json["id"], &back.json["customerId"]),
        (201, &json!(second), &json!("C2"))
    );
}

#[tokio::test]
async fn a_merged_customer_enrols_as_the_one_that_it_was_merged_into() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.arrive(&[merged("C1", "C2", 1)]).await;
    let members = "/personalisation/v1/programs/11/members";
    let enrolled = site.post(members, &json!({ "customerId": "C1" })).await;
    assert_eq!(
        (enrolled.status, &enrolled.json["customerId"]),
        (201, &json!("C2"))
    );
    let again = site.post(members, &json!({ "customerId": "C2" })).await;
    assert_eq!((again.status, &again.json), (200, &enrolled.json));
}
