//! Measures the event log: events a second through `SledLog::append`, the repeat check before it, reading back, and the
//! same through the writer.
//!
//! ```text
//! cargo run --release -p farelog-events --example append_rate [events] [batch]
//! ```
//!
//! Events are about 700 bytes of JSON, four to an order, orders under new ids that come in no order. The log goes to
//! a temporary directory (`TMPDIR` says where) and is removed at the end. Figures go to stdout.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::dead_letter::RawMessage;
use farelog_events::event::{About, NewEvent};
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::{AdmitAll, Arrival, LogWriter, WriterLimits};
use farelog_events::log::{Batch, Entry, EventLog, StreamCheckpoint, StreamOrigin};
use serde_json::value::RawValue;

const EVENTS_PER_ORDER: u64 = 4;
const READ_RECORDS_MAX: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (events, batch) = (argument(400_000)?, argument(4_096)?);

    through_the_writer(events, batch)?;

    let directory = tempfile::tempdir()?;
    let log = SledLog::open(directory.path())?;
    let mut json_bytes = 0;
    let (mut appending, mut looking_up) = (Duration::ZERO, Duration::ZERO);
    for first in (0..events).step_by(usize::try_from(batch)?) {
        let numbers = first..(first + batch).min(events);
        let entries: Vec<Entry> = numbers.clone().map(entry).collect::<Result<_, _>>()?;
        json_bytes += entries
            .iter()
            .map(|entry| entry.event.data.get().len())
            .sum::<usize>();
        let batch = Batch {
            entries,
            checkpoint: Some(checkpoint(numbers.end)),
            recorded_at: Utc::now(),
        };

        let started = Instant::now();
        for Entry { event, .. } in &batch.entries {
            if log.find(&event.about, &event.source, &event.id)?.is_some() {
                return Err("an event is in the log before it was appended".into());
            }
        }
        looking_up += started.elapsed();
        let started = Instant::now();
        log.append(batch)?;
        appending += started.elapsed();
    }
    report("append", events, appending);
    report("repeat check of new events", events, looking_up);
    report("both", events, appending + looking_up);

    let started = Instant::now();
    let mut read = 0;
    loop {
        let records = log.read(read + 1, READ_RECORDS_MAX)?;
        if records.is_empty() {
            break;
        }
        read += records.len() as u64;
    }
    report("read all", read, started.elapsed());

    let started = Instant::now();
    let orders = (0..events).step_by(97).map(|number| entry(number / 7 * 7));
    let mut found = 0;
    for entry in orders {
        found += log.read_about(&entry?.event.about)?.len() as u64;
    }
    report("read by order", found, started.elapsed());

    let disk_bytes = log.stats()?.disk_bytes;
    println!(
        "data: {} bytes of JSON an event",
        json_bytes as u64 / events
    );
    println!("disk: {} bytes an event", disk_bytes / events);
    println!("resident: {}", resident()?);
    let started = Instant::now();
    drop(log);
    println!("close: {:.2} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let log = SledLog::open(directory.path())?;
    println!("open again: {:.2} s", started.elapsed().as_secs_f64());
    if log.head().position != events {
        return Err("the log lost records".into());
    }
    Ok(())
}

/// The way of the stream's messages: requests of one batch each, two on their way at a time.
fn through_the_writer(events: u64, batch: u64) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log = Arc::new(SledLog::open(directory.path())?);
    let running = LogWriter::spawn(log, Box::new(AdmitAll), WriterLimits::default())?;
    drop(running.feed);
    let writer = running.writer;
    let mut taking = Duration::ZERO;
    tokio::runtime::Builder::new_current_thread()
        .build()?
        .block_on(async {
            for first in (0..events).step_by(usize::try_from(2 * batch)?) {
                let request = |first: u64| -> Result<_, Box<dyn Error>> {
                    let numbers = first..(first + batch).min(events).max(first);
                    let behind = checkpoint(numbers.end);
                    let arrivals: Result<Vec<Arrival>, _> = numbers.map(arrival).collect();
                    Ok(writer.ingest(arrivals?, behind))
                };
                let (one, other) = (request(first)?, request(first + batch)?);
                let started = Instant::now();
                tokio::try_join!(one, other)?;
                taking += started.elapsed();
            }
            Ok::<_, Box<dyn Error>>(())
        })?;
    report("through the writer", events, taking);
    Ok(())
}

fn arrival(number: u64) -> Result<Arrival, Box<dyn Error>> {
    let event = entry(number)?.event;
    Ok(Arrival {
        message: RawMessage {
            subject: "orders.o".to_owned(),
            headers: Vec::new(),
            payload: Bytes::new(),
            stream: "ORDERS".to_owned(),
            stream_sequence: number + 1,
            published_at: DateTime::UNIX_EPOCH + TimeDelta::milliseconds(i64::try_from(number)?),
        },
        content: Ok(event),
    })
}

fn report(what: &str, events: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for a person")]
    let rate = events as f64 / seconds;
    println!("{what}: {events} events in {seconds:.2} s, {rate:.0} a second");
}

/// Spreads numbers over all of 64 bits, so that order ids come in no order.
fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn entry(number: u64) -> Result<Entry, Box<dyn Error>> {
    let order = format!("ENT:Order:{:016X}", scattered(number / EVENTS_PER_ORDER));
    let line = scattered(number);
    let data = format!(
        concat!(
            r#"{{"orderId":"{}","orderVersion":1,"orderLineId":"ENT:OrderLine:{:016X}","orderLineVersion":1,"#,
            r#""fareProducts":[{{"id":"ENT:PreassignedFareProduct:AdultSingle{}","type":"SINGLE","name":"Enkeltbillett voksen","main":true}}],"#,
            r#""price":{{"amount":"{}.00","currency":"NOK"}},"userType":"ADULT","customerId":"{}","#,
            r#""travellers":[{{"userType":"ADULT","ageGroup":"25-66"}}],"#,
            r#""validity":{{"start":"2026-01-{:02}T08:{:02}:00Z","end":"2026-01-{:02}T23:59:00Z"}},"#,
            r#""travel":{{"fromStopPlace":"NSR:StopPlace:{}","toStopPlace":"NSR:StopPlace:{}","departureTime":"2026-01-10T08:15:00Z"}},"#,
            r#""distributionDetails":{{"fulfillmentMethod":"NOD","customerAccountRef":"ENT:CustomerAccount:{:016X}"}}}}"#,
        ),
        order,
        line,
        line % 7,
        line % 900 + 30,
        line % 10_000_000,
        line % 28 + 1,
        line % 60,
        line % 28 + 1,
        line % 60_000,
        line / 7 % 60_000,
        line / 3,
    );
    let time = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(i64::try_from(number)?);
    Ok(Entry {
        event: NewEvent {
            source: "urn:entur:sales".into(),
            id: format!("{line:016x}-{number:08x}").into(),
            event_type: "no.entur.sales.OrderLineAdded".into(),
            time,
            correlation_id: Some(format!("{:016x}", line / 5).into()),
            about: About::Order(order.parse()?),
            data: RawValue::from_string(data)?,
        },
        origin: Some(StreamOrigin {
            stream: "ORDERS".into(),
            sequence: number + 1,
        }),
    })
}

fn checkpoint(sequence: u64) -> StreamCheckpoint {
    StreamCheckpoint {
        stream: "ORDERS".to_owned(),
        stream_created_at: DateTime::UNIX_EPOCH,
        sequence,
        published_at: DateTime::UNIX_EPOCH,
    }
}

/// Resident memory, now and at its highest.
fn resident() -> Result<String, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let figures = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(figures.collect::<Vec<_>>().join(", "))
}
