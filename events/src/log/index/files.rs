//! The files of the index: what is looked at before the library sees them, and how it is told to keep them.
//!
//! The library checks each block when it reads it, but believes what stands in its list of tables and in their tables of
//! contents; on damage there it panics, or asks for more memory than there is. It also writes down a check over each
//! whole file. So all files are read and compared before it opens them.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use lsm_tree::config::PinningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, SeqNo, SequenceNumberCounter};
use xxhash_rust::xxh3::Xxh3Default;

use super::IndexMemory;
use crate::bytes::{Malformed, Reader};
use crate::log::LogError;
use crate::log::directory::{failed, sync_directory};

/// Says which list of tables counts: its number and the check over it. The library replaces the file as a whole.
const CURRENT: &str = "current";

/// The directory of the tables, which have numbers as names.
const TABLES: &str = "tables";

/// There where the index was found to be damaged.
const DAMAGED: &str = "damaged";

/// What the library calls a file that is to replace another one.
const UNFINISHED_PREFIX: &str = ".tmp";

/// Bytes of a file that are read at once.
const READ_BYTES: usize = 256 * 1024;

/// Why an index is not used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It is to be made anew.
    Damaged(String),
    /// The system refused, which says nothing about the files.
    Refused(LogError),
}

/// The tree, and the counter of its sequence numbers.
pub(in crate::log) struct Tree {
    pub(super) tree: AnyTree,
    pub(super) sequence: SequenceNumberCounter,
}

/// Opens the tree in a directory, or makes it.
pub(super) fn open_tree(directory: &Path, memory: IndexMemory) -> lsm_tree::Result<Tree> {
    let sequence = SequenceNumberCounter::default();
    let tree = Config::new(
        directory,
        sequence.clone(),
        SequenceNumberCounter::default(),
    )
    .use_cache(Arc::new(Cache::with_capacity_bytes(memory.cache_bytes)))
    // Some bytes a subject, and without them a look-up of one that is not there would read.
    .filter_block_pinning_policy(PinningPolicy::all(true))
    .index_block_pinning_policy(PinningPolicy::all(true))
    .filter_block_partitioning_policy(PinningPolicy::all(false))
    .index_block_partitioning_policy(PinningPolicy::all(false))
    .open()?;
    sequence.set(tree.get_highest_seqno().map_or(0, |last: SeqNo| last + 1));
    Ok(Tree { tree, sequence })
}

/// Whether there was an index: the library makes this file last.
pub(super) fn has_index(directory: &Path) -> bool {
    directory.join(CURRENT).exists()
}

/// Leaves word that the index is damaged, for the next start.
pub(super) fn mark_damaged(directory: &Path) {
    let path = directory.join(DAMAGED);
    let marked = File::create(&path)
        .and_then(|mark| mark.sync_all())
        .map_err(failed("mark as damaged", &path))
        .and_then(|()| sync_directory(directory));
    // There is nothing left to do then: the next one who finds the damage tries again.
    if let Err(error) = marked {
        tracing::warn!(%error, "the event log's index is damaged, and the next start may not know");
    }
}

/// Compares every file of the index with the check over it.
pub(super) fn check(directory: &Path) -> Result<(), Unusable> {
    if directory.join(DAMAGED).exists() {
        return Err(Unusable::Damaged("it was found to be damaged".to_owned()));
    }
    let current = directory.join(CURRENT);
    let (list, check) = fs::read(&current)
        .map_err(refused_or_damaged(&current))
        .and_then(|bytes| read_current(&bytes).map_err(malformed(&current)))?;
    let list = directory.join(format!("v{list}"));
    compare(&list, check)?;
    let tables = directory.join(TABLES);
    only_files(&tables).map_err(refused_or_damaged(&tables))?;
    for (number, check) in read_tables(&list)? {
        compare(&tables.join(number.to_string()), check)?;
    }
    Ok(())
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
fn read_tables(list: &Path) -> Result<Vec<(u64, u128)>, Unusable> {
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

fn compare(path: &Path, check: u128) -> Result<(), Unusable> {
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

fn malformed(path: &Path) -> impl FnOnce(Malformed) -> Unusable {
    move |Malformed(problem)| {
        Unusable::Damaged(format!("{} is malformed, {problem}", path.display()))
    }
}

/// What a failed read of a file means: that it is damaged, or that the system refuses.
fn refused_or_damaged(path: &Path) -> impl FnOnce(io::Error) -> Unusable {
    move |error| {
        if is_damage(&error) || can_not_be_read(&error) {
            Unusable::Damaged(format!("{}: {error}", path.display()))
        } else {
            Unusable::Refused(failed("read", path)(error))
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

/// Removes all files of the index.
///
/// First the one without which no other is taken for one of an index, and durably so; last the word that it is damaged. So
/// whatever of this a kill or a power cut leaves is not taken for sound.
pub(super) fn remove(directory: &Path) -> Result<(), LogError> {
    remove_entry(&directory.join(CURRENT))?;
    sync_directory(directory)?;
    for entry in entries(directory)? {
        if entry.file_name() != DAMAGED {
            remove_entry(&entry.path())?;
        }
    }
    remove_entry(&directory.join(DAMAGED))
}

/// Removes a file, or a directory with all that is in it, if there is one.
fn remove_entry(path: &Path) -> Result<(), LogError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => {
            for entry in entries(path)? {
                remove_entry(&entry.path())?;
            }
            fs::remove_dir(path)
        }
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(failed("remove", path))
}

fn entries(directory: &Path) -> Result<Vec<DirEntry>, LogError> {
    fs::read_dir(directory)
        .and_then(Iterator::collect)
        .map_err(failed("list", directory))
}

/// A kill while the library replaces a file leaves the new one under another name.
pub(super) fn remove_unfinished(directory: &Path) -> Result<(), LogError> {
    for entry in entries(directory)? {
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

    fn reading_fails_with(error: i32) -> Unusable {
        refused_or_damaged(Path::new("tables/7"))(io::Error::from_raw_os_error(error))
    }

    #[test]
    fn bytes_that_are_not_to_be_had_are_damage() {
        // EIO, ENOENT, ENOTDIR, EISDIR, EUCLEAN
        for error in [5, 2, 20, 21, 117] {
            let unusable = reading_fails_with(error);
            assert!(matches!(unusable, Unusable::Damaged(_)), "{unusable:?}");
        }
    }

    #[test]
    fn what_the_system_refuses_says_nothing_about_the_files() {
        // EACCES, ENOMEM, ENFILE, EMFILE, ENOSPC
        for error in [13, 12, 23, 24, 28] {
            let unusable = reading_fails_with(error);
            assert!(matches!(unusable, Unusable::Refused(_)), "{unusable:?}");
        }
    }
}
