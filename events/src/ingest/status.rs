//! How ingestion is doing, for those who ask whether the server is ready.

use super::continuity::StreamBreak;

/// How ingestion is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestStatus {
    /// What it does.
    pub state: IngestState,
    /// What it waits for, in words that go behind "ingestion waits:"; `None` while it reads, before it has begun, and once
    /// it has stopped.
    pub waits_for: Option<String>,
    /// Sequence of the last message that the log has dealt with, 0 before the first.
    pub last_sequence: u64,
    /// Sequence of the stream's last message, as far as it is known; looked at about once a second.
    pub stream_last_sequence: Option<u64>,
    /// How the broker keeps the stream, as it said last; `None` before it was reached.
    pub stream_keeping: Option<StreamKeeping>,
}

impl IngestStatus {
    /// Of ingestion into a log that has dealt with messages up to this sequence, and that has reached nothing yet.
    pub fn connecting(last_sequence: u64) -> Self {
        Self {
            state: IngestState::Connecting,
            waits_for: None,
            last_sequence,
            stream_last_sequence: None,
            stream_keeping: None,
        }
    }

    /// How many messages are still to be read, as far as it is known. A stream out of which messages were deleted
    /// has fewer.
    pub fn behind(&self) -> Option<u64> {
        self.stream_last_sequence
            .map(|last| last.saturating_sub(self.last_sequence))
    }
}

/// What ingestion does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IngestState {
    /// It has not reached NATS or its stream yet since it was started.
    Connecting,
    /// It reads.
    Running,
    /// It lost NATS, or its place in the stream, and tries to find it again.
    Reconnecting,
    /// The stream is not the one that the log was fed from. Someone has to decide; the error is a sentence that says
    /// how.
    Stopped(StreamBreak),
}

/// How the broker keeps a stream, by the stream's own configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamKeeping {
    /// Where its messages are.
    pub storage: StreamStorage,
    /// Servers that have a copy of each.
    pub replicas: usize,
    /// Whether a message is acknowledged before it is written (`persist_mode: async`, nats-server 2.12 and newer).
    pub acknowledges_early: bool,
}

/// Where the messages of a stream are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamStorage {
    /// In files.
    File,
    /// In memory: gone when the broker ends.
    Memory,
}
