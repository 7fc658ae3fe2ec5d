//! The stream that events come from, asked whether it is still the one that the log was fed from.
//!
//! Ingestion looks after its stream about once a second. A publisher that was given a sequence by a stream made anew may
//! ask within that second, and must not be told that the log has read it.

use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::{self, Context};
use farelog_events::log::StreamCheckpoint;

/// How long the stream may take to answer. A broker that is away says nothing about it, and holds up no answer.
const LOOK_TIME_MAX: Duration = Duration::from_millis(500);

/// The stream that events come from.
#[derive(Debug)]
pub struct Source {
    client: Client,
    jetstream: Context,
    stream: String,
}

impl Source {
    /// The stream of this name.
    pub fn new(client: Client, stream: &str) -> Self {
        Self {
            jetstream: jetstream::new(client.clone()),
            client,
            stream: stream.to_owned(),
        }
    }

    /// Whether the stream is another one now than that of the checkpoint, or ends before it, as far as can be told. A
    /// stream that gave its sequences anew beyond the checkpoint is left to ingestion to find.
    pub async fn has_left(&self, checkpoint: &StreamCheckpoint) -> bool {
        if self.client.connection_state() != State::Connected {
            return false;
        }
        let look = self.jetstream.get_stream(&self.stream);
        let Ok(Ok(stream)) = tokio::time::timeout(LOOK_TIME_MAX, look).await else {
            return false;
        };
        let info = stream.cached_info();
        info.created != checkpoint.stream_created_at
            || info.state.last_sequence < checkpoint.sequence
    }
}
