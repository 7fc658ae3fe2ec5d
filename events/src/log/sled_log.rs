//! The event log on disk, on sled.
//!
//! sled is a tree of keys and values over a file of its own that is only ever appended to. What it promises of
//! durability is less than it seems (docs/decisions/0002-durability-on-sled.md), so this module makes its own:
//!
//! - A batch is applied to one tree in one step, flushed by sled, and then the database file is synced through a
//!   descriptor of this module. Only after that do readers see it.
//! - Every value keeps a check over its bytes, and all records are chained by digests.
//! - The directory is locked by this module before sled touches it.
//!
//! The index by what events are about is beside sled and follows it ([`super::index`]).
//!
//! [`SledLog`] is a log in use; [`StoredLog`] one that is only looked at.

mod flusher;
mod indexing;
mod store;
mod stored;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use uuid::Uuid;

pub use self::flusher::Flusher;
pub use self::store::open_patiently;
use self::store::{Changes, abandon_after, make_durable, missing, open_store, packs};
pub use self::stored::{StoredIndex, StoredLog};
pub use self::verify::Verified;
use super::directory::{Directory, failed};
pub use super::index::IndexMemory;
use super::index::{self, Index, IndexCheckpoint, IndexWriter, RecentLookups};
use super::mark::Mark;
use super::meta::Identity;
use super::pack::Packer;
use super::{
    Batch, EventLog, Head, LogError, LogStats, Position, Record, StreamCheckpoint, keys, meta,
};
use crate::event::About;

/// Uncompressed bytes after which a read stops, however many records were asked for.
pub const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most records about one thing that are in memory at a time while they are visited.
const RECORDS_AT_ONCE_MAX: usize = 16;

/// An event log in a directory of its own.
///
/// Closing is dropping: everything appended is durable already.
pub struct SledLog {
    id: Uuid,
    db: sled::Db,
    writer: Mutex<Writer>,
    /// Apart from the writer, which is locked while the disk is busy.
    last_recorded_at: Mutex<Option<DateTime<Utc>>>,
    lookups: Mutex<RecentLookups>,
    index: Index,
    indexed_before: Position,
    head: watch::Sender<Head>,
    // Last, so that the lock outlives the store.
    directory: Arc<Directory>,
}

/// What an append needs and changes.
struct Writer {
    packer: Packer,
    flusher: Flusher,
    /// A descriptor of the database file, to sync it.
    database: File,
    mark: Mark,
    index: IndexWriter,
    /// Digest of the last record.
    digest: u64,
    /// A write or sync has failed: what is on disk is not known.
    poisoned: bool,
}

impl SledLog {
    /// Opens the log in `dir`, making it if there is none.
    ///
    /// The end of the log is read and verified; the rest when it is read ([`verify`](Self::verify) reads it all).
    /// What a killed process had written and not yet synced is synced here, so what is seen once stays.
    ///
    /// What the index lacks is added to it, which after a kill takes a fraction of a second. Where there is none that can
    /// be used it is made anew from all records: some seconds per million. A log of an older format becomes one of
    /// the present then, which an older farelog refuses.
    ///
    /// # Errors
    /// [`LogError::InUse`], [`LogError::NewerFormat`], [`LogError::Corrupt`], [`LogError::Io`], [`LogError::Store`].
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        Self::open_within(IndexMemory::USUAL, dir)
    }

    /// As [`open`](Self::open), with so much memory for the index.
    pub fn open_within(memory: IndexMemory, dir: &Path) -> Result<Self, LogError> {
        let directory = Arc::new(Directory::lock(dir)?);
        let db = open_store(directory.path())?;
        Self::open_on(&db, directory, memory).inspect_err(|error| abandon_after(error, &db))
    }

    fn open_on(
        db: &sled::Db,
        directory: Arc<Directory>,
        memory: IndexMemory,
    ) -> Result<Self, LogError> {
        let flusher = Flusher::start(db)?;
        let database_path = directory.database_path();
        let database = File::open(&database_path).map_err(failed("open", &database_path))?;
        let identity = identify(db)?;
        let id = identity.id;
        make_durable(&flusher, &database, &directory)?;

        let checkpoint = store::checkpoint(db)?;
        let last = store::end(db)?;
        let end = IndexCheckpoint {
            log_id: id,
            position: last.position,
            digest: last.digest,
        };
        let mark = Mark::open(directory.path(), id)?;
        mark.check(end.position)?;
        mark.set(end.position)?;
        let index = indexing::open(db, &directory, end, memory)?;
        if identity.format < meta::FORMAT_VERSION {
            // Not before the index has all that an older farelog would look for in the store.
            db.insert(keys::META, meta::identity_value(id))?;
            make_durable(&flusher, &database, &directory)?;
            let (from, to) = (identity.format, meta::FORMAT_VERSION);
            tracing::info!(from, to, "the event log has the present format now");
        }
        directory.sync()?;
        Ok(Self {
            id,
            db: db.clone(),
            writer: Mutex::new(Writer {
                packer: Packer::new()?,
                flusher,
                database,
                mark,
                index: index.writer,
                digest: end.digest,
                poisoned: false,
            }),
            last_recorded_at: Mutex::new(last.recorded_at),
            lookups: Mutex::default(),
            indexed_before: index.checkpoint.position,
            index: index.index,
            head: watch::Sender::new(Head {
                position: end.position,
                checkpoint,
            }),
            directory,
        })
    }

    /// The position up to which the index on the disk had the records when the log was opened: what is behind it was read
    /// again. 0 where the index was made anew.
    pub fn indexed_before(&self) -> Position {
        self.indexed_before
    }

    /// Syncs through another descriptor from here on, so that a test can make it fail.
    #[cfg(test)]
    pub(super) fn sync_through(&self, file: File) {
        self.writer.lock().unwrap().database = file;
    }

    fn recorded_at_lock(&self) -> MutexGuard<'_, Option<DateTime<Utc>>> {
        self.last_recorded_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_recorded_at(&self) -> Option<DateTime<Utc>> {
        *self.recorded_at_lock()
    }

    fn head_position(&self) -> Position {
        self.head.borrow().position
    }

    /// The records at `positions`, which ascend. A pack that has several is read once.
    fn records_at(&self, positions: &[Position]) -> Result<Vec<Record>, LogError> {
        let wanted = |position| positions.binary_search(&position).is_ok();
        let mut records: Vec<Record> = Vec::with_capacity(positions.len());
        while let Some(&position) = positions.get(records.len()) {
            let pack = packs(&self.db, position, wanted)?.next();
            let found = pack.transpose()?.map_or_else(Vec::new, |pack| pack.records);
            if found.first().map(|record| record.position) != Some(position) {
                return Err(missing(position));
            }
            records.extend(found);
        }
        Ok(records)
    }

    /// Appends records that already are what they are to be in the log: they go on behind its end, position by
    /// position, and none was recorded before the one before it. With none, the checkpoint is moved only.
    ///
    /// # Errors
    /// As [`EventLog::append`] has them.
    pub(super) fn append_records(
        &self,
        records: &[Record],
        checkpoint: Option<StreamCheckpoint>,
    ) -> Result<(), LogError> {
        let mut writer = self.usable_writer()?;
        debug_assert!(
            (self.head_position() + 1..)
                .zip(records)
                .all(|(position, record)| record.position == position)
        );
        if records.is_empty() && checkpoint.is_none() {
            return Ok(());
        }
        self.commit(&mut writer, records, checkpoint)
    }

    fn usable_writer(&self) -> Result<MutexGuard<'_, Writer>, LogError> {
        // A thread that panicked in here left the writer as unknown as a failed write does.
        let writer = self.writer.lock().map_err(|_| LogError::Poisoned)?;
        if writer.poisoned {
            return Err(LogError::Poisoned);
        }
        Ok(writer)
    }

    /// What the records change in the index, which has room for it then. Nothing is changed yet.
    fn index_changes(
        &self,
        writer: &mut Writer,
        records: &[Record],
        end: IndexCheckpoint,
    ) -> Result<index::Changes, LogError> {
        writer.index.make_room()?;
        let head = self.head_position();
        let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
        index::Changes::of(&self.index, records, end, |subject| {
            match lookups.take_newest(head, subject) {
                Some(newest) => Ok(newest),
                None => self.index.newest(subject),
            }
        })
    }

    /// Writes records behind the head, makes them durable and moves the head.
    fn commit(
        &self,
        writer: &mut Writer,
        records: &[Record],
        checkpoint: Option<StreamCheckpoint>,
    ) -> Result<(), LogError> {
        let head = self.head.borrow().clone();
        let position = head.position + records.len() as Position;
        let mut changes = Changes::default();
        let digest = writer.packer.pack(records, writer.digest, &mut changes)?;
        if let Some(checkpoint) = &checkpoint {
            changes.put(keys::CHECKPOINT, &meta::checkpoint_value(checkpoint));
        }
        let end = IndexCheckpoint {
            log_id: self.id,
            position,
            digest,
        };
        let written = self
            .index_changes(writer, records, end)
            .and_then(|of_index| {
                self.db.apply_batch(changes.0)?;
                make_durable(&writer.flusher, &writer.database, &self.directory)?;
                writer.mark.set(position)?;
                writer.index.apply(of_index);
                Ok(())
            });
        if let Err(error) = written {
            writer.poisoned = true;
            writer.index.abandon();
            abandon_after(&error, &self.db);
            return Err(error);
        }

        writer.digest = digest;
        if let Some(last) = records.last() {
            *self.recorded_at_lock() = Some(last.recorded_at);
        }
        self.head.send_replace(Head {
            position,
            checkpoint: checkpoint.or(head.checkpoint),
        });
        Ok(())
    }
}

/// Reads what makes the store a log, or writes it into a new one.
fn identify(db: &sled::Db) -> Result<Identity, LogError> {
    match db.get(keys::META)? {
        Some(value) => meta::read_identity(&value),
        None if db.is_empty() => {
            let id = Uuid::new_v4();
            let mut first_batch = sled::Batch::default();
            first_batch.insert(keys::META, meta::identity_value(id));
            db.apply_batch(first_batch)?;
            Ok(Identity {
                format: meta::FORMAT_VERSION,
                id,
            })
        }
        None => Err(LogError::Corrupt {
            position: 0,
            problem: "the store has data and no log id".to_owned(),
        }),
    }
}

impl EventLog for SledLog {
    fn id(&self) -> Uuid {
        self.id
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        let mut writer = self.usable_writer()?;
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let (records, checkpoint) =
            batch.into_records(self.head_position(), self.last_recorded_at());
        self.commit(&mut writer, &records, checkpoint)?;
        Ok(records)
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        store::read(&self.db, self.head_position(), from, records_max)
    }

    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError> {
        let mut records = Vec::new();
        self.visit_about(about, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(records)
    }

    fn visit_about(
        &self,
        about: &About,
        visit: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        if *about == About::Nothing {
            return Ok(());
        }
        let head = self.head_position();
        let mut positions = self.index.positions(index::subject_digest(about, "", ""))?;
        positions.retain(|&position| position <= head);
        for positions in positions.chunks(RECORDS_AT_ONCE_MAX) {
            for record in self.records_at(positions)? {
                if record.about == *about && visit(record).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError> {
        let digest = index::candidate_digest(source, id);
        let subject = index::subject_digest(about, source, id);
        let head = self.head_position();
        let mut positions = {
            let mut lookups = self.lookups.lock().unwrap_or_else(PoisonError::into_inner);
            lookups.positions(&self.index, head, subject, digest)?
        };
        positions.retain(|&position| position <= head);
        let records = self.records_at(&positions)?;
        Ok(records
            .into_iter()
            .find(|record| record.has_identity(about, source, id)))
    }

    fn stats(&self) -> Result<LogStats, LogError> {
        let head = self.head.borrow().clone();
        Ok(LogStats {
            log_id: self.id,
            format_version: meta::FORMAT_VERSION,
            last_position: head.position,
            last_recorded_at: self.last_recorded_at(),
            disk_bytes: self.directory.bytes()?,
            checkpoint: head.checkpoint,
        })
    }
}
