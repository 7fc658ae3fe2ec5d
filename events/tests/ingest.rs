//! Ingestion from a real nats-server: what is published is in the log, once, whatever befalls the broker.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod broker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull::Config as ConsumerConfig;
use async_nats::jetstream::stream::{Config as StreamConfig, RetentionPolicy};
use farelog_events::event::{About, EventKind};
use farelog_events::ingest::continuity::StreamBreak;
use farelog_events::ingest::{IngestOptions, IngestState, IngestStatus, Ingestion, STREAM_DEFAULT};
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterError, WriterLimits};
use farelog_events::log::{
    Batch, EventLog, Head, LogError, LogStats, Position, Record, StreamCheckpoint,
};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use broker::{Broker, copy_dir};

const PATIENCE: Duration = Duration::from_secs(30);

/// A broker and a log.
struct Given {
    broker: Broker,
    log: Arc<dyn EventLog>,
    _dir: TempDir,
}

/// Ingestion as it runs; dropped, it ends at once, with nothing said to the broker.
struct Running {
    status: watch::Receiver<IngestStatus>,
    task: JoinHandle<WriterError>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Given {
    fn new() -> Self {
        Self::with_log(Arc::new(MemoryLog::new()))
    }

    fn with_log(log: Arc<dyn EventLog>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            broker: Broker::start(dir.path()),
            log,
            _dir: dir,
        }
    }

    async fn ingestion(&self) -> Running {
        self.ingestion_with(IngestOptions::default()).await
    }

    async fn adopting(&self) -> Running {
        self.ingestion_with(IngestOptions {
            adopt_stream: true,
            ..IngestOptions::default()
        })
        .await
    }

    async fn ingestion_with(&self, options: IngestOptions) -> Running {
        let writer = LogWriter::spawn(
            Arc::clone(&self.log),
            Box::new(AdmitAll),
            WriterLimits::default(),
        )
        .unwrap()
        .writer;
        let client = self.broker.client().await;
        let ingestion = Ingestion::new(client, Arc::clone(&self.log), writer, options);
        Running {
            status: ingestion.status(),
            task: tokio::spawn(async { ingestion.run().await.unwrap_err() }),
        }
    }

    async fn has_records(&self, count: Position) {
        let mut head = self.log.watch();
        let reached = timeout(PATIENCE, head.wait_for(|head| head.position >= count)).await;
        let Ok(Ok(_)) = reached else {
            panic!(
                "the log has {} records, not {count}",
                self.log.head().position
            );
        };
    }

    /// Sequences and order ids of the log's events.
    fn events(&self) -> Vec<(u64, String)> {
        self.log
            .read(1, 100_000)
            .unwrap()
            .iter()
            .map(|record| {
                let sequence = record.origin.as_ref().map_or(0, |origin| origin.sequence);
                let about = match &record.about {
                    About::Order(id) => id.to_string(),
                    _ => String::new(),
                };
                (sequence, about)
            })
            .collect()
    }

    /// The log's consumer.
    fn consumer_name(&self) -> String {
        format!("farelog-{}", self.log.id().simple())
    }
}

impl Running {
    async fn is(&mut self, what: impl FnMut(&IngestStatus) -> bool) -> IngestStatus {
        if let Ok(Ok(status)) = timeout(PATIENCE, self.status.wait_for(what)).await {
            return status.clone();
        }
        panic!("ingestion is {:?}", *self.status.borrow());
    }

    async fn is_running(&mut self) -> IngestStatus {
        self.is(|status| status.state == IngestState::Running).await
    }

    async fn has_stopped(&mut self) -> StreamBreak {
        let status = self
            .is(|status| matches!(status.state, IngestState::Stopped(_)))
            .await;
        match status.state {
            IngestState::Stopped(stream_break) => stream_break,
            _ => unreachable!(),
        }
    }
}

fn confirmed(order: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"confirmed-{order}","source":"sales","type":"OrderConfirmed",
            "time":"2026-01-10T08:00:00Z","data":{{"orderId":"o{order}","orderVersion":1}}}}"#
    )
}

/// Publishes a confirmation of each of these orders.
async fn publish(jetstream: &Context, orders: std::ops::RangeInclusive<u32>) {
    for order in orders {
        publish_body(jetstream, &format!("orders.o{order}"), confirmed(order)).await;
    }
}

async fn publish_body(jetstream: &Context, subject: &str, body: impl Into<bytes::Bytes>) {
    let ack = jetstream.publish(subject.to_owned(), body.into()).await;
    ack.unwrap().await.unwrap();
}

fn orders(range: std::ops::RangeInclusive<u32>) -> Vec<(u64, String)> {
    range
        .map(|order| (u64::from(order), format!("o{order}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_in_the_log_and_acknowledged() {
    let given = Given::new();
    let mut running = given.ingestion().await;
    running.is_running().await;

    // The stream is there, since ingestion made it.
    let jetstream = given.broker.jetstream().await;
    publish(&jetstream, 1..=50).await;
    given.has_records(50).await;

    assert_eq!(given.events(), orders(1..=50));
    let status = running.is(|status| status.last_sequence == 50).await;
    assert_eq!(status.behind(), Some(0));
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let subjects = &stream.cached_info().config.subjects;
    assert_eq!(subjects, &["orders.>", "members.>", "programs.>"]);
    eventually(async || {
        let consumer = stream.consumer_info(given.consumer_name()).await.unwrap();
        consumer.ack_floor.stream_sequence == 50
    })
    .await;
}

/// Waits until something holds.
async fn eventually(mut what: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !what().await {
        assert!(started.elapsed() < PATIENCE, "it never came to hold");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_exists_is_left_as_it_is_and_read_from_its_first_message() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects: vec!["orders.*".into()],
        max_messages: 3,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config.clone()).await.unwrap();
    publish(&jetstream, 1..=5).await;

    let _running = given.ingestion().await;
    given.has_records(3).await;
    assert_eq!(given.events(), orders(3..=5));
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    assert_eq!(stream.cached_info().config.subjects, config.subjects);
    assert_eq!(stream.cached_info().config.max_messages, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn ingestion_goes_on_at_the_checkpoint_after_each_restart() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    for round in 0..5 {
        publish(&jetstream, round * 20 + 1..=round * 20 + 20).await;
        // Somewhere in the middle, with batches read, written and not acknowledged.
        given.has_records(u64::from(round) * 20 + 3).await;
        drop(running);
        running = given.ingestion().await;
    }
    given.has_records(100).await;
    assert_eq!(given.events(), orders(1..=100));
}

/// A log whose appends take their time.
struct SlowLog {
    log: MemoryLog,
    append_ms: AtomicU64,
}

impl EventLog for SlowLog {
    fn id(&self) -> uuid::Uuid {
        self.log.id()
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        std::thread::sleep(Duration::from_millis(
            self.append_ms.load(Ordering::Relaxed),
        ));
        self.log.append(batch)
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.log.watch()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        self.log.read(from, records_max)
    }

    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError> {
        self.log.read_about(about)
    }

    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError> {
        self.log.find(about, source, id)
    }

    fn stats(&self) -> Result<LogStats, LogError> {
        self.log.stats()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_again_is_dropped() {
    let log = Arc::new(SlowLog {
        log: MemoryLog::new(),
        append_ms: AtomicU64::new(0),
    });
    let given = Given::with_log(Arc::clone(&log) as Arc<dyn EventLog>);
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    running.is(|status| status.last_sequence == 1).await;
    drop(running);

    // JetStream loses patience long before the log is done.
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let name = given.consumer_name();
    let consumer = stream.get_consumer::<ConsumerConfig>(&name).await.unwrap();
    let impatient = ConsumerConfig {
        ack_wait: Duration::from_millis(200),
        ..consumer.cached_info().config.clone().try_into_pull()
    };
    stream.update_consumer(impatient).await.unwrap();
    log.append_ms.store(1500, Ordering::Relaxed);
    let running = given.ingestion().await;
    publish(&jetstream, 2..=4).await;
    given.has_records(4).await;
    log.append_ms.store(0, Ordering::Relaxed);
    publish(&jetstream, 5..=6).await;
    given.has_records(6).await;

    assert_eq!(given.events(), orders(1..=6));
    let info = stream.consumer_info(&name).await.unwrap();
    assert!(info.delivered.consumer_sequence > 6, "{info:?}");
    assert_eq!(running.status.borrow().state, IngestState::Running);
}

/// The configuration of a pull consumer as the broker tells it.
trait TryIntoPull {
    fn try_into_pull(self) -> ConsumerConfig;
}

impl TryIntoPull for async_nats::jetstream::consumer::Config {
    fn try_into_pull(self) -> ConsumerConfig {
        async_nats::jetstream::consumer::FromConsumer::try_from_consumer_config(self).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_deleted_is_made_again_at_the_checkpoint() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    stream
        .delete_consumer(&given.consumer_name())
        .await
        .unwrap();
    publish(&jetstream, 11..=20).await;
    given.has_records(20).await;
    assert_eq!(given.events(), orders(1..=20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_away_is_waited_for() {
    let mut given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    assert_eq!(running.is_running().await.last_sequence, 0);
    publish(&jetstream, 1..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    given.broker.kill();
    running
        .is(|status| status.state == IngestState::Reconnecting)
        .await;
    sleep(Duration::from_millis(500)).await;
    given.broker.start_again();
    running.is_running().await;
    publish(&jetstream, 11..=20).await;
    given.has_records(20).await;
    assert_eq!(given.events(), orders(1..=20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_yet_is_waited_for() {
    let mut given = Given::new();
    given.broker.kill();
    let mut running = given.ingestion().await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(running.status.borrow().state, IngestState::Connecting);
    given.broker.start_again();
    running.is_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_stops_ingestion_until_it_is_adopted() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;

    jetstream.delete_stream(STREAM_DEFAULT).await.unwrap();
    let subjects = vec!["orders.>".into()];
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config).await.unwrap();
    // One that the log has, and two under sequences that it has seen.
    publish(&jetstream, 3..=5).await;
    let stream_break = running.has_stopped().await;
    assert!(matches!(stream_break, StreamBreak::Recreated { .. }));
    assert_eq!(given.events(), orders(1..=3));
    drop(running);

    // Asking again changes nothing.
    assert_eq!(given.ingestion().await.has_stopped().await, stream_break);

    let running = given.adopting().await;
    given.has_records(5).await;
    let read: Vec<String> = given.events().into_iter().map(|(_, order)| order).collect();
    assert_eq!(read, ["o1", "o2", "o3", "o4", "o5"]);
    drop(running);

    // From then on it is the log's stream.
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 6..=6).await;
    given.has_records(6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_tail_stops_ingestion_until_it_is_adopted() {
    let mut given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=5).await;
    running.is(|status| status.last_sequence == 5).await;
    given.broker.kill();
    let copies = tempfile::tempdir().unwrap();
    copy_dir(&given.broker.store(), copies.path());
    given.broker.start_again();
    running
        .is(|status| status.state != IngestState::Running)
        .await;
    publish(&jetstream, 6..=10).await;
    running.is(|status| status.last_sequence == 10).await;

    // When the broker comes back it knows of five.
    given.broker.kill();
    std::fs::remove_dir_all(given.broker.store()).unwrap();
    copy_dir(copies.path(), &given.broker.store());
    given.broker.start_again();
    let stream_break = running.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::LostTail {
            last_sequence: 5,
            sequence: 10,
            ..
        }
    ));
    drop(running);

    // Others are published under the sequences that were lost, and past them.
    publish(&jetstream, 11..=16).await;
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::SequenceReused { sequence: 10, .. }
    ));
    assert_eq!(given.events(), orders(1..=10));

    let _running = given.adopting().await;
    given.has_records(16).await;
    let read: Vec<String> = given.events().into_iter().map(|(_, order)| order).collect();
    let published: Vec<String> = (1..=16).map(|order| format!("o{order}")).collect();
    assert_eq!(read, published);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_removed_unread_stop_ingestion_until_that_is_accepted() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;
    drop(running);

    publish(&jetstream, 4..=6).await;
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    stream.purge().sequence(6).await.unwrap();
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(
        stream_break,
        StreamBreak::Trimmed {
            first_sequence: 6,
            sequence: 3,
            ..
        }
    ));

    let _running = given.adopting().await;
    given.has_records(4).await;
    assert_eq!(given.events().last(), Some(&(6, "o6".into())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adoption_stands_also_if_nothing_comes() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=3).await;
    running.is(|status| status.last_sequence == 3).await;
    drop(running);
    jetstream.delete_stream(STREAM_DEFAULT).await.unwrap();

    // The stream is made again, and is another one.
    let stream_break = given.ingestion().await.has_stopped().await;
    assert!(matches!(stream_break, StreamBreak::Recreated { .. }));
    given.adopting().await.is_running().await;
    given.ingestion().await.is_running().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_forgets_what_was_acknowledged_is_not_read() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let config = StreamConfig {
        name: STREAM_DEFAULT.into(),
        subjects: vec!["orders.>".into()],
        retention: RetentionPolicy::WorkQueue,
        ..StreamConfig::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let stream_break = given.adopting().await.has_stopped().await;
    assert_eq!(
        stream_break.to_string(),
        "the stream ORDERS has work queue retention and forgets what was acknowledged; give farelog a stream with \
         limits retention"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_read_is_kept_and_the_events_behind_it_go_on() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    publish(&jetstream, 1..=1).await;
    publish_body(&jetstream, "orders.o2", "no JSON").await;
    publish_body(&jetstream, "orders.o3", vec![0xff, 0xfe]).await;
    publish(&jetstream, 4..=4).await;
    given.has_records(4).await;

    assert_eq!(given.events(), orders(1..=4));
    let records = given.log.read(1, 10).unwrap();
    let kinds: Vec<_> = records.iter().map(Record::kind).collect();
    let letter = Some(EventKind::DeadLetterRecorded);
    let event = Some(EventKind::OrderConfirmed);
    assert_eq!(kinds, [event, letter, letter, event]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_event_is_in_the_log_within_milliseconds() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    let mut took = Vec::new();
    for order in 1..=20 {
        sleep(Duration::from_millis(30)).await;
        let started = Instant::now();
        publish(&jetstream, order..=order).await;
        given.has_records(u64::from(order)).await;
        took.push(started.elapsed());
    }
    took.sort();
    // A median, and generous: the machine does other things too.
    assert!(took[10] < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_read_whole_and_in_sequence() {
    const COUNT: u32 = 20_000;
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    given.ingestion().await.is_running().await;
    for chunk in 0..COUNT / 1000 {
        let mut acks = Vec::new();
        for order in chunk * 1000 + 1..=(chunk + 1) * 1000 {
            let subject = format!("orders.o{order}");
            let body = confirmed(order).into();
            acks.push(jetstream.publish(subject, body).await.unwrap());
        }
        for ack in acks {
            ack.await.unwrap();
        }
    }
    let _running = given.ingestion().await;
    given.has_records(COUNT.into()).await;
    assert_eq!(given.events(), orders(1..=COUNT));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_fails_ends_ingestion() {
    let log = Arc::new(MemoryLog::new());
    let given = Given::with_log(Arc::clone(&log) as Arc<dyn EventLog>);
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    log.fail();
    publish(&jetstream, 1..=1).await;
    let error = timeout(PATIENCE, &mut running.task).await.unwrap().unwrap();
    assert!(matches!(error, WriterError::Log(_)), "{error}");
    let checkpoint: Option<StreamCheckpoint> = given.log.head().checkpoint;
    assert_eq!(checkpoint, None);
}
