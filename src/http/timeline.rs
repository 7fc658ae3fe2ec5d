//! What happened to an order, entry by entry.

mod sentence;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use farelog_events::event::EventKind;
use farelog_events::id::{OrderId, position_from_id};
use farelog_events::log::{Position, Record};
use farelog_projections::distribution::{
    DistributionFact, Ignored, Outcome, TicketDistributionGroup, retell,
};
use farelog_projections::document::OrderDocument;
use farelog_projections::order::OrderEvent;
use farelog_projections::points::Transaction;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::schema::{GroupView, TransactionView};

/// The timeline of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The order.
    #[schema(value_type = String)]
    order_id: OrderId,
    /// Its entries, in log order; what a record brought about stands behind it.
    entries: Vec<TimelineEntry>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The log position of the record that it is, or that brought it about.
    position: Position,
    /// When that was recorded.
    recorded_at: DateTime<Utc>,
    /// When it happened.
    time: DateTime<Utc>,
    /// What it is.
    kind: EntryKind,
    /// One sentence for a person.
    summary: String,
    /// Of a record: its event type, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_type: Option<String>,
    /// Of a record: who made the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    /// Of a record: its id at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    /// Of a record: what connects it with its cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// Of a record that a stream brought: the sequence there.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_sequence: Option<u64>,
    /// Of an event and a registration: its data, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    /// Of a transaction: it, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TransactionView>)]
    transaction: Option<Transaction>,
    /// Of a group: it, as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<GroupView>)]
    group: Option<TicketDistributionGroup>,
    /// Of a fact: it, as it goes out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    fact: Option<DistributionFact>,
    /// Of a ticket system's event that does not fit what is known and was not followed: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    ignored: Option<Ignored>,
}

/// What a timeline's entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryKind {
    /// An event of the order.
    Event,
    /// A deferred registration, or its revocation.
    Registration,
    /// A message about the order that could not be read, or what became of it.
    DeadLetter,
    /// Points that were given or cancelled.
    Transaction,
    /// A group of tickets that was generated.
    Group,
    /// Something that a ticket system is told.
    Fact,
}

impl Timeline {
    /// Puts together what the log has of an order and what the projections made of it.
    pub fn new(order_id: OrderId, records: &[Record], document: Option<&OrderDocument>) -> Self {
        let mut outcomes = outcomes(records);
        let mut entries = Vec::new();
        for record in records {
            let Outcome { facts, ignored } = outcomes.remove(&record.position).unwrap_or_default();
            entries.push(TimelineEntry::of_record(record, ignored));
            entries.extend(
                facts
                    .into_iter()
                    .map(|fact| TimelineEntry::of_fact(fact, record)),
            );
        }
        if let Some(document) = document {
            for transaction in document.ledger.transactions() {
                entries.extend(TimelineEntry::of_transaction(
                    transaction,
                    document,
                    records,
                ));
            }
            for group in document.groups.to_view() {
                let position = position_from_id(group.id.get());
                entries.push(TimelineEntry {
                    summary: sentence::of_group(&group),
                    group: Some(group.clone()),
                    ..TimelineEntry::effect(EntryKind::Group, position, group.created_at, records)
                });
            }
        }
        // Stable: effects of one record stay as they were added, cancellations before what takes their place.
        entries.sort_by_key(|entry| (entry.position, entry.kind));
        Self { order_id, entries }
    }
}

impl TimelineEntry {
    fn of_record(record: &Record, ignored: Option<Ignored>) -> Self {
        let kind = match record.kind() {
            Some(
                EventKind::DeferredRegistrationAccepted | EventKind::DeferredRegistrationRevoked,
            ) => EntryKind::Registration,
            Some(
                EventKind::DeadLetterRecorded
                | EventKind::DeadLetterRetried
                | EventKind::DeadLetterDiscarded,
            ) => EntryKind::DeadLetter,
            _ => EntryKind::Event,
        };
        let mut summary = sentence::of_record(record);
        if let Some(ignored) = &ignored {
            summary.push(' ');
            summary.push_str(&sentence::of_ignored(ignored));
        }
        Self {
            position: record.position,
            recorded_at: record.recorded_at,
            time: record.time,
            kind,
            summary,
            event_type: Some(record.event_type.to_string()),
            source: Some(record.source.to_string()),
            event_id: Some(record.id.to_string()),
            correlation_id: record.correlation_id.as_deref().map(str::to_owned),
            stream_sequence: record.origin.as_ref().map(|origin| origin.sequence),
            // A dead letter's data is the message in base64: it has an address of its own.
            data: (kind != EntryKind::DeadLetter).then(|| record.data.clone()),
            transaction: None,
            group: None,
            fact: None,
            ignored,
        }
    }

    /// That a ticket system is told something because of a record.
    fn of_fact(fact: DistributionFact, cause: &Record) -> Self {
        Self {
            summary: sentence::of_fact(&fact),
            fact: Some(fact),
            ..Self::effect(
                EntryKind::Fact,
                cause.position,
                cause.recorded_at,
                std::slice::from_ref(cause),
            )
        }
    }

    /// An entry for what the record at `position` brought about.
    fn effect(
        kind: EntryKind,
        position: Position,
        time: DateTime<Utc>,
        records: &[Record],
    ) -> Self {
        let cause = records.iter().find(|record| record.position == position);
        Self {
            position,
            recorded_at: cause.map_or(time, |record| record.recorded_at),
            time,
            kind,
            summary: String::new(),
            event_type: None,
            source: None,
            event_id: None,
            correlation_id: None,
            stream_sequence: None,
            data: None,
            transaction: None,
            group: None,
            fact: None,
            ignored: None,
        }
    }

    /// That a transaction was given, and that it was cancelled if it was.
    fn of_transaction(
        transaction: &Transaction,
        document: &OrderDocument,
        records: &[Record],
    ) -> Vec<Self> {
        let Some(id) = transaction.id else {
            return Vec::new();
        };
        let reference = transaction
            .point_definition_reference
            .as_deref()
            .unwrap_or("a definition");
        let amount = transaction.amount.normalize().to_string();
        let noun = if amount == "1" { "point" } else { "points" };
        let program = transaction.program_id;
        let points = format!("{amount} {noun} by {reference} of program {program}");
        let mut given = format!(
            "Member {} got {points} for line {}",
            transaction.member_id, transaction.metadata.order_line_id
        );
        if let Some(replaced) = transaction.metadata.replaces {
            // Writing to a String can't fail.
            let _ = write!(given, ", in place of transaction {replaced}");
        }
        given.push('.');
        let mut entries = Vec::new();
        if let Some(cancelled_at) = transaction.cancelled_at {
            let position = cancelling_position(transaction, document, records);
            entries.push(Self {
                summary: format!(
                    "Transaction {id} was cancelled: {points} of member {}.",
                    transaction.member_id
                ),
                transaction: Some(transaction.clone()),
                ..Self::effect(EntryKind::Transaction, position, cancelled_at, records)
            });
        }
        entries.push(Self {
            summary: given,
            transaction: Some(transaction.clone()),
            ..Self::effect(
                EntryKind::Transaction,
                id.position(),
                transaction.valid_from,
                records,
            )
        });
        entries
    }
}

/// What the records came to for the order's tickets, by position.
fn outcomes(records: &[Record]) -> BTreeMap<Position, Outcome> {
    let events: Vec<OrderEvent> = records
        .iter()
        .filter_map(|record| OrderEvent::from_record(record)?.ok())
        .collect();
    retell(&events).into_iter().collect()
}

/// The record that cancelled a transaction: the one with its `updatedAt` whose time is its `cancelledAt`.
fn cancelling_position(
    transaction: &Transaction,
    document: &OrderDocument,
    records: &[Record],
) -> Position {
    let given = transaction
        .id
        .map_or(0, farelog_events::id::TransactionId::position);
    let is_cause = |position: Position, recorded_at: DateTime<Utc>, time: DateTime<Utc>| {
        position > given
            && Some(recorded_at) == transaction.updated_at
            && Some(time) == transaction.cancelled_at
    };
    let event = document
        .events
        .iter()
        .find(|event| is_cause(event.position, event.recorded_at, event.effective_time()))
        .map(|event| event.position);
    let record = || {
        records
            .iter()
            .find(|record| is_cause(record.position, record.recorded_at, record.time))
            .map(|record| record.position)
    };
    event.or_else(record).unwrap_or(given)
}
