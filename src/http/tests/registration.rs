//! Operation 2, and revocation.

use serde_json::{Value, json};

use super::{PER_TEN, Site, sale};

const REGISTER: &str = "/personalisation/v1/programs/11/deferred-registration";
const REVOKE: &str = "/v1/operate/programs/11/revocations";

fn claim(customer: &str) -> Value {
    json!({ "orderId": "O1", "orderLineId": "O1-1", "customerId": customer })
}

async fn sold() -> Site {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    site.enrol(11, "C1").await;
    site.enrol(11, "C2").await;
    site.arrive(&sale("O1", None, "399.00")).await;
    site
}

#[tokio::test]
async fn a_registration_gives_points_and_a_repeat_gives_the_same() {
    let site = sold().await;
    let first = site.post(REGISTER, &claim("C1")).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("idempotent-replayed"), "no header");
    assert_eq!(
        first.json[0]["pointDefinitionReference"],
        "per-ten-purchase"
    );
    assert_eq!(first.json[0]["amount"], 39);
    let transaction = &first.json[0]["transactions"][0];
    assert_eq!(transaction["metadata"]["registration"], "DEFERRED");
    assert!(transaction["id"].is_i64());

    let again = site.post(REGISTER, &claim("C1")).await;
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.json, first.json);
    assert_eq!(
        again.header("farelog-position"),
        first.header("farelog-position")
    );

    let of_order = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(&of_order.json[0], transaction);
}

#[tokio::test]
async fn a_dry_run_answers_the_same_and_records_nothing() {
    let site = sold().await;
    let before = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    let dry = site
        .post(&format!("{REGISTER}?dryRun=true"), &claim("C1"))
        .await;
    assert_eq!((dry.status, &dry.json[0]["amount"]), (200, &json!(39)));
    let transaction = dry.json[0]["transactions"][0].as_object().unwrap();
    assert!(!transaction.contains_key("id") && !transaction.contains_key("createdAt"));
    let after = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(after.json, json!([]));
    assert_eq!(
        after.header("farelog-position"),
        before.header("farelog-position")
    );
}

#[tokio::test]
async fn a_refused_registration_names_its_reasons() {
    let site = sold().await;
    site.post(REGISTER, &claim("C1")).await;
    let answer = site.post(REGISTER, &claim("C2")).await;
    assert_eq!(
        (answer.status, answer.code()),
        (422, "registration-refused")
    );
    assert_eq!(answer.json["reasons"][0]["code"], "registered-to-another");
    let answer = site.post(REGISTER, &claim("C3")).await;
    assert_eq!(answer.json["reasons"][0]["code"], "customer-not-member");
    let other = json!({ "orderId": "O2", "orderLineId": "O2-1", "customerId": "C1" });
    let answer = site.post(REGISTER, &other).await;
    assert_eq!(answer.json["reasons"][0]["code"], "order-unknown");
    let unknown = "/personalisation/v1/programs/12/deferred-registration";
    let answer = site.post(unknown, &claim("C1")).await;
    assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
    let answer = site.post(REGISTER, &json!({ "orderId": "O1" })).await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (
            400,
            vec![("orderLineId", "missing"), ("customerId", "missing")]
        )
    );
    let answer = site
        .post(&format!("{REGISTER}?dryRun=1"), &claim("C1"))
        .await;
    assert_eq!(answer.wrong(), [("dryRun", "malformed")]);
    let late = format!("{REGISTER}?minPosition=99&timeoutMs=1");
    assert_eq!(site.post(&late, &claim("C1")).await.status, 504);
}

#[tokio::test]
async fn of_two_at_once_one_wins() {
    let site = sold().await;
    let (one, other) = (claim("C1"), claim("C2"));
    let (one, other) = tokio::join!(site.post(REGISTER, &one), site.post(REGISTER, &other));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 422]);
    let refused = if one.status == 422 { one } else { other };
    assert_eq!(refused.json["reasons"][0]["code"], "registered-to-another");
}

#[tokio::test]
async fn a_registration_can_be_taken_back() {
    let site = sold().await;
    let line = json!({ "orderId": "O1", "orderLineId": "O1-1" });
    let answer = site.post(REVOKE, &line).await;
    assert_eq!((answer.status, answer.code()), (422, "not-registered"));
    site.post(REGISTER, &claim("C1")).await;
    let revoked = site.post(REVOKE, &line).await;
    assert_eq!(revoked.status, 200);
    assert!(revoked.json[0]["cancelledAt"].is_string());
    let again = site.post(REVOKE, &line).await;
    assert_eq!(again.json, revoked.json);
    assert_eq!(
        again.header("farelog-position"),
        revoked.header("farelog-position")
    );
    assert_eq!(site.post(REGISTER, &claim("C2")).await.status, 200);
    let answer = site
        .post("/v1/operate/programs/12/revocations", &line)
        .await;
    assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
}
