//! One suite of tests that every event log passes.

use std::ops::ControlFlow;

use chrono::{DateTime, Utc};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::index::candidate_digest;
use super::record::RECORD_BYTES_MAX;
use super::samples::{
    any_entry, any_time, assert_same, at, batch, checkpoint, entry, event, large, raw,
};
use super::{Batch, Entry, EventLog, Head, LogError, Record, StreamOrigin};
use crate::event::{About, NewEvent};

/// A log under test.
pub trait Subject {
    /// An empty log.
    fn new() -> Self;
    /// The log.
    fn log(&self) -> &dyn EventLog;
    /// Closes the log and opens it again, where it can be.
    fn reopen(&mut self);
}

/// The tests of the contract, for one log.
macro_rules! contract {
    ($subject:ty) => {
        $crate::log::suite::contract!($subject:
            an_empty_log_has_nothing,
            positions_are_gapless_from_1,
            recorded_at_never_goes_back,
            a_checkpoint_is_kept_with_its_batch_or_alone,
            the_head_is_announced,
            a_read_is_paged,
            a_read_stops_after_some_bytes_and_gives_one_record_at_least,
            records_are_found_by_what_they_are_about,
            a_record_is_found_by_its_identity,
            ids_with_one_digest_are_told_apart,
            many_records_about_one_thing_in_one_batch_are_found,
            large_records_are_kept_whole,
            a_record_over_the_limit_is_refused_and_nothing_is_written,
            odd_texts_are_kept_to_the_byte,
            figures_are_right,
            readers_see_only_whole_batches_beside_a_writer,
            any_batches_read_back_as_appended,
        );
    };
    ($subject:ty: $($test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                $crate::log::suite::$test::<$subject>();
            }
        )*
    };
}
pub(super) use contract;

fn positions(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.position).collect()
}

fn all(log: &dyn EventLog) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let more = log.read(records.len() as u64 + 1, 1000).unwrap();
        if more.is_empty() {
            return records;
        }
        records.extend(more);
    }
}

pub fn an_empty_log_has_nothing<S: Subject>() {
    let mut subject = S::new();
    for _ in 0..2 {
        let log = subject.log();
        assert_eq!(log.head(), Head::default());
        assert!(log.read(1, 10).unwrap().is_empty());
        assert!(log.read(0, 10).unwrap().is_empty());
        let order = About::Order("o".parse().unwrap());
        assert!(log.read_about(&order).unwrap().is_empty());
        assert!(log.find(&order, "pos", "1").unwrap().is_none());
        assert!(log.append(Batch::default()).unwrap().is_empty());
        subject.reopen();
    }
}

pub fn positions_are_gapless_from_1<S: Subject>() {
    let mut subject = S::new();
    let mut next = 1;
    for size in [1, 16, 17, 0, 33] {
        let entries = (0..size).map(|i| entry("o", &format!("{next}-{i}")));
        let records = subject.log().append(batch(entries.collect())).unwrap();
        assert_eq!(positions(&records), (next..next + size).collect::<Vec<_>>());
        next += size;
        assert_eq!(subject.log().head().position, next - 1);
        subject.reopen();
    }
    assert_eq!(
        positions(&all(subject.log())),
        (1..next).collect::<Vec<_>>()
    );
}

pub fn recorded_at_never_goes_back<S: Subject>() {
    let mut subject = S::new();
    let mut recorded = Vec::new();
    for (n, second) in [(1, 50), (2, 40), (3, 60), (4, 59)] {
        let appended = subject.log().append(Batch {
            recorded_at: at(second),
            ..batch(vec![entry("o", &n.to_string())])
        });
        recorded.push(appended.unwrap()[0].recorded_at);
        subject.reopen();
    }
    assert_eq!(recorded, [at(50), at(50), at(60), at(60)]);
}

pub fn a_checkpoint_is_kept_with_its_batch_or_alone<S: Subject>() {
    let mut subject = S::new();
    let mut append = |entries, checkpoint| {
        let appended = subject.log().append(Batch {
            checkpoint,
            ..batch(entries)
        });
        appended.unwrap();
        subject.reopen();
        subject.log().head()
    };
    let head = append(vec![entry("o", "1")], Some(checkpoint(7)));
    assert_eq!((head.position, head.checkpoint), (1, Some(checkpoint(7))));
    let head = append(vec![], Some(checkpoint(9)));
    assert_eq!((head.position, head.checkpoint), (1, Some(checkpoint(9))));
    let head = append(vec![entry("o", "2")], None);
    assert_eq!((head.position, head.checkpoint), (2, Some(checkpoint(9))));
}

pub fn the_head_is_announced<S: Subject>() {
    let subject = S::new();
    let mut watch = subject.log().watch();
    assert!(!watch.has_changed().unwrap());
    subject
        .log()
        .append(batch(vec![entry("o", "1"), entry("o", "2")]))
        .unwrap();
    assert!(watch.has_changed().unwrap());
    assert_eq!(watch.borrow_and_update().position, 2);
    subject.log().append(batch(vec![])).unwrap();
    assert!(!watch.has_changed().unwrap());
}

pub fn a_read_is_paged<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    for n in 0..3 {
        let entries = (0..21).map(|i| entry("o", &format!("{n}-{i}")));
        log.append(batch(entries.collect())).unwrap();
    }
    assert!(log.read(1, 0).unwrap().is_empty());
    assert_eq!(positions(&log.read(0, 2).unwrap()), [1, 2]);
    assert_eq!(positions(&log.read(16, 3).unwrap()), [16, 17, 18]);
    assert_eq!(positions(&log.read(63, usize::MAX).unwrap()), [63]);
    assert_eq!(log.read(1, usize::MAX).unwrap().len(), 63);
    assert!(log.read(64, 1).unwrap().is_empty());
    assert!(log.read(u64::MAX, 1).unwrap().is_empty());
}

pub fn a_read_stops_after_some_bytes_and_gives_one_record_at_least<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    for n in 0..4 {
        log.append(batch(vec![large("o", &n.to_string(), 5 << 20)]))
            .unwrap();
    }
    let first = log.read(1, 4).unwrap();
    assert!(!first.is_empty());
    assert_eq!(positions(&all(log)), [1, 2, 3, 4]);
}

pub fn records_are_found_by_what_they_are_about<S: Subject>() {
    let mut subject = S::new();
    let about = |about: About, id: &str| {
        let mut entry = entry("o", id);
        entry.event.about = about;
        entry
    };
    let order = |id: &str| About::Order(id.parse().unwrap());
    let customer = About::Customer("o".parse().unwrap());
    let program = About::Program("7".parse().unwrap());
    for n in 0..3 {
        let entries = vec![
            about(order("o"), &format!("{n}-1")),
            about(customer.clone(), &format!("{n}-2")),
            about(order("p"), &format!("{n}-3")),
            about(order("o"), &format!("{n}-4")),
            about(program.clone(), &format!("{n}-5")),
            about(About::Nothing, &format!("{n}-6")),
        ];
        subject.log().append(batch(entries)).unwrap();
    }
    for _ in 0..2 {
        let found = |about| positions(&subject.log().read_about(&about).unwrap());
        assert_eq!(found(order("o")), [1, 4, 7, 10, 13, 16]);
        assert_eq!(found(order("p")), [3, 9, 15]);
        assert_eq!(found(customer.clone()), [2, 8, 14]);
        assert_eq!(found(program.clone()), [5, 11, 17]);
        assert_eq!(found(order("q")), [] as [u64; 0]);
        assert_eq!(found(About::Nothing), [] as [u64; 0]);
        let visited = |about, records_max| {
            let mut records = Vec::new();
            let mut visit = |record| {
                records.push(record);
                if records.len() == records_max {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            };
            subject.log().visit_about(&about, &mut visit).unwrap();
            positions(&records)
        };
        assert_eq!(visited(order("o"), 6), [1, 4, 7, 10, 13, 16]);
        assert_eq!(visited(order("o"), 2), [1, 4]);
        assert_eq!(visited(About::Nothing, 1), [] as [u64; 0]);
        subject.reopen();
    }
}

pub fn a_record_is_found_by_its_identity<S: Subject>() {
    let mut subject = S::new();
    let mut nothing = entry("o", "1");
    nothing.event.about = About::Nothing;
    let mut other_source = entry("o", "1");
    other_source.event.source = "app".into();
    let entries = vec![entry("o", "1"), other_source, entry("p", "1"), nothing];
    subject.log().append(batch(entries)).unwrap();
    for _ in 0..2 {
        let find = |about: &About, source: &str, id: &str| {
            let found = subject.log().find(about, source, id).unwrap();
            found.map(|record| record.position)
        };
        let o = About::Order("o".parse().unwrap());
        let p = About::Order("p".parse().unwrap());
        assert_eq!(find(&o, "pos", "1"), Some(1));
        assert_eq!(find(&o, "app", "1"), Some(2));
        assert_eq!(find(&p, "pos", "1"), Some(3));
        assert_eq!(find(&About::Nothing, "pos", "1"), Some(4));
        assert_eq!(find(&p, "app", "1"), None);
        assert_eq!(find(&o, "pos", "2"), None);
        assert_eq!(find(&About::Nothing, "app", "1"), None);
        assert_eq!(
            find(&About::Customer("o".parse().unwrap()), "pos", "1"),
            None
        );
        subject.reopen();
    }
}

/// Two ids whose digests in the index are the same: among 300,000 there are about ten such pairs.
fn ids_with_one_digest() -> (String, String) {
    let mut seen = std::collections::HashMap::new();
    for n in 0.. {
        let id = n.to_string();
        if let Some(other) = seen.insert(candidate_digest("pos", &id), id.clone()) {
            return (other, id);
        }
    }
    unreachable!("digests are finite")
}

pub fn ids_with_one_digest_are_told_apart<S: Subject>() {
    let (one, other) = ids_with_one_digest();
    let subject = S::new();
    let log = subject.log();
    let order = About::Order("o".parse().unwrap());
    log.append(batch(vec![entry("o", &one)])).unwrap();
    assert!(log.find(&order, "pos", &other).unwrap().is_none());
    log.append(batch(vec![entry("o", &other)])).unwrap();
    let position = |id: &str| log.find(&order, "pos", id).unwrap().map(|r| r.position);
    assert_eq!(position(&one), Some(1));
    assert_eq!(position(&other), Some(2));
}

pub fn many_records_about_one_thing_in_one_batch_are_found<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    let entries = (0..1000).map(|n| entry(if n % 3 == 0 { "p" } else { "o" }, &n.to_string()));
    let appended = log.append(batch(entries.collect())).unwrap();
    let order = About::Order("o".parse().unwrap());
    let expected: Vec<Record> = appended.into_iter().filter(|r| r.about == order).collect();
    assert_same(&log.read_about(&order).unwrap(), &expected);
    for record in &expected {
        let found = log.find(&order, "pos", &record.id).unwrap().unwrap();
        assert_eq!(found.position, record.position);
    }
}

pub fn large_records_are_kept_whole<S: Subject>() {
    let mut subject = S::new();
    let entries = vec![
        entry("o", "1"),
        large("o", "2", 5 << 20),
        entry("p", "3"),
        large("o", "4", 6_900),
        large("o", "5", 7_100),
        large("p", "6", 1 << 20),
        entry("o", "7"),
    ];
    let appended = subject.log().append(batch(entries)).unwrap();
    for _ in 0..2 {
        assert_same(&all(subject.log()), &appended);
        let p = About::Order("p".parse().unwrap());
        assert_eq!(positions(&subject.log().read_about(&p).unwrap()), [3, 6]);
        let found = subject.log().find(&p, "pos", "6").unwrap().unwrap();
        assert_same(&[found], &appended[5..6]);
        subject.reopen();
    }
}

pub fn a_record_over_the_limit_is_refused_and_nothing_is_written<S: Subject>() {
    let subject = S::new();
    let log = subject.log();
    let mut too_large = entry("o", "2");
    too_large.event.data = raw(format!("\"{}\"", "x".repeat(RECORD_BYTES_MAX)));
    let refused = log.append(batch(vec![entry("o", "1"), too_large]));
    assert!(
        matches!(refused, Err(LogError::RecordTooLarge { max, .. }) if max == RECORD_BYTES_MAX)
    );
    assert_eq!(log.head().position, 0);
    log.append(batch(vec![entry("o", "1")])).unwrap();
    assert_eq!(positions(&all(log)), [1]);
}

pub fn odd_texts_are_kept_to_the_byte<S: Subject>() {
    let mut subject = S::new();
    let texts = ["", "\0", "æøå\u{202E}", "line\nline", "\u{10FFFF}"];
    let entries = texts.map(|text| Entry {
        event: NewEvent {
            source: text.into(),
            id: text.into(),
            event_type: text.into(),
            correlation_id: Some(text.into()),
            data: raw("{ \"a\" : 1.50,\r\n\"a\":\"\\u00e6\" }"),
            ..event("o", "")
        },
        origin: Some(StreamOrigin {
            stream: text.into(),
            sequence: u64::MAX,
        }),
    });
    let appended = subject.log().append(batch(entries.to_vec())).unwrap();
    subject.reopen();
    assert_same(&all(subject.log()), &appended);
    assert_eq!(
        appended[0].data.get(),
        "{ \"a\" : 1.50,\r\n\"a\":\"\\u00e6\" }"
    );
}

pub fn figures_are_right<S: Subject>() {
    let mut subject = S::new();
    let before = subject.log().stats().unwrap();
    assert_eq!((before.last_position, before.last_recorded_at), (0, None));
    let appended = subject.log().append(Batch {
        checkpoint: Some(checkpoint(3)),
        ..batch(vec![entry("o", "1")])
    });
    appended.unwrap();
    subject.reopen();
    let stats = subject.log().stats().unwrap();
    assert_eq!(stats.log_id, before.log_id);
    assert_eq!(stats.log_id, subject.log().id());
    assert_eq!(stats.last_position, 1);
    assert_eq!(stats.last_recorded_at, Some(at(100)));
    assert_eq!(stats.checkpoint, Some(checkpoint(3)));
}

pub fn readers_see_only_whole_batches_beside_a_writer<S: Subject>() {
    const BATCH: u64 = 23;
    const BATCHES: u64 = 40;
    let subject = S::new();
    let order = About::Order("o".parse().unwrap());
    std::thread::scope(|scope| {
        let log = subject.log();
        for _ in 0..2 {
            scope.spawn(|| {
                let mut head = 0;
                while head < BATCH * BATCHES {
                    head = log.head().position;
                    assert_eq!(head % BATCH, 0);
                    let behind = head.saturating_sub(BATCH);
                    let read = log.read(behind + 1, 10_000).unwrap();
                    let from_behind = (behind + 1..).take(read.len()).collect::<Vec<_>>();
                    assert_eq!(positions(&read), from_behind);
                    assert!(behind + read.len() as u64 >= head);
                    assert_eq!(read.len() as u64 % BATCH, 0);
                    let about = log.read_about(&order).unwrap();
                    assert!(about.len() as u64 >= head);
                }
            });
        }
        for n in 0..BATCHES {
            let entries = (0..BATCH).map(|i| entry("o", &format!("{n}-{i}")));
            log.append(batch(entries.collect())).unwrap();
        }
    });
}

/// What is done with a log in a property test.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Entry>, Option<u64>, DateTime<Utc>),
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let append = (vec(any_entry(), 0..40), any::<Option<u64>>(), any_time());
    prop_oneof![
        5 => append.prop_map(|(entries, sequence, at)| Step::Append(entries, sequence, at)),
        1 => Just(Step::Reopen),
    ]
}

pub fn any_batches_read_back_as_appended<S: Subject>() {
    let steps = (vec(any_step(), 1..8), any::<Index>(), 1..50_usize);
    let config = ProptestConfig::with_cases(24);
    proptest!(config, |((steps, from, page) in steps)| {
        let mut subject = S::new();
        let mut model: Vec<Record> = Vec::new();
        let mut model_checkpoint = None;
        for step in steps {
            match step {
                Step::Reopen => subject.reopen(),
                Step::Append(entries, sequence, recorded_at) => {
                    let earliest = model.last().map_or(recorded_at, |last| last.recorded_at);
                    let next = model.len() as u64 + 1;
                    let records = (next..).zip(entries.clone());
                    model.extend(records.map(|(n, e)| Record::from_entry(e, n, recorded_at.max(earliest))));
                    let checkpoint = sequence.map(checkpoint);
                    model_checkpoint = checkpoint.clone().or(model_checkpoint);
                    let appended = subject.log().append(Batch { entries, checkpoint, recorded_at }).unwrap();
                    assert_same(&appended, &model[usize::try_from(next).unwrap() - 1..]);
                }
            }
            let head = subject.log().head();
            prop_assert_eq!(head.position, model.len() as u64);
            prop_assert_eq!(&head.checkpoint, &model_checkpoint);
        }
        let log = subject.log();
        assert_same(&all(log), &model);
        let from = from.index(model.len() + 1);
        let paged: Vec<Record> = model.iter().skip(from).take(page).cloned().collect();
        assert_same(&log.read(from as u64 + 1, page).unwrap(), &paged);
        for record in &model {
            let same = |other: &&Record| other.has_identity(&record.about, &record.source, &record.id);
            let first = model.iter().find(same).unwrap();
            let found = log.find(&record.about, &record.source, &record.id).unwrap().unwrap();
            assert_same(&[found], std::slice::from_ref(first));
            if record.about != About::Nothing {
                let about = model.iter().filter(|other| other.about == record.about).cloned();
                assert_same(&log.read_about(&record.about).unwrap(), &about.collect::<Vec<_>>());
            }
        }
    });
}
