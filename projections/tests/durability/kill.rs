//! Projections of a process that is killed: what is left of them is a fold of the log up to their checkpoint, and from
//! there they go on to what a fold of the whole log gives. Where a power cut left too little to open, they are made anew.

use std::env;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use chrono::Utc;
use farelog_events::log::feed::feed;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::sled_log::SledLog;
use farelog_events::log::{Batch, EventLog};
use farelog_projections::Projections;
use farelog_test_support::directory::{copy, files_in};

use crate::history::{SMALL, answers, answers_of, copy_records, entry, grow};

/// Tells the test that runs as a child where its files are.
const CHILD_DIRECTORY: &str = "FARELOG_TEST_DIRECTORY";

/// How long the children live, in milliseconds: some are killed while they begin, some when much is written. Where the
/// machine is busy they live all of these lives once more, each twice as long.
const LIVES: [u64; 9] = [40, 700, 1_150, 5, 620, 300, 1_700, 90, 800];

/// So many children are to have projected what those before them left, and more.
const FURTHER_MIN: u64 = 3;

/// So often their lives are made longer.
const LONGER_MAX: u32 = 4;

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
    let projections =
        Projections::open_within(SMALL, &projections_directory(&directory), &*log).unwrap();
    let (sender, feed) = feed(64 * 1024);
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
        if sender.send(records.unwrap()).is_err() {
            break;
        }
        // Not as fast as it can: the log is folded again after every kill.
        thread::sleep(Duration::from_millis(10));
    }
    follower.join().unwrap();
}

fn start_child(directory: &Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::child_that_projects", "--ignored"])
        .env(CHILD_DIRECTORY, directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn projections_that_were_killed_are_a_fold_of_the_log_and_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (mut further, mut before) = (0, 0);
    let lives = (0..=LONGER_MAX).flat_map(|longer| LIVES.map(|life| life << longer));
    for (round, life) in lives.enumerate() {
        if round >= LIVES.len() && further >= FURTHER_MIN {
            break;
        }
        let mut child = start_child(directory.path());
        thread::sleep(Duration::from_millis(life));
        child.kill().unwrap();
        child.wait().unwrap();

        let log = SledLog::open(&log_directory(directory.path())).unwrap();
        let place = projections_directory(directory.path());
        let killed = Projections::open_within(SMALL, &place, &log).unwrap();
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
    assert!(further >= FURTHER_MIN, "hardly any child got anywhere");
}

/// How a file is damaged.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Gone,
    Empty,
    Half,
    Zeros,
    /// One bit in the middle is another.
    Flipped,
}

impl Damage {
    fn apply(self, file: &Path) {
        let mut bytes = fs::read(file).unwrap();
        // Files are longer than what was written to them.
        let written = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let middle = written / 2;
        match self {
            Self::Gone => return fs::remove_file(file).unwrap(),
            Self::Empty => bytes.clear(),
            Self::Half => bytes.truncate(middle),
            Self::Zeros => bytes.fill(0),
            Self::Flipped => {
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
            }
        }
        fs::write(file, bytes).unwrap();
    }
}

/// A power cut can leave files that can't be opened, and a disk can return other bytes than were written. The log can be
/// read again; nobody has to come and delete something first.
#[test]
fn projections_that_can_not_be_opened_are_made_anew() {
    let log = MemoryLog::new();
    grow(&log, 120);
    let home = tempfile::tempdir().unwrap();
    let whole = home.path().join("whole");
    for last in [120, 200] {
        grow(&log, last);
        let projections = Projections::open_within(SMALL, &whole, &log).unwrap();
        projections.catch_up(&log).unwrap();
    }
    let files = files_in(&whole);
    assert!(files.iter().any(|file| is_table(file)), "{files:?}");
    let mut noticed_later = 0;
    let expected = answers_of(&log);
    for file in files {
        let file = file.strip_prefix(&whole).unwrap();
        for damage in [
            Damage::Gone,
            Damage::Empty,
            Damage::Half,
            Damage::Zeros,
            Damage::Flipped,
        ] {
            let what = format!("{} {damage:?}", file.display());
            let directory = home.path().join("damaged");
            copy(&whole, &directory);
            damage.apply(&directory.join(file));
            let projections = Projections::open(&directory, &log)
                .unwrap_or_else(|error| panic!("{what}: {error}"));
            let answered = catch_unwind(AssertUnwindSafe(|| {
                projections.catch_up(&log).unwrap();
                answers(&projections, 200)
            }));
            match answered {
                Ok(answered) => assert!(answered == expected, "{what}"),
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().unwrap();
                    assert!(
                        is_table(file) && said.contains("Store(Damaged("),
                        "{what}: {said}"
                    );
                    noticed_later += 1;
                }
            }
            drop(projections);
            fs::remove_dir_all(&directory).unwrap();
        }
    }
    println!("{noticed_later} times it was noticed behind the opening");
}

/// Values that were brought to their place. A part of such a file is looked at when it is read.
fn is_table(file: &Path) -> bool {
    file.to_string_lossy().contains("tables/")
}
