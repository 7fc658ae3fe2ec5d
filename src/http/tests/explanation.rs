//! Operation 14, and the explanation of an order.

use serde_json::json;

use super::{PER_TEN, Site, event, sale};

#[tokio::test]
async fn a_transaction_is_explained_as_it_was_given_and_as_it_stands() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let member = site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let refund = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1,
        "refund": { "amount": "100.00", "currency": "NOK" } });
    let sequence = site
        .arrive(&[event("OrderLineRefunded", 5, "O1", refund)])
        .await;
    let path = format!("/personalisation/v1/transactions?orderId=O1&minStreamSequence={sequence}");
    let transactions = site.get(&path).await.json;

    let path = format!(
        "/personalisation/v1/transactions/{}/explanation",
        transactions[0]["id"]
    );
    let answer = site.get(&path).await;
    assert_eq!(
        (answer.status, answer.header("farelog-position")),
        (200, "6")
    );
    assert_eq!(answer.json["transaction"], transactions[0]);
    let given = &answer.json["given"]["definitions"][0];
    assert_eq!(
        (&given["points"], &given["memberId"]),
        (&json!(39), &json!(member))
    );
    assert_eq!(
        given["expressions"][0]["seen"][0]["path"],
        "line.price.amount"
    );
    assert_eq!(given["expressions"][0]["seen"][0]["value"], "\"399.00\"");
    let now = &answer.json["now"]["definitions"][0];
    assert_eq!(
        now["summary"],
        format!(
            "It gives 29 points to member {member}, customer C1: `amount` gave 39.9, rounded down to 39; 100.00 of \
             399.00 NOK were paid back, which leaves 29."
        )
    );
    assert_eq!(
        now["transactions"][0]["cancelledBy"]["type"],
        "OrderLineRefunded"
    );
    assert_eq!(now["transactions"][1]["transaction"], transactions[1]);
}

#[tokio::test]
async fn an_order_is_explained_whole_or_in_part() {
    let capped = PER_TEN.to_owned()
        + "cap = { amount = 50, per = 'PERIOD' }\nperiod = { kind = 'CALENDAR_MONTH', key = 'line.userType' }\n";
    let mut site = Site::open();
    site.publish_program(11, &capped).await;
    site.enrol(11, "C1").await;
    for order in ["O1", "O2"] {
        site.arrive(&sale(order, Some("C1"), "399.00")).await;
    }
    site.arrive(&sale("O3", None, "399.00")).await;

    let answer = site.get("/v1/operate/orders/O2/explanation").await;
    assert_eq!(answer.status, 200);
    let definition = &answer.json["lines"][0]["definitions"][0];
    assert_eq!(definition["points"], 11);
    assert_eq!(definition["cap"]["cut"], 28);
    assert_eq!(definition["period"]["key"], "\"ADULT\"");

    let claim = json!({ "orderId": "O3", "orderLineId": "O3-1", "customerId": "C1" });
    let path = "/personalisation/v1/programs/11/deferred-registration";
    assert_eq!(site.post(path, &claim).await.status, 422);
    let answer = site
        .get("/v1/operate/orders/O3/explanation?orderLineId=O3-1&programId=11")
        .await;
    assert_eq!(
        answer.json["lines"][0]["definitions"][0]["whyNothing"],
        "no-customer"
    );
    let answer = site
        .get("/v1/operate/orders/O3/explanation?orderLineId=O3-2")
        .await;
    assert_eq!(answer.json["lines"], json!([]));
}

#[tokio::test]
async fn a_registration_is_explained_with_what_it_did_not_get() {
    let two = PER_TEN.to_owned()
        + "expiry = { kind = 'FIXED', at = 2026-01-16T00:00:00Z }\n[[pointDefinitions]]\nid = 112\nreference = 'lasting'\ntrigger = \
           'LineConfirmed'\namount = '1'\n";
    let mut site = Site::open();
    site.publish_program(11, &two).await;
    site.enrol(11, "C1").await;
    site.arrive(&sale("O1", None, "399.00")).await;
    let claim = json!({ "orderId": "O1", "orderLineId": "O1-1", "customerId": "C1" });
    let path = "/personalisation/v1/programs/11/deferred-registration";
    assert_eq!(site.post(path, &claim).await.status, 200);

    let line = site.get("/v1/operate/orders/O1/explanation").await.json["lines"][0].clone();
    assert_eq!(line["registrations"][0]["refused"][0]["code"], "expired");
    assert_eq!(
        line["definitions"][0]["whyNothing"],
        "refused-by-registration"
    );
    assert_eq!(line["definitions"][1]["registration"], "DEFERRED");
}

#[tokio::test]
async fn what_is_not_known_has_no_explanation() {
    let mut site = Site::open();
    let answer = site
        .get("/personalisation/v1/transactions/4096/explanation")
        .await;
    assert_eq!((answer.status, answer.code()), (404, "transaction-unknown"));
    let answer = site
        .get("/personalisation/v1/transactions/first/explanation")
        .await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("id", "malformed")])
    );
    let answer = site.get("/v1/operate/orders/O1/explanation").await;
    assert_eq!((answer.status, answer.code()), (404, "order-unknown"));
    site.arrive(&sale("O1", None, "399.00")).await;
    let of_program = "/v1/operate/orders/O1/explanation?programId=12";
    let answer = site.get(of_program).await;
    assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
    let answer = site.get("/v1/operate/orders/O1/explanation?line=1").await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("line", "unknown-field")])
    );
}
