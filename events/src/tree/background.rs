//! The thread that brings a tree to the disk.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use lsm_tree::compaction::{CompactionStrategy, Leveled};
use lsm_tree::{AbstractTree, Memtable, SeqNo};

use super::files::can_not_be_read;
use super::{Form, Tree, TreeError, files, part};

/// How long is waited until it is looked again whether somebody sees what is to be let go.
const SEEN_STILL_PAUSE: Duration = Duration::from_millis(100);

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
    /// That it brings all to the disk, sorts nothing in any more, and ends.
    End,
    /// That it ends. What was gathered is not to be brought to the disk.
    Abandon,
}

#[derive(Default)]
pub(super) struct State {
    /// Pieces of work that are done.
    turns: u64,
    /// Parts of what was gathered that were handed on and are to be written, the oldest first.
    pub(super) waiting: VecDeque<Arc<Memtable>>,
    /// Parts that were written, until nobody sees them in memory any more: two at most, but for who looks for long. Held here
    /// so that they go, which takes some hundredths of a second, while nobody waits for it.
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
            None if self.has_ended && !self.is_closed() => Err(TreeError::Panicked),
            None => Ok(()),
        }
    }

    /// Whether nobody sees the versions any more that the tree keeps.
    fn can_forget(&self, tree: &Tree) -> bool {
        let oldest = || tree.moments.oldest();
        self.older_than.is_some_and(|moment| moment <= oldest())
    }

    /// Everything was brought to the disk, as the last thing.
    fn is_closed(&self) -> bool {
        self.wish == Wish::End && self.waiting.is_empty()
    }
}

impl Background {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Waits for what `look` looks for, as long as pieces of work get done; `None`: none did for so long.
    pub(super) fn wait_while_working<T>(
        &self,
        standstill_max: Duration,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state();
        let mut progress = (state.turns, Instant::now());
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            if state.turns != progress.0 {
                progress = (state.turns, Instant::now());
            }
            let left = standstill_max.checked_sub(progress.1.elapsed())?;
            state = self.wait_for(state, left);
        }
    }

    fn wait_for<'s>(&self, state: MutexGuard<'s, State>, time: Duration) -> MutexGuard<'s, State> {
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

/// Versions of the tree from before tables were sorted in. The files of a table are removed with the last version that has
/// it: held here, that is while nobody waits for the library's lock.
#[derive(Default)]
struct Replaced(Vec<Box<dyn Any>>);

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
        let mut replaced = Replaced::default();
        while let Some(work) = self.next(is_unsorted) {
            let done = match work {
                Work::Write => {
                    is_unsorted = true;
                    self.write(&mut replaced)
                }
                Work::SortIn => self
                    .sort_in(&sorting_in, &mut replaced)
                    .map(|has_sorted| is_unsorted = has_sorted),
                Work::Forget => self.forget(&mut replaced),
            };
            if let Err(error) = done {
                tracing::error!(%error, thread = self.form.name, "nothing more is brought to the disk");
                return self.background.change(|state| {
                    state.failure = Some(error);
                    state.has_failed = true;
                });
            }
            self.background.change(|state| state.turns += 1);
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
            } else if state.can_forget(&self.tree) {
                // Before all else, so that it is no more in memory for all that there is to write.
                return Some(Work::Forget);
            } else if is_waiting && (state.wish == Wish::End || !is_sorted_first) {
                return Some(Work::Write);
            } else if state.wish == Wish::End {
                state.waiting.push_back(tree.rotate_memtable()?);
            } else if is_unsorted {
                return Some(Work::SortIn);
            } else if state.older_than.is_some() {
                state = self.background.wait_for(state, SEEN_STILL_PAUSE);
            } else {
                state = self.background.wait(state);
            }
        }
    }

    fn write(&self, replaced: &mut Replaced) -> Result<(), TreeError> {
        let Some(part) = self.background.state().waiting.front().cloned() else {
            return Ok(());
        };
        let Tree {
            library, directory, ..
        } = &self.tree;
        let oldest = self.tree.moments.oldest();
        let written = part::write(library, directory, &part, oldest, || self.rest());
        written.map_err(|error| self.failed(error))?;
        // Before there is room for another batch.
        self.forget(replaced)?;
        let mut part = Some(part);
        self.background.change(|state| {
            state.waiting.pop_front();
            if state.older_than.is_some() {
                state.written.extend(part.take());
            }
        });
        self.let_go(part);
        Ok(())
    }

    /// Rests for a moment, where nobody waits for what is done; says whether that is so still.
    fn rest(&self) -> bool {
        let nobody_waits = |state: &State| state.waiting.len() < 2 && state.wish == Wish::Gather;
        let state = self.background.state();
        nobody_waits(&state) && nobody_waits(&self.background.wait_for(state, part::REST))
    }

    /// Sorts some tables in, where the strategy sees a need; false: it does not.
    fn sort_in(
        &self,
        strategy: &Arc<dyn CompactionStrategy>,
        replaced: &mut Replaced,
    ) -> Result<bool, TreeError> {
        let tree = &self.tree.library;
        let before = tree.current_version();
        let before_id = before.id();
        replaced.0.push(Box::new(before));
        let oldest = self.tree.moments.oldest();
        let sorted = tree.compact(Arc::clone(strategy), oldest);
        sorted.map_err(|error| self.sorting_failed(error))?;
        self.forget(replaced)?;
        Ok(tree.current_version().id() != before_id)
    }

    /// Lets go of the versions that nobody sees any more, which the library does only when it makes another, and of what
    /// they alone had in memory and on the disk.
    fn forget(&self, replaced: &mut Replaced) -> Result<(), TreeError> {
        let Tree {
            library,
            directory,
            moments,
            ..
        } = &self.tree;
        moments.renew();
        let mut versions = library.get_version_history_lock();
        let forgotten = versions.maintenance(directory, moments.oldest());
        let is_all = versions.free_list_len() == 0;
        drop(versions);
        forgotten.map_err(|error| self.failed(error))?;
        let mut state = self.background.state();
        state.older_than = (!is_all).then(|| moments.behind_all());
        let is_unseen = |part: &mut Arc<Memtable>| is_all || Arc::strong_count(part) == 1;
        let unseen: Vec<_> = state.written.extract_if(.., is_unseen).collect();
        drop(state);
        if is_all {
            *replaced = Replaced::default();
        }
        self.let_go(unseen);
        Ok(())
    }

    fn let_go(&self, parts: impl IntoIterator<Item = Arc<Memtable>>) {
        for part in parts {
            part::let_go(part, || self.rest());
        }
    }

    /// What can't be read would not be at the next time either, so the next start is to know. Where it was a write that
    /// failed, all that is there can be read.
    fn sorting_failed(&self, error: lsm_tree::Error) -> TreeError {
        if matches!(&error, lsm_tree::Error::Io(error) if can_not_be_read(error))
            && let Err(damage @ TreeError::Damaged(_)) = files::check(&self.tree.directory)
        {
            return self.tree.noted(damage);
        }
        self.failed(error)
    }

    fn failed(&self, error: lsm_tree::Error) -> TreeError {
        let error = TreeError::of_library("write", &self.tree.directory, error);
        self.tree.noted(error)
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
