//! Rule 6, for definitions with a period or a cap: only member and amount are compared.

use farelog_events::event::EventKind::{OrderConfirmed, OrderLineChanged};
use serde_json::json;

use crate::common::{line, time};
use crate::stage::{a_point_per_krone, buys, cancel, live, refund};

const WITH_A_DEPARTURE: &str = r"
    validFrom = 'has(line.travel.departureTime) ? line.travel.departureTime : trigger.time'
";

#[test]
fn a_change_of_valid_from_alone_replaces_only_where_there_is_neither_period_nor_cap() {
    for (definition, rows) in [
        ("", 2),
        (r#"period = { kind = "CALENDAR_MONTH" }"#, 1),
        (r#"cap = { amount = 1000, per = "DAY" }"#, 1),
    ] {
        let (mut story, ..) = a_point_per_krone(&format!("{WITH_A_DEPARTURE}\n{definition}"));
        buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
        let mut changed = line("a", "1", "10.00");
        changed["travel"] = json!({"departureTime": "2026-02-01T09:00:00Z"});
        changed["orderVersion"] = 2.into();
        changed["orderLineVersion"] = 2.into();
        story.event(OrderLineChanged, "2026-01-02T09:00:00Z", changed);
        let round = json!({"orderId": "a", "orderVersion": 2});
        story.event(OrderConfirmed, "2026-01-02T09:00:00Z", round);
        assert_eq!(story.transactions("a").len(), rows, "{definition}");
    }
}

#[test]
fn what_replaces_names_what_it_replaces_and_begins_when_that_ends() {
    let (mut story, ..) = a_point_per_krone(r#"period = { kind = "CALENDAR_YEAR" }"#);
    buys(&mut story, "a", "kari", "10.00", "2026-01-01T09:00:00Z");
    refund(&mut story, "a", "5.00", "2026-01-20T09:00:00Z");
    let rows = story.transactions("a");
    assert_eq!(rows[0].cancelled_at, Some(time("2026-01-20T09:00:00Z")));
    assert_eq!(rows[1].valid_from, time("2026-01-20T09:00:00Z"));
    assert_eq!(rows[1].metadata.replaces, rows[0].id);

    cancel(&mut story, "a", "2026-01-21T09:00:00Z");
    assert_eq!(live(&story, "a"), None);
}
