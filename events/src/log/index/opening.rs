//! Opening the index, and what becomes of one that can't be used.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{CHECKPOINT_KEY, Index, IndexCheckpoint, IndexMemory, IndexWriter, form};
use crate::bytes::Malformed;
use crate::log::directory::{Directory, failed};
use crate::log::{LogError, Position};
use crate::tree::{OpenTree, Patience, TreeError, TreeWriter, files};

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
    fs::create_dir_all(directory).map_err(failed("make a directory", directory))?;
    let found = files::remove_unfinished(directory)
        .map_err(Unusable::from)
        .and_then(|()| open_there(directory, end, memory, digest_at));
    let (tree, checkpoint) = match found {
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
            let tree = OpenTree::make(directory, form(memory))?;
            (tree, IndexCheckpoint::start(end.log_id))
        }
    };
    let index = Index {
        tree: tree.reader(),
    };
    // Its thread holds on to the log's directory.
    let writer = TreeWriter::start(tree, Patience::USUAL, Arc::clone(of) as _)?;
    Ok(Opened {
        index,
        writer: IndexWriter(writer),
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
        Ok((tree, checkpoint)) => {
            let tree = tree.reader();
            Ok(Ok((Index { tree }, checkpoint)))
        }
        Err(Unusable::Damaged(reason)) => Ok(Err(reason)),
        Err(Unusable::Refused(error)) => Err(error),
    }
}

/// Why an index is not used.
enum Unusable {
    /// It is to be made anew.
    Damaged(String),
    /// The system refused, which says nothing about the files.
    Refused(LogError),
}

impl From<TreeError> for Unusable {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Damaged(problem) => Self::Damaged(problem),
            refused => Self::Refused(refused.into()),
        }
    }
}

fn open_there(
    directory: &Path,
    end: IndexCheckpoint,
    memory: IndexMemory,
    digest_at: impl FnOnce(Position) -> Result<Option<u64>, LogError>,
) -> Result<(OpenTree, IndexCheckpoint), Unusable> {
    let damaged = |reason: &str| Unusable::Damaged(reason.to_owned());
    if !files::has_tree(directory)? {
        return Err(damaged("there is none"));
    }
    files::check(directory)?;
    let tree = OpenTree::open(directory, form(memory))?;
    let Some(value) = tree.checkpoint(CHECKPOINT_KEY)? else {
        return Ok((tree, IndexCheckpoint::start(end.log_id)));
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
