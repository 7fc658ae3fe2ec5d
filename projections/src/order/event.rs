//! An event of an order, and its place among the others.

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::bytes::{Malformed, Reader, put_text, put_time, put_varint};
use farelog_events::event::{EventData, EventKind, FieldError, decode};
use farelog_events::id::{OrderLineVersion, OrderVersion};
use farelog_events::json::JsonText;
use farelog_events::log::{Position, Record};
use smol_str::SmolStr;

/// An event of an order: its record, with the data decoded. A clone shares it.
///
/// Stored with the data as it came and decoded again when it is read, so that a stored order and a record of the log
/// go through the same code.
#[derive(Debug, Clone)]
pub struct OrderEvent(Arc<DecodedRecord>);

/// A record with its data decoded.
#[derive(Debug)]
pub struct DecodedRecord {
    /// The record's position.
    pub position: Position,
    /// When it was recorded.
    pub recorded_at: DateTime<Utc>,
    /// Who made it.
    pub source: SmolStr,
    /// Its id at the source.
    pub id: SmolStr,
    /// The envelope's time; see [`OrderEvent::effective_time`] for when it acts.
    pub time: DateTime<Utc>,
    /// Its kind.
    pub kind: EventKind,
    /// Its data, typed.
    pub data: EventData,
    /// Its data as it came, for what farelog has no type for.
    pub json: JsonText,
}

impl Deref for OrderEvent {
    type Target = DecodedRecord;

    fn deref(&self) -> &DecodedRecord {
        &self.0
    }
}

impl From<DecodedRecord> for OrderEvent {
    fn from(decoded: DecodedRecord) -> Self {
        Self(Arc::new(decoded))
    }
}

impl OrderEvent {
    /// The event in a record; `None` for a type that farelog does not know.
    ///
    /// # Errors
    /// The field that is malformed, which checks at the edge exclude.
    pub fn from_record(record: &Record) -> Option<Result<Self, FieldError>> {
        let kind = record.kind()?;
        Some(decode(kind, record.data.get()).map(|data| {
            Self::from(DecodedRecord {
                position: record.position,
                recorded_at: record.recorded_at,
                source: record.source.clone(),
                id: record.id.clone(),
                time: record.time,
                kind,
                data,
                json: record.data.clone(),
            })
        }))
    }

    /// Appends its stored form.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.position);
        put_time(out, self.recorded_at);
        put_time(out, self.time);
        put_text(out, self.kind.name());
        put_text(out, &self.source);
        put_text(out, &self.id);
        put_text(out, self.json.get());
    }

    /// Reads a stored form.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let position = reader.varint()?;
        let recorded_at = reader.time()?;
        let time = reader.time()?;
        let kind = EventKind::from_name(reader.text()?);
        let kind = kind.ok_or(Malformed("an event's kind is not known"))?;
        let source = reader.text()?.into();
        let id = reader.text()?.into();
        let json = reader.text()?;
        let data = decode(kind, json);
        let data = data.map_err(|_| Malformed("an event's data is not what its kind has"))?;
        Ok(Self::from(DecodedRecord {
            position,
            recorded_at,
            source,
            id,
            time,
            kind,
            data,
            json: JsonText::kept(json),
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
