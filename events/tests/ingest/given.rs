//! A broker, a log, and ingestion from one into the other.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::FromConsumer;
use async_nats::jetstream::consumer::pull::Config as ConsumerConfig;
use farelog_events::event::About;
use farelog_events::ingest::continuity::StreamBreak;
use farelog_events::ingest::{IngestOptions, IngestState, IngestStatus, Ingestion, STREAM_DEFAULT};
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterError, WriterLimits};
use farelog_events::log::{EventLog, Position, Record};
use farelog_test_support::broker::Broker;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A broker and a log.
pub struct Given {
    pub broker: Broker,
    pub log: Arc<dyn EventLog>,
    _dir: TempDir,
}

/// Ingestion as it runs; dropped, it ends at once, with nothing said to the broker.
pub struct Running {
    pub status: watch::Receiver<IngestStatus>,
    pub task: JoinHandle<WriterError>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Given {
    pub fn new() -> Self {
        Self::with_log(Arc::new(MemoryLog::new()))
    }

    pub fn with_log(log: Arc<dyn EventLog>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            broker: Broker::start(dir.path()),
            log,
            _dir: dir,
        }
    }

    pub async fn ingestion(&self) -> Running {
        self.ingestion_with(IngestOptions::default()).await
    }

    pub async fn adopting(&self) -> Running {
        self.ingestion_with(IngestOptions {
            adopt_stream: true,
            ..IngestOptions::default()
        })
        .await
    }

    pub async fn ingestion_with(&self, options: IngestOptions) -> Running {
        start(&self.log, self.broker.client().await, options)
    }

    /// Ingestion by a client of the test's own.
    pub fn ingestion_by(&self, client: Client) -> Running {
        start(&self.log, client, IngestOptions::default())
    }

    pub async fn has_records(&self, count: Position) {
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
    pub fn events(&self) -> Vec<(u64, String)> {
        events(&*self.log)
    }

    /// The log's consumer.
    pub fn consumer_name(&self) -> String {
        format!("farelog-{}", self.log.id().simple())
    }
}

/// Starts to feed a log.
pub fn start(log: &Arc<dyn EventLog>, client: Client, options: IngestOptions) -> Running {
    let limits = WriterLimits::default();
    let running = LogWriter::spawn(Arc::clone(log), Box::new(AdmitAll), limits).unwrap();
    let ingestion = Ingestion::new(client, Arc::clone(log), running.writer, options);
    Running {
        status: ingestion.status(),
        task: tokio::spawn(async {
            let (_never, stop) = oneshot::channel();
            ingestion.run(stop).await.unwrap_err()
        }),
    }
}

/// Sequences and order ids of a log's events.
pub fn events(log: &dyn EventLog) -> Vec<(u64, String)> {
    let records = log.read(1, 100_000).unwrap();
    let origin = |record: &Record| record.origin.as_ref().map_or(0, |origin| origin.sequence);
    let about = |record: &Record| match &record.about {
        About::Order(id) => id.to_string(),
        _ => String::new(),
    };
    records
        .iter()
        .map(|record| (origin(record), about(record)))
        .collect()
}

/// Has JetStream send again, after a fifth of a second, what was not acknowledged.
pub async fn impatient(jetstream: &Context, consumer: &str) {
    let stream = jetstream.get_stream(STREAM_DEFAULT).await.unwrap();
    let info = stream.consumer_info(consumer).await.unwrap();
    let config = ConsumerConfig {
        ack_wait: Duration::from_millis(200),
        ..ConsumerConfig::try_from_consumer_config(info.config).unwrap()
    };
    stream.update_consumer(config).await.unwrap();
}

impl Running {
    pub async fn is(&mut self, what: impl FnMut(&IngestStatus) -> bool) -> IngestStatus {
        if let Ok(Ok(status)) = timeout(PATIENCE, self.status.wait_for(what)).await {
            return status.clone();
        }
        panic!("ingestion is {:?}", *self.status.borrow());
    }

    pub async fn is_running(&mut self) -> IngestStatus {
        self.is(|status| status.state == IngestState::Running).await
    }

    pub async fn has_stopped(&mut self) -> StreamBreak {
        let status = self
            .is(|status| matches!(status.state, IngestState::Stopped(_)))
            .await;
        match status.state {
            IngestState::Stopped(stream_break) => stream_break,
            _ => unreachable!(),
        }
    }
}

pub fn confirmed(order: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"confirmed-{order}","source":"sales","type":"OrderConfirmed",
            "time":"2026-01-10T08:00:00Z","data":{{"orderId":"o{order}","orderVersion":1}}}}"#
    )
}

/// Publishes a confirmation of each of these orders.
pub async fn publish(jetstream: &Context, orders: RangeInclusive<u32>) {
    for order in orders {
        publish_body(jetstream, &format!("orders.o{order}"), confirmed(order)).await;
    }
}

/// The same, a thousand at a time.
pub async fn publish_many(jetstream: &Context, orders: RangeInclusive<u32>) {
    let mut acks = Vec::new();
    for order in orders.clone() {
        let body = confirmed(order).into();
        acks.push(jetstream.publish(format!("orders.o{order}"), body).await);
        if acks.len() == 1_000 || order == *orders.end() {
            for ack in acks.drain(..) {
                ack.unwrap().await.unwrap();
            }
        }
    }
}

pub async fn publish_body(jetstream: &Context, subject: &str, body: impl Into<bytes::Bytes>) {
    let ack = jetstream.publish(subject.to_owned(), body.into()).await;
    ack.unwrap().await.unwrap();
}

pub fn orders(range: RangeInclusive<u32>) -> Vec<(u64, String)> {
    range
        .map(|order| (u64::from(order), format!("o{order}")))
        .collect()
}

/// Waits until something holds.
pub async fn eventually(mut what: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !what().await {
        assert!(started.elapsed() < PATIENCE, "it never came to hold");
        sleep(Duration::from_millis(20)).await;
    }
}
