//! Projections of a process that is killed: what is left of them is a fold of the log up to their checkpoint, and from
//! there they go on to what a fold of the whole log gives. Where a power cut left too little to open, they are made anew.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see in a file of tests alone"
)]

use std::env;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::event::{EventKind, NewEvent, decode};
use farelog_events::id::{CustomerId, OrderId, ProgramId};
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::{Batch, Entry, EventLog, LogError, Position, Record};
use farelog_projections::answer::Page;
use farelog_projections::outbox::FactPlace;
use farelog_projections::{Projections, TransactionFilter};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// Tells the test that runs as a child where its files are.
const CHILD_DIRECTORY: &str = "FARELOG_TEST_DIRECTORY";

/// How long the children live, in milliseconds. Projections are flushed twice a second, so some children are killed
/// before anything of theirs is on disk, and some behind that.
const LIVES: [u64; 9] = [40, 700, 1_150, 5, 620, 300, 1_700, 90, 800];

const CUSTOMERS: [&str; 3] = ["kari", "ola", "per"];

/// Events of one order.
const ORDER_EVENTS: u64 = 5;

const EVERYTHING: Page = Page {
    page: 1,
    per_page: 1_000_000,
};

/// What the event at a position is, and its data. The first ones make a program and its members; then come orders that
/// are confirmed, have tickets made, and are refunded in part or cancelled.
fn happening(position: Position) -> (EventKind, Value) {
    use EventKind as K;
    let number = usize::try_from(position).unwrap();
    if position == 1 {
        let definition = json!({
            "id": 11, "reference": "d", "name": {"eng": "D"}, "trigger": "LineConfirmed", "amount": "4",
            "period": {"kind": "CALENDAR_MONTH"}, "cap": {"amount": 500, "per": "PERIOD"}
        });
        let program =
            json!({"id": 1, "reference": "p", "name": "P", "pointDefinitions": [definition]});
        return (K::ProgramPublished, program);
    }
    if number <= 1 + CUSTOMERS.len() {
        let customer = CUSTOMERS[number - 2];
        return (
            K::MemberEnrolled,
            json!({"programId": 1, "customerId": customer}),
        );
    }
    let order = format!("order-{}", position / ORDER_EVENTS);
    let about = |mut data: Value| {
        data["orderId"] = json!(order);
        data["orderVersion"] = json!(1);
        data
    };
    let line = |mut data: Value| {
        data["orderLineId"] = json!("l1");
        data["orderLineVersion"] = json!(1);
        about(data)
    };
    match position % ORDER_EVENTS {
        0 => (
            K::OrderLineAdded,
            line(json!({
                "customerId": CUSTOMERS[number / 7 % 3],
                "fareProducts": [{"id": "p", "type": "SINGLE"}],
                "price": {"amount": "40.00", "currency": "NOK"}
            })),
        ),
        1 => (K::OrderConfirmed, about(json!({}))),
        2 => (
            K::TicketDistributionGroupsGenerated,
            about(json!({"createdByDci": "ENT:DistributionChannel:App", "language": "nob"})),
        ),
        3 => (
            K::OrderLineRefunded,
            line(json!({"refund": {"amount": "10.00", "currency": "NOK"}})),
        ),
        _ if number.is_multiple_of(3) => (K::OrderCancelled, about(json!({}))),
        _ => (
            K::PaymentTransactionRejected,
            about(json!({"paymentTransactionId": "p"})),
        ),
    }
}

fn entry(position: Position) -> Entry {
    let (kind, data) = happening(position);
    let data = data.to_string();
    let seconds = TimeDelta::seconds(position.cast_signed());
    Entry {
        event: NewEvent {
            source: "test".into(),
            id: position.to_string().into(),
            event_type: kind.name().into(),
            time: DateTime::UNIX_EPOCH + seconds,
            correlation_id: None,
            about: decode(kind, &data).expect("readable").about(),
            data: RawValue::from_string(data).unwrap(),
        },
        origin: None,
    }
}

fn log_directory(directory: &Path) -> PathBuf {
    directory.join("log")
}

fn projections_directory(directory: &Path) -> PathBuf {
    directory.join("projections")
}

/// Not a test: the child. Appends, and has the projections follow, until it is killed.
#[test]
#[ignore = "run by another test as a process of its own"]
fn child_that_projects() {
    let directory = PathBuf::from(env::var_os(CHILD_DIRECTORY).unwrap());
    let log = Arc::new(SledLog::open(&log_directory(&directory)).unwrap());
    let projections = Projections::open(&projections_directory(&directory), &*log).unwrap();
    let (sender, feed) = sync_channel::<Arc<[Record]>>(4);
    let follower = {
        let log = Arc::clone(&log);
        thread::spawn(move || projections.run(&*log, &feed).unwrap())
    };
    for size in [1, 12, 3, 30].into_iter().cycle() {
        let next = log.head().position + 1;
        let records = log.append(Batch {
            entries: (next..next + size).map(entry).collect(),
            checkpoint: None,
            recorded_at: Utc::now(),
        });
        if sender.send(records.unwrap().into()).is_err() {
            break;
        }
        // Not as fast as it can: the log is folded again after every kill.
        thread::sleep(Duration::from_millis(10));
    }
    follower.join().unwrap();
}

fn start_child(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "child_that_projects", "--ignored"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A log in memory with the records of another, from its end on up to a position.
fn copy_records(from: &dyn EventLog, to: &MemoryLog, last: Position) -> Result<(), LogError> {
    while to.head().position < last {
        let next = to.head().position + 1;
        let wanted = usize::try_from(last - next + 1).unwrap();
        for record in from.read(next, wanted)? {
            assert_eq!(&*record.id, record.position.to_string());
            to.append(Batch {
                entries: vec![entry(record.position)],
                checkpoint: None,
                recorded_at: record.recorded_at,
            })?;
        }
    }
    Ok(())
}

/// Everything that can be asked, as text.
fn answers(projections: &Projections, last: Position) -> Vec<String> {
    let program = ProgramId::new(1).unwrap();
    let mut all = Vec::new();
    for number in 0..=last / ORDER_EVENTS {
        let order: OrderId = format!("order-{number}").parse().unwrap();
        let document = projections.order(&order).unwrap();
        assert_eq!(document.position, last);
        all.push(json!(document.value).to_string());
    }
    for customer in CUSTOMERS {
        let customer: CustomerId = customer.parse().unwrap();
        let member = projections.member_of(program, &customer).unwrap().value;
        let transactions = member.as_ref().map(|member| {
            let filter = TransactionFilter::default();
            let found = projections.transactions_of_member(member.id, &filter, EVERYTHING);
            found.unwrap().value
        });
        all.push(json!([member, transactions]).to_string());
    }
    let facts = projections.facts_after(FactPlace::START, usize::MAX);
    all.push(format!("{:?}", facts.unwrap().value));
    all.push(json!(projections.counters().unwrap().value).to_string());
    all
}

#[test]
fn projections_that_were_killed_are_a_fold_of_the_log_and_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut further, mut before) = (0, 0);
    for life in LIVES {
        let mut child = start_child(directory.path());
        thread::sleep(Duration::from_millis(life));
        child.kill().unwrap();
        child.wait().unwrap();

        let log = SledLog::open(&log_directory(directory.path())).unwrap();
        let killed = Projections::open(&projections_directory(directory.path()), &log).unwrap();
        let at = killed.position();
        let head = log.head().position;
        assert!(at <= head);
        further += u64::from(at > before);
        before = head;

        let beside = tempfile::tempdir().unwrap();
        let records = MemoryLog::new();
        copy_records(&log, &records, at).unwrap();
        let fold = Projections::open(beside.path(), &records).unwrap();
        fold.catch_up(&records).unwrap();
        assert_eq!(fold.position(), at);
        assert!(answers(&killed, at) == answers(&fold, at), "differ at {at}");

        copy_records(&log, &records, head).unwrap();
        fold.catch_up(&records).unwrap();
        killed.catch_up(&log).unwrap();
        assert_eq!(killed.position(), head);
        assert!(
            answers(&killed, head) == answers(&fold, head),
            "differ at {head}"
        );
    }
    assert!(
        further > 2,
        "hardly any child brought its projections to the disk"
    );
}

/// sled syncs neither its settings nor its directory, so a power cut can leave files that it can't open. The log can be
/// read again; nobody has to come and delete something first.
/// How projections' files are damaged: its name, and what does it.
type Damage<'d> = (&'d str, &'d dyn Fn(&Path));

#[test]
fn projections_that_can_not_be_opened_are_made_anew() {
    let log = MemoryLog::new();
    for position in 1..=200 {
        log.append(Batch {
            entries: vec![entry(position)],
            checkpoint: None,
            recorded_at: DateTime::UNIX_EPOCH,
        })
        .unwrap();
    }
    let expected = {
        let directory = tempfile::tempdir().unwrap();
        let whole = Projections::open(directory.path(), &log).unwrap();
        whole.catch_up(&log).unwrap();
        answers(&whole, 200)
    };
    let zeros = |path: PathBuf| fs::write(path, [0; 62]).unwrap();
    let half = |path: PathBuf| {
        let file = OpenOptions::new().write(true).open(path).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length / 2).unwrap();
    };
    let damages: [Damage<'_>; 5] = [
        ("settings never written", &|at| zeros(at.join("conf"))),
        ("settings cut", &|at| half(at.join("conf"))),
        ("a snapshot never written", &|at| {
            zeros(at.join("snap.00FFFFFFFFFFFFFF"));
        }),
        ("an unfinished snapshot", &|at| {
            zeros(at.join("snap.00FFFFFFFFFFFFFF.generating"));
        }),
        ("the end of the data lost", &|at| half(at.join("db"))),
    ];
    for (what, damage) in damages {
        let directory = tempfile::tempdir().unwrap();
        let projections = Projections::open(directory.path(), &log).unwrap();
        projections.catch_up(&log).unwrap();
        drop(projections);
        damage(directory.path());
        let projections = Projections::open(directory.path(), &log)
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        projections.catch_up(&log).unwrap();
        assert_eq!(projections.position(), 200, "{what}");
        assert!(answers(&projections, 200) == expected, "{what}");
    }
}
