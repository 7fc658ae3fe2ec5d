//! What a disk holds of a directory, and what it may hold when the power is cut.
//!
//! What is assumed of a disk and its file system, all of it less than Linux and ext4 give in practice:
//!
//! - After `fsync` or `fdatasync` of a file its bytes and its length are there. Nothing else makes them so.
//! - Of bytes that were written since, each sector of 512 bytes holds what it held at any moment since the last sync, whatever
//!   its neighbours hold. A sector is never torn in itself. The length is any that the file had since.
//! - After an `fsync` that failed, the kernel may take the pages for written: a later one that succeeds does not save what
//!   was written before the failure.
//! - A new, renamed or removed entry of a directory is there after `fsync` of the directory. Of later changes of one
//!   directory the first ones may be there, for journals keep their order. Syncing a file does not save its entry.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::chance::Chance;
use crate::journal::Entry;

const SECTOR_BYTES: usize = 512;

/// A directory and all that is below it: paths in it, with the bytes of files; `None` for a directory.
pub type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// Reads a directory.
pub fn read_tree(directory: &Path) -> Tree {
    fn add(tree: &mut Tree, directory: &Path, at: &str) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = join(at, entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(tree, &entry.path(), &path);
                tree.insert(path, None);
            } else {
                let bytes = fs::read(entry.path()).unwrap();
                tree.insert(path, Some(bytes));
            }
        }
    }
    let mut tree = Tree::new();
    add(&mut tree, directory, "");
    tree
}

/// Makes a directory hold this and nothing else.
pub fn write_tree(tree: &Tree, directory: &Path) {
    fs::remove_dir_all(directory).unwrap();
    fs::create_dir(directory).unwrap();
    // A directory comes before what is in it.
    for (path, content) in tree {
        match content {
            Some(bytes) => fs::write(directory.join(path), bytes).unwrap(),
            None => fs::create_dir(directory.join(path)).unwrap(),
        }
    }
}

/// A file: what is safe, and what was done to it since.
#[derive(Debug, Clone, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
struct Change {
    offset: usize,
    bytes: Vec<u8>,
    /// The file's length from then on.
    length: usize,
    /// A sync failed behind it: the kernel may think that it is written.
    is_forgotten: bool,
}

impl File {
    fn length(&self) -> usize {
        self.pending
            .last()
            .map_or(self.durable.len(), |change| change.length)
    }

    fn write(&mut self, offset: usize, bytes: Vec<u8>) {
        let length = self.length().max(offset + bytes.len());
        self.change(offset, bytes, length);
    }

    fn set_length(&mut self, length: usize) {
        // What is cut off reads as zeros, should the file grow again.
        let gone = self.length().saturating_sub(length);
        self.change(length, vec![0; gone], length);
    }

    fn change(&mut self, offset: usize, bytes: Vec<u8>, length: usize) {
        self.pending.push(Change {
            offset,
            bytes,
            length,
            is_forgotten: false,
        });
    }

    fn sync(&mut self) {
        let length = self.length();
        let (forgotten, written): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change| change.is_forgotten);
        for change in &written {
            apply(&mut self.durable, change.offset, &change.bytes);
        }
        self.durable.resize(length, 0);
        self.pending = forgotten;
    }

    fn fail_to_sync(&mut self) {
        for change in &mut self.pending {
            change.is_forgotten = true;
        }
    }

    /// Everything that was written.
    fn whole(&self) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            apply(&mut bytes, change.offset, &change.bytes);
        }
        bytes.resize(self.length(), 0);
        bytes
    }

    /// What may be left: of each sector the state at some moment since the last sync.
    fn torn(&self, chance: &mut Chance) -> Vec<u8> {
        let mut states: BTreeMap<usize, usize> = BTreeMap::new();
        for (sector, ..) in self.pending.iter().flat_map(sectors) {
            *states.entry(sector).or_default() += 1;
        }
        let leaning = chance.up_to(2);
        for kept in states.values_mut() {
            *kept = match leaning {
                0 => chance.index(*kept),
                // Nearly all, or nearly nothing.
                1 if !chance.once_in(16) => *kept,
                1 => 0,
                _ if chance.once_in(16) => *kept,
                _ => 0,
            };
        }
        let mut bytes = self.durable.clone();
        for (sector, offset, part) in self.pending.iter().flat_map(sectors) {
            if let Some(kept) = states.get_mut(&sector)
                && *kept > 0
            {
                *kept -= 1;
                apply(&mut bytes, offset, part);
            }
        }
        let moment = chance.index(self.pending.len());
        let length = match moment.checked_sub(1) {
            Some(last) => self.pending[last].length,
            None => self.durable.len(),
        };
        bytes.resize(length, 0);
        bytes
    }
}

/// The parts of a change by sector: the sector's number, where the part goes, its bytes.
fn sectors(change: &Change) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut offset = change.offset;
    let mut rest = change.bytes.as_slice();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let sector = offset / SECTOR_BYTES;
        let count = ((sector + 1) * SECTOR_BYTES - offset).min(rest.len());
        let (part, behind) = rest.split_at(count);
        let place = offset;
        (rest, offset) = (behind, offset + count);
        Some((sector, place, part))
    })
}

fn apply(bytes: &mut Vec<u8>, offset: usize, part: &[u8]) {
    if bytes.len() < offset + part.len() {
        bytes.resize(offset + part.len(), 0);
    }
    bytes[offset..offset + part.len()].copy_from_slice(part);
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Directory,
    File(usize),
}

type Names = BTreeMap<String, Node>;

/// The entries of one directory: those that are safe, and how they changed since.
#[derive(Debug, Clone, Default)]
struct Directory {
    durable: Names,
    /// The entries after each change.
    pending: Vec<Names>,
}

impl Directory {
    fn now(&self) -> &Names {
        self.pending.last().unwrap_or(&self.durable)
    }

    fn change(&mut self, change: impl FnOnce(&mut Names)) {
        let mut names = self.now().clone();
        change(&mut names);
        self.pending.push(names);
    }

    fn sync(&mut self) {
        if let Some(names) = self.pending.pop() {
            self.durable = names;
            self.pending.clear();
        }
    }
}

/// How much a power cut leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Nothing,
    Everything,
    /// Any of it.
    Parts,
}

/// A disk with one directory, while a process works in it.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    files: Vec<File>,
    /// Of the numbers in the journal, the places in `files`.
    numbers: BTreeMap<u64, usize>,
    directories: BTreeMap<String, Directory>,
}

impl Disk {
    /// A disk that has this, all of it safe.
    pub fn with(tree: &Tree) -> Self {
        let mut disk = Self::default();
        disk.directories.insert(String::new(), Directory::default());
        for (path, content) in tree {
            let node = if let Some(bytes) = content {
                disk.add_file(bytes.clone())
            } else {
                disk.directories.insert(path.clone(), Directory::default());
                Node::Directory
            };
            let (directory, name) = split(path);
            let directory = disk.directories.get_mut(directory).unwrap();
            directory.durable.insert(name.to_owned(), node);
        }
        disk
    }

    /// The disk behind what a process did on one that had `before`, and what it said meanwhile.
    pub fn behind(before: &Tree, journal: &[Entry]) -> (Self, String) {
        let mut disk = Self::with(before);
        let mut said = String::new();
        for entry in journal {
            disk.follow(entry);
            if let Entry::Said(text) = entry {
                said.push_str(text);
            }
        }
        (disk, said)
    }

    fn add_file(&mut self, durable: Vec<u8>) -> Node {
        self.files.push(File {
            durable,
            pending: Vec::new(),
        });
        Node::File(self.files.len() - 1)
    }

    /// Does what the journal says was done.
    pub fn follow(&mut self, entry: &Entry) {
        match entry {
            Entry::Open { file, path } => {
                let (directory, name) = split(path);
                let known = self.directories[directory].now().get(name).copied();
                let node = known.unwrap_or_else(|| {
                    let node = self.add_file(Vec::new());
                    self.change_names(path, |names, name| {
                        names.insert(name, node);
                    });
                    node
                });
                let Node::File(place) = node else {
                    panic!("{path} is a directory")
                };
                self.numbers.insert(*file, place);
            }
            Entry::Write {
                file,
                offset,
                bytes,
            } => self.file(*file).write(*offset, bytes.clone()),
            Entry::SetLength { file, length } => self.file(*file).set_length(*length),
            Entry::Sync { file } => self.file(*file).sync(),
            Entry::FailedSync { file } => self.file(*file).fail_to_sync(),
            Entry::SyncDirectory { path } => self.directories.get_mut(path).unwrap().sync(),
            Entry::MakeDirectory { path } => {
                self.directories.insert(path.clone(), Directory::default());
                self.change_names(path, |names, name| {
                    names.insert(name, Node::Directory);
                });
            }
            Entry::Rename { from, to } => {
                let (_, new_name) = split(to);
                assert_eq!(split(from).0, split(to).0, "within one directory");
                self.change_names(from, |names, name| {
                    let node = names.remove(&name).unwrap();
                    names.insert(new_name.to_owned(), node);
                });
            }
            Entry::Remove { path } => self.change_names(path, |names, name| {
                names.remove(&name);
            }),
            Entry::Said(_) | Entry::Failed => {}
        }
    }

    fn file(&mut self, number: u64) -> &mut File {
        &mut self.files[self.numbers[&number]]
    }

    fn change_names(&mut self, path: &str, change: impl FnOnce(&mut Names, String)) {
        let (directory, name) = split(path);
        let directory = self.directories.get_mut(directory).unwrap();
        directory.change(|names| change(names, name.to_owned()));
    }

    /// What is left when the power is cut now.
    pub fn cut(&self, left: Left, chance: &mut Chance) -> Tree {
        let mut tree = Tree::new();
        self.add_left(&mut tree, "", left, chance);
        tree
    }

    fn add_left(&self, tree: &mut Tree, at: &str, left: Left, chance: &mut Chance) {
        let directory = &self.directories[at];
        let names = match left {
            Left::Nothing => &directory.durable,
            Left::Everything => directory.now(),
            Left::Parts => match chance.index(directory.pending.len()).checked_sub(1) {
                Some(last) => &directory.pending[last],
                None => &directory.durable,
            },
        };
        for (name, node) in names {
            let path = join(at, name);
            match node {
                Node::Directory => {
                    self.add_left(tree, &path, left, chance);
                    tree.insert(path, None);
                }
                Node::File(place) => {
                    let file = &self.files[*place];
                    let bytes = match left {
                        Left::Nothing => file.durable.clone(),
                        Left::Everything => file.whole(),
                        Left::Parts => file.torn(chance),
                    };
                    tree.insert(path, Some(bytes));
                }
            }
        }
    }
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}

/// The directory of a path and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
