//! What the outbox is told by the operator.

use farelog_events::log::Position;

/// Name of the stream that facts go to when none is given (contract, section 2).
pub const STREAM_DEFAULT: &str = "FARELOG";

/// What the outbox is told by the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxOptions {
    /// The stream to send to.
    pub stream: String,
    /// Where the outbox would stop because it can't tell what was sent: go on behind this log position
    /// (`serve --outbox-after`), or the log's end if that is before it. Without effect where it can tell.
    pub after: Option<Position>,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self {
            stream: STREAM_DEFAULT.to_owned(),
            after: None,
        }
    }
}
