//! A batch on its way: what of the events that arrive goes into it, and as what.
//!
//! An event is looked for in the log and in the batch so far. One with the same identity (what it is about, source
//! and id) and the same content is a repeat, one with other content a conflict (contract, section 2). A new one is
//! put to admission. What may not enter becomes a dead letter, which keeps the message whole.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use foldhash::{HashMap, HashMapExt as _};
use smol_str::SmolStr;

use super::index::identity_digest;
use super::writer::{Admission, Arrival, Refused};
use super::{Entry, EventLog, LogError, Position, StreamOrigin};
use crate::dead_letter::{DeadLetter, DeadLetterReason, RawMessage};
use crate::event::{About, EventKind, NewEvent, OWN_SOURCE, short_type};
use crate::json::{JsonText, is_same_value};

/// A batch that is being put together. Dropped, it leaves nothing but admissions; see [`Draft::withdraw`].
pub(super) struct Draft<'a> {
    log: &'a dyn EventLog,
    admission: &'a mut dyn Admission,
    /// Position of the last record in the log.
    head: Position,
    entries: Vec<Entry>,
    /// Places in `entries` by the digest of their identity, or the next free digest above where two have the same.
    places: HashMap<u64, usize>,
    /// Places in `entries` of what admission was asked about.
    admitted: Vec<usize>,
    /// The name of the stream that the last message came from, which others share.
    stream: Option<Arc<str>>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Its event is in the batch.
    Appended,
    /// Its event, or its dead letter, is there already.
    Repeat,
    /// It is in the batch as a dead letter.
    DeadLetter(DeadLetterReason),
}

/// Why an event is not in the batch.
pub(super) enum Rejected {
    /// It may not enter the log.
    Refused(Refused),
    /// The log could not be read.
    Log(LogError),
}

impl From<LogError> for Rejected {
    fn from(error: LogError) -> Self {
        Self::Log(error)
    }
}

/// Whether the log, or the batch so far, has an event.
enum Standing {
    New,
    Repeat,
    /// Another event with its identity is at this position.
    Conflict(Position),
}

impl<'a> Draft<'a> {
    /// An empty batch, with room for so many events.
    pub(super) fn new(
        log: &'a dyn EventLog,
        admission: &'a mut dyn Admission,
        events: usize,
    ) -> Self {
        let head = log.head().position;
        Self {
            log,
            admission,
            head,
            entries: Vec::with_capacity(events),
            places: HashMap::with_capacity(events),
            admitted: Vec::with_capacity(events),
            stream: None,
        }
    }

    /// Takes a message in, as an event or as a dead letter.
    ///
    /// # Errors
    /// The log could not be read.
    pub(super) fn take(&mut self, arrival: Arrival) -> Result<Outcome, LogError> {
        let Arrival { message, content } = arrival;
        let event = match content {
            Ok(event) => event,
            Err(dead_letter) => return self.bury(&dead_letter, None),
        };
        let refused = match self.admit(&event, Some(&message)) {
            Ok(true) => {
                let origin = self.origin(&message);
                self.push(event, Some(origin));
                return Ok(Outcome::Appended);
            }
            Ok(false) => return Ok(Outcome::Repeat),
            Err(Rejected::Refused(refused)) => refused,
            Err(Rejected::Log(error)) => return Err(error),
        };
        let dead_letter = DeadLetter {
            reason: refused.reason,
            detail: refused.detail,
            order_id: event.about.order().cloned(),
            message,
        };
        self.bury(&dead_letter, event.correlation_id)
    }

    /// Records an event, which a message may have brought. True: it is in the batch; false: it is a repeat.
    pub(super) fn record(
        &mut self,
        event: NewEvent,
        message: Option<&RawMessage>,
    ) -> Result<bool, Rejected> {
        let is_new = self.admit(&event, message)?;
        if is_new {
            let origin = message.map(|message| self.origin(message));
            self.push(event, origin);
        }
        Ok(is_new)
    }

    /// Whether the log, or the batch so far, has an event with this one's identity, whatever it says.
    pub(super) fn has(&self, event: &NewEvent) -> Result<bool, LogError> {
        Ok(!matches!(self.standing(event, None)?, Standing::New))
    }

    /// Records what became of something. It is not put to admission, for it is farelog's own word; that there is none
    /// yet is for [`has`](Self::has) to say.
    pub(super) fn settle(&mut self, event: NewEvent) {
        self.push(event, None);
    }

    /// Gives the batch up: what was admitted is taken back.
    pub(super) fn withdraw(self) {
        for &place in self.admitted.iter().rev() {
            self.admission.withdraw(&self.entries[place].event);
        }
    }

    /// The entries of the batch.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Adds a dead letter. One of the same message that is there already is enough, whatever it gave as the reason.
    fn bury(
        &mut self,
        dead_letter: &DeadLetter,
        correlation_id: Option<SmolStr>,
    ) -> Result<Outcome, LogError> {
        let event = dead_letter_event(dead_letter, correlation_id);
        match self.standing(&event, None)? {
            Standing::New => {
                let origin = self.origin(&dead_letter.message);
                self.push(event, Some(origin));
                Ok(Outcome::DeadLetter(dead_letter.reason))
            }
            Standing::Repeat | Standing::Conflict(_) => Ok(Outcome::Repeat),
        }
    }

    /// Whether the event is to be added next; false: it is a repeat.
    fn admit(&mut self, event: &NewEvent, message: Option<&RawMessage>) -> Result<bool, Rejected> {
        match self.standing(event, message)? {
            Standing::Repeat => Ok(false),
            Standing::Conflict(position) => Err(Rejected::Refused(conflict(event, position))),
            Standing::New => {
                self.admission.admit(event).map_err(Rejected::Refused)?;
                self.admitted.push(self.entries.len());
                Ok(true)
            }
        }
    }

    fn push(&mut self, event: NewEvent, origin: Option<StreamOrigin>) {
        let mut digest = identity_digest(&event.about, &event.source, &event.id);
        while self.places.contains_key(&digest) {
            digest = digest.wrapping_add(1);
        }
        self.places.insert(digest, self.entries.len());
        self.entries.push(Entry { event, origin });
    }

    /// Where a message came from.
    fn origin(&mut self, message: &RawMessage) -> StreamOrigin {
        let stream = match &self.stream {
            Some(stream) if **stream == *message.stream => Arc::clone(stream),
            _ => Arc::clone(self.stream.insert(message.stream.as_str().into())),
        };
        StreamOrigin {
            stream,
            sequence: message.stream_sequence,
        }
    }

    fn standing(
        &self,
        event: &NewEvent,
        message: Option<&RawMessage>,
    ) -> Result<Standing, LogError> {
        // An event that came without a time has its message's, which differs each time it is sent: it says nothing.
        let has_time = message.is_none_or(|message| message.published_at != event.time);
        let is_same = |event_type: &str, time: DateTime<Utc>, data: &JsonText| {
            (!has_time || event.time == time) && same_content(event, event_type, data)
        };
        let mut digest = identity_digest(&event.about, &event.source, &event.id);
        while let Some(&place) = self.places.get(&digest) {
            let other = &self.entries[place].event;
            if (&other.about, &other.source, &other.id) == (&event.about, &event.source, &event.id)
            {
                return Ok(if is_same(&other.event_type, other.time, &other.data) {
                    Standing::Repeat
                } else {
                    Standing::Conflict(self.head + place as Position + 1)
                });
            }
            digest = digest.wrapping_add(1);
        }
        let found = self.log.find(&event.about, &event.source, &event.id)?;
        Ok(match found {
            None => Standing::New,
            Some(record) if is_same(&record.event_type, record.time, &record.data) => {
                Standing::Repeat
            }
            Some(record) => Standing::Conflict(record.position),
        })
    }
}

/// Type and data as JSON values, which with the time are the content (contract, section 2).
fn same_content(event: &NewEvent, event_type: &str, data: &JsonText) -> bool {
    short_type(&event.event_type) == short_type(event_type) && is_same_value(&event.data, data)
}

fn conflict(event: &NewEvent, position: Position) -> Refused {
    Refused {
        reason: DeadLetterReason::ConflictingDuplicate,
        detail: format!(
            "the event at position {position} has the same source and id ({}, {}) and other content; publish a new \
             event under a new id",
            event.source, event.id
        ),
    }
}

/// The event that keeps a dead letter.
///
/// Its id tells the message from any other: after a stream has lost its tail another message comes under the same
/// sequence, at another time.
fn dead_letter_event(dead_letter: &DeadLetter, correlation_id: Option<SmolStr>) -> NewEvent {
    let message = &dead_letter.message;
    let id = format!(
        "dead-letter:{}:{}:{}",
        message.stream,
        message.stream_sequence,
        message.published_at.timestamp_micros()
    );
    NewEvent {
        source: OWN_SOURCE.into(),
        id: id.into(),
        event_type: EventKind::DeadLetterRecorded.name().into(),
        time: message.published_at,
        correlation_id,
        about: dead_letter
            .order_id
            .clone()
            .map_or(About::Nothing, About::Order),
        data: JsonText::of(dead_letter)
            .expect("a dead letter is texts and numbers, which JSON can hold"),
    }
}
