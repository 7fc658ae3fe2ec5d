//! What becomes of a log whose index is not brought to the disk.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use lsm_tree::{AbstractTree, AnyTree};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Background, Changes, IndexWriter, PARTS_WAITING_MAX, Patience, bring_to_the_disk};
use crate::log::directory::Directory;
use crate::log::index::files::{self, Tree, Unusable};
use crate::log::index::{CHECKPOINT_KEY, Index, IndexCheckpoint, IndexMemory, LATEST};
use crate::log::{LogError, Position};

/// So little that each batch of [`add`] is enough for a table.
const SMALL: IndexMemory = IndexMemory {
    cache_bytes: 64 * 1024,
    gathered_bytes: 1,
};

const SHORT: Patience = Patience {
    standstill_max: Duration::from_millis(20),
    ending_max: Duration::from_millis(20),
};

/// A writer of an empty index, in whose thread this is done.
fn writer_with(
    work: impl FnOnce(&AnyTree, &Background) + Send + 'static,
) -> (TempDir, IndexWriter) {
    let place = tempfile::tempdir().unwrap();
    let directory = Arc::new(Directory::lock(place.path()).unwrap());
    let Tree { tree, sequence } = open(&place);
    let index = Index {
        tree,
        directory: Arc::from(place.path().join("index")),
    };
    let writer = IndexWriter::start_with(index, sequence, SMALL, directory, SHORT, work);
    (place, writer.unwrap())
}

fn open(place: &TempDir) -> Tree {
    files::open_tree(&place.path().join("index"), SMALL).unwrap()
}

/// One whose thread begins when it is told to.
fn held_up_writer() -> (TempDir, IndexWriter, Sender<()>) {
    let (begin, begins) = channel();
    let (place, writer) = writer_with(move |tree, background| {
        // A test that is over need not say anything.
        let _ = begins.recv();
        bring_to_the_disk(tree, background);
    });
    (place, writer, begin)
}

/// A batch of nothing but the checkpoint.
fn add(writer: &mut IndexWriter, position: Position) {
    writer.apply(Changes {
        entries: Vec::new(),
        checkpoint: checkpoint(position),
        replay_bytes: 0,
    });
}

fn checkpoint(position: Position) -> IndexCheckpoint {
    IndexCheckpoint {
        position,
        ..IndexCheckpoint::start(Uuid::from_u128(1))
    }
}

/// Adds batches until there is no room. Gives the last one's position, and what was said.
fn fill(writer: &mut IndexWriter) -> (Position, LogError) {
    let mut position = 0;
    loop {
        if let Err(error) = writer.make_room() {
            return (position, error);
        }
        position += 1;
        add(writer, position);
    }
}

fn until_its_thread_has_ended(writer: &IndexWriter) {
    while !writer.background.state().has_ended {
        thread::yield_now();
    }
}

#[track_caller]
fn assert_is_made_anew(place: &TempDir) {
    let checked = files::check(&place.path().join("index"));
    assert!(matches!(checked, Err(Unusable::Damaged(_))), "{checked:?}");
}

/// The index was as sound as before for the next start, which went the same way: a panic that came of what is in the files
/// kept the log from ever running again.
#[test]
fn a_panic_in_the_background_stops_the_log_and_has_the_index_made_anew() {
    let (place, mut writer) = writer_with(|_, _| panic!("as the library may"));
    until_its_thread_has_ended(&writer);
    assert!(matches!(writer.make_room(), Err(LogError::IndexStopped)));
    drop(writer);
    assert_is_made_anew(&place);
}

/// Whoever asks the library for anything panics from then on, and the writer did so while it was dropped.
#[test]
fn a_panic_under_the_librarys_lock_does_not_keep_the_writer_from_going() {
    let (place, writer) = writer_with(|tree, _| {
        let _lock = tree.get_version_history_lock();
        panic!("as the library may");
    });
    until_its_thread_has_ended(&writer);
    drop(writer);
    assert_is_made_anew(&place);
}

#[test]
fn an_append_waits_for_the_disk_with_so_much_in_memory_and_no_more() {
    let (place, mut writer, begin) = held_up_writer();
    let (position, error) = fill(&mut writer);
    assert!(matches!(error, LogError::IndexStandsStill(waited) if waited == SHORT.standstill_max));
    let tree = writer.index.tree.clone();
    assert_eq!(tree.sealed_memtable_count(), PARTS_WAITING_MAX);
    assert_eq!(position, PARTS_WAITING_MAX as u64 + 1);

    // It goes on when the disk does, and at the end all is there.
    begin.send(()).unwrap();
    while writer.make_room().is_err() {}
    add(&mut writer, position + 1);
    drop((writer, tree));
    let stored = open(&place).get(CHECKPOINT_KEY);
    assert_eq!(stored, checkpoint(position + 1).to_bytes());
}

/// A process whose index hung said that it ends, and waited for the index: it stood there until somebody killed it.
#[test]
fn a_failed_log_does_not_wait_for_an_index_that_hangs() {
    let (place, mut writer, begin) = held_up_writer();
    fill(&mut writer);
    writer.abandon();
    drop(writer);
    // What still may write has the directory.
    let locked = Directory::lock(place.path());
    assert!(matches!(locked, Err(LogError::InUse(_))), "{locked:?}");
    begin.send(()).unwrap();
    while Directory::lock(place.path()).is_err() {
        thread::yield_now();
    }
    assert!(open(&place).tree.is_empty(LATEST, None).unwrap());
}

/// The library may panic between two keys. The checkpoint behind them would say of what is there that it is all.
#[test]
fn a_batch_that_was_added_in_part_does_not_get_to_the_disk() {
    let (place, mut writer) = writer_with(bring_to_the_disk);
    add(&mut writer, 1);
    writer.is_adding = true;
    drop(writer);
    assert!(open(&place).tree.is_empty(LATEST, None).unwrap());
}
