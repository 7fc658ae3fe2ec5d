//! The tree of an index without the log, to damage what is in it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use super::{IndexMemory, form};
use crate::tree::{self, LATEST, OpenTree, Patience, Slice, TreeWriter};

pub(in crate::log) struct Tree(RefCell<TreeWriter>);

impl Tree {
    /// Opens the tree in a directory, or makes it. Dropped, it is brought to the disk.
    pub(in crate::log) fn open(directory: &Path) -> Self {
        let open = OpenTree::open(directory, form(IndexMemory::USUAL)).unwrap();
        let writer = TreeWriter::start(open, Patience::USUAL, Arc::new(()));
        Self(RefCell::new(writer.unwrap()))
    }

    pub(in crate::log) fn reader(&self) -> tree::Tree {
        self.0.borrow().reader()
    }

    pub(in crate::log) fn put(&self, key: &[u8], value: &[u8]) {
        self.change(key, Some(value.into()));
    }

    pub(in crate::log) fn remove(&self, key: &[u8]) {
        self.change(key, None);
    }

    fn change(&self, key: &[u8], value: Option<Slice>) {
        self.0.borrow_mut().apply([(key.into(), value)], 0);
    }

    pub(in crate::log) fn get(&self, key: &[u8]) -> Vec<u8> {
        self.reader().get(key, LATEST).unwrap().unwrap().to_vec()
    }
}

/// Changes the tree in a directory, and brings it to the disk.
pub(in crate::log) fn with_tree(directory: &Path, change: impl FnOnce(&Tree)) {
    change(&Tree::open(directory));
}
