//! Why a tree can't be read or written.

use std::io;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;

use super::files::{can_not_be_read, is_damage};

/// Why a tree can't be read or written.
#[derive(Debug, Error)]
pub enum TreeError {
    /// The system refused.
    #[error("could not {action} {place}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        place: String,
        /// What the system said.
        source: io::Error,
    },
    /// It is not what was written, which the next start knows.
    #[error("its files are damaged, {0}; start farelog again, and they are made anew from the log")]
    Damaged(String),
    /// Another process has the directory, or another part of this one.
    #[error("another process has its files in {0}; stop it, or choose another directory")]
    InUse(String),
    /// Nothing got to the disk for so long.
    #[error(
        "nothing got to the disk for {} seconds; look whether the disk answers, then start farelog again",
        .0.as_secs()
    )]
    StandsStill(Duration),
    /// Bringing something to the disk has failed before, with an error of its own.
    #[error("a write or sync failed before this one; start farelog again once its cause is gone")]
    Failed,
    /// The thread that brings it to the disk panicked. The next start knows that.
    #[error(
        "its thread panicked, its message stands above; start farelog again, and its files are made anew from the log"
    )]
    Panicked,
}

impl TreeError {
    /// What the library says of a tree in a directory.
    pub(super) fn of_library(
        action: &'static str,
        directory: &Path,
        error: lsm_tree::Error,
    ) -> Self {
        match error {
            lsm_tree::Error::Io(source) if !is_damage(&source) => {
                Self::io(action, directory)(source)
            }
            error => Self::Damaged(format!("its library says {error:?}")),
        }
    }

    /// The same where nothing was written: what can't be read is damaged then, too.
    pub(super) fn of_reading(
        action: &'static str,
        directory: &Path,
        error: lsm_tree::Error,
    ) -> Self {
        match error {
            lsm_tree::Error::Io(source) if can_not_be_read(&source) => {
                Self::Damaged(format!("a part of them can't be read: {source}"))
            }
            error => Self::of_library(action, directory, error),
        }
    }

    /// Turns what the system said into an error that says what was tried, and where.
    pub(super) fn io(action: &'static str, place: &Path) -> impl FnOnce(io::Error) -> Self {
        let place = place.display().to_string();
        move |source| Self::Io {
            action,
            place,
            source,
        }
    }
}
