use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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
