//! The files of a stopped server's log.

use std::path::{Path, PathBuf};

use farelog_events::log::LogError;
use farelog_events::log::sled_log::StoredLog;

use crate::assembly::LOG_DIRECTORY;
use crate::cli::exit::Failure;

/// Where a data directory has its log.
pub fn log_directory(data_dir: &Path) -> PathBuf {
    data_dir.join(LOG_DIRECTORY)
}

/// Opens the log in a data directory, which must have one, to look at it. Nothing is made where there is none.
///
/// # Errors
/// There is no log; otherwise what the log says, within the outer result's `Ok`.
pub fn open_log(data_dir: &Path) -> Result<Result<StoredLog, LogError>, Failure> {
    let directory = log_directory(data_dir);
    if !directory.is_dir() {
        return Err(Failure::Failed(format!(
            "there is no event log in {}; name the directory that `farelog serve` was given with --data-dir",
            data_dir.display()
        )));
    }
    Ok(StoredLog::open(&directory))
}
