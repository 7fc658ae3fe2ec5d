//! What expressions see of a member who registers a line after the fact.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

mod common;

use common::Desk;
use farelog_events::event::EventKind::{self, *};
use rust_decimal::Decimal;
use serde_json::json;

const SOLD: &str = "2026-01-01T10:00:00Z";
const NOW: &str = "2026-01-15T10:00:00Z";

fn desk() -> Desk {
    let mut desk = Desk::default();
    desk.program(
        r#"
        id = 1
        reference = "p"
        name = "P"
        [[pointDefinitions]]
        id = 11
        reference = "bought"
        trigger = "LineConfirmed"
        amount = 'member.metadata.level == "GOLD" ? 300 : 200'
        "#,
    );
    desk
}

fn level(desk: &mut Desk, kind: EventKind, level: &str) {
    let data = json!({"programId": 1, "customerId": "kari", "metadata": {"level": level}});
    desk.event(kind, NOW, &data);
}

fn points(desk: &mut Desk) -> Decimal {
    desk.register("o", "kari", NOW).unwrap()[0].amount
}

#[test]
fn who_was_a_member_at_the_trigger_has_the_metadata_of_then() {
    let mut desk = desk();
    level(&mut desk, MemberEnrolled, "SILVER");
    desk.sells("o", SOLD);
    level(&mut desk, MemberUpdated, "GOLD");
    assert_eq!(points(&mut desk), Decimal::from(200));
}

#[test]
fn who_became_a_member_later_has_the_metadata_of_the_registration() {
    let mut desk = desk();
    desk.sells("o", SOLD);
    level(&mut desk, MemberEnrolled, "SILVER");
    level(&mut desk, MemberUpdated, "GOLD");
    assert_eq!(points(&mut desk), Decimal::from(300));

    // And what comes of the member later does not change it
    level(&mut desk, MemberUpdated, "SILVER");
    let refund = json!({"refund": {"amount": "1.00", "currency": "NOK"}});
    desk.on_line(OrderLineRefunded, "o", NOW, &refund);
    let last = desk.transactions("o").pop().unwrap();
    assert_eq!(
        last.amount,
        Decimal::from(299),
        "300 x 398 / 399, rounded down"
    );
}

#[test]
fn who_had_left_before_the_trigger_and_came_back_has_the_metadata_of_the_registration() {
    let mut desk = desk();
    level(&mut desk, MemberEnrolled, "GOLD");
    level(&mut desk, MemberWithdrawn, "GOLD");
    desk.sells("o", SOLD);
    level(&mut desk, MemberEnrolled, "SILVER");
    assert_eq!(points(&mut desk), Decimal::from(200));
}
