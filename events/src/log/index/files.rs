//! The files of the index: what is looked at before the library sees them, and how it is told to keep them.
//!
//! The library checks each block when it reads it, but believes what stands in its list of tables and in their tables of
//! contents; on damage there it panics, or asks for more memory than there is. It also writes down a check over each
//! whole file. So all files are read and compared before it opens them.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use lsm_tree::config::PinningPolicy;
use lsm_tree::{AbstractTree, AnyTree, Cache, Config, SeqNo, SequenceNumberCounter};
use xxhash_rust::xxh3::Xxh3Default;

use super::IndexMemory;
use crate::bytes::{Malformed, Reader};
use crate::log::LogError;
use crate::log::directory::failed;

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
    // Where that fails there is nothing left to do: the next one who finds the damage tries again.
    let _ = File::create(directory.join(DAMAGED));
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
    for (number, check) in read_tables(&list)? {
        compare(&directory.join(TABLES).join(number.to_string()), check)?;
    }
    Ok(())
}

fn read_current(bytes: &[u8]) -> Result<(u64, u128), Malformed> {
    let mut reader = Reader::new(bytes);
    let number = u64::from_le_bytes(reader.array()?);
    let check = u128::from_le_bytes(reader.array()?);
    Ok((number, check))
}

/// The numbers of the tables and the checks over them, from a list that was found sound.
fn read_tables(list: &Path) -> Result<Vec<(u64, u128)>, Unusable> {
    let not_read = |_| Unusable::Damaged(format!("{} can't be read", list.display()));
    let contents = sfa::Reader::new(list).map_err(not_read)?;
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

/// Whether a file is missing or not what it should be, or the system refused.
fn refused_or_damaged(path: &Path) -> impl FnOnce(io::Error) -> Unusable {
    move |error| {
        if is_damage(&error) {
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
            | K::UnexpectedEof
            | K::InvalidData
            | K::InvalidInput
    )
}

/// Removes all files of the index, and those of the directory itself first: without them no other is taken for one of an
/// index, whatever of this a power cut leaves.
pub(super) fn remove(directory: &Path) -> Result<(), LogError> {
    let mut directories = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        let path = entry.path();
        if path.is_dir() {
            directories.push(path);
        } else {
            fs::remove_file(&path).map_err(failed("remove", &path))?;
        }
    }
    directories.iter().try_for_each(|inner| remove(inner))
}

/// A kill while the library replaces a file leaves the new one under another name.
pub(super) fn remove_unfinished(directory: &Path) -> Result<(), LogError> {
    for entry in fs::read_dir(directory).map_err(failed("list", directory))? {
        let entry = entry.map_err(failed("list", directory))?;
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(UNFINISHED_PREFIX)
        {
            fs::remove_file(entry.path()).map_err(failed("remove", &entry.path()))?;
        }
    }
    Ok(())
}
