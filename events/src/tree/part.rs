//! A part of what was gathered, on its way to the disk.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lsm_tree::{AbstractTree, AnyTree, InternalValue, Memtable};

use super::files;

/// What is written of a table before it is synced and rested, by the bytes that it takes in memory.
const STEP_BYTES: usize = 1024 * 1024;

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
