//! A merge tree on disk without a journal, for what can be made again from the event log.
//!
//! A batch goes into memory as a whole, and when enough is gathered a thread of the tree's own writes it as a table and
//! sorts tables in. What a kill or a power cut takes is what was gathered since: whole batches, the last ones. So who
//! puts into each batch how far it is (a checkpoint) finds in whatever is left from where to go on.
//!
//! The library below is lsm-tree. Some of its functions and the layout of its files that are used here are not in its
//! documentation: a newer version is to be read again first. What was found when this was done for the log's index stands in
//! docs/decisions/0135, for the projections in docs/decisions/0141.
//!
//! - [`Tree`]: reading, by any thread, of what is latest or of what stood at a [`Moment`].
//! - [`TreeWriter`]: the one who writes.
//! - [`files`]: what is looked at before the library sees the files.

mod background;
mod error;
pub mod files;
mod lock;
mod moment;
mod part;
mod writer;

use std::io::ErrorKind;
use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;

pub use lsm_tree::Slice;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, Config, Guard, IterGuardImpl, SeqNo, SequenceNumberCounter,
};

pub use self::error::TreeError;
pub use self::lock::DirectoryLock;
pub use self::moment::Moment;
use self::moment::Moments;
pub use self::writer::{Patience, TreeWriter};

/// Everything that was written so far, a batch that is being applied in part.
pub const LATEST: SeqNo = SeqNo::MAX;

/// How a tree is kept.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// The name of its thread, of 15 bytes at most.
    pub name: &'static str,
    /// What is kept of blocks that were read, in bytes.
    pub cache_bytes: u64,
    /// What is written is gathered up to so many bytes, and while it is brought to the disk the next is gathered; three
    /// times as much, and three batches, at most, and what was written since somebody began to look.
    pub gathered_bytes: u64,
    /// What was gathered is also brought to the disk when so much would have to be read again after a kill, in bytes.
    pub replay_bytes_max: u64,
    /// Runs of new tables that are sorted in together. Each time, all that is in the first level is written again with
    /// them.
    pub runs_together: u8,
    /// Runs of new tables beyond which they are sorted in before more come.
    pub runs_unsorted_max: usize,
    /// What a table that was sorted in takes of the disk, in bytes.
    pub table_bytes: u64,
    /// What else the library is told.
    pub configure: fn(Config) -> Config,
}

/// A tree that was opened and has no writer yet.
pub struct OpenTree {
    tree: Tree,
    form: Form,
}

impl OpenTree {
    /// Opens the tree that is in a directory. Damaged files that were not [compared](files::check) before can make the
    /// library panic.
    ///
    /// # Errors
    /// The system refuses, or the files are damaged.
    pub fn open(directory: &Path, form: Form) -> Result<Self, TreeError> {
        Self::open_or_make(directory, form)
            .map_err(|error| TreeError::of_reading("open", directory, error))
    }

    /// Makes a tree in a directory that has none.
    ///
    /// # Errors
    /// The system refuses, or there is a tree: who makes one relies on its being empty.
    pub fn make(directory: &Path, form: Form) -> Result<Self, TreeError> {
        if files::has_tree(directory)? {
            return Err(TreeError::io("make a tree in", directory)(
                ErrorKind::AlreadyExists.into(),
            ));
        }
        Self::open_or_make(directory, form)
            .map_err(|error| TreeError::of_library("write", directory, error))
    }

    fn open_or_make(directory: &Path, form: Form) -> lsm_tree::Result<Self> {
        let sequence = SequenceNumberCounter::default();
        let visible = SequenceNumberCounter::default();
        let cache = Arc::new(Cache::with_capacity_bytes(form.cache_bytes));
        let config = Config::new(directory, sequence.clone(), visible).use_cache(cache);
        let library = (form.configure)(config).open()?;
        // Not 0: a moment of that number sees the oldest version of the tree, whatever it is.
        sequence.set(
            library
                .get_highest_seqno()
                .map_or(1, |last: SeqNo| last + 1),
        );
        let tree = Tree {
            library,
            directory: Arc::from(directory),
            moments: Arc::new(Moments::new(sequence)),
        };
        Ok(Self { tree, form })
    }

    /// For who reads.
    pub fn reader(&self) -> Tree {
        self.tree.clone()
    }

    /// The checkpoint that each batch has put under a key, for who judges whether the tree is of use; `None` where the tree
    /// is empty.
    ///
    /// # Errors
    /// As [`open`](Self::open); no word is left of damage. A tree without a checkpoint is damaged.
    pub fn checkpoint(&self, key: &[u8]) -> Result<Option<Slice>, TreeError> {
        let Tree {
            library, directory, ..
        } = &self.tree;
        let failed = |error| TreeError::of_reading("read", directory, error);
        let checkpoint = library.get(key, LATEST).map_err(failed)?;
        if checkpoint.is_none() && !library.is_empty(LATEST, None).map_err(failed)? {
            return Err(TreeError::Damaged("there is no checkpoint".to_owned()));
        }
        Ok(checkpoint)
    }
}

/// A tree as it is read, by any thread.
#[derive(Clone)]
pub struct Tree {
    library: AnyTree,
    directory: Arc<Path>,
    moments: Arc<Moments>,
}

impl Tree {
    /// The moment behind the last batch that was added.
    pub fn moment(&self) -> Moment {
        self.moments.hold_latest()
    }

    /// The value of a key at a [moment](Moment::sequence), or the [`LATEST`].
    ///
    /// # Errors
    /// The system refuses to read, or what is read is damaged.
    pub fn get(&self, key: &[u8], at: SeqNo) -> Result<Option<Slice>, TreeError> {
        self.library
            .get(key, at)
            .map_err(|error| self.failed(error))
    }

    /// Goes through what stands under the keys within a range, in their order.
    pub fn range(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>), at: SeqNo) -> Entries {
        self.entries(self.library.range(range, at, None))
    }

    /// Goes through what stands under the keys that begin so, in their order.
    pub fn prefix(&self, prefix: &[u8], at: SeqNo) -> Entries {
        self.entries(self.library.prefix(prefix, at, None))
    }

    /// Goes through everything, in the order of keys.
    pub fn iter(&self, at: SeqNo) -> Entries {
        self.entries(self.library.iter(at, None))
    }

    fn entries(&self, inner: LibraryEntries) -> Entries {
        Entries {
            inner,
            tree: self.clone(),
        }
    }

    /// The error for a tree that is not what was written. Leaves word of it for the next start.
    pub fn damaged(&self, problem: &str) -> TreeError {
        self.noted(TreeError::Damaged(problem.to_owned()))
    }

    /// What an error of the library's says.
    fn failed(&self, error: lsm_tree::Error) -> TreeError {
        self.noted(TreeError::of_reading("read", &self.directory, error))
    }

    /// The error, of which word is left for the next start where it is damage.
    fn noted(&self, error: TreeError) -> TreeError {
        if let TreeError::Damaged(_) = error {
            files::mark_damaged(&self.directory);
        }
        error
    }
}

type LibraryEntries = Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>;

/// Keys and values, in the order of keys. What they were when it was begun.
pub struct Entries {
    inner: LibraryEntries,
    tree: Tree,
}

impl Entries {
    fn read(&self, entry: IterGuardImpl) -> Result<(Slice, Slice), TreeError> {
        entry.into_inner().map_err(|error| self.tree.failed(error))
    }
}

impl Iterator for Entries {
    type Item = Result<(Slice, Slice), TreeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.inner.next()?;
        Some(self.read(entry))
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Self::Item> {
        let entry = self.inner.next_back()?;
        Some(self.read(entry))
    }
}
