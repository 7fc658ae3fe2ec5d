//! Rule 9: periods are per member, definition and key.

use std::collections::BTreeSet;

use farelog_events::event::EventKind::{OrderConfirmed, OrderLineChanged};
use farelog_events::id::EFFECTS_PER_RECORD_MAX;
use serde_json::json;

use crate::common::{Story, line, time};
use crate::stage::{a_point_per_krone, buys, cancel, live, program, refund};

const ROLLING: &str = r#"
    period = { kind = "ROLLING_FROM_FIRST", length = "P30D" }
    expiry = { kind = "PERIOD_END" }
"#;

fn period(story: &Story, order: &str) -> i64 {
    live(story, order).unwrap().point_period_id.unwrap()
}

fn ends(story: &Story, order: &str) -> String {
    let end = live(story, order).unwrap().expire_at.unwrap();
    end.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[test]
fn the_first_points_open_a_rolling_period_and_the_first_after_its_end_the_next() {
    let (mut story, ..) = a_point_per_krone(ROLLING);

    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-01-31T08:59:59Z");
    buys(&mut story, "c", "kari", "10.00", "2026-01-31T09:00:00Z");

    assert_eq!(period(&story, "a"), period(&story, "b"));
    assert_ne!(period(&story, "a"), period(&story, "c"));
    assert_eq!(ends(&story, "b"), "2026-01-31T09:00:00Z");
    assert_eq!(ends(&story, "c"), "2026-03-02T09:00:00Z");
}

#[test]
fn a_period_ends_at_the_same_time_of_day_across_a_clock_change() {
    let (mut story, ..) = a_point_per_krone(ROLLING);
    // Oslo goes to summer time on 29 March 2026, and back on 25 October.
    buys(&mut story, "a", "kari", "10.00", "2026-03-10T12:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-10-10T12:00:00Z");
    assert_eq!(ends(&story, "a"), "2026-04-09T11:00:00Z");
    assert_eq!(ends(&story, "b"), "2026-11-09T13:00:00Z");
}

#[test]
fn a_period_stays_when_its_opener_is_cancelled() {
    let (mut story, ..) = a_point_per_krone(ROLLING);
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    let opened = period(&story, "a");

    cancel(&mut story, "a", "2026-01-02T09:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-01-10T09:00:00Z");

    assert_eq!(period(&story, "b"), opened);
    assert_eq!(ends(&story, "b"), "2026-01-31T09:00:00Z");
}

#[test]
fn each_member_and_each_key_has_periods_of_its_own() {
    let (mut story, ..) = a_point_per_krone(
        r#"period = { kind = "ROLLING_FROM_FIRST", length = "P30D", key = '{"userType": line.userType}' }"#,
    );
    let at = "2026-01-01T09:00:00Z";
    buys(&mut story, "a", "kari", "10.00", at);
    buys(&mut story, "b", "ola", "10.00", at);
    let mut child = line("c", "1", "10.00");
    child["userType"] = "CHILD".into();
    story.buys("c", Some("kari"), &child, at);
    let mut nobody = line("d", "1", "10.00");
    nobody.as_object_mut().unwrap().remove("userType");
    story.buys("d", Some("kari"), &nobody, at);
    buys(&mut story, "e", "kari", "10.00", at);

    let periods: BTreeSet<i64> = ["a", "b", "c", "d"].map(|it| period(&story, it)).into();
    assert_eq!(periods.len(), 4);
    assert_eq!(period(&story, "e"), period(&story, "a"));
}

#[test]
fn calendar_months_and_years_are_those_of_valid_from_in_the_programs_time_zone() {
    let (mut story, ..) = a_point_per_krone(
        r#"
        period = { kind = "CALENDAR_MONTH" }
        expiry = { kind = "PERIOD_END" }
        "#,
    );
    // The first is still December in UTC.
    buys(&mut story, "a", "kari", "10.00", "2025-12-31T23:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-01-31T22:59:59Z");
    buys(&mut story, "c", "kari", "10.00", "2026-01-31T23:00:00Z");
    buys(&mut story, "d", "kari", "10.00", "2026-03-31T21:59:59Z");
    assert_eq!(period(&story, "a"), period(&story, "b"));
    assert_ne!(period(&story, "b"), period(&story, "c"));
    assert_eq!(ends(&story, "a"), "2026-01-31T23:00:00Z");
    assert_eq!(ends(&story, "d"), "2026-03-31T22:00:00Z");

    let (mut story, ..) = a_point_per_krone(
        r#"
        period = { kind = "CALENDAR_YEAR" }
        expiry = { kind = "PERIOD_END" }
        "#,
    );
    buys(&mut story, "a", "kari", "10.00", "2026-07-01T00:00:00Z");
    assert_eq!(ends(&story, "a"), "2026-12-31T23:00:00Z");
}

#[test]
fn the_order_of_opening_decides_where_periods_overlap() {
    let (mut story, ..) = a_point_per_krone(ROLLING);
    // Given a period from the 10th, and one from the 1st that was opened after it
    buys(&mut story, "a", "kari", "10.00", "2026-01-10T09:00:00Z");
    buys(&mut story, "b", "kari", "10.00", "2026-01-01T09:00:00Z");
    assert_ne!(period(&story, "a"), period(&story, "b"));

    // When points fall into both, they belong to the one that was opened first
    buys(&mut story, "c", "kari", "10.00", "2026-01-12T09:00:00Z");
    assert_eq!(period(&story, "c"), period(&story, "a"));
    // And those before it to the other
    buys(&mut story, "d", "kari", "10.00", "2026-01-05T09:00:00Z");
    assert_eq!(period(&story, "d"), period(&story, "b"));
}

#[test]
fn a_replacement_stays_in_its_period_even_when_its_key_changes() {
    let (mut story, ..) = a_point_per_krone(
        r#"
        period = { kind = "ROLLING_FROM_FIRST", length = "P30D", key = 'line.userType' }
        expiry = { kind = "PERIOD_END" }
        "#,
    );
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    let first = live(&story, "a").unwrap();

    // When it is refunded in part after the period's end, and changed to another key
    refund(&mut story, "a", "5.00", "2026-02-10T09:00:00Z");
    let second = live(&story, "a").unwrap();
    let mut changed = line("a", "1", "20.00");
    changed["userType"] = "CHILD".into();
    changed["orderVersion"] = 2.into();
    changed["orderLineVersion"] = 2.into();
    story.event(OrderLineChanged, "2026-02-11T09:00:00Z", changed);
    let round = json!({"orderId": "a", "orderVersion": 2});
    story.event(OrderConfirmed, "2026-02-11T09:00:00Z", round);
    let third = live(&story, "a").unwrap();

    // Then period and expiry are those of the first, and it never counts any more
    for later in [second, third] {
        assert_eq!(later.point_period_id, first.point_period_id);
        assert_eq!(later.expire_at, first.expire_at);
        assert!(!later.counts_at(later.valid_from));
    }
}

#[test]
fn a_line_that_comes_back_to_a_member_comes_back_to_its_period() {
    let (mut story, kari, ola) = a_point_per_krone(ROLLING);
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    let of_kari = period(&story, "a");
    let change = |story: &mut Story, version: u32, who: &str, at: &str| {
        let mut changed = line("a", "1", "10.00");
        changed["customerId"] = who.into();
        changed["orderVersion"] = version.into();
        changed["orderLineVersion"] = version.into();
        story.event(OrderLineChanged, at, changed);
        let round = json!({"orderId": "a", "orderVersion": version});
        story.event(OrderConfirmed, at, round);
    };

    change(&mut story, 2, "ola", "2026-01-05T09:00:00Z");
    // Then ola's period begins when the points become ola's
    assert_eq!(live(&story, "a").unwrap().member_id, ola);
    assert_ne!(period(&story, "a"), of_kari);
    assert_eq!(ends(&story, "a"), "2026-02-04T09:00:00Z");

    change(&mut story, 3, "kari", "2026-01-06T09:00:00Z");
    assert_eq!(live(&story, "a").unwrap().member_id, kari);
    assert_eq!(period(&story, "a"), of_kari);
    assert_eq!(ends(&story, "a"), "2026-01-31T09:00:00Z");
}

#[test]
fn a_new_version_goes_on_with_the_periods_that_were_opened() {
    let (mut story, ..) = a_point_per_krone(ROLLING);
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    // When the length changes to sixty days, or the kind to calendar months
    story.program(&program(&ROLLING.replace("P30D", "P60D")));
    buys(&mut story, "b", "kari", "10.00", "2026-01-10T09:00:00Z");
    assert_eq!(period(&story, "b"), period(&story, "a"));
    assert_eq!(ends(&story, "b"), "2026-01-31T09:00:00Z");

    story.program(&program(r#"period = { kind = "CALENDAR_MONTH" }"#));
    buys(&mut story, "c", "kari", "10.00", "2026-01-10T09:00:00Z");
    assert_ne!(period(&story, "c"), period(&story, "a"));
}

#[test]
fn the_ids_of_periods_and_transactions_are_made_of_their_record_and_differ() {
    let (mut story, ..) = a_point_per_krone(ROLLING);
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    let transaction = live(&story, "a").unwrap();
    let position = i64::try_from(story.position).unwrap();
    let base = position * i64::from(EFFECTS_PER_RECORD_MAX);
    let mut ids = [
        transaction.point_period_id.unwrap(),
        transaction.id.unwrap().get(),
    ];
    ids.sort_unstable();
    assert_eq!(ids, [base, base + 1]);
}

#[test]
fn more_periods_and_points_than_one_record_can_open_wait_for_the_orders_next_event() {
    // Given an order of 2,050 lines, each with a period of its own
    let (mut story, ..) =
        a_point_per_krone(r#"period = { kind = "CALENDAR_MONTH", key = 'line.orderLineId' }"#);
    let at = "2026-01-01T09:00:00Z";
    for number in 0..2_050 {
        let mut line = line("a", &format!("{number}"), "10.00");
        line["customerId"] = "kari".into();
        story.event(farelog_events::event::EventKind::OrderLineAdded, at, line);
    }
    story.event(
        OrderConfirmed,
        at,
        json!({"orderId": "a", "orderVersion": 1}),
    );
    assert_eq!(story.transactions("a").len(), 2_048);

    // When the order's next event comes
    cancel(&mut story, "a", "2026-01-02T09:00:00Z");
    let all = story.transactions("a");
    assert_eq!(all.len(), 2_050);
    let mut ids: Vec<i64> = all
        .iter()
        .flat_map(|it| [it.id.unwrap().get(), it.point_period_id.unwrap()])
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4_100);
    assert_eq!(all[0].valid_from, time(at));
}
