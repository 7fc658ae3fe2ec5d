//! What holds for the log on disk beyond the contract.

use std::fs::{self, File};
use std::path::Path;

use farelog_test_support::directory::copy;
use tempfile::TempDir;

use super::store::open_store;
use super::{IndexMemory, SledLog, StoredLog};
use crate::event::About;
use crate::log::index::tampering::with_tree;
use crate::log::index::{Candidate, Entry as IndexEntry, candidate_digest, subject_digest};
use crate::log::samples::{self, batch, entry};
use crate::log::suite::{self, Subject};
use crate::log::{Entry, EventLog, LogError, keys, meta};

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

/// The same with an index that is brought to the disk and sorted in all the time.
mod with_a_small_index {
    use super::*;

    const SMALL: IndexMemory = IndexMemory {
        cache_bytes: 64 * 1024,
        gathered_bytes: 1024,
    };

    struct OnDiskWithASmallIndex(OnDisk);

    impl Subject for OnDiskWithASmallIndex {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let log = Some(SledLog::open_within(SMALL, directory.path()).unwrap());
            Self(OnDisk { log, directory })
        }

        fn log(&self) -> &dyn EventLog {
            self.0.log()
        }

        fn reopen(&mut self) {
            let on_disk = &mut self.0;
            on_disk.log = None;
            on_disk.log = Some(SledLog::open_within(SMALL, on_disk.directory.path()).unwrap());
        }
    }

    suite::contract!(OnDiskWithASmallIndex);
}

/// The store without the log, to damage it.
fn with_store<T>(directory: &Path, change: impl FnOnce(&sled::Db) -> T) -> T {
    let db = open_store(directory).unwrap();
    let result = change(&db);
    db.flush().unwrap();
    result
}

fn closed_log_with(entries: Vec<Entry>) -> TempDir {
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
        LogError::NewerFormat { found: 3, known: 2 }
    ));
}

#[test]
fn no_value_goes_where_the_store_never_syncs() {
    let mut subject = OnDisk::new();
    samples::fill_with_large_records(subject.log());
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
    // As if "o" and "p" had one digest: p's entry has the records of both.
    let both = [("1", 1), ("2", 2)].map(|(id, position)| Candidate {
        position,
        digest: candidate_digest("pos", id),
    });
    put_entry(directory.path(), &p, &both);
    let log = SledLog::open(directory.path()).unwrap();
    let found = log.read_about(&p).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].position, 2);
    assert!(log.find(&p, "pos", "1").unwrap().is_none());
    assert_eq!(log.find(&p, "pos", "2").unwrap().unwrap().position, 2);
}

/// Has the index say this of an order.
fn put_entry(directory: &Path, order: &About, candidates: &[Candidate]) {
    let subject = subject_digest(order, "", "");
    let entry = IndexEntry {
        number: 0,
        candidates: candidates.to_vec(),
    };
    with_tree(&directory.join("index"), |tree| {
        tree.put(&subject.to_be_bytes(), &entry.to_bytes(subject));
    });
}

/// A log of 40 records in packs of 16, 16 and 8, closed.
fn damaged_log(damage: impl FnOnce(&sled::Db)) -> TempDir {
    let directory = closed_log_with((0..40).map(|n| entry("o", &n.to_string())).collect());
    with_store(directory.path(), damage);
    directory
}

fn flip(db: &sled::Db, key: &[u8], place: usize) {
    let mut value = db.get(key).unwrap().unwrap().to_vec();
    value[place] ^= 1;
    db.insert(key, value).unwrap();
}

fn position_of_damage<T>(result: Result<T, LogError>) -> u64 {
    match result {
        Err(LogError::Corrupt { position, .. }) => position,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("the damage was not found"),
    }
}

#[test]
fn a_damaged_pack_is_found_with_its_position() {
    let directory = damaged_log(|db| flip(db, &keys::pack(17), 100));
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(log.read(1, 16).unwrap().len(), 16);
    assert_eq!(position_of_damage(log.read(1, 17)), 17);
    assert_eq!(position_of_damage(log.read(20, 1)), 17);
    assert_eq!(log.read(33, 10).unwrap().len(), 8);
    let order = About::Order("o".parse().unwrap());
    assert_eq!(position_of_damage(log.read_about(&order)), 17);
    assert_eq!(position_of_damage(log.find(&order, "pos", "20")), 17);
    assert_eq!(position_of_damage(log.verify(|_| ())), 17);
}

/// No command opened such a log, so what was sound in it could not be had.
#[test]
fn sound_records_can_be_had_though_a_damaged_one_keeps_the_index_from_being_made() {
    let directory = damaged_log(|db| flip(db, &keys::pack(17), 100));
    fs::remove_dir_all(directory.path().join("index")).unwrap();
    assert_eq!(position_of_damage(SledLog::open(directory.path())), 17);

    fs::remove_dir_all(directory.path().join("index")).unwrap();
    let log = StoredLog::open(directory.path()).unwrap();
    assert_eq!(log.head().position, 40);
    assert_eq!(log.read(1, 16).unwrap().len(), 16);
    assert_eq!(log.read(33, 10).unwrap().len(), 8);
    assert_eq!(position_of_damage(log.read(17, 1)), 17);
    assert_eq!(position_of_damage(log.verify(|_| ())), 17);
}

#[test]
fn a_damaged_end_is_found_when_the_log_is_opened() {
    let directory = damaged_log(|db| flip(db, &keys::pack(33), 20));
    assert_eq!(position_of_damage(SledLog::open(directory.path())), 33);
}

#[test]
fn a_missing_pack_is_found() {
    let directory = damaged_log(|db| drop(db.remove(keys::pack(17)).unwrap()));
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(position_of_damage(log.read(1, 40)), 17);
    assert_eq!(position_of_damage(log.read(20, 1)), 20);
    assert_eq!(position_of_damage(log.verify(|_| ())), 17);

    let directory = damaged_log(|db| drop(db.remove(keys::pack(1)).unwrap()));
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(position_of_damage(log.read(1, 40)), 1);
}

#[test]
fn a_lost_tail_is_found_and_the_rest_can_be_had() {
    let directory = damaged_log(|db| drop(db.remove(keys::pack(33)).unwrap()));
    assert_eq!(position_of_damage(SledLog::open(directory.path())), 33);
    fs::remove_file(directory.path().join("farelog.mark")).unwrap();
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(log.head().position, 32);
}

#[test]
fn a_pack_of_another_history_is_found() {
    let other = closed_log_with((0..40).map(|n| entry("p", &n.to_string())).collect());
    let foreign = with_store(other.path(), |db| db.get(keys::pack(17)).unwrap().unwrap());
    let directory = damaged_log(|db| drop(db.insert(keys::pack(17), foreign).unwrap()));
    let log = SledLog::open(directory.path()).unwrap();
    assert_eq!(position_of_damage(log.read(1, 40)), 17);
}

/// The first pack that an index lacks was believed to go on from what it has.
#[test]
fn a_pack_of_another_history_behind_the_index_is_found_at_the_start() {
    let directory = damaged_log(|_| ());
    let index = directory.path().join("index");
    let older = tempfile::tempdir().unwrap();
    copy(&index, older.path());
    let other = closed_log_with((0..40).map(|n| entry("p", &n.to_string())).collect());
    for log in [&directory, &other] {
        let log = SledLog::open(log.path()).unwrap();
        let entries = (40..48).map(|n| entry("o", &n.to_string()));
        log.append(batch(entries.collect())).unwrap();
    }
    let foreign = with_store(other.path(), |db| db.get(keys::pack(41)).unwrap().unwrap());
    with_store(directory.path(), |db| {
        drop(db.insert(keys::pack(41), foreign).unwrap());
    });
    fs::remove_dir_all(&index).unwrap();
    copy(older.path(), &index);
    assert_eq!(position_of_damage(SledLog::open(directory.path())), 41);
}

#[test]
fn damage_to_what_the_log_keeps_about_itself_is_found() {
    for place in 0..28 {
        let directory = damaged_log(|db| flip(db, keys::META, place));
        assert_eq!(position_of_damage(SledLog::open(directory.path())), 0);
    }
    let directory = damaged_log(|db| drop(db.remove(keys::META).unwrap()));
    assert_eq!(position_of_damage(SledLog::open(directory.path())), 0);
}

#[test]
fn a_whole_log_verifies_and_its_digest_does_not_depend_on_batches() {
    let entries: Vec<Entry> = (0..40).map(|n| entry("o", &n.to_string())).collect();
    let one = tempfile::tempdir().unwrap();
    let log = SledLog::open(one.path()).unwrap();
    log.append(batch(entries.clone())).unwrap();
    let mut heard = Vec::new();
    let at_once = log.verify(|position| heard.push(position)).unwrap();
    assert_eq!(at_once.last_position, 40);
    assert_eq!(heard, [16, 40]);

    let other = tempfile::tempdir().unwrap();
    let log = SledLog::open(other.path()).unwrap();
    assert_eq!(log.verify(|_| ()).unwrap().last_position, 0);
    for entry in entries {
        log.append(batch(vec![entry])).unwrap();
    }
    assert_eq!(log.verify(|_| ()).unwrap(), at_once);
}
