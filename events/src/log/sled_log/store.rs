//! sled as the log uses it: opened, written and made durable.

use std::fs::File;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::READ_BYTES_MAX;
use super::flusher::Flusher;
use crate::log::directory::{Directory, failed};
use crate::log::pack::PackSink;
use crate::log::unpack::{Pack, Unpacker};
use crate::log::{LogError, Position, Record, StreamCheckpoint, keys, meta};

/// What sled keeps of the tree in memory, by its size on the disk: no bound. Behind the end of the log nothing is read often;
/// half of it keeps no less busy (docs/decisions/0147-what-is-on-its-way-is-bounded-by-bytes.md).
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How long an open waits for sled's threads of a log that this process has just closed.
const REOPEN_WAIT_MAX: Duration = Duration::from_secs(5);
const REOPEN_WAIT_STEP: Duration = Duration::from_millis(10);

/// The writes of one batch.
#[derive(Default)]
pub(super) struct Changes(pub(super) sled::Batch);

impl Changes {
    pub(super) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key, value);
    }
}

impl PackSink for Changes {
    fn pack(&mut self, first: Position, value: &[u8]) {
        self.put(&keys::pack(first), value);
    }

    fn chunk(&mut self, first: Position, number: u32, value: &[u8]) {
        self.put(&keys::chunk(first, number), value);
    }
}

pub(super) fn open_store(path: &Path) -> Result<sled::Db, LogError> {
    // No flusher: the only sync is this module's, and its errors are seen.
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    Ok(open_patiently(&config)?)
}

/// Opens a store that no other process can have open, by a lock beside it or by agreement: sled's threads of one
/// that this process has just closed may hold its files a little longer, and are waited for.
///
/// # Errors
/// sled's own; among them that the files are locked, if they still are after some seconds.
pub fn open_patiently(config: &sled::Config) -> Result<sled::Db, sled::Error> {
    let give_up_at = Instant::now() + REOPEN_WAIT_MAX;
    loop {
        match config.open() {
            Err(sled::Error::Io(error))
                if error.to_string().contains("could not acquire lock")
                    && Instant::now() < give_up_at =>
            {
                thread::sleep(REOPEN_WAIT_STEP);
            }
            opened => return opened,
        }
    }
}

/// On Linux sled's flush neither syncs the file's length nor the drive's cache; the sync does.
pub(super) fn make_durable(
    flusher: &Flusher,
    database: &File,
    directory: &Directory,
) -> Result<(), LogError> {
    flusher.flush()?;
    database
        .sync_data()
        .map_err(failed("sync", &directory.database_path()))
}

/// Leaves a store open for good whose disk has failed.
///
/// When sled closes it writes and syncs once more, and panics where that fails: in place of the error that says why. And
/// after a failed sync nothing is to be tried again (docs/decisions/0060-a-failed-store-is-not-closed.md). The process is to end.
pub(super) fn abandon_after(error: &LogError, db: &sled::Db) {
    if matches!(error, LogError::Io { .. }) {
        std::mem::forget(db.clone());
    }
}

pub(super) fn unpack(
    db: &sled::Db,
    unpacker: &mut Unpacker,
    first: Position,
    value: &[u8],
    wanted: impl Fn(Position) -> bool,
) -> Result<Pack, LogError> {
    let chunk = |number| {
        db.get(keys::chunk(first, number))
            .map_err(|error| store_failed(first, error))
    };
    unpacker.unpack(first, value, chunk, wanted)
}

/// The packs from the one that has `from`, in order, each verified and following on the one before, with the
/// records that are wanted.
pub(super) fn packs<W: Fn(Position) -> bool>(
    db: &sled::Db,
    from: Position,
    wanted: W,
) -> Result<impl Iterator<Item = Result<Pack, LogError>> + use<'_, W>, LogError> {
    let (start, _) = db
        .range(keys::pack(0)..=keys::pack(from))
        .next_back()
        .ok_or_else(|| missing(from))?
        .map_err(|error| store_failed(from, error))?;
    let mut unpacker = Unpacker::default();
    // The next pack's first position and the digest before it, once a pack was read.
    let mut expected: Option<(Position, u64)> = None;
    Ok(db.range(start..).map(move |entry| {
        let place = expected.map_or(from, |(next, _)| next);
        let (key, value) = entry.map_err(|error| store_failed(place, error))?;
        let first = keys::pack_position(&key).ok_or_else(|| missing(place))?;
        if expected.is_some_and(|(next, _)| next != first) {
            return Err(missing(place));
        }
        let pack = unpack(db, &mut unpacker, first, &value, &wanted)?;
        if pack.next <= place {
            return Err(missing(place));
        }
        if expected.is_some_and(|(_, digest)| digest != pack.before) {
            return Err(broken_chain(first));
        }
        expected = Some((pack.next, pack.after));
        Ok(pack)
    }))
}

/// Where the records end.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct End {
    pub(super) position: Position,
    /// Of the last record.
    pub(super) digest: u64,
    pub(super) recorded_at: Option<DateTime<Utc>>,
}

/// Reads and verifies the last pack.
pub(super) fn end(db: &sled::Db) -> Result<End, LogError> {
    let Some((key, value)) = db.last()? else {
        return Ok(End::default());
    };
    let Some(first) = keys::pack_position(&key) else {
        return Ok(End::default());
    };
    let pack = unpack(db, &mut Unpacker::default(), first, &value, |_| true)?;
    Ok(End {
        position: pack.next - 1,
        digest: pack.after,
        recorded_at: pack.records.last().map(|last| last.recorded_at),
    })
}

/// How far the stream was read.
pub(super) fn checkpoint(db: &sled::Db) -> Result<Option<StreamCheckpoint>, LogError> {
    let value = db.get(keys::CHECKPOINT)?;
    value.map(|value| meta::read_checkpoint(&value)).transpose()
}

/// Records from `from` on, of a log that ends at `head`; as [`EventLog::read`](crate::log::EventLog::read).
pub(super) fn read(
    db: &sled::Db,
    head: Position,
    from: Position,
    records_max: usize,
) -> Result<Vec<Record>, LogError> {
    let from = from.max(1);
    if from > head || records_max == 0 {
        return Ok(Vec::new());
    }
    let last = from + ((records_max as u64).min(head - from + 1) - 1);
    let mut records = Vec::new();
    let mut raw_bytes = 0;
    for pack in packs(db, from, |position| (from..=last).contains(&position))? {
        let pack = pack?;
        raw_bytes += pack.raw_bytes;
        records.extend(pack.records);
        if pack.next > last || raw_bytes >= READ_BYTES_MAX {
            return Ok(records);
        }
    }
    Err(missing(from + records.len() as Position))
}

pub(super) fn missing(position: Position) -> LogError {
    LogError::Corrupt {
        position,
        problem: "the record is missing".to_owned(),
    }
}

pub(super) fn broken_chain(position: Position) -> LogError {
    LogError::Corrupt {
        position,
        problem: "the chain of digests is broken".to_owned(),
    }
}

/// sled has checks of its own over its file; what they find is damage like any other.
pub(super) fn store_failed(position: Position, error: sled::Error) -> LogError {
    match error {
        sled::Error::Corruption { .. } => LogError::Corrupt {
            position,
            problem: "the store's own check of its file failed; restore the directory from a copy"
                .to_owned(),
        },
        other => LogError::Store(other),
    }
}

/// For what is not read for a position.
impl From<sled::Error> for LogError {
    fn from(error: sled::Error) -> Self {
        store_failed(0, error)
    }
}
