//! Files of the index that are not what was written, and entries in them.

use std::fs;

use farelog_test_support::directory::{copy, files_in};

use super::{
    BATCH_RECORDS, BATCHES, SMALL, assert_goes_on_from, assert_indexed, assert_made_anew,
    closed_log, index_of, order,
};
use crate::log::index::tampering::{Tree, with_tree};
use crate::log::index::{Candidate, Entry, full_key, newest_key, subject_digest};
use crate::log::samples::{batch, entry};
use crate::log::sled_log::SledLog;
use crate::log::{EventLog, LogError};

/// Damages one file of the index at one place after the other, so many bytes apart, and sees that the log makes another.
fn mends(damage: impl Fn(&mut Vec<u8>, usize), step: usize) {
    let original = closed_log();
    let index = index_of(original.path());
    let mut copies = 0;
    for file in files_in(&index) {
        let name = file.strip_prefix(&index).unwrap();
        let bytes = fs::read(&file).unwrap();
        // Closer in the files that say what is where.
        let step = if name.starts_with("tables") {
            100 * step
        } else {
            step
        };
        for place in (0..bytes.len()).step_by(step) {
            let directory = tempfile::tempdir().unwrap();
            copy(original.path(), directory.path());
            let mut damaged = bytes.clone();
            damage(&mut damaged, place);
            fs::write(index_of(directory.path()).join(name), damaged).unwrap();
            let log = SledLog::open_within(SMALL, directory.path()).unwrap();
            assert_eq!(log.indexed_before(), 0, "{} at {place}", name.display());
            log.verify(|_| ())
                .unwrap_or_else(|error| panic!("{} at {place}: {error}", name.display()));
            copies += 1;
        }
    }
    assert!(copies > 20, "{copies}");
}

#[test]
fn a_changed_byte_anywhere_in_the_index_is_noticed_at_the_start() {
    mends(|bytes, place| bytes[place] ^= 0x40, 3);
}

#[test]
fn an_index_with_a_file_cut_short_is_made_anew() {
    mends(Vec::truncate, 11);
}

#[test]
fn an_index_with_a_file_missing_is_made_anew() {
    let original = closed_log();
    let index = index_of(original.path());
    for file in files_in(&index) {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let name = file.strip_prefix(&index).unwrap();
        fs::remove_file(index_of(directory.path()).join(name)).unwrap();
        assert_made_anew(directory.path());
    }
}

#[test]
fn what_a_kill_left_unfinished_in_an_index_is_removed() {
    let directory = closed_log();
    let left = index_of(directory.path()).join(".tmpV8u3Xk");
    fs::write(&left, "half").unwrap();
    assert_goes_on_from(directory.path(), BATCHES * BATCH_RECORDS);
    assert!(!left.exists());
}

/// A directory among the tables had the library panic, at each start.
#[test]
fn an_index_with_directories_for_files_or_files_for_directories_is_made_anew() {
    let original = closed_log();
    for (path, is_directory) in [
        ("tables/7", true),
        ("tables/other/inner", true),
        ("tables", false),
        ("current", true),
        ("damaged", true),
    ] {
        let directory = tempfile::tempdir().unwrap();
        copy(original.path(), directory.path());
        let path = index_of(directory.path()).join(path);
        let removed = if path.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        // What was not there can't be removed.
        let _ = removed;
        if is_directory {
            fs::create_dir_all(&path).unwrap();
        } else {
            fs::write(&path, "no directory").unwrap();
        }
        assert_made_anew(directory.path());
    }
}

/// Has the tree of a closed log changed in a way that no check of the library's notices; what is then found is an error,
/// and the start behind it makes the index anew.
fn assert_found_and_mended(change: impl Fn(&Tree), is_found_by_look_up: bool) {
    let directory = closed_log();
    with_tree(&index_of(directory.path()), |tree| change(tree));
    let log = SledLog::open(directory.path()).unwrap();
    if is_found_by_look_up {
        for _ in 0..2 {
            let found = log.find(&order(0), "pos", "4");
            assert!(matches!(found, Err(LogError::IndexDamaged { .. })));
            let read = log.read_about(&order(0));
            assert!(matches!(read, Err(LogError::IndexDamaged { .. })));
        }
    }
    let verified = log.verify(|_| ());
    assert!(matches!(verified, Err(LogError::IndexDamaged { .. })));
    drop(log);
    assert_made_anew(directory.path());
}

fn busy_subject() -> u64 {
    subject_digest(&order(0), "", "")
}

#[test]
fn a_damaged_entry_is_found_and_mended() {
    for place in [0, 3, 30] {
        let change = |tree: &Tree| {
            let key = newest_key(busy_subject());
            let mut value = tree.get(&key);
            value[place] ^= 1;
            tree.put(&key, &value);
        };
        assert_found_and_mended(change, true);
    }
}

#[test]
fn a_missing_entry_is_found_and_mended() {
    let of_an_order = newest_key(subject_digest(&order(7), "", ""));
    assert_found_and_mended(|tree| tree.remove(&of_an_order), false);
}

#[test]
fn a_surplus_entry_is_found_and_mended() {
    let surplus = Entry {
        number: 0,
        candidates: vec![Candidate {
            position: 3,
            digest: 7,
        }],
    };
    assert_found_and_mended(
        |tree| tree.put(&newest_key(42), &surplus.to_bytes(42)),
        false,
    );
    assert_found_and_mended(
        |tree| tree.put(&full_key(42, 0), &surplus.to_bytes(42)),
        false,
    );
}

#[test]
fn a_full_entry_that_is_missing_is_found_and_mended() {
    let change = |tree: &Tree| {
        let subject = busy_subject();
        let mut newest = Entry::read(subject, &tree.get(&newest_key(subject))).unwrap();
        newest.number += 1;
        tree.put(&newest_key(subject), &newest.to_bytes(subject));
    };
    assert_found_and_mended(change, true);
}

/// The distance to a record before it was taken, and overflowed.
#[test]
fn an_entry_ahead_of_the_log_is_found_when_it_is_added_to() {
    let directory = closed_log();
    let order = order(7);
    let subject = subject_digest(&order, "", "");
    with_tree(&index_of(directory.path()), |tree| {
        let mut newest = Entry::read(subject, &tree.get(&newest_key(subject))).unwrap();
        newest.candidates.push(Candidate {
            position: 1_000_000,
            digest: 7,
        });
        tree.put(&newest_key(subject), &newest.to_bytes(subject));
    });
    let log = SledLog::open(directory.path()).unwrap();
    let last = log.head().position;
    let added = log.append(batch(vec![entry("order-7", "new")]));
    assert!(matches!(added, Err(LogError::IndexDamaged { .. })));
    drop(log);
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(log.head().position, last);
    assert_indexed(&log);
}
