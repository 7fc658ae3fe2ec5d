//! A directory that no other process has.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::Path;

use super::TreeError;
use super::files::LOCK;

/// The lock of a directory. It goes with the value, or with the process.
#[derive(Debug)]
pub struct DirectoryLock(#[expect(dead_code, reason = "held, and not used")] File);

impl DirectoryLock {
    /// Makes the directory if it is missing, and locks it.
    ///
    /// # Errors
    /// [`TreeError::InUse`], or the system refuses.
    pub fn take(directory: &Path) -> Result<Self, TreeError> {
        fs::create_dir_all(directory).map_err(TreeError::io("create", directory))?;
        let path = directory.join(LOCK);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(TreeError::io("open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(TreeError::InUse(directory.display().to_string())),
            Err(TryLockError::Error(source)) => Err(TreeError::io("lock", &path)(source)),
        }
    }
}
