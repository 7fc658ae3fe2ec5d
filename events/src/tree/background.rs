//! The thread that brings a tree to the disk.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{mem, thread};

use lsm_tree::compaction::{CompactionStrategy, Leveled};
use lsm_tree::{AbstractTree, Memtable, SeqNo};

use super::{Form, Tree, TreeError, files, part};

/// What the thread and the one who writes tell each other.
#[derive(Default)]
pub(super) struct Background {
    state: Mutex<State>,
    changed: Condvar,
}

/// What the one who writes wants of the thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Wish {
    /// That it brings to the disk what is handed on, gently.
    #[default]
    Gather,
    /// That it does so as fast as it can: somebody waits.
    Flush,
    /// That it brings all to the disk, and ends.
    End,
    /// That it ends. What was gathered is not to be brought to the disk.
    Abandon,
}

#[derive(Default)]
pub(super) struct State {
    /// Pieces of work that are done.
    pub(super) turns: u64,
    /// Parts of what was gathered that were handed on and are to be written, the oldest first.
    pub(super) waiting: VecDeque<Arc<Memtable>>,
    /// Parts that were written, until nobody sees them in memory any more. Held here so that they go, which takes some
    /// hundredths of a second, while nobody waits for it.
    pub(super) written: Vec<Arc<Memtable>>,
    /// The tree keeps versions from before this moment.
    older_than: Option<SeqNo>,
    pub(super) wish: Wish,
    failure: Option<TreeError>,
    has_failed: bool,
    /// The thread does nothing any more.
    pub(super) has_ended: bool,
}

impl State {
    /// # Errors
    /// What the thread did has failed, or it does nothing any more.
    pub(super) fn check(&mut self) -> Result<(), TreeError> {
        match self.failure.take() {
            Some(error) => Err(error),
            None if self.has_failed => Err(TreeError::Failed),
            None if self.has_ended => Err(TreeError::Panicked),
            None => Ok(()),
        }
    }

    /// Whether nobody sees the versions any more that the tree keeps.
    pub(super) fn can_forget(&self, tree: &Tree) -> bool {
        let oldest = || tree.moments.oldest();
        self.older_than.is_some_and(|moment| moment <= oldest())
    }
}

impl Background {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.tell();
    }

    pub(super) fn tell(&self) {
        self.changed.notify_all();
    }

    pub(super) fn wait_for<'s>(
        &self,
        state: MutexGuard<'s, State>,
        time: Duration,
    ) -> MutexGuard<'s, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn wait<'s>(&self, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        let waited = self.changed.wait(state);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread works with.
pub(super) struct Worker {
    pub(super) tree: Tree,
    pub(super) form: Form,
    pub(super) background: Arc<Background>,
}

/// What there is to do next.
enum Work {
    /// To write what was handed on as a table.
    Write,
    /// To sort tables in.
    SortIn,
    /// To let versions go that nobody sees any more.
    Forget,
}

impl Worker {
    /// Writes each part that was handed on as a table, and sorts tables in, until the writer is gone; then what was gathered
    /// since, only for the next start to be quicker.
    pub(super) fn work(&self) {
        let sorting_in: Arc<dyn CompactionStrategy> = Arc::new(
            Leveled::default()
                .with_l0_threshold(self.form.runs_together)
                .with_table_target_size(self.form.table_bytes),
        );
        // Whether tables may be left to sort in.
        let mut is_unsorted = true;
        while let Some(work) = self.next(is_unsorted) {
            let done = match work {
                Work::Write => {
                    is_unsorted = true;
                    self.write()
                }
                Work::SortIn => self
                    .sort_in(&sorting_in)
                    .map(|has_sorted| is_unsorted = has_sorted),
                Work::Forget => self.forget(),
            };
            if let Err(error) = done {
                tracing::error!(%error, thread = self.form.name, "nothing more is brought to the disk");
                return self.background.change(|state| {
                    state.failure = Some(error);
                    state.has_failed = true;
                });
            }
        }
    }

    /// Waits for something to do; `None`: nothing comes any more.
    fn next(&self, is_unsorted: bool) -> Option<Work> {
        let tree = &self.tree.library;
        let mut state = self.background.state();
        loop {
            // Under the lock, so that nothing is handed on between looking and waiting.
            let is_waiting = !state.waiting.is_empty();
            let is_sorted_first = is_unsorted && tree.l0_run_count() >= self.form.runs_unsorted_max;
            if state.wish == Wish::Abandon {
                return None;
            } else if is_waiting && !is_sorted_first {
                return Some(Work::Write);
            } else if state.can_forget(&self.tree) {
                return Some(Work::Forget);
            } else if state.wish == Wish::End && !is_waiting {
                state.waiting.push_back(tree.rotate_memtable()?);
            } else if is_unsorted {
                return Some(Work::SortIn);
            } else {
                state = self.background.wait(state);
            }
        }
    }

    fn write(&self) -> Result<(), TreeError> {
        let Some(part) = self.background.state().waiting.front().cloned() else {
            return Ok(());
        };
        let Tree {
            library, directory, ..
        } = &self.tree;
        let oldest = self.tree.moments.oldest();
        let written = part::write(library, directory, &part, oldest, || self.rest());
        written.map_err(|error| self.failed(error))?;
        self.background.change(|state| {
            state.waiting.pop_front();
            state.written.push(part);
        });
        self.turn();
        Ok(())
    }

    /// Rests for a moment, where nobody waits for what is done; says whether that is so still.
    fn rest(&self) -> bool {
        let nobody_waits = |state: &State| state.waiting.len() < 2 && state.wish == Wish::Gather;
        let state = self.background.state();
        nobody_waits(&state) && nobody_waits(&self.background.wait_for(state, part::REST))
    }

    /// Sorts some tables in, where the strategy sees a need; false: it does not.
    fn sort_in(&self, strategy: &Arc<dyn CompactionStrategy>) -> Result<bool, TreeError> {
        let tree = &self.tree.library;
        let before = tree.current_version().id();
        let oldest = self.tree.moments.oldest();
        let sorted = tree.compact(Arc::clone(strategy), oldest);
        sorted.map_err(|error| {
            if matches!(&error, lsm_tree::Error::Io(error) if files::can_not_be_read(error)) {
                // It may be one of the tables that were read, at each time.
                files::mark_damaged(&self.tree.directory);
            }
            self.failed(error)
        })?;
        self.turn();
        Ok(tree.current_version().id() != before)
    }

    /// Lets go of the versions that nobody sees any more, which the library does only when it makes another.
    fn forget(&self) -> Result<(), TreeError> {
        self.background.change(|state| state.older_than = None);
        let tree = &self.tree.library;
        let oldest = self.tree.moments.oldest();
        let forgotten = tree
            .get_version_history_lock()
            .maintenance(&self.tree.directory, oldest);
        forgotten.map_err(|error| self.failed(error))?;
        let mut state = self.background.state();
        let (seen, unseen) = mem::take(&mut state.written)
            .into_iter()
            .partition(|part| Arc::strong_count(part) > 1);
        state.written = seen;
        drop(state);
        drop::<Vec<_>>(unseen);
        Ok(())
    }

    fn turn(&self) {
        self.background.change(|state| {
            state.turns += 1;
            state.older_than = Some(self.tree.moments.behind_all());
        });
    }

    fn failed(&self, error: lsm_tree::Error) -> TreeError {
        match TreeError::of_library("write", &self.tree.directory, error) {
            TreeError::Damaged(problem) => self.tree.damaged(&problem),
            refused => refused,
        }
    }
}

/// Says that the thread has ended, however it does.
pub(super) struct Ending<'a>(pub(super) &'a Worker);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            // What makes the library panic may be in the files, and would do so after each start.
            files::mark_damaged(&self.0.tree.directory);
        }
        self.0.background.change(|state| state.has_ended = true);
    }
}
