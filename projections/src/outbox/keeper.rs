//! Which facts are kept: those of each record, until they were sent long ago.

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::log::Record;

use super::fact::{Fact, FactContent, FactPlace};
use crate::store::{self, ProjectionError, Store};

/// Facts that one batch removes at most.
const REMOVED_MAX: usize = 4_096;

/// Facts are removed once so much of the log's time has come together.
const REMOVED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Puts facts into the projector's batches, and takes out those that need no longer be kept
/// ([`Store::facts_kept_from`]).
pub struct FactKeeper<'s> {
    store: &'s Store,
    /// The last fact that is no longer kept.
    forgotten: FactPlace,
    /// No fact from before this is stored any more.
    cleared_to: Option<DateTime<Utc>>,
}

impl<'s> FactKeeper<'s> {
    /// Goes on with what the store has.
    pub fn new(store: &'s Store) -> Result<Self, ProjectionError> {
        Ok(Self {
            store,
            forgotten: store
                .read(store::FACTS_FORGOTTEN, "forgotten facts")?
                .unwrap_or_default(),
            cleared_to: None,
        })
    }

    /// Keeps what there is to tell of a record, unless it was told long ago: that is so in a rebuild.
    pub fn keep(
        &mut self,
        record: &Record,
        contents: impl IntoIterator<Item = FactContent>,
        values: &mut sled::Batch,
    ) -> Result<(), ProjectionError> {
        let kept_from = self.store.facts_kept_from();
        for (number, content) in (0..).zip(contents) {
            let fact = Fact::of_record(record, number, content);
            if kept_from.is_some_and(|kept_from| fact.time < kept_from) {
                self.forgotten = fact.place;
            } else {
                values.insert(store::fact_key(fact.place), store::encode(&fact)?);
            }
        }
        Ok(())
    }

    /// Ends a batch: removes some facts that need no longer be kept, and notes which is the last that is gone.
    pub fn forget(&mut self, values: &mut sled::Batch) -> Result<(), ProjectionError> {
        let Some(kept_from) = self.store.facts_kept_from() else {
            return Ok(());
        };
        let is_soon = |cleared| kept_from < cleared + REMOVED_EVERY;
        if !self.cleared_to.is_some_and(is_soon) {
            self.remove_before(kept_from, values)?;
        }
        values.insert(store::FACTS_FORGOTTEN, store::encode(&self.forgotten)?);
        Ok(())
    }

    fn remove_before(
        &mut self,
        kept_from: DateTime<Utc>,
        values: &mut sled::Batch,
    ) -> Result<(), ProjectionError> {
        let mut removed = 0;
        for fact in self.store.facts_after(FactPlace::START) {
            let fact = fact?;
            if fact.time >= kept_from || removed == REMOVED_MAX {
                break;
            }
            values.remove(store::fact_key(fact.place));
            self.forgotten = self.forgotten.max(fact.place);
            removed += 1;
        }
        if removed < REMOVED_MAX {
            self.cleared_to = Some(kept_from);
        }
        Ok(())
    }
}
