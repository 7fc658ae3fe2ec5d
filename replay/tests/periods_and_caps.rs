//! Deferred registration for definitions whose points depend on what the member had before: periods and caps.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

mod common;

use common::{Desk, time};
use farelog_events::event::EventKind::*;
use farelog_projections::points::Transaction;
use farelog_projections::points::registration::ReasonCode as R;
use rust_decimal::Decimal;
use serde_json::json;

const NOW: &str = "2026-01-15T10:00:00Z";

/// Lines cost 399.00 and give 39 points; kari and ola are members.
fn desk(definition: &str) -> Desk {
    let mut desk = Desk::default();
    desk.program(&format!(
        r#"
        id = 1
        reference = "p"
        name = "P"
        timezone = "Europe/Oslo"
        [[pointDefinitions]]
        id = 11
        reference = "bought"
        trigger = "LineConfirmed"
        amount = 'double(line.price.amount) / 10.0'
        {definition}
        "#
    ));
    desk.member(MemberEnrolled, "kari");
    desk.member(MemberEnrolled, "ola");
    desk
}

const ROLLING: &str = r#"
    period = { kind = "ROLLING_FROM_FIRST", length = "P30D" }
    expiry = { kind = "PERIOD_END" }
"#;

fn registered(desk: &mut Desk, order: &str) -> Transaction {
    let granted = desk.register(order, "kari", NOW).unwrap();
    granted[0].transactions[0].clone()
}

#[test]
fn a_registered_purchase_joins_the_period_that_an_earlier_one_opened() {
    let mut desk = desk(ROLLING);
    desk.sells("first", "2026-01-01T10:00:00Z");
    desk.sells("tenth", "2026-01-10T10:00:00Z");

    let first = registered(&mut desk, "first");
    let tenth = registered(&mut desk, "tenth");

    assert_eq!(first.point_period_id, tenth.point_period_id);
    assert_eq!(tenth.expire_at, Some(time("2026-01-31T10:00:00Z")));
}

#[test]
fn where_the_later_purchase_was_registered_first_the_earlier_one_does_not_move_it() {
    let mut desk = desk(ROLLING);
    desk.sells("first", "2026-01-01T10:00:00Z");
    desk.sells("tenth", "2026-01-10T10:00:00Z");

    // Given a period from the 10th
    let tenth = registered(&mut desk, "tenth");
    // When the purchase of the 1st is registered
    let first = registered(&mut desk, "first");

    // Then it opens a period of its own, and that of the 10th is as it was
    assert_ne!(first.point_period_id, tenth.point_period_id);
    assert_eq!(first.expire_at, Some(time("2026-01-31T10:00:00Z")));
    assert_eq!(tenth.expire_at, Some(time("2026-02-09T10:00:00Z")));
    assert_eq!(desk.transactions("tenth"), std::slice::from_ref(&tenth));

    // And points that fall into both belong to the one that was opened first
    desk.sells("twelfth", "2026-01-12T10:00:00Z");
    let twelfth = registered(&mut desk, "twelfth");
    assert_eq!(twelfth.point_period_id, tenth.point_period_id);
}

#[test]
fn a_dry_run_gives_what_the_registration_gives_but_for_ids_that_there_are_not_yet() {
    let mut desk = desk(&format!(
        "{ROLLING}\ncap = {{ amount = 50, per = \"PERIOD\" }}"
    ));
    desk.sells("a", "2026-01-01T10:00:00Z");
    desk.sells("b", "2026-01-02T10:00:00Z");
    for (order, period_is_known) in [("a", false), ("b", true)] {
        let dry = desk.dry_run(order, "kari", NOW).unwrap().granted;
        let real = desk.register(order, "kari", NOW).unwrap();
        let (dry, real) = (&dry[0], &real[0]);
        assert_eq!(dry.amount, real.amount);
        let (before, after) = (&dry.transactions[0], &real.transactions[0]);
        assert_eq!(before.id, None);
        assert_eq!(before.expire_at, after.expire_at);
        assert!(after.point_period_id.is_some());
        if period_is_known {
            assert_eq!(before.point_period_id, after.point_period_id);
        } else {
            assert_eq!(before.point_period_id, None);
        }
    }
}

#[test]
fn the_cap_cuts_a_registration_and_then_refuses_it() {
    let mut desk = desk(r#"cap = { amount = 50, per = "MEMBER" }"#);
    for order in ["a", "b", "c"] {
        desk.sells(order, "2026-01-01T10:00:00Z");
    }
    assert_eq!(registered(&mut desk, "a").amount, Decimal::from(39));
    let cut = registered(&mut desk, "b");
    assert_eq!(cut.amount, Decimal::from(11));
    assert_eq!(
        desk.refusal("c", "kari", NOW),
        [(R::CapReached, Some("bought".to_owned()))]
    );

    // The same registration again is unchanged, and another customer has room of their own
    let again = desk.dry_run("b", "kari", NOW).unwrap();
    assert!(again.event.is_none());
    assert_eq!(again.granted[0].transactions, [cut]);
    let of_ola = desk.register("c", "ola", NOW).unwrap();
    assert_eq!(of_ola[0].amount, Decimal::from(39));
}

#[test]
fn a_revoked_registration_gives_its_room_back_to_later_triggers_only() {
    let mut desk = desk(r#"cap = { amount = 50, per = "MEMBER" }"#);
    for order in ["a", "b", "c"] {
        desk.sells(order, "2026-01-01T10:00:00Z");
    }
    registered(&mut desk, "a");
    registered(&mut desk, "b");

    assert!(desk.revoke("a", NOW).unwrap());

    assert_eq!(desk.transactions("b").len(), 1, "what was cut stays so");
    assert_eq!(registered(&mut desk, "c").amount, Decimal::from(39));
}

#[test]
fn a_definition_that_the_cap_refused_stays_refused_and_others_give() {
    let mut desk = desk(
        r#"
        cap = { amount = 39, per = "MEMBER" }
        [[pointDefinitions]]
        id = 12
        reference = "always"
        trigger = "LineConfirmed"
        amount = '1'
        "#,
    );
    desk.sells("a", "2026-01-01T10:00:00Z");
    desk.sells("b", "2026-01-01T10:00:00Z");
    registered(&mut desk, "a");
    let granted = desk.register("b", "kari", NOW).unwrap();
    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].point_definition_id.get(), 12);

    // When room is freed, the refused definition of the registered line gives nothing for all that
    desk.revoke("a", NOW).unwrap();
    let refund = json!({"refund": {"amount": "1.00", "currency": "NOK"}});
    desk.on_line(OrderLineRefunded, "b", NOW, &refund);
    let definitions: Vec<i64> = desk
        .transactions("b")
        .iter()
        .map(|it| it.point_definition_id.get())
        .collect();
    assert!(definitions.iter().all(|id| *id == 12), "{definitions:?}");
}

#[test]
fn points_whose_period_is_over_by_now_are_expired_also_where_they_went_to_another() {
    let mut desk = desk(
        r#"
        period = { kind = "CALENDAR_MONTH" }
        expiry = { kind = "PERIOD_END" }
        "#,
    );
    desk.sells("a", "2025-12-01T10:00:00Z");
    assert_eq!(
        desk.refusal("a", "kari", NOW),
        [(R::Expired, Some("bought".to_owned()))]
    );

    desk.opens("b", "2025-12-01T10:00:00Z");
    desk.event(
        OrderCreated,
        "2025-12-01T10:00:01Z",
        &json!({"orderId": "b", "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "ola"}),
    );
    let round = json!({"orderId": "b", "orderVersion": 1});
    desk.event(OrderConfirmed, "2025-12-01T10:00:02Z", &round);
    assert_eq!(
        desk.refusal("b", "kari", NOW),
        [R::AlreadyEarned, R::Expired].map(|code| (code, Some("bought".to_owned())))
    );
}

#[test]
fn what_was_cut_to_nothing_without_registration_is_full_for_the_same_customer_and_free_for_another()
{
    let mut desk = desk(r#"cap = { amount = 39, per = "MEMBER" }"#);
    for order in ["a", "b"] {
        desk.opens(order, "2026-01-01T10:00:00Z");
        desk.event(
            OrderCreated,
            "2026-01-01T10:00:01Z",
            &json!({"orderId": order, "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "ola"}),
        );
        let round = json!({"orderId": order, "orderVersion": 1});
        desk.event(OrderConfirmed, "2026-01-01T10:00:02Z", &round);
    }
    assert_eq!(desk.transactions("b"), []);
    assert_eq!(
        desk.refusal("b", "ola", NOW),
        [(R::CapReached, Some("bought".to_owned()))]
    );
    assert_eq!(registered(&mut desk, "b").amount, Decimal::from(39));
}
