//! Power cuts: what the log keeps when the kernel's memory is lost with the process.
//!
//! A child with the library of `tests/power-cut` in it writes down what it does to its files and what it acknowledges, in
//! one order. So one run gives as many power cuts as there are places in it.

use std::fs;
use std::path::Path;

use farelog_events::log::EventLog;
use farelog_events::log::sled_log::SledLog;
use lsm_tree::{AbstractTree, Config, Guard, SeqNo, SequenceNumberCounter};

use crate::chance::{Chance, rounds, seed};
use crate::disk::{Disk, Left, Tree, read_tree, write_tree};
use crate::ingester::{Ingester, Place, Said, messages, small_index};
use crate::journal::{self, Entry};
use crate::numbered::assert_kept;

/// Cuts that are tried on the journal of one run.
const CUTS_PER_RUN: u64 = 10;

/// Runs after which a log is given up for a new one, so that it does not take ever longer to read.
const RUNS_PER_LOG: u64 = 12;

/// A run that was recorded: what the directory held before, and what was done in it.
struct Run {
    before: Tree,
    journal: Vec<Entry>,
    /// What was acknowledged before the run.
    acknowledged: u64,
}

impl Run {
    fn of(place: &Place, before: Tree, acknowledged: u64) -> Self {
        Self {
            before,
            journal: journal::read(&place.journal()),
            acknowledged,
        }
    }

    /// The disk after so many entries, and what was acknowledged then.
    fn up_to(&self, entries: usize) -> (Disk, u64) {
        let (disk, said) = Disk::behind(&self.before, &self.journal[..entries]);
        let acknowledged = Said::parse(&said).acknowledged.max(self.acknowledged);
        (disk, acknowledged)
    }
}

pub fn any_left(chance: &mut Chance) -> Left {
    match chance.up_to(7) {
        0 => Left::Nothing,
        1 => Left::Everything,
        _ => Left::Parts,
    }
}

/// Opens what a cut left, in a place of its own. A start that is cut may leave nothing at all, not even the directory.
fn open_left(tree: &Tree) -> (Place, Result<SledLog, String>) {
    let place = Place::new();
    write_tree(tree, &place.root());
    let opened = SledLog::open(&place.log()).map_err(|error| error.to_string());
    (place, opened)
}

#[test]
fn the_journal_has_all_that_was_done() {
    let place = Place::new();
    for _ in 0..3 {
        let before = read_tree(&place.root());
        let child = Ingester::start(messages(&mut place.recorded_command(), 400));
        assert!(child.end(&place).success());
        assert!(place.said().done, "{:?}", place.said());
        let run = Run::of(&place, before, 0);
        let (disk, acknowledged) = run.up_to(run.journal.len());
        assert_eq!(acknowledged, place.said().acknowledged);
        let whole = disk.cut(Left::Everything, &mut Chance::new(0));
        let there = read_tree(&place.root());
        assert_eq!(
            whole.keys().collect::<Vec<_>>(),
            there.keys().collect::<Vec<_>>()
        );
        for (path, content) in &whole {
            assert!(*content == there[path], "{path} has something else");
        }
    }
}

/// The log lives through power cuts one after the other; at each, several others are tried that could have been.
#[test]
fn what_was_acknowledged_survives_power_cuts() {
    let (cuts, seed) = (rounds(120), seed(2));
    let mut chance = Chance::new(seed);
    let place = Place::new();
    let (mut before, mut acknowledged) = (Tree::new(), 0);
    let runs = cuts.div_ceil(CUTS_PER_RUN);
    for number in 0..runs {
        if number % RUNS_PER_LOG == 0 {
            (before, acknowledged) = (Tree::new(), 0);
        }
        write_tree(&before, &place.root());
        let mut child = Ingester::start(small_index(&mut place.recorded_command()));
        child.until(&place, |said| {
            said.failure.is_some() || said.acknowledged > acknowledged + 250
        });
        drop(child);
        assert_eq!(place.said().failure, None, "run {number} of seed {seed}");

        let run = Run::of(&place, before, acknowledged);
        for _ in 0..CUTS_PER_RUN {
            let entries = chance.index(run.journal.len());
            let left = any_left(&mut chance);
            let what = format!("run {number} of seed {seed}, {left:?} left at {entries}");
            let (disk, promised) = run.up_to(entries);
            let tree = disk.cut(left, &mut chance);
            let (cut_place, opened) = open_left(&tree);
            let log = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            println!("{what}");
            assert_kept(&log, promised);
            drop((log, cut_place));
        }

        let (disk, promised) = run.up_to(run.journal.len());
        acknowledged = promised;
        before = disk.cut(any_left(&mut chance), &mut chance);
        if number + 1 == runs {
            write_tree(&before, &place.root());
            assert_kept(&place.open(), acknowledged);
        }
    }
}

/// Every place in a short run, from the first start on: with nothing left that was not synced, and with parts of it.
///
/// sled never syncs its file of settings, and refuses one that is in parts. Before the log did it for sled, a power cut
/// some seconds after the first start could leave a log that no longer opened, with all that it had acknowledged.
#[test]
fn there_is_no_moment_at_which_a_cut_loses_what_was_acknowledged() {
    let run = recorded_run(&Place::new(), 100, 0);
    assert!(run.journal.len() > 30, "{:?}", run.journal.len());
    nothing_is_lost_at_any_moment(&run, 0);
}

/// The same behind a clean end, with which all of the index was on the disk.
#[test]
fn there_is_no_moment_at_which_a_cut_takes_the_index() {
    let place = Place::new();
    recorded_run(&place, 100, 0);
    let acknowledged = place.said().acknowledged;
    let indexed = assert_kept(&place.open(), acknowledged).position;
    let run = recorded_run(&place, 40, acknowledged);
    nothing_is_lost_at_any_moment(&run, indexed);
}

/// A child that takes in so many messages, on what is there.
fn recorded_run(place: &Place, count: u64, acknowledged: u64) -> Run {
    let before = read_tree(&place.root());
    let mut command = place.recorded_command();
    let child = Ingester::start(messages(small_index(&mut command), count));
    assert!(child.end(place).success());
    Run::of(place, before, acknowledged)
}

/// What was acknowledged is kept wherever a run is cut; and of an index that was as far as this on the disk, all that gets
/// there: it is not made anew after each cut.
fn nothing_is_lost_at_any_moment(run: &Run, mut indexed: u64) {
    let mut chance = Chance::new(3);
    for entries in 0..=run.journal.len() {
        let (disk, promised) = run.up_to(entries);
        for left in [Left::Nothing, Left::Parts, Left::Parts] {
            let what = format!("{left:?} left, cut at {entries}");
            let tree = disk.cut(left, &mut chance);
            let (_place, opened) = open_left(&tree);
            let log = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_kept(&log, promised);
            assert!(log.indexed_before() >= indexed, "{what}: {indexed}");
            if left == Left::Nothing {
                indexed = log.indexed_before();
            }
        }
    }
}

/// Has an index lack what it had of an order, so that no check of its files notices, and say that it is damaged.
fn damage(index: &Path) {
    let sequence = SequenceNumberCounter::default();
    let tree = Config::new(index, sequence.clone(), sequence)
        .open()
        .unwrap();
    let order = tree
        .iter(SeqNo::MAX, None)
        .map(|item| item.key().unwrap())
        .find(|key| key.len() == 8)
        .unwrap();
    tree.remove(order, tree.get_highest_seqno().unwrap() + 1);
    tree.flush_active_memtable(SeqNo::MAX).unwrap();
    fs::write(index.join("damaged"), "").unwrap();
}

/// The start that removed a damaged index took away first what came first, most often the word that it is damaged. Where it
/// came no further the next start took the rest for sound: a repeat of what is missing in it would have been taken in.
#[test]
fn there_is_no_moment_at_which_a_damaged_index_is_taken_for_sound() {
    let place = Place::new();
    let child = Ingester::start(messages(small_index(&mut place.command()), 60));
    assert!(child.end(&place).success());
    let acknowledged = place.said().acknowledged;
    assert_kept(&place.open(), acknowledged);
    damage(&place.log().join("index"));

    let run = recorded_run(&place, 12, acknowledged);
    let mut chance = Chance::new(4);
    for entries in 0..=run.journal.len() {
        let (disk, promised) = run.up_to(entries);
        for left in [Left::Everything, Left::Parts] {
            let tree = disk.cut(left, &mut chance);
            let (_place, opened) = open_left(&tree);
            let log =
                opened.unwrap_or_else(|error| panic!("{left:?} left, cut at {entries}: {error}"));
            assert_kept(&log, promised);
        }
    }
}

/// A run in which some syncs do nothing, cut at its last acknowledgement with all lost that was not synced. Gives how far
/// the log is then, and how far it had acknowledged.
fn kept_without(ignored: &str) -> (u64, u64) {
    let place = Place::new();
    let mut command = place.recorded_command();
    command.env("POWER_CUT_IGNORE", ignored);
    let child = Ingester::start(messages(&mut command, 300));
    assert!(child.end(&place).success());
    let run = Run::of(&place, Tree::new(), 0);
    let is_acknowledgement =
        |entry: &Entry| matches!(entry, Entry::Said(text) if text.starts_with("acknowledged"));
    let last = run.journal.iter().rposition(is_acknowledgement).unwrap();
    let (disk, promised) = run.up_to(last + 1);
    assert!(promised >= 300);
    let tree = disk.cut(Left::Nothing, &mut Chance::new(0));
    let (_place, opened) = open_left(&tree);
    let checkpoint = opened.ok().and_then(|log| log.head().checkpoint);
    (
        checkpoint.map_or(0, |checkpoint| checkpoint.sequence),
        promised,
    )
}

/// The proof that the tests above see a missing sync.
#[test]
fn a_log_that_does_not_sync_is_caught() {
    let (kept, promised) = kept_without("nothing");
    assert_eq!(kept, promised);
    for ignored in ["fdatasync", "directories"] {
        let (kept, promised) = kept_without(ignored);
        assert!(kept < promised, "{kept} of {promised}, without {ignored}");
    }
}
