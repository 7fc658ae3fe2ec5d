//! Logs as they are on the disks of those who have one: every format that was ever written opens for good.
//!
//! `tests/fixtures/format-1` is a log of format 1, 98 events in four batches, one of them cut into chunks;
//! `format-1-damaged` is the same with one bit changed; and so for each format. They are not written anew when the code
//! changes: a new format gets directories of its own beside them.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use farelog_events::log::sled_log::{SledLog, open_patiently};
use farelog_events::log::{Batch, Entry, EventLog, LogError, StreamOrigin};
use farelog_test_support::directory;
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::ingester::open_soon;
use crate::numbered::{Found, assert_kept, behind, event, events_up_to};

/// Where the batches of the fixture end, as sequences of the stream.
const BATCH_ENDS: [u64; 4] = [1, 8, 48, 108];

const LOG_ID_1: &str = "a04c388a-3e21-4105-ab6d-d641a0782ed3";
const LOG_ID_2: &str = "a72ddadf-8835-4d13-9afb-f7bc9e35481e";
/// Of both: they have the same records.
const DIGEST: u64 = 0x97f2_282e_799d_fd98;

/// The place of the changed bit's byte in `format-…-damaged/db`.
const DAMAGED_BYTE: usize = 9_000;

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fixtures.join(name)
}

/// A copy to work in: a log that is opened is written to.
fn copy(name: &str) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    directory::copy(&fixture(name), directory.path());
    directory
}

fn batch(after: u64, sequence: u64) -> Batch {
    let origin = |number| StreamOrigin {
        stream: "ORDERS".into(),
        sequence: number,
    };
    let numbers = events_up_to(after) + 1..=events_up_to(sequence);
    Batch {
        entries: numbers
            .map(|number| Entry {
                event: event(number),
                origin: Some(origin(number)),
            })
            .collect(),
        checkpoint: Some(behind(sequence)),
        recorded_at: DateTime::UNIX_EPOCH,
    }
}

/// Not a test: how the fixtures were made.
#[test]
#[ignore = "writes the fixtures of the present format; for a new format only"]
fn write_the_fixtures() {
    let whole = fixture("format-2");
    fs::create_dir_all(&whole).unwrap();
    let log = SledLog::open(&whole).unwrap();
    let mut after = 0;
    for sequence in BATCH_ENDS {
        log.append(batch(after, sequence)).unwrap();
        after = sequence;
    }
    println!("{} {:#x}", log.id(), log.verify(|_| ()).unwrap().digest);
    drop(log);

    let damaged = fixture("format-2-damaged");
    directory::copy(&whole, &damaged);
    let db = damaged.join("db");
    let mut bytes = fs::read(&db).unwrap();
    bytes[DAMAGED_BYTE] ^= 1;
    fs::write(db, bytes).unwrap();
}

/// A fixture opens with all that was written, has the present format then, and goes on.
fn is_read_and_goes_on(name: &str, log_id: &str) {
    let directory = copy(name);
    let log = SledLog::open(directory.path()).unwrap();
    let [.., last] = BATCH_ENDS;
    let as_written = Found {
        sequence: last,
        position: 98,
    };
    assert_eq!(assert_kept(&log, last), as_written);
    assert_eq!(log.id().to_string(), log_id);
    assert_eq!(log.stats().unwrap().format_version, 2);
    assert_eq!(log.verify(|_| ()).unwrap().digest, DIGEST);
    let record = log.read(7, 1).unwrap().remove(0);
    assert_eq!(record.recorded_at, DateTime::UNIX_EPOCH);
    assert_eq!(&*record.event_type, "OrderConfirmed");
    assert_eq!(record.origin.map(|origin| origin.sequence), Some(7));

    log.append(batch(last, last + 30)).unwrap();
    drop(log);
    let log = open_soon(directory.path()).unwrap();
    assert_eq!(assert_kept(&log, last + 30).sequence, last + 30);
}

/// A damaged fixture says what was lost, and opens with the whole batches before it once the loss is accepted.
fn says_where_it_is_damaged(name: &str, left: Found) {
    let directory = copy(name);
    let found = SledLog::open(directory.path()).and_then(|log| log.verify(|_| ()));
    let said = found.unwrap_err().to_string();
    let damage = format!(
        "the event log is damaged at position {}: the store lost its tail, it had records up to position 98;",
        left.position + 1
    );
    assert!(said.starts_with(&damage), "{said}");

    // As the error says how to.
    fs::remove_file(directory.path().join("farelog.mark")).unwrap();
    let log = open_soon(directory.path()).unwrap();
    assert_eq!(assert_kept(&log, 0), left);
}

#[test]
fn a_log_of_format_1_is_read_and_goes_on() {
    is_read_and_goes_on("format-1", LOG_ID_1);
}

#[test]
fn a_log_of_format_2_is_read_and_goes_on() {
    is_read_and_goes_on("format-2", LOG_ID_2);
}

#[test]
fn a_damaged_log_of_format_1_says_where() {
    let left = Found {
        sequence: 8,
        position: 8,
    };
    says_where_it_is_damaged("format-1-damaged", left);
}

#[test]
fn a_damaged_log_of_format_2_says_where() {
    let left = Found {
        sequence: 48,
        position: 44,
    };
    says_where_it_is_damaged("format-2-damaged", left);
}

/// The index of an older log is made before the log becomes one of the present format: a kill in between leaves both.
#[test]
fn a_log_of_format_1_that_was_killed_while_its_index_was_made_is_gone_on_with() {
    let directory = copy("format-1");
    let [.., last] = BATCH_ENDS;
    drop(SledLog::open(directory.path()).unwrap());
    let half_done = copy("format-1");
    directory::copy(
        &directory.path().join("index"),
        &half_done.path().join("index"),
    );
    let log = open_soon(half_done.path()).unwrap();
    assert_eq!(assert_kept(&log, last).position, 98);
    assert_eq!(log.stats().unwrap().format_version, 2);
}

#[test]
fn a_newer_format_is_refused_and_left_as_it_is() {
    let directory = copy("format-1");
    let mut identity = 3_u32.to_le_bytes().to_vec();
    identity.extend_from_slice(b"what a newer farelog keeps about itself");
    identity.extend_from_slice(&xxh3_64(&identity).to_le_bytes());
    let store = sled::Config::new().path(directory.path());
    let open_store = || open_patiently(&store).unwrap();
    open_store().insert("mlog", identity.clone()).unwrap();
    for _ in 0..2 {
        let refused = open_soon(directory.path()).err().unwrap();
        assert!(matches!(refused, LogError::NewerFormat { .. }));
        assert_eq!(
            refused.to_string(),
            "the event log has format 3, this farelog knows up to 2; use the farelog that wrote it, or a newer one"
        );
    }
    let kept = open_store().get("mlog").unwrap();
    assert_eq!(kept.as_deref(), Some(identity.as_slice()));
}
