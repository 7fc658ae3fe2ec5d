//! Which facts are kept: those of each record, until they were sent long ago.

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::log::Record;

use super::fact::{FactContent, FactPlace};
use crate::batch::WriteBatch;
use crate::store::{self, ProjectionError, Store};

/// Bytes of facts that are kept under one key, but for the last one: each key costs the store as much as some kilobytes
/// do.
const PAGE_BYTES: usize = 4 * 1024;

/// Pages of facts that one batch removes at most.
const REMOVED_MAX: usize = 1_024;

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
    page: Page,
}

/// Facts that are to be kept under one key.
#[derive(Default)]
struct Page {
    /// The place of the first.
    place: FactPlace,
    /// The beginning of a JSON array; empty where there is none.
    json: Vec<u8>,
}

impl Page {
    fn push(
        &mut self,
        record: &Record,
        number: u32,
        content: &FactContent,
    ) -> Result<(), ProjectionError> {
        if self.json.is_empty() {
            self.place = FactPlace {
                position: record.position,
                number,
            };
            self.json.push(b'[');
        } else {
            self.json.push(b',');
        }
        content
            .put_json(record, number, &mut self.json)
            .map_err(ProjectionError::unwritable)
    }

    fn close(&mut self, values: &mut WriteBatch) {
        if !self.json.is_empty() {
            self.json.push(b']');
            values.insert_facts(store::fact_key(self.place), self.json.as_slice());
            self.json.clear();
        }
    }
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
            page: Page::default(),
        })
    }

    /// Keeps what there is to tell of a record, so many facts, unless it was told long ago: that is so in a rebuild, and
    /// they are not even made then.
    pub fn keep(
        &mut self,
        record: &Record,
        count: usize,
        contents: impl IntoIterator<Item = Result<FactContent, ProjectionError>>,
        values: &mut WriteBatch,
    ) -> Result<(), ProjectionError> {
        if !self.store.keeps_facts() {
            return Ok(());
        }
        let kept_from = self.store.facts_kept_from();
        if kept_from.is_some_and(|kept_from| record.recorded_at < kept_from) {
            let last = count.checked_sub(1).map(u32::try_from);
            if let Some(Ok(number)) = last {
                self.forgotten = FactPlace {
                    position: record.position,
                    number,
                };
            }
            return Ok(());
        }
        for (number, content) in (0..).zip(contents) {
            self.page.push(record, number, &content?)?;
            if self.page.json.len() >= PAGE_BYTES {
                self.page.close(values);
            }
        }
        Ok(())
    }

    /// Ends a batch: puts in what was kept last, removes some facts that need no longer be kept, and notes which is the
    /// last that is gone.
    pub fn finish(&mut self, values: &mut WriteBatch) -> Result<(), ProjectionError> {
        self.page.close(values);
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
        values: &mut WriteBatch,
    ) -> Result<(), ProjectionError> {
        let mut removed = 0;
        for page in self.store.fact_pages(FactPlace::START) {
            let (key, facts) = page?;
            // Facts stand in the order of time.
            let old = facts.partition_point(|fact| fact.time < kept_from);
            if removed == REMOVED_MAX || old == 0 {
                break;
            }
            self.forgotten = self.forgotten.max(facts[old - 1].place);
            if old < facts.len() {
                break;
            }
            values.remove(key);
            removed += 1;
        }
        if removed < REMOVED_MAX {
            self.cleared_to = Some(kept_from);
        }
        Ok(())
    }
}
