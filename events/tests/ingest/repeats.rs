//! What comes twice.

use crate::given::{Given, orders, publish, publish_body};
use async_nats::jetstream::consumer::pull::Config as ConsumerConfig;
use farelog_events::event::{About, EventKind};
use farelog_events::ingest::{IngestState, STREAM_DEFAULT};
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, EventLog, Head, LogError, LogStats, Position, Record};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

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
async fn what_is_published_again_is_dropped() {
    let given = Given::new();
    let jetstream = given.broker.jetstream().await;
    let mut running = given.ingestion().await;
    running.is_running().await;
    // Neither says when it happened, so the second only seems to have happened later.
    let without_time = |id: &str, version: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"sales","type":"OrderConfirmed",
                "data":{{"orderId":"o1","orderVersion":{version}}}}}"#
        )
    };
    publish_body(&jetstream, "orders.o1", without_time("a", 1)).await;
    publish_body(&jetstream, "orders.o1", without_time("a", 1)).await;
    // Nor does a domain event, which has no id either.
    let domain =
        r#"{"type":"OrderConfirmed","event":{"OrderConfirmed":{"orderId":"o1","orderVersion":3}}}"#;
    publish_body(&jetstream, "orders.o1", domain).await;
    publish_body(&jetstream, "orders.o1", domain).await;
    // The same identity with other content is no repeat.
    publish_body(&jetstream, "orders.o1", without_time("a", 2)).await;
    running.is(|status| status.last_sequence == 5).await;

    let records = given.log.read(1, 10).unwrap();
    let kinds: Vec<_> = records.iter().filter_map(Record::kind).collect();
    assert_eq!(
        kinds,
        [
            EventKind::OrderConfirmed,
            EventKind::OrderConfirmed,
            EventKind::DeadLetterRecorded
        ]
    );
}
