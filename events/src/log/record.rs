//! A record of the log.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use smol_str::SmolStr;

use super::{Entry, Position};
use crate::event::{About, EventData, EventKind, FieldError, decode};
use crate::json::JsonText;

/// Largest record that the log takes, encoded and uncompressed: the largest message as a dead letter (base64 in
/// JSON) fits.
pub const RECORD_BYTES_MAX: usize = 96 * 1024 * 1024;

/// The message that brought an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOrigin {
    /// The stream.
    pub stream: Arc<str>,
    /// The sequence of the message there.
    pub sequence: u64,
}

/// An event in the log.
#[derive(Debug, Clone)]
pub struct Record {
    /// Where it stands.
    pub position: Position,
    /// When it was recorded; never before the record before it.
    pub recorded_at: DateTime<Utc>,
    /// The message that brought it; `None` for what farelog recorded itself or an interface brought.
    pub origin: Option<StreamOrigin>,
    /// Who made the event.
    pub source: SmolStr,
    /// Its id at the source.
    pub id: SmolStr,
    /// Its type as it came.
    pub event_type: SmolStr,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What connects it with its cause.
    pub correlation_id: Option<SmolStr>,
    /// What it is about.
    pub about: About,
    /// Its data, byte for byte as it came.
    pub data: JsonText,
}

impl Record {
    /// The record that an entry becomes.
    pub(super) fn from_entry(entry: Entry, position: Position, recorded_at: DateTime<Utc>) -> Self {
        let Entry { event, origin } = entry;
        Self {
            position,
            recorded_at,
            origin,
            source: event.source,
            id: event.id,
            event_type: event.event_type,
            time: event.time,
            correlation_id: event.correlation_id,
            about: event.about,
            data: event.data,
        }
    }

    /// What it takes in memory, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let correlation_id = self.correlation_id.as_ref().map_or(0, SmolStr::len);
        let texts = self.source.len() + self.id.len() + correlation_id + self.data.get().len();
        size_of::<Self>() + texts
    }

    /// Whether this is the record of the event that `about`, `source` and `id` identify.
    pub(super) fn has_identity(&self, about: &About, source: &str, id: &str) -> bool {
        self.about == *about && *self.source == *source && *self.id == *id
    }

    /// The kind, or `None` for a type that farelog does not know.
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::of_type(&self.event_type)
    }

    /// Decodes the data; `None` for a type that farelog does not know.
    ///
    /// # Errors
    /// The field that is malformed. Data is checked before it is appended, so this says that the record was written
    /// by a farelog with other checks.
    pub fn decode(&self) -> Option<Result<EventData, FieldError>> {
        self.kind().map(|kind| decode(kind, self.data.get()))
    }
}
