//! The mark: how far the log was ever durable, in a small file beside the store.
//!
//! When sled opens a file that is damaged it goes on with what is before the damage, and says nothing. The records
//! behind would be gone, and the stream's messages acknowledged. So the last position is written down in a second
//! place, and a log that ends before its mark is not opened.
//!
//! The mark is written after the sync of the records and is not synced itself: that costs nothing, and after a power
//! cut it may be behind, never ahead.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::directory::failed;
use super::{LogError, Position};

const MARK_FILE: &str = "farelog.mark";

const POSITION_BYTES: usize = 8;
const MARK_BYTES: usize = POSITION_BYTES + 8;

/// The mark of one log.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
    path: PathBuf,
    /// Mixed into the check, so that the mark of another log is not taken for this one's.
    seed: u64,
}

impl Mark {
    /// Opens the mark in a log's directory, making it if it is missing.
    pub(super) fn open(directory: &Path, log_id: Uuid) -> Result<Self, LogError> {
        let path = directory.join(MARK_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(failed("open", &path))?;
        Ok(Self::of(file, path, log_id))
    }

    /// The mark in the directory of a log that is only looked at; `None` where there is none.
    pub(super) fn find(directory: &Path, log_id: Uuid) -> Result<Option<Self>, LogError> {
        let path = directory.join(MARK_FILE);
        match File::open(&path) {
            Ok(file) => Ok(Some(Self::of(file, path, log_id))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("open", &path)(error)),
        }
    }

    fn of(file: File, path: PathBuf, log_id: Uuid) -> Self {
        let seed = log_id.as_u64_pair().1;
        Self { file, path, seed }
    }

    /// Fails where the log ends before the mark.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with the first position that is missing.
    pub(super) fn check(&self, last_position: Position) -> Result<(), LogError> {
        match self.get()? {
            Some(marked) if marked > last_position => Err(LogError::Corrupt {
                position: last_position + 1,
                problem: format!(
                    "the store lost its tail, it had records up to position {marked}; restore the directory from a \
                     copy, or remove {} to go on with what is left",
                    self.path.display()
                ),
            }),
            _ => Ok(()),
        }
    }

    /// Moves the mark. To be called once the records up to `position` are durable.
    pub(super) fn set(&self, position: Position) -> Result<(), LogError> {
        let mut value = [0; MARK_BYTES];
        let (number, check) = value.split_at_mut(POSITION_BYTES);
        number.copy_from_slice(&position.to_le_bytes());
        check.copy_from_slice(&xxh3_64_with_seed(number, self.seed).to_le_bytes());
        self.file
            .write_all_at(&value, 0)
            .map_err(failed("write", &self.path))
    }

    /// The marked position; `None` where there is no mark, or none of this log that can be read.
    fn get(&self) -> Result<Option<Position>, LogError> {
        let mut value = [0; MARK_BYTES];
        match self.file.read_exact_at(&mut value, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(failed("read", &self.path)(error)),
        }
        Ok(value
            .split_first_chunk()
            .filter(|(number, check)| {
                xxh3_64_with_seed(*number, self.seed).to_le_bytes() == **check
            })
            .map(|(number, _)| Position::from_le_bytes(*number)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_ends_before_its_mark_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let mark = Mark::open(directory.path(), Uuid::from_u128(1)).unwrap();
        mark.check(0).unwrap();
        mark.set(7).unwrap();
        drop(mark);
        let mark = Mark::open(directory.path(), Uuid::from_u128(1)).unwrap();
        mark.check(7).unwrap();
        mark.check(8).unwrap();
        let refused = mark.check(6);
        assert!(matches!(
            refused,
            Err(LogError::Corrupt { position: 7, .. })
        ));
    }

    #[test]
    fn a_damaged_mark_or_another_logs_counts_as_none() {
        let directory = tempfile::tempdir().unwrap();
        let mark = Mark::open(directory.path(), Uuid::from_u128(1)).unwrap();
        mark.set(7).unwrap();
        let of_another = Mark::open(directory.path(), Uuid::from_u128(2)).unwrap();
        of_another.check(0).unwrap();
        mark.file.write_all_at(&[8], 0).unwrap();
        mark.check(0).unwrap();
    }
}
