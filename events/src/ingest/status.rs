//! How ingestion is doing, for those who ask whether the server is ready.

use super::continuity::StreamBreak;

/// How ingestion is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestStatus {
    /// What it does.
    pub state: IngestState,
    /// Sequence of the last message that the log has dealt with, 0 before the first.
    pub last_sequence: u64,
    /// Sequence of the stream's last message, as far as it is known; looked at about once a second.
    pub stream_last_sequence: Option<u64>,
}

impl IngestStatus {
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
