//! Where projections are kept: one sled tree of their own, with the checkpoint in each batch.
//!
//! Keys begin with a letter for what they hold; numbers in them are big-endian, so that they sort.
//!
//! | key | value |
//! |---|---|
//! | `c` | the checkpoint |
//! | `s` | counters |
//! | `o` order id | the order, [`OrderDocument`], with its transactions apart: [`crate::stored_order`] |
//! | `p` program id, position | a published version of a program |
//! | `e` program id, customer id | a member |
//! | `a` customer id | the customer's merges, [`crate::member::Identity`] |
//! | `n` program id, member id | the member's customer id |
//! | `k` program id | how many members the program has |
//! | `t` member id, validFrom descending, transaction id descending | a transaction |
//! | `q` member id, definition id, key | the member's periods, in the order in which they were opened |
//! | `u` member id, definition id, `p` period id, `d` day, or `m` | the sum of the member's points there, for a cap |
//! | `d` position | a dead letter, without its bytes |
//! | `x` position, number | facts for other systems, [`crate::outbox::Fact`], from the one of this place on |
//! | `f` | the place of the last fact that is no longer kept |
//! | `g`, `h`, `i` | ticket distribution groups and what they are found by, see [`crate::search::index`] |
//!
//! Everything here can be made again from the log, so it is flushed in the background and not with each batch: after
//! a crash the checkpoint says from where to go on.

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId, TransactionId};
use farelog_events::log::Position;
use farelog_events::log::sled_log::{Flusher, open_patiently};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::answer::{Page, Paged};
use crate::batch::{Change, WriteBatch};
use crate::document::OrderDocument;
use crate::outbox::{Fact, FactPlace};
use crate::points::account::TallyOf;
use crate::points::period::PeriodsOf;
use crate::program::Tally;
use crate::stored_order;

/// The version of the folds. A checkpoint of another version is thrown away and everything is built anew; raise it
/// whenever the same log would give other answers, or they would be stored otherwise.
pub const FOLD_VERSION: u32 = 12;

/// What sled may keep of pages in memory, in bytes. Not a bound on memory: sled counts loosely.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a projection can't be read or brought forward.
#[derive(Debug, Error)]
pub enum ProjectionError {
    /// The store failed.
    #[error("the projections' store failed: {0}")]
    Store(#[from] sled::Error),
    /// Something stored is not what this version writes.
    #[error(
        "the projections hold something unreadable ({what}): {source}; stop farelog, delete the projections directory and start again, they are made anew from the log"
    )]
    Unreadable {
        /// The key, readable.
        what: String,
        /// What the decoder said.
        source: serde_json::Error,
    },
    /// The old projections could not be removed.
    #[error("the outdated projections in {directory} could not be removed: {source}")]
    Remove {
        /// Where they are.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A directory of projections could not be made, renamed or removed.
    #[error("the directory {directory} could not be made, renamed or removed: {source}")]
    Directory {
        /// Which.
        directory: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log could not be read.
    #[error(transparent)]
    Log(#[from] farelog_events::log::LogError),
    /// Facts were asked for that are no longer kept.
    #[error(
        "facts up to log position {through} are no longer kept, and those behind {after} were asked for; stop farelog, \
         delete the projections directory and start with --outbox-after {after}, they are made anew from the log"
    )]
    FactsForgotten {
        /// The position behind which they were asked for.
        after: Position,
        /// The position of the last one that is not kept.
        through: Position,
    },
    /// The thread that brings the projections forward has ended.
    #[error("the projections are no longer brought forward: {0}")]
    Ended(String),
}

impl ProjectionError {
    /// A value that has no JSON.
    pub fn unwritable(source: serde_json::Error) -> Self {
        Self::Unreadable {
            what: "a value to write".to_owned(),
            source,
        }
    }
}

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
#[derive(Debug)]
pub struct Store {
    db: sled::Db,
    /// Held for writing while a batch is applied, for reading by queries over several keys: sled's batches are atomic
    /// for a single read only.
    pub gate: Arc<RwLock<()>>,
    /// Facts of records from before this need not be kept; in microseconds since 1970.
    facts_kept_from: Arc<AtomicI64>,
    /// The batch that is on its way into the store; see [`for_writer`](Self::for_writer).
    in_flight: RwLock<Option<Arc<WriteBatch>>>,
}

impl Store {
    /// Opens the store for this log. One that belongs to another log, was written by folds of another version, is ahead of
    /// the log, or is damaged so that it can't be opened, is removed first.
    pub fn open(
        directory: &Path,
        log_id: Uuid,
        log_head: Position,
    ) -> Result<(Self, Checkpoint), ProjectionError> {
        let fresh = Checkpoint {
            log_id,
            fold_version: FOLD_VERSION,
            position: 0,
        };
        let store = match Self::open_as_it_is(directory) {
            Ok(store) => store,
            // The system refused, which says nothing about the files.
            Err(error @ ProjectionError::Store(sled::Error::Io(_))) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "the projections can't be opened and are made anew");
                return Ok((Self::make_anew(directory)?, fresh));
            }
        };
        match store.read::<Checkpoint>(CHECKPOINT, "checkpoint") {
            Ok(None) if store.db.is_empty() => return Ok((store, fresh)),
            Ok(Some(checkpoint))
                if checkpoint.log_id == log_id
                    && checkpoint.fold_version == FOLD_VERSION
                    && checkpoint.position <= log_head =>
            {
                return Ok((store, checkpoint));
            }
            found => {
                tracing::warn!(
                    ?found,
                    "the projections don't fit the log and are made anew"
                );
            }
        }
        drop(store);
        Ok((Self::make_anew(directory)?, fresh))
    }

    /// Makes a store in a directory that is not there yet.
    pub fn make(directory: &Path) -> Result<Self, ProjectionError> {
        Self::open_as_it_is(directory)
    }

    fn make_anew(directory: &Path) -> Result<Self, ProjectionError> {
        std::fs::remove_dir_all(directory).map_err(|source| ProjectionError::Remove {
            directory: directory.to_owned(),
            source,
        })?;
        Self::open_as_it_is(directory)
    }

    fn open_as_it_is(directory: &Path) -> Result<Self, ProjectionError> {
        let config = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES);
        let db = open_patiently(&config)?;
        Ok(Self {
            db,
            gate: Arc::default(),
            facts_kept_from: Arc::new(AtomicI64::new(i64::MIN)),
            in_flight: RwLock::default(),
        })
    }

    /// The same store as the one who folds into it sees it: single values are read as if the batch that is
    /// [in flight](Self::set_in_flight) was applied. Scans don't see it.
    pub fn for_writer(&self) -> Self {
        Self {
            db: self.db.clone(),
            gate: Arc::clone(&self.gate),
            facts_kept_from: Arc::clone(&self.facts_kept_from),
            in_flight: RwLock::default(),
        }
    }

    /// From here on this batch is on its way into the store, and the one before it is there.
    pub fn set_in_flight(&self, batch: Option<Arc<WriteBatch>>) {
        *self
            .in_flight
            .write()
            .unwrap_or_else(PoisonError::into_inner) = batch;
    }

    fn get(&self, key: &[u8]) -> Result<Option<sled::IVec>, ProjectionError> {
        match self.in_flight(|batch| batch.get(key)) {
            Some(Change::Put(value)) => Ok(Some(value)),
            Some(Change::Remove) => Ok(None),
            None => Ok(self.db.get(key)?),
        }
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
        let Some(stored) = self.db.get(order_key(order))? else {
            return Ok(None);
        };
        let document = stored_order::decode(&stored);
        document.map(Some).map_err(|error| unreadable(order, error))
    }

    /// Reads an order's transactions, oldest first, as a JSON array. One key is read, so no batch shows half of itself.
    pub fn read_transactions(&self, order: &OrderId) -> Result<Vec<u8>, ProjectionError> {
        let Some(stored) = self.db.get(order_key(order))? else {
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
    ) -> impl DoubleEndedIterator<Item = Result<(sled::IVec, T), ProjectionError>> + use<T> {
        self.db.scan_prefix(prefix).map(|entry| {
            let (key, bytes) = entry?;
            let value = parse(&bytes, || format!("key {}", key.escape_ascii()))?;
            Ok((key, value))
        })
    }

    /// Goes through the values whose keys lie within `range`, in the order of keys.
    pub fn scan_range<T: DeserializeOwned>(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> impl Iterator<Item = Result<(sled::IVec, T), ProjectionError>> + use<T> {
        self.db.range(range).map(|entry| {
            let (key, bytes) = entry?;
            let value = parse(&bytes, || format!("key {}", key.escape_ascii()))?;
            Ok((key, value))
        })
    }

    /// Goes through the keys within `range`, in order.
    pub fn keys(
        &self,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    ) -> impl Iterator<Item = Result<sled::IVec, ProjectionError>> + use<> {
        self.db
            .range(range)
            .keys()
            .map(|key| key.map_err(ProjectionError::from))
    }

    /// A page of the values whose keys begin with `prefix`, in the order of keys. Values on other pages are counted and not
    /// decoded.
    pub fn page<T: DeserializeOwned>(
        &self,
        prefix: &[u8],
        page: Page,
    ) -> Result<Paged<T>, ProjectionError> {
        let shown = page.offset()..page.offset().saturating_add(page.per_page);
        let mut items = Vec::new();
        let mut total = 0;
        for entry in self.db.scan_prefix(prefix) {
            let (key, bytes) = entry?;
            if shown.contains(&total) {
                items.push(parse(&bytes, || format!("key {}", key.escape_ascii()))?);
            }
            total += 1;
        }
        Ok(Paged::new(items, total, page))
    }

    /// Everything but facts, which are paged by batches.
    #[cfg(test)]
    pub fn all_but_facts(&self) -> Vec<(sled::IVec, sled::IVec)> {
        self.db
            .iter()
            .map(|entry| entry.unwrap())
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
    ) -> impl Iterator<Item = Result<(sled::IVec, Vec<Fact>), ProjectionError>> + use<> {
        // A page has the place of its first fact, so the one that begins before may reach behind it.
        let up_to = (
            Bound::Included(FACTS.to_vec()),
            Bound::Included(fact_key(place)),
        );
        let before = self.db.range(up_to).next_back();
        let behind = (
            Bound::Excluded(fact_key(place)),
            Bound::Excluded(after_facts()),
        );
        before
            .into_iter()
            .chain(self.db.range(behind))
            .map(|entry| {
                let (key, bytes) = entry?;
                let page: Vec<(FactPlace, Fact)> =
                    parse(&bytes, || format!("facts {}", key.escape_ascii()))?;
                let facts = page.into_iter().map(|(place, fact)| Fact { place, ..fact });
                Ok((key, facts.collect()))
            })
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
    pub fn keep_no_facts(&self) {
        self.facts_kept_from.store(i64::MAX, Ordering::Relaxed);
    }

    /// Keeps the facts that another store keeps: for one that is to take its place.
    pub fn keep_the_facts_of(&self, other: &Self) {
        let kept_from = other.facts_kept_from.load(Ordering::Relaxed);
        self.facts_kept_from.fetch_max(kept_from, Ordering::Relaxed);
    }

    /// Applies a batch: all of it or nothing, also after a crash.
    pub fn apply(&self, batch: &WriteBatch) -> Result<(), ProjectionError> {
        let batch = batch.to_sled()?;
        let _writing = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        Ok(self.db.apply_batch(batch)?)
    }

    /// Waits until everything is on disk.
    pub fn flush(&self) -> Result<(), ProjectionError> {
        // sled alone would wait for ever for a write that took long to fail.
        Ok(Flusher::start(&self.db)?.flush()?)
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
    serde_json::to_vec(value).map_err(|source| ProjectionError::Unreadable {
        what: std::any::type_name::<T>().to_owned(),
        source,
    })
}

/// Key of the checkpoint.
pub const CHECKPOINT: &[u8] = b"c";
/// Key of the counters.
pub const COUNTERS: &[u8] = b"s";

/// Key of an order.
pub fn order_key(order: &OrderId) -> Vec<u8> {
    [b"o", order.as_str().as_bytes()].concat()
}

/// Prefix of all versions of all programs.
pub const PROGRAMS: &[u8] = b"p";

/// Key of a published version of a program.
pub fn program_key(program: ProgramId, position: Position) -> Vec<u8> {
    [
        b"p".as_slice(),
        &number(program.get()),
        &position.to_be_bytes(),
    ]
    .concat()
}

/// The program and position in the key of a published version.
pub fn parse_program_key(key: &[u8]) -> Option<(ProgramId, Position)> {
    let program = i64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    let position = Position::from_be_bytes(key.get(9..)?.try_into().ok()?);
    Some((ProgramId::new(program)?, position))
}

/// Key of a member.
pub fn member_key(program: ProgramId, customer: &CustomerId) -> Vec<u8> {
    [
        b"e".as_slice(),
        &number(program.get()),
        customer.as_str().as_bytes(),
    ]
    .concat()
}

/// Prefix of customers' merges.
pub const IDENTITIES: &[u8] = b"a";

/// Key of a customer's merges.
pub fn identity_key(customer: &CustomerId) -> Vec<u8> {
    [IDENTITIES, customer.as_str().as_bytes()].concat()
}

/// Prefix of the members of a program, by id.
pub fn members_prefix(program: ProgramId) -> Vec<u8> {
    [b"n".as_slice(), &number(program.get())].concat()
}

/// Key by which a member's customer is found.
pub fn member_id_key(program: ProgramId, member: MemberId) -> Vec<u8> {
    [members_prefix(program).as_slice(), &number(member.get())].concat()
}

/// Key of the number of members of a program.
pub fn member_count_key(program: ProgramId) -> Vec<u8> {
    [b"k".as_slice(), &number(program.get())].concat()
}

/// Prefix of all transactions, by member.
pub const TRANSACTIONS: &[u8] = b"t";

/// Prefix of a member's transactions, newest `validFrom` first.
pub fn transactions_prefix(member: MemberId) -> Vec<u8> {
    [TRANSACTIONS, &number(member.get())].concat()
}

/// Key of a transaction among its member's.
pub fn transaction_key(
    member: MemberId,
    valid_from: DateTime<Utc>,
    transaction: TransactionId,
) -> Vec<u8> {
    [
        transactions_prefix(member).as_slice(),
        &time_descending(valid_from),
        &(!transaction.get().cast_unsigned()).to_be_bytes(),
    ]
    .concat()
}

/// A time within a key, so that later ones sort before earlier ones.
pub fn time_descending(time: DateTime<Utc>) -> [u8; 12] {
    // Flipping the sign bit makes signed numbers sort as unsigned ones; flipping the rest makes them descend.
    let seconds = time.timestamp().cast_unsigned() ^ (u64::MAX >> 1);
    let nanos = u32::MAX - time.timestamp_subsec_nanos();
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&seconds.to_be_bytes());
    bytes[8..].copy_from_slice(&nanos.to_be_bytes());
    bytes
}

/// Key of a member's periods.
pub fn periods_key(of: &PeriodsOf) -> Vec<u8> {
    [
        b"q".as_slice(),
        &number(of.member_id.get()),
        &number(of.point_definition_id.get()),
        of.key.as_bytes(),
    ]
    .concat()
}

/// Key of a sum of a member's points; `None` for an order's, which the order has.
pub fn tally_key(of: &TallyOf) -> Option<Vec<u8>> {
    let of_what = match of.tally {
        Tally::Period(id) => [b"p".as_slice(), &number(id)].concat(),
        Tally::Day { from, to } => {
            let [from, to] = [from, to].map(|time| time.timestamp().to_be_bytes());
            [b"d".as_slice(), &from, &to].concat()
        }
        Tally::Member => b"m".to_vec(),
        Tally::Order => return None,
    };
    let key = [
        b"u".as_slice(),
        &number(of.member_id.get()),
        &number(of.point_definition_id.get()),
        &of_what,
    ];
    Some(key.concat())
}

/// Prefix of dead letters.
pub const DEAD_LETTERS: &[u8] = b"d";

/// Key of a dead letter.
pub fn dead_letter_key(number: Position) -> Vec<u8> {
    [DEAD_LETTERS, &number.to_be_bytes()].concat()
}

/// Key of the place of the last fact that is no longer kept.
pub const FACTS_FORGOTTEN: &[u8] = b"f";

const FACTS: &[u8] = b"x";

/// Key of the facts from a place on.
pub fn fact_key(place: FactPlace) -> Vec<u8> {
    [
        FACTS,
        &place.position.to_be_bytes(),
        &place.number.to_be_bytes(),
    ]
    .concat()
}

/// Behind the keys of all facts.
fn after_facts() -> Vec<u8> {
    vec![b'x' + 1]
}

/// Ids are positive, so that their bytes sort as they do.
fn number(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_transactions_sort_by_valid_from_newest_first() {
        let member = MemberId::new(1).unwrap();
        let key = |time: &str, id: i64| {
            transaction_key(
                member,
                time.parse().unwrap(),
                TransactionId::new(id).unwrap(),
            )
        };
        let newest_first = [
            key("2026-02-01T00:00:00Z", 1),
            key("2026-01-01T00:00:00.5Z", 1),
            key("2026-01-01T00:00:00Z", 9),
            key("2026-01-01T00:00:00Z", 8),
            key("1969-12-31T23:59:59Z", 1),
            key("1900-01-01T00:00:00Z", 1),
        ];
        assert!(newest_first.is_sorted_by(|a, b| a < b));
    }
}
