//! Adding to a tree, and handing on what was gathered.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lsm_tree::{AbstractTree, InternalValue, Slice, ValueType};

use super::background::{Background, Ending, State, Wish, Worker};
use super::{Form, OpenTree, Tree, TreeError};

/// Parts of what was gathered that may wait to be brought to the disk.
const PARTS_WAITING_MAX: usize = 2;

/// How long is waited for the thread that brings a tree to the disk.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// While nothing at all gets to the disk. The longest single piece of work is to merge some gigabytes of tables, which a
    /// disk of ten megabytes a second does within ten minutes.
    pub standstill_max: Duration,
    /// At the end, for a piece of work. What is not on the disk then is made again by the next start.
    pub closing_piece: Duration,
    /// The same where something has failed: what the thread is at may never be done.
    pub ending_max: Duration,
}

impl Patience {
    /// That of a process in use.
    pub const USUAL: Self = Self {
        standstill_max: Duration::from_secs(600),
        closing_piece: Duration::from_secs(60),
        ending_max: Duration::from_secs(10),
    };
}

/// The one who adds to a tree. Dropped, it brings to the disk what was gathered.
pub struct TreeWriter {
    tree: Tree,
    form: Form,
    patience: Patience,
    /// Of what was added since the last part was handed on.
    replay_bytes: u64,
    /// What was asked for last has failed.
    has_failed: bool,
    background: Arc<Background>,
    thread: Option<JoinHandle<()>>,
}

impl TreeWriter {
    /// Starts the thread that brings the tree to the disk. It holds on to `held`, the lock of the directory, for as long as
    /// it may write.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(
        open: OpenTree,
        patience: Patience,
        held: Arc<dyn Any + Send + Sync>,
    ) -> Result<Self, TreeError> {
        Self::start_with(open, patience, held, Worker::work)
    }

    fn start_with(
        open: OpenTree,
        patience: Patience,
        held: Arc<dyn Any + Send + Sync>,
        work: impl FnOnce(&Worker) + Send + 'static,
    ) -> Result<Self, TreeError> {
        let tree = open.tree;
        let background = Arc::<Background>::default();
        let worker = Worker {
            tree: tree.clone(),
            form: open.form,
            background: Arc::clone(&background),
        };
        let thread = thread::Builder::new()
            .name(open.form.name.to_owned())
            .spawn(move || {
                let _held = held;
                let _ending = Ending(&worker);
                work(&worker);
            })
            .map_err(TreeError::io("start a thread for", &tree.directory))?;
        Ok(Self {
            tree,
            form: open.form,
            patience,
            replay_bytes: 0,
            has_failed: false,
            background,
            thread: Some(thread),
        })
    }

    /// For who reads.
    pub fn reader(&self) -> Tree {
        self.tree.clone()
    }

    /// Hands on what was gathered once it is enough, and waits where too much of that is not on the disk yet. To be called
    /// before each batch.
    ///
    /// # Errors
    /// Something could not be brought to the disk, or nothing gets there any more.
    pub fn make_room(&mut self) -> Result<(), TreeError> {
        let is_enough = self.tree.library.active_memtable().size() >= self.form.gathered_bytes
            || self.replay_bytes >= self.form.replay_bytes_max;
        self.wait_until(|state| !is_enough || state.waiting.len() < PARTS_WAITING_MAX)?;
        if is_enough {
            self.hand_on();
        }
        Ok(())
    }

    /// Brings everything to the disk.
    ///
    /// # Errors
    /// As [`make_room`](Self::make_room).
    pub fn flush(&mut self) -> Result<(), TreeError> {
        self.wait_until(|state| state.waiting.len() < PARTS_WAITING_MAX)?;
        self.hand_on();
        self.wish(Wish::Flush);
        let flushed = self.wait_until(|state| state.waiting.is_empty());
        self.wish(Wish::Gather);
        flushed
    }

    /// Brings everything to the disk as the last thing: tables are not sorted in any more, which could take long. What is
    /// added behind it stays in memory.
    ///
    /// # Errors
    /// As [`make_room`](Self::make_room).
    pub fn close(&mut self) -> Result<(), TreeError> {
        if !self.tree.moments.is_adding() {
            self.wish(Wish::End);
        }
        self.wait_until(|state| state.has_ended)
    }

    fn wish(&self, wish: Wish) {
        self.background.change(|state| {
            if matches!(state.wish, Wish::Gather | Wish::Flush) {
                state.wish = wish;
            }
        });
    }

    fn hand_on(&mut self) {
        let part = self.tree.library.rotate_memtable();
        self.replay_bytes = 0;
        self.background.change(|state| state.waiting.extend(part));
    }

    fn wait_until(&mut self, is_done: impl Fn(&State) -> bool) -> Result<(), TreeError> {
        let waited = if self.tree.moments.is_adding() {
            Err(TreeError::Failed)
        } else {
            self.wait_for_thread_until(is_done)
        };
        self.has_failed = waited.is_err();
        waited
    }

    fn wait_for_thread_until(&self, is_done: impl Fn(&State) -> bool) -> Result<(), TreeError> {
        let standstill_max = self.patience.standstill_max;
        let look = |state: &mut State| match state.check() {
            Ok(()) => is_done(state).then_some(Ok(())),
            failed => Some(failed),
        };
        self.background
            .wait_while_working(standstill_max, look)
            .unwrap_or(Err(TreeError::StandsStill(standstill_max)))
    }

    /// Adds a batch: values to put under keys, in this order, and `None` for keys to remove. It is in memory then, and on
    /// the disk some time later, as a whole. `replay_bytes` is what would have to be read to make it again.
    pub fn apply(
        &mut self,
        entries: impl IntoIterator<Item = (Slice, Option<Slice>)>,
        replay_bytes: u64,
    ) {
        let sequence = self.tree.moments.begin_batch();
        // Only this one begins new parts, so the batch is in one.
        let part = self.tree.library.active_memtable();
        for (key, value) in entries {
            part.insert(match value {
                Some(value) => {
                    InternalValue::from_components(key, value, sequence, ValueType::Value)
                }
                None => InternalValue::new_tombstone(key, sequence),
            });
        }
        self.replay_bytes += replay_bytes;
        self.tree.moments.end_batch();
    }

    /// Leaves what was gathered in memory: nothing more is to be written.
    pub fn abandon(&self) {
        self.background.change(|state| state.wish = Wish::Abandon);
    }
}

impl Drop for TreeWriter {
    /// Waits for the thread while it gets something done; where something has failed not for long, for it may be what hangs.
    fn drop(&mut self) {
        if self.has_failed || self.tree.moments.is_adding() {
            self.abandon();
        }
        self.wish(Wish::End);
        let piece_max = match self.background.state().wish {
            Wish::Abandon => self.patience.ending_max,
            _ => self.patience.closing_piece,
        };
        let ended = |state: &mut State| state.has_ended.then_some(());
        if self
            .background
            .wait_while_working(piece_max, ended)
            .is_none()
        {
            let thread = self.form.name;
            tracing::error!(thread, "files are still being written and are left alone");
        } else if let Some(thread) = self.thread.take() {
            // Where it panicked there is nothing left to do.
            let _ = thread.join();
        }
    }
}
