//! Opening a store, and what becomes of one that can't be used.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use farelog_events::log::Position;
use fjall::{CompressionType, Database, Error, LsmError};
use uuid::Uuid;

use super::room::STANDSTILL_MAX;
use super::{CHECKPOINT, Checkpoint, FOLD_VERSION, ProjectionError, Store, tables};

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

/// Threads that bring what was gathered to its place. Of two, the library has one turn in a circle while the other works.
const THREADS: usize = 1;

/// What journals take of the disk, in bytes. Beyond it what they hold is brought to its place first.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// The keyspace of all values.
const VALUES: &str = "values";

/// By this file the library knows a directory as its own; it is the last one that it makes.
const MARKER: &str = "version";

/// There while a store is being opened. Damaged files can make the library panic and then abort the process, which would
/// happen again at every start.
const BEING_OPENED: &str = "being-opened";

impl Store {
    /// Opens the store for this log. One that belongs to another log, was written by folds of another version, is ahead of
    /// the log, or is damaged so that it can't be opened, is removed first.
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
        if !is_new(directory) && !is_whole(directory) {
            tracing::warn!("the projections are of another kind, or unfinished, and are made anew");
            return Ok((Self::make_anew(directory, memory)?, fresh));
        }
        if was_being_opened(directory) {
            tracing::warn!("the projections were not opened to the end, and are made anew");
            return Ok((Self::make_anew(directory, memory)?, fresh));
        }
        let store = match open_whole(directory, memory) {
            Ok(store) => store,
            Err(error) if is_refusal(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the projections can't be opened and are made anew");
                return Ok((Self::make_anew(directory, memory)?, fresh));
            }
        };
        match store.checkpoint() {
            Ok(None) => return Ok((store, fresh)),
            Ok(Some(checkpoint))
                if checkpoint.log_id == log_id
                    && checkpoint.fold_version == FOLD_VERSION
                    && checkpoint.position <= log_head =>
            {
                return Ok((store, checkpoint));
            }
            Err(error) if is_refusal(&error) => return Err(error),
            found => {
                tracing::warn!(
                    ?found,
                    "the projections don't fit the log and are made anew"
                );
            }
        }
        drop(store);
        Ok((Self::make_anew(directory, memory)?, fresh))
    }

    /// How far a store is; `None` for an empty one.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, ProjectionError> {
        let checkpoint = self.read(CHECKPOINT, "checkpoint")?;
        if checkpoint.is_none() && !self.values.is_empty()? {
            return Err(ProjectionError::Store(Error::Unrecoverable));
        }
        Ok(checkpoint)
    }

    /// Makes a store in a directory that is not there yet.
    pub fn make(directory: &Path, memory: StoreMemory) -> Result<Self, ProjectionError> {
        let database = Database::builder(directory)
            .cache_size(memory.cache_bytes)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(THREADS)
            // What is large is packed already.
            .journal_compression(CompressionType::None)
            .open()?;
        let values = database.keyspace(VALUES, tables::options)?;
        let latest = Arc::new(RwLock::new(database.snapshot()));
        Ok(Self {
            database,
            values,
            latest,
            instant: None,
            keeps_facts: true,
            facts_kept_from: Arc::new(AtomicI64::new(i64::MIN)),
            gathered_bytes: memory.gathered_bytes,
            standstill_max: STANDSTILL_MAX,
            in_flight: RwLock::default(),
            open: Arc::new(()),
        })
    }

    fn make_anew(directory: &Path, memory: StoreMemory) -> Result<Self, ProjectionError> {
        fs::remove_dir_all(directory).map_err(|source| ProjectionError::Remove {
            directory: directory.to_owned(),
            source,
        })?;
        Self::make(directory, memory)
    }
}

/// Whether there is nothing in the directory, or no directory.
fn is_new(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}

/// Whether the library made it, and has a journal: without one it takes the store for empty, but for what it then finds.
fn is_whole(directory: &Path) -> bool {
    let is_journal = |entry: io::Result<DirEntry>| {
        entry.is_ok_and(|entry| Path::new(&entry.file_name()).extension() == Some("jnl".as_ref()))
    };
    directory.join(MARKER).exists()
        && fs::read_dir(directory).is_ok_and(|mut entries| entries.any(is_journal))
}

/// Whether a store was being opened there when its process ended.
pub fn was_being_opened(directory: &Path) -> bool {
    directory.join(BEING_OPENED).exists()
}

/// Opens a store that was made before, if there is one. The library can panic over damaged files.
fn open_whole(directory: &Path, memory: StoreMemory) -> Result<Store, ProjectionError> {
    let sign = directory.join(BEING_OPENED);
    let refused = |source| ProjectionError::Directory {
        directory: directory.to_owned(),
        source,
    };
    if directory.exists() {
        File::create(&sign).map_err(refused)?;
    }
    let opened = catch_unwind(|| Store::make(directory, memory))
        .unwrap_or_else(|_| Err(ProjectionError::Store(Error::Unrecoverable)));
    match fs::remove_file(&sign) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(refused(source)),
        _ => opened,
    }
}

/// Whether the system refused, which says nothing about the files, or another process has them.
fn is_refusal(error: &ProjectionError) -> bool {
    match error {
        ProjectionError::Directory { .. } | ProjectionError::Store(Error::Locked) => true,
        ProjectionError::Store(Error::Io(error) | Error::Storage(LsmError::Io(error))) => {
            !is_damage(error)
        }
        _ => false,
    }
}

/// Whether a file is missing, or one too many, cut, or not what it should be.
fn is_damage(error: &io::Error) -> bool {
    use ErrorKind as K;
    let kind = error.kind();
    matches!(
        kind,
        K::NotFound | K::AlreadyExists | K::UnexpectedEof | K::InvalidData | K::InvalidInput
    )
}
