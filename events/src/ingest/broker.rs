//! What the broker, or the way to it, can do to a session.

use async_nats::jetstream::consumer::StreamError;
use async_nats::jetstream::consumer::pull::MessagesError;
use async_nats::jetstream::context::{CreateStreamError, GetStreamError};
use async_nats::jetstream::stream::{ConsumerError, InfoError};
use thiserror::Error;

use super::stored::StoredMessageError;

/// Why a session ended that the next may carry on.
#[derive(Debug, Error)]
pub(super) enum BrokerError {
    #[error("the connection to NATS ended: it was lost, or brought a message that can't be read")]
    Disconnected,
    #[error("the stream was changed while it was read")]
    StreamChanged,
    #[error("NATS did not tell of the stream ({0}); is JetStream enabled there?")]
    StreamInfo(#[source] GetStreamError),
    #[error("NATS did not make the stream: {0}")]
    StreamNotMade(#[source] CreateStreamError),
    #[error("NATS did not tell of the message at the log's checkpoint: {0}")]
    MessageAtCheckpoint(#[source] StoredMessageError),
    #[error("NATS did not tell of the messages behind the log's checkpoint: {0}")]
    MessageBehindCheckpoint(#[source] StoredMessageError),
    #[error("NATS did not make the consumer: {0}")]
    Consumer(#[source] ConsumerError),
    #[error("the consumer {0} stands where the log does not; it is made again")]
    ConsumerElsewhere(String),
    #[error("NATS does not deliver: {0}")]
    Subscribe(#[source] StreamError),
    #[error("NATS stopped delivering: {0}")]
    Pull(#[source] MessagesError),
    #[error("NATS stopped delivering")]
    Ended,
    #[error("NATS delivered a message that is none of a stream: {0}")]
    NotOfStream(String),
    #[error("NATS did not tell where the stream begins: {0}")]
    StreamLook(#[source] InfoError),
    #[error(
        "the consumer {consumer} delivered {missed} messages elsewhere; if another farelog runs on a copy of this log, stop \
         one of the two"
    )]
    DeliveredElsewhere { consumer: String, missed: u64 },
    #[error("{missed} deliveries of the consumer were lost on the way, before sequence {sequence}")]
    Missed { missed: u64, sequence: u64 },
    #[error("NATS delivered sequence {sequence} for the first time, behind sequence {last}")]
    OutOfOrder { sequence: u64, last: u64 },
}
