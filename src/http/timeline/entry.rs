//! An entry of a timeline.

use chrono::{DateTime, Utc};
use farelog_events::event::EventKind;
use farelog_events::json::JsonText;
use farelog_events::log::{Position, Record};
use farelog_projections::ProjectionError;
use farelog_projections::distribution::{Ignored, TicketDistributionGroup};
use farelog_projections::outbox::fact::FactContent;
use farelog_projections::points::Transaction;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::sentence;
use crate::http::schema::{GroupView, TransactionView};

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
    /// Of an event and a registration: its data, as it came. An object, but for events of unknown types: theirs is any
    /// value, and null where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = serde_json::Value, required = false)]
    data: Option<JsonText>,
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
    fact: Option<FactView>,
    /// Of a ticket system's event that does not fit what is known and was not followed: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    ignored: Option<Ignored>,
}

/// What a timeline's entry is. Of what one record brought about, entries stand in this order.
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
    /// Something that other systems are told: of a ticket, or of a member's points of the order.
    Fact,
}

/// A fact, as the stream of facts carries it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FactView {
    /// The type of its event: `TicketRequested`, `TicketCancelled` or `PointsChanged`.
    #[serde(rename = "type")]
    fact_type: &'static str,
    /// The NATS subject.
    subject: String,
    /// Whether the stream is known to have it. What is not sent yet goes out, once, when the stream can be reached.
    sent: bool,
    /// The event's data.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

impl FactView {
    /// A fact that is sent, or is still to go out.
    ///
    /// # Errors
    /// The fact is not JSON, which every fact is.
    pub fn new(fact: FactContent, sent: bool) -> Result<Self, ProjectionError> {
        Ok(Self {
            fact_type: fact.fact_type,
            sent,
            data: fact.data()?,
            subject: fact.subject,
        })
    }
}

impl TimelineEntry {
    /// A record as it stands in the log.
    pub fn of_record(record: &Record, ignored: Option<Ignored>) -> Self {
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
            summary,
            event_type: Some(record.event_type.to_string()),
            source: Some(record.source.to_string()),
            event_id: Some(record.id.to_string()),
            correlation_id: record.correlation_id.as_deref().map(str::to_owned),
            stream_sequence: record.origin.as_ref().map(|origin| origin.sequence),
            // A dead letter's data is the message in base64: it has an address of its own.
            data: (kind != EntryKind::DeadLetter).then(|| record.data.clone()),
            ignored,
            ..Self::effect(kind, record, record.time)
        }
    }

    /// That a record gave points, or cancelled them.
    pub fn of_transaction(
        transaction: &Transaction,
        cause: &Record,
        time: DateTime<Utc>,
        summary: String,
    ) -> Self {
        Self {
            summary,
            transaction: Some(transaction.clone()),
            ..Self::effect(EntryKind::Transaction, cause, time)
        }
    }

    /// That a record made a group.
    pub fn of_group(group: TicketDistributionGroup, cause: &Record) -> Self {
        let created_at = group.created_at;
        Self {
            summary: sentence::of_group(&group),
            group: Some(group),
            ..Self::effect(EntryKind::Group, cause, created_at)
        }
    }

    /// That other systems are told something because of a record.
    pub fn of_fact(fact: FactView, cause: &Record, summary: String) -> Self {
        Self {
            summary,
            fact: Some(fact),
            ..Self::effect(EntryKind::Fact, cause, cause.recorded_at)
        }
    }

    /// What a record brought about, with nothing said of it yet.
    fn effect(kind: EntryKind, cause: &Record, time: DateTime<Utc>) -> Self {
        Self {
            position: cause.position,
            recorded_at: cause.recorded_at,
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

    /// Where it stands among the others.
    pub fn place(&self) -> (Position, EntryKind) {
        (self.position, self.kind)
    }
}
