//! The one writer of the log: a thread that commits in groups.
//!
//! Being written. The interface below is fixed.

use std::sync::Arc;
use std::thread::JoinHandle;

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::sync::mpsc;

use super::{EventLog, Head, LogError, Position, Record, StreamCheckpoint};
use crate::dead_letter::{DeadLetter, DeadLetterReason, RawMessage};
use crate::event::NewEvent;

/// Says whether an event may enter the log, given those before it. Handed in by the binary: the rules about programs
/// live in a higher crate.
///
/// Called on the writer's thread, in log order, for each event that is about to be appended and is no repeat. It may
/// remember what it admitted (a program, for the member events behind it): an admitted event is appended, or the
/// process ends.
pub trait Admission: Send + 'static {
    /// Admits the event, or says why not.
    fn admit(&mut self, event: &NewEvent) -> Result<(), Refused>;
}

/// Why an event may not enter the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The kind of reason, for a dead letter.
    pub reason: DeadLetterReason,
    /// A sentence for a person.
    pub detail: String,
}

/// A message of the stream, decoded or not.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The message as it came.
    pub message: RawMessage,
    /// What it brings: an event, or the reason why it can't be read.
    pub content: Result<NewEvent, DeadLetter>,
}

/// What became of a batch of arrivals. Durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Position of the log's last record after the batch.
    pub head: Position,
    /// How many events were appended.
    pub appended: u64,
    /// How many were dropped as repeats.
    pub repeats: u64,
    /// How many became dead letters.
    pub dead_letters: u64,
}

/// What a decision wants recorded, and what it answers.
#[derive(Debug)]
pub struct Decision<T> {
    /// The events to append, in order; none for a refusal, a repeat or a dry run.
    pub events: Vec<NewEvent>,
    /// The answer, given once the events are durable.
    pub answer: T,
}

/// What a decision may know.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The durable end of the log; the projections must be brought this far before deciding.
    pub head: Head,
    /// The time that the events will be recorded at.
    pub now: DateTime<Utc>,
}

/// A decision that was taken.
#[derive(Debug)]
pub struct Decided<T> {
    /// The answer.
    pub answer: T,
    /// The records, empty where nothing was appended.
    pub records: Vec<Record>,
    /// The end of the log with them: a reader that waits for it sees their effects.
    pub head: Position,
}

/// Why the writer did not do what it was asked.
#[derive(Debug, Error, Clone)]
pub enum WriterError {
    /// The log failed; the writer has ended, and the process is to end.
    #[error("{0}")]
    Log(Arc<LogError>),
    /// Admission refused an event of a decision; nothing was appended.
    #[error("{}", .0.detail)]
    Refused(Refused),
    /// The writer has ended.
    #[error("the event log's writer has ended")]
    Ended,
}

/// Limits of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterLimits {
    /// Requests that may wait; a full queue makes callers wait.
    pub queue_requests_max: usize,
    /// Events that one commit takes at most, from however many requests.
    pub commit_events_max: usize,
    /// Batches of records on their way to the projections; a full feed makes the writer wait.
    pub feed_batches_max: usize,
}
