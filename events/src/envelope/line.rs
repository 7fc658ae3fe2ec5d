//! Lines: an event as a file of newline-delimited JSON has it, and how it is published.

use bytes::Bytes;
use chrono::DateTime;
use thiserror::Error;

use super::body::Body;
use super::{Unreadable, subject};
use crate::dead_letter::{DeadLetterReason, RawMessage};
use crate::event::About;

/// How a line is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The subject: `orders.<orderId>`, `members.<customerId>` or `programs.<id>`, by what the event is about.
    pub subject: String,
    /// The headers.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body: the line without the white space around it.
    pub payload: Bytes,
    /// What the event is about.
    pub about: About,
}

/// Why a line can't be published: what it would be a dead letter for, or that it names nothing to publish it under.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct LineError {
    /// The kind of reason.
    pub reason: DeadLetterReason,
    /// The reason in a sentence that names the field.
    pub detail: String,
}

impl From<Unreadable> for LineError {
    fn from(Unreadable { reason, detail }: Unreadable) -> Self {
        Self { reason, detail }
    }
}

/// The source of a domain event is its subject, which is only known once the event is read.
const SUBJECT_NOT_YET_KNOWN: &str = "orders";

/// Reads a line that holds a CloudEvent in structured mode or a domain event, and says how it is published.
///
/// The line is checked by the code that reads it when it comes back, so that what would become a dead letter is told
/// to the one who publishes. No `Nats-Msg-Id` is set: JetStream would drop a second event of the same id silently,
/// also one that has other content.
///
/// # Errors
/// The first thing that is wrong with the line.
pub fn from_line(line: &str) -> Result<Outgoing, LineError> {
    let line = line.trim_ascii();
    let message = RawMessage {
        subject: SUBJECT_NOT_YET_KNOWN.to_owned(),
        headers: Vec::new(),
        header_bytes: None,
        payload: Bytes::copy_from_slice(line.as_bytes()),
        stream: String::new(),
        stream_sequence: 0,
        published_at: DateTime::UNIX_EPOCH,
    };
    let body = Body::parse(line)?;
    let content_type = if body.is_cloud_event() {
        "application/cloudevents+json"
    } else {
        "application/json"
    };
    let headers = vec![("content-type", content_type)];
    super::check_size(&headers, message.payload.len())?;
    let about = body
        .into_envelope(line, &message)?
        .into_event(&message)?
        .about;
    let subject = subject::of(&about).ok_or_else(|| {
        Unreadable::field(
            "data",
            "names no order, customer or program to publish the event under",
        )
    })?;
    Ok(Outgoing {
        subject,
        headers,
        payload: message.payload,
        about,
    })
}
