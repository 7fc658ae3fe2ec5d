//! Disks that fail: at each call between the first start and the last acknowledgement, in each way.

use farelog_events::log::sled_log::SledLog;

use crate::chance::Chance;
use crate::disk::{Disk, Left, Tree, write_tree};
use crate::ingester::{Ingester, Place, Said, messages};
use crate::journal::{self, Entry};
use crate::numbered::assert_kept;

/// Messages of a run: several commits, one with a record that is cut into chunks.
const MESSAGES: u64 = 240;

/// More calls than a run makes, to notice a run that never ends.
const CALLS_MAX: u64 = 500;

/// How a call is to fail, and whether the log is to stop at it.
struct Failing {
    call: &'static str,
    kind: &'static str,
    stops: bool,
}

/// Has the first, the second, … call fail, in a run of its own, until there is none left to fail.
fn each_call(failing: &Failing) {
    for number in 1..CALLS_MAX {
        let fault = format!("{}:{number}:{}", failing.call, failing.kind);
        let place = Place::new();
        let mut command = place.recorded_command();
        command.env("POWER_CUT_FAULT", &fault);
        let status = Ingester::start(messages(&mut command, MESSAGES)).end(&place);
        let said = place.said();
        assert!(status.success(), "{fault}: {status}, {said:?}");
        let journal = journal::read(&place.journal());
        let has_failed = journal.contains(&Entry::Failed);
        assert_says_so(&fault, &said, has_failed && failing.stops);
        survives_a_cut(&fault, &journal, said.acknowledged);
        goes_on(&fault, &place, said.acknowledged);
        if !has_failed {
            let calls = number - 1;
            println!("{} calls of {}, each {}", calls, failing.call, failing.kind);
            assert!(calls > 5, "{calls}");
            return;
        }
    }
    panic!("a run makes more than {CALLS_MAX} calls");
}

/// A log that stopped says in a sentence what could not be done; one that did not has taken in everything.
#[track_caller]
fn assert_says_so(fault: &str, said: &Said, stops: bool) {
    assert_eq!(said.failure.is_some(), stops, "{fault}: {said:?}");
    assert_eq!(said.done, !stops, "{fault}: {said:?}");
    if let Some(failure) = &said.failure {
        let says_what = failure.starts_with("the event log could not ")
            || failure.starts_with("the event log's store failed: ");
        assert!(says_what, "{fault}: {failure}");
    }
}

/// The failed disk then loses its power, and all that was not synced.
fn survives_a_cut(fault: &str, journal: &[Entry], acknowledged: u64) {
    let (disk, _) = Disk::behind(&Tree::new(), journal);
    let mut chance = Chance::new(journal.len() as u64);
    for left in [Left::Nothing, Left::Parts] {
        let place = Place::new();
        write_tree(&disk.cut(left, &mut chance), &place.root());
        let log = SledLog::open(&place.log())
            .unwrap_or_else(|error| panic!("{left:?} left after {fault}: {error}"));
        assert_kept(&log, acknowledged);
    }
}

/// The cause is gone: the log opens with what was acknowledged, and takes in what was not.
fn goes_on(fault: &str, place: &Place, acknowledged: u64) {
    let found = assert_kept(&place.open(), acknowledged);
    let status = Ingester::start(messages(&mut place.command(), 20)).end(place);
    let said = place.said();
    assert!(status.success() && said.done, "after {fault}: {said:?}");
    assert!(assert_kept(&place.open(), said.acknowledged).sequence > found.sequence);
}

#[test]
fn a_write_that_fails_once_stops_the_log() {
    each_call(&Failing {
        call: "write",
        kind: "once",
        stops: true,
    });
}

/// sled wakes nobody when certain writes fail. Where the log was waiting for them already, it waited for ever: the server
/// stood still, and said nothing.
#[test]
fn a_write_that_takes_long_to_fail_stops_the_log() {
    each_call(&Failing {
        call: "write",
        kind: "late",
        stops: true,
    });
}

#[test]
fn a_disk_that_is_full_stops_the_log() {
    each_call(&Failing {
        call: "write",
        kind: "full",
        stops: true,
    });
}

#[test]
fn a_write_of_half_the_bytes_is_gone_on_with() {
    each_call(&Failing {
        call: "write",
        kind: "short",
        stops: false,
    });
}

/// A sync that fails once and would then succeed is not tried again: the second would say that what was lost is safe.
#[test]
fn a_sync_that_fails_once_stops_the_log() {
    each_call(&Failing {
        call: "sync",
        kind: "once",
        stops: true,
    });
}

#[test]
fn a_disk_that_syncs_no_more_stops_the_log() {
    each_call(&Failing {
        call: "sync",
        kind: "broken",
        stops: true,
    });
}

#[test]
fn a_range_that_can_not_be_written_back_stops_the_log() {
    each_call(&Failing {
        call: "range",
        kind: "once",
        stops: true,
    });
}
