//! Rule 4: what the ticket systems say, in whatever order it comes.

use serde_json::{Value, json};

use crate::distribution::Distribute;
use crate::distribution::fold::{IgnoredReason, Outcome};
use crate::distribution::status::{DistributionStatus, Move, Step};
use crate::distribution::summary::summary;
use crate::distribution::testing::{
    History, LINE, ORDER, created, line, line_cancelled, order, round,
};

fn summary_of(history: &History) -> Value {
    serde_json::to_value(summary(&order(), &history.groups)).unwrap()
}

#[test]
fn the_ticket_system_brings_its_names_and_they_make_the_summary() {
    let mut history = History::distributed_with(&["Single", "Zone", "Train"]);
    assert_eq!(
        summary_of(&history),
        json!({"orderId": ORDER, "distributions": []})
    );

    let both = json!({"fareContractRef": "contract", "customerAccountRef": "account"});
    history.ticket_system("TicketDistributionAdded", 0, &both);
    history.ticket_system("TicketDistributionAdded", 1, &both);
    history.ticket_system(
        "TicketDistributionAdded",
        2,
        &json!({"fareContractRef": "other"}),
    );

    assert_eq!(
        history.tickets(),
        [
            "Single DISTRIBUTED",
            "Zone DISTRIBUTED",
            "Train DISTRIBUTED"
        ]
    );
    assert_eq!(
        summary_of(&history),
        json!({"orderId": ORDER, "distributions": [
            {"fareContractRef": "contract", "customerAccountRef": "account"},
            {"fareContractRef": "other", "customerAccountRef": null},
        ]})
    );
}

#[test]
fn a_fare_contract_outlives_its_ticket_in_the_summary() {
    let mut history = History::distributed_with(&["Single"]);
    let added = json!({"fareContractRef": "contract"});
    history.ticket_system("TicketDistributionAdded", 0, &added);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    let rows = json!([{"fareContractRef": "contract", "customerAccountRef": null}]);
    assert_eq!(summary_of(&history)["distributions"], rows);
}

#[test]
fn an_account_without_a_ticket_leaves_the_summary_with_its_line() {
    let mut history = History::created();
    let mut data = line(LINE, 1, 1, &["Single"]);
    data["distributionDetails"] = json!({"customerAccountRef": "account"});
    history.tell("OrderLineAdded", data);
    history.tell("OrderConfirmed", round(1));
    history.generate();
    let rows = json!([{"fareContractRef": null, "customerAccountRef": "account"}]);
    assert_eq!(summary_of(&history)["distributions"], rows);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    assert_eq!(summary_of(&history)["distributions"], json!([]));
}

#[test]
fn a_repeat_changes_nothing() {
    let mut history = History::distributed_with(&["Single"]);
    let added = json!({"fareContractRef": "contract"});
    history.ticket_system("TicketDistributionAdded", 0, &added);
    let groups = history.groups.clone();
    let outcome = history.ticket_system("TicketDistributionAdded", 0, &added);
    assert_eq!(outcome, Outcome::default());
    assert_eq!(history.groups, groups);
}

#[test]
fn an_activation_may_come_before_the_ticket_system_has_said_that_it_has_the_ticket() {
    let mut history = History::distributed_with(&["Single"]);
    history.activated();
    let added = json!({"fareContractRef": "contract", "status": "DISTRIBUTED"});
    let outcome = history.ticket_system("TicketDistributionAdded", 0, &added);
    assert_eq!(outcome.ignored, None);
    assert_eq!(history.tickets(), ["Single ACTIVATED"]);
    assert_eq!(
        history.ticket(0).fare_contract_ref.as_deref(),
        Some("contract")
    );
}

#[test]
fn an_activation_is_of_a_ticket_that_was_sent_if_any_was() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    history.ticket_system("TicketDistributionFailed", 1, &json!({}));
    history.activated();
    assert_eq!(history.tickets(), ["Single ACTIVATED", "Zone FAILED"]);

    // The activation of the ticket that was superseded comes late.
    let mut history = History::distributed_with(&["Single"]);
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line(LINE, 2, 2, &["Train"]));
    history.tell("OrderConfirmed", round(2));
    history.generate();
    let outcome = history.activated();
    assert_eq!(history.tickets(), ["Single CANCELLED", "Train GENERATED"]);
    let ignored = outcome.ignored.unwrap();
    assert_eq!(ignored.by, Move::LineActivated);
    assert_eq!(ignored.reason, IgnoredReason::StatusDoesNotFit);
}

#[test]
fn a_ticket_that_went_another_way_is_in_use_without_having_been_sent() {
    let mut history = History::generated_with(&["Single"]);
    assert_eq!(history.activated().ignored, None);
    assert_eq!(history.tickets(), ["Single ACTIVATED"]);
    assert!(!history.distribute(Distribute::default()));
}

/// An order with one ticket that has come so far.
fn at(status: DistributionStatus) -> History {
    use DistributionStatus as S;
    let mut history = match status {
        S::Generated => History::generated_with(&["Single"]),
        _ => History::distributed_with(&["Single"]),
    };
    let nothing = json!({});
    match status {
        S::Generated | S::Requested => {}
        S::Distributed => drop(history.ticket_system("TicketDistributionAdded", 0, &nothing)),
        S::Activated => drop(history.ticket_activated(0)),
        S::Failed => drop(history.ticket_system("TicketDistributionFailed", 0, &nothing)),
        S::Cancelled => drop(history.tell("OrderLineCancelled", line_cancelled(LINE))),
        S::CancelledExternally => {
            history.ticket_system("TicketDistributionCancelledExternally", 0, &nothing);
        }
    }
    assert_eq!(history.statuses(), [status]);
    history
}

#[test]
fn every_event_does_to_every_status_what_the_table_says_and_is_kept_where_it_does_not_fit() {
    let events = [
        ("TicketDistributionAdded", json!({}), Move::Added),
        (
            "TicketDistributionAdded",
            json!({"status": "ACTIVATED"}),
            Move::AddedInUse,
        ),
        (
            "TicketActivated",
            json!({"activatedAt": "2026-03-01T12:00:00Z"}),
            Move::AddedInUse,
        ),
        (
            "TicketActivated",
            json!({"activatedAt": "2026-03-01T12:00:00Z", "ticketDistributionId": null}),
            Move::LineActivated,
        ),
        ("TicketDistributionFailed", json!({}), Move::Failed),
        ("TicketDistributionCancelled", json!({}), Move::Cancelled),
        (
            "TicketDistributionCancelledExternally",
            json!({}),
            Move::CancelledExternally,
        ),
    ];
    for status in DistributionStatus::ALL {
        for (kind, data, by) in &events {
            let mut history = at(status);
            let outcome = history.ticket_system(kind, 0, data);
            let (expected, fits) = match status.after(*by) {
                Step::To(next) => (next, true),
                Step::Stays => (status, true),
                Step::Misfit => (status, false),
            };
            assert_eq!(
                history.statuses(),
                [expected],
                "{status}, then {kind} {data}"
            );
            assert_eq!(outcome.facts, [], "{status}, then {kind} {data}");
            match outcome.ignored {
                None => assert!(fits, "{status}, then {kind} {data}"),
                Some(ignored) => {
                    assert!(!fits, "{status}, then {kind} {data}");
                    assert_eq!(ignored.by, *by);
                    assert_eq!(ignored.reason, IgnoredReason::StatusDoesNotFit);
                    let named = *by != Move::LineActivated;
                    assert_eq!(ignored.status, named.then_some(status));
                }
            }
        }
    }
}

#[test]
fn an_activation_that_names_its_ticket_is_of_that_one() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    assert_eq!(history.ticket_activated(1).ignored, None);
    assert_eq!(history.tickets(), ["Single REQUESTED", "Zone ACTIVATED"]);

    // The ticket that was superseded was in use, and the one in its place is not.
    let mut history = History::distributed_with(&["Single"]);
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line(LINE, 2, 2, &["Train"]));
    history.tell("OrderConfirmed", round(2));
    history.generate();
    history.distribute(Distribute::default());
    let ignored = history.ticket_activated(0).ignored.unwrap();
    assert_eq!(ignored.status, Some(DistributionStatus::Cancelled));
    assert_eq!(history.tickets(), ["Single CANCELLED", "Train REQUESTED"]);

    // No group has such a ticket.
    let outcome = History::confirmed().tell(
        "TicketActivated",
        json!({"orderId": ORDER, "orderLineId": LINE, "ticketDistributionId": 7,
            "activatedAt": "2026-03-01T12:00:00Z"}),
    );
    assert_eq!(
        outcome.ignored.unwrap().reason,
        IgnoredReason::UnknownTicket
    );
}

#[test]
fn a_ticket_that_is_in_use_though_it_was_never_sent_is_cancelled_there_once_it_is_known() {
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderLineCancelled", line_cancelled(LINE));
    let outcome = history.ticket_activated(0);
    assert_eq!(outcome.facts.len(), 1);
    assert_eq!(outcome.facts[0].name(), "TicketCancelled");
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    assert_eq!(history.ticket_activated(0).facts, []);
}

#[test]
fn what_does_not_fit_is_ignored_and_said() {
    let mut history = History::distributed_with(&["Single"]);
    history.ticket_system("TicketDistributionAdded", 0, &json!({}));
    let failed = history.ticket_system("TicketDistributionFailed", 0, &json!({}));
    let ignored = failed.ignored.unwrap();
    assert_eq!(ignored.reason, IgnoredReason::StatusDoesNotFit);
    assert_eq!(ignored.ticket_distribution_id, Some(history.ticket(0).id));
    assert_eq!(history.tickets(), ["Single DISTRIBUTED"]);

    let mut unknown = json!({"orderId": ORDER, "orderLineId": LINE, "ticketDistributionId": 1});
    let outcome = history.tell("TicketDistributionAdded", unknown.clone());
    assert_eq!(
        outcome.ignored.unwrap().reason,
        IgnoredReason::UnknownTicket
    );

    // Line and ticket contradict each other.
    unknown["ticketDistributionId"] = json!(history.ticket(0).id);
    unknown["orderLineId"] = json!("L2");
    let outcome = history.tell("TicketDistributionCancelled", unknown);
    assert_eq!(
        outcome.ignored.unwrap().reason,
        IgnoredReason::UnknownTicket
    );
    assert_eq!(history.tickets(), ["Single DISTRIBUTED"]);
}

#[test]
fn an_activation_in_an_order_without_groups_is_nothing_to_mention() {
    assert_eq!(History::confirmed().activated().ignored, None);
}
