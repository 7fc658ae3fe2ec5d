//! An event of an order, and its place among the others.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};
use farelog_events::event::{EventData, EventKind, FieldError, decode};
use farelog_events::id::{OrderLineVersion, OrderVersion};
use farelog_events::log::{Position, Record};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// An event of an order: its record, with the data decoded.
///
/// Stored with the data as it came and decoded again when it is read, so that a stored order and a record of the log
/// go through the same code.
#[derive(Debug, Clone)]
pub struct OrderEvent {
    /// The record's position.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who made it.
    pub source: Box<str>,
    /// Its id at the source.
    pub id: Box<str>,
    /// The envelope's time; see [`OrderEvent::effective_time`] for when it acts.
    pub time: DateTime<Utc>,
    /// Its kind.
    pub kind: EventKind,
    /// Its data, typed.
    pub data: EventData,
    /// Its data as it came, for what farelog has no type for.
    pub json: Box<RawValue>,
}

impl OrderEvent {
    /// The event in a record; `None` for a type that farelog does not know.
    ///
    /// # Errors
    /// The field that is malformed, which checks at the edge exclude.
    pub fn from_record(record: &Record) -> Option<Result<Self, FieldError>> {
        let kind = record.kind()?;
        Some(decode(kind, record.data.get()).map(|data| Self {
            position: record.position,
            recorded_at: record.recorded_at,
            source: record.source.clone(),
            id: record.id.clone(),
            time: record.time,
            kind,
            data,
            json: record.data.clone(),
        }))
    }

    /// When what the event causes takes effect: `activatedAt` of an activation, `effectiveCancellationDate` of a
    /// cancelled line, else the event's time (domain, section 1 and section 3, rules 4 and 6).
    pub fn effective_time(&self) -> DateTime<Utc> {
        match &self.data {
            EventData::TicketActivated(activated) => activated.activated_at,
            EventData::OrderLineCancelled(cancelled) => {
                cancelled.effective_cancellation_date.unwrap_or(self.time)
            }
            _ => self.time,
        }
    }

    /// The round that the event belongs to; `None` for an event that stands outside the sequence.
    pub fn order_version(&self) -> Option<OrderVersion> {
        Some(match &self.data {
            EventData::OrderCreated(e) => e.order_version,
            EventData::OrderLineAdded(e) | EventData::OrderLineChanged(e) => e.order_version,
            EventData::OrderConfirmed(e)
            | EventData::OrderReset(e)
            | EventData::OrderCancelled(e) => e.order_version,
            EventData::OrderPartiallyConfirmed(e) => e.order_version,
            EventData::OrderLineCancelled(e) => e.order_version,
            EventData::OrderLineRefunded(e) => e.order_version,
            EventData::OrderLinesReplaced(e) => e.order_version,
            _ => return None,
        })
    }

    /// The event's place in the order's sequence, whenever it arrived: by round, then time, then kind, then source
    /// and id (domain, section 1). `None` for an event that stands outside the sequence.
    pub fn place_in_sequence(&self) -> Option<SequenceKey<'_>> {
        Some(SequenceKey {
            order_version: self.order_version()?,
            time: self.time,
            kind_rank: kind_rank(self.kind),
            order_line_version: match &self.data {
                EventData::OrderLineAdded(e) | EventData::OrderLineChanged(e) => {
                    Some(e.order_line_version)
                }
                _ => None,
            },
            source: &self.source,
            id: &self.id,
        })
    }

    /// Compares two events outside the sequence: the first by its own time counts.
    pub fn by_own_time(&self, other: &Self) -> Ordering {
        (self.effective_time(), &self.source, &self.id).cmp(&(
            other.effective_time(),
            &other.source,
            &other.id,
        ))
    }
}

/// What events of one order are ordered by. Fields in the order in which they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SequenceKey<'e> {
    order_version: OrderVersion,
    time: DateTime<Utc>,
    kind_rank: u8,
    order_line_version: Option<OrderLineVersion>,
    source: &'e str,
    id: &'e str,
}

/// At the same time: a round is opened and reset before lines come, lines before they are confirmed, and all that
/// before it is undone. Additions and changes have one rank, so that their versions decide.
fn kind_rank(kind: EventKind) -> u8 {
    match kind {
        EventKind::OrderCreated => 0,
        EventKind::OrderReset => 1,
        EventKind::OrderLineAdded | EventKind::OrderLineChanged => 2,
        EventKind::OrderLinesReplaced => 3,
        EventKind::OrderPartiallyConfirmed => 4,
        EventKind::OrderConfirmed => 5,
        EventKind::OrderLineRefunded => 6,
        EventKind::OrderLineCancelled => 7,
        EventKind::OrderCancelled => 8,
        _ => u8::MAX,
    }
}

#[derive(Serialize, Deserialize)]
struct Stored<'e> {
    p: Position,
    #[serde(with = "stored_time")]
    r: DateTime<Utc>,
    #[serde(borrow)]
    s: std::borrow::Cow<'e, str>,
    #[serde(borrow)]
    i: std::borrow::Cow<'e, str>,
    #[serde(with = "stored_time")]
    t: DateTime<Utc>,
    #[serde(borrow)]
    k: std::borrow::Cow<'e, str>,
    #[serde(borrow)]
    d: std::borrow::Cow<'e, RawValue>,
}

impl Serialize for OrderEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Stored {
            p: self.position,
            r: self.recorded_at,
            s: (&*self.source).into(),
            i: (&*self.id).into(),
            t: self.time,
            k: self.kind.name().into(),
            d: std::borrow::Cow::Borrowed(&self.json),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OrderEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let stored = Stored::deserialize(deserializer)?;
        let kind = EventKind::from_name(&stored.k)
            .ok_or_else(|| D::Error::custom(format!("unknown kind {}", stored.k)))?;
        Ok(Self {
            position: stored.p,
            recorded_at: stored.r,
            source: stored.s.into(),
            id: stored.i.into(),
            time: stored.t,
            kind,
            data: decode(kind, stored.d.get()).map_err(D::Error::custom)?,
            json: stored.d.into_owned(),
        })
    }
}

/// Times as two numbers, seconds since 1970 and nanoseconds: to write them as text takes as long as all else of an event.
mod stored_time {
    use chrono::{DateTime, Utc};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(
        time: &DateTime<Utc>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (time.timestamp(), time.timestamp_subsec_nanos()).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let (seconds, nanoseconds) = Deserialize::deserialize(deserializer)?;
        DateTime::from_timestamp(seconds, nanoseconds)
            .ok_or_else(|| D::Error::custom("a time is out of range"))
    }
}
