//! Projections made anew from the log, while those that are there go on to answer.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use farelog_events::log::{EventLog, Position};

use crate::catch_up::catch_up;
use crate::place::Place;
use crate::program::ProgramCatalog;
use crate::projections::{BATCH_RECORDS_MAX, Projections};
use crate::projector::Projector;
use crate::store::{Checkpoint, ProjectionError, Store};
use crate::write_behind::Folded;

/// How long a store that was replaced may be held by who used it before: longer than any query may take.
const REPLACED_HELD_MAX: Duration = Duration::from_secs(90);

impl Projections {
    /// Folds the log from its beginning into a new store, which takes the place of the one in use when it is as far;
    /// the old one is removed then. Until that moment queries and decisions go on with the old one, and records go on
    /// to be folded into it. Gives the position at which they changed places.
    ///
    /// `progress` is told after each batch how far the new store is; where it breaks, the new store is removed, nothing
    /// has changed, and `None` is given; so it is after a crash, too. What was recorded meanwhile is folded at the end
    /// without being told. A second rebuild waits for the first. What other systems were told is not told again: facts
    /// stand at the same places, and those that were forgotten stay so.
    ///
    /// # Errors
    /// The log or a store failed; the old store is in use still, and the new one gave its room on the disk back.
    pub fn rebuild(
        &self,
        log: &dyn EventLog,
        progress: impl FnMut(Position) -> ControlFlow<()>,
    ) -> Result<Option<Position>, ProjectionError> {
        let mut place = self
            .inner
            .place
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let rebuilt = self.rebuild_in(&mut place, log, progress);
        if !matches!(rebuilt, Ok(Some(_)))
            && let Err(error) = place.clear()
        {
            tracing::warn!(%error, "what a rebuild has left stays on the disk until the next rebuild or start");
        }
        rebuilt
    }

    /// The same, but where it does not come to its end, what it made stays, closed.
    fn rebuild_in(
        &self,
        place: &mut Place,
        log: &dyn EventLog,
        progress: impl FnMut(Position) -> ControlFlow<()>,
    ) -> Result<Option<Position>, ProjectionError> {
        let catalog = {
            let store = Store::make(place.unfinished()?, self.inner.memory)?;
            store.keep_the_facts_of(&self.store());
            let start = Checkpoint {
                position: 0,
                ..self.inner.checkpoint
            };
            let writing = store.for_writer();
            let mut projector = Projector::new(&writing, start, Arc::<ProgramCatalog>::default())?;
            let write = |folded: &Folded| store.apply(&folded.batch).map(ControlFlow::Continue);
            if catch_up(&mut projector, log, write, progress)?.is_break() {
                return Ok(None);
            }
            let catalog = Arc::clone(projector.catalog());
            projector.end_with(|| store.flush())?;
            catalog
        };
        let directory = place.finish()?;
        let (store, checkpoint) =
            Store::open(directory, log.id(), log.head().position, self.inner.memory)?;
        // A store that could not be opened was made anew, without programs.
        let catalog = if checkpoint.position == 0 {
            Arc::default()
        } else {
            catalog
        };
        let mut projector = Projector::new(&store, checkpoint, catalog)?;
        while fold_batch(&mut projector, log)? {}

        let turn = self.take_turn();
        while fold_batch(&mut projector, log)? {}
        let (position, catalog) = (projector.position(), Arc::clone(projector.catalog()));
        let counters = projector.counters();
        drop(projector);
        let replaced = self.store();
        store.keep_the_facts_of(&replaced);
        self.change_store(store, catalog, position, counters);
        drop(turn);
        let directory = place.change_over();
        let is_open = replaced.is_open();
        drop(replaced);
        wait_until_closed(&is_open);
        if let Err(error) = place.retire(&directory) {
            tracing::warn!(%error, "the projections that were replaced stay on the disk until the next rebuild or start");
        }
        Ok(Some(position))
    }
}

/// Waits until nobody reads or folds into a store that was replaced: files are opened by their path, and with it
/// gone who still holds the store would fail.
fn wait_until_closed(is_open: &Weak<()>) {
    let begun = Instant::now();
    while is_open.strong_count() > 0 {
        if begun.elapsed() > REPLACED_HELD_MAX {
            tracing::warn!(
                "the projections that were replaced are in use still, and are removed all the same"
            );
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Folds the next batch of the log; false where there is none.
fn fold_batch(projector: &mut Projector<'_>, log: &dyn EventLog) -> Result<bool, ProjectionError> {
    let records = log.read(projector.position() + 1, BATCH_RECORDS_MAX)?;
    projector.project(&records)?;
    Ok(!records.is_empty())
}

#[cfg(test)]
mod tests {
    use farelog_events::log::memory::MemoryLog;

    use super::*;
    use crate::store::StoreMemory;

    /// Records that a rebuild had folded could be folded once more: who follows the log took the new store into use, and
    /// went on at the position of the old one, which was the one that could be read until the change was done.
    #[test]
    fn who_goes_on_with_another_store_waits_until_the_change_is_done() {
        let home = tempfile::tempdir().unwrap();
        let log = MemoryLog::new();
        let projections = Projections::open(&home.path().join("projections"), &log).unwrap();
        let other = Store::make(&home.path().join("other"), StoreMemory::USUAL).unwrap();
        let other = Arc::new(other);
        let turn = projections.take_turn();
        *projections.inner.store.write().unwrap() = Arc::clone(&other);
        thread::scope(|scope| {
            let going_on = scope.spawn(|| projections.in_use());
            thread::sleep(Duration::from_millis(50));
            projections.inner.progress.advance(7);
            drop(turn);
            let in_use = going_on.join().unwrap();
            assert!(Arc::ptr_eq(&in_use.store, &other));
            assert_eq!(in_use.checkpoint.position, 7);
        });
    }

    /// A query that was under way when projections changed places could fail, and so could the fold of the next record,
    /// which ended the server: the store that they held was removed from the disk, where files are opened by their
    /// path.
    #[test]
    fn a_store_that_is_replaced_stays_on_the_disk_for_as_long_as_it_is_in_use() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("projections");
        let log = MemoryLog::new();
        let projections = Projections::open(&directory, &log).unwrap();
        let in_use = projections.store();
        thread::scope(|scope| {
            let rebuilding =
                scope.spawn(|| projections.rebuild(&log, |_| ControlFlow::Continue(())));
            while Arc::ptr_eq(&in_use, &projections.store()) {
                thread::yield_now();
            }
            thread::sleep(Duration::from_millis(50));
            assert!(!rebuilding.is_finished() && directory.exists());
            drop(in_use);
            assert_eq!(rebuilding.join().unwrap().unwrap(), Some(0));
        });
        assert!(!directory.exists());
    }
}
