//! A fact for other systems, and its place among all facts.

use chrono::{DateTime, Utc};
use farelog_events::dead_letter::DeadLetterSettled;
use farelog_events::event::EventKind;
use farelog_events::id::OrderId;
use farelog_events::log::{Position, Record};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use smol_str::SmolStr;

use super::points::PointsChanged;
use crate::answer::DeadLetterSummary;
use crate::distribution::DistributionFact;
use crate::store::ProjectionError;
use crate::timestamp;

/// The subject of dead letters (contract, section 2).
const DEAD_LETTERS_SUBJECT: &str = "farelog.dead-letters";

/// Where a fact stands: facts are in the order of the records that they come of, and numbered from 0 within one.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct FactPlace {
    /// The record.
    pub position: Position,
    /// Which of the record's facts.
    pub number: u32,
}

impl FactPlace {
    /// Before every fact: records begin at 1.
    pub const START: Self = Self {
        position: 0,
        number: 0,
    };

    /// Behind every fact of the record at `position`, and of those before it.
    pub fn after_record(position: Position) -> Self {
        Self {
            position,
            number: u32::MAX,
        }
    }
}

/// A fact that farelog tells other systems.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fact {
    /// Where it stands. In the store it is the key.
    #[serde(skip)]
    pub place: FactPlace,
    /// The NATS subject that it goes out on.
    pub subject: Box<str>,
    /// What it is: `TicketRequested`, `PointsChanged` and so on.
    #[serde(rename = "type")]
    pub fact_type: Box<str>,
    /// The order that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When its record was recorded; never before the fact before it.
    #[serde(serialize_with = "timestamp::serialize")]
    pub time: DateTime<Utc>,
    /// What connects it with its cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<SmolStr>,
    /// What there is to tell.
    pub data: Box<RawValue>,
}

impl Fact {
    /// The fact that `content` is as the `number`th of a record.
    pub fn of_record(record: &Record, number: u32, content: FactContent) -> Self {
        Self {
            place: FactPlace {
                position: record.position,
                number,
            },
            subject: content.subject.into(),
            fact_type: content.fact_type.into(),
            order_id: content.order_id,
            time: record.recorded_at,
            correlation_id: record.correlation_id.clone(),
            data: content.data,
        }
    }
}

/// What there is to tell, before it has a place.
#[derive(Debug)]
pub struct FactContent {
    /// The NATS subject that it goes out on.
    pub subject: String,
    /// What it is.
    pub fact_type: &'static str,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// What there is to tell.
    pub data: Box<RawValue>,
}

impl FactContent {
    /// What a ticket system is told.
    pub fn of_ticket(fact: &DistributionFact) -> Result<Self, ProjectionError> {
        let (order_id, data) = match fact {
            DistributionFact::TicketRequested(data) => (&data.order_id, to_raw_value(data)),
            DistributionFact::TicketCancelled(data) => (&data.order_id, to_raw_value(data)),
        };
        Ok(Self {
            subject: fact.subject(),
            fact_type: fact.name(),
            order_id: Some(order_id.clone()),
            data: data.map_err(ProjectionError::unwritable)?,
        })
    }

    /// That a member's points of an order changed.
    pub fn of_points(fact: &PointsChanged<'_>) -> Result<Self, ProjectionError> {
        Ok(Self {
            subject: format!("farelog.points.{}", fact.order_id),
            fact_type: "PointsChanged",
            order_id: Some(fact.order_id.clone()),
            data: to_raw_value(fact).map_err(ProjectionError::unwritable)?,
        })
    }

    /// That a message could not be taken in. A reference: the message itself is to be asked for by its number.
    pub fn of_dead_letter(letter: &DeadLetterSummary) -> Result<Self, ProjectionError> {
        Self::about_dead_letter(
            EventKind::DeadLetterRecorded,
            letter.order_id.as_ref(),
            letter,
        )
    }

    /// What became of a dead letter.
    pub fn of_settled_dead_letter(
        kind: EventKind,
        settled: &DeadLetterSettled,
    ) -> Result<Self, ProjectionError> {
        Self::about_dead_letter(kind, settled.order_id.as_ref(), settled)
    }

    fn about_dead_letter<T: Serialize>(
        kind: EventKind,
        order_id: Option<&OrderId>,
        data: &T,
    ) -> Result<Self, ProjectionError> {
        Ok(Self {
            subject: DEAD_LETTERS_SUBJECT.to_owned(),
            fact_type: kind.name(),
            order_id: order_id.cloned(),
            data: to_raw_value(data).map_err(ProjectionError::unwritable)?,
        })
    }
}
