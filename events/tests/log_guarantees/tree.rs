//! Power cuts under a tree without a journal: what is left is all batches up to one, each as a whole, and all that was
//! flushed.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use farelog_events::tree::{
    DirectoryLock, Form, LATEST, OpenTree, Patience, Slice, TreeWriter, files,
};

use crate::chance::{Chance, rounds, seed};
use crate::disk::{Disk, Left, Tree, read_tree, write_tree};
use crate::ingester::{DIRECTORY, Place, WITNESS};
use crate::journal::{self, Entry};
use crate::power_cut::any_left;

/// So little that a part is handed on every few batches.
const SMALL: Form = Form {
    name: "tree",
    cache_bytes: 64 * 1024,
    gathered_bytes: 4 * 1024,
    replay_bytes_max: u64::MAX,
    runs_together: 2,
    runs_unsorted_max: 4,
    table_bytes: 1024 * 1024,
    configure: |config| config,
};

const BATCHES: u64 = 300;

/// After so many batches the child sees to it that they are on the disk.
const BATCHES_FLUSHED: u64 = 40;

/// Each batch changes all of these.
const KEYS: u8 = 12;

/// Each batch has a key of its own too, which this many batches later is removed.
const LIFE: u64 = 7;

fn own_key(number: u64) -> Slice {
    [b"own".as_slice(), &number.to_be_bytes()].concat().into()
}

fn batch(number: u64) -> Vec<(Slice, Option<Slice>)> {
    let value = || Some(number.to_be_bytes().into());
    let mut entries: Vec<_> = (0..KEYS).map(|key| ([b'k', key].into(), value())).collect();
    entries.push((own_key(number), value()));
    if let Some(old) = number.checked_sub(LIFE) {
        entries.push((own_key(old), None));
    }
    entries
}

/// Not a test: the child. It says what it has flushed.
#[test]
#[ignore = "run by the other test as a process of its own"]
fn child_that_applies() {
    let directory = PathBuf::from(env::var_os(DIRECTORY).unwrap());
    let witness = env::var_os(WITNESS).unwrap();
    let mut witness = OpenOptions::new().append(true).open(witness).unwrap();
    let lock = Arc::new(DirectoryLock::take(&directory).unwrap());
    let open = OpenTree::make(&directory, SMALL).unwrap();
    let mut writer = TreeWriter::start(open, Patience::USUAL, lock).unwrap();
    for number in 1..=BATCHES {
        writer.make_room().unwrap();
        writer.apply(batch(number), 1);
        if number.is_multiple_of(BATCHES_FLUSHED) {
            writer.flush().unwrap();
            writeln!(witness, "{number}").unwrap();
        }
    }
    mem::forget(writer);
}

/// Up to which batch all is there; nothing is there of any other.
fn last_whole_batch(directory: &Path) -> u64 {
    if !files::has_tree(directory).unwrap() {
        return 0;
    }
    files::remove_unfinished(directory).unwrap();
    files::check(directory).unwrap();
    let tree = OpenTree::open(directory, SMALL).unwrap().reader();
    let found: Vec<(Slice, Slice)> = tree.iter(LATEST).map(Result::unwrap).collect();
    let number = |value: &Slice| u64::from_be_bytes((**value).try_into().unwrap());
    let last = found.first().map_or(0, |(_, value)| number(value));
    let mut expected: Vec<(Slice, Slice)> = Vec::new();
    for of in 1..=last {
        for (key, value) in batch(of) {
            expected.retain(|(other, _)| *other != key);
            expected.extend(value.map(|value| (key, value)));
        }
    }
    expected.sort();
    assert!(found == expected, "not what {last} batches make");
    last
}

/// What a run did to its disk, which ignored some syncs.
struct Run {
    before: Tree,
    journal: Vec<Entry>,
}

impl Run {
    fn ignoring(syncs: &str) -> Self {
        let place = Place::new();
        fs::create_dir_all(place.log().parent().unwrap()).unwrap();
        let before = read_tree(&place.root());
        let mut command = place.recorded(place.command_of("tree::child_that_applies"));
        command.env("POWER_CUT_IGNORE", syncs);
        assert!(command.status().unwrap().success());
        let journal = journal::read(&place.journal());
        Self { before, journal }
    }

    /// The disk behind so many entries, and up to which batch it was said by then that all is on it.
    fn up_to(&self, entries: usize) -> (Disk, u64) {
        let (disk, said) = Disk::behind(&self.before, &self.journal[..entries]);
        let flushed = said.lines().last().map_or(0, |line| line.parse().unwrap());
        (disk, flushed)
    }
}

#[test]
fn what_a_power_cut_leaves_of_a_tree_is_whole_batches_and_all_that_was_flushed() {
    let (cuts, seed) = (rounds(150), seed(5));
    let mut chance = Chance::new(seed);
    let run = Run::ignoring("nothing");
    let mut in_between = 0;
    for _ in 0..cuts {
        let entries = chance.index(run.journal.len());
        let (disk, flushed) = run.up_to(entries);
        let left = any_left(&mut chance);
        println!("{left:?} left at {entries}, seed {seed}: {flushed} were flushed");
        let cut = Place::new();
        write_tree(&disk.cut(left, &mut chance), &cut.root());
        let last = last_whole_batch(&cut.log());
        assert!(last >= flushed, "{last}");
        in_between += u64::from(!last.is_multiple_of(BATCHES_FLUSHED));
    }
    assert!(in_between > cuts / 4, "{in_between}");
}

/// The proof that the test above sees a missing sync.
#[test]
fn a_tree_that_does_not_sync_is_caught() {
    for (ignored, is_kept) in [("nothing", true), ("files", false), ("directories", false)] {
        let run = Run::ignoring(ignored);
        let is_said = |entry: &Entry| matches!(entry, Entry::Said(_));
        let last = run.journal.iter().rposition(is_said).unwrap();
        let (disk, flushed) = run.up_to(last + 1);
        assert!(flushed > 0);
        let cut = Place::new();
        write_tree(&disk.cut(Left::Nothing, &mut Chance::new(0)), &cut.root());
        let kept = match files::check(&cut.log()) {
            Ok(()) => last_whole_batch(&cut.log()),
            Err(_) => 0,
        };
        assert_eq!(kept >= flushed, is_kept, "{kept}, without {ignored}");
    }
}
