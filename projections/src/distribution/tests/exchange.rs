//! Rules 1 and 2: lines that take the place of others, and rounds that are dropped.

use serde_json::json;

use crate::distribution::Distribute;
use crate::distribution::status::DistributionStatus;
use crate::distribution::testing::{History, LINE, ORDER, created, line, round};

#[test]
fn lines_that_are_added_or_exchanged_get_groups_beside_the_old() {
    let mut history = History::distributed_with(&["Single"]);
    let old = history.group();
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineAdded", line("L2", 2, 1, &["Train"]));
    history.tell(
        "OrderLinesReplaced",
        json!({"orderId": ORDER, "orderVersion": 2, "replacements": [
            {"originalOrderLineIds": [LINE], "replacedByOrderLineIds": ["L2"]}]}),
    );
    history.tell("OrderConfirmed", round(2));
    assert_eq!(history.statuses(), [DistributionStatus::Cancelled]);

    assert!(history.generate());
    assert_eq!(history.tickets(), ["Single CANCELLED", "Train GENERATED"]);
    assert_eq!(history.views()[0].id, old.id);
    assert_eq!(history.views()[1].order_version.get(), 2);
    assert_eq!(
        history.cancellations_sent(),
        [old.ticket_distributions[0].id]
    );
}

#[test]
fn two_lines_are_exchanged_for_three() {
    let mut history = History::created();
    for id in ["L1", "L2", "L3"] {
        history.tell("OrderLineAdded", line(id, 1, 1, &[id]));
    }
    history.tell("OrderConfirmed", round(1));
    history.generate();
    history.distribute(Distribute::default());
    history.tell("OrderCreated", created(2));
    for id in ["N1", "N2", "N3"] {
        history.tell("OrderLineAdded", line(id, 2, 1, &[id]));
    }
    history.tell(
        "OrderLinesReplaced",
        json!({"orderId": ORDER, "orderVersion": 2, "replacements": [
            {"originalOrderLineIds": ["L1", "L3"], "replacedByOrderLineIds": ["N1", "N2", "N3"]}]}),
    );
    assert_eq!(history.cancellations_sent(), []);

    // One of those that take their place is confirmed, and both that go have gone.
    history.tell(
        "OrderPartiallyConfirmed",
        json!({"orderId": ORDER, "orderVersion": 2, "orderLineIds": ["N2"]}),
    );
    let gone = [history.ticket(0).id, history.ticket(2).id];
    assert_eq!(history.cancellations_sent(), gone);
    history.generate();
    assert_eq!(
        history.tickets(),
        [
            "L1 CANCELLED",
            "L2 REQUESTED",
            "L3 CANCELLED",
            "N2 GENERATED"
        ]
    );

    history.tell("OrderConfirmed", round(2));
    history.generate();
    assert!(history.distribute(Distribute::default()));
    assert_eq!(
        history.tickets()[3..],
        ["N2 REQUESTED", "N1 REQUESTED", "N3 REQUESTED"]
    );
    assert_eq!(history.cancellations_sent(), gone);
}

#[test]
fn a_round_that_is_reset_leaves_the_tickets_as_they_are() {
    let mut history = History::distributed_with(&["Single"]);
    let before = history.groups.clone();
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line(LINE, 2, 2, &["Train"]));
    history.tell("OrderLineAdded", line("L2", 2, 1, &["Bus"]));
    history.tell(
        "OrderLinesReplaced",
        json!({"orderId": ORDER, "orderVersion": 2, "replacements": [
            {"originalOrderLineIds": [LINE], "replacedByOrderLineIds": ["L2"]}]}),
    );
    history.tell("OrderReset", round(2));
    history.tell("OrderConfirmed", round(2));

    assert!(!history.generate());
    assert!(!history.distribute(Distribute::default()));
    assert_eq!(history.groups, before);
}
