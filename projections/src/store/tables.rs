//! How tables are made of what was gathered, and how they are sorted in: decision 0136 has what each choice gave.

use farelog_events::tree::Form;
use lsm_tree::config::{
    BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy,
    RestartIntervalPolicy,
};
use lsm_tree::{CompressionType, Config, DescriptorTable};

use super::StoreMemory;

/// New tables that come together before they are sorted in. Each time, all that is in the first level is written again
/// with them, so the more come together the less often that is. A look-up asks the filter of each.
const TABLES_SORTED_IN_AT: u8 = 16;

/// New tables beyond which they are sorted in before more come: some more than are sorted in together.
const TABLES_UNSORTED_MAX: usize = 19;

/// What a table that was sorted in takes of the disk, in bytes. The first level has so many of them as are sorted in
/// together, about 800 MB, and is merged with those in one piece. While that goes on, nothing that was gathered is brought
/// to its place.
const TABLE_BYTES_MAX: u64 = 48 * 1024 * 1024;

/// What would be folded again after a kill is three times this at most, by the bytes of records: a second.
const REPLAY_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Files that are open at once.
const FILES_OPEN_MAX: usize = 900;

/// How a store's tree is kept. What it does to tables holds for those that are written from then on.
pub fn form(memory: StoreMemory) -> Form {
    Form {
        name: "projections",
        cache_bytes: memory.cache_bytes,
        gathered_bytes: memory.gathered_bytes,
        replay_bytes_max: REPLAY_BYTES_MAX,
        runs_together: TABLES_SORTED_IN_AT,
        runs_unsorted_max: TABLES_UNSORTED_MAX,
        table_bytes: TABLE_BYTES_MAX,
        configure,
    }
}

fn configure(config: Config) -> Config {
    let filter = FilterPolicyEntry::Bloom;
    let files = DescriptorTable::new(FILES_OPEN_MAX);
    config
        .use_descriptor_table(Some(files.into()))
        // Each entry of a list is a level, and the last one holds for those behind it.
        .data_block_compression_policy(CompressionPolicy::new([
            CompressionType::None,
            CompressionType::None,
            CompressionType::Lz4,
        ]))
        .data_block_restart_interval_policy(RestartIntervalPolicy::new([10, 16]))
        .filter_policy(FilterPolicy::new([
            filter(BloomConstructionPolicy::FalsePositiveRate(0.0001)),
            filter(BloomConstructionPolicy::BitsPerKey(10.0)),
        ]))
        // Most orders that are looked for are new, and in no table. An eightieth of what the tables have on the disk stays
        // in memory for it; from the third level on, behind some eight gigabytes, both are in parts, which are cached.
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .filter_block_partitioning_policy(PinningPolicy::new([false, false, false, true]))
        .index_block_partitioning_policy(PinningPolicy::new([false, false, false, true]))
}
