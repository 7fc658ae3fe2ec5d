//! What a tree was at a moment, for as long as somebody wants to see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lsm_tree::{SeqNo, SequenceNumberCounter};

/// The latest moment, and those that are held, and by how many.
///
/// What was written before a moment stays visible at it since the tree keeps the version of its tables that stood then, with
/// what was gathered then. Versions from before the oldest moment may go. No moment that is taken is older than what
/// [`oldest`](Self::oldest) said before: its version would be gone.
#[derive(Debug)]
pub(super) struct Moments {
    sequence: SequenceNumberCounter,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// All that has a lower number is there as a whole.
    latest: SeqNo,
    /// A batch is being added; for ever, where the library panicked over it.
    is_adding: bool,
    held: BTreeMap<SeqNo, usize>,
}

impl Moments {
    /// Batches and versions get their numbers from here.
    pub(super) fn new(sequence: SequenceNumberCounter) -> Self {
        let state = State {
            latest: sequence.get(),
            is_adding: false,
            held: BTreeMap::new(),
        };
        Self {
            sequence,
            state: Mutex::new(state),
        }
    }

    /// Begins a batch, which is not seen before its [end](Self::end_batch). Gives its number.
    pub(super) fn begin_batch(&self) -> SeqNo {
        self.state().is_adding = true;
        self.sequence.next()
    }

    pub(super) fn end_batch(&self) {
        self.state().is_adding = false;
        self.renew();
    }

    pub(super) fn is_adding(&self) -> bool {
        self.state().is_adding
    }

    /// Has the latest moment show the versions that were made since, while no batch is being added: otherwise what they
    /// took the place of would be kept for it until the next batch comes.
    pub(super) fn renew(&self) {
        let mut state = self.state();
        if !state.is_adding {
            state.latest = self.sequence.get();
        }
    }

    pub(super) fn hold_latest(self: &Arc<Self>) -> Moment {
        let mut state = self.state();
        let sequence = state.latest;
        *state.held.entry(sequence).or_default() += 1;
        Moment {
            sequence,
            moments: Arc::clone(self),
        }
    }

    /// Nobody wants to see what stood before this one.
    pub(super) fn oldest(&self) -> SeqNo {
        let state = self.state();
        let held = state.held.first_key_value();
        held.map_or(state.latest, |(oldest, _)| *oldest)
    }

    /// A moment that has seen all versions there are now.
    pub(super) fn behind_all(&self) -> SeqNo {
        self.sequence.get()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.moments.state();
        if let Some(holders) = state.held.get_mut(&self.sequence) {
            *holders -= 1;
            if *holders == 0 {
                state.held.remove(&self.sequence);
            }
        }
    }
}
