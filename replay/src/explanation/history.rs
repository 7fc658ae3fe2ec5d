//! The events of an order as reasons: what each did to a line, and what it gave or cancelled.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use farelog_events::event::short_type;
use farelog_events::log::{Position, Record};
use farelog_events::money::Money;
use farelog_projections::order::OrderEvent;
use serde::Serialize;

/// What an event did to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EventRole {
    /// It opened the round of the order that counts, and names the owner.
    Order,
    /// It says what the line is.
    Line,
    /// It confirmed the line for the first time.
    Confirmation,
    /// It is the line's first activation.
    Activation,
    /// It is the order's first capture of a payment.
    Capture,
    /// It paid money of the line back.
    Refund,
    /// It ended the line.
    End,
}

/// An event that counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CountedEvent {
    /// Its place in the log.
    pub position: Position,
    /// Who made it.
    pub source: String,
    /// Its id at the source.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// When it acts.
    pub time: DateTime<Utc>,
    /// What it did to the line; `None` where it is the cause of a transaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<EventRole>,
    /// Of a refund: how much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<Money>,
}

impl CountedEvent {
    /// An event of the order, in a role.
    pub(super) fn new(event: &OrderEvent, role: EventRole) -> Self {
        Self {
            position: event.position,
            source: event.source.to_string(),
            id: event.id.to_string(),
            event_type: event.kind.name().to_owned(),
            time: event.effective_time(),
            role: Some(role),
            refund: None,
        }
    }
}

/// All events of an order, by position.
pub(super) struct History(BTreeMap<Position, CountedEvent>);

impl History {
    /// The order's records, as far as the projections are.
    pub(super) fn new(records: &[Record]) -> Self {
        let events = records.iter().map(|record| {
            let time = match OrderEvent::from_record(record) {
                Some(Ok(event)) => event.effective_time(),
                _ => record.time,
            };
            let event = CountedEvent {
                position: record.position,
                source: record.source.to_string(),
                id: record.id.to_string(),
                event_type: short_type(&record.event_type).to_owned(),
                time,
                role: None,
                refund: None,
            };
            (record.position, event)
        });
        Self(events.collect())
    }

    /// The event at a position.
    pub(super) fn at(&self, position: Position) -> Option<&CountedEvent> {
        self.0.get(&position)
    }
}
