//! Disks that fail under the projections: at each call of a run, in each way.
//!
//! The projections are a copy, so a failure may cost what they had, never an answer: they stop with an error, and once
//! the cause is gone they open and go on to what the log says.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::mem;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{EventLog, Position};
use farelog_projections::Projections;
use farelog_test_support::directory::copy;
use tempfile::TempDir;
use uuid::Uuid;

use crate::history::{SMALL, answers, answers_of, grow};

const DIRECTORY: &str = "FARELOG_TEST_DIRECTORY";
const WITNESS: &str = "FARELOG_TEST_WITNESS";
const STOPS: &str = "FARELOG_TEST_STOPS";

/// The log is whole before the projections are opened.
const WHOLE_LOG: &str = "FARELOG_TEST_WHOLE_LOG";

/// Where the calls of a run are written down, and which one of them fails.
const CALLS: &str = "POWER_CUT_JOURNAL";

/// Records of a run, and how many of them come at a time.
const RECORDS: Position = 240;
const RECORDS_AT_A_TIME: usize = 40;

/// Each run has the same log.
const LOG: Uuid = Uuid::from_u128(0xfa4e);

/// More calls than a run makes, to notice a run that never ends.
const CALLS_MAX: u64 = 2_000;

/// How long a run may take. It ends by itself, however its disk fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Not a test: the child. Its log is in memory, so that only its projections have a disk. After each part of the log it
/// sees to it that they are on that disk.
#[test]
#[ignore = "run by the other tests as a process of its own"]
fn child_that_catches_up() {
    let directory = PathBuf::from(env::var_os(DIRECTORY).unwrap());
    let witness = env::var_os(WITNESS).unwrap();
    let mut witness = OpenOptions::new().append(true).open(witness).unwrap();
    let mut say = move |text: String| writeln!(witness, "{text}").unwrap();
    let log = MemoryLog::with_id(LOG);
    if env::var_os(WHOLE_LOG).is_some() {
        grow(&log, RECORDS);
    }
    let projections = match Projections::open_within(SMALL, &directory, &log) {
        Ok(projections) => projections,
        Err(error) => return say(format!("refused: {error}")),
    };
    for last in (0..=RECORDS).step_by(RECORDS_AT_A_TIME) {
        grow(&log, last);
        if let Err(error) = projections.catch_up(&log) {
            say(format!("failed: {error}"));
            return mem::forget(projections);
        }
        say(format!("at {last}"));
    }
    // What fails in the background is noticed with what is asked for next.
    while env::var_os(STOPS).is_some() && has_failed(Path::new(&env::var_os(CALLS).unwrap())) {
        if let Err(error) = projections.catch_up(&log) {
            say(format!("failed: {error}"));
            break;
        }
    }
    mem::forget(projections);
}

/// Where a run has its files.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.root()).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join("root")
    }

    fn projections(&self) -> PathBuf {
        self.root().join("projections")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A run whose disk fails so, below `part` of the root. Says what it said.
    fn run(&self, fault: &str, part: &str, then: Then) -> Vec<String> {
        fs::write(self.path("witness"), "").unwrap();
        let library = env::current_exe()
            .unwrap()
            .with_file_name("libfarelog_power_cut.so");
        assert!(library.exists(), "{} was not built", library.display());
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "faults::child_that_catches_up", "--ignored"])
            .env(DIRECTORY, self.projections())
            .env(WITNESS, self.path("witness"))
            .env("LD_PRELOAD", library)
            .env("POWER_CUT_ROOT", self.root())
            .env(CALLS, self.path("journal"))
            .env("POWER_CUT_FAULT", fault)
            .env("POWER_CUT_FAULT_ON", part)
            .env("RUST_BACKTRACE", "0")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match then {
            Then::Stops => command.env(STOPS, "1"),
            Then::Starts => command.env(WHOLE_LOG, "1"),
            Then::GoesOn | Then::Either => &mut command,
        };
        let status = end(command, fault);
        let said = fs::read_to_string(self.path("witness")).unwrap();
        assert!(status.success(), "{fault}: {status}, {said}");
        said.lines().map(str::to_owned).collect()
    }
}

/// Whether the call that was to fail has failed: then the calls that are written down, with a length before each, have
/// one more for it.
fn has_failed(calls: &Path) -> bool {
    let calls = fs::read(calls).unwrap();
    let mut rest = calls.as_slice();
    while let Some((length, behind)) = rest.split_first_chunk() {
        if behind.first() == Some(&b'X') {
            return true;
        }
        // The last one may be on its way.
        let end = 17 + usize::try_from(u32::from_le_bytes(*length)).unwrap();
        rest = behind.get(end..).unwrap_or_default();
    }
    false
}

fn end(mut command: Command, fault: &str) -> ExitStatus {
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if started.elapsed() > PATIENCE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{fault}: it does not end");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a run does when a call has failed.
#[derive(Clone, Copy, PartialEq)]
enum Then {
    Stops,
    GoesOn,
    /// It begins with projections that were there, and goes on.
    Starts,
    /// Some calls are of the opening, and some of the removal of what is no longer needed, which is passed over.
    Either,
}

/// Runs until the call fails while there is somebody to notice: in the background it can fail in the moment between the
/// child's last look and its end.
fn run_to_the_end(fault: &str, part: &str, then: Then) -> (Place, Vec<String>, bool) {
    loop {
        let place = Place::new();
        let said = place.run(fault, part, then);
        let has_failed = has_failed(&place.path("journal"));
        let is_whole = said.last() == Some(&format!("at {RECORDS}"));
        if !(then == Then::Stops && has_failed && is_whole) {
            return (place, said, has_failed);
        }
    }
}

/// Has the first, the second, … call below `part` fail, in a run of its own, until there is none left to fail.
fn each_call(part: &str, call: &str, kind: &str, then: Then) {
    let log = MemoryLog::with_id(LOG);
    grow(&log, RECORDS);
    let expected = answers_of(&log);
    // The first calls one by one; of the many behind them, which are alike, every third.
    for number in (1..40).chain((40..CALLS_MAX).step_by(3)) {
        let fault = format!("{call}:{number}:{kind}");
        let (place, said, has_failed) = run_to_the_end(&fault, part, then);
        let last = said.last().unwrap();
        let has_stopped = !last.starts_with("at ");
        if !has_failed || then != Then::Either {
            let stops = has_failed && then == Then::Stops;
            assert_eq!(has_stopped, stops, "{fault}: {said:?}");
        }
        if has_stopped {
            let names_the_store = last.contains("the projections' store failed: ");
            assert!(names_the_store, "{fault}: {last}");
        }
        goes_on(&place.projections(), &log, &expected, &fault);
        if !has_failed {
            println!("less than {number} calls of {call}, {kind}");
            assert!(number > 1);
            let tables = place.projections().join("tables");
            assert!(fs::read_dir(tables).unwrap().count() > 0);
            return;
        }
    }
    panic!("a run makes more than {CALLS_MAX} calls");
}

/// The cause is gone: they open, and give what the log says.
fn goes_on(directory: &Path, log: &MemoryLog, expected: &[String], fault: &str) {
    let projections =
        Projections::open(directory, log).unwrap_or_else(|error| panic!("after {fault}: {error}"));
    projections.catch_up(log).unwrap();
    assert_eq!(projections.position(), log.head().position);
    assert!(answers(&projections, RECORDS) == expected, "after {fault}");
}

const EVERYWHERE: &str = "projections";

/// What was folded goes here.
const TABLES: &str = "projections/tables";

#[test]
fn a_write_of_what_was_folded_that_fails_stops_the_projections() {
    each_call(TABLES, "write", "once", Then::Stops);
}

#[test]
fn a_write_that_takes_long_to_fail_stops_the_projections() {
    each_call(TABLES, "write", "late", Then::Stops);
}

#[test]
fn a_disk_that_is_full_stops_the_projections() {
    each_call(TABLES, "write", "full", Then::Stops);
}

#[test]
fn a_sync_that_fails_stops_the_projections() {
    each_call(TABLES, "sync", "once", Then::Stops);
}

#[test]
fn a_write_that_fails_anywhere_costs_no_answer() {
    each_call(EVERYWHERE, "write", "once", Then::Either);
}

#[test]
fn a_disk_that_is_full_anywhere_costs_no_answer() {
    each_call(EVERYWHERE, "write", "full", Then::Either);
}

#[test]
fn a_sync_that_fails_anywhere_costs_no_answer() {
    each_call(EVERYWHERE, "sync", "once", Then::Either);
}

#[test]
fn a_write_of_half_the_bytes_is_gone_on_with() {
    each_call(TABLES, "write", "short", Then::GoesOn);
}

/// A disk that lost what is in the projections said so at each start, until somebody removed them.
#[test]
fn what_can_not_be_read_is_made_anew() {
    each_start("read", 5);
}

/// Projections whose directory could not be listed counted as new, and the log was folded a second time over them.
#[test]
fn what_can_not_be_listed_is_not_taken_for_new() {
    each_start("list", 3);
}

/// Has the first, the second, … call of a start fail, in a run of its own, until there is none left to fail.
fn each_start(call: &str, calls_min: u64) {
    let log = MemoryLog::with_id(LOG);
    grow(&log, RECORDS);
    let expected = answers_of(&log);
    let whole = Place::new();
    let projections = Projections::open_within(SMALL, &whole.projections(), &log).unwrap();
    projections.catch_up(&log).unwrap();
    drop(projections);
    for number in 1..CALLS_MAX {
        let place = Place::new();
        copy(&whole.projections(), &place.projections());
        let fault = format!("{call}:{number}:once");
        let said = place.run(&fault, EVERYWHERE, Then::Starts);
        // Made anew, or found behind the opening: then that is said, and the next start makes them anew.
        let last = said.last().unwrap();
        let is_said = last.ends_with("start farelog again, and they are made anew from the log");
        assert!(
            is_said || *last == format!("at {RECORDS}"),
            "{fault}: {last}"
        );
        goes_on(&place.projections(), &log, &expected, &fault);
        if !has_failed(&place.path("journal")) {
            assert!(number > calls_min, "{number}");
            return;
        }
    }
    panic!("a start makes more than {CALLS_MAX} calls");
}
