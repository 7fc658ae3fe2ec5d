//! Operation 8.

use serde_json::json;

use super::{Site, event, sale};

const SEARCH: &str = "/sales/v1/ticket-distribution-groups";

/// Three orders with a group each, of two owners; the first was distributed last, on a travel card.
async fn site() -> Site {
    let mut site = Site::open();
    for (order, owner) in [("O1", "C1"), ("O2", "C2"), ("O3", "C1")] {
        site.arrive(&sale(order, Some(owner), "39.00")).await;
        let path = format!("/sales/v1/ticket-distributions/{order}/generate");
        let generated = site.act(&path).await;
        assert_eq!(generated.status, 200);
    }
    let path = format!("{SEARCH}/O1/distribute");
    let card = json!({"travelCard": {"activate": true, "mediaSerialNumberId": "gt:1"}});
    let distributed = site.post(&path, &card).await;
    assert_eq!(distributed.status, 200);
    site
}

async fn orders(site: &Site, query: &str) -> Vec<String> {
    let found = site.get(&format!("{SEARCH}?{query}")).await;
    assert_eq!(found.status, 200, "{query}: {}", found.text);
    let items = found.json["items"].as_array().unwrap();
    items
        .iter()
        .map(|group| group["orderId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn groups_are_found_by_their_fields_newest_update_first() {
    let site = site().await;
    for (query, found) in [
        ("orderOwnerCustomerId=C1", &["O1", "O3"][..]),
        ("orderOwnerCustomerId=in:C1,C2", &["O1", "O3", "O2"]),
        ("orderOwnerCustomerId=ne:C1", &["O2"]),
        ("orderId=O2", &["O2"]),
        ("orderId=gt:O1&orderId=lt:O3", &["O2"]),
        ("mediaSerialNumberId=eq:gt:1", &["O1"]),
        ("mediaSerialNumberId=gt:1", &["O1"]),
        ("distributionStatus=REQUESTED", &["O1"]),
        (
            "distributionStatus=nin:REQUESTED,FAILED&orderVersion=1",
            &["O3", "O2"],
        ),
        (
            "createdAt=gte:2001-01-01T00:00:00%2B01:00&createdAt=lt:9999-01-01T00:00:00Z",
            &["O1", "O3", "O2"],
        ),
        ("updatedAt=lt:2001-01-01T00:00:00Z", &[]),
        ("id=1", &[]),
    ] {
        assert_eq!(orders(&site, query).await, found, "{query}");
    }
}

#[tokio::test]
async fn a_group_is_found_by_the_ids_in_it() {
    let site = site().await;
    let groups = site.get(&format!("{SEARCH}?orderId=O3")).await;
    let group = &groups.json["items"][0];
    for (filter, id) in [
        ("id", &group["id"]),
        (
            "ticketDistributionId",
            &group["ticketDistributions"][0]["id"],
        ),
    ] {
        assert_eq!(orders(&site, &format!("{filter}={id}")).await, ["O3"]);
    }
}

#[tokio::test]
async fn pages_follow_one_another_by_number_and_by_cursor() {
    let site = site().await;
    let query = format!("{SEARCH}?updatedAt=gt:2001-01-01T00:00:00Z&perPage=2");
    let first = site.get(&query).await;
    assert_eq!(first.json["totalItems"], 3);
    assert_eq!(first.json["totalPages"], 2);
    assert_eq!(first.json["totalIsLowerBound"], false);
    let cursor = first.json["cursor"].as_str().unwrap();
    let by_number = site.get(&format!("{query}&page=2")).await;
    let by_cursor = site.get(&format!("{query}&cursor={cursor}")).await;
    assert_eq!(by_number.json["items"][0]["orderId"], "O2");
    assert_eq!(by_number.json, by_cursor.json);
    assert_eq!(by_cursor.json["cursor"], json!(null));
}

#[tokio::test]
async fn a_search_that_can_not_be_is_refused() {
    let site = Site::open();
    for (query, wrong) in [
        ("", ("query", "missing")),
        ("page=2", ("query", "missing")),
        ("orderid=O1", ("orderid", "unknown-field")),
        ("orderId=", ("orderId", "malformed")),
        ("orderId=in:O1,", ("orderId", "malformed")),
        ("id=gt:x", ("id", "malformed")),
        (
            "distributionStatus=gt:FAILED",
            ("distributionStatus", "malformed"),
        ),
        ("createdAt=gte:yesterday", ("createdAt", "malformed")),
        ("id=1&page=101&perPage=100", ("page", "out-of-range")),
        ("id=1&perPage=101", ("perPage", "out-of-range")),
        ("id=1&cursor=x", ("cursor", "malformed")),
    ] {
        let refused = site.get(&format!("{SEARCH}?{query}")).await;
        assert_eq!(refused.status, 400, "{query}");
        assert_eq!(refused.wrong(), [wrong], "{query}");
    }
    let cursor = "0".repeat(40);
    let refused = site
        .get(&format!("{SEARCH}?id=1&page=1&cursor={cursor}"))
        .await;
    assert_eq!(refused.wrong(), [("page", "out-of-range")]);
}

#[tokio::test]
async fn what_an_order_becomes_is_searched_as_it_is() {
    let mut site = site().await;
    let cancelled = event("OrderCancelled", 9, "O3", json!({"orderVersion": 1}));
    site.arrive(&[cancelled]).await;
    assert_eq!(orders(&site, "distributionStatus=CANCELLED").await, ["O3"]);
    assert_eq!(orders(&site, "orderOwnerCustomerId=C1").await, ["O3", "O1"]);
}
