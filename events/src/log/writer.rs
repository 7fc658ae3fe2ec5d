//! The one writer of the log: a thread that commits in groups.
//!
//! All that is to be recorded goes through [`LogWriter`]: messages of the stream ([`LogWriter::ingest`]), dead letters
//! to try again ([`LogWriter::retry`]) and decisions ([`LogWriter::decide`]). The thread takes requests in order;
//! messages that wait together are committed together, so that one sync serves them all, and a decision runs alone,
//! when all before it is durable. Answers are given when the batch is durable, never before.
//!
//! A failed write ends the writer: everyone who waits gets [`WriterError::Log`], and the process is to end.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::committer::{Committer, IngestRequest, Reply, Request};
use super::feed::{Feed, feed};
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

    /// Takes an admission back: the event is not appended after all, since a later one of the same decision was refused.
    /// Called latest first. What remembers nothing has nothing to do.
    fn withdraw(&mut self, event: &NewEvent) {
        let _ = event;
    }
}

/// Admits every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {
    fn admit(&mut self, _: &NewEvent) -> Result<(), Refused> {
        Ok(())
    }
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
    /// How many events were appended, dead letters apart.
    pub appended: u64,
    /// How many were dropped: delivered again, or repeats of an event in the log.
    pub repeats: u64,
    /// How many became dead letters.
    pub dead_letters: u64,
}

/// How a dead letter that was tried again was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenIn {
    /// Its event is in the log now.
    Appended,
    /// Its event had come by another way meanwhile.
    Repeat,
    /// Not at all: it was taken in or discarded before, and that stands.
    Settled,
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
    /// An event was refused: by admission, because the log has another one with its source and id, or, of a dead
    /// letter, because it still can't be read. Nothing was appended.
    #[error("{}", .0.detail)]
    Refused(Refused),
    /// The writer was shut down, or the process is ending.
    #[error("the event log takes nothing more, farelog is shutting down; try again once it runs")]
    Ended,
}

/// Limits of the writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterLimits {
    /// Requests that may wait; a full queue makes callers wait.
    pub queue_requests_max: usize,
    /// Events that one commit takes at most, from however many requests.
    pub commit_events_max: usize,
    /// Bytes of records on their way to the projections, as they are in memory; a full feed makes the writer wait.
    pub feed_bytes_max: usize,
}

impl Default for WriterLimits {
    /// For 4,096 events a commit, at which the disk is busy and a commit takes some tens of milliseconds.
    fn default() -> Self {
        Self {
            queue_requests_max: 256,
            commit_events_max: 4096,
            feed_bytes_max: 4 * 1024 * 1024,
        }
    }
}

/// A handle to the writer; clones are handles to the same.
///
/// The writer ends when [`shutdown`](Self::shutdown) is called or the last handle is dropped, after it has done what
/// was asked before.
#[derive(Debug, Clone)]
pub struct LogWriter {
    requests: mpsc::Sender<Request>,
}

/// A writer that was just started.
#[derive(Debug)]
pub struct RunningWriter {
    /// The way to it.
    pub writer: LogWriter,
    /// Each batch of records once it is durable, from the one behind the head that the log had at the start, without
    /// a gap. The writer waits while [`WriterLimits::feed_bytes_max`] are unread; once the receiver is dropped it
    /// goes on without.
    pub feed: Feed,
    /// Ends with the writer: with an error where the log failed, and then the process is to end.
    pub thread: JoinHandle<Result<(), Arc<LogError>>>,
}

impl LogWriter {
    /// Starts the writer of a log. There is to be one per log.
    ///
    /// # Errors
    /// The system gives no thread, or the log can't tell its figures.
    pub fn spawn(
        log: Arc<dyn EventLog>,
        admission: Box<dyn Admission>,
        limits: WriterLimits,
    ) -> io::Result<RunningWriter> {
        let (requests, queue) = mpsc::channel(limits.queue_requests_max.max(1));
        let (feed_sender, feed) = feed(limits.feed_bytes_max);
        let last_recorded_at = log.stats().map_err(io::Error::other)?.last_recorded_at;
        let committer = Committer::new(log, admission, feed_sender, last_recorded_at);
        let thread = thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || committer.run(queue, limits.commit_events_max))?;
        Ok(RunningWriter {
            writer: Self { requests },
            feed,
            thread,
        })
    }

    /// Takes in messages of the stream, in its order, and moves the checkpoint behind them.
    ///
    /// Each is appended, dropped as a repeat, or kept as a dead letter; none is lost, so when this returns they may be
    /// acknowledged. What the checkpoint in the log covers already is dropped without a look at its content.
    ///
    /// # Errors
    /// [`WriterError::Log`], [`WriterError::Ended`]: nothing is known to be durable.
    pub async fn ingest(
        &self,
        arrivals: Vec<Arrival>,
        checkpoint: StreamCheckpoint,
    ) -> Result<Receipt, WriterError> {
        self.submit(arrivals, checkpoint).await?.await
    }

    /// The same in two steps, for who has something to do meanwhile: the messages are in the writer's queue when this
    /// returns, and durable when what it returns has.
    ///
    /// # Errors
    /// [`WriterError::Ended`] here, and both behind the second step.
    pub async fn submit(
        &self,
        arrivals: Vec<Arrival>,
        checkpoint: StreamCheckpoint,
    ) -> Result<impl Future<Output = Result<Receipt, WriterError>> + use<>, WriterError> {
        self.put(|reply| {
            Request::Ingest(IngestRequest {
                arrivals,
                checkpoint,
                reply,
            })
        })
        .await
    }

    /// Tries a dead letter again. With its event, in one batch, `settled` is appended, which says so
    /// (`DeadLetterRetried`); where the event had come by another way meanwhile, `settled` alone; and nothing where the
    /// log has an event with the identity of `settled`, whatever that one says.
    ///
    /// # Errors
    /// [`WriterError::Refused`] where the event still can't be taken in: nothing is appended, the dead letter stays.
    pub async fn retry(
        &self,
        arrival: Arrival,
        settled: NewEvent,
    ) -> Result<Decided<TakenIn>, WriterError> {
        self.ask(|reply| {
            Request::Alone(Box::new(move |committer: &mut Committer| {
                committer.retry(arrival, settled, reply);
            }))
        })
        .await
    }

    /// Runs a decision on the writer's thread and records its events. Between the moment that it is given and its
    /// events there is no other record.
    ///
    /// An event that is in the log already with the same content is left out. A caller that stops waiting before
    /// the decision's turn has it not run.
    ///
    /// # Errors
    /// [`WriterError::Refused`] where one of the events may not enter the log: none of them does.
    pub async fn decide<T: Send + 'static>(
        &self,
        decision: impl FnOnce(&Moment) -> Decision<T> + Send + 'static,
    ) -> Result<Decided<T>, WriterError> {
        self.ask(|reply| {
            Request::Alone(Box::new(move |committer: &mut Committer| {
                committer.decide(decision, reply);
            }))
        })
        .await
    }

    /// Has the writer end once it has done what was asked before; what is asked later gets [`WriterError::Ended`].
    pub async fn shutdown(&self) {
        // A writer that has ended already takes no requests, which is what was wanted.
        let _ = self.requests.send(Request::Shutdown).await;
    }

    /// Waits until the writer takes nothing more: it was shut down, or the log has failed.
    pub async fn ended(&self) {
        self.requests.closed().await;
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, WriterError> {
        self.put(request).await?.await
    }

    /// Puts a request into the queue; gives what waits for its answer.
    async fn put<T, R: FnOnce(Reply<T>) -> Request>(
        &self,
        request: R,
    ) -> Result<impl Future<Output = Result<T, WriterError>> + use<T, R>, WriterError> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| WriterError::Ended)?;
        Ok(async { answer.await.map_err(|_| WriterError::Ended)? })
    }
}
