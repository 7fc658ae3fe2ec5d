//! The log of a stopped server, as it is looked at.

use std::fs;
use std::path::Path;

use uuid::Uuid;

use super::store::{self, End, abandon_after, open_store};
use super::verify::{Sum, verify_index, verify_records};
use super::{Verified, indexing};
use crate::log::directory::{Directory, failed};
use crate::log::index::IndexCheckpoint;
use crate::log::mark::Mark;
use crate::log::meta::{self, Identity};
use crate::log::{Head, LogError, LogStats, Position, Record, keys};

/// A log that is only looked at: its records by their positions, and whether all is as it was written.
///
/// Nothing is appended. A log of an older format keeps it, and the index is neither made nor added to, so it opens where
/// [`SledLog`](super::SledLog) can't, because a damaged record is to be indexed. sled itself may write into its files when
/// it opens and closes them.
pub struct StoredLog {
    identity: Identity,
    db: sled::Db,
    end: End,
    head: Head,
    // Last, so that the lock outlives the store.
    directory: Directory,
}

/// What the index of a stored log was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredIndex {
    /// It agrees with the records, as far as it is. The next start adds the rest.
    Sound,
    /// The next start makes it anew.
    Unusable {
        /// Why.
        reason: String,
    },
}

impl StoredLog {
    /// Opens the log in `dir`. The end of it is read and verified.
    ///
    /// # Errors
    /// [`LogError::InUse`], [`LogError::NewerFormat`], [`LogError::Corrupt`], [`LogError::Store`]; [`LogError::Io`], also
    /// where there is no log.
    pub fn open(dir: &Path) -> Result<Self, LogError> {
        let database = dir.join(Directory::DATABASE_FILE);
        fs::metadata(&database).map_err(failed("read", &database))?;
        let directory = Directory::lock(dir)?;
        let db = open_store(directory.path())?;
        Self::open_on(&db, directory).inspect_err(|error| abandon_after(error, &db))
    }

    fn open_on(db: &sled::Db, directory: Directory) -> Result<Self, LogError> {
        let identity = db.get(keys::META)?.ok_or_else(|| LogError::Corrupt {
            position: 0,
            problem: "the store has no log id".to_owned(),
        })?;
        let identity = meta::read_identity(&identity)?;
        let end = store::end(db)?;
        if let Some(mark) = Mark::find(directory.path(), identity.id)? {
            mark.check(end.position)?;
        }
        let head = Head {
            position: end.position,
            checkpoint: store::checkpoint(db)?,
        };
        Ok(Self {
            identity,
            db: db.clone(),
            end,
            head,
            directory,
        })
    }

    /// The id that the log got when it was created.
    pub fn id(&self) -> Uuid {
        self.identity.id
    }

    /// The end of the log.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Records from `from` on, as [`EventLog::read`](crate::log::EventLog::read).
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with the first bad position.
    pub fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        store::read(&self.db, self.end.position, from, records_max)
    }

    /// Figures about the log, with the format that it has.
    ///
    /// # Errors
    /// [`LogError::Io`]
    pub fn stats(&self) -> Result<LogStats, LogError> {
        Ok(LogStats {
            log_id: self.identity.id,
            format_version: self.identity.format,
            last_position: self.end.position,
            last_recorded_at: self.end.recorded_at,
            disk_bytes: self.directory.bytes()?,
            checkpoint: self.head.checkpoint.clone(),
        })
    }

    /// Reads the whole log and checks every byte of it, as [`SledLog::verify`](super::SledLog::verify); and compares the
    /// index as it is on the disk, where the next start would use it.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with the first position found wrong; [`LogError::IndexDamaged`] where the records are as they
    /// were and an index that would be used is not. The next start makes it anew then.
    pub fn verify(
        &self,
        mut progress: impl FnMut(Position),
    ) -> Result<(Verified, StoredIndex), LogError> {
        let end = IndexCheckpoint {
            log_id: self.identity.id,
            position: self.end.position,
            digest: self.end.digest,
        };
        let index = indexing::look_at(&self.db, self.directory.path(), end);
        // Damage to a record counts first, and is found below.
        let index = match index {
            Err(LogError::Corrupt { .. }) => Err("a record that it has is damaged".to_owned()),
            index => index?,
        };
        let indexed_to = index
            .as_ref()
            .map_or(0, |(_, checkpoint)| checkpoint.position);
        let mut indexed = Sum::default();
        let verified = verify_records(&self.db, end.position, &mut progress, |record| {
            if record.position <= indexed_to {
                indexed.add_record(record);
            }
        })?;
        let index = match index {
            Ok((index, _)) => {
                verify_index(&self.db, &index, indexed_to, &indexed)?;
                StoredIndex::Sound
            }
            Err(reason) => StoredIndex::Unusable { reason },
        };
        progress(end.position);
        Ok((verified, index))
    }
}
