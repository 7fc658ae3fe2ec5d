//! Projections made anew from the log, while those that are there go on to answer.

use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

use farelog_events::log::{EventLog, Position};

use crate::catch_up::{Folded, catch_up};
use crate::program::ProgramCatalog;
use crate::projections::{BATCH_RECORDS_MAX, Projections};
use crate::projector::Projector;
use crate::store::{Checkpoint, ProjectionError, Store};

impl Projections {
    /// Folds the log from its beginning into a new store, which takes the place of the one in use when it is as far;
    /// the old one is removed then. Until that moment queries and decisions go on with the old one, and records go on
    /// to be folded into it. Gives the position at which they changed places.
    ///
    /// `progress` is told after each batch how far the new store is; where it breaks, the new store is removed, nothing
    /// has changed, and `None` is given. So it is after a crash, too. A second rebuild waits for the first. What other
    /// systems were told is not told again: facts stand at the same places, and those that were forgotten stay so.
    ///
    /// # Errors
    /// The log or a store failed; the old store is in use still.
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
        let catalog = {
            let store = Store::make(place.unfinished()?)?;
            store.keep_the_facts_of(&self.store());
            let start = Checkpoint {
                position: 0,
                ..self.inner.checkpoint
            };
            let writing = store.for_writer();
            let mut projector = Projector::new(&writing, start, Arc::<ProgramCatalog>::default())?;
            let write = |folded: &Folded| store.apply(&folded.batch).map(ControlFlow::Continue);
            if catch_up(&mut projector, log, write, progress)?.is_break() {
                drop(projector);
                drop(writing);
                drop(store);
                place.unfinished()?;
                return Ok(None);
            }
            let catalog = Arc::clone(projector.catalog());
            store.flush()?;
            catalog
        };
        let directory = place.finish()?;
        let (store, checkpoint) = Store::open(directory, log.id(), log.head().position)?;
        let mut projector = Projector::new(&store, checkpoint, catalog)?;
        while fold_batch(&mut projector, log)? {}

        let turn = self.take_turn();
        while fold_batch(&mut projector, log)? {}
        let (position, catalog) = (projector.position(), Arc::clone(projector.catalog()));
        drop(projector);
        store.keep_the_facts_of(&self.store());
        self.change_store(store, catalog, position);
        drop(turn);
        place.change_over()?;
        Ok(Some(position))
    }
}

/// Folds the next batch of the log; false where there is none.
fn fold_batch(projector: &mut Projector<'_>, log: &dyn EventLog) -> Result<bool, ProjectionError> {
    let records = log.read(projector.position() + 1, BATCH_RECORDS_MAX)?;
    projector.project(&records)?;
    Ok(!records.is_empty())
}
