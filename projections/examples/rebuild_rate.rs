//! Measures a rebuild of all projections from a log on disk, beside reading and decoding the same log alone.
//!
//! ```text
//! cargo run --release -p farelog-projections --example rebuild_rate -- samples/day.ndjson [rounds] [log directory]
//! ```
//!
//! The log is made of the programs in `samples/programs` and the events of the file, through the one writer, so that
//! repeats are dropped as a server drops them. It goes to a temporary directory (`TMPDIR` says where), or is kept in
//! the one that is named and used again from there. The projections always go to a temporary directory.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use farelog_events::event::{About, NewEvent};
use farelog_events::json::JsonText;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterLimits};
use farelog_events::log::{Batch, Entry, EventLog, StreamCheckpoint};
use farelog_projections::Projections;
use farelog_projections::order::OrderEvent;
use farelog_projections::program::CompiledProgram;
use farelog_test_support::directory::bytes_in;
use serde::Deserialize;
use serde_json::value::RawValue;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS_DEFAULT: usize = 3;
const APPEND_EVENTS_MAX: usize = 4_096;
const READ_RECORDS_MAX: usize = 4_096;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let events = PathBuf::from(
        arguments
            .next()
            .ok_or("name a file of events, one JSON to a line")?,
    );
    let rounds = arguments
        .next()
        .map_or(Ok(ROUNDS_DEFAULT), |text| text.parse())?;
    let kept = arguments.next().map(PathBuf::from);

    let scratch = tempfile::tempdir()?;
    let log_directory = kept.unwrap_or_else(|| scratch.path().join("log"));
    let log = open_log(&log_directory, &events)?;
    let records = log.head().position;
    println!("log: {records} records");

    for round in 0..rounds {
        let reading = measured(|| read(&*log, |_| Ok(())))?;
        report("read", records, &reading);
        let decoding = measured(|| {
            read(&*log, |record| {
                let event = OrderEvent::from_record(record).transpose()?;
                std::hint::black_box(event);
                Ok(())
            })
        })?;
        report("read and decode", records, &decoding);

        let directory = scratch.path().join(format!("projections-{round}"));
        let projections = Projections::open(&directory, &*log)?;
        let rebuilding = measured(|| Ok(projections.catch_up(&*log)?))?;
        report("rebuild", records, &rebuilding);
        println!(
            "of reading and decoding: {:.3}, by processor time {:.3}",
            decoding.wall.as_secs_f64() / rebuilding.wall.as_secs_f64(),
            decoding.processor.as_secs_f64() / rebuilding.processor.as_secs_f64()
        );
        println!("{:?}", projections.counters()?.value);
        drop(projections);
        println!("on disk: {} bytes a record", bytes_in(&directory) / records);
        fs::remove_dir_all(&directory)?;
    }
    println!("resident: {}", resident()?);
    Ok(())
}

/// What some work took: by the clock, and of the processors, all threads together.
struct Took {
    wall: Duration,
    processor: Duration,
}

fn measured(work: impl FnOnce() -> Result<()>) -> Result<Took> {
    let (started, processor) = (Instant::now(), processor_time()?);
    work()?;
    Ok(Took {
        wall: started.elapsed(),
        processor: processor_time()?.saturating_sub(processor),
    })
}

/// Processor time of this process so far, in hundredths of a second.
fn processor_time() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may have spaces: the 12th and 13th fields are user and system time.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks: u64 = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<std::result::Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn report(what: &str, records: u64, took: &Took) {
    let seconds = took.wall.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a figure for a person")]
    let records = records as f64;
    println!(
        "{what}: {seconds:.2} s, {:.0} a second, {:.2} us of a processor each",
        records / seconds,
        took.processor.as_secs_f64() * 1e6 / records
    );
}

fn read(
    log: &dyn EventLog,
    mut each: impl FnMut(&farelog_events::log::Record) -> Result<()>,
) -> Result<()> {
    let mut position = 0;
    loop {
        let records = log.read(position + 1, READ_RECORDS_MAX)?;
        let Some(last) = records.last() else {
            return Ok(());
        };
        position = last.position;
        for record in &records {
            each(record)?;
        }
    }
}

/// The log in the directory, made of the programs and the file where there is none yet.
fn open_log(directory: &Path, events: &Path) -> Result<Arc<dyn EventLog>> {
    let log: Arc<dyn EventLog> = Arc::new(SledLog::open(directory)?);
    if log.head().position == 0 {
        log.append(programs()?)?;
        fill(&log, events)?;
    }
    Ok(log)
}

fn programs() -> Result<Batch> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/programs");
    let mut files: Vec<PathBuf> = fs::read_dir(samples)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    let mut entries = Vec::new();
    for file in files {
        let program = CompiledProgram::from_toml(&fs::read_to_string(&file)?)?.program;
        let event = NewEvent {
            source: "rebuild_rate".into(),
            id: program.reference.as_str().into(),
            event_type: "ProgramPublished".into(),
            time: DateTime::UNIX_EPOCH,
            correlation_id: None,
            about: About::Program(program.id),
            data: JsonText::new(&serde_json::to_string(&program)?)?,
        };
        entries.push(Entry {
            event,
            origin: None,
        });
    }
    Ok(Batch {
        entries,
        checkpoint: None,
        recorded_at: DateTime::UNIX_EPOCH,
    })
}

fn fill(log: &Arc<dyn EventLog>, events: &Path) -> Result<()> {
    let running = LogWriter::spawn(Arc::clone(log), Box::new(AdmitAll), WriterLimits::default())?;
    drop(running.feed);
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let mut arrivals = Vec::new();
    let mut sequence = 0;
    let mut lines = BufReader::new(fs::File::open(events)?).lines().peekable();
    while let Some(line) = lines.next() {
        sequence += 1;
        arrivals.push(envelope::read(message(&line?, sequence)?));
        if arrivals.len() == APPEND_EVENTS_MAX || lines.peek().is_none() {
            let checkpoint = StreamCheckpoint {
                stream: "ORDERS".to_owned(),
                stream_created_at: DateTime::UNIX_EPOCH,
                sequence,
                published_at: published_at(sequence)?,
            };
            let arrivals = std::mem::take(&mut arrivals);
            runtime.block_on(running.writer.ingest(arrivals, checkpoint))?;
        }
    }
    Ok(())
}

/// A message that a line spells out; its other forms, for broken messages, are left as they are and can't be read.
#[derive(Deserialize)]
struct SpeltOut<'a> {
    subject: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: &'a RawValue,
}

/// The message that `farelog publish` sends for a line.
fn message(line: &str, sequence: u64) -> Result<RawMessage> {
    let (subject, headers, payload) = if let Ok(message) = serde_json::from_str::<SpeltOut>(line) {
        let headers = message.headers.into_iter().collect();
        (message.subject, headers, message.body.get())
    } else {
        let subject = envelope::from_line(line).map(|outgoing| outgoing.subject);
        let unreadable = |_| "orders.unreadable".to_owned();
        (subject.unwrap_or_else(unreadable), Vec::new(), line)
    };
    Ok(RawMessage {
        subject,
        headers,
        header_bytes: None,
        payload: payload.to_owned().into(),
        stream: "ORDERS".to_owned(),
        stream_sequence: sequence,
        published_at: published_at(sequence)?,
    })
}

fn published_at(sequence: u64) -> Result<DateTime<Utc>> {
    Ok(DateTime::UNIX_EPOCH + TimeDelta::milliseconds(i64::try_from(sequence)?))
}

/// Resident memory, now and at its highest.
fn resident() -> Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let figures = status
        .lines()
        .filter(|line| line.starts_with("VmRSS") || line.starts_with("VmHWM"))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    Ok(figures.collect::<Vec<_>>().join(", "))
}
