//! Opening the index, and what becomes of one that can't be used.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lsm_tree::{AbstractTree, Error};

use super::files::{self, Tree, Unusable};
use super::{CHECKPOINT_KEY, Index, IndexCheckpoint, IndexMemory, IndexWriter, LATEST};
use crate::bytes::Malformed;
use crate::log::directory::{Directory, failed};
use crate::log::{LogError, Position};

/// An index that is open, and not yet as far as the log.
pub(crate) struct Opened {
    pub(crate) index: Index,
    pub(crate) writer: IndexWriter,
    /// What it lacks is to be added from the position behind this one on.
    pub(crate) checkpoint: IndexCheckpoint,
}

/// Opens the index in a directory of a log, `of`, that ends at `end`. One that is of another log or another form, is ahead of
/// the log, tells another history, or is damaged is removed, and an empty one made in its place.
///
/// `digest_at` gives the digest of the record at a position, where that is the last of a pack.
///
/// # Errors
/// The system refuses, or what `digest_at` says.
pub(crate) fn open(
    directory: &Path,
    of: &Arc<Directory>,
    end: IndexCheckpoint,
    memory: IndexMemory,
    digest_at: impl FnOnce(Position) -> Result<Option<u64>, LogError>,
) -> Result<Opened, LogError> {
    fs::create_dir_all(directory).map_err(failed("create", directory))?;
    files::remove_unfinished(directory)?;
    let (tree, checkpoint) = match open_there(directory, end, memory, digest_at) {
        Ok(found) => found,
        Err(Unusable::Refused(error)) => return Err(error),
        Err(Unusable::Damaged(reason)) => {
            if end.position > 0 {
                tracing::warn!(
                    reason,
                    "the event log's index can't be used and is made anew from the records"
                );
            }
            files::remove(directory)?;
            let tree = files::open_tree(directory, memory).map_err(|error| match error {
                Error::Io(source) => failed("make its index in", directory)(source),
                error => LogError::IndexDamaged {
                    problem: format!("its library says {error:?}"),
                },
            })?;
            (tree, IndexCheckpoint::start(end.log_id))
        }
    };
    let sequence = tree.sequence.clone();
    let index = index_of(tree, directory);
    let writer = IndexWriter::start(index.clone(), sequence, memory, Arc::clone(of))?;
    Ok(Opened {
        index,
        writer,
        checkpoint,
    })
}

/// An index that is only looked at, and how far it is; otherwise why the next start will make it anew. The library removes
/// from its directory what a kill left there and nothing refers to; nothing else is changed.
///
/// # Errors
/// As [`open`].
pub(crate) fn look_at(
    directory: &Path,
    end: IndexCheckpoint,
    memory: IndexMemory,
    digest_at: impl FnOnce(Position) -> Result<Option<u64>, LogError>,
) -> Result<Result<(Index, IndexCheckpoint), String>, LogError> {
    match open_there(directory, end, memory, digest_at) {
        Ok((tree, checkpoint)) => Ok(Ok((index_of(tree, directory), checkpoint))),
        Err(Unusable::Damaged(reason)) => Ok(Err(reason)),
        Err(Unusable::Refused(error)) => Err(error),
    }
}

fn index_of(tree: Tree, directory: &Path) -> Index {
    Index {
        tree: tree.tree,
        directory: Arc::from(directory),
    }
}

fn open_there(
    directory: &Path,
    end: IndexCheckpoint,
    memory: IndexMemory,
    digest_at: impl FnOnce(Position) -> Result<Option<u64>, LogError>,
) -> Result<(Tree, IndexCheckpoint), Unusable> {
    let damaged = |reason: &str| Unusable::Damaged(reason.to_owned());
    if !files::has_index(directory) {
        return Err(damaged("there is none"));
    }
    files::check(directory)?;
    let from_library = |error| match error {
        Error::Io(source) if !files::is_damage(&source) && !files::can_not_be_read(&source) => {
            Unusable::Refused(failed("open its index in", directory)(source))
        }
        error => Unusable::Damaged(format!("its library says {error:?}")),
    };
    let tree = files::open_tree(directory, memory).map_err(from_library)?;
    let value = tree
        .tree
        .get(CHECKPOINT_KEY, LATEST)
        .map_err(from_library)?;
    let Some(value) = value else {
        let is_empty = tree.tree.is_empty(LATEST, None).map_err(from_library)?;
        return if is_empty {
            Ok((tree, IndexCheckpoint::start(end.log_id)))
        } else {
            Err(damaged("it has no checkpoint"))
        };
    };
    let checkpoint = IndexCheckpoint::read(&value).map_err(|Malformed(problem)| {
        Unusable::Damaged(format!("its checkpoint is malformed, {problem}"))
    })?;
    if checkpoint.log_id != end.log_id {
        return Err(damaged("it is of another log"));
    }
    if checkpoint.position > end.position {
        return Err(damaged("it is ahead of the log"));
    }
    let digest = match checkpoint.position {
        0 => Some(0),
        position => digest_at(position).map_err(Unusable::Refused)?,
    };
    if digest != Some(checkpoint.digest) {
        return Err(damaged("it is of another history of the log"));
    }
    Ok((tree, checkpoint))
}
