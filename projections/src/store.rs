//! Where projections are kept: a [tree] of their own, with the checkpoint in each batch. What stands under which key:
//! [`key`].
//!
//! Everything here can be made again from the log, so there is no journal, and it is brought to the disk in the background:
//! a kill or a power cut can take the last batches, each as a whole, and the checkpoint in what is left says from where to
//! go on.
//!
//! [tree]: farelog_events::tree

use std::fmt;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use chrono::{DateTime, Utc};
use farelog_events::id::OrderId;
use farelog_events::log::Position;
use farelog_events::tree::{Entries, LATEST, Moment, Slice, Tree, TreeWriter};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::batch::{Change, WriteBatch};
use crate::document::OrderDocument;
use crate::outbox::{Fact, FactPlace};
use crate::packed::unpack;
use crate::stored_order;

mod error;
mod key;
mod opening;
mod tables;
#[cfg(test)]
mod tests;
mod transactions;

pub use self::error::ProjectionError;
pub use self::key::*;
pub use self::opening::{StoreMemory, was_being_opened};

/// The version of the folds. A checkpoint of another version is thrown away and everything is built anew; raise it
/// whenever the same log would give other answers, or they would be stored otherwise. So too when the rules of time zones
/// change, which come with two libraries.
pub const FOLD_VERSION: u32 = 18;

/// How far the projections have read which log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The log.
    pub log_id: Uuid,
    /// The version of the folds.
    pub fold_version: u32,
    /// The last record that is in.
    pub position: Position,
}

/// Figures that the folds count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Orders that any event names.
    pub orders: u64,
    /// Members of all programs, also those who left.
    pub members: u64,
    /// Points transactions given.
    pub transactions_given: u64,
    /// Points transactions cancelled.
    pub transactions_cancelled: u64,
    /// Expressions that gave no usable value, and refunds that could not be counted; each once per slot.
    pub rule_errors: u64,
    /// Events of ticket systems that did not fit and were not followed.
    pub ticket_events_ignored: u64,
    /// Dead letters, in whatever state.
    pub dead_letters: u64,
    /// Dead letters that were neither retried nor discarded.
    pub dead_letters_open: u64,
}

/// The store.
pub struct Store {
    tree: Tree,
    writer: Arc<Mutex<TreeWriter>>,
    /// What is read is what stood then; see [`as_it_stands`](Self::as_it_stands).
    instant: Option<Arc<Moment>>,
    /// Whether any facts are kept.
    keeps_facts: bool,
    /// Facts of records from before this need not be kept; in microseconds since 1970.
    facts_kept_from: Arc<AtomicI64>,
    /// The batch that is on its way into the store; see [`for_writer`](Self::for_writer).
    in_flight: RwLock<Option<Arc<WriteBatch>>>,
    /// Last, so that it goes when the files are closed.
    open: Arc<()>,
}

impl fmt::Debug for Store {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// The same store as the one who folds into it sees it: single values are read as if the batch that is
    /// [in flight](Self::set_in_flight) was applied. A scan may see any part of it.
    pub fn for_writer(&self) -> Self {
        self.seen_at(None)
    }

    /// The store as it stands behind the last batch that was applied, whatever is written to it later. Not to be kept: what
    /// it still sees stays on the disk.
    pub fn as_it_stands(&self) -> Self {
        self.seen_at(Some(Arc::new(self.tree.moment())))
    }

    /// Stays for as long as the files are open, by this one or by another that came of it.
    pub fn is_open(&self) -> Weak<()> {
        Arc::downgrade(&self.open)
    }

    fn seen_at(&self, instant: Option<Arc<Moment>>) -> Self {
        Self {
            tree: self.tree.clone(),
            writer: Arc::clone(&self.writer),
            instant,
            keeps_facts: self.keeps_facts,
            facts_kept_from: Arc::clone(&self.facts_kept_from),
            in_flight: RwLock::default(),
            open: Arc::clone(&self.open),
        }
    }

    /// From here on this batch is on its way into the store, and the one before it is there.
    pub fn set_in_flight(&self, batch: Option<Arc<WriteBatch>>) {
        *self
            .in_flight
            .write()
            .unwrap_or_else(PoisonError::into_inner) = batch;
    }

    fn get(&self, key: &[u8]) -> Result<Option<Slice>, ProjectionError> {
        match self.in_flight(|batch| batch.get(key)) {
            Some(Change::Put(value)) => Ok(Some(value)),
            Some(Change::Remove) => Ok(None),
            None => self.get_written(key),
        }
    }

    fn get_written(&self, key: &[u8]) -> Result<Option<Slice>, ProjectionError> {
        Ok(self.tree.get(key, self.moment())?)
    }

    fn range(&self, range: (Bound<Vec<u8>>, Bound<Vec<u8>>)) -> Entries {
        self.tree.range(range, self.moment())
    }

    fn prefix(&self, prefix: &[u8]) -> Entries {
        self.tree.prefix(prefix, self.moment())
    }

    fn moment(&self) -> u64 {
        self.instant
            .as_ref()
            .map_or(LATEST, |instant| instant.sequence())
    }

    fn in_flight<T>(&self, find: impl FnOnce(&WriteBatch) -> Option<T>) -> Option<T> {
        let in_flight = self
            .in_flight
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        find(in_flight.as_ref()?)
    }

    /// Reads one value.
    pub fn read<T: DeserializeOwned>(
        &self,
        key: &[u8],
        what: &str,
    ) -> Result<Option<T>, ProjectionError> {
        self.get(key)?
            .map(|bytes| parse(&bytes, || what.to_owned()))
            .transpose()
    }

    /// Reads an order.
    pub fn read_order(&self, order: &OrderId) -> Result<Option<OrderDocument>, ProjectionError> {
        if let Some(document) = self.in_flight(|batch| batch.order(order).cloned()) {
            return Ok(Some(document));
        }
        let Some(stored) = self.get_written(&order_key(order))? else {
            return Ok(None);
        };
        let document = stored_order::decode(&stored);
        document.map(Some).map_err(|error| unreadable(order, error))
    }

    /// Reads an order's transactions, oldest first, as a JSON array. One key is read, so no batch shows half of itself.
    pub fn read_transactions(&self, order: &OrderId) -> Result<Vec<u8>, ProjectionError> {
        let Some(stored) = self.get_written(&order_key(order))? else {
            return Ok(stored_order::NO_TRANSACTIONS.to_vec());
        };
        let transactions = stored_order::transactions(&stored);
        transactions
            .map(<[u8]>::to_vec)
            .map_err(|error| unreadable(order, error))
    }

    /// Goes through the values whose keys begin with `prefix`, in the order of keys.
    pub fn scan<T: DeserializeOwned>(
        &self,
        prefix: &[u8],
    ) -> impl DoubleEndedIterator<Item = Result<(Slice, T), ProjectionError>> + use<T> {
        self.prefix(prefix).map(|entry| {
            let (key, bytes) = entry?;
            let value = parse(&bytes, || format!("key {}", key.escape_ascii()))?;
            Ok((key, value))
        })
    }

    /// Goes through the values whose keys lie within `range`, in the order of keys.
    pub fn scan_range<T: DeserializeOwned>(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> impl Iterator<Item = Result<(Slice, T), ProjectionError>> + use<T> {
        self.range(range).map(|entry| {
            let (key, bytes) = entry?;
            let value = parse(&bytes, || format!("key {}", key.escape_ascii()))?;
            Ok((key, value))
        })
    }

    /// Goes through the keys within `range`, in order.
    pub fn keys(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> impl Iterator<Item = Result<Slice, ProjectionError>> + use<> {
        self.range(range)
            .map(|entry| entry.map(|(key, _)| key).map_err(ProjectionError::from))
    }

    /// Everything but facts, which are paged by batches.
    #[cfg(test)]
    pub fn all_but_facts(&self) -> Vec<(Slice, Slice)> {
        self.tree
            .iter(self.moment())
            .map(Result::unwrap)
            .filter(|(key, _)| !key.starts_with(FACTS))
            .collect()
    }

    /// Goes through the facts behind a place, in their order.
    pub fn facts_after(
        &self,
        place: FactPlace,
    ) -> impl Iterator<Item = Result<Fact, ProjectionError>> + use<> {
        let is_behind = move |fact: &Result<Fact, ProjectionError>| {
            fact.as_ref().map_or(true, |fact| fact.place > place)
        };
        self.fact_pages(place)
            .flat_map(|page| match page {
                Ok((_, facts)) => facts.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
            .filter(is_behind)
    }

    /// Goes through the pages of facts, with their keys, from the one that has the facts behind a place.
    pub fn fact_pages(
        &self,
        place: FactPlace,
    ) -> impl Iterator<Item = Result<(Slice, Vec<Fact>), ProjectionError>> + use<> {
        // A page has the place of its first fact, so the one that begins before may reach behind it.
        let up_to = (
            Bound::Included(FACTS.to_vec()),
            Bound::Included(fact_key(place)),
        );
        let before = self.range(up_to).next_back();
        let behind = (
            Bound::Excluded(fact_key(place)),
            Bound::Excluded(key::after_facts()),
        );
        before.into_iter().chain(self.range(behind)).map(|entry| {
            let (key, bytes) = entry?;
            let what = || format!("facts {}", key.escape_ascii());
            let json = unpack(&bytes).map_err(|error| ProjectionError::Unreadable {
                what: what(),
                source: serde_json::Error::io(error),
            })?;
            let page: Vec<(FactPlace, Fact)> = parse(&json, what)?;
            let facts = page.into_iter().map(|(place, fact)| Fact { place, ..fact });
            Ok((key, facts.collect()))
        })
    }

    /// Whether facts are kept at all.
    pub fn keeps_facts(&self) -> bool {
        self.keeps_facts
    }

    /// From when on facts are kept, by the time of their records. `None`: all are.
    pub fn facts_kept_from(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.facts_kept_from.load(Ordering::Relaxed))
    }

    /// Facts from before `time` need no longer be kept. The next batch may leave them out.
    pub fn keep_facts_from(&self, time: DateTime<Utc>) {
        self.facts_kept_from
            .fetch_max(time.timestamp_micros(), Ordering::Relaxed);
    }

    /// Facts are not kept at all: nothing is told of what this store holds.
    #[must_use]
    pub fn without_facts(self) -> Self {
        Self {
            keeps_facts: false,
            ..self
        }
    }

    /// Keeps the facts that another store keeps: for one that is to take its place.
    pub fn keep_the_facts_of(&self, other: &Self) {
        let kept_from = other.facts_kept_from.load(Ordering::Relaxed);
        self.facts_kept_from.fetch_max(kept_from, Ordering::Relaxed);
    }

    /// Applies a batch: all of it or nothing, for who asks the store [as it stands](Self::as_it_stands) and after a crash. It
    /// is on the disk some time later, or by [`flush`](Self::flush).
    ///
    /// # Errors
    /// A value has no stored form, or what was applied before could not be brought to the disk. Nothing of it was applied.
    pub fn apply(&self, batch: &WriteBatch) -> Result<(), ProjectionError> {
        let entries = batch.encode()?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.make_room()?;
        writer.apply(entries, batch.replay_bytes);
        Ok(())
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// It could not be brought there.
    pub fn flush(&self) -> Result<(), ProjectionError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.flush()?)
    }

    /// The same as the last thing: nothing is to be applied behind it. So the end waits for no merge of tables that only a
    /// later start gains by.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub fn close(&self) -> Result<(), ProjectionError> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.close()?)
    }
}

fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    what: impl FnOnce() -> String,
) -> Result<T, ProjectionError> {
    serde_json::from_slice(bytes).map_err(|source| ProjectionError::Unreadable {
        what: what(),
        source,
    })
}

fn unreadable(order: &OrderId, source: serde_json::Error) -> ProjectionError {
    ProjectionError::Unreadable {
        what: format!("order {order}"),
        source,
    }
}

/// The value's stored form.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, ProjectionError> {
    serde_json::to_vec(value).map_err(|source| ProjectionError::Unwritable {
        what: std::any::type_name::<T>().to_owned(),
        source,
    })
}
