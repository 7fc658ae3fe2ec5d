//! Messages as a stream keeps them, asked for by their sequence.
//!
//! A message that is delivered goes through the NATS client, which can take in less than the broker does: a header that is
//! not UTF-8, or has no colon, costs it the connection. What is asked for comes as JSON, its headers and payload as bytes
//! in base64, and so can be had whatever they are. Bytes of a subject that are no text come as U+FFFD.

use async_nats::Subject;
use async_nats::jetstream::context::RequestError;
use async_nats::jetstream::response::Response;
use async_nats::jetstream::{self, Context, ErrorCode};
use base64::DecodeError;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::envelope::header_block;

/// The messages of a stream.
#[derive(Debug, Clone)]
pub struct StoredMessages {
    jetstream: Context,
    request_subject: Subject,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Its subject.
    pub subject: String,
    /// Its sequence.
    pub sequence: u64,
    /// Its headers as they came over the wire; `None`: it has none.
    pub header_bytes: Option<Bytes>,
    /// Its payload.
    pub payload: Bytes,
    /// When the stream took it.
    pub published_at: DateTime<Utc>,
}

/// A message could not be asked for.
#[derive(Debug, Error)]
pub enum StoredMessageError {
    /// There was no answer, or none that can be read.
    #[error("{0}")]
    Request(#[from] RequestError),
    /// The broker refused.
    #[error("{0}")]
    Refused(#[from] jetstream::Error),
    /// The answer has no base64 where it should.
    #[error("its bytes came garbled: {0}")]
    Garbled(#[from] DecodeError),
}

#[derive(Serialize)]
struct Request {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'static str>,
}

#[derive(Deserialize)]
struct Answer {
    message: Encoded,
}

#[derive(Deserialize)]
struct Encoded {
    subject: String,
    seq: u64,
    hdrs: Option<String>,
    #[serde(default)]
    data: String,
    time: DateTime<Utc>,
}

impl StoredMessage {
    /// The first value of a header by its name in any case; `None` where it has none, or its headers can't be read.
    pub fn header(&self, name: &str) -> Option<String> {
        let headers = header_block::parse(self.header_bytes.as_ref()?).ok()?;
        let mut values = headers.into_iter();
        values
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl StoredMessages {
    /// Those of the stream of this name.
    pub fn of(jetstream: &Context, stream: &str) -> Self {
        Self {
            jetstream: jetstream.clone(),
            request_subject: format!("STREAM.MSG.GET.{stream}").into(),
        }
    }

    /// The message with a sequence; `None` where the stream does not have it (any more). None has the sequence 0.
    ///
    /// # Errors
    /// The broker did not answer, or not with a message.
    pub async fn at(&self, sequence: u64) -> Result<Option<StoredMessage>, StoredMessageError> {
        if sequence == 0 {
            return Ok(None);
        }
        self.ask(&Request {
            seq: sequence,
            next_by_subj: None,
        })
        .await
    }

    /// The first message with this sequence or a later one; `None` where the stream ends before it.
    ///
    /// # Errors
    /// As for [`at`](Self::at).
    pub async fn first_from(
        &self,
        sequence: u64,
    ) -> Result<Option<StoredMessage>, StoredMessageError> {
        self.ask(&Request {
            seq: sequence,
            next_by_subj: Some(">"),
        })
        .await
    }

    async fn ask(&self, request: &Request) -> Result<Option<StoredMessage>, StoredMessageError> {
        let subject = self.request_subject.clone();
        match self.jetstream.request(subject, request).await? {
            Response::Ok(Answer { message }) => Ok(Some(message.decoded()?)),
            Response::Err { error } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => {
                Ok(None)
            }
            Response::Err { error } => Err(error.into()),
        }
    }
}

impl Encoded {
    fn decoded(self) -> Result<StoredMessage, DecodeError> {
        let header_bytes = self.hdrs.map(|hdrs| BASE64_STANDARD.decode(hdrs));
        Ok(StoredMessage {
            subject: self.subject,
            sequence: self.seq,
            header_bytes: header_bytes.transpose()?.map(Bytes::from),
            payload: BASE64_STANDARD.decode(self.data)?.into(),
            published_at: self.time,
        })
    }
}
