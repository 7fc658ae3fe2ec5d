//! What a recorded process did to its files, entry by entry (the library's own page: `tests/power-cut/src/lib.rs`).

use std::fs;
use std::path::Path;

/// One thing that was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file was opened for the first time, or made.
    Open {
        file: u64,
        path: String,
    },
    Write {
        file: u64,
        offset: usize,
        bytes: Vec<u8>,
    },
    SetLength {
        file: u64,
        length: usize,
    },
    Sync {
        file: u64,
    },
    FailedSync {
        file: u64,
    },
    SyncDirectory {
        path: String,
    },
    MakeDirectory {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    /// The process said something.
    Said(String),
    /// The call that was to fail has failed.
    Failed,
}

/// Reads a journal. Of a process that was killed the last entry may be in parts, and is left out.
pub fn read(path: &Path) -> Vec<Entry> {
    let bytes = fs::read(path).unwrap_or_default();
    let mut rest = bytes.as_slice();
    let mut entries = Vec::new();
    while let Some((entry, behind)) = split(rest) {
        entries.push(entry);
        rest = behind;
    }
    entries
}

fn split(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (&letter, rest) = rest.split_first()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (second, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap();
    let (payload, rest) = rest.split_at_checked(length)?;
    let file = u64::from_le_bytes(*first);
    let number = usize::try_from(u64::from_le_bytes(*second)).unwrap();
    let text = || String::from_utf8(payload.to_vec()).unwrap();
    let entry = match letter {
        b'O' => Entry::Open { file, path: text() },
        b'W' => Entry::Write {
            file,
            offset: number,
            bytes: payload.to_vec(),
        },
        b'T' => Entry::SetLength {
            file,
            length: number,
        },
        b'S' => Entry::Sync { file },
        b'F' => Entry::FailedSync { file },
        b'D' => Entry::SyncDirectory { path: text() },
        b'M' => Entry::MakeDirectory { path: text() },
        b'R' => {
            let both = text();
            let (from, to) = both.split_once('\0').unwrap();
            Entry::Rename {
                from: from.to_owned(),
                to: to.to_owned(),
            }
        }
        b'U' => Entry::Remove { path: text() },
        b'A' => Entry::Said(text()),
        b'X' => Entry::Failed,
        other => panic!("the journal has an entry {other}"),
    };
    Some((entry, rest))
}
