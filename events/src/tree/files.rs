//! The files of a tree: what is looked at before the library sees them, and how they are removed.
//!
//! The library checks each block when it reads it, but believes what stands in its list of tables and in their tables of
//! contents; on damage there it panics, or asks for more memory than there is. It also writes down a check over each
//! whole file. So the list is compared before it opens them, and the tables where they are small enough for that.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3Default;

use super::TreeError;
use crate::bytes::{Malformed, Reader};

/// Says which list of tables counts: its number and the check over it. The library replaces the file as a whole.
const CURRENT: &str = "current";

/// The directory of the tables, which have numbers as names.
const TABLES: &str = "tables";

/// There where the tree was found to be damaged.
const DAMAGED: &str = "damaged";

/// The lock of a directory that is a tree's alone.
pub(super) const LOCK: &str = "lock";

/// What the library calls a file that is to replace another one.
const UNFINISHED_PREFIX: &str = ".tmp";

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Whether there was a tree: the library makes this file last.
///
/// # Errors
/// The system does not say, or what it says is damage.
pub fn has_tree(directory: &Path) -> Result<bool, TreeError> {
    is_there(&directory.join(CURRENT))
}

/// What the system refuses to say is no "no": what is there would be taken for new.
fn is_there(path: &Path) -> Result<bool, TreeError> {
    path.try_exists().map_err(refused_or_damaged(path))
}

/// Where a table is.
pub(super) fn table(directory: &Path, number: u64) -> PathBuf {
    directory.join(TABLES).join(number.to_string())
}

/// Whether there is nothing in a directory but its lock, or no directory.
///
/// # Errors
/// As [`has_tree`].
pub fn is_new(directory: &Path) -> Result<bool, TreeError> {
    Ok(!is_there(directory)?
        || entries(directory)
            .map_err(refused_or_damaged(directory))?
            .iter()
            .all(|entry| entry.file_name() == LOCK))
}

/// Leaves word that the tree is damaged, for the next start.
pub(super) fn mark_damaged(directory: &Path) {
    let path = directory.join(DAMAGED);
    let marked = File::create(&path)
        .and_then(|mark| mark.sync_all())
        .map_err(TreeError::io("mark as damaged", &path))
        .and_then(|()| sync_directory(directory));
    // There is nothing left to do then: the next one who finds the damage tries again.
    if let Err(error) = marked {
        tracing::warn!(%error, "a tree is damaged, and the next start may not know");
    }
}

/// Compares every file with the check over it: some hundredths of a second for a hundred megabytes.
///
/// # Errors
/// One is not what was written, or can't be read.
pub fn check(directory: &Path) -> Result<(), TreeError> {
    let list = check_list(directory)?;
    for (number, check) in read_tables(&list)? {
        compare(&table(directory, number), check)?;
    }
    Ok(())
}

/// Compares the list of tables with the check over it, and looks for word that the tree is damaged. Gives the list's path.
///
/// # Errors
/// As [`check`].
pub fn check_list(directory: &Path) -> Result<PathBuf, TreeError> {
    if is_there(&directory.join(DAMAGED))? {
        return Err(TreeError::Damaged("it was found to be damaged".to_owned()));
    }
    let current = directory.join(CURRENT);
    let (list, check) = fs::read(&current)
        .map_err(refused_or_damaged(&current))
        .and_then(|bytes| read_current(&bytes).map_err(malformed(&current)))?;
    let list = directory.join(format!("v{list}"));
    compare(&list, check)?;
    let tables = directory.join(TABLES);
    only_files(&tables).map_err(refused_or_damaged(&tables))?;
    Ok(list)
}

/// The library takes it for granted that there is no directory among its tables, and panics at one.
fn only_files(tables: &Path) -> io::Result<()> {
    for entry in fs::read_dir(tables)? {
        if entry?.file_type()?.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
    }
    Ok(())
}

fn read_current(bytes: &[u8]) -> Result<(u64, u128), Malformed> {
    let mut reader = Reader::new(bytes);
    let number = u64::from_le_bytes(reader.array()?);
    let check = u128::from_le_bytes(reader.array()?);
    let kind_of_check = reader.byte()?;
    if kind_of_check == 0 && reader.is_empty() {
        Ok((number, check))
    } else {
        Err(Malformed("its check is of another kind"))
    }
}

/// The numbers of the tables and the checks over them, from a list that was found sound.
fn read_tables(list: &Path) -> Result<Vec<(u64, u128)>, TreeError> {
    let contents = sfa::Reader::new(list).map_err(|error| match error {
        sfa::Error::Io(error) => refused_or_damaged(list)(error),
        _ => malformed(list)(Malformed("its table of contents can't be read")),
    })?;
    let section = contents
        .toc()
        .section(b"tables")
        .ok_or_else(|| malformed(list)(Malformed("it has no tables")))?;
    let mut bytes = Vec::new();
    section
        .buf_reader(list)
        .and_then(|mut reader| reader.read_to_end(&mut bytes))
        .map_err(refused_or_damaged(list))?;
    table_checks(&bytes).map_err(malformed(list))
}

fn table_checks(bytes: &[u8]) -> Result<Vec<(u64, u128)>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut checks = Vec::new();
    for _level in 0..reader.byte()? {
        for _run in 0..reader.byte()? {
            for _table in 0..u32::from_le_bytes(reader.array()?) {
                let number = u64::from_le_bytes(reader.array()?);
                let _kind_of_check = reader.byte()?;
                checks.push((number, u128::from_le_bytes(reader.array()?)));
                let _sequence: [u8; 8] = reader.array()?;
            }
        }
    }
    Ok(checks)
}

fn compare(path: &Path, check: u128) -> Result<(), TreeError> {
    let found = digest(path).map_err(refused_or_damaged(path))?;
    if found == check {
        Ok(())
    } else {
        Err(malformed(path)(Malformed(
            "its check does not match its bytes",
        )))
    }
}

fn digest(path: &Path) -> io::Result<u128> {
    let mut file = File::open(path)?;
    let mut hasher = Xxh3Default::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.digest128()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn malformed(path: &Path) -> impl FnOnce(Malformed) -> TreeError {
    move |Malformed(problem)| {
        TreeError::Damaged(format!("{} is malformed, {problem}", path.display()))
    }
}

/// What a failed read of a file means: that it is damaged, or that the system refuses.
fn refused_or_damaged(path: &Path) -> impl FnOnce(io::Error) -> TreeError {
    move |error| {
        if is_damage(&error) || can_not_be_read(&error) {
            TreeError::Damaged(format!("{}: {error}", path.display()))
        } else {
            TreeError::io("read", path)(error)
        }
    }
}

/// Whether a file is missing, or one too many, cut, or not what it should be.
pub(super) fn is_damage(error: &io::Error) -> bool {
    use ErrorKind as K;
    matches!(
        error.kind(),
        K::NotFound
            | K::AlreadyExists
            | K::IsADirectory
            | K::NotADirectory
            | K::UnexpectedEof
            | K::InvalidData
            | K::InvalidInput
    )
}

/// Whether a read failed because the bytes are not to be had: so a disk says that it lost them, and a file system with
/// checks of its own that they are others. Trying again would give the same, at each start.
pub(super) fn can_not_be_read(error: &io::Error) -> bool {
    /// "Input/output error".
    const EIO: i32 = 5;
    /// "Structure needs cleaning", on Linux.
    const EUCLEAN: i32 = 117;
    matches!(error.raw_os_error(), Some(EIO | EUCLEAN))
}

/// Removes all files of a tree, and whatever else is in its directory but the lock.
///
/// First the one without which no other is taken for one of a tree, and durably so; last the word that it is damaged. So
/// whatever of this a kill or a power cut leaves is not taken for sound.
pub fn remove(directory: &Path) -> Result<(), TreeError> {
    remove_entry(&directory.join(CURRENT))?;
    sync_directory(directory)?;
    for entry in entries(directory).map_err(TreeError::io("list", directory))? {
        if entry.file_name() != DAMAGED && entry.file_name() != LOCK {
            remove_entry(&entry.path())?;
        }
    }
    remove_entry(&directory.join(DAMAGED))
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(directory: &Path) -> Result<(), TreeError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(TreeError::io("sync", directory))
}

/// Removes a file, or a directory with all that is in it, if there is one.
fn remove_entry(path: &Path) -> Result<(), TreeError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            for entry in entries(path).map_err(TreeError::io("list", path))? {
                remove_entry(&entry.path())?;
            }
            fs::remove_dir(path)
        }
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(TreeError::io("remove", path))
}

fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    fs::read_dir(directory).and_then(Iterator::collect)
}

/// Removes what a kill leaves while the library replaces a file: the new one under another name.
///
/// # Errors
/// The system refuses, or the directory can't be read.
pub fn remove_unfinished(directory: &Path) -> Result<(), TreeError> {
    for entry in entries(directory).map_err(refused_or_damaged(directory))? {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with(UNFINISHED_PREFIX) {
            remove_entry(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading_fails_with(error: i32) -> TreeError {
        refused_or_damaged(Path::new("tables/7"))(io::Error::from_raw_os_error(error))
    }

    #[test]
    fn bytes_that_are_not_to_be_had_are_damage() {
        // EIO, ENOENT, ENOTDIR, EISDIR, EUCLEAN
        for error in [5, 2, 20, 21, 117] {
            let unusable = reading_fails_with(error);
            assert!(matches!(unusable, TreeError::Damaged(_)), "{unusable:?}");
        }
    }

    /// A directory that could not be listed counted as new, and the log was folded a second time over what was there.
    #[test]
    fn a_directory_that_can_not_be_listed_is_not_new() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("points-to-itself");
        assert!(is_new(&directory).unwrap());
        std::os::unix::fs::symlink(&directory, &directory).unwrap();
        assert!(is_new(&directory).is_err());
        assert!(has_tree(&directory).is_err());
        assert!(check(&directory).is_err());
    }

    #[test]
    fn what_the_system_refuses_says_nothing_about_the_files() {
        // EACCES, ENOMEM, ENFILE, EMFILE, ENOSPC
        for error in [13, 12, 23, 24, 28] {
            let unusable = reading_fails_with(error);
            assert!(matches!(unusable, TreeError::Io { .. }), "{unusable:?}");
        }
    }
}
