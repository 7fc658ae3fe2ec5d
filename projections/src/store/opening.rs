//! Opening a store, and what becomes of one that can't be used.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, RwLock};

use farelog_events::log::Position;
use farelog_events::tree::{DirectoryLock, OpenTree, Patience, TreeError, TreeWriter, files};
use uuid::Uuid;

use super::{CHECKPOINT, Checkpoint, FOLD_VERSION, ProjectionError, Store, parse, tables};

/// What a store may take of memory.
#[derive(Debug, Clone, Copy)]
pub struct StoreMemory {
    /// What is kept of blocks that were read, in bytes.
    pub cache_bytes: u64,
    /// What is written is gathered up to so many bytes, and while that is brought to its place on the disk the next is
    /// gathered; three times as much, and three batches, at most.
    pub gathered_bytes: u64,
}

impl StoreMemory {
    /// Of a store that is in use. The less is gathered, the more often batches wait while it is synced: decisions 0119 and 0136.
    pub const USUAL: Self = Self {
        cache_bytes: 32 * 1024 * 1024,
        gathered_bytes: 24 * 1024 * 1024,
    };

    /// Of a store that is thrown away.
    pub const THROWN_AWAY: Self = Self {
        cache_bytes: 16 * 1024 * 1024,
        ..Self::USUAL
    };
}

/// There while a store is being opened. Damaged files can make the library panic and then abort the process, which would
/// happen again at every start.
const BEING_OPENED: &str = "being-opened";

impl Store {
    /// Opens the store for this log. One that belongs to another log, was written by folds of another version, is ahead of
    /// the log, or is damaged so that it can't be opened, is removed first.
    ///
    /// # Errors
    /// The system refuses, or another process has the directory.
    pub fn open(
        directory: &Path,
        log_id: Uuid,
        log_head: Position,
        memory: StoreMemory,
    ) -> Result<(Self, Checkpoint), ProjectionError> {
        let fresh = Checkpoint {
            log_id,
            fold_version: FOLD_VERSION,
            position: 0,
        };
        let lock = Arc::new(DirectoryLock::take(directory)?);
        let fits = |checkpoint: &Checkpoint| {
            checkpoint.log_id == log_id
                && checkpoint.fold_version == FOLD_VERSION
                && checkpoint.position <= log_head
        };
        let make = || OpenTree::make(directory, tables::form(memory));
        let (tree, checkpoint) = match open_there(directory, memory, fits) {
            Ok(Some(found)) => found,
            Ok(None) => (make()?, None),
            Err(
                error @ (ProjectionError::Store(TreeError::Damaged(_))
                | ProjectionError::Unreadable { .. }),
            ) => {
                tracing::warn!(reason = %error, "the projections can't be used and are made anew");
                files::remove(directory)?;
                (make()?, None)
            }
            Err(refused) => return Err(refused),
        };
        Ok((Self::of(tree, lock)?, checkpoint.unwrap_or(fresh)))
    }

    /// Makes a store in a directory that is not there yet.
    ///
    /// # Errors
    /// The system refuses, or there is one.
    pub fn make(directory: &Path, memory: StoreMemory) -> Result<Self, ProjectionError> {
        let lock = DirectoryLock::take(directory)?;
        let tree = OpenTree::make(directory, tables::form(memory))?;
        Self::of(tree, Arc::new(lock))
    }

    fn of(tree: OpenTree, lock: Arc<DirectoryLock>) -> Result<Self, ProjectionError> {
        let writer = TreeWriter::start(tree, Patience::USUAL, lock)?;
        Ok(Self {
            tree: writer.reader(),
            writer: Arc::new(Mutex::new(writer)),
            instant: None,
            keeps_facts: true,
            facts_kept_from: Arc::new(AtomicI64::new(i64::MIN)),
            in_flight: RwLock::default(),
            open: Arc::new(()),
        })
    }
}

/// Opens the tree that was made before, and says how far it is: `None` for an empty one. It must fit. Where there is no
/// tree, `None`.
///
/// Judged before there is a thread, which would begin with sorting in what is to be thrown away.
fn open_there(
    directory: &Path,
    memory: StoreMemory,
    fits: impl FnOnce(&Checkpoint) -> bool,
) -> Result<Option<(OpenTree, Option<Checkpoint>)>, ProjectionError> {
    let damaged = |problem: &str| TreeError::Damaged(problem.to_owned());
    if files::is_new(directory)? {
        return Ok(None);
    }
    if !files::has_tree(directory)? {
        return Err(damaged("they are of another kind, or unfinished").into());
    }
    if was_being_opened(directory) {
        return Err(damaged("they were not opened to the end").into());
    }
    files::remove_unfinished(directory)?;
    files::check_list(directory)?;
    let sign = directory.join(BEING_OPENED);
    let refused = |source| ProjectionError::Directory {
        directory: directory.to_owned(),
        source,
    };
    File::create(&sign).map_err(refused)?;
    // The library can panic over damaged files.
    let opened = catch_unwind(|| OpenTree::open(directory, tables::form(memory)))
        .unwrap_or_else(|_| Err(damaged("their library panicked, as said above")));
    match fs::remove_file(&sign) {
        Err(source) if source.kind() != ErrorKind::NotFound => return Err(refused(source)),
        _ => {}
    }
    let tree = opened?;
    let Some(checkpoint) = tree.checkpoint(CHECKPOINT)? else {
        return Ok(Some((tree, None)));
    };
    let checkpoint = parse(&checkpoint, || "checkpoint".to_owned())?;
    if fits(&checkpoint) {
        Ok(Some((tree, Some(checkpoint))))
    } else {
        let problem = format!("they are at {checkpoint:?}, and don't fit the log");
        Err(TreeError::Damaged(problem).into())
    }
}

/// Whether a store was being opened there when its process ended.
pub fn was_being_opened(directory: &Path) -> bool {
    directory.join(BEING_OPENED).exists()
}
