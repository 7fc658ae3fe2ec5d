//! Bringing the index to where the log is, when it is opened.

use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::store::{broken_chain, missing, packs};
use super::{IndexMemory, READ_BYTES_MAX};
use crate::log::directory::Directory;
use crate::log::index::{self, Changes, Index, IndexCheckpoint, IndexWriter, Opened};
use crate::log::{LogError, Position, Record};

/// The directory of the index within a log's.
const INDEX_DIRECTORY: &str = "index";

/// Records that are added to the index at once.
const BATCH_RECORDS: usize = 16_384;

/// How often it is said how far the index is.
const PROGRESS_EVERY: Duration = Duration::from_secs(3);

/// Opens the index of a log that ends at `end`, and adds to it what it lacks. The checkpoint that is given is the one before
/// that.
///
/// # Errors
/// As [`index::open`]; [`LogError::Corrupt`] where a record that is to be added is damaged.
pub(super) fn open(
    db: &sled::Db,
    directory: &Arc<Directory>,
    end: IndexCheckpoint,
    memory: IndexMemory,
) -> Result<Opened, LogError> {
    let path = directory.path().join(INDEX_DIRECTORY);
    let digest_at = |position| digest_at(db, end, position);
    let mut opened = index::open(&path, directory, end, memory, digest_at)?;
    let added = add(
        db,
        &opened.index,
        &mut opened.writer,
        opened.checkpoint,
        end,
    );
    if added.is_err() {
        opened.writer.abandon();
    }
    added.map(|()| opened)
}

/// The index of a log that is only looked at, and how far it is; otherwise why the next start will make it anew.
///
/// # Errors
/// As [`index::look_at`].
pub(super) fn look_at(
    db: &sled::Db,
    directory: &Path,
    end: IndexCheckpoint,
) -> Result<Result<(Index, IndexCheckpoint), String>, LogError> {
    let path = directory.join(INDEX_DIRECTORY);
    let digest_at = |position| digest_at(db, end, position);
    index::look_at(&path, end, IndexMemory::USUAL, digest_at)
}

/// The digest of the record at a position, where that is the last of a pack.
fn digest_at(
    db: &sled::Db,
    end: IndexCheckpoint,
    position: Position,
) -> Result<Option<u64>, LogError> {
    if position == end.position {
        return Ok(Some(end.digest));
    }
    let pack = packs(db, position, |_| false)?.next();
    let pack = pack.unwrap_or_else(|| Err(missing(position)))?;
    Ok((pack.next == position + 1).then_some(pack.after))
}

/// Adds the records behind `from`, up to `end`.
fn add(
    db: &sled::Db,
    index: &Index,
    writer: &mut IndexWriter,
    from: IndexCheckpoint,
    end: IndexCheckpoint,
) -> Result<(), LogError> {
    if from.position == end.position {
        return Ok(());
    }
    let mut said = Instant::now();
    let mut records: Vec<Record> = Vec::new();
    let mut raw_bytes = 0;
    let mut before = from.digest;
    for pack in packs(db, from.position + 1, |_| true)? {
        let pack = pack?;
        if mem::replace(&mut before, pack.after) != pack.before {
            return Err(broken_chain(from.position + 1));
        }
        raw_bytes += pack.raw_bytes;
        records.extend(pack.records);
        let position = pack.next - 1;
        if records.len() < BATCH_RECORDS && raw_bytes < READ_BYTES_MAX && position < end.position {
            continue;
        }
        writer.make_room()?;
        let checkpoint = IndexCheckpoint {
            position,
            digest: pack.after,
            ..end
        };
        let changes = Changes::of(index, &records, checkpoint, |subject| index.newest(subject))?;
        writer.apply(changes);
        records.clear();
        raw_bytes = 0;
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let of = end.position;
            tracing::info!(position, of, "the event log's index is being made");
        }
    }
    Ok(())
}
