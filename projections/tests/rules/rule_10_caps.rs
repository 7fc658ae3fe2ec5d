//! Rule 10: a cap counts the member's transactions of a definition that are not cancelled.

use farelog_events::event::EventKind::{OrderConfirmed, OrderLineAdded, OrderLineChanged};
use rust_decimal::Decimal;
use serde_json::json;

use crate::common::{Story, line};
use crate::stage::{a_point_per_krone, buys, cancel, live, points, points_of, program, refund};

const PER_MEMBER: &str = r#"cap = { amount = 100, per = "MEMBER" }"#;

fn changes(story: &mut Story, order: &str, version: u32, who: &str, price: &str, at: &str) {
    let mut changed = line(order, "1", price);
    changed["customerId"] = who.into();
    changed["orderVersion"] = version.into();
    changed["orderLineVersion"] = version.into();
    story.event(OrderLineChanged, at, changed);
    let round = json!({"orderId": order, "orderVersion": version});
    story.event(OrderConfirmed, at, round);
}

#[test]
fn what_would_pass_the_cap_is_cut_to_the_room_and_beyond_it_nothing_is_given() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    for (order, who) in [("a", "kari"), ("b", "kari"), ("c", "kari"), ("d", "ola")] {
        buys(&mut story, order, who, "60.00", "2026-01-01T09:00:00Z");
    }
    assert_eq!(points_of(&story), [60, 40, 0, 60]);
    assert_eq!(story.transactions("c"), []);
}

#[test]
fn the_room_is_not_rounded() {
    let (mut story, ..) = a_point_per_krone(r#"cap = { amount = 7.5, per = "MEMBER" }"#);
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    assert_eq!(points(&story, "a"), Decimal::new(75, 1));
}

#[test]
fn expired_points_count_and_pending_ones_too() {
    let (mut story, ..) = a_point_per_krone(
        r#"
        cap = { amount = 100, per = "MEMBER" }
        expiry = { kind = "DURATION", after = "P1D" }
        validFrom = 'trigger.time + duration("240h")'
        "#,
    );
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "60.00", "2026-03-01T09:00:00Z");
    assert_eq!(points_of(&story), [60, 40]);
}

#[test]
fn each_scope_is_counted_on_its_own() {
    let at = [
        "2026-01-01T09:00:00Z",
        "2026-01-01T22:59:59Z",
        "2026-01-01T23:00:00Z",
    ];
    let three = |cap: &str| {
        let (mut story, ..) = a_point_per_krone(cap);
        for (order, at) in ["a", "b", "c"].into_iter().zip(at) {
            buys(&mut story, order, "kari", "60.00", at);
        }
        points_of::<3>(&story)
    };
    // The third is on the next day in Oslo.
    assert_eq!(
        three(r#"cap = { amount = 100, per = "DAY" }"#),
        [60, 40, 60]
    );
    assert_eq!(
        three(r#"cap = { amount = 100, per = "ORDER" }"#),
        [60, 60, 60]
    );
    let per_period = r#"
        cap = { amount = 100, per = "PERIOD" }
        period = { kind = "CALENDAR_MONTH" }
    "#;
    assert_eq!(three(per_period), [60, 40, 0]);

    // Two lines of one order
    let (mut story, ..) = a_point_per_krone(r#"cap = { amount = 100, per = "ORDER" }"#);
    for id in ["1", "2"] {
        let mut line = line("a", id, "60.00");
        line["customerId"] = "kari".into();
        story.event(OrderLineAdded, at[0], line);
    }
    story.event(
        OrderConfirmed,
        at[0],
        json!({"orderId": "a", "orderVersion": 1}),
    );
    let amounts: Vec<_> = story.transactions("a").iter().map(|it| it.amount).collect();
    assert_eq!(amounts, [60, 40].map(Decimal::from));
}

#[test]
fn room_that_is_freed_later_goes_to_later_triggers_only() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    for order in ["a", "b", "c"] {
        buys(&mut story, order, "kari", "60.00", "2026-01-01T09:00:00Z");
    }
    // When the first is refunded in part, and later events of the others come
    refund(&mut story, "a", "30.00", "2026-01-02T09:00:00Z");
    for order in ["b", "c"] {
        story.event(
            farelog_events::event::EventKind::PaymentTransactionCaptured,
            "2026-01-03T09:00:00Z",
            json!({"orderId": order, "paymentTransactionId": "p"}),
        );
    }
    // Then they stay as they were cut, and a new purchase gets the room
    assert_eq!(points_of(&story), [30, 40, 0]);
    buys(&mut story, "d", "kari", "60.00", "2026-01-04T09:00:00Z");
    assert_eq!(points_of(&story), [30, 40, 0, 30]);
}

#[test]
fn a_cut_amount_is_never_passed_again_not_even_a_cut_to_nothing() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    for order in ["a", "b", "c"] {
        buys(&mut story, order, "kari", "60.00", "2026-01-01T09:00:00Z");
    }
    cancel(&mut story, "a", "2026-01-02T09:00:00Z");
    changes(&mut story, "b", 2, "kari", "90.00", "2026-01-03T09:00:00Z");
    changes(&mut story, "c", 2, "kari", "90.00", "2026-01-03T09:00:00Z");
    assert_eq!(points_of(&story), [0, 40, 0]);
    assert_eq!(
        story.transactions("b").len(),
        1,
        "what comes out the same stays"
    );

    // Less than was cut is less; more is the cut amount again
    changes(&mut story, "b", 3, "kari", "25.00", "2026-01-04T09:00:00Z");
    assert_eq!(points(&story, "b"), Decimal::from(25));
    changes(&mut story, "b", 4, "kari", "70.00", "2026-01-05T09:00:00Z");
    assert_eq!(points(&story, "b"), Decimal::from(40));
}

#[test]
fn a_replacement_has_the_room_with_its_old_amount_added_back() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "30.00", "2026-01-01T09:00:00Z");
    changes(&mut story, "a", 2, "kari", "90.00", "2026-01-02T09:00:00Z");
    assert_eq!(points_of(&story), [70, 30]);
}

#[test]
fn lines_of_one_step_are_settled_in_the_order_of_their_ids_after_all_of_them_were_cancelled() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    let at = "2026-01-01T09:00:00Z";
    let round = |story: &mut Story, version: u32, prices: [&str; 2]| {
        for (id, price) in ["1", "2"].into_iter().zip(prices) {
            let mut line = line("a", id, price);
            line["customerId"] = "kari".into();
            line["orderVersion"] = version.into();
            line["orderLineVersion"] = version.into();
            story.event(OrderLineAdded, at, line);
        }
        let round = json!({"orderId": "a", "orderVersion": version});
        story.event(OrderConfirmed, at, round);
    };
    let live = |story: &Story| -> Vec<Decimal> {
        let all = story.transactions("a");
        let live = all.iter().filter(|it| it.is_live());
        live.map(|it| it.amount).collect()
    };
    round(&mut story, 1, ["50.00", "50.00"]);
    assert_eq!(live(&story), [50, 50].map(Decimal::from));
    round(&mut story, 2, ["90.00", "40.00"]);
    assert_eq!(live(&story), [90, 10].map(Decimal::from));
}

#[test]
fn a_line_that_goes_to_another_member_is_cut_to_that_members_room() {
    let (mut story, kari, ola) = a_point_per_krone(PER_MEMBER);
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "60.00", "2026-01-01T09:00:00Z");
    assert_eq!(points_of(&story), [60, 40]);

    changes(&mut story, "b", 2, "ola", "60.00", "2026-01-02T09:00:00Z");
    let of_ola = live(&story, "b").unwrap();
    assert_eq!((of_ola.member_id, of_ola.amount), (ola, Decimal::from(60)));
    // Back again, what it was cut to the first time bounds it, whatever room there is
    changes(&mut story, "b", 3, "kari", "60.00", "2026-01-03T09:00:00Z");
    let of_kari = live(&story, "b").unwrap();
    assert_eq!(
        (of_kari.member_id, of_kari.amount),
        (kari, Decimal::from(40))
    );
}

#[test]
fn a_replacement_on_another_day_stays_on_the_day_that_it_was_counted_on() {
    let (mut story, ..) = a_point_per_krone(r#"cap = { amount = 100, per = "DAY" }"#);
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "100.00", "2026-01-05T09:00:00Z");
    // When the first is refunded in part on a day that is full
    refund(&mut story, "a", "30.00", "2026-01-05T12:00:00Z");
    assert_eq!(points_of(&story), [30, 100]);
    // Then it takes no room of that day, and gives back room of its own
    cancel(&mut story, "b", "2026-01-05T13:00:00Z");
    buys(&mut story, "c", "kari", "200.00", "2026-01-05T14:00:00Z");
    buys(&mut story, "d", "kari", "200.00", "2026-01-01T14:00:00Z");
    assert_eq!(points_of(&story), [30, 0, 100, 70]);
}

#[test]
fn a_cut_to_nothing_opens_no_period() {
    let (mut story, ..) = a_point_per_krone(
        r#"
        period = { kind = "ROLLING_FROM_FIRST", length = "P30D" }
        cap = { amount = 10, per = "MEMBER" }
        "#,
    );
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-03-01T09:00:00Z");
    assert_eq!(points_of(&story), [10, 0]);
    let opened: usize = story.accounts.periods.values().map(Vec::len).sum();
    assert_eq!(opened, 1);
}

#[test]
fn a_cap_that_comes_with_a_later_version_counts_what_was_given_before_it() {
    let (mut story, ..) = a_point_per_krone("");
    buys(&mut story, "a", "kari", "60.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "90.00", "2026-01-02T09:00:00Z");
    refund(&mut story, "b", "60.00", "2026-01-03T09:00:00Z");

    story.program(&program(PER_MEMBER));
    buys(&mut story, "c", "kari", "60.00", "2026-01-04T09:00:00Z");
    assert_eq!(points_of(&story), [60, 30, 10]);

    // And by day, on the day that each was first counted on
    story.program(&program(r#"cap = { amount = 100, per = "DAY" }"#));
    buys(&mut story, "d", "kari", "200.00", "2026-01-02T09:00:00Z");
    buys(&mut story, "e", "kari", "200.00", "2026-01-03T09:00:00Z");
    assert_eq!(points_of(&story), [60, 30, 10, 70, 100]);

    // What is cancelled of it later gives back its room
    cancel(&mut story, "b", "2026-01-05T09:00:00Z");
    buys(&mut story, "f", "kari", "200.00", "2026-01-02T09:00:00Z");
    assert_eq!(points(&story, "f"), Decimal::from(30));
}

#[test]
fn a_later_version_with_a_lower_cap_leaves_what_was_given() {
    let (mut story, ..) = a_point_per_krone(PER_MEMBER);
    buys(&mut story, "a", "kari", "90.00", "2026-01-01T09:00:00Z");
    story.program(&program(r#"cap = { amount = 50, per = "MEMBER" }"#));
    buys(&mut story, "b", "kari", "60.00", "2026-01-02T09:00:00Z");
    assert_eq!(points_of(&story), [90, 0]);
}
