//! The projections as they are kept: however a log is cut into batches, wherever they are stopped and opened again, and
//! after a rebuild, every answer has the same bytes.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use farelog_events::event::{About, EventKind, NewEvent, decode};
use farelog_events::id::{CustomerId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::feed::feed;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog, Head, LogError, LogStats, Position, Record};
use farelog_projections::answer::Page;
use farelog_projections::{Projections, TransactionFilter, stored_order};
use farelog_test_support::directory::copy;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

const ORDERS: [&str; 4] = ["o1", "o2", "o3", "o4"];
const CUSTOMERS: [&str; 3] = ["kari", "ola", "per"];
const EVERYTHING: Page = Page {
    page: 1,
    per_page: 1_000,
};

/// A program of one plain definition, and of others with periods and caps that differ from version to version.
fn program(amount: u32) -> Value {
    let scope = ["PERIOD", "DAY", "ORDER", "MEMBER"][amount as usize % 4];
    let kind = ["CALENDAR_MONTH", "CALENDAR_YEAR"][amount as usize % 2];
    let mut capped = json!({
        "id": 13, "reference": "capped", "trigger": "LineConfirmed", "amount": "4",
        "period": {"kind": kind}
    });
    if amount != 1 {
        capped["cap"] = json!({"amount": 3 * amount, "per": scope});
    }
    json!({
        "id": 1, "reference": "p", "name": "P", "timezone": "Europe/Oslo", "pointDefinitions": [
            {"id": 11, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": amount.to_string()},
            {"id": 12, "reference": "rolling", "trigger": "LineConfirmed", "amount": "2",
                "period": {"kind": "ROLLING_FROM_FIRST", "length": "PT20M", "key": "line.orderLineId"},
                "expiry": {"kind": "PERIOD_END"}, "cap": {"amount": 5, "per": "PERIOD"}},
            capped
        ]
    })
}

fn order() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&ORDERS[..])
}

fn event() -> impl Strategy<Value = (EventKind, Value)> {
    use EventKind as K;
    let customer = || prop::sample::select(&CUSTOMERS[..]);
    prop_oneof![
        1 => (1..5_u32, any::<bool>()).prop_map(|(amount, is_wrapped)| {
            let document = program(amount);
            (K::ProgramPublished, if is_wrapped { json!({"program": document}) } else { document })
        }),
        2 => (customer(), prop::sample::select(vec![K::MemberEnrolled, K::MemberEnrolled, K::MemberUpdated, K::MemberWithdrawn]))
            .prop_map(|(customer, kind)| (kind, json!({"programId": 1, "customerId": customer, "metadata": {"m": 1}}))),
        1 => (customer(), customer()).prop_map(|(customer, into)| {
            (K::CustomersMerged, json!({"customerId": customer, "mergedIntoCustomerId": into}))
        }),
        6 => (order(), 1..3_u32, prop::option::of(customer())).prop_map(|(order, line, customer)| {
            (K::OrderLineAdded, json!({
                "orderId": order, "orderVersion": 1, "orderLineId": format!("l{line}"), "orderLineVersion": 1,
                "fareProducts": [{"id": "p", "type": "SINGLE"}], "customerId": customer,
                "price": {"amount": "40.00", "currency": "NOK"}
            }))
        }),
        5 => order().prop_map(|order| (K::OrderConfirmed, json!({"orderId": order, "orderVersion": 1}))),
        2 => (order(), 1..3_u32, 1..20_u32).prop_map(|(order, line, kroner)| {
            (K::OrderLineRefunded, json!({
                "orderId": order, "orderVersion": 1, "orderLineId": format!("l{line}"), "orderLineVersion": 1,
                "refund": {"amount": format!("{kroner}.00"), "currency": "NOK"}
            }))
        }),
        1 => order().prop_map(|order| (K::OrderCancelled, json!({"orderId": order, "orderVersion": 1}))),
        2 => order().prop_map(|order| (K::TicketDistributionGroupsGenerated, json!({
            "orderId": order, "orderVersion": 1, "createdByDci": "ENT:DistributionChannel:App", "language": "nob"
        }))),
        1 => order().prop_map(|order| (K::PaymentTransactionRejected, json!({"orderId": order, "paymentTransactionId": "p"}))),
    ]
}

fn append(log: &MemoryLog, number: usize, (kind, data): &(EventKind, Value)) -> Vec<Record> {
    let start: chrono::DateTime<chrono::Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let json = data.to_string();
    let about: About = decode(*kind, &json).expect("readable").about();
    let time = start + chrono::TimeDelta::minutes(i64::try_from(number).unwrap());
    let event = NewEvent {
        source: "test".into(),
        id: format!("e{number}").into(),
        event_type: kind.name().into(),
        time,
        correlation_id: None,
        about,
        data: JsonText::new(&json).unwrap(),
    };
    log.append(Batch {
        entries: vec![Entry {
            event,
            origin: None,
        }],
        checkpoint: None,
        recorded_at: time,
    })
    .unwrap()
}

fn log_of(events: &[(EventKind, Value)]) -> MemoryLog {
    let log = MemoryLog::new();
    for (number, event) in events.iter().enumerate() {
        append(&log, number, event);
    }
    log
}

/// Everything that can be asked, as bytes.
fn answers(projections: &Projections) -> String {
    let program = ProgramId::new(1).unwrap();
    let orders: Vec<_> = ORDERS
        .iter()
        .map(|order| {
            let order: OrderId = order.parse().unwrap();
            let document = projections.order(&order).unwrap().value;
            let stored = document
                .as_ref()
                .map(|it| stored_order::encode(it).unwrap());
            let groups = document.as_ref().map(|document| document.groups.to_view());
            json!([
                projections.transactions_of_order(&order).unwrap().value,
                groups,
                stored
            ])
        })
        .collect();
    let members: Vec<_> = CUSTOMERS
        .iter()
        .map(|customer| {
            let customer: CustomerId = customer.parse().unwrap();
            let merged = projections.memberships_of(&customer, None).unwrap().value;
            let member = projections.member_of(program, &customer).unwrap().value?;
            let filter = TransactionFilter::default();
            let transactions = projections.transactions_of_member(member.id, &filter, EVERYTHING);
            Some(json!([
                merged.customer_ids,
                member,
                transactions.unwrap().value
            ]))
        })
        .collect();
    let programs: Vec<_> = projections
        .programs()
        .versions(program)
        .iter()
        .map(|version| json!([version.version, version.position, version.compiled.program]))
        .collect();
    json!([
        orders,
        members,
        programs,
        projections.members(program, EVERYTHING).unwrap().value,
        projections
            .dead_letters(|_| true, EVERYTHING)
            .unwrap()
            .value,
        projections.counters().unwrap().value,
    ])
    .to_string()
}

/// Brings projections of a growing log forward by a feed of batches of this size, opening them anew after each
/// `reopen_every` batches. The feed ends with each, as it does when a server is stopped.
fn follow(
    directory: &Path,
    events: &[(EventKind, Value)],
    batch: usize,
    reopen_every: usize,
) -> Projections {
    let log = MemoryLog::new();
    let mut number = 0;
    for run in events.chunks(batch * reopen_every) {
        let projections = Projections::open(directory, &log).unwrap();
        let (sender, feed) = feed(usize::MAX);
        for batch in run.chunks(batch) {
            let mut records = Vec::new();
            for event in batch {
                records.extend(append(&log, number, event));
                number += 1;
            }
            sender.send(records).unwrap();
        }
        drop(sender);
        projections.run(&log, &feed).unwrap();
    }
    Projections::open(directory, &log).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn however_the_log_is_cut_every_answer_has_the_same_bytes(
        events in prop::collection::vec(event(), 1..60),
        batch in 1..20_usize,
        reopen_every in 1..4_usize,
    ) {
        let events: Vec<_> = std::iter::once((EventKind::ProgramPublished, program(3))).chain(events).collect();
        let log = log_of(&events);

        let directory = tempfile::tempdir().unwrap();
        let whole = Projections::open(&directory.path().join("whole"), &log).unwrap();
        whole.catch_up(&log).unwrap();
        prop_assert_eq!(whole.position(), events.len() as u64);
        let expected = answers(&whole);

        let cut = follow(&directory.path().join("cut"), &events, batch, reopen_every);
        prop_assert_eq!(cut.position(), events.len() as u64);
        prop_assert_eq!(answers(&cut), expected);
    }
}

/// A history of so many events, the same each time.
fn history(length: usize) -> Vec<(EventKind, Value)> {
    let mut runner = TestRunner::deterministic();
    let events = prop::collection::vec(event(), length);
    let events = events.new_tree(&mut runner).unwrap().current();
    std::iter::once((EventKind::ProgramPublished, program(3)))
        .chain(events)
        .collect()
}

/// Behind a backlog a batch is written while the next one is folded.
#[test]
fn a_backlog_that_is_fed_in_large_batches_gives_the_same_bytes() {
    const BATCH: usize = 1_250;
    let sale = |number: u32| {
        let (order, customer) = (format!("o{number}"), CUSTOMERS[number as usize % 2]);
        let line = json!({
            "orderId": order, "orderVersion": 1, "orderLineId": "l1", "orderLineVersion": 1, "customerId": customer,
            "fareProducts": [{"id": "p", "type": "SINGLE"}], "price": {"amount": "40.00", "currency": "NOK"}
        });
        let confirmed = json!({"orderId": order, "orderVersion": 1});
        [
            (EventKind::OrderLineAdded, line),
            (EventKind::OrderConfirmed, confirmed),
        ]
    };
    let enrolled = |customer| {
        let data = json!({"programId": 1, "customerId": customer});
        (EventKind::MemberEnrolled, data)
    };
    let mut events = vec![(EventKind::ProgramPublished, program(3))];
    events.extend(CUSTOMERS.map(enrolled));
    events.extend((0..2_500).flat_map(sale));
    let log = log_of(&events);
    let home = tempfile::tempdir().unwrap();
    let at_once = Projections::open(&home.path().join("at-once"), &log).unwrap();
    at_once.catch_up(&log).unwrap();

    let growing = MemoryLog::new();
    let followed = Projections::open(&home.path().join("fed"), &growing).unwrap();
    // With room for one batch: the next is there when it was taken.
    let (sender, feed) = feed(1);
    thread::scope(|scope| {
        let (projections, log) = (&followed, &growing);
        let following = scope.spawn(move || projections.run(log, &feed));
        for (place, batch) in (0..).step_by(BATCH).zip(events.chunks(BATCH)) {
            let append = |(number, event)| append(&growing, number, event);
            let records = (place..).zip(batch).flat_map(append);
            sender.send(records.collect()).unwrap();
        }
        drop(sender);
        following.join().unwrap().unwrap();
    });
    assert_eq!(followed.position(), events.len() as u64);
    assert_eq!(answers(&followed), answers(&at_once));
}

/// The names of what is beside the projections, themselves included.
fn beside(directory: &Path) -> Vec<String> {
    std::fs::read_dir(directory.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_rebuild_while_records_come_in_gives_the_same_bytes_and_no_answer_goes_back() {
    let events = history(900);
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("projections");
    let log = Arc::new(MemoryLog::new());
    let projections = Projections::open(&directory, &*log).unwrap();
    let (sender, feed) = feed(4 * 1024);
    let following = {
        let (projections, log) = (projections.clone(), Arc::clone(&log));
        thread::spawn(move || projections.run(&*log, &feed))
    };
    let rebuilds = Arc::new(AtomicUsize::new(0));
    let feeding = {
        let (events, log, rebuilds) = (events.clone(), Arc::clone(&log), Arc::clone(&rebuilds));
        thread::spawn(move || {
            for (number, event) in events.iter().enumerate() {
                // The last records come behind a rebuild that began while others came.
                while number > 800 && rebuilds.load(Ordering::Relaxed) == 0 {
                    thread::yield_now();
                }
                sender.send(append(&log, number, event)).unwrap();
            }
        })
    };
    let mut reached = 0;
    while !feeding.is_finished() {
        let position = projections
            .rebuild(&*log, |_| ControlFlow::Continue(()))
            .unwrap()
            .unwrap();
        let answer = projections.counters().unwrap();
        assert!(position >= reached && answer.position >= position);
        reached = answer.position;
        rebuilds.fetch_add(1, Ordering::Relaxed);
    }
    feeding.join().unwrap();
    following.join().unwrap().unwrap();
    assert_eq!(projections.position(), events.len() as u64);

    let whole = Projections::open(&home.path().join("whole"), &*log).unwrap();
    whole.catch_up(&*log).unwrap();
    assert_eq!(answers(&projections), answers(&whole));
    drop((projections, whole));
    let reopened = Projections::open(&directory, &*log).unwrap();
    assert_eq!(reopened.position(), events.len() as u64);
    drop(reopened);
    assert_eq!(beside(&directory).len(), 2);
}

/// Projections of all that a log has, in the directory `projections` of another.
fn caught_up(log: &MemoryLog) -> (TempDir, Projections) {
    let home = tempfile::tempdir().unwrap();
    let projections = Projections::open(&home.path().join("projections"), log).unwrap();
    projections.catch_up(log).unwrap();
    (home, projections)
}

#[test]
fn a_rebuild_that_is_broken_off_changes_nothing() {
    let log = log_of(&history(40));
    let (home, projections) = caught_up(&log);
    let directory = home.path().join("projections");
    let before = answers(&projections);
    let broken_off = projections.rebuild(&log, |_| ControlFlow::Break(()));
    assert_eq!(broken_off.unwrap(), None);
    assert_eq!(answers(&projections), before);
    assert_eq!(beside(&directory), ["projections"]);
}

/// A log that can be read so many times before it fails.
struct FailingLog {
    log: Arc<MemoryLog>,
    reads_left: AtomicUsize,
}

impl EventLog for FailingLog {
    fn id(&self) -> Uuid {
        self.log.id()
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        self.log.append(batch)
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.log.watch()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        let one_less = |left: usize| left.checked_sub(1);
        let had = (self.reads_left).fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        if had.is_err() {
            return Err(LogError::Poisoned);
        }
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

/// A rebuild that met a full disk left its half there, so that the disk stayed full, and the event log could not grow.
#[test]
fn a_rebuild_that_fails_leaves_nothing_behind() {
    let log = Arc::new(log_of(&history(40)));
    let (home, projections) = caught_up(&log);
    let directory = home.path().join("projections");
    let before = answers(&projections);
    let mut failed = 0;
    for reads_left in 0.. {
        let failing = FailingLog {
            log: Arc::clone(&log),
            reads_left: AtomicUsize::new(reads_left),
        };
        let rebuilt = projections.rebuild(&failing, |_| ControlFlow::Continue(()));
        assert_eq!(answers(&projections), before);
        assert_eq!(beside(&directory).len(), 1);
        if rebuilt.is_ok() {
            break;
        }
        failed += 1;
    }
    // While it is made, when it is opened, and before it takes the other's place.
    assert!(failed > 2, "{failed}");
}

/// A kill while a finished rebuild was being opened cost both copies: the old one was removed at the next start, and the
/// new one, which was half open, was made anew from the log.
#[test]
fn a_kill_while_a_rebuild_is_opened_costs_no_folding() {
    let log = log_of(&history(40));
    let (home, projections) = caught_up(&log);
    let directory = home.path().join("projections");
    let before = answers(&projections);
    drop(projections);
    let rebuilt = home.path().join("projections.rebuilt");
    copy(&directory, &rebuilt);
    std::fs::write(rebuilt.join("being-opened"), "").unwrap();

    let projections = Projections::open(&directory, &log).unwrap();
    assert_eq!(projections.position(), log.head().position);
    assert_eq!(answers(&projections), before);
    assert_eq!(beside(&directory).len(), 1);
}

#[test]
fn projections_of_another_log_are_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let first = log_of(&[(EventKind::ProgramPublished, program(1))]);
    Projections::open(directory.path(), &first)
        .unwrap()
        .catch_up(&first)
        .unwrap();

    let second = log_of(&[]);
    let projections = Projections::open(directory.path(), &second).unwrap();
    assert_eq!(projections.position(), 0);
    assert!(
        projections
            .programs()
            .current(ProgramId::new(1).unwrap())
            .is_none()
    );
}
