//! What becomes of a tree that is not brought to the disk, and of what is seen of it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use lsm_tree::AbstractTree;
use proptest::prelude::*;
use tempfile::TempDir;

use super::{PARTS_WAITING_MAX, Patience, TreeWriter, Wish, Worker};
use crate::tree::{DirectoryLock, Form, LATEST, OpenTree, Tree, TreeError, files};

/// So little that each batch of [`add`] is enough for a table.
const SMALL: Form = Form {
    name: "tree",
    cache_bytes: 64 * 1024,
    gathered_bytes: 1,
    replay_bytes_max: u64::MAX,
    runs_together: 2,
    runs_unsorted_max: 4,
    table_bytes: 1024 * 1024,
    configure: |config| config,
};

const SHORT: Patience = Patience {
    standstill_max: Duration::from_millis(20),
    closing_piece: Patience::USUAL.closing_piece,
    ending_max: Duration::from_millis(20),
};

/// Whoever waits for a thread that works waits long.
const LONG: Patience = Patience::USUAL;

/// A writer of the tree in a place, in whose thread this is done.
fn writer_in(
    place: &TempDir,
    form: Form,
    patience: Patience,
    work: impl FnOnce(&Worker) + Send + 'static,
) -> TreeWriter {
    let lock = Arc::new(DirectoryLock::take(place.path()).unwrap());
    let open = OpenTree::open(place.path(), form).unwrap();
    TreeWriter::start_with(open, patience, lock, work).unwrap()
}

fn writer_with(work: impl FnOnce(&Worker) + Send + 'static) -> (TempDir, TreeWriter) {
    let place = tempfile::tempdir().unwrap();
    let writer = writer_in(&place, SMALL, SHORT, work);
    (place, writer)
}

fn open(place: &TempDir) -> Tree {
    OpenTree::open(place.path(), SMALL).unwrap().reader()
}

/// One whose thread begins when it is told to.
fn held_up_writer() -> (TempDir, TreeWriter, Sender<()>) {
    let (begin, begins) = channel();
    let (place, writer) = writer_with(move |worker| {
        // A test that is over need not say anything.
        let _ = begins.recv();
        worker.work();
    });
    (place, writer, begin)
}

/// Adds a batch: the same value under each of some keys.
fn put(writer: &mut TreeWriter, keys: impl IntoIterator<Item = u8>, value: u64) {
    let keys = keys.into_iter();
    let value = value.to_be_bytes();
    let entries = keys.map(|key| ([b'k', key].into(), Some(value.into())));
    writer.apply(entries, 1);
}

fn value(tree: &Tree, key: u8, at: u64) -> Option<u64> {
    let value = tree.get(&[b'k', key], at).unwrap();
    value.map(|value| u64::from_be_bytes((*value).try_into().unwrap()))
}

fn add(writer: &mut TreeWriter, number: u64) {
    put(writer, [0], number);
}

/// Adds batches until there is no room. Gives the last one's number, and what was said.
fn fill(writer: &mut TreeWriter) -> (u64, TreeError) {
    let mut number = 0;
    loop {
        if let Err(error) = writer.make_room() {
            return (number, error);
        }
        number += 1;
        add(writer, number);
    }
}

fn until_its_thread_has_ended(writer: &TreeWriter) {
    while !writer.background.state().has_ended {
        thread::yield_now();
    }
}

#[track_caller]
fn assert_is_made_anew(place: &TempDir) {
    let checked = files::check(place.path());
    assert!(matches!(checked, Err(TreeError::Damaged(_))), "{checked:?}");
}

/// The tree was as sound as before for the next start, which went the same way: a panic that came of what is in the files
/// kept farelog from ever running again.
#[test]
fn a_panic_in_the_background_stops_who_writes_and_has_the_tree_made_anew() {
    let (place, mut writer) = writer_with(|_| panic!("as the library may"));
    until_its_thread_has_ended(&writer);
    for _ in 0..2 {
        assert!(matches!(writer.make_room(), Err(TreeError::Panicked)));
        assert!(matches!(writer.flush(), Err(TreeError::Panicked)));
    }
    drop(writer);
    assert_is_made_anew(&place);
}

/// Whoever asks the library for anything panics from then on, and the writer did so while it was dropped.
#[test]
fn a_panic_under_the_librarys_lock_does_not_keep_the_writer_from_going() {
    let (place, writer) = writer_with(|worker| {
        let _lock = worker.tree.library.get_version_history_lock();
        panic!("as the library may");
    });
    until_its_thread_has_ended(&writer);
    drop(writer);
    assert_is_made_anew(&place);
}

#[test]
fn a_batch_waits_for_the_disk_with_so_much_in_memory_and_no_more() {
    let (place, mut writer, begin) = held_up_writer();
    let (number, error) = fill(&mut writer);
    assert!(matches!(error, TreeError::StandsStill(waited) if waited == SHORT.standstill_max));
    let tree = writer.reader();
    assert_eq!(tree.library.sealed_memtable_count(), PARTS_WAITING_MAX);
    assert_eq!(number, PARTS_WAITING_MAX as u64 + 1);

    // It goes on when the disk does, and at the end all is there.
    begin.send(()).unwrap();
    while writer.make_room().is_err() {}
    add(&mut writer, number + 1);
    drop((writer, tree));
    assert_eq!(value(&open(&place), 0, LATEST), Some(number + 1));
}

/// Batches that change the same key are little in memory, however many they are; a kill took all of them, and what they
/// were made of was read again.
#[test]
fn what_would_take_long_to_make_again_is_brought_to_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let form = Form {
        gathered_bytes: u64::MAX,
        replay_bytes_max: 10,
        ..SMALL
    };
    let mut writer = writer_in(&place, form, LONG, Worker::work);
    let tree = writer.reader();
    for number in 0..100 {
        writer.make_room().unwrap();
        add(&mut writer, number);
        assert!(tree.library.active_memtable().len() <= 10);
    }
}

/// Who makes a tree puts into it what is made from the beginning. What was there already would then be there twice.
#[test]
fn what_is_made_does_not_open_what_is_there() {
    let place = tempfile::tempdir().unwrap();
    drop(OpenTree::make(place.path(), SMALL).unwrap());
    let again = OpenTree::make(place.path(), SMALL).map(drop);
    assert!(matches!(again, Err(TreeError::Io { .. })), "{again:?}");
}

#[test]
fn what_was_flushed_is_on_the_disk() {
    let place = tempfile::tempdir().unwrap();
    let form = Form {
        gathered_bytes: u64::MAX,
        ..SMALL
    };
    let mut writer = writer_in(&place, form, LONG, Worker::work);
    // While it is held, no file is removed.
    let _beginning = writer.tree.moment();
    for number in [7, 8] {
        put(&mut writer, [1, 2], number);
        writer.flush().unwrap();
        let copied = tempfile::tempdir().unwrap();
        // And while this is held, none is renamed.
        let lock = writer.tree.library.get_version_history_lock();
        farelog_test_support::directory::copy(place.path(), copied.path());
        drop(lock);
        assert_eq!(value(&open(&copied), 2, LATEST), Some(number));
    }
    writer.flush().unwrap();
}

/// A process whose tree hung said that it ends, and waited for the tree: it stood there until somebody killed it.
#[test]
fn who_has_failed_does_not_wait_for_a_tree_that_hangs() {
    assert_does_not_wait(|writer| {
        add(writer, 1);
        writer.abandon();
    });
}

/// Who writes had to say so, and the projections did not.
#[test]
fn who_has_said_that_nothing_gets_to_the_disk_does_not_wait_for_it() {
    assert_does_not_wait(|writer| drop(fill(writer)));
    assert_does_not_wait(|writer| {
        add(writer, 1);
        assert!(writer.flush().is_err());
    });
}

fn assert_does_not_wait(fail: impl FnOnce(&mut TreeWriter)) {
    let (place, mut writer, begin) = held_up_writer();
    fail(&mut writer);
    drop(writer);
    assert_has_the_directory_until(&place, || begin.send(()).unwrap());
    assert_eq!(value(&open(&place), 0, LATEST), None);
}

/// What still may write has the directory, until it goes on.
fn assert_has_the_directory_until(place: &tempfile::TempDir, go_on: impl FnOnce()) {
    let locked = DirectoryLock::take(place.path());
    assert!(matches!(locked, Err(TreeError::InUse(_))), "{locked:?}");
    go_on();
    while DirectoryLock::take(place.path()).is_err() {
        thread::yield_now();
    }
}

/// A server that was told to end waited for a disk that hangs until somebody killed it.
#[test]
fn who_ends_does_not_wait_for_a_tree_that_hangs_for_good() {
    let (place, mut writer, begin) = held_up_writer();
    writer.patience.closing_piece = SHORT.ending_max;
    add(&mut writer, 1);
    drop(writer);
    // Where the disk goes on after all, so does the tree.
    assert_has_the_directory_until(&place, || begin.send(()).unwrap());
    assert_eq!(value(&open(&place), 0, LATEST), Some(1));
}

/// The library may panic between two keys. A checkpoint behind them would say of what is there that it is all.
#[test]
fn a_batch_that_was_added_in_part_does_not_get_to_the_disk() {
    let (place, mut writer) = writer_with(Worker::work);
    add(&mut writer, 1);
    writer.tree.moments.begin_batch();
    let tree = writer.reader();
    assert_eq!(value(&tree, 0, tree.moment().sequence()), Some(1));
    for _ in 0..2 {
        assert!(matches!(writer.make_room(), Err(TreeError::Failed)));
        assert!(matches!(writer.flush(), Err(TreeError::Failed)));
    }
    drop((writer, tree));
    assert_eq!(value(&open(&place), 0, LATEST), None);
}

/// An end waited for a merge that was only just begun, or was due before there could be another table.
#[test]
fn at_the_end_nothing_is_sorted_in() {
    let place = tempfile::tempdir().unwrap();
    let never = Form {
        runs_together: u8::MAX,
        runs_unsorted_max: usize::MAX,
        ..SMALL
    };
    let mut writer = writer_in(&place, never, LONG, Worker::work);
    for number in 0..10 {
        add(&mut writer, number);
        writer.flush().unwrap();
    }
    drop(writer);
    let (begin, begins) = channel();
    let mut writer = writer_in(&place, SMALL, LONG, move |worker| {
        begins.recv().unwrap();
        worker.work();
    });
    let tree = writer.reader();
    let runs = tree.library.l0_run_count();
    assert!(runs > SMALL.runs_unsorted_max, "{runs}");
    add(&mut writer, 10);
    writer.wish(Wish::End);
    begin.send(()).unwrap();
    writer.close().unwrap();
    assert_eq!(tree.library.l0_run_count(), runs + 1);
    drop((writer, tree));
    assert_eq!(value(&open(&place), 0, LATEST), Some(10));
}

/// The thread let go what it had written only when there was nothing to write: where the disk was behind all the time, all
/// of it stayed in memory.
#[test]
fn however_much_there_is_to_write_so_much_is_in_memory_and_no_more() {
    let place = tempfile::tempdir().unwrap();
    let mut writer = writer_in(&place, SMALL, LONG, Worker::work);
    for number in 0..500 {
        writer.make_room().unwrap();
        add(&mut writer, number);
        let state = writer.background.state();
        let (waiting, written) = (state.waiting.len(), state.written.len());
        let is_bounded = waiting <= PARTS_WAITING_MAX && written <= PARTS_WAITING_MAX;
        assert!(is_bounded, "{waiting} and {written} at {number}");
    }
}

#[test]
fn what_can_not_be_written_is_said_once_with_its_cause_and_nothing_is_taken_from_then_on() {
    let (place, mut writer, begin) = held_up_writer();
    put(&mut writer, [0], 1);
    std::fs::remove_dir_all(place.path().join("tables")).unwrap();
    begin.send(()).unwrap();
    let error = loop {
        match writer.flush() {
            Err(TreeError::StandsStill(_)) => {}
            said => break said.unwrap_err(),
        }
    };
    assert!(matches!(error, TreeError::Damaged(_)), "{error}");
    assert!(matches!(writer.make_room(), Err(TreeError::Failed)));
    drop(writer);
    assert_is_made_anew(&place);
}

/// What was gathered long ago stayed, with its versions, until the second batch that came then.
#[test]
fn what_nobody_sees_any_more_is_held_no_longer() {
    let place = tempfile::tempdir().unwrap();
    let mut writer = writer_in(&place, SMALL, LONG, Worker::work);
    let tree = writer.reader();
    for number in 0..50 {
        writer.make_room().unwrap();
        add(&mut writer, number);
    }
    writer.flush().unwrap();
    while tree.library.version_free_list_len() > 0 || !writer.background.state().written.is_empty()
    {
        thread::yield_now();
    }
    assert_eq!(value(&tree, 0, LATEST), Some(49));
}

/// The thread had found that no moment was held when the first one was taken, and let go what it showed: whoever looked
/// panicked, until the next batch.
#[test]
fn what_a_moment_shows_stays_where_it_is_taken_while_tables_are_written() {
    let (looked, has_looked) = channel();
    let (go_on, goes_on) = channel::<()>();
    let (_place, mut writer) = writer_with(move |worker| {
        let Tree {
            library, moments, ..
        } = &worker.tree;
        goes_on.recv().unwrap();
        let oldest = moments.oldest();
        looked.send(()).unwrap();
        goes_on.recv().unwrap();
        library.flush(&library.get_flush_lock(), oldest).unwrap();
    });
    let tree = writer.reader();
    put(&mut writer, [0], 1);
    writer.hand_on();
    go_on.send(()).unwrap();
    has_looked.recv().unwrap();
    let moment = tree.moment();
    go_on.send(()).unwrap();
    until_its_thread_has_ended(&writer);
    assert_eq!(value(&tree, 0, moment.sequence()), Some(1));
    assert_eq!(value(&tree, 0, tree.moment().sequence()), Some(1));
}

/// Who looks at a moment while batches are applied sees each of them whole or not at all.
#[test]
fn a_moment_shows_whole_batches() {
    const BATCHES: u64 = 1_000;
    const LOOKS_MIN: u64 = 10;
    const KEYS: std::ops::Range<u8> = 0..200;
    let place = tempfile::tempdir().unwrap();
    let form = Form {
        gathered_bytes: 20_000,
        ..SMALL
    };
    let mut writer = writer_in(&place, form, LONG, Worker::work);
    let tree = writer.reader();
    put(&mut writer, KEYS, 0);
    let (has_ended, looks) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let ending = SetWhenDropped(&has_ended);
        let reading = scope.spawn(|| {
            while !has_ended.load(Ordering::Relaxed) {
                let moment = tree.moment();
                let first = value(&tree, 0, moment.sequence());
                for key in KEYS {
                    assert_eq!(value(&tree, key, moment.sequence()), first);
                }
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut number = 0;
        let is_enough = |number| number == BATCHES && looks.load(Ordering::Relaxed) > LOOKS_MIN;
        // It ends by itself where it sees something else.
        while !is_enough(number) && !reading.is_finished() {
            number = BATCHES.min(number + 1);
            writer.make_room().unwrap();
            put(&mut writer, KEYS, number);
        }
        drop(ending);
        reading.join().unwrap();
    });
}

/// Lets who reads end also where who writes has panicked.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is done to a tree, by chance.
#[derive(Debug, Clone)]
enum Step {
    /// A batch of the same value under these keys.
    Put(Vec<u8>),
    Remove(u8),
    /// All that was gathered is written as a table, and tables are sorted in.
    Flush,
    /// Somebody begins to look.
    Hold,
    /// The one who has looked for longest ceases to.
    Release,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(0..6_u8, 1..4).prop_map(Step::Put),
        1 => (0..6_u8).prop_map(Step::Remove),
        2 => Just(Step::Flush),
        2 => Just(Step::Hold),
        1 => Just(Step::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is written, brought to the disk and sorted in meanwhile, who looks at a moment sees what stood then.
    ///
    /// Who began to look while a table was written, and nobody else did, found that the version was gone by then that it
    /// was to see.
    #[test]
    fn what_is_seen_at_a_moment_stays(steps in prop::collection::vec(step(), 1..60)) {
        let place = tempfile::tempdir().unwrap();
        let form = Form { gathered_bytes: 300, ..SMALL };
        let mut writer = writer_in(&place, form, LONG, Worker::work);
        let tree = writer.reader();
        let mut now = [None; 6];
        let mut held = std::collections::VecDeque::new();
        for (number, step) in (1..).zip(steps) {
            writer.make_room().unwrap();
            match step {
                Step::Put(keys) => {
                    for key in &keys {
                        now[usize::from(*key)] = Some(number);
                    }
                    put(&mut writer, keys, number);
                }
                Step::Remove(key) => {
                    now[usize::from(key)] = None;
                    writer.apply([([b'k', key].into(), None)], 1);
                }
                Step::Flush => writer.flush().unwrap(),
                Step::Hold => held.push_back((tree.moment(), now)),
                Step::Release => drop(held.pop_front()),
            }
            for (moment, expected) in &held {
                for key in 0..6 {
                    prop_assert_eq!(value(&tree, key, moment.sequence()), expected[usize::from(key)]);
                }
                let entries = tree.iter(moment.sequence()).count();
                prop_assert_eq!(entries, expected.iter().flatten().count());
            }
        }
    }
}
