//! What a tree was at a moment, for as long as somebody wants to see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::{SeqNo, SequenceNumberCounter};

/// The moments that are held, and by how many.
///
/// What was written before a moment stays visible at it since the tree keeps the version of its tables that stood then, with
/// what was gathered then. Versions from before the oldest moment may go.
#[derive(Debug)]
pub(super) struct Moments {
    /// Numbers batches, and versions of the tree.
    sequence: SequenceNumberCounter,
    held: Mutex<BTreeMap<SeqNo, usize>>,
}

impl Moments {
    pub(super) fn new(sequence: SequenceNumberCounter) -> Self {
        Self {
            sequence,
            held: Mutex::default(),
        }
    }

    /// The moment that is now. To be called between two batches: what has a number is there as a whole then.
    pub(super) fn hold(self: &Arc<Self>) -> Moment {
        let mut held = self.held();
        // Under the lock, as below: no version goes that this one needs.
        let sequence = self.sequence.get();
        *held.entry(sequence).or_default() += 1;
        Moment {
            sequence,
            moments: Arc::clone(self),
        }
    }

    /// Nobody wants to see what stood before this one, and nobody will.
    pub(super) fn oldest(&self) -> SeqNo {
        let held = self.held();
        let oldest = held.first_key_value();
        oldest.map_or_else(|| self.sequence.get(), |(oldest, _)| *oldest)
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<SeqNo, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A moment between two batches. What is read [at](Self::sequence) it is what stood then, whatever is written later. Not to
/// be kept: what stood then stays in memory and on the disk.
#[derive(Debug)]
pub struct Moment {
    sequence: SeqNo,
    moments: Arc<Moments>,
}

impl Moment {
    /// The number to read it by, while it is held.
    pub fn sequence(&self) -> SeqNo {
        self.sequence
    }
}

impl Drop for Moment {
    fn drop(&mut self) {
        let mut held = self.moments.held();
        if let Some(holders) = held.get_mut(&self.sequence) {
            *holders -= 1;
            if *holders == 0 {
                held.remove(&self.sequence);
            }
        }
    }
}
