//! Measures ingestion: events a second from a JetStream stream into a log on disk, and how long a single event takes
//! from its publication until it is in the log.
//!
//! ```text
//! cargo run --release -p farelog-events --example ingest_rate [events]
//! ```
//!
//! Events are order lines of about 740 bytes, four to an order. Broker and log keep their files in a temporary
//! directory (`TMPDIR` says where), which is removed at the end. Figures go to stdout.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::{self, Context, stream};
use farelog_events::ingest::{IngestOptions, Ingestion, STREAM_DEFAULT};
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterLimits};
use farelog_events::log::{EventLog, Position};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const EVENTS_PER_ORDER: u64 = 4;
/// Publications that are sent before their acknowledgements are waited for.
const PUBLISH_AHEAD: u64 = 2_000;
const SINGLE_EVENTS: u64 = 200;

#[tokio::main]
async fn main() -> Result<()> {
    let events = std::env::args()
        .nth(1)
        .map_or(Ok(200_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let broker = Broker::start(directory.path())?;
    let client = async_nats::connect(broker.url(directory.path()).await?).await?;
    let jetstream = jetstream::new(client.clone());
    jetstream
        .create_stream(stream::Config {
            name: STREAM_DEFAULT.to_owned(),
            subjects: vec!["orders.>".to_owned()],
            ..stream::Config::default()
        })
        .await?;

    let started = Instant::now();
    publish(&jetstream, events).await?;
    println!("published {:.0} events/s", rate(events, started.elapsed()));

    let log: Arc<dyn EventLog> = Arc::new(SledLog::open(&directory.path().join("log"))?);
    let writer = LogWriter::spawn(
        Arc::clone(&log),
        Box::new(AdmitAll),
        WriterLimits::default(),
    )?;
    let options = IngestOptions::default();
    let ingestion = Ingestion::new(client, Arc::clone(&log), writer.writer, options);
    // Nobody folds here, so nobody reads the feed.
    drop(writer.feed);
    let started = Instant::now();
    let task = tokio::spawn(ingestion.run());
    has_records(&*log, events).await?;
    println!("ingested  {:.0} events/s", rate(events, started.elapsed()));

    let mut took = Vec::new();
    for number in events..events + SINGLE_EVENTS {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let started = Instant::now();
        jetstream
            .publish(subject(number), event(number).into())
            .await?;
        has_records(&*log, number + 1).await?;
        took.push(started.elapsed());
    }
    took.sort();
    let percentile = |percent: usize| took[took.len() * percent / 100].as_secs_f64() * 1e3;
    println!(
        "one event {:.2} ms in the median, {:.2} ms in 99 of 100",
        percentile(50),
        percentile(99)
    );
    task.abort();
    Ok(())
}

async fn publish(jetstream: &Context, events: u64) -> Result<()> {
    for first in (0..events).step_by(usize::try_from(PUBLISH_AHEAD)?) {
        let mut acks = Vec::new();
        for number in first..(first + PUBLISH_AHEAD).min(events) {
            acks.push(
                jetstream
                    .publish(subject(number), event(number).into())
                    .await?,
            );
        }
        for ack in acks {
            ack.await?;
        }
    }
    Ok(())
}

async fn has_records(log: &dyn EventLog, count: Position) -> Result<()> {
    log.watch().wait_for(|head| head.position >= count).await?;
    Ok(())
}

fn subject(number: u64) -> String {
    format!("orders.{}", order(number))
}

/// Ids in no order, as those of a sales system are.
fn order(number: u64) -> String {
    let order = number / EVENTS_PER_ORDER;
    format!(
        "ENT:Order:{:016x}",
        order.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    )
}

fn event(number: u64) -> String {
    let (order, line) = (order(number), number % EVENTS_PER_ORDER);
    format!(
        r#"{{"specversion":"1.0","id":"{order}-{line}","source":"urn:sales","type":"no.entur.sales.OrderLineAdded","time":"2026-01-10T07:59:58.123Z","data":{{"orderId":"{order}","orderVersion":1,"orderLineId":"ENT:OrderLine:{number}","orderLineVersion":1,"fareProducts":[{{"id":"ENT:PreassignedFareProduct:AdultSingle","type":"SINGLE","name":"Enkeltbillett voksen"}}],"price":{{"amount":"39.00","currency":"NOK"}},"userType":"ADULT","customerId":"4711","validity":{{"start":"2026-01-10T08:00:00Z","end":"2026-01-10T10:00:00Z"}},"travel":{{"fromStopPlace":"NSR:StopPlace:337","toStopPlace":"NSR:StopPlace:548","departureTime":"2026-01-10T08:15:00Z"}},"distributionDetails":{{"fulfillmentMethod":"NOD"}}}}}}"#
    )
}

#[expect(clippy::cast_precision_loss, reason = "a figure to look at")]
fn rate(events: u64, time: Duration) -> f64 {
    events as f64 / time.as_secs_f64()
}

/// A nats-server on a free port, killed when this is dropped.
struct Broker(Child);

impl Broker {
    fn start(directory: &Path) -> Result<Self> {
        let process = Command::new("nats-server")
            .args([
                "--addr",
                "127.0.0.1",
                "--port",
                "-1",
                "--jetstream",
                "--store_dir",
            ])
            .arg(directory)
            .arg("--ports_file_dir")
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("nats-server can't be started ({error}); install it first"))?;
        Ok(Self(process))
    }

    /// Its address, from the file that it writes once it listens.
    async fn url(&self, directory: &Path) -> Result<String> {
        let file = directory.join(format!("nats-server_{}.ports", self.0.id()));
        for _ in 0..500 {
            if let Ok(ports) = fs::read(&file) {
                let ports: serde_json::Value = serde_json::from_slice(&ports)?;
                return Ok(ports["nats"][0].as_str().ok_or("no address")?.to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("nats-server did not start".into())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
