//! The event log: an append-only sequence of records, the only truth of farelog.
//!
//! [`EventLog`] is the contract. [`sled_log::SledLog`] keeps it on disk, [`memory::MemoryLog`] in memory for tests
//! and trials; both pass one suite of tests. [`writer::LogWriter`] is the one thread that appends.
//!
//! The log on disk, from the bytes up (docs/log-format.md): `codec` a record, `pack` and `unpack` up to 16 of them,
//! `keys` and `meta` the rest of the store, `mark` how far it was durable, `directory` who may use it; beside the store
//! `index`, what is about an order. The writer: `draft` decides what enters a batch, `committer` commits it.
//! [`export`] is the log as text, for a copy elsewhere.

mod codec;
mod committer;
mod directory;
mod draft;
pub mod export;
pub mod feed;
#[cfg(test)]
mod format_tests;
#[cfg(fuzzing)]
pub mod fuzzing;
mod index;
mod keys;
mod mark;
pub mod memory;
mod meta;
mod pack;
pub mod record;
#[cfg(test)]
mod samples;
pub mod sled_log;
#[cfg(test)]
mod suite;
mod unpack;
pub mod writer;

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::watch;
use uuid::Uuid;

pub use record::{Record, StreamOrigin};

use crate::event::{About, NewEvent};

/// A place in the log: the first record is at 1, and there are no gaps. 0 is the place before the first.
pub type Position = u64;

/// How far a JetStream stream was read, kept in the same atomic batch as the events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamCheckpoint {
    /// The stream's name.
    pub stream: String,
    /// When the stream was created: two streams of one name differ in it.
    pub stream_created_at: DateTime<Utc>,
    /// The sequence of the last message that the log has dealt with.
    pub sequence: u64,
    /// When the stream took that message: tells it from another one under a reused sequence.
    pub published_at: DateTime<Utc>,
}

/// An event to append, with where it came from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The event.
    pub event: NewEvent,
    /// The message that brought it; `None` for what farelog records itself or an interface brings.
    pub origin: Option<StreamOrigin>,
}

/// What is appended atomically: after a crash all of it is there, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The events, in log order.
    pub entries: Vec<Entry>,
    /// How far the stream is dealt with once the batch is durable; `None` leaves the checkpoint as it is.
    pub checkpoint: Option<StreamCheckpoint>,
    /// The time that the records get as `recordedAt`; where it lies before the last record's, that one's is taken.
    pub recorded_at: DateTime<Utc>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.checkpoint.is_none()
    }

    /// The records that the entries become behind the record at `last`, and the checkpoint.
    fn into_records(
        self,
        last: Position,
        last_recorded_at: Option<DateTime<Utc>>,
    ) -> (Vec<Record>, Option<StreamCheckpoint>) {
        let recorded_at = last_recorded_at.map_or(self.recorded_at, |at| at.max(self.recorded_at));
        let records = (last + 1..)
            .zip(self.entries)
            .map(|(position, entry)| Record::from_entry(entry, position, recorded_at))
            .collect();
        (records, self.checkpoint)
    }
}

/// The end of the log, as far as it is durable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// Position of the last record, 0 in an empty log.
    pub position: Position,
    /// How far the stream was read when that was so.
    pub checkpoint: Option<StreamCheckpoint>,
}

/// Figures about a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogStats {
    /// The log's id, made when it was created.
    pub log_id: Uuid,
    /// The version of the record format.
    pub format_version: u32,
    /// Position of the last record, which is also how many there are.
    pub last_position: Position,
    /// When the last record was recorded.
    pub last_recorded_at: Option<DateTime<Utc>>,
    /// Bytes on disk, 0 in memory.
    pub disk_bytes: u64,
    /// How far the stream was read.
    pub checkpoint: Option<StreamCheckpoint>,
}

/// Why the log could not do what it was asked.
#[derive(Debug, Error)]
pub enum LogError {
    /// An earlier write or sync failed. What is in memory and what is on disk may differ, so nothing more is accepted
    /// until the log is opened anew.
    #[error(
        "the event log stopped after a failed write; see the error before it, and restart once its cause is gone"
    )]
    Poisoned,
    /// The operating system refused a write, a sync or a read.
    #[error("the event log could not {action} in {place}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// The store below refused.
    #[error("the event log's store failed: {0}")]
    Store(#[source] sled::Error),
    /// Another process has the directory open.
    #[error(
        "the event log in {0} is in use by another process; stop it, or choose another --data-dir"
    )]
    InUse(String),
    /// Bytes on disk are not what was written.
    #[error("the event log is damaged at position {position}: {problem}")]
    Corrupt {
        /// The first position that is not right.
        position: Position,
        /// What is not right.
        problem: String,
    },
    /// The directory was written by a newer farelog.
    #[error(
        "the event log has format {found}, this farelog knows up to {known}; use the farelog that wrote it, or a newer one"
    )]
    NewerFormat {
        /// The format on disk.
        found: u32,
        /// The newest that this version reads.
        known: u32,
    },
    /// The index is not what was written to it. The next start makes it anew.
    #[error(
        "the event log's index is damaged, {problem}; restart, and it is made anew from the records"
    )]
    IndexDamaged {
        /// What is not right.
        problem: String,
    },
    /// Nothing of the index got to the disk for so long.
    #[error(
        "the event log's index got nothing to the disk for {} seconds; see what holds the disk up, and restart",
        .0.as_secs()
    )]
    IndexStandsStill(Duration),
    /// The thread that brings the index to the disk is gone. The next start makes the index anew.
    #[error(
        "the thread of the event log's index panicked, its message stands above; restart, and the index is made anew from the \
         records"
    )]
    IndexStopped,
    /// A record is larger than the log takes.
    #[error("an event of {bytes} bytes is larger than the log takes ({max} bytes)")]
    RecordTooLarge {
        /// Its size, encoded.
        bytes: usize,
        /// The limit, [`record::RECORD_BYTES_MAX`].
        max: usize,
    },
}

impl LogError {
    /// For a thread that the system does not give.
    fn no_thread(source: std::io::Error) -> Self {
        Self::Io {
            action: "start a thread",
            place: "this process".to_owned(),
            source,
        }
    }
}

/// The contract of an event log.
///
/// - **Durable**: when [`append`](Self::append) has returned, the batch survives `kill -9` and a power cut.
/// - **Atomic**: events and the checkpoint are there together or not at all, and whoever sees them finds them in the
///   per-order index, as the duplicate check does.
/// - **Gapless**: positions go up by one from 1; `recordedAt` never goes back.
/// - **Fail-stop**: after a failed append every later one fails with [`LogError::Poisoned`]. Reads may fail from then
///   on too; they never give what was not durable.
///
/// Readers see only what is durable. Reading by position never waits for the disk of a writer; [`read_about`](Self::read_about)
/// and [`find`](Self::find) may wait for a sync of the index, which is now and then, and on a disk that hangs as long as
/// it does. Appends are one after the other; in farelog one thread does them ([`writer::LogWriter`]).
pub trait EventLog: Send + Sync + 'static {
    /// The id that the log got when it was created.
    fn id(&self) -> Uuid;

    /// Appends a batch and makes it durable.
    ///
    /// Gives the records as the log has them, in order. A batch without events moves the checkpoint only.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`] before anything is written; anything else poisons the log.
    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError>;

    /// The durable end of the log, and word of each new one.
    fn watch(&self) -> watch::Receiver<Head>;

    /// The durable end of the log.
    fn head(&self) -> Head {
        self.watch().borrow().clone()
    }

    /// Reads on from `from` (inclusive): at least one record if there is one, at most `records_max`.
    ///
    /// Large records make it fewer, so that a read is bounded in bytes too. To read the log, go on behind the last one
    /// until there is none.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with the first bad position.
    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError>;

    /// All records about one thing, in log order. For [`About::Nothing`]: none, there is no such index.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with a bad position; [`LogError::IndexDamaged`].
    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError>;

    /// Hands over all records about one thing, in log order, until `visit` breaks. A few are in memory at a time: one order may
    /// have any number of dead letters.
    ///
    /// # Errors
    /// As [`read_about`](Self::read_about), behind the records that were handed over by then.
    fn visit_about(
        &self,
        about: &About,
        visit: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), LogError> {
        let _ = self.read_about(about)?.into_iter().try_for_each(visit);
        Ok(())
    }

    /// The record with this identity, if the log has one; the first, should there be several.
    ///
    /// Meant to be asked for every event before it is appended: some microseconds for one that the log does not have.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with a bad position; [`LogError::IndexDamaged`].
    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError>;

    /// Figures about the log. Walks directories, not records.
    fn stats(&self) -> Result<LogStats, LogError>;
}
