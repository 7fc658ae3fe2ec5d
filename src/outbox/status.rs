//! How the outbox is doing, for those who ask.

use farelog_events::log::Position;

use super::continuity::OutboxBreak;

/// How the outbox is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxStatus {
    /// What it does.
    pub state: OutboxState,
    /// Every fact of the records up to here was sent.
    pub position: Position,
    /// How many facts were sent since the server started.
    pub sent: u64,
}

/// What the outbox does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxState {
    /// It has not reached NATS yet since the server started.
    Connecting,
    /// It sends, or has nothing to send.
    Sending,
    /// It could not send and tries again; why, in a sentence.
    Retrying(String),
    /// It can't tell what was sent. Someone has to decide; the error is a sentence that says how.
    Stopped(OutboxBreak),
}
