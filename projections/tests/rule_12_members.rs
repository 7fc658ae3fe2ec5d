//! Rule 12 of the domain's section 3: one member per program and customer, and customers that were merged.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::EventKind::{self, *};
use farelog_events::event::{NewEvent, decode};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog, Position};
use farelog_projections::Projections;
use farelog_projections::member::CUSTOMERS_OF_ONE_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A log and its projections; an hour passes from record to record. Lines give ten points when they are confirmed, and
/// two when they are activated.
struct Story {
    log: MemoryLog,
    projections: Projections,
    _directory: TempDir,
}

impl Story {
    fn new() -> Self {
        let log = MemoryLog::new();
        let directory = tempfile::tempdir().unwrap();
        let story = Self {
            projections: Projections::open(directory.path(), &log).unwrap(),
            log,
            _directory: directory,
        };
        let definition = |id, reference, trigger, amount| {
            json!({"id": id, "reference": reference, "name": {"eng": reference}, "trigger": trigger,
                "amount": amount})
        };
        story.tell(
            ProgramPublished,
            &json!({"id": 1, "reference": "p", "name": "P", "pointDefinitions": [
                definition(11, "confirmed", "LineConfirmed", "10"),
                definition(12, "activated", "LineActivated", "2"),
            ]}),
        );
        story
    }

    fn tell(&self, kind: EventKind, data: &Value) -> Position {
        let number = self.log.head().position + 1;
        let json = data.to_string();
        let time = hour(number);
        let event = NewEvent {
            source: "test".into(),
            id: format!("e{number}").into(),
            event_type: kind.name().into(),
            time,
            correlation_id: None,
            about: decode(kind, &json).unwrap().about(),
            data: JsonText::new(&json).unwrap(),
        };
        let entries = vec![Entry {
            event,
            origin: None,
        }];
        self.log
            .append(Batch {
                entries,
                checkpoint: None,
                recorded_at: time,
            })
            .unwrap();
        self.projections.catch_up(&self.log).unwrap();
        number
    }

    fn member(&self, kind: EventKind, customer: &str) -> Position {
        self.tell(kind, &json!({"programId": 1, "customerId": customer}))
    }

    fn enrolled<const N: usize>(self, customers: [&str; N]) -> Self {
        for customer in customers {
            self.member(MemberEnrolled, customer);
        }
        self
    }

    fn merge(&self, customer: &str, into: &str) -> Position {
        self.tell(
            CustomersMerged,
            &json!({"customerId": customer, "mergedIntoCustomerId": into}),
        )
    }

    fn buys(&self, order: &str, customer: &str) {
        self.tell(
            OrderLineAdded,
            &json!({"orderId": order, "orderVersion": 1, "orderLineId": "l", "orderLineVersion": 1,
                "fareProducts": [{"id": "p", "type": "SINGLE"}], "customerId": customer,
                "price": {"amount": "40.00", "currency": "NOK"}}),
        );
        self.tell(
            OrderConfirmed,
            &json!({"orderId": order, "orderVersion": 1}),
        );
    }

    /// What counts of an order now: points, and the customer whose member has them.
    fn points(&self, order: &str) -> Vec<(String, String)> {
        let order: OrderId = order.parse().unwrap();
        let transactions = self
            .projections
            .transactions_of_order(&order)
            .unwrap()
            .value;
        let live = transactions
            .iter()
            .filter(|transaction| transaction.is_live());
        live.map(|transaction| {
            let member = self.projections.member(program(), transaction.member_id);
            let customer = member.unwrap().value.unwrap().customer_id;
            (transaction.amount.to_string(), customer.as_str().to_owned())
        })
        .collect()
    }

    /// The customer whose membership counts for a customer at a place, if it is in force there.
    fn looked_up(&self, customer: &str, place: Position) -> Option<String> {
        let customer = customer.parse().unwrap();
        let member = self.projections.with_world(|world| {
            let member = world.members.member_at(program(), &customer, place)?;
            member.in_force_at(place)?;
            Some(member.customer_id.as_str().to_owned())
        });
        member.unwrap()
    }

    fn now(&self, customer: &str) -> Option<String> {
        self.looked_up(customer, Position::MAX)
    }

    fn one_with(&self, customer: &str, place: Position) -> Vec<String> {
        let customer = customer.parse().unwrap();
        let customers = self
            .projections
            .with_world(|world| world.members.customers_at(&customer, place));
        let customers = customers.unwrap().into_iter();
        customers.map(|it| it.as_str().to_owned()).collect()
    }

    fn member_of(&self, customer: &str) -> (MemberId, CustomerId) {
        let customer: CustomerId = customer.parse().unwrap();
        let member = self.projections.member_of(program(), &customer);
        let member = member.unwrap().value.unwrap();
        (member.id, member.customer_id)
    }
}

fn program() -> ProgramId {
    ProgramId::new(1).unwrap()
}

fn hour(number: Position) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    start + TimeDelta::hours(number.cast_signed())
}

fn refund(order: &str) -> Value {
    json!({"orderId": order, "orderVersion": 1, "orderLineId": "l", "orderLineVersion": 1,
        "refund": {"amount": "20.00", "currency": "NOK"}})
}

fn ten_to(customer: &str) -> Vec<(String, String)> {
    vec![("10".to_owned(), customer.to_owned())]
}

#[test]
fn a_merge_makes_the_first_an_alias_of_the_second_from_its_place_on() {
    let story = Story::new().enrolled(["ola", "kari"]);
    story.buys("before", "ola");
    story.merge("ola", "kari");
    story.buys("after", "ola");

    assert_eq!(story.points("before"), ten_to("ola"));
    assert_eq!(story.points("after"), ten_to("kari"));
}

#[test]
fn the_firsts_membership_counts_for_both_where_the_second_has_none() {
    let story = Story::new().enrolled(["ola"]);
    story.buys("before", "kari");
    story.merge("ola", "kari");
    story.buys("as-ola", "ola");
    story.buys("as-kari", "kari");

    assert_eq!(story.points("before"), []);
    assert_eq!(story.points("as-ola"), ten_to("ola"));
    assert_eq!(story.points("as-kari"), ten_to("ola"));

    // When the second is withdrawn, and so has none in force, it is no other than where there was never one.
    let story = Story::new().enrolled(["ola", "kari"]);
    story.member(MemberWithdrawn, "kari");
    story.merge("ola", "kari");
    assert_eq!(story.now("kari"), Some("ola".to_owned()));
}

#[test]
fn rows_stay_where_they_are_whatever_happens_to_the_order_later() {
    let story = Story::new().enrolled(["ola", "kari"]);
    story.buys("o", "ola");
    story.merge("ola", "kari");
    story.tell(OrderLineRefunded, &refund("o"));
    assert_eq!(story.points("o"), [("5".to_owned(), "ola".to_owned())]);

    // But a trigger whose place comes after the merge is looked up there.
    story.tell(
        TicketActivated,
        &json!({"orderId": "o", "orderLineId": "l", "activatedAt": "2026-01-01T01:00:00Z"}),
    );
    assert_eq!(
        story.points("o"),
        [
            ("5".to_owned(), "ola".to_owned()),
            ("1".to_owned(), "kari".to_owned())
        ]
    );
}

#[test]
fn chains_of_merges_are_followed_to_their_end() {
    let story = Story::new().enrolled(["ola"]);
    story.merge("ola", "kari");
    story.merge("kari", "per");
    assert_eq!(story.now("per"), Some("ola".to_owned()));
    assert_eq!(
        story.one_with("kari", Position::MAX),
        ["per", "kari", "ola"]
    );

    story.member(MemberEnrolled, "else");
    story.merge("per", "else");
    for customer in ["ola", "kari", "per", "else"] {
        assert_eq!(story.now(customer), Some("else".to_owned()), "{customer}");
    }
}

#[test]
fn a_merge_that_would_close_a_circle_is_ignored() {
    let story = Story::new().enrolled(["ola", "kari"]);
    story.merge("ola", "ola");
    assert_eq!(story.one_with("ola", Position::MAX), ["ola"]);
    story.merge("ola", "kari");
    story.merge("kari", "per");
    story.merge("per", "ola");
    story.merge("kari", "ola");
    assert_eq!(story.one_with("ola", Position::MAX), ["per", "kari", "ola"]);
    assert_eq!(story.now("ola"), Some("kari".to_owned()));
}

#[test]
fn the_same_merge_again_changes_nothing() {
    let story = Story::new();
    story.merge("ola", "kari");
    story.merge("per", "kari");
    story.merge("ola", "kari");
    assert_eq!(story.one_with("ola", Position::MAX), ["kari", "ola", "per"]);
}

#[test]
fn a_merge_into_another_takes_the_place_of_the_first_one() {
    let story = Story::new().enrolled(["kari", "per"]);
    let into_kari = story.merge("ola", "kari");
    let into_per = story.merge("ola", "per");
    assert_eq!(story.looked_up("ola", into_kari), Some("kari".to_owned()));
    assert_eq!(story.looked_up("ola", into_per), Some("per".to_owned()));
    assert_eq!(story.one_with("kari", into_per), ["kari"]);
    // And back: it holds again.
    story.merge("ola", "kari");
    assert_eq!(story.one_with("ola", Position::MAX), ["kari", "ola"]);
    assert_eq!(story.one_with("per", Position::MAX), ["per"]);
}

#[test]
fn of_two_merged_into_one_the_first_merged_comes_first() {
    let story = Story::new().enrolled(["per", "ola"]);
    story.merge("ola", "kari");
    story.merge("per", "kari");
    assert_eq!(story.now("per"), Some("ola".to_owned()));
}

#[test]
fn an_alias_that_enrols_enrols_the_customer_that_it_was_merged_into() {
    let story = Story::new();
    story.merge("ola", "kari");
    let enrolled = story.member(MemberEnrolled, "ola");
    let (id, customer) = story.member_of("ola");
    assert_eq!(customer.as_str(), "kari");
    assert_eq!(id.get(), enrolled.cast_signed() * 4096);
    story.member(MemberEnrolled, "kari");
    assert_eq!(story.member_of("kari").0, id);
}

#[test]
fn an_alias_that_comes_back_is_the_same_member() {
    let story = Story::new().enrolled(["ola"]);
    let member = story.member_of("ola");
    story.member(MemberWithdrawn, "ola");
    story.merge("ola", "kari");
    assert_eq!(story.now("kari"), None);
    story.member(MemberEnrolled, "kari");
    assert_eq!(story.member_of("kari"), member);
    assert_eq!(story.now("kari"), Some("ola".to_owned()));
}

#[test]
fn who_leaves_has_left_under_every_name() {
    for leaves_as in ["ola", "kari"] {
        let story = Story::new().enrolled(["ola", "kari"]);
        story.merge("ola", "kari");
        story.member(MemberWithdrawn, leaves_as);
        assert_eq!((story.now("ola"), story.now("kari")), (None, None));
        story.member(MemberEnrolled, leaves_as);
        assert_eq!(story.now("ola"), Some("kari".to_owned()));
    }
}

#[test]
fn an_update_of_an_alias_changes_the_membership_that_counts() {
    let story = Story::new().enrolled(["ola", "kari"]);
    story.merge("ola", "kari");
    story.tell(
        MemberUpdated,
        &json!({"programId": 1, "customerId": "ola", "externalReference": "R-7"}),
    );
    let kari: CustomerId = "kari".parse().unwrap();
    let member = story.projections.member_of(program(), &kari);
    let history = member.unwrap().value.unwrap().history;
    let last = history.last().unwrap();
    assert_eq!(last.external_reference.as_deref(), Some("R-7"));
}

#[test]
fn no_more_customers_become_one_than_a_look_up_can_bear() {
    let story = Story::new();
    for number in 1..=CUSTOMERS_OF_ONE_MAX {
        story.merge(&format!("c{number}"), "kari");
    }
    let customers = story.one_with("kari", Position::MAX);
    assert_eq!(customers.len(), CUSTOMERS_OF_ONE_MAX);
    let left_out = format!("c{CUSTOMERS_OF_ONE_MAX}");
    assert_eq!(story.one_with(&left_out, Position::MAX), [left_out]);
    // One that is among them may still be merged with another of them.
    story.merge("c1", "c2");
    let again = story.one_with("kari", Position::MAX);
    assert_eq!(again.len(), CUSTOMERS_OF_ONE_MAX);
    assert_eq!(again[1..3], ["c2", "c1"]);
}

const CUSTOMERS: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What happened: to whom, and into whom if that was a merge.
fn happening() -> impl Strategy<Value = (EventKind, &'static str, &'static str)> {
    let customer = || prop::sample::select(&CUSTOMERS[..]);
    let kind = prop_oneof![
        3 => Just(CustomersMerged),
        2 => Just(MemberEnrolled),
        1 => Just(MemberWithdrawn),
    ];
    (kind, customer(), customer())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is merged: customers fall into groups that know of each other, chains end, and what is looked up at a place
    /// is what was found when the log ended there.
    #[test]
    fn what_comes_later_changes_no_look_up(history in prop::collection::vec(happening(), 1..25)) {
        let story = Story::new();
        let everything = |place| {
            CUSTOMERS.map(|customer| (story.one_with(customer, place), story.looked_up(customer, place)))
        };
        let mut seen = Vec::new();
        for (kind, customer, other) in history {
            let place = match kind {
                CustomersMerged => story.merge(customer, other),
                kind => story.member(kind, customer),
            };
            let now = everything(Position::MAX);
            for (customers, looked_up) in &now {
                let distinct: BTreeSet<_> = customers.iter().collect();
                prop_assert_eq!(distinct.len(), customers.len());
                for (customer, found) in CUSTOMERS.iter().zip(&now) {
                    if customers.iter().any(|one| one == customer) {
                        prop_assert_eq!(&found.0, customers);
                        prop_assert_eq!(&found.1, looked_up);
                    }
                }
            }
            seen.push((place, now));
        }
        for (place, then) in seen {
            prop_assert_eq!(everything(place), then);
        }
    }
}
