//! Rule 2: tickets of lines that no longer stand are void without a call.

use serde_json::{Value, json};

use crate::distribution::decision::{self, Distribute};
use crate::distribution::fact::{CancellationCause, DistributionFact};
use crate::distribution::status::DistributionStatus;
use crate::distribution::testing::{
    History, LINE, ORDER, line, line_cancelled, minute, order, refund, round, with,
};

fn causes(history: &History) -> Vec<CancellationCause> {
    history
        .facts
        .iter()
        .filter_map(|fact| match fact {
            DistributionFact::TicketCancelled(fact) => Some(fact.cause),
            DistributionFact::TicketRequested(_) => None,
        })
        .collect()
}

#[test]
fn the_end_of_a_line_is_the_end_of_its_tickets() {
    let ends: [(&str, Value, CancellationCause); 3] = [
        (
            "OrderLineCancelled",
            line_cancelled(LINE),
            CancellationCause::OrderLineCancelled,
        ),
        (
            "OrderCancelled",
            round(1),
            CancellationCause::OrderCancelled,
        ),
        (
            "OrderLineRefunded",
            refund(LINE, "39.00", "NOK"),
            CancellationCause::OrderLineRefunded,
        ),
    ];
    for (kind, data, cause) in ends {
        let mut history = History::distributed_with(&["Single"]);
        history.tell(kind, data);

        assert_eq!(
            history.statuses(),
            [DistributionStatus::Cancelled],
            "{kind}"
        );
        assert_eq!(causes(&history), [cause]);
        let at = minute(history.events.len() as u64);
        assert_eq!(history.ticket(0).updated_at, at);
        assert_eq!(history.group().updated_at, at);
    }
}

#[test]
fn other_lines_keep_their_tickets() {
    let mut history = History::created();
    history.tell("OrderLineAdded", line("L1", 1, 1, &["Single"]));
    history.tell("OrderLineAdded", line("L2", 1, 1, &["Train"]));
    history.tell("OrderConfirmed", round(1));
    history.generate();
    history.tell("OrderLineCancelled", line_cancelled("L1"));
    assert_eq!(history.tickets(), ["Single CANCELLED", "Train GENERATED"]);
}

#[test]
fn only_what_was_sent_is_cancelled_at_the_ticket_system() {
    // Generated, failed, requested, distributed, activated, cancelled externally.
    let mut history = History::generated_with(&["A"]);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    assert_eq!(history.cancellations_sent(), []);

    let mut history = History::distributed_with(&["B", "C", "D", "E", "F"]);
    history.ticket_system("TicketDistributionFailed", 0, &json!({}));
    history.ticket_system("TicketDistributionAdded", 2, &json!({}));
    history.ticket_system(
        "TicketDistributionAdded",
        3,
        &json!({"status": "ACTIVATED"}),
    );
    history.ticket_system("TicketDistributionCancelledExternally", 4, &json!({}));
    history.tell("OrderLineCancelled", line_cancelled(LINE));

    assert_eq!(
        history.tickets(),
        [
            "B CANCELLED",
            "C CANCELLED",
            "D CANCELLED",
            "E CANCELLED",
            "F CANCELLED_EXTERNALLY"
        ]
    );
    let ids: Vec<_> = [1, 2, 3].map(|n| history.ticket(n).id).to_vec();
    assert_eq!(history.cancellations_sent(), ids);
}

#[test]
fn it_is_told_once() {
    let mut history = History::distributed_with(&["Single"]);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    let groups = history.groups.clone();
    history.tell("OrderLineRefunded", refund(LINE, "39.00", "NOK"));
    history.tell("OrderCancelled", round(1));
    assert_eq!(history.cancellations_sent().len(), 1);
    assert_eq!(history.groups, groups);
}

#[test]
fn refunds_add_up_and_count_in_the_currency_of_the_price() {
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderLineRefunded", refund(LINE, "38.99", "NOK"));
    history.tell("OrderLineRefunded", refund(LINE, "100.00", "EUR"));
    assert_eq!(history.tickets(), ["Single GENERATED"]);
    history.tell("OrderLineRefunded", refund(LINE, "0.01", "NOK"));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
}

#[test]
fn a_line_that_costs_nothing_is_not_refunded_until_a_refund_comes() {
    let mut history = History::created();
    let free = json!({"price": {"amount": "0", "currency": "NOK"}});
    history.tell("OrderLineAdded", with(line(LINE, 1, 1, &["Single"]), &free));
    history.tell("OrderConfirmed", round(1));
    history.generate();
    assert_eq!(history.tickets(), ["Single GENERATED"]);
    history.tell("OrderLineRefunded", refund(LINE, "0", "NOK"));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
}

#[test]
fn an_exchange_acts_when_its_round_is_confirmed() {
    let mut history = History::distributed_with(&["Single"]);
    history.tell("OrderLineAdded", line("L2", 2, 1, &["Train"]));
    history.tell(
        "OrderLinesReplaced",
        json!({"orderId": ORDER, "orderVersion": 2, "replacements": [
            {"originalOrderLineIds": [LINE], "replacedByOrderLineIds": ["L2"]}]}),
    );
    assert_eq!(history.tickets(), ["Single REQUESTED"]);
    history.tell("OrderConfirmed", round(2));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    assert_eq!(causes(&history), [CancellationCause::OrderLineReplaced]);
}

#[test]
fn a_reset_that_comes_late_can_take_a_confirmation_away() {
    let mut history = History::distributed_with(&["Single"]);
    let before_the_confirmation = json!({"time": "2026-01-01T00:02:30Z"});
    history.tell("OrderReset", with(round(1), &before_the_confirmation));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    assert_eq!(causes(&history), [CancellationCause::OrderLineNotConfirmed]);
}

#[test]
fn a_ticket_that_the_ticket_system_announces_after_its_end_is_cancelled_there() {
    // Never sent from here as far as the log knows, and the line is gone: no word goes out yet.
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    assert_eq!(history.cancellations_sent(), []);

    let added = json!({"fareContractRef": "contract"});
    let outcome = history.ticket_system("TicketDistributionAdded", 0, &added);
    assert_eq!(outcome.facts.len(), 1);
    let DistributionFact::TicketCancelled(fact) = &outcome.facts[0] else {
        panic!("no cancellation");
    };
    assert_eq!(fact.fare_contract_ref.as_deref(), Some("contract"));
    assert_eq!(fact.cause, CancellationCause::OrderLineCancelled);

    let repeat = history.ticket_system("TicketDistributionAdded", 0, &added);
    assert_eq!(repeat.facts, []);
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
}

#[test]
fn a_request_that_was_decided_before_the_end_sends_nothing_after_it() {
    let mut history = History::generated_with(&["Single"]);
    let decided = decision::distribute(
        &order(),
        Some(&history.state()),
        &history.groups,
        Distribute::default(),
    )
    .unwrap()
    .unwrap();
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    history.tell("TicketDistributionRequested", decided);
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    assert_eq!(history.facts, []);
}
