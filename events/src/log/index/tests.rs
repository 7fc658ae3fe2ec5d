//! What holds for the index of a log on disk, whatever becomes of its files.

mod damage;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use farelog_test_support::directory::{copy, files_in};
use tempfile::TempDir;

use super::tampering::with_tree;
use super::{IndexMemory, newest_key, subject_digest};
use crate::event::About;
use crate::log::samples::{batch, entry};
use crate::log::sled_log::{SledLog, StoredIndex, StoredLog};
use crate::log::{EventLog, LogError, Position};

/// So little that nearly each batch makes a table.
const SMALL: IndexMemory = IndexMemory {
    cache_bytes: 64 * 1024,
    gathered_bytes: 2 * 1024,
};

const BATCHES: u64 = 60;
const BATCH_RECORDS: u64 = 10;

fn order(number: u64) -> About {
    About::Order(format!("order-{number}").parse().unwrap())
}

/// The number of the order that a record is about: most are of few events, number 0 has half of all.
fn order_of(position: u64) -> u64 {
    if position.is_multiple_of(2) {
        0
    } else {
        1 + position / 8
    }
}

fn append(log: &SledLog, batches: u64) {
    for _ in 0..batches {
        let next = log.head().position + 1;
        let entries = (next..next + BATCH_RECORDS).map(|position| {
            entry(
                &format!("order-{}", order_of(position)),
                &position.to_string(),
            )
        });
        log.append(batch(entries.collect())).unwrap();
    }
}

fn index_of(log: &Path) -> PathBuf {
    log.join("index")
}

/// The index and the records agree, both ways, and every look-up gives what it should.
#[track_caller]
fn assert_indexed(log: &SledLog) {
    let last = log.head().position;
    assert_eq!(log.verify(|_| ()).unwrap().last_position, last);
    for position in 1..=last {
        let found = log.find(&order(order_of(position)), "pos", &position.to_string());
        assert_eq!(found.unwrap().map(|record| record.position), Some(position));
    }
    for number in 0..=order_of(last) + 2 {
        let found = log.read_about(&order(number)).unwrap();
        let expected = (1..=last).filter(|&position| order_of(position) == number);
        assert!(found.iter().map(|record| record.position).eq(expected));
        assert!(log.find(&order(number), "pos", "none").unwrap().is_none());
    }
}

/// A closed log with many tables.
fn closed_log() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let log = SledLog::open_within(SMALL, directory.path()).unwrap();
        append(&log, BATCHES / 2);
    }
    directory
}

/// Opens the log, whose index is gone on with from a position, and goes on with it.
#[track_caller]
fn assert_goes_on_from(directory: &Path, indexed: Position) {
    let log = SledLog::open_within(SMALL, directory).unwrap();
    assert_eq!(log.indexed_before(), indexed);
    assert_indexed(&log);
    append(&log, 3);
    assert_indexed(&log);
    let last = log.head().position;
    drop(log);
    let log = SledLog::open_within(SMALL, directory).unwrap();
    assert_eq!(log.indexed_before(), last);
    assert_indexed(&log);
}

#[track_caller]
fn assert_made_anew(directory: &Path) {
    assert_goes_on_from(directory, 0);
}

#[test]
fn an_index_in_many_tables_has_everything() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open_within(SMALL, directory.path()).unwrap();
    for _ in 0..6 {
        append(&log, BATCHES / 3);
        assert_indexed(&log);
    }
    drop(log);
    assert!(files_in(&index_of(directory.path())).len() > 3);
    assert_goes_on_from(directory.path(), BATCHES * 2 * BATCH_RECORDS);
}

#[test]
fn a_subject_with_more_than_an_entry_takes_is_found_in_many() {
    let directory = tempfile::tempdir().unwrap();
    for size in [1, 255, 1, 700, 256, 3] {
        let log = SledLog::open_within(SMALL, directory.path()).unwrap();
        let next = log.head().position + 1;
        let entries = (next..next + size).map(|position| entry("o", &position.to_string()));
        log.append(batch(entries.collect())).unwrap();
        let of_order = log.read_about(&About::Order("o".parse().unwrap())).unwrap();
        let positions = of_order.iter().map(|record| record.position);
        assert!(positions.eq(1..next + size));
        log.verify(|_| ()).unwrap();
    }
}

#[test]
fn look_ups_and_verification_go_on_beside_a_writer_whose_index_is_written_all_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open_within(SMALL, directory.path()).unwrap();
    let last = BATCHES * BATCH_RECORDS;
    let until_all_is_there = |look: &dyn Fn(Position)| {
        let mut head = 0;
        while head < last {
            head = log.head().position;
            look(head);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            until_all_is_there(&|head| {
                assert!(log.verify(|_| ()).unwrap().last_position >= head);
            });
        });
        scope.spawn(|| {
            until_all_is_there(&|head| {
                let busy = log.read_about(&order(0)).unwrap();
                assert!(busy.len() as u64 >= head / 2);
                for position in (head.saturating_sub(5)..=head).filter(|&position| position > 0) {
                    let order = order(order_of(position));
                    let found = log.find(&order, "pos", &position.to_string()).unwrap();
                    assert_eq!(found.map(|record| record.position), Some(position));
                }
            });
        });
        append(&log, BATCHES);
    });
    assert_indexed(&log);
    drop(log);
    assert!(lists_of_tables(directory.path()) > 10);
}

/// How many lists of tables were written: the last one has the number.
fn lists_of_tables(log: &Path) -> u64 {
    let names = fs::read_dir(index_of(log)).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let numbers = names.filter_map(|name| name.strip_prefix('v')?.parse().ok());
    numbers.max().unwrap()
}

#[test]
fn an_index_that_is_gone_is_made_anew() {
    let directory = closed_log();
    fs::remove_dir_all(index_of(directory.path())).unwrap();
    assert_made_anew(directory.path());
}

/// As after a kill, or a power cut, between the sync of a batch and the next table.
#[test]
fn an_older_index_is_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    for batches in [0, 1, 7, 40] {
        let log = SledLog::open_within(SMALL, directory.path()).unwrap();
        append(&log, batches);
        drop(log);
        copy(
            &index_of(directory.path()),
            &older.path().join(batches.to_string()),
        );
    }
    for (batches, indexed) in [(0, 0), (1, 10), (7, 80), (40, 480)] {
        let index = index_of(directory.path());
        fs::remove_dir_all(&index).unwrap();
        copy(&older.path().join(batches.to_string()), &index);
        assert_goes_on_from(directory.path(), indexed);
    }
}

/// Both have the same records, and so the same digests: only its id says that it is of another.
#[test]
fn an_index_of_another_log_is_made_anew() {
    let (directory, other) = (closed_log(), closed_log());
    let index = index_of(directory.path());
    fs::remove_dir_all(&index).unwrap();
    copy(&index_of(other.path()), &index);
    assert_made_anew(directory.path());
}

/// A log and a copy of it that went on apart have one id.
#[test]
fn an_index_of_another_history_is_made_anew() {
    let directory = closed_log();
    let apart = tempfile::tempdir().unwrap();
    copy(directory.path(), apart.path());
    let log = SledLog::open_within(SMALL, apart.path()).unwrap();
    log.append(batch(
        (0..5).map(|n| entry("other", &n.to_string())).collect(),
    ))
    .unwrap();
    drop(log);
    let log = SledLog::open_within(SMALL, directory.path()).unwrap();
    append(&log, 2);
    drop(log);

    let index = index_of(directory.path());
    fs::remove_dir_all(&index).unwrap();
    copy(&index_of(apart.path()), &index);
    assert_made_anew(directory.path());
}

#[test]
fn an_index_ahead_of_its_log_is_made_anew() {
    let directory = closed_log();
    let earlier = tempfile::tempdir().unwrap();
    copy(directory.path(), earlier.path());
    let log = SledLog::open_within(SMALL, directory.path()).unwrap();
    append(&log, 5);
    drop(log);
    let index = index_of(earlier.path());
    fs::remove_dir_all(&index).unwrap();
    copy(&index_of(directory.path()), &index);
    assert_made_anew(earlier.path());
}

#[test]
fn a_log_that_is_only_looked_at_is_compared_with_its_index_as_it_is() {
    let verified = |directory: &TempDir| {
        let log = StoredLog::open(directory.path()).unwrap();
        log.verify(|_| ()).map(|(_, index)| index)
    };
    let directory = closed_log();
    let older = tempfile::tempdir().unwrap();
    let index = index_of(directory.path());
    copy(&index, older.path());
    assert_eq!(verified(&directory).unwrap(), StoredIndex::Sound);

    // Behind the records, as after a kill.
    append(&SledLog::open_within(SMALL, directory.path()).unwrap(), 5);
    fs::remove_dir_all(&index).unwrap();
    copy(older.path(), &index);
    assert_eq!(verified(&directory).unwrap(), StoredIndex::Sound);

    // Gone.
    fs::remove_dir_all(&index).unwrap();
    let found = verified(&directory).unwrap();
    assert!(matches!(found, StoredIndex::Unusable { .. }), "{found:?}");
    assert!(!index.exists());

    // Without an order, so that no check of the files notices.
    copy(older.path(), &index);
    let of_an_order = newest_key(subject_digest(&order(7), "", ""));
    with_tree(&index, |tree| tree.remove(&of_an_order));
    let found = verified(&directory);
    assert!(
        matches!(found, Err(LogError::IndexDamaged { .. })),
        "{found:?}"
    );
    assert_made_anew(directory.path());
}
