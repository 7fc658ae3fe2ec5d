//! Opening a store, and what becomes of one that can't be used.

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};

use farelog_events::log::Position;
use fjall::{CompressionType, Database, Error, KeyspaceCreateOptions, LsmError};
use uuid::Uuid;

use super::{CHECKPOINT, Checkpoint, FOLD_VERSION, ProjectionError, Store};

/// What is kept in memory of blocks that were read, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// What is written is gathered in memory up to so many bytes, and while that is brought to its place on the disk the next
/// is gathered.
const GATHERED_BYTES: u64 = 32 * 1024 * 1024;

/// Threads that bring what was gathered to its place.
const THREADS: usize = 2;

/// The keyspace of all values.
const VALUES: &str = "values";

/// By this file the library knows a directory as its own; it is the last one that it makes.
const MARKER: &str = "version";

impl Store {
    /// Opens the store for this log. One that belongs to another log, was written by folds of another version, is ahead of
    /// the log, or is damaged so that it can't be opened, is removed first.
    pub fn open(
        directory: &Path,
        log_id: Uuid,
        log_head: Position,
    ) -> Result<(Self, Checkpoint), ProjectionError> {
        let fresh = Checkpoint {
            log_id,
            fold_version: FOLD_VERSION,
            position: 0,
        };
        if !is_new(directory) && !directory.join(MARKER).exists() {
            tracing::warn!("the projections are of another kind, or unfinished, and are made anew");
            return Ok((Self::make_anew(directory)?, fresh));
        }
        let store = match open_whole(directory) {
            Ok(store) => store,
            Err(error) if is_refusal(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the projections can't be opened and are made anew");
                return Ok((Self::make_anew(directory)?, fresh));
            }
        };
        match store.read::<Checkpoint>(CHECKPOINT, "checkpoint") {
            Ok(None) if store.values.is_empty()? => return Ok((store, fresh)),
            Ok(Some(checkpoint))
                if checkpoint.log_id == log_id
                    && checkpoint.fold_version == FOLD_VERSION
                    && checkpoint.position <= log_head =>
            {
                return Ok((store, checkpoint));
            }
            found => {
                tracing::warn!(
                    ?found,
                    "the projections don't fit the log and are made anew"
                );
            }
        }
        drop(store);
        Ok((Self::make_anew(directory)?, fresh))
    }

    /// Makes a store in a directory that is not there yet.
    pub fn make(directory: &Path) -> Result<Self, ProjectionError> {
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .worker_threads(THREADS)
            // What is large is packed already.
            .journal_compression(CompressionType::None)
            .open()?;
        let options = || KeyspaceCreateOptions::default().max_memtable_size(GATHERED_BYTES);
        let values = database.keyspace(VALUES, options)?;
        Ok(Self {
            database,
            values,
            instant: None,
            facts_kept_from: Arc::new(AtomicI64::new(i64::MIN)),
            in_flight: RwLock::default(),
        })
    }

    fn make_anew(directory: &Path) -> Result<Self, ProjectionError> {
        fs::remove_dir_all(directory).map_err(|source| ProjectionError::Remove {
            directory: directory.to_owned(),
            source,
        })?;
        Self::make(directory)
    }
}

/// Whether there is nothing in the directory, or no directory.
fn is_new(directory: &Path) -> bool {
    fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}

/// Opens a store that was made before. Damaged files can make the library panic.
fn open_whole(directory: &Path) -> Result<Store, ProjectionError> {
    catch_unwind(|| Store::make(directory))
        .unwrap_or_else(|_| Err(ProjectionError::Store(Error::Unrecoverable)))
}

/// Whether the system refused, which says nothing about the files, or another process has them.
fn is_refusal(error: &ProjectionError) -> bool {
    match error {
        ProjectionError::Store(Error::Locked) => true,
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
