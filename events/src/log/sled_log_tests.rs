//! What holds for the log on disk beyond the contract.

use std::fs::{self, File};
use std::path::Path;

use tempfile::TempDir;

use super::index::{self, Candidate};
use super::sled_log::SledLog;
use super::suite::{self, Subject, batch, entry};
use super::{EventLog, LogError, keys, meta};
use crate::event::About;

struct OnDisk {
    // Before the directory, so that it is closed before its files go.
    log: Option<SledLog>,
    directory: TempDir,
}

impl Subject for OnDisk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let log = Some(SledLog::open(directory.path()).unwrap());
        Self { log, directory }
    }

    fn log(&self) -> &dyn EventLog {
        self.log.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        self.log = None;
        self.log = Some(SledLog::open(self.directory.path()).unwrap());
    }
}

suite::contract!(OnDisk);

/// The store without the log, to damage it.
fn with_store<T>(directory: &Path, change: impl FnOnce(&sled::Db) -> T) -> T {
    let db = sled::Config::new()
        .path(directory)
        .flush_every_ms(None)
        .open()
        .unwrap();
    let result = change(&db);
    db.flush().unwrap();
    result
}

fn closed_log_with(entries: Vec<super::Entry>) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    log.append(batch(entries)).unwrap();
    directory
}

#[test]
fn a_log_in_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    assert!(matches!(
        SledLog::open(directory.path()),
        Err(LogError::InUse(_))
    ));
    drop(log);
    SledLog::open(directory.path()).unwrap();
}

#[test]
fn what_a_killed_start_left_behind_is_removed() {
    let directory = closed_log_with(vec![entry("o", "1")]);
    let left = directory.path().join("snap.00000000000000FF.generating");
    fs::write(&left, b"half").unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    assert!(!left.exists());
    assert_eq!(log.head().position, 1);
}

#[test]
fn a_directory_is_made_with_its_parents() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b/c");
    SledLog::open(&deep).unwrap();
    assert!(deep.join("db").exists());
}

#[test]
fn a_newer_format_is_refused() {
    let directory = closed_log_with(vec![entry("o", "1")]);
    with_store(directory.path(), |db| {
        let mut value = (meta::FORMAT_VERSION + 1).to_le_bytes().to_vec();
        value.extend_from_slice(b"what a newer version keeps");
        db.insert(keys::META, meta::with_check(value)).unwrap();
    });
    let refused = SledLog::open(directory.path()).err().unwrap();
    assert!(matches!(
        refused,
        LogError::NewerFormat { found: 2, known: 1 }
    ));
}

#[test]
fn no_value_goes_where_the_store_never_syncs() {
    let mut subject = OnDisk::new();
    suite::fill_with_large_records(subject.log());
    let blobs = subject.directory.path().join("blobs");
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
    subject.reopen();
    assert_eq!(fs::read_dir(&blobs).unwrap().count(), 0);
}

#[test]
fn after_a_failed_sync_nothing_is_accepted_and_nothing_new_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    log.append(batch(vec![entry("o", "1")])).unwrap();
    // What this file is on can't be synced, and says so.
    log.sync_through(File::open("/dev/null").unwrap());
    let order = About::Order("o".parse().unwrap());
    let failed = log.append(batch(vec![entry("o", "2")])).unwrap_err();
    assert!(matches!(failed, LogError::Io { action: "sync", .. }));
    for _ in 0..2 {
        let refused = log.append(batch(vec![entry("o", "3")]));
        assert!(matches!(refused, Err(LogError::Poisoned)));
    }
    assert_eq!(log.head().position, 1);
    assert_eq!(log.read(1, 10).unwrap().len(), 1);
    assert_eq!(log.read_about(&order).unwrap().len(), 1);
    assert!(log.find(&order, "pos", "2").unwrap().is_none());
}

#[test]
fn things_with_one_digest_in_the_index_are_told_apart() {
    let directory = closed_log_with(vec![entry("o", "1"), entry("p", "2")]);
    let p = About::Order("p".parse().unwrap());
    let subject = index::subject_digest(&p, "", "");
    // As if "o" and "p" had one digest: p's entry has the records of both.
    with_store(directory.path(), |db| {
        let mut value = Vec::new();
        let candidates = [("1", 1), ("2", 2)].map(|(id, position)| Candidate {
            position,
            digest: index::candidate_digest("pos", id),
        });
        index::put_entry(&mut value, subject, candidates.iter());
        db.remove(keys::index(subject, 2)).unwrap();
        db.insert(keys::index(subject, 1), value).unwrap();
    });
    let log = SledLog::open(directory.path()).unwrap();
    let found = log.read_about(&p).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].position, 2);
    assert!(log.find(&p, "pos", "1").unwrap().is_none());
    assert_eq!(log.find(&p, "pos", "2").unwrap().unwrap().position, 2);
}
