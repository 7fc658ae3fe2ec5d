//! A log that grows, its projections, a broker, and an outbox between them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::stream::{Config, Stream};
use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, NewEvent, OWN_SOURCE, decode};
use farelog_events::ingest::stored::StoredMessages;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog, Position};
use farelog_projections::Projections;
use farelog_test_support::bare::BareMessage;
use farelog_test_support::broker::Broker;
use farelog_test_support::directory;
use farelog_test_support::way::Way;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::outbox::continuity::OutboxBreak;
use crate::outbox::message::FactId;
use crate::outbox::{Outbox, OutboxOptions, OutboxState, OutboxStatus, STREAM_DEFAULT};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub broker: Broker,
    pub log: Arc<MemoryLog>,
    projections: Option<Projections>,
    outbox: Option<Running>,
    others: Vec<Running>,
    /// The way that the outbox goes to the broker; the straight one where there is none.
    way: Option<Way>,
    directory: TempDir,
}

/// An outbox that runs.
struct Running {
    task: JoinHandle<()>,
    status: watch::Receiver<OutboxStatus>,
    stop: oneshot::Sender<()>,
}

impl Stage {
    /// An empty log whose outbox has run once.
    pub async fn new() -> Self {
        let mut stage = Self::without_outbox();
        stage.start().await;
        stage
    }

    /// An empty log whose outbox has never run.
    pub fn without_outbox() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            broker: Broker::start(&directory.path().join("nats")),
            log: Arc::new(MemoryLog::new()),
            projections: None,
            outbox: None,
            others: Vec::new(),
            way: None,
            directory,
        }
    }

    /// Puts another empty log in the place of this one.
    pub async fn begin_anew(&mut self) {
        self.end().await;
        self.log = Arc::new(MemoryLog::new());
        self.rebuild();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn projections(&mut self) -> Projections {
        let directory = self.path("projections");
        let open = || Projections::open(&directory, &*self.log).unwrap();
        self.projections.get_or_insert_with(open).clone()
    }

    /// Records events of which one fact comes each.
    pub fn record(&mut self, events: u32) {
        for _ in 0..events {
            let number = self.log.head().position + 1;
            let data = format!(r#"{{"number":{number}}}"#);
            let kind = EventKind::DeadLetterDiscarded;
            let event = NewEvent {
                source: OWN_SOURCE.into(),
                id: format!("e{number}").into(),
                event_type: kind.name().into(),
                time: time_of(number),
                correlation_id: None,
                about: decode(kind, &data).unwrap().about(),
                data: JsonText::new(&data).unwrap(),
            };
            let batch = Batch {
                entries: vec![Entry {
                    event,
                    origin: None,
                }],
                checkpoint: None,
                recorded_at: time_of(number),
            };
            self.log.append(batch).unwrap();
        }
        let log = Arc::clone(&self.log);
        self.projections().catch_up(&*log).unwrap();
    }

    /// Throws the projections away and makes them anew from the log. The outbox must not run.
    pub fn rebuild(&mut self) {
        assert!(self.outbox.is_none());
        self.projections = None;
        let directory = self.path("projections");
        if directory.exists() {
            fs::remove_dir_all(directory).unwrap();
        }
        self.record(0);
    }

    pub async fn start(&mut self) {
        self.start_with(OutboxOptions::default()).await;
    }

    pub async fn start_after(&mut self, position: Position) {
        let options = OutboxOptions {
            after: Some(position),
            ..OutboxOptions::default()
        };
        self.start_with(options).await;
    }

    pub async fn start_with(&mut self, options: OutboxOptions) {
        assert!(self.outbox.is_none());
        let data_dir = self.directory.path().to_owned();
        self.outbox = Some(self.run(&data_dir, options).await);
    }

    /// Has another outbox of the same log run, as by a copy of the data directory.
    pub async fn start_another(&mut self) {
        let copy = self.path("copy");
        fs::create_dir_all(&copy).unwrap();
        let another = self.run(&copy, OutboxOptions::default()).await;
        self.others.push(another);
    }

    async fn run(&mut self, data_dir: &Path, options: OutboxOptions) -> Running {
        let client = match &self.way {
            Some(way) => way.client().await,
            None => self.broker.client().await,
        };
        let log = Arc::clone(&self.log) as Arc<dyn EventLog>;
        let outbox = Outbox::open(data_dir, client, log, self.projections(), options).unwrap();
        let (stop, stopped) = oneshot::channel();
        Running {
            status: outbox.status(),
            task: tokio::spawn(outbox.run(async { stopped.await.unwrap_or_default() })),
            stop,
        }
    }

    /// Has outboxes that are started from now on go a way that can be bad.
    pub async fn go_by_a_way(&mut self) {
        self.way = Some(Way::to(self.broker.url()).await);
    }

    /// That way.
    pub fn way(&self) -> &Way {
        self.way.as_ref().unwrap()
    }

    /// Waits until something holds of that way.
    pub async fn until_way(&self, holds: impl Fn(&Way) -> bool) {
        let holds = async {
            while !holds(self.way()) {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(PATIENCE, holds).await.expect("it comes to hold");
    }

    /// Ends the outbox as a server that is told to end does.
    pub async fn end(&mut self) {
        if let Some(Running { task, stop, .. }) = self.outbox.take() {
            drop(stop);
            task.await.unwrap();
        }
    }

    /// Ends the outbox wherever it is.
    pub async fn kill(&mut self) {
        if let Some(Running { task, .. }) = self.outbox.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub fn runs(&self) -> bool {
        self.outbox.is_some()
    }

    /// Waits for a status.
    async fn until(&mut self, is_met: impl FnMut(&OutboxStatus) -> bool) -> OutboxStatus {
        let status = &mut self.outbox.as_mut().unwrap().status;
        if let Ok(Ok(status)) = timeout(PATIENCE, status.wait_for(is_met)).await {
            return status.clone();
        }
        panic!("the outbox is {:?}", *status.borrow());
    }

    /// Waits until everything in the log is out.
    pub async fn all_is_sent(&mut self) {
        let head = self.log.head().position;
        let is_out =
            |status: &OutboxStatus| status.position >= head && status.state == OutboxState::Sending;
        self.until(is_out).await;
    }

    /// Waits until it says that the facts of records up to there are sent, and no more.
    pub async fn is_sent_to(&mut self, position: Position) {
        self.until(|status| status.position == position).await;
    }

    pub async fn has_stopped(&mut self) -> OutboxBreak {
        let is_stopped = |status: &OutboxStatus| matches!(status.state, OutboxState::Stopped(_));
        match self.until(is_stopped).await.state {
            OutboxState::Stopped(outbox_break) => outbox_break,
            state => panic!("{state:?}"),
        }
    }

    /// Waits until it could not send and tries again; gives the reason.
    pub async fn retries(&mut self) -> String {
        let is_retrying = |status: &OutboxStatus| matches!(status.state, OutboxState::Retrying(_));
        match self.until(is_retrying).await.state {
            OutboxState::Retrying(why) => why,
            state => panic!("{state:?}"),
        }
    }

    /// How it is doing, and word of each change.
    pub fn status(&self) -> watch::Receiver<OutboxStatus> {
        self.outbox.as_ref().unwrap().status.clone()
    }

    /// Makes the stream before an outbox does, with this duplicate window.
    pub async fn make_stream(&self, duplicate_window: Duration) {
        let config = Config {
            name: STREAM_DEFAULT.to_owned(),
            subjects: vec!["farelog.dead-letters".to_owned()],
            duplicate_window,
            ..Config::default()
        };
        let jetstream = self.broker.jetstream().await;
        jetstream.create_stream(config).await.unwrap();
    }

    /// Has someone else write to the stream; a broker that is down never takes it.
    pub async fn others_write(&self) {
        if self.broker.is_up() {
            let jetstream = self.broker.jetstream().await;
            let written = jetstream.publish("farelog.dead-letters", "not a fact".into());
            written.await.unwrap().await.unwrap();
        }
    }

    /// Has someone else write a message whose headers are none to the stream. The broker must be up.
    pub async fn others_garble(&self) {
        let message = BareMessage {
            subject: b"farelog.dead-letters",
            headers: Some(b"NATS/1.0\r\nX-Butikk: Troms\xf8\r\n\r\n"),
            payload: b"not a fact",
        };
        self.broker.publish_bare(&[message]).await;
    }

    /// The log positions of the facts in the stream, as they stand in it.
    pub async fn in_stream(&self) -> Vec<Position> {
        let jetstream = self.broker.jetstream().await;
        let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
        facts_in(&jetstream, &stream).await
    }

    /// The same, and takes what it gives out of the stream.
    pub async fn take_from_stream(&self) -> Vec<Position> {
        let jetstream = self.broker.jetstream().await;
        let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
        let facts = facts_in(&jetstream, &stream).await;
        let state = &stream.cached_info().state;
        // One by one: a purge may take what came meanwhile.
        for sequence in state.first_sequence.max(1)..=state.last_sequence {
            stream.delete_message(sequence).await.unwrap();
        }
        facts
    }

    /// Sees to it that the stream has exactly the facts of the records from `first` on, each once and in order.
    pub async fn stream_has_all_from(&self, first: Position) {
        let expected: Vec<_> = (first..=self.log.head().position).collect();
        assert_eq!(self.in_stream().await, expected);
    }

    pub async fn delete_stream(&self) {
        let jetstream = self.broker.jetstream().await;
        jetstream.delete_stream(STREAM_DEFAULT).await.unwrap();
    }

    pub fn delete_position(&self) {
        // Lost already, it is not there until the stream has told.
        let _ = fs::remove_file(self.path("outbox.json"));
    }

    /// Waits until the position is saved with the last fact of the log.
    pub async fn position_is_saved(&self) {
        let saved = format!(r#""position":{}"#, self.log.head().position);
        let is_saved = async {
            while !fs::read_to_string(self.path("outbox.json")).is_ok_and(|it| it.contains(&saved))
            {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, is_saved).await.expect("it is saved");
    }

    /// Has the broker keep what it has, whatever comes: it is down for a moment.
    pub async fn broker_keeps_what_it_has(&mut self) {
        self.broker.until_written().await;
        self.broker.kill();
        self.keep_broker_files();
        self.broker.start_again();
    }

    /// Has the broker lose what came since its files were kept: it is down for a moment.
    pub fn broker_loses_what_came_since(&mut self) {
        self.broker.kill();
        self.lose_broker_files();
        self.broker.start_again();
    }

    /// Keeps the broker's files as they are; the broker must be down.
    pub fn keep_broker_files(&self) {
        let kept = self.path("kept");
        if kept.exists() {
            fs::remove_dir_all(&kept).unwrap();
        }
        directory::copy(&self.broker.store(), &kept);
    }

    /// Puts the broker's files back to where they were kept: what came since is lost.
    pub fn lose_broker_files(&self) {
        fs::remove_dir_all(self.broker.store()).unwrap();
        directory::copy(&self.path("kept"), &self.broker.store());
    }
}

impl Drop for Stage {
    /// Nobody writes to the directory any more when it goes.
    fn drop(&mut self) {
        for Running { task, .. } in self.outbox.take().into_iter().chain(self.others.drain(..)) {
            task.abort();
            let begun = Instant::now();
            while !task.is_finished() && begun.elapsed() < PATIENCE {
                thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

/// The log positions of the facts that a stream had when it was found.
async fn facts_in(jetstream: &Context, stream: &Stream) -> Vec<Position> {
    let state = &stream.cached_info().state;
    let stored = StoredMessages::of(jetstream, STREAM_DEFAULT);
    let mut positions = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        let message = stored.at(sequence).await.unwrap().unwrap();
        if let Some(id) = FactId::of_message(&message) {
            assert_eq!(id.place.number, 0);
            positions.push(id.place.position);
        }
    }
    positions
}

/// When the record at a position was recorded.
fn time_of(position: Position) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-01-15T08:00:00Z".parse().unwrap();
    start + TimeDelta::seconds(i64::try_from(position).unwrap())
}
