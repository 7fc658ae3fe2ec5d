//! Adding to the index, and bringing it to the disk.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lsm_tree::compaction::{CompactionStrategy, Leveled};
use lsm_tree::{AbstractTree, AnyTree, Error, SequenceNumberCounter};

use super::entry::{Candidate, Entry, candidate_digest, subject_digest};
use super::{
    CHECKPOINT_KEY, Index, IndexCheckpoint, IndexMemory, LATEST, files, full_key, newest_key,
};
use crate::log::directory::Directory;
use crate::log::{LogError, Record};

/// Parts of what was gathered that may wait to be brought to the disk.
const PARTS_WAITING_MAX: usize = 2;

/// Runs of new tables beyond which they are sorted in before more come.
const RUNS_UNSORTED_MAX: usize = 12;

/// Runs of new tables that are sorted in together.
const RUNS_TOGETHER: u8 = 4;

/// The size of a table. The library sorts in at least four of them at once.
const TABLE_BYTES: u64 = 32 * 1024 * 1024;

/// Records since the last part after which another is begun, by their bytes as they are read again after a kill.
const REPLAY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What a record counts beside its data.
const REPLAY_BYTES_PER_RECORD: u64 = 200;

/// How long is waited for the thread that brings the index to the disk.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// By an append, while nothing at all gets to the disk.
    standstill_max: Duration,
    /// At the end, where the log has failed: what it is at may never be done.
    ending_max: Duration,
}

impl Patience {
    const USUAL: Self = Self {
        standstill_max: Duration::from_secs(600),
        ending_max: Duration::from_secs(10),
    };
}

/// What a batch changes in the index.
pub(crate) struct Changes {
    /// Full entries stand before the newest of their subject.
    entries: Vec<(Key, Vec<u8>)>,
    checkpoint: IndexCheckpoint,
    replay_bytes: u64,
}

enum Key {
    Newest(u64),
    Full(u64, u32),
}

impl Changes {
    /// The changes that `records` make, which end where the checkpoint says. `newest` gives the newest entry of a subject.
    ///
    /// # Errors
    /// What `newest` says; [`LogError::IndexDamaged`] where the index has something of a record already.
    pub(crate) fn of(
        index: &Index,
        records: &[Record],
        checkpoint: IndexCheckpoint,
        mut newest: impl FnMut(u64) -> Result<Entry, LogError>,
    ) -> Result<Self, LogError> {
        let mut replay_bytes = 0;
        let mut candidates: Vec<(u64, Candidate)> = Vec::with_capacity(records.len());
        for record in records {
            replay_bytes += record.data.get().len() as u64 + REPLAY_BYTES_PER_RECORD;
            let subject = subject_digest(&record.about, &record.source, &record.id);
            let candidate = Candidate {
                position: record.position,
                digest: candidate_digest(&record.source, &record.id),
            };
            candidates.push((subject, candidate));
        }
        candidates.sort_unstable();
        let mut entries = Vec::new();
        for of_one_subject in candidates.chunk_by(|a, b| a.0 == b.0) {
            let (subject, first) = of_one_subject[0];
            let mut entry = newest(subject)?;
            if entry
                .candidates
                .last()
                .is_some_and(|last| last.position >= first.position)
            {
                return Err(index.damaged("an entry has a record that is only now to be added"));
            }
            for (_, candidate) in of_one_subject {
                if entry.is_full() {
                    entries.push((Key::Full(subject, entry.number), entry.to_bytes(subject)));
                    entry = entry.next();
                }
                entry.candidates.push(*candidate);
            }
            entries.push((Key::Newest(subject), entry.to_bytes(subject)));
        }
        Ok(Self {
            entries,
            checkpoint,
            replay_bytes,
        })
    }
}

/// The one who adds to the index. Dropped, it brings to the disk what was gathered.
pub(crate) struct IndexWriter {
    index: Index,
    sequence: SequenceNumberCounter,
    gathered_bytes: u64,
    patience: Patience,
    /// Of the records since the last part was handed on.
    replay_bytes: u64,
    /// A batch is being added; at the end: it was added in part, since the library panicked.
    is_adding: bool,
    background: Arc<Background>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread that works in the background and the one who adds tell each other.
#[derive(Default)]
struct Background {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Pieces of work that are done.
    turns: u64,
    failure: Option<Error>,
    /// Nothing comes any more.
    is_ending: bool,
    /// What was gathered is not to be brought to the disk.
    is_abandoned: bool,
    /// The thread does nothing any more.
    has_ended: bool,
}

impl Background {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }
}

impl IndexWriter {
    /// Starts the thread that brings the index to the disk. It holds on to the log's directory, for as long as it may write.
    pub(super) fn start(
        index: Index,
        sequence: SequenceNumberCounter,
        memory: IndexMemory,
        directory: Arc<Directory>,
    ) -> Result<Self, LogError> {
        let (patience, work) = (Patience::USUAL, bring_to_the_disk);
        Self::start_with(index, sequence, memory, directory, patience, work)
    }

    fn start_with(
        index: Index,
        sequence: SequenceNumberCounter,
        memory: IndexMemory,
        directory: Arc<Directory>,
        patience: Patience,
        work: impl FnOnce(&AnyTree, &Background) + Send + 'static,
    ) -> Result<Self, LogError> {
        let background = Arc::<Background>::default();
        let started = {
            let (index, background) = (index.clone(), Arc::clone(&background));
            thread::Builder::new()
                .name("log-index".to_owned())
                .spawn(move || {
                    let _directory = directory;
                    let _ending = Ending {
                        index: &index,
                        background: &background,
                    };
                    work(&index.tree, &background);
                })
        };
        let thread = started.map_err(LogError::no_thread)?;
        Ok(Self {
            index,
            sequence,
            gathered_bytes: memory.gathered_bytes,
            patience,
            replay_bytes: 0,
            is_adding: false,
            background,
            thread: Some(thread),
        })
    }

    /// Hands on what was gathered once it is enough, and waits where too much of that is not on the disk yet. To be called
    /// before each batch.
    ///
    /// # Errors
    /// The index can't be brought to the disk, or nothing of it gets there any more.
    pub(crate) fn make_room(&mut self) -> Result<(), LogError> {
        let tree = &self.index.tree;
        let mut state = self.background.state();
        let standstill_max = self.patience.standstill_max;
        let mut progress = (state.turns, Instant::now());
        loop {
            if let Some(error) = state.failure.take() {
                return Err(self.index.failed("bring its index to", error));
            }
            if state.has_ended {
                return Err(LogError::IndexStopped);
            }
            let is_enough = tree.active_memtable().size() >= self.gathered_bytes
                || self.replay_bytes >= REPLAY_BYTES_MAX;
            if !is_enough {
                return Ok(());
            }
            if tree.sealed_memtable_count() < PARTS_WAITING_MAX {
                break;
            }
            if state.turns != progress.0 {
                progress = (state.turns, Instant::now());
            }
            let Some(left) = standstill_max.checked_sub(progress.1.elapsed()) else {
                return Err(LogError::IndexStandsStill(standstill_max));
            };
            let waited = self.background.changed.wait_timeout(state, left);
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        tree.rotate_memtable();
        self.replay_bytes = 0;
        self.background.changed.notify_all();
        Ok(())
    }

    /// Adds what a batch changes. To be called when the batch is durable, and before anybody is told of it.
    pub(crate) fn apply(&mut self, changes: Changes) {
        self.is_adding = true;
        // Only this one begins new parts, so the batch is in one, and its checkpoint with it.
        let sequence = self.sequence.next();
        let tree = &self.index.tree;
        for (key, value) in changes.entries {
            match key {
                Key::Newest(subject) => tree.insert(newest_key(subject), value, sequence),
                Key::Full(subject, number) => {
                    tree.insert(full_key(subject, number), value, sequence)
                }
            };
        }
        tree.insert(CHECKPOINT_KEY, changes.checkpoint.to_bytes(), sequence);
        self.replay_bytes += changes.replay_bytes;
        self.is_adding = false;
    }

    /// Leaves what was gathered in memory: the log has failed, and nothing more is to be written.
    pub(crate) fn abandon(&self) {
        self.background.change(|state| state.is_abandoned = true);
    }
}

impl Drop for IndexWriter {
    /// Waits for the thread; where the log has failed not for long, for it may be what hangs.
    fn drop(&mut self) {
        self.background.change(|state| {
            state.is_ending = true;
            state.is_abandoned |= self.is_adding;
        });
        let mut state = self.background.state();
        if state.is_abandoned {
            let ending = self.background.changed.wait_timeout_while(
                state,
                self.patience.ending_max,
                |state| !state.has_ended,
            );
            (state, _) = ending.unwrap_or_else(PoisonError::into_inner);
            if !state.has_ended {
                tracing::error!("the event log's index is still being written and is left alone");
                return;
            }
        }
        drop(state);
        if let Some(thread) = self.thread.take() {
            // Where it panicked there is nothing left to do.
            let _ = thread.join();
        }
    }
}

/// In the thread of the index: says that it has ended, however it does.
struct Ending<'a> {
    index: &'a Index,
    background: &'a Background,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // What makes the library panic may be in the files, and would do so after each start.
            files::mark_damaged(&self.index.directory);
        }
        self.background.change(|state| state.has_ended = true);
    }
}

/// Writes each part that was handed on as a table, and sorts tables in, until the writer is gone; then what was gathered
/// since, only for the next start to be quicker.
fn bring_to_the_disk(tree: &AnyTree, background: &Background) {
    let strategy: Arc<dyn CompactionStrategy> = Arc::new(
        Leveled::default()
            .with_l0_threshold(RUNS_TOGETHER)
            .with_table_target_size(TABLE_BYTES),
    );
    // Whether tables may be left to sort in.
    let mut is_unsorted = true;
    loop {
        let mut state = background.state();
        // Under the lock, so that nothing is handed on between looking and waiting.
        let is_waiting = tree.sealed_memtable_count() > 0;
        if state.is_abandoned {
            return;
        }
        if state.is_ending && !is_waiting {
            if tree.rotate_memtable().is_none() {
                return;
            }
            continue;
        }
        if !is_waiting && !is_unsorted {
            state = background
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            drop(state);
            continue;
        }
        drop(state);
        let is_sorted_first = is_unsorted && tree.l0_run_count() >= RUNS_UNSORTED_MAX;
        let done = if is_waiting && !is_sorted_first {
            is_unsorted = true;
            tree.flush(&tree.get_flush_lock(), LATEST).map(drop)
        } else {
            sort_in(tree, &strategy).map(|has_sorted| is_unsorted = has_sorted)
        };
        match done {
            Ok(()) => background.change(|state| state.turns += 1),
            Err(error) => {
                tracing::error!(%error, "the event log's index can't be brought to the disk");
                background.change(|state| state.failure = Some(error));
                return;
            }
        }
    }
}

/// Sorts some tables in, where the strategy sees a need; false: it does not.
fn sort_in(tree: &AnyTree, strategy: &Arc<dyn CompactionStrategy>) -> lsm_tree::Result<bool> {
    let before = tree.current_version().id();
    tree.compact(Arc::clone(strategy), LATEST)?;
    Ok(tree.current_version().id() != before)
}
