//! What the event log keeps when its process is killed, or its file is cut short.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see in a file of tests alone"
)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use farelog_events::event::{About, NewEvent};
use farelog_events::json::JsonText;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::{Batch, Entry, EventLog, LogError, Position, StreamCheckpoint};

/// Tells the test that runs as a child where its log is.
const CHILD_DIRECTORY: &str = "FARELOG_LOG_CRASH_DIRECTORY";

/// The event that the record at `position` is to have: a reader can tell what belongs there.
fn entry(position: Position) -> Entry {
    let order = format!("order-{}", position / 5);
    // Every hundredth is cut into chunks.
    let padding = "0123456789abcdef".repeat(if position.is_multiple_of(100) {
        9_000
    } else {
        20
    });
    let data = format!(r#"{{"orderId":"{order}","position":{position},"padding":"{padding}"}}"#);
    Entry {
        event: NewEvent {
            source: "test".into(),
            id: position.to_string().into(),
            event_type: "OrderConfirmed".into(),
            time: DateTime::UNIX_EPOCH,
            correlation_id: None,
            about: About::Order(order.parse().unwrap()),
            data: JsonText::new(&data).unwrap(),
        },
        origin: None,
    }
}

/// A batch whose checkpoint says where it ends.
fn batch(positions: Range<Position>) -> Batch {
    Batch {
        checkpoint: Some(StreamCheckpoint {
            stream: "ORDERS".to_owned(),
            stream_created_at: DateTime::UNIX_EPOCH,
            sequence: positions.end - 1,
            published_at: DateTime::UNIX_EPOCH,
        }),
        entries: positions.map(entry).collect(),
        recorded_at: Utc::now(),
    }
}

/// The log is whole: the right record at every position, no part of a batch, the checkpoint of the last one.
fn assert_whole(log: &SledLog) -> Position {
    let head = log.head();
    let sequence = head.checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
    assert_eq!(sequence, head.position, "a batch and its checkpoint parted");
    assert_eq!(log.verify(|_| ()).unwrap().last_position, head.position);
    let mut position = 0;
    while position < head.position {
        for record in log.read(position + 1, 1000).unwrap() {
            position += 1;
            let expected = entry(position).event;
            assert_eq!(record.position, position);
            assert_eq!(record.data.get(), expected.data.get());
            assert_eq!(record.about, expected.about);
        }
    }
    head.position
}

/// Not a test: what the children of the tests below run. Appends until it is killed, and says after each batch how
/// far the log is durable.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn child_that_appends() {
    let directory = std::env::var(CHILD_DIRECTORY).unwrap();
    let log = reopen(Path::new(&directory));
    for size in [1, 300, 7, 40, 2].into_iter().cycle() {
        let next = log.head().position + 1;
        log.append(batch(next..next + size)).unwrap();
        println!("durable {}", log.head().position);
    }
}

/// A child process; killed at the latest when the test is over.
struct Appender(Child);

impl Appender {
    fn start(directory: &Path) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_appends", "--ignored", "--nocapture"])
            .env(CHILD_DIRECTORY, directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Waits for so many batches; gives the last position that is said to be durable.
    fn durable(&mut self, batches: usize) -> Position {
        let lines = BufReader::new(self.0.stdout.as_mut().unwrap()).lines();
        // The harness prints to stdout too, the first time in front of what the child says.
        let mut said = lines.filter_map(|line| {
            let line = line.unwrap();
            let (_, position) = line.rsplit_once("durable ")?;
            Some(position.parse().unwrap())
        });
        said.nth(batches - 1).expect("the child ended by itself")
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        // SIGKILL: nothing is flushed, closed or unlocked.
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let mut before = 0;
    for batches in [1, 13, 4, 22, 8] {
        let mut appender = Appender::start(directory.path());
        let acknowledged = appender.durable(batches);
        drop(appender);
        let log = SledLog::open(directory.path()).unwrap();
        let kept = assert_whole(&log);
        assert!(acknowledged > before);
        assert!(kept >= acknowledged, "{kept} of {acknowledged} were kept");
        before = kept;
    }
}

#[test]
fn a_kill_at_any_moment_of_a_start_leaves_a_log_that_opens() {
    let directory = tempfile::tempdir().unwrap();
    for milliseconds in (0..60).step_by(3) {
        let appender = Appender::start(directory.path());
        thread::sleep(Duration::from_millis(milliseconds));
        drop(appender);
    }
    assert_whole(&SledLog::open(directory.path()).unwrap());
}

#[test]
fn a_second_process_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut appender = Appender::start(directory.path());
    appender.durable(1);
    let refused = SledLog::open(directory.path());
    assert!(matches!(refused, Err(LogError::InUse(_))));
    drop(appender);
    assert_whole(&SledLog::open(directory.path()).unwrap());
}

/// Opens a log that this process may have just closed: children that other tests are starting hold a copy of its lock
/// until they have come to their own program.
fn reopen(directory: &Path) -> SledLog {
    for _ in 0..1_000 {
        match SledLog::open(directory) {
            Err(LogError::InUse(_)) => thread::sleep(Duration::from_millis(5)),
            opened => return opened.unwrap(),
        }
    }
    panic!("{} stays locked", directory.display());
}

/// A closed log of batches of several sizes, opened anew in between; gives the ends of the batches.
fn fill(directory: &Path) -> Vec<Position> {
    let mut ends = vec![0];
    for _ in 0..2 {
        let log = reopen(directory);
        for size in [1, 300, 7, 40, 2, 120].into_iter().cycle().take(12) {
            let next = log.head().position + 1;
            log.append(batch(next..next + size)).unwrap();
            ends.push(next + size - 1);
        }
    }
    ends
}

/// Gives `test` copies of a log, with the store's file changed by `damage`, which gets its used bytes and a number.
fn with_damaged_copies(
    original: &Path,
    damage: impl Fn(&mut Vec<u8>, usize),
    mut test: impl FnMut(&Path),
) {
    const COPIES: usize = 40;
    for number in 0..COPIES {
        let directory = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(original).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
            }
        }
        let db = directory.path().join("db");
        let mut bytes = fs::read(&db).unwrap();
        let used = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        damage(&mut bytes, used * number / COPIES);
        fs::write(&db, bytes).unwrap();
        test(directory.path());
    }
}

/// After a power cut that the disk lied about, the end of the file may be missing. sled then goes on with what is
/// before it and says nothing; the mark tells. What is left are whole batches.
#[test]
fn a_file_cut_short_is_refused_and_what_is_left_are_whole_batches() {
    let original = tempfile::tempdir().unwrap();
    let ends = fill(original.path());
    let mut left_over = 0;
    with_damaged_copies(original.path(), Vec::truncate, |cut| {
        let refused = SledLog::open(cut);
        assert!(matches!(refused, Err(LogError::Corrupt { .. })));
        fs::remove_file(cut.join("farelog.mark")).unwrap();
        match SledLog::open(cut) {
            Ok(log) => {
                let left = assert_whole(&log);
                assert!(ends.contains(&left));
                left_over = left.max(left_over);
            }
            // What sled knew of the file when it was last opened is not there any more.
            Err(LogError::Corrupt { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    });
    assert!(left_over > 0);
}

#[test]
fn a_damaged_byte_of_the_file_never_goes_unnoticed() {
    let original = tempfile::tempdir().unwrap();
    fill(original.path());
    let log = reopen(original.path());
    let whole = log.verify(|_| ()).unwrap();
    drop(log);
    let mut found = 0;
    with_damaged_copies(
        original.path(),
        |bytes, place| bytes[place] ^= 0x40,
        |damaged| match SledLog::open(damaged).and_then(|log| log.verify(|_| ())) {
            // The byte is of something that was written anew behind it.
            Ok(verified) => assert_eq!(verified, whole),
            Err(LogError::Corrupt { .. }) => found += 1,
            Err(other) => panic!("{other}"),
        },
    );
    assert!(found > 0);
}

/// Not a test: the child of the test below. Appends until a write fails.
#[test]
#[ignore = "run by another test as a process of its own"]
fn child_whose_disk_is_full() {
    let directory = std::env::var(CHILD_DIRECTORY).unwrap();
    let log = SledLog::open(Path::new(&directory)).unwrap();
    loop {
        let next = log.head().position + 1;
        if let Err(error) = log.append(batch(next..next + 50)) {
            assert!(
                !matches!(error, LogError::Poisoned),
                "the first error has a cause"
            );
            break;
        }
        println!("durable {}", log.head().position);
    }
    let durable = log.head().position;
    for _ in 0..3 {
        let refused = log.append(batch(durable + 1..durable + 2));
        assert!(matches!(refused, Err(LogError::Poisoned)));
        assert_eq!(log.head().position, durable);
    }
    // sled may refuse to read from now on. What it reads is what was durable.
    match log.read(durable, 10) {
        Ok(records) => assert_eq!(records.len(), 1),
        Err(error) => assert!(matches!(error, LogError::Store(_))),
    }
    println!("refused {durable}");
}

#[test]
fn a_full_disk_stops_the_log_and_what_was_acknowledged_stays() {
    let directory = tempfile::tempdir().unwrap();
    // A limit of the system's on the size of a file fails a write in its middle, as a full disk does.
    let output = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; ulimit -f 4096; exec "$0" "$@""#])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "child_whose_disk_is_full",
            "--ignored",
            "--nocapture",
        ])
        .env(CHILD_DIRECTORY, directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let refused = said.lines().find_map(|line| line.strip_prefix("refused "));
    let durable: Position = refused
        .unwrap_or_else(|| panic!("{output:?}"))
        .parse()
        .unwrap();
    assert!(durable > 0);
    let log = SledLog::open(directory.path()).unwrap();
    assert!(assert_whole(&log) >= durable);
}
