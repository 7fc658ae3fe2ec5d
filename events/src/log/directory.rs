//! The directory of a log: who may use it, and what makes its entries durable.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::LogError;
use crate::tree::DirectoryLock;

/// Held from before the store is touched until after it is closed. Not sled's own lock: that is taken too late to
/// clean up under.
const LOCK_FILE: &str = "farelog.lock";

/// The file that sled keeps the settings of its files in: text, and a CRC-32 of it. It writes the file once.
const SETTINGS_FILE: &str = "conf";

/// A directory that no other process has open. The lock goes with the value, or with the process.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    _lock: DirectoryLock,
}

impl Directory {
    /// The file that sled keeps its data in.
    pub(super) const DATABASE_FILE: &str = "db";

    /// Makes the directory if it is missing, locks it, and removes what an interrupted start left behind.
    ///
    /// # Errors
    /// [`LogError::InUse`] where another process, or another part of this one, has it; [`LogError::Io`].
    pub(super) fn lock(path: &Path) -> Result<Self, LogError> {
        let first_existing = path.ancestors().find(|ancestor| ancestor.exists());
        fs::create_dir_all(path).map_err(failed("make a directory", path))?;
        let path = fs::canonicalize(path).map_err(failed("find", path))?;
        if let Some(existing) = first_existing {
            sync_way(&path, existing)?;
        }

        let lock = DirectoryLock::of_file(LOCK_FILE, &path)?;
        let directory = Self { path, _lock: lock };
        directory.remove_unfinished_snapshots()?;
        directory.remove_torn_settings()?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database_path(&self) -> PathBuf {
        self.path.join(Self::DATABASE_FILE)
    }

    /// A kill while sled opens can leave `snap.….generating`, which the next open takes for a snapshot and fails on
    /// (spacejam/sled issues 1527 and 1533). Such a file holds nothing that is not in the database.
    fn remove_unfinished_snapshots(&self) -> Result<(), LogError> {
        for entry in fs::read_dir(&self.path).map_err(failed("list", &self.path))? {
            let entry = entry.map_err(failed("list", &self.path))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// sled does not sync its settings, so a power cut in the first start can leave any part of them, and sled refuses
    /// what it can't read, for good. Without the file it writes what it is told, which never changes: nothing is lost.
    fn remove_torn_settings(&self) -> Result<(), LogError> {
        let path = self.path.join(SETTINGS_FILE);
        let settings = match fs::read(&path) {
            Ok(settings) => settings,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let is_whole = settings.split_last_chunk().is_some_and(|(text, check)| {
            !text.is_empty() && crc32fast::hash(text) == u32::from_le_bytes(*check)
        });
        if is_whole {
            Ok(())
        } else {
            fs::remove_file(&path).map_err(failed("remove", &path))
        }
    }

    /// Makes durable what sled does not once the log is open: its settings, and the directory's entries, new ones as
    /// well as those that it renamed into place.
    pub(super) fn sync(&self) -> Result<(), LogError> {
        let settings = self.path.join(SETTINGS_FILE);
        File::open(&settings)
            .and_then(|file| file.sync_all())
            .map_err(failed("sync", &settings))?;
        sync_directory(&self.path)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> Result<u64, LogError> {
        let mut bytes = 0;
        let mut directories = vec![self.path.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(&directory).map_err(failed("list", &directory))? {
                let entry = entry.map_err(failed("list", &directory))?;
                match entry.metadata() {
                    Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                    Ok(metadata) => bytes += metadata.len(),
                    // A snapshot that gave way to a newer one meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(failed("measure", &entry.path())(error)),
                }
            }
        }
        Ok(bytes)
    }
}

/// Makes the way to a directory durable, down from the ancestor that was there before it was made.
///
/// The parent in any case: a start that was killed may have made the directory and not come to this.
fn sync_way(path: &Path, existing: &Path) -> Result<(), LogError> {
    // A relative path's first existing ancestor may be the empty path: the working directory.
    let existing = if existing.as_os_str().is_empty() {
        Path::new(".")
    } else {
        existing
    };
    let existing = fs::canonicalize(existing).map_err(failed("find", existing))?;
    for (distance, ancestor) in path.ancestors().enumerate().skip(1) {
        if distance > 1 && !ancestor.starts_with(&existing) {
            break;
        }
        match sync_directory(ancestor) {
            // A parent that may not be read is one that was there before, made by someone else.
            Err(LogError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), LogError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("sync", path))
}

/// Turns what the system said into an error that says what was tried, and where.
pub(super) fn failed(action: &'static str, place: &Path) -> impl FnOnce(io::Error) -> LogError {
    let place = place.display().to_string();
    move |source| LogError::Io {
        action,
        place,
        source,
    }
}
