//! Operations 1 and 10.

use serde_json::json;

use super::{PER_TEN, Site, event, sale};

#[tokio::test]
async fn an_order_has_its_transactions_oldest_first() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let member = site.enrol(11, "C1").await;
    site.arrive(&sale("O1", Some("C1"), "399.00")).await;
    let refund = json!({ "orderVersion": 1, "orderLineId": "O1-1", "orderLineVersion": 1,
        "refund": { "amount": "100.00", "currency": "NOK" } });
    site.arrive(&[event("OrderLineRefunded", 5, "O1", refund)])
        .await;

    let answer = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!(answer.status, 200);
    let transactions = answer.json.as_array().unwrap();
    let amounts: Vec<_> = transactions.iter().map(|t| &t["amount"]).collect();
    assert_eq!(amounts, [&json!(39), &json!(29)]);
    assert_eq!(transactions[0]["cancelledAt"], "2026-01-15T08:00:05Z");
    assert_eq!(
        transactions[1]["metadata"]["replaces"],
        transactions[0]["id"]
    );
    assert!(transactions.iter().all(|t| t["memberId"] == member));
}

#[tokio::test]
async fn an_order_without_transactions_has_an_empty_list() {
    let site = Site::open();
    let answer = site
        .get("/personalisation/v1/transactions?orderId=O1")
        .await;
    assert_eq!((answer.status, answer.json), (200, json!([])));
    let answer = site.get("/personalisation/v1/transactions").await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("orderId", "missing")])
    );
}

#[tokio::test]
async fn a_member_has_pages_of_transactions_newest_first() {
    let mut site = Site::open();
    site.publish_program(11, PER_TEN).await;
    let member = site.enrol(11, "C1").await;
    for (number, order) in ["O1", "O2", "O3"].into_iter().enumerate() {
        let mut events = sale(order, Some("C1"), "100.00");
        for event in &mut events {
            event["time"] = json!(format!("2026-01-1{number}T08:00:00Z"));
        }
        site.arrive(&events).await;
    }
    let path = format!("/personalisation/v1/programs/11/members/{member}/transactions");
    let answer = site.get(&format!("{path}?perPage=2")).await;
    let orders = |answer: &super::Answer| -> Vec<String> {
        let items = answer.json["items"].as_array().unwrap().iter();
        items
            .map(|t| t["metadata"]["orderId"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(orders(&answer), ["O3", "O2"]);
    assert_eq!(
        (&answer.json["totalItems"], &answer.json["totalPages"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        orders(&site.get(&format!("{path}?perPage=2&page=2")).await),
        ["O1"]
    );
    assert_eq!(
        orders(&site.get(&format!("{path}?orderId=O2")).await),
        ["O2"]
    );
    let none = site
        .get(&format!("{path}?pointDefinitionReference=other"))
        .await;
    assert_eq!(none.json["totalItems"], 0);

    let answer = site
        .get(&format!("{path}?page=0&perPage=101&orderid=O1"))
        .await;
    assert_eq!(
        answer.wrong(),
        [
            ("page", "out-of-range"),
            ("perPage", "out-of-range"),
            ("orderid", "unknown-field")
        ]
    );
    let answer = site
        .get("/personalisation/v1/programs/12/members/1/transactions")
        .await;
    assert_eq!((answer.status, answer.code()), (404, "program-unknown"));
    let answer = site
        .get("/personalisation/v1/programs/11/members/1/transactions")
        .await;
    assert_eq!((answer.status, answer.code()), (404, "member-unknown"));
    let answer = site
        .get("/personalisation/v1/programs/x/members/1/transactions")
        .await;
    assert_eq!(
        (answer.status, answer.wrong()),
        (400, vec![("programId", "malformed")])
    );
}
