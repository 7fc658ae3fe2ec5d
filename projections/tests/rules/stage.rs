//! What these stories have in common: a program of one definition, purchases of one line, and rows that can be compared.

use farelog_events::event::EventKind::{OrderLineCancelled, OrderLineRefunded};
use farelog_events::id::MemberId;
use farelog_projections::points::Transaction;
use rust_decimal::Decimal;
use serde_json::json;

use crate::common::{Story, line};

/// A point for each krone of a line, in Oslo, and whatever else the definition says; kari and ola are members.
pub fn a_point_per_krone(definition: &str) -> (Story, MemberId, MemberId) {
    let mut story = Story::default();
    let program = story.program(&program(definition));
    let kari = story.enroll(program, "kari");
    let ola = story.enroll(program, "ola");
    (story, kari, ola)
}

/// The document of that program.
pub fn program(definition: &str) -> String {
    format!(
        r#"
        id = 1
        reference = "p"
        name = "P"
        timezone = "Europe/Oslo"
        [[pointDefinitions]]
        id = 11
        reference = "d"
        trigger = "LineConfirmed"
        amount = 'double(line.price.amount)'
        {definition}
        "#
    )
}

/// An order of one line "1" at this price.
pub fn buys(story: &mut Story, order: &str, who: &str, price: &str, at: &str) {
    story.buys(order, Some(who), &line(order, "1", price), at);
}

/// Money is paid back for line "1".
pub fn refund(story: &mut Story, order: &str, amount: &str, at: &str) {
    story.event(
        OrderLineRefunded,
        at,
        json!({
            "orderId": order, "orderVersion": 1, "orderLineId": "1", "orderLineVersion": 1,
            "refund": {"amount": amount, "currency": "NOK"}
        }),
    );
}

/// Line "1" is cancelled.
pub fn cancel(story: &mut Story, order: &str, at: &str) {
    story.event(
        OrderLineCancelled,
        at,
        json!({"orderId": order, "orderVersion": 1, "orderLineId": "1", "orderLineVersion": 1}),
    );
}

/// The one transaction of an order that is not cancelled.
pub fn live(story: &Story, order: &str) -> Option<Transaction> {
    let mut live = story
        .transactions(order)
        .into_iter()
        .filter(Transaction::is_live);
    let first = live.next();
    assert!(live.next().is_none(), "one at most");
    first
}

/// Its points; 0 where there is none.
pub fn points(story: &Story, order: &str) -> Decimal {
    live(story, order).map_or(Decimal::ZERO, |transaction| transaction.amount)
}

/// The points of orders "a", "b" and so on.
pub fn points_of<const N: usize>(story: &Story) -> [i64; N] {
    let mut orders = b'a'..;
    [(); N].map(|()| {
        let order = char::from(orders.next().unwrap()).to_string();
        i64::try_from(points(story, &order)).unwrap()
    })
}
