//! What the broker, or the way to it, can do to the outbox.

use async_nats::jetstream::context::{CreateStreamError, GetStreamError, PublishError};
use farelog_events::ingest::stored::StoredMessageError;
use farelog_projections::ProjectionError;
use thiserror::Error;

use super::position::PositionError;

/// Why facts could not be sent this time.
#[derive(Debug, Error)]
pub(super) enum SendError {
    #[error("the connection to NATS ended")]
    Disconnected,
    #[error("NATS did not tell of the outbox's stream ({0}); is JetStream enabled there?")]
    StreamInfo(#[source] GetStreamError),
    #[error("NATS did not make the outbox's stream: {0}")]
    StreamNotMade(#[source] CreateStreamError),
    #[error("NATS did not tell of the last messages of the outbox's stream: {0}")]
    Message(#[source] StoredMessageError),
    #[error("NATS did not take a fact: {0}")]
    Publish(#[source] PublishError),
    #[error(
        "NATS does not take a fact: {0}; if it has no room left, make room in the stream or on the server, or raise the \
         limit, and it is sent"
    )]
    Refused(#[source] PublishError),
    #[error("the outbox's stream is not where it was left")]
    StreamMoved,
    #[error("the facts to send can't be read: {0}")]
    Facts(#[source] ProjectionError),
    #[error("a fact can't be written as JSON: {0}")]
    NoJson(#[source] serde_json::Error),
    #[error(transparent)]
    Position(#[from] PositionError),
    #[error("the thread that reads facts panicked; its message stands above")]
    Panicked,
}
