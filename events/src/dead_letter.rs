//! Dead letters: messages that could not be taken in, kept with their bytes.
//!
//! A dead letter is a record of the log like any other ([`crate::event::EventKind::DeadLetterRecorded`]), and so is
//! what becomes of it. Its number is the position of its record.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::id::OrderId;

/// Why a message could not be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeadLetterReason {
    /// The message is larger than [`crate::envelope::MESSAGE_BYTES_MAX`].
    TooLarge,
    /// The message is no JSON, or no envelope that farelog knows.
    NotReadable,
    /// The envelope names no type.
    NoType,
    /// A field of the envelope or of the data is missing or malformed.
    MalformedField,
    /// The type is one that only farelog records.
    ReservedType,
    /// Another event about the same has the same source and id, and other content.
    ConflictingDuplicate,
    /// A member event names a program that was not published.
    UnknownProgram,
    /// The program would be refused over HTTP.
    ProgramRefused,
    /// The order that the event is about holds more events than an order may.
    OrderTooLarge,
}

impl DeadLetterReason {
    /// The reason as it stands in the interfaces, for example `conflicting-duplicate`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::NotReadable => "not-readable",
            Self::NoType => "no-type",
            Self::MalformedField => "malformed-field",
            Self::ReservedType => "reserved-type",
            Self::ConflictingDuplicate => "conflicting-duplicate",
            Self::UnknownProgram => "unknown-program",
            Self::ProgramRefused => "program-refused",
            Self::OrderTooLarge => "order-too-large",
        }
    }
}

/// A message as it came from the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawMessage {
    /// The NATS subject.
    pub subject: String,
    /// The headers, in the order in which they came; none where they are in `header_bytes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The headers as they came over the wire, where they can't be read; in JSON as base64.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "some_to_base64",
        deserialize_with = "some_from_base64"
    )]
    pub header_bytes: Option<Bytes>,
    /// The bytes; in JSON as base64.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub payload: Bytes,
    /// The stream that it came from.
    pub stream: String,
    /// Its sequence there.
    pub stream_sequence: u64,
    /// When the stream took it.
    pub published_at: DateTime<Utc>,
}

impl RawMessage {
    /// Whether its subject has a character that stands for bytes which are no text. Which ones they were is not known.
    pub(crate) fn has_garbled_subject(&self) -> bool {
        self.subject.contains(char::REPLACEMENT_CHARACTER)
    }

    /// What it takes in memory, in bytes, as far as its size is its sender's to choose: subject, headers and payload.
    ///
    /// A short header takes many times what it took on the wire, so each counts with what holds its texts.
    pub(crate) fn memory_bytes(&self) -> usize {
        let headers = self
            .headers
            .iter()
            .map(|header| size_of_val(header) + header.0.len() + header.1.len());
        let header_bytes = self.header_bytes.as_ref().map_or(0, Bytes::len);
        self.subject.len() + headers.sum::<usize>() + header_bytes + self.payload.len()
    }
}

fn to_base64<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    BASE64_STANDARD
        .decode(text.as_bytes())
        .map(Bytes::from)
        .map_err(serde::de::Error::custom)
}

#[expect(clippy::ref_option, reason = "serde hands the field over as it is")]
fn some_to_base64<S: Serializer>(bytes: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => to_base64(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

fn some_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
    from_base64(deserializer).map(Some)
}

/// A message that could not be taken in, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The kind of reason.
    pub reason: DeadLetterReason,
    /// The reason in a sentence: what was wrong, and where.
    pub detail: String,
    /// The order that it seems to be about, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The message.
    #[serde(flatten)]
    pub message: RawMessage,
}

/// What became of a dead letter: it was retried and taken in, or discarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterSettled {
    /// The dead letter's number: the position of its record.
    pub number: u64,
    /// The order that it seemed to be about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
}

impl DeadLetterSettled {
    /// The id of the event that says so, the same whatever became of the dead letter: the first such event in the log
    /// is the only one, so a dead letter can't be taken in and discarded both.
    pub fn event_id(&self) -> SmolStr {
        format!("dead-letter-settled:{}", self.number).into()
    }
}
