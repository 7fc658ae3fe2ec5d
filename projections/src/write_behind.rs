//! Writing batches one behind the fold, on a thread of its own.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;

use farelog_events::log::Position;

use crate::batch::WriteBatch;
use crate::program::ProgramCatalog;
use crate::store::{Counters, ProjectionError, Store};

/// What was folded, ready to be written.
#[derive(Debug, Clone)]
pub struct Folded {
    /// How many records it is made of.
    pub records: usize,
    /// What changes in the store, the checkpoint with it.
    pub batch: Arc<WriteBatch>,
    /// The last record that was folded.
    pub position: Position,
    /// The programs as they stand there.
    pub catalog: Arc<ProgramCatalog>,
    /// Whether one of them was published by these records.
    pub has_publication: bool,
    /// What the folds have counted until there.
    pub counters: Counters,
}

/// What came of writing a batch; where it breaks, no more is to be written.
type Written = Result<ControlFlow<()>, ProjectionError>;

/// Writes batches in order. While one is written the next may be folded, by who sees the store with the one that is
/// [in flight](Store::set_in_flight).
pub struct WriteBehind<'s, W> {
    /// The store as the fold sees it.
    store: &'s Store,
    write: &'s W,
    records_min: usize,
    batches: SyncSender<Folded>,
    written: Receiver<Written>,
    is_in_flight: bool,
}

impl<'s, W: Fn(&Folded) -> Written + Sync> WriteBehind<'s, W> {
    /// Starts the thread. Batches of fewer records than `records_min` are written on the caller's thread, which takes less
    /// time than handing them to another. `store` is the one that is folded by, and `write` writes to the same files.
    pub fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        store: &'s Store,
        write: &'s W,
        records_min: usize,
    ) -> Self
    where
        's: 'scope,
    {
        // At most one is in flight.
        let (batches, to_write) = sync_channel::<Folded>(1);
        let (results, written) = sync_channel(1);
        scope.spawn(move || {
            for folded in to_write {
                // Nobody waits for it where the fold has failed.
                let _ = results.send(write(&folded));
            }
        });
        Self {
            store,
            write,
            records_min,
            batches,
            written,
            is_in_flight: false,
        }
    }

    /// Has a batch written, when the one before it is.
    ///
    /// What comes behind a publication may look for all that came before it, in the store: then it is there on return.
    ///
    /// # Errors
    /// This batch, or the one before it, could not be written.
    pub fn put(&mut self, folded: Folded) -> Written {
        if self.settle()?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        if folded.has_publication || folded.records < self.records_min {
            return (self.write)(&folded);
        }
        self.store.set_in_flight(Some(Arc::clone(&folded.batch)));
        self.is_in_flight = true;
        Ok(match self.batches.send(folded) {
            Ok(()) => ControlFlow::Continue(()),
            // The thread has panicked, which the scope passes on when it ends.
            Err(_) => ControlFlow::Break(()),
        })
    }

    /// Waits until what was put is written.
    ///
    /// # Errors
    /// It could not be.
    pub fn settle(&mut self) -> Written {
        if !std::mem::take(&mut self.is_in_flight) {
            return Ok(ControlFlow::Continue(()));
        }
        let written = self.written.recv();
        self.store.set_in_flight(None);
        written.unwrap_or(Ok(ControlFlow::Break(())))
    }
}
