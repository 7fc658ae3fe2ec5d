//! The outbox: sends the facts that the projections gather to a JetStream stream, each once, in the order of the log
//! (domain, section 5, rule 5; design, rule 8).
//!
//! ```text
//! projections ── facts behind the position ──▶ outbox ── "only behind sequence n" ──▶ stream FARELOG
//!                                                ▲  │                                      │
//!                                                │  └──▶ outbox.json, beside the log       │
//!                                                └────────── acknowledgement ◀─────────────┘
//! ```
//!
//! - **Once.** Each publish names the message that the stream must end with, so that a fact is stored behind the one
//!   before it or not at all, however often it was on the way. After any doubt (an acknowledgement that did not come, a
//!   broker that was away, a start) the stream is asked what it has ([`continuity`]).
//! - **In order.** Facts are sent many at a time over one connection; the first that is refused has all behind it
//!   refused.
//! - **Beside the log.** The position is kept in a file and not in a projection, so that a rebuild sends nothing.
//! - **Apart.** A broker that is away holds up nothing but the outbox; what is to be sent stays in the projections'
//!   store, and only a page of it is in memory.

mod broker;
mod chain;
pub mod continuity;
pub mod message;
mod options;
pub mod position;
mod status;
mod stream;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::connection::State;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, jetstream::stream::Stream};
use chrono::TimeDelta;
use farelog_events::log::{EventLog, Position};
use farelog_projections::answer::Answer;
use farelog_projections::outbox::{Fact, FactPlace};
use farelog_projections::{ProjectionError, Projections};
use metrics::{counter, gauge};
use tokio::sync::watch;
use tokio::time::sleep;

pub use options::{OutboxOptions, STREAM_DEFAULT};
pub use status::{OutboxState, OutboxStatus};

use broker::SendError;
use chain::Chain;
use continuity::{OutboxBreak, ResumedBy};
use position::{OutboxPosition, PositionError, PositionFile, StreamMark, surely_sent_to};
use status::{describe_metrics, gauge_position};

/// How long a fact that was sent is kept, by the time of the log: a broker may have lost what it acknowledged, and then
/// it is sent again.
const KEPT_FOR: TimeDelta = TimeDelta::days(1);

/// Facts that are read and sent in one go.
const PAGE_FACTS: usize = 256;

/// How often the position is saved while facts are sent, and how often an idle outbox looks at its connection. What a
/// crash leaves unsaved the stream tells.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);
/// How long it rests behind a page that was not full. While events come one by one, facts of many go out together then; a
/// page costs nearly the same for one as for some.
const REST: Duration = Duration::from_millis(10);
/// How often the connection is looked at while it is away.
const AWAY_INTERVAL: Duration = Duration::from_millis(100);
/// Wait after a failure, at first and at most; it doubles in between.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A failure is said again if there was none for this long.
const SAID_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// How often a stopped outbox looks whether it can go on after all.
const STOPPED_INTERVAL: Duration = Duration::from_secs(30);

/// The task that sends. One per log.
pub struct Outbox {
    client: Client,
    jetstream: Context,
    log: Arc<dyn EventLog>,
    projections: Projections,
    options: OutboxOptions,
    file: PositionFile,
    /// How far it has come; `None` while that is not known.
    position: Option<OutboxPosition>,
    saved: Option<OutboxPosition>,
    saved_at: Instant,
    status: watch::Sender<OutboxStatus>,
}

impl Outbox {
    /// Prepares the outbox of a log. To be called before anything can be recorded: the outbox of a log without records
    /// begins at its beginning. The client may still be connecting; it must not give up reconnecting by itself.
    ///
    /// # Errors
    /// The position can't be read or written.
    pub fn open(
        data_dir: &Path,
        client: Client,
        log: Arc<dyn EventLog>,
        projections: Projections,
        options: OutboxOptions,
    ) -> Result<Self, PositionError> {
        describe_metrics();
        let file = PositionFile::of(data_dir);
        let mut position = file.load()?.filter(|saved| saved.log_id == log.id());
        if position.is_none() && log.head().position == 0 {
            let start = OutboxPosition::at(log.id(), FactPlace::START);
            file.save(&start)?;
            position = Some(start);
        }
        let outbox = Self {
            jetstream: jetstream::new(client.clone()),
            client,
            log,
            projections,
            options,
            file,
            saved: position.clone(),
            saved_at: Instant::now(),
            status: watch::Sender::new(OutboxStatus {
                state: OutboxState::Connecting,
                position: position
                    .as_ref()
                    .map_or(0, |known| surely_sent_to(known.place)),
                sent: 0,
            }),
            position,
        };
        // Told to go back, it may need facts that a rebuild would not make otherwise.
        if outbox.options.after.is_none() {
            outbox.forget_old_facts();
        }
        Ok(outbox)
    }

    /// How the outbox is doing, and word of each change.
    pub fn status(&self) -> watch::Receiver<OutboxStatus> {
        self.status.subscribe()
    }

    /// Sends facts until `stop` comes, then saves the position. Whatever the broker does is waited out.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::select! {
            never = self.send_for_good() => match never {},
            () = stop => {}
        }
        if let Err(error) = self.save().await {
            tracing::warn!("{error}");
        }
    }

    async fn send_for_good(&mut self) -> Infallible {
        let mut wait = BACKOFF_MIN;
        let mut last_said = String::new();
        loop {
            let (started, sent_before) = (Instant::now(), self.status.borrow().sent);
            let Err(end) = self.session().await;
            let has_sent = self.status.borrow().sent > sent_before;
            if started.elapsed() >= SAID_AGAIN_AFTER {
                last_said.clear();
            }
            let sentence = end.to_string();
            let is_news = sentence != last_said;
            match end {
                SessionEnd::Failed(_) => {
                    if is_news {
                        tracing::warn!(stream = %self.options.stream, "the outbox tries again: {sentence}");
                    }
                    counter!("farelog_outbox_failures_total").increment(1);
                    self.set_state(OutboxState::Retrying(sentence.clone()));
                    // Where others write to the stream, some facts get through each time.
                    if has_sent {
                        wait = BACKOFF_MIN;
                    } else {
                        sleep(wait).await;
                        wait = (wait * 2).min(BACKOFF_MAX);
                    }
                }
                SessionEnd::Broken(outbox_break) => {
                    if is_news {
                        tracing::error!(stream = %self.options.stream, "the outbox has stopped: {sentence}");
                    }
                    self.set_state(OutboxState::Stopped(outbox_break));
                    sleep(STOPPED_INTERVAL).await;
                }
            }
            last_said = sentence;
        }
    }

    /// Finds out where to go on, and sends from there.
    async fn session(&mut self) -> Result<Infallible, SessionEnd> {
        self.connection().await;
        let stream = stream::open(&self.jetstream, &self.options.stream).await?;
        self.resume(&stream).await?;
        self.save().await?;
        let mut progress = self.projections.progress();
        loop {
            progress.mark_unchanged();
            let Answer {
                position: projected,
                value: facts,
            } = self.next_facts().await?;
            self.note_that_it_goes_on();
            if facts.is_empty() {
                self.note_sent_up_to(projected);
                self.set_state(OutboxState::Sending);
                tokio::select! {
                    Ok(()) = progress.changed() => {}
                    () = sleep(SAVE_INTERVAL) => {
                        if self.client.connection_state() != State::Connected {
                            return Err(SendError::Disconnected.into());
                        }
                    }
                }
            } else {
                self.send(&facts).await?;
                if facts.len() < PAGE_FACTS {
                    sleep(REST).await;
                }
            }
            if self.saved_at.elapsed() >= SAVE_INTERVAL {
                self.save().await?;
            }
        }
    }

    /// Waits until there is a connection.
    async fn connection(&self) {
        while self.client.connection_state() != State::Connected {
            sleep(AWAY_INTERVAL).await;
        }
    }

    /// Asks the stream what it has, and takes the position from there or from what is known.
    async fn resume(&mut self, stream: &Stream) -> Result<(), SessionEnd> {
        let known = self.position.as_ref();
        let facts = stream::look(&self.jetstream, stream, self.log.id(), known).await?;
        let head = self.log.head().position;
        let place = match (continuity::resume(known, &facts, head), self.options.after) {
            (Ok(resumption), _) => {
                let place = resumption.place;
                let stream = &*facts.name;
                let position = place.position;
                match resumption.by {
                    ResumedBy::Position => {}
                    ResumedBy::Stream => {
                        tracing::info!(stream, position, "the stream has facts up to here");
                    }
                    ResumedBy::StreamThatLostItsTail => tracing::warn!(
                        stream,
                        position,
                        "NATS lost facts that it had taken; those behind this log position are sent again"
                    ),
                    ResumedBy::PositionOfOtherStream => tracing::warn!(
                        stream,
                        position,
                        "the stream is not the one that facts were sent to until now; it gets those behind this log \
                         position, and none that the other had"
                    ),
                }
                place
            }
            (Err(outbox_break), Some(after)) => {
                let after = after.min(head);
                tracing::warn!(after, "going on as told by --outbox-after: {outbox_break}");
                FactPlace::after_record(after)
            }
            (Err(outbox_break), None) => return Err(outbox_break.into()),
        };
        // It is for what is known now, not for what may befall the stream later.
        self.options.after = None;
        self.note_resumed(place);
        let recorded_at = known
            .filter(|known| known.place == place)
            .and_then(|known| known.recorded_at);
        self.position = Some(OutboxPosition {
            log_id: self.log.id(),
            place,
            recorded_at,
            stream: Some(StreamMark {
                name: facts.name,
                created_at: facts.created_at,
                sequence: facts.last_sequence,
                published_at: facts.last_published_at,
            }),
        });
        Ok(())
    }

    async fn next_facts(&self) -> Result<Answer<Vec<Fact>>, SessionEnd> {
        let place = self
            .position
            .as_ref()
            .map_or(FactPlace::START, |known| known.place);
        let projections = self.projections.clone();
        let read = tokio::task::spawn_blocking(move || projections.facts_after(place, PAGE_FACTS));
        match read.await.map_err(|_| SendError::Panicked)? {
            Ok(answer) => Ok(answer),
            Err(error @ ProjectionError::FactsForgotten { .. }) => {
                Err(OutboxBreak::Forgotten(error.to_string()).into())
            }
            Err(error) => Err(SendError::Facts(error).into()),
        }
    }

    /// Sends facts, and moves the position with each that the stream has.
    async fn send(&mut self, facts: &[Fact]) -> Result<(), SendError> {
        let Some(OutboxPosition {
            stream: Some(mark), ..
        }) = &self.position
        else {
            return Err(SendError::StreamMoved);
        };
        let mut chain = Chain::new(&self.jetstream, self.log.id(), mark, facts);
        while let Some(sent) = chain.next().await? {
            let Some(position) = &mut self.position else {
                break;
            };
            position.place = sent.fact.place;
            position.recorded_at = Some(sent.fact.time);
            if let Some(mark) = &mut position.stream
                && mark.sequence != sent.sequence
            {
                mark.sequence = sent.sequence;
                mark.published_at = None;
            }
            counter!("farelog_outbox_sent_total").increment(1);
            let up_to = surely_sent_to(sent.fact.place);
            self.status.send_modify(|status| {
                status.sent += 1;
                // All up to there may be known to be out since the facts before were read.
                status.position = up_to.max(status.position);
            });
            self.set_state(OutboxState::Sending);
        }
        Ok(())
    }

    /// What is known of what was sent may have become less: a stream that lost its tail gets some of it again. So the
    /// position that is told can go back here, and only here.
    fn note_resumed(&self, place: FactPlace) {
        // Where it is as it was left, what was told holds: nothing may have come behind the last fact.
        let is_as_left = self
            .position
            .as_ref()
            .is_some_and(|known| known.place == place);
        if !is_as_left {
            let position = surely_sent_to(place);
            self.status.send_modify(|status| status.position = position);
        }
        gauge_position(self.status.borrow().position);
    }

    /// What had stopped it is over: it knows where to go on, and has the facts. That they are taken is not known yet.
    fn note_that_it_goes_on(&self) {
        if matches!(self.status.borrow().state, OutboxState::Stopped(_)) {
            self.set_state(OutboxState::Connecting);
        }
    }

    /// All facts of records up to there are out.
    fn note_sent_up_to(&self, position: Position) {
        self.status.send_if_modified(|status| {
            let is_news = status.position < position;
            status.position = status.position.max(position);
            is_news
        });
        gauge_position(self.status.borrow().position);
    }

    /// Saves the position if it has moved.
    async fn save(&mut self) -> Result<(), SendError> {
        self.saved_at = Instant::now();
        let Some(position) = self.position.clone() else {
            return Ok(());
        };
        if self.saved.as_ref() == Some(&position) {
            return Ok(());
        }
        let file = self.file.clone();
        let saving = position.clone();
        tokio::task::spawn_blocking(move || file.save(&saving))
            .await
            .map_err(|_| SendError::Panicked)??;
        self.saved = Some(position);
        self.forget_old_facts();
        gauge_position(self.status.borrow().position);
        Ok(())
    }

    fn forget_old_facts(&self) {
        let recorded_at = self.saved.as_ref().and_then(|saved| saved.recorded_at);
        if let Some(recorded_at) = recorded_at {
            self.projections.forget_facts_before(recorded_at - KEPT_FOR);
        }
    }

    fn set_state(&self, state: OutboxState) {
        self.status.send_if_modified(|status| {
            // Until NATS was reached it is one connecting.
            let is_still_connecting = status.state == OutboxState::Connecting
                && matches!(state, OutboxState::Retrying(_))
                && self.client.connection_state() != State::Connected;
            let is_news = !is_still_connecting && status.state != state;
            if is_news {
                let has_stopped = matches!(state, OutboxState::Stopped(_));
                gauge!("farelog_outbox_stopped").set(f64::from(u8::from(has_stopped)));
                status.state = state;
            }
            is_news
        });
    }
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum SessionEnd {
    /// Try again.
    #[error(transparent)]
    Failed(#[from] SendError),
    /// Someone has to decide.
    #[error(transparent)]
    Broken(#[from] OutboxBreak),
}
