//! How tables are made of what was gathered, and how they are sorted in: decision 0136 has what each choice gave.

use std::sync::Arc;

use fjall::KeyspaceCreateOptions;
use fjall::compaction::Leveled;
use fjall::config::PinningPolicy;

/// New tables that come together before they are sorted in. Each time, all that is in the first level is written again
/// with them, so the more come together the less often that is. A look-up asks the filter of each.
const TABLES_SORTED_IN_AT: u8 = 16;

/// What a table that was sorted in takes of the disk, in bytes. The first level has so many of them as are sorted in
/// together, about 800 MB, and is merged with those in one piece. While that goes on, nothing that was gathered is brought
/// to its place.
const TABLE_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// The library keeps them with the files, and looks at no others later: with them
/// [`FOLD_VERSION`](super::FOLD_VERSION) goes up.
pub fn options() -> KeyspaceCreateOptions {
    let sorting_in = Leveled::default()
        .with_l0_threshold(TABLES_SORTED_IN_AT)
        .with_table_target_size(TABLE_BYTES_MAX);
    KeyspaceCreateOptions::default()
        // By its own limit the library hands on by a queue: see `make_room`.
        .max_memtable_size(u64::MAX)
        .compaction_strategy(Arc::new(sorting_in))
        // Most orders that are looked for are new, and in no table. An eightieth of what the tables have on the disk stays
        // in memory for it; from the third level on, behind some eight gigabytes, both are in parts, which are cached.
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
}
