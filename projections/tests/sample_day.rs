//! The sample day under the four sample programs: what each gives, in a table. On that day nobody is a member of Reis, so the
//! members of points per krone are enrolled there too.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope;
use farelog_events::event::{About, NewEvent};
use farelog_events::id::ProgramId;
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::writer::{AdmitAll, LogWriter, WriterLimits};
use farelog_events::log::{Batch, Entry, EventLog, StreamCheckpoint};
use farelog_projections::answer::Page;
use farelog_projections::points::Transaction;
use farelog_projections::program::CompiledProgram;
use farelog_projections::{Projections, TransactionFilter};
use rust_decimal::Decimal;
use serde_json::Value;
use tempfile::TempDir;

const PROGRAMS: [&str; 4] = [
    "reis",
    "points-per-krone",
    "points-per-product",
    "thirty-days-back",
];
const POINTS_PER_KRONE: &str = "\"programId\":11,";
const REIS: &str = "\"programId\":7,";
const EVERYTHING: Page = Page {
    page: 1,
    per_page: 10_000,
};

fn sample(path: &str) -> String {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    fs::read_to_string(samples.join(path)).unwrap()
}

fn morning() -> DateTime<Utc> {
    "2026-01-14T23:00:00Z".parse().unwrap()
}

fn publish(log: &MemoryLog, program: &CompiledProgram) {
    let event = NewEvent {
        source: "test".into(),
        id: program.program.reference.as_str().into(),
        event_type: "ProgramPublished".into(),
        time: morning(),
        correlation_id: None,
        about: About::Program(program.program.id),
        data: JsonText::new(&program.program.to_json()).unwrap(),
    };
    log.append(Batch {
        entries: vec![Entry {
            event,
            origin: None,
        }],
        checkpoint: None,
        recorded_at: morning(),
    })
    .unwrap();
}

/// The lines of the day. Each enrolment in points per krone is followed by one in Reis.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for line in sample("day.ndjson").lines() {
        lines.push(line.to_owned());
        if line.contains(".MemberEnrolled") && line.contains(POINTS_PER_KRONE) {
            let line = line.replace(POINTS_PER_KRONE, REIS);
            lines.push(line.replacen("\"source\":\"", "\"source\":\"/reis", 1));
        }
    }
    lines
}

/// Subject, headers and body of what is published for a line: it is the event, or a message spelt out.
fn message(line: &str) -> (String, Vec<(String, String)>, String) {
    let spelt_out: Value = serde_json::from_str(line).unwrap();
    let (Some(subject), Some(headers)) = (
        spelt_out["subject"].as_str(),
        spelt_out["headers"].as_object(),
    ) else {
        let subject = envelope::from_line(line).unwrap().subject;
        return (subject, Vec::new(), line.to_owned());
    };
    let headers = headers.iter();
    let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
    let body = &spelt_out["body"];
    let body = body
        .as_str()
        .map_or_else(|| body.to_string(), str::to_owned);
    (subject.to_owned(), headers.collect(), body)
}

/// A log of the day as the writer takes it in: without repeats, with dead letters.
fn day() -> Arc<MemoryLog> {
    let log = Arc::new(MemoryLog::new());
    for program in PROGRAMS {
        let document = sample(&format!("programs/{program}.toml"));
        publish(&log, &CompiledProgram::from_toml(&document).unwrap());
    }
    let contract: Arc<dyn EventLog> = Arc::clone(&log) as Arc<dyn EventLog>;
    let running = LogWriter::spawn(contract, Box::new(AdmitAll), WriterLimits::default()).unwrap();
    drop(running.feed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    for (line, sequence) in lines().into_iter().zip(1..) {
        let published_at = morning() + TimeDelta::seconds(40 * i64::try_from(sequence).unwrap());
        let (subject, headers, payload) = message(&line);
        let arrival = envelope::read(RawMessage {
            subject,
            headers,
            header_bytes: None,
            payload: payload.into(),
            stream: "ORDERS".to_owned(),
            stream_sequence: sequence,
            published_at,
        });
        let checkpoint = StreamCheckpoint {
            stream: "ORDERS".to_owned(),
            stream_created_at: DateTime::UNIX_EPOCH,
            sequence,
            published_at,
        };
        runtime
            .block_on(running.writer.ingest(vec![arrival], checkpoint))
            .unwrap();
    }
    log
}

fn projected() -> (Projections, TempDir) {
    let log = day();
    let directory = tempfile::tempdir().unwrap();
    let projections = Projections::open(&directory.path().join("projections"), &*log).unwrap();
    projections.catch_up(&*log).unwrap();
    (projections, directory)
}

/// All transactions of a program, and how many members it has.
fn of_program(projections: &Projections, program: ProgramId) -> (usize, Vec<Transaction>) {
    let members = projections
        .members(program, EVERYTHING)
        .unwrap()
        .value
        .items;
    let mut all = Vec::new();
    for member in &members {
        let filter = TransactionFilter::default();
        let of_member = projections.transactions_of_member(member.id, &filter, EVERYTHING);
        all.extend(of_member.unwrap().value.items);
    }
    (members.len(), all)
}

#[test]
fn the_sample_day_gives_what_it_gave() {
    let (projections, _directory) = projected();
    let mut table = String::new();
    for program in projections.programs().programs() {
        let (members, all) = of_program(&projections, program.compiled.program.id);
        let live = || all.iter().filter(|transaction| transaction.is_live());
        let points: Decimal = live().map(|transaction| transaction.amount).sum();
        let periods: BTreeSet<i64> = all.iter().filter_map(|it| it.point_period_id).collect();
        let (rows, live, periods) = (all.len(), live().count(), periods.len());
        let name = &program.compiled.program.reference;
        writeln!(
            table,
            "{name:18} members {members:3}, transactions {rows:3}, live {live:3}, points {points:5}, periods {periods:2}"
        )
        .unwrap();
    }
    assert_eq!(
        table,
        "reis               members  76, transactions 118, live 100, points   100, periods 75\n\
         points-per-krone   members  76, transactions 149, live 123, points  2484, periods  0\n\
         points-per-product members  51, transactions  69, live  54, points   839, periods  0\n\
         thirty-days-back   members  31, transactions  40, live  31, points    31, periods  0\n",
        "\n{table}"
    );
}

#[test]
fn no_period_of_reis_has_more_than_ten_and_all_of_it_ends_with_it() {
    let (projections, _directory) = projected();
    let (_, all) = of_program(&projections, ProgramId::new(7).unwrap());
    for one in &all {
        let same_period = |it: &&Transaction| it.point_period_id == one.point_period_id;
        let live = all.iter().filter(same_period).filter(|it| it.is_live());
        assert!(live.map(|it| it.amount).sum::<Decimal>() <= Decimal::TEN);
        let mut ends = all.iter().filter(same_period).map(|it| it.expire_at);
        assert!(ends.all(|end| end == one.expire_at && end.is_some()));
    }
}
