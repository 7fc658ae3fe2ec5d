//! Rule 1, second half: generating again after a change.

use serde_json::{Value, json};

use crate::distribution::Distribute;
use crate::distribution::fact::{CancellationCause, DistributionFact};
use crate::distribution::testing::{History, LINE, created, line, refund, round, with};

/// Opens round 2, changes line `L1` to these products and confirms it.
fn change(history: &mut History, products: &[&str]) {
    change_to(history, line(LINE, 2, 2, products));
}

fn change_to(history: &mut History, line: Value) {
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line);
    history.tell("OrderConfirmed", round(2));
}

#[test]
fn a_changed_line_keeps_its_group_and_the_tickets_that_are_the_same() {
    let mut history = History::generated_with(&["Single", "Zone"]);
    let before = history.group();
    change(&mut history, &["Zone", "Train"]);

    assert!(history.generate());

    let group = history.group();
    assert_eq!(group.id, before.id);
    assert_eq!(group.created_at, before.created_at);
    assert!(group.updated_at > before.updated_at);
    assert_eq!(group.order_version.get(), 2);
    assert_eq!(group.updated_for_order_line_version.get(), 2);
    assert_eq!(
        history.tickets(),
        ["Single CANCELLED", "Zone GENERATED", "Train GENERATED"]
    );
    assert_eq!(
        group.ticket_distributions[1],
        before.ticket_distributions[1]
    );
    assert!(!history.generate());
}

#[test]
fn a_change_that_is_not_confirmed_is_none() {
    let mut history = History::generated_with(&["Single"]);
    history.tell("OrderCreated", created(2));
    history.tell("OrderLineChanged", line(LINE, 2, 2, &["Train"]));
    assert!(!history.generate());
}

#[test]
fn a_new_version_with_the_same_products_only_moves_the_group_on() {
    let mut history = History::distributed_with(&["Single"]);
    let tickets = history.group().ticket_distributions;
    change(&mut history, &["Single"]);

    assert!(history.generate());
    assert_eq!(history.group().updated_for_order_line_version.get(), 2);
    assert_eq!(history.group().ticket_distributions, tickets);
    assert!(history.cancellations_sent().is_empty());
}

#[test]
fn another_validity_makes_another_ticket() {
    let mut history = History::generated_with(&["Single"]);
    let later =
        json!({"validity": {"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}});
    change_to(&mut history, with(line(LINE, 2, 2, &["Single"]), &later));
    history.generate();

    assert_eq!(history.tickets(), ["Single CANCELLED", "Single GENERATED"]);
    assert_eq!(
        history.ticket(1).start_of_validity,
        Some("2026-03-05T00:00:00Z".parse().unwrap())
    );
}

#[test]
fn a_ticket_that_was_sent_and_is_superseded_is_cancelled_at_the_ticket_system() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    history.ticket_system("TicketDistributionFailed", 1, &json!({}));
    let sent = history.ticket(0).id;
    change(&mut history, &["Train", "Bus"]);
    history.generate();

    assert_eq!(
        history.tickets(),
        [
            "Single CANCELLED",
            "Zone CANCELLED",
            "Train GENERATED",
            "Bus GENERATED"
        ]
    );
    // The one that failed is not there and needs no word.
    assert_eq!(history.cancellations_sent(), [sent]);
    let Some(DistributionFact::TicketCancelled(fact)) = history.facts.last() else {
        panic!("no cancellation");
    };
    assert_eq!(fact.cause, CancellationCause::OrderLineChanged);
}

#[test]
fn a_ticket_in_use_stays_and_stands_for_what_its_product_became() {
    let mut history = History::distributed_with(&["Single"]);
    history.activated();
    change(&mut history, &["Train"]);

    assert!(history.generate());
    assert_eq!(history.tickets(), ["Single ACTIVATED"]);
    assert!(!history.generate());

    // Even if it is void later: its product got no second ticket.
    history.ticket_system("TicketDistributionCancelledExternally", 0, &json!({}));
    assert!(!history.generate());

    // A product beside it gets one.
    change_to(&mut history, line(LINE, 3, 3, &["Train", "Bus"]));
    history.tell("OrderConfirmed", round(3));
    assert!(history.generate());
    assert_eq!(
        history.tickets(),
        ["Single CANCELLED_EXTERNALLY", "Bus GENERATED"]
    );
}

#[test]
fn a_ticket_in_use_whose_product_was_taken_away_does_not_stand_for_one_that_comes_later() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    history.activated();
    change(&mut history, &["Zone"]);
    history.generate();
    assert_eq!(history.tickets(), ["Single ACTIVATED", "Zone ACTIVATED"]);
    assert!(!history.generate());

    change_to(&mut history, line(LINE, 3, 3, &["Zone", "Train"]));
    history.tell("OrderConfirmed", round(3));
    history.generate();
    assert_eq!(
        history.tickets(),
        ["Single ACTIVATED", "Zone ACTIVATED", "Train GENERATED"]
    );
}

#[test]
fn where_products_become_fewer_the_ticket_in_use_is_the_one_that_stays() {
    let mut history = History::distributed_with(&["Single", "Single"]);
    history.ticket_system(
        "TicketDistributionAdded",
        1,
        &json!({"status": "ACTIVATED"}),
    );
    change(&mut history, &["Single"]);
    history.generate();
    assert_eq!(history.tickets(), ["Single CANCELLED", "Single ACTIVATED"]);
}

#[test]
fn a_changed_product_is_recognised_wherever_it_stands_on_the_line() {
    let mut history = History::distributed_with(&["Single", "Zone"]);
    history.ticket_system(
        "TicketDistributionAdded",
        0,
        &json!({"status": "ACTIVATED"}),
    );
    let later =
        json!({"validity": {"start": "2026-03-05T00:00:00Z", "end": "2026-03-06T00:00:00Z"}});
    change_to(
        &mut history,
        with(line(LINE, 2, 2, &["Zone", "Single"]), &later),
    );
    history.generate();
    assert_eq!(
        history.tickets(),
        ["Single ACTIVATED", "Zone CANCELLED", "Zone GENERATED"]
    );
}

#[test]
fn a_ticket_that_ended_at_the_ticket_system_is_replaced_only_by_a_change() {
    for (kind, status) in [
        (
            "TicketDistributionCancelledExternally",
            "CANCELLED_EXTERNALLY",
        ),
        ("TicketDistributionCancelled", "CANCELLED"),
        ("TicketDistributionFailed", "FAILED"),
    ] {
        let mut history = History::distributed_with(&["Single"]);
        history.ticket_system(kind, 0, &json!({}));
        assert_eq!(history.tickets(), [format!("Single {status}")]);
        assert!(!history.generate());

        change(&mut history, &["Train"]);
        history.generate();
        assert_eq!(
            history.tickets().last().unwrap(),
            "Train GENERATED",
            "{kind}"
        );
        assert_eq!(history.cancellations_sent(), [], "{kind}");
        assert!(history.ticket(0).status.is_ended());
    }
}

#[test]
fn a_line_that_moves_to_another_ticket_system_needs_its_tickets_there() {
    let mut history = History::distributed_with(&["Single"]);
    let account = json!({"distributionDetails": {
        "fulfillmentMethod": "ACCOUNT_BASED_TICKETING", "customerAccountRef": "account"}});
    change_to(&mut history, with(line(LINE, 2, 2, &["Single"]), &account));
    history.generate();
    history.distribute(Distribute::default());

    let subjects: Vec<_> = history
        .facts
        .iter()
        .map(DistributionFact::subject)
        .collect();
    assert_eq!(
        subjects,
        [
            "farelog.distributions.NOD.O1",
            "farelog.distributions.NOD.O1",
            "farelog.distributions.ACCOUNT_BASED_TICKETING.O1",
        ]
    );
    assert_eq!(history.tickets(), ["Single CANCELLED", "Single REQUESTED"]);
}

#[test]
fn a_ticket_that_is_still_to_be_sent_goes_to_the_account_of_the_line() {
    let account = |account: &str| json!({"distributionDetails": {"customerAccountRef": account}});
    let mut history = History::created();
    history.tell(
        "OrderLineAdded",
        with(line(LINE, 1, 1, &["Single"]), &account("old")),
    );
    history.tell("OrderConfirmed", round(1));
    history.generate();
    change_to(
        &mut history,
        with(line(LINE, 2, 2, &["Single"]), &account("new")),
    );
    assert!(history.generate());

    assert_eq!(history.tickets(), ["Single GENERATED"]);
    assert_eq!(
        history.ticket(0).customer_account_ref.as_deref(),
        Some("new")
    );

    // One that was sent is where it is.
    history.distribute(Distribute::default());
    change_to(
        &mut history,
        with(line(LINE, 3, 3, &["Single"]), &account("newer")),
    );
    history.tell("OrderConfirmed", round(3));
    assert!(history.generate());
    assert_eq!(
        history.ticket(0).customer_account_ref.as_deref(),
        Some("new")
    );
}

#[test]
fn a_line_that_stands_again_gets_new_tickets() {
    let mut history = History::distributed_with(&["Single"]);
    history.tell("OrderLineRefunded", refund(LINE, "39.00", "NOK"));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    assert!(!history.generate());

    let dearer = json!({"price": {"amount": "79.00", "currency": "NOK"}});
    change_to(&mut history, with(line(LINE, 2, 2, &["Single"]), &dearer));
    assert!(history.generate());
    assert_eq!(history.tickets(), ["Single CANCELLED", "Single GENERATED"]);
}

#[test]
fn a_line_that_stands_again_as_it_was_gets_new_tickets() {
    let mut history = History::generated_with(&["Single"]);
    let at = |time: &str| json!({"time": format!("2026-01-01T00:02:{time}Z")});
    history.tell("OrderReset", with(round(1), &at("30")));
    assert_eq!(history.tickets(), ["Single CANCELLED"]);
    // Added again after the reset and before the confirmation, and late as well.
    history.tell(
        "OrderLineAdded",
        with(line(LINE, 1, 1, &["Single"]), &at("40")),
    );

    assert!(history.generate());
    assert_eq!(history.tickets(), ["Single CANCELLED", "Single GENERATED"]);
    assert!(!history.generate());
}

#[test]
fn a_main_product_that_becomes_a_supplement_loses_its_ticket() {
    let mut history = History::distributed_with(&["Single", "Bicycle"]);
    let bicycle = history.ticket(1).id;
    let products = json!({"fareProducts": [
        {"id": "Single", "type": "SINGLE"}, {"id": "Bicycle", "type": "SUPPLEMENT", "main": false}]});
    change_to(&mut history, with(line(LINE, 2, 2, &[]), &products));
    history.generate();
    assert_eq!(history.tickets(), ["Single REQUESTED", "Bicycle CANCELLED"]);
    assert_eq!(history.cancellations_sent(), [bicycle]);
}

#[test]
fn a_ticket_that_is_sent_later_goes_to_the_new_holder_and_one_that_was_sent_is_not_sent_again() {
    let holder =
        |holder: &str| json!({"distributionDetails": {"distributionHolderCustomerId": holder}});
    let mut history = History::distributed_with(&["Single"]);
    change_to(
        &mut history,
        with(line(LINE, 2, 2, &["Single", "Zone"]), &holder("friend")),
    );
    history.generate();
    assert!(history.distribute(Distribute::default()));
    let asked: Vec<_> = history
        .facts
        .iter()
        .map(|fact| match fact {
            DistributionFact::TicketRequested(fact) => {
                let holder = fact.distribution_holder_customer_id.as_ref().unwrap();
                format!("{} for {holder}", fact.fare_product_id)
            }
            DistributionFact::TicketCancelled(fact) => panic!("{fact:?}"),
        })
        .collect();
    assert_eq!(asked, ["Single for owner", "Zone for friend"]);
}
