//! What holds in every history of an order, whatever happens in it and in whatever order.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::distribution::decision::{Distribute, Reach};
use crate::distribution::fold::apply;
use crate::distribution::group::Groups;
use crate::distribution::retell;
use crate::distribution::status::DistributionStatus;
use crate::distribution::testing::{History, LINE, line, line_cancelled, refund, round};
use crate::order::OrderState;

#[derive(Debug, Clone)]
enum Happening {
    Ticket(&'static str, usize, Value),
    Activated,
    TicketActivated(usize),
    Generate,
    Distribute(Reach),
    LineChanged(&'static [&'static str]),
    ChangeDropped(&'static [&'static str]),
    LineCancelled,
    Refunded,
}

fn happening() -> impl Strategy<Value = Happening> {
    let ticket = |kind: &'static str, more: Value| {
        (0..3_usize).prop_map(move |n| Happening::Ticket(kind, n, more.clone()))
    };
    prop_oneof![
        4 => ticket("TicketDistributionAdded", json!({"fareContractRef": "contract"})),
        2 => ticket("TicketDistributionAdded", json!({"status": "ACTIVATED"})),
        2 => ticket("TicketDistributionFailed", json!({})),
        1 => ticket("TicketDistributionCancelled", json!({})),
        1 => ticket("TicketDistributionCancelledExternally", json!({})),
        2 => Just(Happening::Activated),
        2 => (0..3_usize).prop_map(Happening::TicketActivated),
        3 => Just(Happening::Generate),
        3 => Just(Happening::Distribute(Reach::All)),
        1 => Just(Happening::Distribute(Reach::FirstVersionNod)),
        2 => prop::sample::select(vec![&["A"][..], &["B"], &["A", "B"], &["B", "C"], &["A", "A"], &[]])
            .prop_map(Happening::LineChanged),
        1 => prop::sample::select(vec![&["C"][..], &["A", "B", "C"], &[]]).prop_map(Happening::ChangeDropped),
        1 => Just(Happening::LineCancelled),
        1 => Just(Happening::Refunded),
    ]
}

fn happen(history: &mut History, happening: &Happening) {
    match happening {
        Happening::Ticket(kind, n, more) => {
            let tickets = history.statuses().len();
            if tickets > 0 {
                history.ticket_system(kind, n % tickets, more);
            }
        }
        Happening::Activated => {
            history.activated();
        }
        Happening::TicketActivated(n) => {
            let tickets = history.statuses().len();
            if tickets > 0 {
                history.ticket_activated(n % tickets);
            }
        }
        Happening::Generate => {
            history.generate();
            assert!(!history.generate(), "generating again changes something");
        }
        Happening::Distribute(reach) => {
            let command = Distribute {
                reach: *reach,
                ..Distribute::default()
            };
            if history.try_distribute(command.clone()).is_ok() {
                assert!(
                    !history.distribute(command),
                    "distributing again sends something"
                );
            }
        }
        Happening::LineChanged(products) => {
            let version = u32::try_from(history.events.len()).unwrap();
            history.tell("OrderLineChanged", line(LINE, version, version, products));
            history.tell("OrderConfirmed", round(version));
        }
        Happening::ChangeDropped(products) => {
            let groups = history.groups.clone();
            let version = u32::try_from(history.events.len()).unwrap();
            history.tell("OrderLineChanged", line(LINE, version, version, products));
            history.tell("OrderReset", round(version));
            assert_eq!(
                history.groups, groups,
                "a change that was dropped changed something"
            );
        }
        Happening::LineCancelled => {
            history.tell("OrderLineCancelled", line_cancelled(LINE));
        }
        Happening::Refunded => {
            history.tell("OrderLineRefunded", refund(LINE, "20.00", "NOK"));
        }
    }
}

/// Folds the history again from nothing, with the groups stored and read again after every event.
fn refold(history: &History) -> Groups {
    let mut stored = serde_json::to_string(&Groups::default()).unwrap();
    for (index, event) in history.events.iter().enumerate() {
        let mut groups: Groups = serde_json::from_str(&stored).unwrap();
        apply(
            &mut groups,
            &OrderState::fold(&history.events[..=index]),
            event,
        );
        stored = serde_json::to_string(&groups).unwrap();
    }
    serde_json::from_str(&stored).unwrap()
}

proptest! {
    #[test]
    fn whatever_happens_tickets_end_once_go_out_once_and_come_out_the_same_again(
        happenings in prop::collection::vec(happening(), 0..24),
    ) {
        let mut history = History::confirmed_with(&["A", "B"]);
        let mut before: Vec<DistributionStatus> = Vec::new();
        let mut failures = 0;
        for next in &happenings {
            let facts_before = history.facts.len();
            happen(&mut history, next);

            let after = history.statuses();
            for (status, next) in before.iter().zip(&after) {
                prop_assert!(!status.is_ended() || status == next, "a void ticket came back");
            }
            prop_assert!(after.len() >= before.len());
            failures += after.iter().zip(&before)
                .filter(|(now, then)| **now == DistributionStatus::Failed && **then != DistributionStatus::Failed)
                .count();
            before = after;

            for fact in &history.facts[facts_before..] {
                prop_assert!(fact.subject() == "farelog.distributions.NOD.O1");
            }
            let state = history.state();
            let line = state.lines.values().next().unwrap();
            if line.end().is_some() {
                prop_assert!(history.statuses().iter().all(|status| status.is_ended()), "a ticket of a cancelled line lives");
            }
        }

        // A ticket goes out once, and once more for each failure; it is cancelled there once at most.
        let mut requests = history.requests_sent();
        let requested = requests.len();
        requests.sort_unstable();
        requests.dedup();
        prop_assert!(requested - requests.len() <= failures);
        let mut cancellations = history.cancellations_sent();
        let cancelled = cancellations.len();
        cancellations.sort_unstable();
        cancellations.dedup();
        prop_assert_eq!(cancelled, cancellations.len());

        let mut ids: Vec<_> = history.groups.ticket_distributions().map(|ticket| ticket.id).collect();
        let tickets = ids.len();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(tickets, ids.len());
        prop_assert!(history.views().len() <= 1, "a line has more than one group");

        prop_assert_eq!(retell(&history.events), history.outcomes.clone());
        prop_assert_eq!(refold(&history), history.groups);
    }
}
