//! The writer's thread: takes requests in order, commits them in groups, answers, and feeds the projections.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use metrics::{counter, describe_counter, describe_histogram, histogram};
use tokio::sync::{mpsc, oneshot};

use super::draft::{Draft, Outcome, Rejected};
use super::feed::FeedSender;
use super::writer::{
    Admission, Arrival, Decided, Decision, Moment, Receipt, Refused, TakenIn, WriterError,
};
use super::{Batch, Entry, EventLog, LogError, Record, StreamCheckpoint};
use crate::dead_letter::RawMessage;
use crate::event::NewEvent;

/// Bytes of messages, as they are in memory, after which a commit takes no further request, however few they are.
const COMMIT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What waits for the writer.
pub(super) enum Request {
    /// Messages of the stream. Those that wait together are committed together.
    Ingest(IngestRequest),
    /// What is committed by itself. It answers its caller.
    Alone(Box<dyn FnOnce(&mut Committer) + Send>),
    /// To end.
    Shutdown,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingest(_) => "Ingest",
            Self::Alone(_) => "Alone",
            Self::Shutdown => "Shutdown",
        })
    }
}

/// Messages of the stream and the checkpoint behind them.
pub(super) struct IngestRequest {
    pub(super) arrivals: Vec<Arrival>,
    pub(super) checkpoint: StreamCheckpoint,
    pub(super) reply: Reply<Receipt>,
}

/// Where an answer goes. A caller that no longer waits is no concern of the writer's.
pub(super) type Reply<T> = oneshot::Sender<Result<T, WriterError>>;

/// What the writer's thread has.
pub(super) struct Committer {
    log: Arc<dyn EventLog>,
    admission: Box<dyn Admission>,
    /// `None` once nobody listens.
    feed: Option<FeedSender>,
    last_recorded_at: Option<DateTime<Utc>>,
    /// Set once; from then on nothing is done and everyone is told.
    failed: Option<Arc<LogError>>,
}

impl Committer {
    pub(super) fn new(
        log: Arc<dyn EventLog>,
        admission: Box<dyn Admission>,
        feed: FeedSender,
        last_recorded_at: Option<DateTime<Utc>>,
    ) -> Self {
        describe_metrics();
        Self {
            log,
            admission,
            feed: Some(feed),
            last_recorded_at,
            failed: None,
        }
    }

    /// Serves requests until there can be no more, or the log has failed.
    pub(super) fn run(
        mut self,
        mut queue: mpsc::Receiver<Request>,
        commit_events_max: usize,
    ) -> Result<(), Arc<LogError>> {
        let mut put_back = None;
        while let Some(request) = put_back.take().or_else(|| queue.blocking_recv()) {
            match request {
                Request::Ingest(first) => {
                    let group;
                    (group, put_back) = gather(first, &mut queue, commit_events_max);
                    self.ingest(group);
                }
                Request::Alone(work) => work(&mut self),
                // What is in the queue already is still served.
                Request::Shutdown => queue.close(),
            }
            if self.failed.is_some() {
                queue.close();
            }
        }
        self.failed.map_or(Ok(()), Err)
    }

    /// Commits the messages of several requests as one batch.
    fn ingest(&mut self, group: Vec<IngestRequest>) {
        let mut replies = Vec::with_capacity(group.len());
        let mut requests = Vec::with_capacity(group.len());
        for request in group {
            replies.push(request.reply);
            requests.push((request.arrivals, request.checkpoint));
        }
        match self.commit_arrivals(requests) {
            Ok((receipts, records)) => {
                for (reply, receipt) in replies.into_iter().zip(receipts) {
                    let _ = reply.send(Ok(receipt));
                }
                self.feed(records);
            }
            Err(error) => {
                for reply in replies {
                    let _ = reply.send(Err(WriterError::Log(Arc::clone(&error))));
                }
            }
        }
    }

    fn commit_arrivals(
        &mut self,
        requests: Vec<(Vec<Arrival>, StreamCheckpoint)>,
    ) -> Result<(Vec<Receipt>, Vec<Record>), Arc<LogError>> {
        self.ready()?;
        let mut checkpoint = self.log.head().checkpoint;
        let mut receipts = Vec::with_capacity(requests.len());
        let arrivals = requests.iter().map(|(arrivals, _)| arrivals.len());
        let mut draft = Draft::new(&*self.log, &mut *self.admission, arrivals.sum());
        let drafted = requests.into_iter().try_for_each(|(arrivals, behind)| {
            let mut receipt = Receipt::default();
            for arrival in arrivals {
                if covers(checkpoint.as_ref(), &behind, &arrival.message) {
                    receipt.repeats += 1;
                    continue;
                }
                match draft.take(arrival)? {
                    Outcome::Appended => receipt.appended += 1,
                    Outcome::Repeat => receipt.repeats += 1,
                    Outcome::DeadLetter(reason) => {
                        receipt.dead_letters += 1;
                        counter!("farelog_dead_letters_total", "reason" => reason.as_str())
                            .increment(1);
                    }
                }
            }
            receipts.push(receipt);
            if !is_covered(checkpoint.as_ref(), &behind) {
                checkpoint = Some(behind);
            }
            Ok(())
        });
        let entries = drafted
            .map(|()| draft.into_entries())
            .map_err(|error| self.fail(error))?;
        let records = self.commit(entries, checkpoint, Utc::now())?;

        let head = self.log.head().position;
        for receipt in &mut receipts {
            receipt.head = head;
            counter!("farelog_events_repeated_total").increment(receipt.repeats);
        }
        Ok((receipts, records))
    }

    /// Tries a dead letter again; see [`super::writer::LogWriter::retry`].
    pub(super) fn retry(
        &mut self,
        arrival: Arrival,
        settled: NewEvent,
        reply: Reply<Decided<TakenIn>>,
    ) {
        let Arrival { message, content } = arrival;
        let taken_in = self.commit_alone(Utc::now(), |draft| {
            // First of all: what was discarded stays out, even by a retry that was under way before.
            if draft.has(&settled)? {
                return Ok(TakenIn::Settled);
            }
            let event = content.map_err(|dead_letter| {
                Rejected::Refused(Refused {
                    reason: dead_letter.reason,
                    detail: dead_letter.detail,
                })
            })?;
            let is_new = draft.record(event, Some(&message))?;
            draft.settle(settled);
            Ok(if is_new {
                TakenIn::Appended
            } else {
                TakenIn::Repeat
            })
        });
        self.answer(taken_in, reply);
    }

    /// Runs a decision; see [`super::writer::LogWriter::decide`].
    pub(super) fn decide<T>(
        &mut self,
        decision: impl FnOnce(&Moment) -> Decision<T>,
        reply: Reply<Decided<T>>,
    ) {
        if reply.is_closed() {
            return;
        }
        let now = Utc::now();
        let moment = Moment {
            head: self.log.head(),
            now: self.last_recorded_at.map_or(now, |last| last.max(now)),
        };
        let decided = self.commit_alone(moment.now, |draft| {
            let Decision { events, answer } = decision(&moment);
            for event in events {
                if !draft.record(event, None)? {
                    counter!("farelog_events_repeated_total").increment(1);
                }
            }
            Ok(answer)
        });
        self.answer(decided, reply);
    }

    fn answer<T>(
        &mut self,
        outcome: Result<(T, Vec<Record>), WriterError>,
        reply: Reply<Decided<T>>,
    ) {
        match outcome {
            Ok((answer, records)) => {
                let decided = Decided {
                    answer,
                    records: records.clone(),
                    head: self.log.head().position,
                };
                let _ = reply.send(Ok(decided));
                self.feed(records);
            }
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    /// Commits what `fill` puts into a batch, or nothing.
    fn commit_alone<T>(
        &mut self,
        recorded_at: DateTime<Utc>,
        fill: impl FnOnce(&mut Draft<'_>) -> Result<T, Rejected>,
    ) -> Result<(T, Vec<Record>), WriterError> {
        self.ready().map_err(WriterError::Log)?;
        let mut draft = Draft::new(&*self.log, &mut *self.admission, 1);
        let answer = match fill(&mut draft) {
            Ok(answer) => answer,
            Err(Rejected::Refused(refused)) => {
                draft.withdraw();
                return Err(WriterError::Refused(refused));
            }
            Err(Rejected::Log(error)) => return Err(WriterError::Log(self.fail(error))),
        };
        let entries = draft.into_entries();
        let records = self
            .commit(entries, None, recorded_at)
            .map_err(WriterError::Log)?;
        Ok((answer, records))
    }

    /// Appends a batch. Whatever goes wrong ends the writer: what was admitted and what was appended now differ.
    fn commit(
        &mut self,
        entries: Vec<Entry>,
        checkpoint: Option<StreamCheckpoint>,
        recorded_at: DateTime<Utc>,
    ) -> Result<Vec<Record>, Arc<LogError>> {
        if entries.is_empty() && (checkpoint.is_none() || checkpoint == self.log.head().checkpoint)
        {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let appended = self.log.append(Batch {
            entries,
            checkpoint,
            recorded_at,
        });
        let records = appended.map_err(|error| self.fail(error))?;
        histogram!("farelog_commit_seconds").record(started.elapsed().as_secs_f64());
        counter!("farelog_events_appended_total").increment(records.len() as u64);
        if let Some(last) = records.last() {
            self.last_recorded_at = Some(last.recorded_at);
        }
        Ok(records)
    }

    fn feed(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Some(feed) = &self.feed
            && feed.send(records).is_err()
        {
            self.feed = None;
        }
    }

    fn ready(&self) -> Result<(), Arc<LogError>> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: LogError) -> Arc<LogError> {
        tracing::error!(%error, "the event log failed, nothing more is recorded");
        let error = Arc::new(error);
        self.failed = Some(Arc::clone(&error));
        error
    }
}

/// Takes what else waits and can be committed with `first`: further messages, up to the first other request, which is
/// given back, or to the limits. A request is never split, so the last may pass them.
fn gather(
    first: IngestRequest,
    queue: &mut mpsc::Receiver<Request>,
    commit_events_max: usize,
) -> (Vec<IngestRequest>, Option<Request>) {
    let size = |request: &IngestRequest| -> (usize, usize) {
        let bytes = |arrival: &Arrival| arrival.message.memory_bytes();
        let bytes = request.arrivals.iter().map(bytes).sum();
        (request.arrivals.len(), bytes)
    };
    let (mut events, mut bytes) = size(&first);
    let mut group = vec![first];
    while events < commit_events_max && bytes < COMMIT_BYTES_MAX {
        match queue.try_recv() {
            Ok(Request::Ingest(request)) => {
                let (more_events, more_bytes) = size(&request);
                events += more_events;
                bytes += more_bytes;
                group.push(request);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

/// Whether the checkpoint is of the stream that `of` is of: one of the same name that was made anew is another.
fn is_of_stream(checkpoint: &StreamCheckpoint, of: &StreamCheckpoint) -> bool {
    checkpoint.stream == of.stream && checkpoint.stream_created_at == of.stream_created_at
}

/// Whether the log has dealt with a message of the stream that `behind` is a checkpoint of.
///
/// Not by the sequence alone: a broker that lost its tail gives the same sequence to another message, later.
fn covers(
    checkpoint: Option<&StreamCheckpoint>,
    behind: &StreamCheckpoint,
    message: &RawMessage,
) -> bool {
    checkpoint.is_some_and(|checkpoint| {
        is_of_stream(checkpoint, behind)
            && message.stream == checkpoint.stream
            && message.stream_sequence <= checkpoint.sequence
            && message.published_at <= checkpoint.published_at
    })
}

/// Whether the checkpoint is as far as `behind`, so that it stays.
fn is_covered(checkpoint: Option<&StreamCheckpoint>, behind: &StreamCheckpoint) -> bool {
    checkpoint.is_some_and(|checkpoint| {
        is_of_stream(checkpoint, behind)
            && behind.sequence <= checkpoint.sequence
            && behind.published_at <= checkpoint.published_at
    })
}

fn describe_metrics() {
    describe_counter!(
        "farelog_events_appended_total",
        "Records appended to the event log, dead letters among them"
    );
    describe_counter!(
        "farelog_events_repeated_total",
        "Events dropped since the log had them"
    );
    describe_counter!(
        "farelog_dead_letters_total",
        "Messages kept as dead letters, by reason"
    );
    describe_histogram!(
        "farelog_commit_seconds",
        metrics::Unit::Seconds,
        "Time of a commit, until it is durable"
    );
}
