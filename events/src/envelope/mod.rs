//! Envelopes: the forms in which a NATS message brings an event (contract, section 2).
//!
//! | form | how it is told |
//! |---|---|
//! | CloudEvents 1.0, structured | `content-type: application/cloudevents+json`, or a body with `specversion` |
//! | CloudEvents 1.0, binary | headers `ce-…`; the body is the data |
//! | domain event | a body with `type` and `event` |
//!
//! [`read`] makes an event of any of them, or a dead letter that says in one sentence which field is wrong. The
//! headers decide before the body does. Nothing is copied before the message is known to be good, and the data is
//! kept byte for byte: an envelope is decoded by reference, its data once by type.
//!
//! [`from_line`] is the way back: it says how a line of a file is to be published.

mod attribute;
mod body;
mod header;
pub(crate) mod header_block;
mod json;
mod line;
mod subject;
mod times;

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

pub use line::{LineError, Outgoing, from_line};

use crate::dead_letter::{DeadLetter, DeadLetterReason, RawMessage};
use crate::event::{EventKind, FieldError, NewEvent, OWN_SOURCE, decode};
use crate::json::JsonText;
use crate::log::writer::Arrival;
use body::Body;
use header::Mode;
use times::Times;

/// Largest message that is taken for an event, in bytes, counted as NATS counts it against its `max_payload`: headers
/// and body. A larger one becomes a dead letter.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// Longest `id` of an event, in bytes.
pub const EVENT_ID_BYTES_MAX: usize = 256;
/// Longest `source` of an event, in bytes.
pub const SOURCE_BYTES_MAX: usize = 1024;
/// Longest `type` of an event with its prefix, in bytes; also of the class name in a domain event.
pub const TYPE_BYTES_MAX: usize = 256;
/// Longest correlation id, in bytes.
pub const CORRELATION_ID_BYTES_MAX: usize = 256;

/// Reads what a message brings. Never fails: what can't be read is a dead letter, with its reason and the bytes.
///
/// A missing time is the time at which the stream took the message. Where the subject and the data name different
/// orders, the data counts.
///
/// Headers that come as bytes are read too, and stay bytes where they can't be.
pub fn read(mut message: RawMessage) -> Arrival {
    let read = read_headers(&mut message).and_then(|()| open(&message)?.into_event(&message));
    let content = match read {
        Ok(event) => Ok(event),
        Err(unreadable) => Err(unreadable.into_dead_letter(&message)),
    };
    Arrival { message, content }
}

fn read_headers(message: &mut RawMessage) -> Result<(), Unreadable> {
    let Some(block) = &message.header_bytes else {
        return Ok(());
    };
    match header_block::parse(block) {
        Ok(headers) => message.headers = headers,
        Err(problem) => {
            check_bytes(block.len() + message.payload.len())?;
            return Err(Unreadable::not_readable(problem));
        }
    }
    message.header_bytes = None;
    Ok(())
}

fn open(message: &RawMessage) -> Result<Envelope<'_>, Unreadable> {
    check_size(&message.headers, message.payload.len())?;
    if message.has_garbled_subject() {
        let detail = "the subject is not UTF-8 text".to_owned();
        return Err(Unreadable::not_readable(detail));
    }
    let text = std::str::from_utf8(&message.payload).map_err(|error| {
        let place = error.valid_up_to();
        Unreadable::not_readable(format!(
            "the message is not UTF-8 text: byte {place} is wrong"
        ))
    })?;
    match header::mode(&message.headers)? {
        Mode::Binary(attributes) => attributes.into_envelope(text),
        Mode::Structured => Body::parse(text)?.into_cloud_event(),
        Mode::InBody => Body::parse(text)?.into_envelope(text, message),
    }
}

fn check_size<T: AsRef<str>>(headers: &[(T, T)], payload_bytes: usize) -> Result<(), Unreadable> {
    check_bytes(header::wire_bytes(headers) + payload_bytes)
}

fn check_bytes(bytes: usize) -> Result<(), Unreadable> {
    if bytes > MESSAGE_BYTES_MAX {
        return Err(Unreadable::too_large(bytes));
    }
    Ok(())
}

/// What an envelope holds, whatever its form, with its attributes checked. The data is JSON, and no more is known of it.
struct Envelope<'a> {
    id: Cow<'a, str>,
    source: Cow<'a, str>,
    event_type: Cow<'a, str>,
    time: Option<DateTime<Utc>>,
    correlation_id: Option<Cow<'a, str>>,
    /// null where the event has none.
    data: Cow<'a, RawValue>,
    /// Where the data stands in the message, for error messages: `data`, or `event.<ClassName>`.
    data_place: Cow<'a, str>,
}

impl Envelope<'_> {
    fn into_event(self, message: &RawMessage) -> Result<NewEvent, Unreadable> {
        let data = self.data.get();
        let kind = EventKind::of_type(&self.event_type);
        if kind.is_some() {
            check_is_object(data)
                .map_err(|problem| Unreadable::field(&self.data_place, problem))?;
        }
        if self.source == OWN_SOURCE {
            return Err(Unreadable::field(
                "source",
                "farelog stands for what farelog records itself; name your own",
            ));
        }
        json::check_everything(data, kind.and_then(Times::of_kind))
            .map_err(|error| Unreadable::data_field(&self.data_place, &error))?;
        let about = match kind {
            Some(kind) if kind.is_own() => return Err(Unreadable::reserved(kind)),
            Some(kind) => decode(kind, data)
                .map_err(|error| Unreadable::data_field(&self.data_place, &error))?
                .about(),
            None => subject::about(data, &message.subject),
        };
        Ok(NewEvent {
            source: self.source.into(),
            id: self.id.into(),
            event_type: self.event_type.into(),
            time: self.time.unwrap_or(message.published_at),
            correlation_id: self.correlation_id.map(Into::into),
            about,
            data: JsonText::from(&*self.data),
        })
    }
}

/// The data of every type that farelog knows is an object. Of another type it is nobody's but the publisher's: it may be
/// any JSON value, or none.
fn check_is_object(data: &str) -> Result<(), &'static str> {
    match data {
        "null" => Err("is missing"),
        data if data.starts_with('{') => Ok(()),
        _ => Err("must be a JSON object, this is another JSON value"),
    }
}

/// Why a message is no event. Small, so that the good way does not carry a dead letter's size around.
#[derive(Debug)]
struct Unreadable {
    reason: DeadLetterReason,
    detail: String,
}

impl Unreadable {
    fn not_readable(detail: String) -> Self {
        Self {
            reason: DeadLetterReason::NotReadable,
            detail,
        }
    }

    fn too_large(bytes: usize) -> Self {
        Self {
            reason: DeadLetterReason::TooLarge,
            detail: format!(
                "the message has {bytes} bytes with its headers, an event has at most {MESSAGE_BYTES_MAX}"
            ),
        }
    }

    fn no_type(field: &str) -> Self {
        Self {
            reason: DeadLetterReason::NoType,
            detail: format!("{field}: is missing, so the event has no type"),
        }
    }

    fn reserved(kind: EventKind) -> Self {
        Self {
            reason: DeadLetterReason::ReservedType,
            detail: format!(
                "type: {} is recorded by farelog alone and not taken from others",
                kind.name()
            ),
        }
    }

    fn field(field: &str, problem: impl std::fmt::Display) -> Self {
        Self {
            reason: DeadLetterReason::MalformedField,
            detail: format!("{field}: {problem}"),
        }
    }

    fn data_field(place: &str, error: &FieldError) -> Self {
        let FieldError { field, problem } = error;
        let detail = match field.as_str() {
            // That is how `decode` names the object itself.
            "data" => format!("{place}: {problem}"),
            field if field.starts_with('[') => format!("{place}{field}: {problem}"),
            field => format!("{place}.{field}: {problem}"),
        };
        Self {
            reason: DeadLetterReason::MalformedField,
            detail,
        }
    }

    #[cold]
    fn into_dead_letter(self, message: &RawMessage) -> DeadLetter {
        // What is too large is not parsed to find its order either.
        let data = match self.reason {
            DeadLetterReason::TooLarge => None,
            _ => std::str::from_utf8(&message.payload)
                .ok()
                .and_then(|text| body::data_of_unreadable(text, &message.headers)),
        };
        DeadLetter {
            reason: self.reason,
            detail: self.detail,
            order_id: data
                .and_then(|data| subject::order_in_data(&data))
                .or_else(|| subject::order_in_subject(&message.subject)),
            message: message.clone(),
        }
    }
}
