//! A fact for other systems, and its place among all facts.

use chrono::{DateTime, Utc};
use farelog_events::dead_letter::DeadLetterSettled;
use farelog_events::event::EventKind;
use farelog_events::id::OrderId;
use farelog_events::log::{Position, Record};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Error, to_vec};
use smol_str::SmolStr;

use super::points::PointsChanged;
use crate::answer::DeadLetterSummary;
use crate::distribution::DistributionFact;
use crate::json::{put_number, put_text};
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

/// What there is to tell, before it has a place.
#[derive(Debug)]
pub struct FactContent {
    /// The NATS subject that it goes out on.
    pub subject: String,
    /// What it is.
    pub fact_type: &'static str,
    /// The order that it is about.
    pub order_id: Option<OrderId>,
    /// What there is to tell, as JSON.
    json: Vec<u8>,
}

/// Bytes within which what there is to tell of points lies as JSON, nearly always.
const POINTS_BYTES_USUAL: usize = 1_024;

impl FactContent {
    /// What there is to tell.
    ///
    /// # Errors
    /// It is not JSON, which it always is.
    pub fn data(&self) -> Result<Box<RawValue>, ProjectionError> {
        serde_json::from_slice(&self.json).map_err(ProjectionError::unwritable)
    }

    /// Appends the place and the fact that this is as the `number`th of a record: the JSON that serde writes for a
    /// [`FactPlace`] with its [`Fact`], byte for byte.
    pub(super) fn put_json(
        &self,
        record: &Record,
        number: u32,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        put_number(out, b"[{\"position\":", record.position)?;
        put_number(out, b",\"number\":", number)?;
        out.extend(b"},{\"subject\":");
        put_text(out, &self.subject)?;
        out.extend(b",\"type\":");
        put_text(out, self.fact_type)?;
        if let Some(order_id) = &self.order_id {
            out.extend(b",\"orderId\":");
            put_text(out, order_id.as_str())?;
        }
        out.extend(b",\"time\":");
        timestamp::put(out, record.recorded_at)?;
        if let Some(correlation_id) = &record.correlation_id {
            out.extend(b",\"correlationId\":");
            put_text(out, correlation_id)?;
        }
        out.extend(b",\"data\":");
        out.extend(&self.json);
        out.extend(b"}]");
        Ok(())
    }

    /// What a ticket system is told.
    pub fn of_ticket(fact: &DistributionFact) -> Result<Self, ProjectionError> {
        let (order_id, json) = match fact {
            DistributionFact::TicketRequested(data) => (&data.order_id, to_vec(data)),
            DistributionFact::TicketCancelled(data) => (&data.order_id, to_vec(data)),
        };
        Ok(Self {
            subject: fact.subject(),
            fact_type: fact.name(),
            order_id: Some(order_id.clone()),
            json: json.map_err(ProjectionError::unwritable)?,
        })
    }

    /// That a member's points of an order changed.
    pub fn of_points(fact: &PointsChanged<'_>) -> Result<Self, ProjectionError> {
        let mut json = Vec::with_capacity(POINTS_BYTES_USUAL);
        fact.put_json(&mut json)
            .map_err(ProjectionError::unwritable)?;
        Ok(Self {
            subject: format!("farelog.points.{}", fact.order_id),
            fact_type: "PointsChanged",
            order_id: Some(fact.order_id.clone()),
            json,
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
            json: to_vec(data).map_err(ProjectionError::unwritable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use farelog_events::event::About;
    use farelog_events::json::JsonText;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_fact_is_written_as_serde_writes_it_and_read_back(
            (subject, correlation_id) in (any::<String>(), prop::option::of(any::<String>())),
            order_id in prop::option::of("[A-Za-z0-9_:-]{1,64}"),
            (position, number, micros) in (1..1_u64 << 53, any::<u32>(), 0..i64::from(u32::MAX) * 1_000_000),
        ) {
            let record = Record {
                position,
                recorded_at: DateTime::from_timestamp_micros(micros).unwrap(),
                origin: None,
                source: "s".into(),
                id: "e".into(),
                event_type: "t".into(),
                time: DateTime::UNIX_EPOCH,
                correlation_id: correlation_id.map(Into::into),
                about: About::Nothing,
                data: JsonText::new("{}").unwrap(),
            };
            let content = FactContent {
                subject,
                fact_type: "PointsChanged",
                order_id: order_id.map(|id| id.parse().unwrap()),
                json: br#"{"given": [1.50]}"#.to_vec(),
            };
            let mut written = Vec::new();
            content.put_json(&record, number, &mut written).unwrap();
            let (place, fact): (FactPlace, Fact) = serde_json::from_slice(&written).unwrap();
            prop_assert_eq!(place, FactPlace { position, number });
            prop_assert_eq!(&*fact.subject, &content.subject);
            prop_assert_eq!(&*fact.fact_type, content.fact_type);
            prop_assert_eq!(&fact.order_id, &content.order_id);
            prop_assert_eq!(fact.time, record.recorded_at);
            prop_assert_eq!(&fact.correlation_id, &record.correlation_id);
            prop_assert_eq!(fact.data.get().as_bytes(), &content.json);
            prop_assert_eq!(serde_json::to_vec(&(place, fact)).unwrap(), written);
        }
    }
}
