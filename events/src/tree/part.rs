//! A part of what was gathered, on its way to the disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lsm_tree::{AbstractTree, AnyTree, InternalValue, Memtable};

use super::files;

/// What is written of a table before it is synced and rested, by the bytes that it takes in memory.
const STEP_BYTES: usize = 1024 * 1024;

/// Entries of a part that are let go before it is rested.
const LET_GO_ENTRIES: usize = 1024;

/// How long is rested behind each step.
pub(super) const REST: Duration = Duration::from_millis(4);

/// Writes a part as a table, which takes its place in the tree then.
///
/// It goes in steps where nobody waits for it: each is synced by itself, and `rest`, which says whether that is so, is called
/// behind it. Written at once, and synced in one piece, a table takes a processor for a tenth of a second, and what others
/// sync meanwhile waits for all of it: the file system writes what both have grown by together.
pub(super) fn write(
    tree: &AnyTree,
    directory: &Path,
    part: &Arc<Memtable>,
    oldest: u64,
    mut rest: impl FnMut() -> bool,
) -> lsm_tree::Result<()> {
    let lock = tree.get_flush_lock();
    let mut is_gentle = rest();
    let mut bytes = 0;
    let entries = newest_of_each_key(part).map(|entry| {
        bytes += entry.key.user_key.len() + entry.value.len();
        if is_gentle && bytes >= STEP_BYTES {
            bytes = 0;
            // Only this thread makes tables, and numbers them one by one.
            let table = files::table(directory, tree.next_table_id() - 1);
            File::open(table)?.sync_data()?;
            is_gentle = rest();
        }
        Ok(entry)
    });
    if let Some((tables, _)) = tree.flush_to_tables(entries)? {
        tree.register_tables(&tables, None, None, &[part.id()], oldest)?;
    }
    drop(lock);
    Ok(())
}

/// Lets go of a part that nobody sees any more; in steps, as it was [written](write).
///
/// Its tens of thousands of pieces of memory take a hundredth of a second or two, and were taken by the thread that adds batches.
/// An allocator may have that thread look at all that have come back before it gets another, so that a batch waits as long.
pub(super) fn let_go(part: Arc<Memtable>, mut rest: impl FnMut() -> bool) {
    // Where somebody still looks, it goes with him.
    let Some(part) = Arc::into_inner(part) else {
        return;
    };
    let mut entries = part.items.into_iter();
    while entries.by_ref().take(LET_GO_ENTRIES).count() == LET_GO_ENTRIES && rest() {}
}

/// Who reads a table sees nothing of the time before it, so the last that was written under each key is enough.
fn newest_of_each_key(part: &Memtable) -> impl Iterator<Item = InternalValue> + '_ {
    let mut last = None;
    // Under each key the newest comes first.
    part.iter().filter(move |entry| {
        let key = &entry.key.user_key;
        let is_newest = last.as_ref() != Some(key);
        if is_newest {
            last = Some(key.clone());
        }
        is_newest
    })
}

#[cfg(test)]
mod tests {
    use lsm_tree::ValueType;

    use super::*;

    fn part(entries: usize) -> Arc<Memtable> {
        let part = Memtable::new(0);
        for number in 0..entries {
            let (key, value) = (number.to_be_bytes(), [7; 100]);
            part.insert(InternalValue::from_components(
                key,
                value,
                1,
                ValueType::Value,
            ));
        }
        Arc::new(part)
    }

    /// How often is rested while a part goes, where nobody waits for the first so many rests.
    fn rests(part: Arc<Memtable>, while_nobody_waits: usize) -> usize {
        let mut rests = 0;
        let_go(part, || {
            rests += 1;
            rests <= while_nobody_waits
        });
        rests
    }

    /// A part went at once, and the allocator of then gave the thread that adds batches twenty milliseconds of work by it.
    #[test]
    fn a_part_goes_in_steps_until_somebody_waits() {
        assert_eq!(rests(part(0), usize::MAX), 0);
        assert_eq!(rests(part(LET_GO_ENTRIES - 1), usize::MAX), 0);
        assert_eq!(rests(part(3 * LET_GO_ENTRIES + 1), usize::MAX), 3);
        assert_eq!(rests(part(9 * LET_GO_ENTRIES), 2), 3);
    }

    #[test]
    fn a_part_that_is_still_looked_at_is_left_as_it_is() {
        let seen = part(2 * LET_GO_ENTRIES);
        assert_eq!(rests(Arc::clone(&seen), usize::MAX), 0);
        assert_eq!(seen.len(), 2 * LET_GO_ENTRIES);
    }
}
