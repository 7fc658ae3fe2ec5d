//! The tree of an index without the log, to damage what is in it.

use std::path::Path;

use lsm_tree::AbstractTree;

use super::files::{Tree, open_tree};
use super::{IndexMemory, LATEST};

impl Tree {
    pub(in crate::log) fn put(&self, key: &[u8], value: &[u8]) {
        self.tree.insert(key, value, self.sequence.next());
    }

    pub(in crate::log) fn remove(&self, key: &[u8]) {
        self.tree.remove(key, self.sequence.next());
    }

    pub(in crate::log) fn get(&self, key: &[u8]) -> Vec<u8> {
        self.tree.get(key, LATEST).unwrap().unwrap().to_vec()
    }
}

/// Changes the tree in a directory, and brings it to the disk.
pub(in crate::log) fn with_tree(directory: &Path, change: impl FnOnce(&Tree)) {
    let tree = open_tree(directory, IndexMemory::USUAL).unwrap();
    change(&tree);
    tree.tree.flush_active_memtable(LATEST).unwrap();
}
