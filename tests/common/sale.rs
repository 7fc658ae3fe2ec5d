//! What a sale publishes.

use serde_json::{Value, json};

/// A program that gives a point for each ten kroner.
pub const PER_TEN: &str = r#"
    id = 11
    reference = "per-ten"
    name = "A point for each ten kroner"
    [[pointDefinitions]]
    id = 111
    reference = "per-ten-purchase"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
"#;

/// The events of an order of one confirmed line, `<order>-1`, of this price.
pub fn sale(order: &str, customer: Option<&str>, amount: &str) -> Vec<Value> {
    let mut created = json!({ "orderVersion": 1, "organisationId": 1, "currency": "NOK" });
    if let Some(customer) = customer {
        created["customerId"] = json!(customer);
    }
    let line = json!({
        "orderVersion": 1,
        "orderLineId": format!("{order}-1"),
        "orderLineVersion": 1,
        "fareProducts": [{ "id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE" }],
        "price": { "amount": amount, "currency": "NOK" },
    });
    vec![
        event("OrderCreated", order, created),
        event("OrderLineAdded", order, line),
        event("OrderConfirmed", order, json!({ "orderVersion": 1 })),
    ]
}

/// An event about an order. One of each type: its identity is its type.
pub fn event(kind: &str, order: &str, mut data: Value) -> Value {
    data["orderId"] = json!(order);
    json!({
        "specversion": "1.0",
        "id": format!("{kind}-{order}"),
        "source": "/tests",
        "type": kind,
        "time": "2026-01-15T08:00:00Z",
        "data": data,
    })
}

/// The claim of an order's line by a customer.
pub fn claim(order: &str, customer: &str) -> Value {
    json!({ "orderId": order, "orderLineId": format!("{order}-1"), "customerId": customer })
}
