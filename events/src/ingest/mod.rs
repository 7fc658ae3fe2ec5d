//! Ingestion: from a JetStream stream into the log.
//!
//! ```text
//! stream ── pull consumer, AckPolicy all ──▶ reader: batches, in sequence ──▶ decoded ──▶ writer ──▶ durable
//!    ▲                                                                                                │
//!    └───────────────────────────── the last message of the batch is acknowledged ◀──────────────────┘
//! ```
//!
//! - **Durable before acknowledged.** A batch is acknowledged, by its last message, once the writer gave its receipt.
//! - **Nothing passed over.** Acknowledging one message acknowledges all before it, so a message that was sent but
//!   never arrived would be lost by the next acknowledgement. Ingestion reads in *sessions*: each begins at the log's
//!   checkpoint with a consumer that stands there, and within one every delivery is counted. A connection that was
//!   made anew, a count that jumps, a consumer that is gone or serves another: the session ends, and the next begins
//!   at the checkpoint. A sequence that jumps has the stream asked whether it still has what lies between.
//! - **Nothing twice.** What JetStream sends again is dropped by its sequence here, or by its identity in the writer.
//! - **Never another stream unnoticed.** Each session first compares the stream with the checkpoint
//!   ([`continuity`]); a stream that is not the one that the log was fed from stops ingestion until someone decides.
//! - **Held up by no message.** What the client can't take in ends each session that comes to it, so after a session that
//!   failed the next messages are asked for one by one, and such a one is kept as a dead letter.
//!
//! A broker that is away is waited for, however long; [`IngestStatus`] says so.

mod broker;
mod consumer;
pub mod continuity;
mod pace;
mod queue;
mod reader;
mod status;
pub mod stored;
mod stream;
mod undelivered;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{self, Context};
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::{oneshot, watch};

pub use status::{IngestState, IngestStatus, StreamKeeping, StreamStorage};

use crate::log::EventLog;
use crate::log::writer::{LogWriter, WriterError};
use broker::BrokerError;
use continuity::StreamBreak;
use queue::Decoded;
use reader::Reader;
use stream::SourceStream;

/// Name of the stream that is read when none is given (contract, section 2).
pub const STREAM_DEFAULT: &str = "ORDERS";

/// How often a running session looks after its connection and its stream.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// How often the connection is looked at while it is away.
const AWAY_INTERVAL: Duration = Duration::from_millis(20);
/// How long a connection may take to be made before it is said that NATS can't be reached.
const AWAY_GRACE: Duration = Duration::from_secs(1);
/// How often it is said again that NATS is away.
const AWAY_REMINDER_INTERVAL: Duration = Duration::from_secs(60);
/// Wait after a session that failed, at first and at most; it doubles in between.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A session that lasted this long was a good one: the wait begins anew.
const BACKOFF_RESET: Duration = Duration::from_secs(10);

/// What ingestion is told by the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestOptions {
    /// The stream to read.
    pub stream: String,
    /// Take the stream as it is now for the continuation of the log, once, where it is not the one that the log was
    /// fed from (`serve --adopt-stream`). It is read from its first message; events that the log has are repeats.
    pub adopt_stream: bool,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            stream: STREAM_DEFAULT.to_owned(),
            adopt_stream: false,
        }
    }
}

/// The task that reads the stream into the log. One per log.
pub struct Ingestion {
    client: Client,
    jetstream: Context,
    log: Arc<dyn EventLog>,
    writer: LogWriter,
    options: IngestOptions,
    status: watch::Sender<IngestStatus>,
    /// What was last said of a failed session, so that the same is not said every few seconds.
    last_failure: Option<String>,
    /// Whether a session failed, and its reason may be the next message.
    looks_ahead: bool,
    /// How long to wait after a session that fails.
    wait: Duration,
}

impl Ingestion {
    /// Prepares ingestion. The client may still be connecting; it must not give up reconnecting by itself.
    pub fn new(
        client: Client,
        log: Arc<dyn EventLog>,
        writer: LogWriter,
        options: IngestOptions,
    ) -> Self {
        describe_metrics();
        let last_sequence = sequence_of(&*log);
        Self {
            jetstream: jetstream::new(client.clone()),
            client,
            log,
            writer,
            options,
            status: watch::Sender::new(IngestStatus::connecting(last_sequence)),
            last_failure: None,
            looks_ahead: false,
            wait: BACKOFF_MIN,
        }
    }

    /// How ingestion is doing, and word of each change.
    pub fn status(&self) -> watch::Receiver<IngestStatus> {
        self.status.subscribe()
    }

    /// Reads the stream, for good. Whatever the broker does is waited out, or, where the stream is another one than
    /// the log's, reported as [`IngestState::Stopped`].
    ///
    /// While it reads it ends when `stop` is sent or dropped, with all acknowledged that it has read by then. It can
    /// also be ended by dropping the future: what was not acknowledged then comes again and is dropped.
    ///
    /// While messages come fast it holds its thread up for a millisecond behind each commit, so that it is best run in a
    /// runtime of its own, with the client's connection and nothing else
    /// (docs/decisions/0138-ingestion-has-a-thread-of-its-own.md).
    ///
    /// # Errors
    /// The writer's, with which the process is to end.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) -> Result<(), WriterError> {
        loop {
            let started = Instant::now();
            let Err(end) = self.session(&mut stop).await;
            if started.elapsed() >= BACKOFF_RESET {
                self.wait = BACKOFF_MIN;
            }
            match end {
                SessionEnd::Told => return Ok(()),
                SessionEnd::Writer(error) => return Err(error),
                SessionEnd::Broken(stream_break) => {
                    tracing::error!(stream = %self.options.stream, "ingestion has stopped: {stream_break}");
                    self.status.send_modify(|status| {
                        status.state = IngestState::Stopped(stream_break);
                        status.waits_for = None;
                    });
                    self.writer.ended().await;
                    return Err(WriterError::Ended);
                }
                SessionEnd::Broker(error) => self.report(&error),
            }
            counter!("farelog_ingest_sessions_failed_total").increment(1);
            self.looks_ahead = true;
            tokio::time::sleep(self.wait).await;
            self.wait = (self.wait * 2).min(BACKOFF_MAX);
        }
    }

    async fn session(
        &mut self,
        stop: &mut oneshot::Receiver<()>,
    ) -> Result<Infallible, SessionEnd> {
        self.connection().await;
        // Read before anything is asked: a connection that is made anew after this ends the session.
        let connects = self.connects();
        let stream = SourceStream::open(&self.jetstream, &self.options.stream).await?;
        let mut checkpoint = stream
            .checkpoint(&*self.log, &self.writer, self.options.adopt_stream)
            .await?;
        // An adoption is for what is known now, not for what may befall the stream later.
        self.options.adopt_stream = false;
        if self.looks_ahead {
            checkpoint = self.read_undelivered(&stream, connects, checkpoint).await?;
            self.looks_ahead = false;
        }

        let from = checkpoint.as_ref().map_or(0, |c| c.sequence);
        let name = consumer::name(self.log.id());
        let consumer = consumer::at(&stream.handle, &name, checkpoint.as_ref()).await?;
        let (decoded_sender, decoded) = queue::queue();
        let reader = Reader::new(
            consumer,
            &stream,
            &self.client,
            connects,
            checkpoint.as_ref(),
        )
        .await?;

        tracing::info!(stream = %self.options.stream, from = from + 1, "ingestion reads the stream");
        self.last_failure = None;
        self.reads();
        self.status.send_modify(|status| {
            status.stream_keeping = Some(stream.keeping);
            status.last_sequence = from;
            status.stream_last_sequence = Some(stream.last_sequence);
        });

        let mut commits = std::pin::pin!(self.commit(decoded));
        let end = tokio::select! {
            end = reader.run(&*self.log, decoded_sender) => end,
            end = self.watch(&stream, connects) => end,
            _ = stop => Err(SessionEnd::Told),
            committed = &mut commits => {
                // Before the reader, which it gets its batches from, it ends only with the writer.
                committed?;
                return Err(BrokerError::Ended.into());
            }
        };
        // What was read in full is committed and acknowledged; the next session begins behind it.
        commits.await?;
        end
    }

    /// Commits batches one after the other, and acknowledges each.
    async fn commit(&self, mut decoded: queue::Receiver<Acker>) -> Result<(), WriterError> {
        while let Some(Decoded {
            arrivals,
            checkpoint,
            last,
        }) = decoded.next().await
        {
            let sequence = checkpoint.sequence;
            let count = arrivals.len();
            let durable = self.writer.submit(arrivals, checkpoint).await?;
            if let Some(rest) = pace::rest_behind(count) {
                // The thread, and with it the reader and the connection: none of them is woken for each message then.
                thread::sleep(rest);
            }
            durable.await?;
            if let Err(error) = last.ack().await {
                // Then it is sent again, and dropped.
                tracing::debug!(%error, sequence, "an acknowledgement was not sent");
            }
            self.has_dealt_with(count, sequence);
        }
        Ok(())
    }

    /// Says that so many more messages are in the log, the last one with this sequence.
    fn has_dealt_with(&self, count: usize, sequence: u64) {
        counter!("farelog_ingest_messages_total").increment(count as u64);
        self.status.send_modify(|status| {
            status.last_sequence = sequence;
            status.stream_last_sequence = status.stream_last_sequence.max(Some(sequence));
        });
        gauge(&self.status.borrow());
    }

    /// Looks after the connection and the stream while messages are read.
    async fn watch(&self, stream: &SourceStream, connects: u64) -> Result<Infallible, SessionEnd> {
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
            if self.client.connection_state() != State::Connected || self.connects() != connects {
                return Err(BrokerError::Disconnected.into());
            }
            // Before the stream is asked, which only grows meanwhile.
            let sequence = sequence_of(&*self.log);
            // A request that fails says nothing about the stream; the heartbeat of the consumer tells if it is bad.
            let Ok(info) = stream.handle.get_info().await else {
                continue;
            };
            if stream.has_changed(&info, sequence) {
                return Err(BrokerError::StreamChanged.into());
            }
            self.status.send_modify(|status| {
                status.stream_last_sequence = Some(info.state.last_sequence);
            });
            gauge(&self.status.borrow());
        }
    }

    /// Waits until there is a connection.
    async fn connection(&self) {
        let since = Instant::now();
        let mut said: Option<Instant> = None;
        while self.client.connection_state() != State::Connected {
            let is_due = match said {
                // One that is just being made is no news.
                None => since.elapsed() >= AWAY_GRACE,
                Some(said) => said.elapsed() >= AWAY_REMINDER_INTERVAL,
            };
            if is_due {
                tracing::warn!("NATS can't be reached, ingestion waits for it");
                self.waits_for("NATS can't be reached".to_owned());
                said = Some(Instant::now());
            }
            tokio::time::sleep(AWAY_INTERVAL).await;
        }
        if said.is_some() {
            tracing::info!("NATS is reached");
        }
    }

    fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Acquire)
    }

    /// Says that it reads.
    fn reads(&self) {
        self.status.send_modify(|status| {
            status.state = IngestState::Running;
            status.waits_for = None;
        });
    }

    /// Says what keeps it from reading, until it reads again.
    fn waits_for(&self, what: String) {
        self.status.send_modify(|status| {
            status.waits_for = Some(what);
            // At first it is one connecting, however many sessions it takes.
            if status.state != IngestState::Connecting {
                status.state = IngestState::Reconnecting;
            }
        });
    }

    fn report(&mut self, error: &BrokerError) {
        let sentence = error.to_string();
        self.waits_for(sentence.clone());
        if self.last_failure.as_ref() == Some(&sentence) {
            tracing::debug!("ingestion begins anew: {sentence}");
        } else {
            tracing::warn!(stream = %self.options.stream, "ingestion begins anew: {sentence}");
            self.last_failure = Some(sentence);
        }
    }
}

/// Why a session ended.
#[derive(Debug)]
enum SessionEnd {
    /// It was told to end.
    Told,
    /// The broker, or the way to it: begin anew.
    Broker(BrokerError),
    /// The stream is not the log's: stop.
    Broken(StreamBreak),
    /// The writer failed: end.
    Writer(WriterError),
}

impl From<BrokerError> for SessionEnd {
    fn from(error: BrokerError) -> Self {
        Self::Broker(error)
    }
}

impl From<StreamBreak> for SessionEnd {
    fn from(stream_break: StreamBreak) -> Self {
        Self::Broken(stream_break)
    }
}

impl From<WriterError> for SessionEnd {
    fn from(error: WriterError) -> Self {
        Self::Writer(error)
    }
}

/// The sequence of the last message that the log has dealt with, 0 for none.
fn sequence_of(log: &dyn EventLog) -> u64 {
    log.watch()
        .borrow()
        .checkpoint
        .as_ref()
        .map_or(0, |checkpoint| checkpoint.sequence)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; sequences stay exact up to 2^53"
)]
fn gauge(status: &IngestStatus) {
    gauge!("farelog_ingest_sequence").set(status.last_sequence as f64);
    if let Some(last) = status.stream_last_sequence {
        gauge!("farelog_ingest_stream_sequence").set(last as f64);
    }
}

/// Counts messages that were removed from among others, and says so where that is due: a stream with a limit for each subject
/// removes some all the time.
fn note_removed(stream: &str, removed: u64, before: u64, is_due: bool) {
    counter!("farelog_ingest_removed_unread_total").increment(removed);
    if is_due {
        tracing::warn!(
            stream,
            removed,
            before,
            "messages were removed from among others in the stream before they were read; publish them again if they \
             are wanted"
        );
    }
}

fn describe_metrics() {
    describe_counter!(
        "farelog_ingest_messages_total",
        "Messages of the stream that the log has dealt with"
    );
    describe_counter!(
        "farelog_ingest_redelivered_total",
        "Messages that JetStream sent again and that were dropped by their sequence"
    );
    describe_counter!(
        "farelog_ingest_sessions_failed_total",
        "Sessions of reading that the broker, or the way to it, ended"
    );
    describe_counter!(
        "farelog_ingest_removed_unread_total",
        "Messages that were removed from among others in the stream before they were read"
    );
    describe_gauge!(
        "farelog_ingest_sequence",
        "Sequence of the last message that the log has dealt with"
    );
    describe_gauge!(
        "farelog_ingest_stream_sequence",
        "Sequence of the stream's last message"
    );
}
