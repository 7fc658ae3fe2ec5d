//! How the outbox is doing, for those who ask.

use farelog_events::log::Position;
use metrics::{describe_counter, describe_gauge, gauge};

use super::continuity::OutboxBreak;

/// How the outbox is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxStatus {
    /// What it does.
    pub state: OutboxState,
    /// Every fact of the records up to here was sent, or is not to be: those that `--outbox-after` passed over. It goes back
    /// where the stream turns out to have lost what it took.
    pub position: Position,
    /// How many facts were sent since the server started.
    pub sent: u64,
}

/// What the outbox does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxState {
    /// Since the server started, or since it stopped, it has not sent yet: NATS is not reached, or has not taken a fact.
    Connecting,
    /// It sends, or has nothing to send. Not said again before a fact was taken, where one was to be sent.
    Sending,
    /// It could not send and tries again; why, in a sentence.
    Retrying(String),
    /// It can't tell what was sent. Someone has to decide; the error is a sentence that says how.
    Stopped(OutboxBreak),
}

/// Tells how far it is.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; positions stay exact up to 2^53"
)]
pub(super) fn gauge_position(position: Position) {
    gauge!("farelog_outbox_position").set(position as f64);
}

/// Says what the figures are.
pub(super) fn describe_metrics() {
    describe_gauge!(
        "farelog_outbox_position",
        "Log position up to which every fact was sent; farelog_projections_position is where it would stand with nothing left to send"
    );
    describe_gauge!(
        "farelog_outbox_stopped",
        "1 while the outbox can't tell which facts were sent, and someone has to decide; /health/ready says what to do"
    );
    describe_counter!(
        "farelog_outbox_sent_total",
        "Facts that the stream has taken since the server started"
    );
    describe_counter!(
        "farelog_outbox_failures_total",
        "Times that facts could not be sent, and sending was tried again"
    );
}
