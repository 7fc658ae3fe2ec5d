//! Why a projection can't be read or brought forward.

use std::path::PathBuf;

use farelog_events::log::Position;
use farelog_events::tree::TreeError;
use thiserror::Error;

/// Why a projection can't be read or brought forward.
#[derive(Debug, Error)]
pub enum ProjectionError {
    /// The store failed.
    #[error("the projections' store failed: {0}")]
    Store(#[from] TreeError),
    /// Something stored is not what this version writes.
    #[error(
        "the projections hold something unreadable ({what}): {source}; stop farelog, delete the projections directory and start again, they are made anew from the log"
    )]
    Unreadable {
        /// The key, readable.
        what: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// A value has no stored form.
    #[error(
        "{what} can't be stored in the projections ({source}); report this, the log has all that they are made of"
    )]
    Unwritable {
        /// What it is.
        what: String,
        /// What the encoder said.
        source: serde_json::Error,
    },
    /// A directory of projections could not be made, renamed or removed.
    #[error("the directory {directory} could not be made, renamed or removed: {source}")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] farelog_events::log::LogError),
    /// Facts were asked for that are no longer kept.
    #[error(
        "facts up to log position {through} are no longer kept, and those behind {after} were asked for; stop farelog, \
         delete the projections directory and start with --outbox-after {after}, they are made anew from the log"
    )]
    FactsForgotten {
        /// The position behind which they were asked for.
        after: Position,
        /// The position of the last one that is not kept.
        through: Position,
    },
    /// The thread that brings the projections forward has ended.
    #[error("the projections are no longer brought forward: {0}")]
    Ended(String),
}

impl ProjectionError {
    /// A value that has no JSON.
    pub fn unwritable(source: serde_json::Error) -> Self {
        Self::Unwritable {
            what: "a value".to_owned(),
            source,
        }
    }
}
