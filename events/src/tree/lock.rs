//! A directory that no other process has.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::TreeError;
use super::files::{LOCK, sync_directory};

/// How long is waited for a lock. A process that is just being started holds a copy of those that were there, until it has
/// come to its own program.
const PATIENCE: Duration = Duration::from_millis(500);

/// The lock of a directory. It goes with the value, or with the process.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "held, and not used")] File);

impl DirectoryLock {
    /// Makes the directory if it is missing, and locks it.
    ///
    /// # Errors
    /// [`TreeError::InUse`], or the system refuses.
    pub fn take(directory: &Path) -> Result<Self, TreeError> {
        if !directory.exists() {
            fs::create_dir_all(directory).map_err(TreeError::io("create", directory))?;
            let parent = directory.parent().filter(|parent| *parent != Path::new(""));
            sync_directory(parent.unwrap_or(Path::new(".")))?;
        }
        Self::of_file(LOCK, directory)
    }

    /// Locks a directory that is there by a file in it.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) fn of_file(name: &str, directory: &Path) -> Result<Self, TreeError> {
        let path = directory.join(name);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(TreeError::io("open", &path))?;
        let begun = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(TreeError::InUse(directory.display().to_string()));
                }
                Err(TryLockError::Error(source)) => {
                    return Err(TreeError::io("lock", &path)(source));
                }
            }
        }
    }
}
