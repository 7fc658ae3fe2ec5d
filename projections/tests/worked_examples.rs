//! The worked examples of the domain's section 3, as they stand there.

mod common;

use chrono::{DateTime, Utc};
use common::{Story, line, time};
use farelog_events::event::EventKind::{OrderCreated, OrderLineRefunded};
use rust_decimal::Decimal;
use serde_json::json;

fn expiries(story: &Story) -> Vec<DateTime<Utc>> {
    let mut all: Vec<_> = story
        .all_transactions()
        .iter()
        .filter_map(|transaction| transaction.expire_at)
        .collect();
    all.sort();
    all
}

#[test]
fn reis() {
    // Given the program of the domain's section 2, and a member
    let mut story = Story::default();
    let program = story.program(
        r#"
        id = 7
        reference = "reis"
        name = "Reis"
        timezone = "Europe/Oslo"
        [[pointDefinitions]]
        id = 71
        reference = "reis-ticket"
        name = { nob = "Reis-billett", eng = "Reis ticket" }
        trigger = "LineConfirmed"
        when = 'line.fareProducts.exists(p, p.type == "SINGLE") && line.userType == "ADULT"'
        amount = '1'
        expiry = { kind = "PERIOD_END" }
        period = { kind = "ROLLING_FROM_FIRST", length = "P30D", key = '{"userType": line.userType}' }
        cap = { amount = 10, per = "PERIOD" }
        "#,
    );
    let member = story.enroll(program, "kari");

    // When the member buys single adult tickets on 1, 10 January and 1 February 2026
    for (order, day) in [
        ("a", "2026-01-01"),
        ("b", "2026-01-10"),
        ("c", "2026-02-01"),
    ] {
        let at = format!("{day}T09:00:00Z");
        story.buys(order, Some("kari"), &line(order, "1", "39.00"), &at);
    }

    // Then there are two periods: [1 Jan, 31 Jan) with two transactions of 1, both expiring 31 Jan at the first
    // purchase's time of day; and one from 1 Feb
    let of = |order: &str| {
        let transaction = story.transactions(order).remove(0);
        (transaction.point_period_id.unwrap(), transaction.expire_at)
    };
    assert_eq!(of("a"), of("b"));
    assert_eq!(of("a").1, Some(time("2026-01-31T09:00:00Z")));
    assert_ne!(of("a").0, of("c").0);
    assert_eq!(of("c").1, Some(time("2026-03-03T09:00:00Z")));

    // Status at 20 Jan: 2. At 31 Jan, one second later than the first purchase's time: 0.
    assert_eq!(
        story.status(member, "2026-01-20T00:00:00Z"),
        Decimal::from(2)
    );
    assert_eq!(story.status(member, "2026-01-31T09:00:01Z"), Decimal::ZERO);
}

#[test]
fn thirty_days_back() {
    // Given a definition whose points expire after P30D, and a member
    let mut story = Story::default();
    let program = story.program(
        r#"
        id = 13
        reference = "thirty"
        name = "Thirty days back"
        [[pointDefinitions]]
        id = 131
        reference = "thirty-ticket"
        name = { eng = "Ticket" }
        trigger = "LineConfirmed"
        when = 'line.userType == "ADULT"'
        amount = '1'
        expiry = { kind = "DURATION", after = "P30D" }
        "#,
    );
    let member = story.enroll(program, "kari");

    // When the member buys single adult tickets on 1, 10 January and 1 February 2026
    for (order, day) in [
        ("a", "2026-01-01"),
        ("b", "2026-01-10"),
        ("c", "2026-02-01"),
    ] {
        let at = format!("{day}T09:00:00Z");
        story.buys(order, Some("kari"), &line(order, "1", "39.00"), &at);
    }

    // Then they expire 31 January, 9 February, 3 March; status at 5 February: 2
    assert_eq!(
        expiries(&story),
        [
            "2026-01-31T09:00:00Z",
            "2026-02-09T09:00:00Z",
            "2026-03-03T09:00:00Z"
        ]
        .map(time)
    );
    assert_eq!(
        story.status(member, "2026-02-05T00:00:00Z"),
        Decimal::from(2)
    );
}

#[test]
fn points_per_product() {
    // Given points by a table of products
    let mut story = Story::default();
    let program = story.program(
        r#"
        id = 12
        reference = "product"
        name = "Points per product"
        [tables.productPoints]
        "ENT:PreassignedFareProduct:AdultSingle" = 5
        [[pointDefinitions]]
        id = 121
        reference = "per-product"
        name = { eng = "Per product" }
        trigger = "LineConfirmed"
        amount = 'tables.productPoints[line.fareProducts[0].id]'
        "#,
    );
    let member = story.enroll(program, "kari");

    // When a product that is in the table is bought, and one that is not
    story.buys(
        "a",
        Some("kari"),
        &line("a", "1", "39.00"),
        "2026-01-01T09:00:00Z",
    );
    let mut other = line("b", "1", "39.00");
    other["fareProducts"][0]["id"] = "ENT:PreassignedFareProduct:Unlisted".into();
    story.buys("b", Some("kari"), &other, "2026-01-02T09:00:00Z");

    // Then the first gives its points, the second nothing, and that is no rule error
    assert_eq!(
        story.status(member, "2026-01-03T00:00:00Z"),
        Decimal::from(5)
    );
    assert_eq!(story.transactions("b"), []);
    assert!(
        story
            .orders
            .values()
            .all(|order| order.rule_errors.is_empty())
    );
}

const POINT_PER_TEN_KRONER: &str = r#"
    id = 11
    reference = "kroner"
    name = "A point per ten kroner"
    [[pointDefinitions]]
    id = 111
    reference = "per-ten-kroner"
    name = { eng = "Per ten kroner" }
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    "#;

#[test]
fn a_point_per_ten_kroner() {
    let mut story = Story::default();
    let program = story.program(POINT_PER_TEN_KRONER);
    let member = story.enroll(program, "kari");

    // A line of 399.00 gives 39
    story.buys(
        "a",
        Some("kari"),
        &line("a", "1", "399.00"),
        "2026-01-10T09:00:00Z",
    );
    assert_eq!(
        story.status(member, "2026-01-20T00:00:00Z"),
        Decimal::from(39)
    );

    // Refund of 100.00 on 25 January: the 39 is cancelled on the 25th and 29 counts from then
    let refund = |amount: &str| {
        json!({
            "orderId": "a", "orderVersion": 1, "orderLineId": "1", "orderLineVersion": 1,
            "refund": {"amount": amount, "currency": "NOK"}
        })
    };
    story.event(OrderLineRefunded, "2026-01-25T12:00:00Z", refund("100.00"));
    assert_eq!(
        story.status(member, "2026-01-20T00:00:00Z"),
        Decimal::from(39)
    );
    assert_eq!(
        story.status(member, "2026-01-26T00:00:00Z"),
        Decimal::from(29)
    );
    let transactions = story.transactions("a");
    assert_eq!(transactions.len(), 2);
    assert_eq!(
        transactions[0].cancelled_at,
        Some(time("2026-01-25T12:00:00Z"))
    );
    assert_eq!(transactions[1].valid_from, time("2026-01-25T12:00:00Z"));
    assert_eq!(transactions[1].metadata.replaces, transactions[0].id);

    // A second refund of 299.00: nothing counts
    story.event(OrderLineRefunded, "2026-01-27T12:00:00Z", refund("299.00"));
    assert_eq!(story.status(member, "2026-01-28T00:00:00Z"), Decimal::ZERO);
}

#[test]
fn an_amount_of_39_90_divided_by_ten_is_3_99() {
    let mut story = Story::default();
    let program = story.program(&format!(
        "{POINT_PER_TEN_KRONER}\nrounding = {{ scale = 2, mode = \"FLOOR\" }}"
    ));
    let member = story.enroll(program, "kari");
    story.buys(
        "a",
        Some("kari"),
        &line("a", "1", "39.90"),
        "2026-01-10T09:00:00Z",
    );
    assert_eq!(
        story.status(member, "2026-01-11T00:00:00Z"),
        Decimal::new(399, 2)
    );
}

#[test]
fn the_owner_gets_the_points_of_a_line_without_a_customer_even_when_the_order_comes_last() {
    let mut story = Story::default();
    let program = story.program(POINT_PER_TEN_KRONER);
    let member = story.enroll(program, "kari");
    story.buys("a", None, &line("a", "1", "399.00"), "2026-01-10T09:00:00Z");
    assert_eq!(story.transactions("a"), []);

    // When the order's creation, with its owner, arrives late
    story.event(
        OrderCreated,
        "2026-01-10T09:00:01Z",
        json!({"orderId": "a", "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "kari"}),
    );
    assert_eq!(
        story.status(member, "2026-01-11T00:00:00Z"),
        Decimal::from(39)
    );
}
