//! What becomes of a log whose index is not brought to the disk.

use std::sync::Arc;

use lsm_tree::{AbstractTree, AnyTree};
use tempfile::TempDir;

use super::{Background, IndexWriter};
use crate::log::LogError;
use crate::log::index::files::{self, Tree, Unusable};
use crate::log::index::{Index, IndexMemory};

/// A writer of an empty index, in whose thread this is done.
fn writer_with(
    work: impl FnOnce(&AnyTree, &Background) + Send + 'static,
) -> (TempDir, IndexWriter) {
    let directory = tempfile::tempdir().unwrap();
    let Tree { tree, sequence } = files::open_tree(directory.path(), IndexMemory::USUAL).unwrap();
    let index = Index {
        tree,
        directory: Arc::from(directory.path()),
    };
    let writer = IndexWriter::start_with(index, sequence, IndexMemory::USUAL, work).unwrap();
    (directory, writer)
}

fn until_its_thread_has_ended(writer: &IndexWriter) {
    while !writer.thread.as_ref().unwrap().is_finished() {
        std::thread::yield_now();
    }
}

#[track_caller]
fn assert_is_made_anew(directory: &TempDir) {
    let checked = files::check(directory.path());
    assert!(matches!(checked, Err(Unusable::Damaged(_))), "{checked:?}");
}

/// The index was as sound as before for the next start, which went the same way: a panic that came of what is in the files
/// kept the log from ever running again.
#[test]
fn a_panic_in_the_background_stops_the_log_and_has_the_index_made_anew() {
    let (directory, mut writer) = writer_with(|_, _| panic!("as the library may"));
    until_its_thread_has_ended(&writer);
    assert!(matches!(writer.make_room(), Err(LogError::IndexStopped)));
    drop(writer);
    assert_is_made_anew(&directory);
}

/// Whoever asks the library for anything panics from then on, and the writer did so while it was dropped.
#[test]
fn a_panic_under_the_librarys_lock_does_not_keep_the_writer_from_going() {
    let (directory, writer) = writer_with(|tree, _| {
        let _lock = tree.get_version_history_lock();
        panic!("as the library may");
    });
    until_its_thread_has_ended(&writer);
    drop(writer);
    assert_is_made_anew(&directory);
}
