use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use fjall::AbstractTree;

use super::*;

const SMALL: StoreMemory = StoreMemory {
    cache_bytes: 1024 * 1024,
    gathered_bytes: 64 * 1024,
};

/// The library gives a batch its number first, and what it writes in the background takes the next one and makes all
/// numbers before it visible: a snapshot from that moment saw the first half of the batch that was being applied.
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

#[test]
fn a_store_that_was_not_opened_to_the_end_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("store");
    let log_id = Uuid::new_v4();
    let open = || Store::open(&directory, log_id, 9, SMALL).unwrap();
    let checkpoint = Checkpoint {
        log_id,
        fold_version: FOLD_VERSION,
        position: 9,
    };
    let (store, _) = open();
    let mut changes = WriteBatch::default();
    changes.insert(CHECKPOINT, encode(&checkpoint).unwrap());
    store.apply(&changes).unwrap();
    drop(store);
    assert_eq!(open().1, checkpoint);
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

/// The library asks its thread by a queue of a thousand places to hand on what was gathered, once for each batch for as
/// long as that is too much. While a slow disk kept the thread from asking what is next, small batches filled the queue;
/// then the thread put what it was asked for into the same queue, full again, and waited for itself. What was gathered
/// grew from then on, and nothing of it was brought to its place.
#[test]
fn small_batches_wait_for_a_slow_disk_and_go_on_behind_it() {
    const BATCHES_MAX: u64 = 100_000;
    const BATCH_BYTES_MAX: u64 = 1_200;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    let values = &store.values;
    let applied = AtomicU64::new(0);
    // Nothing is brought to its place while this is held.
    let slow_disk = values.tree.get_flush_lock();
    thread::scope(|scope| {
        let applying = scope.spawn(|| {
            // Until several parts were brought to their place.
            let mut number = 0;
            while number < BATCHES_MAX && store.database.compactions_completed() < 3 {
                store.apply(&small_batch(number)).unwrap();
                number += 1;
                applied.store(number, Ordering::Relaxed);
            }
            number
        });
        let is_full = || values.tree.active_memtable().size() >= SMALL.gathered_bytes;
        let waits = || values.sealed_memtable_count() == 2 && is_full();
        while applied.load(Ordering::Relaxed) < 2_000 && !waits() && !applying.is_finished() {
            thread::yield_now();
        }
        let gathered = store.database.write_buffer_size();
        drop(slow_disk);
        let batches = applying.join().unwrap();
        assert!(batches < BATCHES_MAX, "nothing gets to its place any more");
        assert!(gathered <= 3 * (SMALL.gathered_bytes + BATCH_BYTES_MAX));
        assert_eq!(store.prefix(b"z").count() as u64, batches);
    });
}

/// Tables are sorted in once for each part that was gathered, and where others were in more need of it then, a batch that
/// found too many new ones waited for ever, with nobody about to do anything.
#[test]
fn tables_that_nobody_is_about_to_sort_in_hold_up_no_batch() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    let tree = &store.values.tree;
    for _ in 0..20 {
        store.values.insert("z", "the same key each time").unwrap();
        tree.rotate_memtable().unwrap();
        tree.flush(&tree.get_flush_lock(), 0).unwrap();
    }
    assert_eq!(tree.l0_run_count(), 20);
    store.apply(&small_batch(0)).unwrap();
    assert!(tree.l0_run_count() < 16);
}

#[test]
fn a_batch_does_not_wait_for_ever_where_nothing_gets_done() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Store::make(&directory.path().join("store"), SMALL).unwrap();
    store.standstill_max = Duration::from_millis(20);
    let error = {
        let _nothing_gets_done = store.values.tree.get_flush_lock();
        let failed = (0..).map(|number| store.apply(&small_batch(number)));
        failed.take(1_000).find_map(Result::err).unwrap()
    };
    assert!(matches!(error, ProjectionError::StandsStill(_)), "{error}");
}

/// The library keeps a limit of its own with the files, and looks at no other later. So where the limit was changed, stores
/// that were there went on to gather as much as before.
#[test]
fn a_store_gathers_as_much_as_it_was_opened_with() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("store");
    let more = StoreMemory {
        gathered_bytes: 10 * SMALL.gathered_bytes,
        ..SMALL
    };
    drop(Store::make(&directory, more).unwrap());
    let store = Store::make(&directory, SMALL).unwrap();
    for number in 0..500 {
        store.apply(&small_batch(number)).unwrap();
    }
    let handed_on = store.values.sealed_memtable_count() + store.values.table_count();
    assert!(handed_on > 0);
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
