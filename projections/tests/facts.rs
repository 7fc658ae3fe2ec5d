//! What other systems are told: which facts come of which record, the same after a rebuild, and kept no longer than need
//! be.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::OrderId;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog, Position};
use farelog_projections::outbox::{Fact, FactPlace};
use farelog_projections::{ProjectionError, Projections};
use serde_json::{Value, json};
use tempfile::TempDir;

const ORDER: &str = "ENT:Order:1";

/// A log that grows and its projections, an hour from record to record.
struct Story {
    log: MemoryLog,
    projections: Projections,
    directory: TempDir,
}

impl Story {
    /// A program that gives three points for a confirmed line, and Kari, who is a member.
    fn new() -> Self {
        let log = MemoryLog::new();
        let directory = tempfile::tempdir().unwrap();
        let projections = Projections::open(&directory.path().join("first"), &log).unwrap();
        let mut story = Self {
            log,
            projections,
            directory,
        };
        story.record(
            EventKind::ProgramPublished,
            json!({
                "id": 1, "reference": "p", "name": "P", "pointDefinitions": [
                    {"id": 11, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": "3"}
                ]
            }),
        );
        let kari = json!({"programId": 1, "customerId": "kari"});
        story.record(EventKind::MemberEnrolled, kari);
        story
    }

    fn confirmed() -> Self {
        let mut story = Self::new();
        story.record(EventKind::OrderLineAdded, line("L1", "kari"));
        story.record(EventKind::OrderLineAdded, line("L2", "ola"));
        story.record(EventKind::OrderConfirmed, round());
        story
    }

    fn record(&mut self, kind: EventKind, data: Value) -> Position {
        self.record_all([(kind, data)])
    }

    /// Records events that the projections see at once. The position of the last.
    fn record_all(&mut self, events: impl IntoIterator<Item = (EventKind, Value)>) -> Position {
        for (kind, data) in events {
            let number = self.log.head().position + 1;
            let json = data.to_string();
            let event = NewEvent {
                source: "test".into(),
                id: format!("e{number}").into(),
                event_type: kind.name().into(),
                time: recorded_at(number),
                correlation_id: Some(format!("c{number}").into()),
                about: decode(kind, &json).unwrap().about(),
                data: JsonText::new(&json).unwrap(),
            };
            let entry = Entry {
                event,
                origin: None,
            };
            let batch = Batch {
                entries: vec![entry],
                checkpoint: None,
                recorded_at: recorded_at(number),
            };
            self.log.append(batch).unwrap();
        }
        self.projections.catch_up(&self.log).unwrap();
        self.log.head().position
    }

    fn rebuilt(&self, name: &str, forget_before: Option<DateTime<Utc>>) -> Projections {
        let directory = self.directory.path().join(Path::new(name));
        let projections = Projections::open(&directory, &self.log).unwrap();
        if let Some(time) = forget_before {
            projections.forget_facts_before(time);
        }
        projections.catch_up(&self.log).unwrap();
        projections
    }

    fn facts(&self) -> Vec<Fact> {
        facts(&self.projections).unwrap()
    }

    /// The facts of one record.
    fn facts_of(&self, position: Position) -> Vec<Fact> {
        let mut facts = self.facts();
        facts.retain(|fact| fact.place.position == position);
        for (number, fact) in (0..).zip(&facts) {
            assert_eq!(fact.place.number, number);
            assert_eq!(fact.time, recorded_at(position));
            let caused_by = fact.correlation_id.as_deref();
            assert_eq!(caused_by, Some(&*format!("c{position}")));
        }
        facts
    }

    /// The ticket of a line.
    fn ticket_of(&self, line: &str) -> i64 {
        let order: OrderId = ORDER.parse().unwrap();
        let document = self.projections.order(&order).unwrap().value.unwrap();
        let groups = serde_json::to_value(document.groups.to_view()).unwrap();
        let group = groups.as_array().unwrap().iter();
        let group = group.clone().find(|it| it["orderLineId"] == line).unwrap();
        group["ticketDistributions"][0]["id"].as_i64().unwrap()
    }
}

fn recorded_at(position: Position) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    start + TimeDelta::hours(i64::try_from(position).unwrap())
}

fn line(id: &str, customer: &str) -> Value {
    json!({
        "orderId": ORDER, "orderVersion": 1, "orderLineId": id, "orderLineVersion": 1,
        "fareProducts": [{"id": "p", "type": "SINGLE"}], "customerId": customer,
        "price": {"amount": "40.00", "currency": "NOK"}
    })
}

fn round() -> Value {
    json!({"orderId": ORDER, "orderVersion": 1})
}

fn facts(projections: &Projections) -> Result<Vec<Fact>, ProjectionError> {
    Ok(projections.facts_after(FactPlace::START, 1_000)?.value)
}

fn data(fact: &Fact) -> Value {
    serde_json::from_str(fact.data.get()).unwrap()
}

fn names(facts: &[Fact]) -> Vec<(&str, &str)> {
    let name = |fact| {
        let Fact {
            subject, fact_type, ..
        }: &Fact = fact;
        (&**subject, &**fact_type)
    };
    facts.iter().map(name).collect()
}

#[test]
fn points_are_told_by_member_with_what_the_order_comes_to() {
    let mut story = Story::new();
    story.record(EventKind::OrderLineAdded, line("L1", "kari"));
    story.record(EventKind::OrderLineAdded, line("L2", "kari"));
    assert_eq!(story.facts().len(), 0);

    let confirmed = story.record(EventKind::OrderConfirmed, round());
    let given = story.facts_of(confirmed);
    let points = ("farelog.points.ENT:Order:1", "PointsChanged");
    assert_eq!(names(&given), [points]);
    let given = data(&given[0]);
    assert_eq!(given["orderId"], ORDER);
    assert_eq!(given["programId"], 1);
    assert_eq!(given["customerId"], "kari");
    assert_eq!(given["cancelled"], json!([]));
    assert_eq!(given["given"].as_array().unwrap().len(), 2);
    assert_eq!(given["given"][0]["amount"], 3);
    assert_eq!(given["orderPoints"], 6);

    let mut cancelled = round();
    cancelled["orderLineId"] = json!("L1");
    cancelled["orderLineVersion"] = json!(1);
    let cancelled = story.record(EventKind::OrderLineCancelled, cancelled);
    let cancelled = data(&story.facts_of(cancelled)[0]);
    assert_eq!(cancelled["given"], json!([]));
    assert_eq!(cancelled["cancelled"][0]["id"], given["given"][0]["id"]);
    assert!(cancelled["cancelled"][0]["cancelledAt"].is_string());
    assert_eq!(cancelled["orderPoints"], 3);
}

/// A member who enrols in the same batch is not in the store yet when the fact is made.
#[test]
fn the_customer_is_named_however_the_log_is_cut() {
    let mut story = Story::new();
    let position = story.record_all([
        (
            EventKind::MemberEnrolled,
            json!({"programId": 1, "customerId": "ola"}),
        ),
        (EventKind::OrderLineAdded, line("L1", "ola")),
        (EventKind::OrderConfirmed, round()),
    ]);
    assert_eq!(data(&story.facts_of(position)[0])["customerId"], "ola");
}

#[test]
fn ticket_systems_are_told_of_tickets_to_make_and_tickets_that_are_void() {
    let mut story = Story::confirmed();
    let mut generated = round();
    generated["language"] = json!("nob");
    let generated = story.record(EventKind::TicketDistributionGroupsGenerated, generated);
    assert_eq!(names(&story.facts_of(generated)), []);

    let tickets = [story.ticket_of("L1"), story.ticket_of("L2")];
    let requested = story.record(
        EventKind::TicketDistributionRequested,
        json!({"orderId": ORDER, "ticketDistributionIds": tickets}),
    );
    let told = story.facts_of(requested);
    let request = ("farelog.distributions.NOD.ENT:Order:1", "TicketRequested");
    assert_eq!(names(&told), [request, request]);
    assert_eq!(data(&told[0])["ticketDistributionId"], tickets[0]);

    let added = json!({"orderId": ORDER, "orderLineId": "L1", "ticketDistributionId": tickets[0]});
    story.record(EventKind::TicketDistributionAdded, added);
    let cancelled = story.record(EventKind::OrderCancelled, round());
    let told = story.facts_of(cancelled);
    let is_void = ("farelog.distributions.NOD.ENT:Order:1", "TicketCancelled");
    let points = ("farelog.points.ENT:Order:1", "PointsChanged");
    assert_eq!(names(&told).first(), Some(&is_void));
    assert_eq!(names(&told).last(), Some(&points));
    assert_eq!(data(&told[0])["cause"], "ORDER_CANCELLED");
}

#[test]
fn of_a_dead_letter_a_reference_is_told_and_what_became_of_it() {
    let mut story = Story::new();
    let number = story.record(
        EventKind::DeadLetterRecorded,
        json!({
            "reason": "not-readable", "detail": "it is no JSON", "orderId": ORDER,
            "subject": "orders.ENT:Order:1", "payload": "c2VjcmV0", "stream": "ORDERS", "streamSequence": 5,
            "publishedAt": "2026-01-01T00:00:00Z"
        }),
    );
    let told = story.facts_of(number);
    assert_eq!(
        names(&told),
        [("farelog.dead-letters", "DeadLetterRecorded")]
    );
    assert!(!told[0].data.get().contains("c2VjcmV0"));
    let reference = data(&told[0]);
    assert_eq!(reference["number"], number);
    assert_eq!(reference["reason"], "not-readable");
    assert_eq!(reference["streamSequence"], 5);

    let settled = json!({"number": number, "orderId": ORDER});
    let settled = story.record(EventKind::DeadLetterDiscarded, settled);
    let told = story.facts_of(settled);
    assert_eq!(
        names(&told),
        [("farelog.dead-letters", "DeadLetterDiscarded")]
    );
    assert_eq!(data(&told[0])["number"], number);
}

#[test]
fn a_rebuild_makes_the_same_facts_in_the_same_places() {
    let mut story = Story::confirmed();
    story.record(EventKind::OrderCancelled, round());
    let bytes = |facts: &[Fact]| -> Vec<_> {
        let bytes = |fact| {
            (
                Fact::clone(fact).place,
                serde_json::to_string(fact).unwrap(),
            )
        };
        facts.iter().map(bytes).collect()
    };
    let rebuilt = facts(&story.rebuilt("again", None)).unwrap();
    assert_eq!(rebuilt.len(), 2);
    assert_eq!(bytes(&rebuilt), bytes(&story.facts()));
}

#[test]
fn facts_are_given_page_by_page() {
    let mut story = Story::new();
    for number in 1..=5 {
        story.record(EventKind::DeadLetterDiscarded, json!({"number": number}));
    }
    let mut place = FactPlace::START;
    let mut positions = Vec::new();
    loop {
        let page = story.projections.facts_after(place, 2).unwrap().value;
        let Some(last) = page.last() else { break };
        place = last.place;
        positions.extend(page.iter().map(|fact| fact.place.position));
    }
    assert_eq!(positions, [3, 4, 5, 6, 7]);
}

#[test]
fn facts_that_were_told_long_ago_are_not_kept_and_not_made_again() {
    let mut story = Story::new();
    let settled = |number| (EventKind::DeadLetterDiscarded, json!({"number": number}));
    story.record_all((1..=10).map(settled));
    let kept_from = 8;
    story
        .projections
        .forget_facts_before(recorded_at(kept_from));
    // It takes a batch to do it in.
    story.record_all([settled(11)]);

    let rebuilt = story.rebuilt("again", Some(recorded_at(kept_from)));
    for projections in [&story.projections, &rebuilt] {
        let told = FactPlace {
            position: kept_from - 1,
            number: 0,
        };
        let kept = projections.facts_after(told, 100).unwrap().value;
        let positions: Vec<_> = kept.iter().map(|fact| fact.place.position).collect();
        assert_eq!(positions, [8, 9, 10, 11, 12, 13]);

        // To go on before what is kept would pass facts over.
        let refused = facts(projections).unwrap_err();
        assert!(
            matches!(refused, ProjectionError::FactsForgotten { after: 0, through } if through == told.position),
            "{refused}"
        );
    }
}
