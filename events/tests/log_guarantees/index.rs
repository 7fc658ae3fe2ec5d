//! Disks that fail under the index, while it is brought to the disk all the time: at each call in its directory, in each
//! way. What is in it can be made again, so the log may only stop, with a sentence, and never lose or double anything.

use std::collections::BTreeSet;

use crate::disk::{read_tree, write_tree};
use crate::ingester::{Ingester, Place, Said, messages, small_index};
use crate::journal::{self, Entry};
use crate::numbered::assert_kept;

/// The directory of the index, in the root.
const INDEX: &str = "data/log/index";

/// Messages of a run: many commits, and several tables.
const MESSAGES: u64 = 700;

/// More calls than a run makes, to notice a run that never ends.
const CALLS_MAX: usize = 2_000;

/// A run in which one call on the files of the index was to fail.
struct Run {
    said: Said,
    has_failed: bool,
    /// Such calls, failed or not.
    calls: usize,
}

fn run(call: &str, number: usize, kind: &str) -> Run {
    let fault = format!("{call}:{number}:{kind}");
    let place = Place::new();
    let mut command = place.recorded_command();
    command
        .env("POWER_CUT_FAULT", &fault)
        .env("POWER_CUT_FAULT_ON", INDEX);
    let status = Ingester::start(messages(small_index(&mut command), MESSAGES)).end(&place);
    let said = place.said();
    assert!(status.success(), "{fault}: {status}, {said:?}");
    assert_says_so(&fault, &said);
    assert_kept(&place.open(), said.acknowledged);
    goes_on(&fault, &place, said.acknowledged);
    let journal = journal::read(&place.journal());
    let has_failed = journal.contains(&Entry::Failed);
    assert!(has_failed || said.done, "{fault}: {said:?}");
    Run {
        said,
        has_failed,
        calls: calls_on_the_index(call, &journal),
    }
}

/// How many calls on the files of the index a run made.
fn calls_on_the_index(call: &str, journal: &[Entry]) -> usize {
    let mut files = BTreeSet::new();
    let mut calls = 0;
    for entry in journal {
        let is_counted = match entry {
            Entry::Open { file, path } => {
                if path.starts_with(INDEX) {
                    files.insert(*file);
                }
                false
            }
            Entry::Write { file, .. } => call == "write" && files.contains(file),
            Entry::Sync { file } => call == "sync" && files.contains(file),
            Entry::SyncDirectory { path } => call == "sync" && path.starts_with(INDEX),
            _ => false,
        };
        calls += usize::from(is_counted);
    }
    calls
}

/// Has one call after the other fail until there is none left to fail. The log stops; but not where the last one failed,
/// behind which there is nobody to be told.
fn stops_at_each(call: &str, kind: &str) {
    let mut said = Vec::new();
    for number in 1.. {
        assert!(
            number < CALLS_MAX,
            "a run makes more than {CALLS_MAX} calls"
        );
        let run = run(call, number, kind);
        if !run.has_failed {
            let calls = run.calls;
            assert!(calls < number, "number {number} of {calls} did not fail");
            break;
        }
        said.push(run.said);
    }
    let stopped = said.iter().filter(|said| said.failure.is_some()).count();
    println!(
        "{} calls of {call}, each {kind}; {stopped} stopped the log",
        said.len()
    );
    assert!(said.len() > 5);
    assert!(stopped > said.len() / 2);
}

#[track_caller]
fn assert_says_so(fault: &str, said: &Said) {
    match &said.failure {
        Some(failure) => assert!(
            failure.starts_with("the event log could not ") && failure.contains("index"),
            "{fault}: {failure}"
        ),
        None => assert!(said.done, "{fault}: {said:?}"),
    }
}

/// The cause is gone: the log opens with what was acknowledged, and takes in what was not.
fn goes_on(fault: &str, place: &Place, acknowledged: u64) {
    let mut command = place.command();
    let status = Ingester::start(messages(small_index(&mut command), 60)).end(place);
    let said = place.said();
    assert!(status.success() && said.done, "after {fault}: {said:?}");
    assert!(assert_kept(&place.open(), said.acknowledged).sequence > acknowledged);
}

#[test]
fn a_write_of_the_index_that_fails_once_stops_the_log() {
    stops_at_each("write", "once");
}

#[test]
fn a_disk_that_is_full_under_the_index_stops_the_log() {
    stops_at_each("write", "full");
}

#[test]
fn a_write_of_half_the_indexs_bytes_is_gone_on_with() {
    // A single byte has no half.
    let failed: Vec<Said> = (1..50)
        .map(|number| run("write", number, "short"))
        .filter_map(|run| run.has_failed.then_some(run.said))
        .collect();
    assert!(failed.len() > 5, "{}", failed.len());
    assert!(failed.iter().all(|said| said.done), "{failed:?}");
}

#[test]
fn a_sync_of_the_index_that_fails_once_stops_the_log() {
    stops_at_each("sync", "once");
}

#[test]
fn a_disk_that_does_not_sync_the_index_any_more_stops_the_log() {
    stops_at_each("sync", "broken");
}

/// A disk that lost what is in the index said so at each start, and the log did not open until somebody removed it.
#[test]
fn an_index_that_can_not_be_read_is_made_anew() {
    let place = Place::new();
    let child = Ingester::start(messages(small_index(&mut place.command()), 100));
    assert!(child.end(&place).success());
    let acknowledged = place.said().acknowledged;
    // Closed, so that all of the index is on the disk.
    assert_kept(&place.open(), acknowledged);
    let before = read_tree(&place.root());
    for number in 1..CALLS_MAX {
        write_tree(&before, &place.root());
        let fault = format!("read:{number}:once");
        let mut command = place.recorded_command();
        command
            .env("POWER_CUT_FAULT", &fault)
            .env("POWER_CUT_FAULT_ON", INDEX);
        let status = Ingester::start(messages(&mut command, 0)).end(&place);
        let said = place.said();
        assert!(status.success() && said.done, "{fault}: {status}, {said:?}");
        assert_kept(&place.open(), acknowledged);
        if !journal::read(&place.journal()).contains(&Entry::Failed) {
            assert!(number > 5, "{number}");
            return;
        }
    }
    panic!("a start reads more than {CALLS_MAX} times");
}
