//! Durable append through the contract of the event log, by the writer that ingestion uses: duplicate check, index by
//! order, stream checkpoint, one sync a batch. Beside it the same bytes into a plain file.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::{AdmitAll, Arrival, LogWriter, WriterLimits};
use farelog_events::log::{EventLog, StreamCheckpoint};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::broker::STREAM;
use crate::figure::{Aim, Figure, Report, Unit, float, median, rate};
use crate::fjall_log::FjallLog;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::sample_day::{Message, SampleDay};
use crate::server::disk_bytes;

/// Messages that are made before the clock runs. The making must not be measured, and must not be a rest for a store
/// that works in the background: up to this many there is none.
const PREPARED_MESSAGES: u64 = 200_000;
/// Batches on their way to the writer at a time: one is written while the next waits.
const REQUESTS_AHEAD: usize = 2;

/// What the log is kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Store {
    /// sled, as in the product.
    Sled,
    /// fjall, for comparison.
    Fjall,
}

/// How an append went.
#[derive(Debug, Clone, Copy)]
struct Appended {
    /// How long it took until the last batch was durable.
    took: Duration,
    /// What the log takes on disk then.
    disk_bytes: u64,
}

/// Appends the sample's first messages to a new log, `batch` of them at a time.
async fn through_the_log(
    store: Store,
    plan: &Plan,
    messages: u64,
    batch: u64,
) -> anyhow::Result<Appended> {
    let directory = plan.data_directory()?;
    let took = match store {
        Store::Sled => {
            let log = Arc::new(SledLog::open(directory.path())?);
            append(log, &plan.day, messages, batch).await?
        }
        Store::Fjall => {
            let log = Arc::new(FjallLog::open(directory.path())?);
            let took = append(log.clone(), &plan.day, messages, batch).await?;
            // What it put off is part of the price.
            let started = Instant::now();
            log.settle();
            took + started.elapsed()
        }
    };
    Ok(Appended {
        took,
        disk_bytes: disk_bytes(directory.path())?,
    })
}

async fn append(
    log: Arc<dyn EventLog>,
    day: &SampleDay,
    messages: u64,
    batch: u64,
) -> anyhow::Result<Duration> {
    let limits = WriterLimits {
        commit_events_max: usize::try_from(batch)?,
        ..WriterLimits::default()
    };
    let running = LogWriter::spawn(log.clone(), Box::new(AdmitAll), limits)?;
    drop(running.feed);
    let writer = running.writer;
    let mut incoming = day.messages();
    let mut progress = Progress::new(format!("appended {batch} at a time"), messages);
    let mut took = Duration::ZERO;
    let mut dealt_with = 0;
    for first in (0..messages).step_by(usize::try_from(PREPARED_MESSAGES)?) {
        let last = (first + PREPARED_MESSAGES).min(messages);
        let mut requests = Vec::new();
        for from in (first..last).step_by(usize::try_from(batch)?) {
            let numbers = from..(from + batch).min(last);
            let checkpoint = checkpoint(numbers.end);
            let arrivals: Vec<Arrival> = numbers
                .zip(&mut incoming)
                .map(|(number, message)| arrival(number, message))
                .collect();
            requests.push((arrivals, checkpoint));
        }
        let started = Instant::now();
        let receipts: Vec<_> = futures::stream::iter(requests)
            .map(|(arrivals, checkpoint)| writer.ingest(arrivals, checkpoint))
            .buffered(REQUESTS_AHEAD)
            .try_collect()
            .await?;
        took += started.elapsed();
        dealt_with += receipts
            .iter()
            .map(|receipt| receipt.appended + receipt.repeats + receipt.dead_letters)
            .sum::<u64>();
        progress.reach(last);
    }
    ensure!(
        dealt_with == messages,
        "the log dealt with {dealt_with} of {messages} messages"
    );
    let checkpoint = log.head().checkpoint.context("the log has no checkpoint")?;
    ensure!(
        checkpoint.sequence == messages,
        "the log's checkpoint is at {}",
        checkpoint.sequence
    );
    drop(writer);
    let ended = tokio::task::spawn_blocking(move || running.thread.join()).await?;
    ended.map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    Ok(took)
}

/// Writes the bodies of the same messages to a file, with a sync for each batch.
fn to_a_plain_file(plan: &Plan, messages: u64, batch: u64) -> anyhow::Result<Duration> {
    let directory = plan.data_directory()?;
    let mut file = File::create(directory.path().join("plain"))?;
    let mut incoming = plan.day.messages();
    let mut took = Duration::ZERO;
    for first in (0..messages).step_by(usize::try_from(batch)?) {
        let count = batch.min(messages - first);
        let mut bytes = Vec::new();
        for message in incoming.by_ref().take(usize::try_from(count)?) {
            bytes.extend_from_slice(&message.payload);
        }
        let started = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        took += started.elapsed();
    }
    Ok(took)
}

/// A message as ingestion hands it to the writer, decoded.
fn arrival(number: u64, message: Message) -> Arrival {
    envelope::read(RawMessage {
        subject: message.subject,
        headers: message.headers,
        header_bytes: None,
        payload: message.payload,
        stream: STREAM.to_owned(),
        stream_sequence: number + 1,
        published_at: published_at(number + 1),
    })
}

fn checkpoint(sequence: u64) -> StreamCheckpoint {
    StreamCheckpoint {
        stream: STREAM.to_owned(),
        stream_created_at: DateTime::UNIX_EPOCH,
        sequence,
        published_at: published_at(sequence),
    }
}

fn published_at(sequence: u64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(sequence.cast_signed())
}

/// Measures appending at each batch size, on each store, and into a plain file.
///
/// # Errors
/// A store fails.
pub async fn measure(plan: &Plan, report: &mut Report) -> anyhow::Result<()> {
    let mut disk = Disk::default();
    for (batch, at_least) in [(4_096, 150_000.0), (256, 80_000.0)] {
        // All of them at the size that ingestion has under load; fewer where it is only compared.
        let events = if batch == 4_096 {
            plan.events
        } else {
            plan.peer_events
        };
        let (mut in_a_file, mut on_sled, mut on_fjall) = (Vec::new(), Vec::new(), Vec::new());
        for run in 1..=plan.runs {
            eprintln!("append, {batch} at a time, run {run} of {}", plan.runs);
            in_a_file.push(rate(events, to_a_plain_file(plan, events, batch)?));
            let appended = through_the_log(Store::Sled, plan, events, batch).await?;
            on_sled.push(rate(events, appended.took));
            disk.sled.push(float(appended.disk_bytes) / float(events));
            let events = plan.peer_events;
            let appended = through_the_log(Store::Fjall, plan, events, batch).await?;
            on_fjall.push(rate(events, appended.took));
            disk.fjall.push(float(appended.disk_bytes) / float(events));
        }
        let figure = |name: String, values: &[f64]| {
            Figure::new(
                name,
                Unit::EventsPerSecond,
                median(values).unwrap_or_default(),
            )
            .beside("plain file + fdatasync", median(&in_a_file))
        };
        report.add(
            figure(format!("durable append, batch {batch}"), &on_sled)
                .aim(Aim::AtLeast(at_least))
                .aim(Aim::RatioAtLeast(0.26)),
        );
        report.add(figure(
            format!("the same log on fjall 3, batch {batch}"),
            &on_fjall,
        ));
    }
    report.add(
        Figure::new(
            "the same log on fjall 3, on disk, an event",
            Unit::Bytes,
            median(&disk.fjall).unwrap_or_default(),
        )
        .beside("on sled", median(&disk.sled)),
    );
    Ok(())
}

/// What an event takes on disk after an append, for each run.
#[derive(Default)]
struct Disk {
    sled: Vec<f64>,
    fjall: Vec<f64>,
}
