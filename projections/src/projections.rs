//! The projections as a whole: opened once, brought forward by one thread, queried by many.

use std::iter;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use farelog_events::id::OrderId;
use farelog_events::log::feed::Feed;
use farelog_events::log::{EventLog, Position, Record};
use farelog_events::program::document;
use tokio::sync::watch;

use crate::account_cache::AccountCache;
use crate::answer::{Answer, DeadLetterState, DeadLetterSummary, Page, Paged};
use crate::catch_up::catch_up;
use crate::document::OrderDocument;
use crate::figures;
use crate::full_orders::FullOrders;
use crate::member::MemberCache;
use crate::outbox::{Fact, FactPlace};
use crate::place::Place;
use crate::points::Transaction;
use crate::points::entitlement::World;
use crate::program::ProgramCatalog;
use crate::progress::{EndOfProgress, Progress};
use crate::projector::{Projector, StoredVersion};
use crate::store::{self, Checkpoint, Counters, ProjectionError, Store, StoreMemory};
use crate::write_behind::{Folded, WriteBehind};

/// Records that are read from the log into one batch.
pub const BATCH_RECORDS_MAX: usize = 4_096;

/// Records from which on no more are taken from the feed into one batch. Behind a backlog batches are large, so that an
/// order is written once for all its events that come close together; otherwise a batch is what has come.
const FED_RECORDS_MAX: usize = 16_384;

/// Records of a batch of the feed from which on it is written while the next one is folded.
const WRITTEN_BEHIND_MIN: usize = 1_024;

/// How long a store that was replaced is held at most by who waits for records to fold into it.
const STORE_HELD_IDLE_MAX: Duration = Duration::from_millis(200);

/// Everything that is projected from the log. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Projections {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// Another one after a rebuild.
    pub(crate) store: RwLock<Arc<Store>>,
    /// Held while a batch is written to the store, and while another store takes its place.
    turn: Mutex<()>,
    /// As it was when the store was opened.
    pub(crate) checkpoint: Checkpoint,
    pub(crate) memory: StoreMemory,
    catalog: RwLock<Arc<ProgramCatalog>>,
    pub(crate) progress: Progress,
    full_orders: Arc<FullOrders>,
    /// Held while the projections are made anew. Last, so that the store is closed before it.
    pub(crate) place: Mutex<Place>,
}

/// What is in use at one moment, which belongs together.
pub(crate) struct InUse {
    pub(crate) store: Arc<Store>,
    /// How far the store is, which may have been brought forward since it was opened.
    pub(crate) checkpoint: Checkpoint,
    programs: Arc<ProgramCatalog>,
}

impl InUse {
    /// A projector that goes on where the store is, which it sees as `writing`.
    fn projector<'s>(&self, writing: &'s Store) -> Result<Projector<'s>, ProjectionError> {
        Projector::new(writing, self.checkpoint, Arc::clone(&self.programs))
    }
}

impl Projections {
    /// Opens the projections of this log in a directory. Where they don't fit the log or this version, they are
    /// removed, and [`run`](Self::run) makes them anew.
    ///
    /// # Errors
    /// The directory can't be read or written, or another process has it.
    pub fn open(directory: &Path, log: &dyn EventLog) -> Result<Self, ProjectionError> {
        Self::open_within(StoreMemory::USUAL, directory, log)
    }

    /// The same with another limit of memory.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_within(
        memory: StoreMemory,
        directory: &Path,
        log: &dyn EventLog,
    ) -> Result<Self, ProjectionError> {
        let place = Place::settle(directory)?;
        let (store, checkpoint) = Store::open(directory, log.id(), log.head().position, memory)?;
        let full_orders = Arc::new(FullOrders::of(&store)?);
        let mut catalog = ProgramCatalog::default();
        let mut versions = Vec::new();
        for version in store.scan::<StoredVersion>(store::PROGRAMS) {
            let (key, version) = version?;
            if let Some((program, position)) = store::parse_program_key(&key) {
                versions.push((position, program, version));
            }
        }
        versions.sort_by_key(|(position, ..)| *position);
        for (position, program, version) in versions {
            catalog.publish(
                program,
                position,
                version.recorded_at,
                document(version.document.get()),
            );
        }
        figures::describe();
        let counters = store.read(store::COUNTERS, "counters")?;
        figures::show(checkpoint.position, &counters.unwrap_or_default());
        Ok(Self {
            inner: Arc::new(Inner {
                store: RwLock::new(Arc::new(store)),
                turn: Mutex::new(()),
                progress: Progress::new(checkpoint.position),
                checkpoint,
                memory,
                catalog: RwLock::new(Arc::new(catalog)),
                full_orders,
                place: Mutex::new(place),
            }),
        })
    }

    /// The orders of which no more is to be taken in.
    pub fn full_orders(&self) -> Arc<FullOrders> {
        Arc::clone(&self.inner.full_orders)
    }

    /// Catches up with the log, then follows the feed until it ends. Blocks; to be called once, on a thread of its own.
    ///
    /// # Errors
    /// The store or the log failed. Who waits for a position is told; nothing is brought forward any more.
    pub fn run(&self, log: &dyn EventLog, feed: &Feed) -> Result<(), ProjectionError> {
        let _end = EndOfProgress(&self.inner.progress);
        let result = self.follow(log, feed);
        // Before the disk is waited for, which may be what hangs: who waits for a position need not wait for that.
        self.inner.progress.end(match &result {
            Ok(()) => "the event log was closed".to_owned(),
            Err(error) => error.to_string(),
        });
        result?;
        self.store().close()
    }

    fn follow(&self, log: &dyn EventLog, feed: &Feed) -> Result<(), ProjectionError> {
        while self.follow_into(&self.in_use(), log, feed)?.is_continue() {}
        Ok(())
    }

    /// Follows the feed until it ends, or goes on with another store where one has taken this one's place. What was
    /// taken from the feed by then is in the log.
    fn follow_into(
        &self,
        in_use: &InUse,
        log: &dyn EventLog,
        feed: &Feed,
    ) -> Result<ControlFlow<()>, ProjectionError> {
        let store = &in_use.store;
        let writing = store.for_writer();
        let mut projector = in_use.projector(&writing)?;
        if !self.catch_up_with(&mut projector, store, log)? {
            return Ok(ControlFlow::Continue(()));
        }
        let write = |folded: &Folded| self.write(store, folded);
        thread::scope(|scope| {
            let mut writer = WriteBehind::start(scope, &writing, &write, WRITTEN_BEHIND_MIN);
            loop {
                let records = match feed.try_next() {
                    Ok(records) => records,
                    // While there is nothing to fold no batch is in flight.
                    Err(_) if writer.settle()?.is_break() => return Ok(ControlFlow::Continue(())),
                    Err(_) => match feed.next_within(STORE_HELD_IDLE_MAX) {
                        Ok(records) => records,
                        Err(RecvTimeoutError::Timeout) if Arc::ptr_eq(store, &self.store()) => {
                            continue;
                        }
                        Err(RecvTimeoutError::Timeout) => return Ok(ControlFlow::Continue(())),
                        Err(RecvTimeoutError::Disconnected) => return Ok(ControlFlow::Break(())),
                    },
                };
                let gap = records
                    .first()
                    .is_some_and(|first| first.position > projector.position() + 1);
                if gap
                    && (writer.settle()?.is_break()
                        || !self.catch_up_with(&mut projector, store, log)?)
                {
                    return Ok(ControlFlow::Continue(()));
                }
                let put = |folded| writer.put(folded);
                if projector.project_with(fed(records, feed), put)?.is_break() {
                    return Ok(ControlFlow::Continue(()));
                }
            }
        })
    }

    /// Catches up with the log as it is now, without a feed: for work on the files of a stopped server.
    ///
    /// # Errors
    /// The store or the log failed.
    pub fn catch_up(&self, log: &dyn EventLog) -> Result<(), ProjectionError> {
        let in_use = self.in_use();
        let writing = in_use.store.for_writer();
        let mut projector = in_use.projector(&writing)?;
        self.catch_up_with(&mut projector, &in_use.store, log)?;
        projector.end_with(|| in_use.store.flush())
    }

    /// Waits while a batch is written, and while another store takes the place of the one in use.
    pub(crate) fn in_use(&self) -> InUse {
        let _turn = self.take_turn();
        InUse {
            store: self.store(),
            checkpoint: Checkpoint {
                position: self.position(),
                ..self.inner.checkpoint
            },
            programs: self.programs(),
        }
    }

    /// Says whether the store is the one in use still; where not, it may not have caught up.
    fn catch_up_with(
        &self,
        projector: &mut Projector<'_>,
        store: &Arc<Store>,
        log: &dyn EventLog,
    ) -> Result<bool, ProjectionError> {
        let behind = log.head().position.saturating_sub(projector.position());
        if behind > BATCH_RECORDS_MAX as u64 {
            tracing::info!(
                from = projector.position(),
                behind,
                "the projections catch up"
            );
        }
        let write = |folded: &Folded| self.write(store, folded);
        let progress = |_| ControlFlow::Continue(());
        Ok(catch_up(projector, log, write, progress)?.is_continue())
    }

    /// Writes a batch to the store if it is the one in use, and breaks where it is not.
    fn write(
        &self,
        store: &Arc<Store>,
        folded: &Folded,
    ) -> Result<ControlFlow<()>, ProjectionError> {
        let _turn = self.take_turn();
        if !Arc::ptr_eq(store, &self.store()) {
            return Ok(ControlFlow::Break(()));
        }
        store.apply(&folded.batch)?;
        self.inner.full_orders.note(&folded.batch);
        let mut catalog = self
            .inner
            .catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&catalog, &folded.catalog) {
            *catalog = Arc::clone(&folded.catalog);
        }
        drop(catalog);
        figures::show(folded.position, &folded.counters);
        self.inner.progress.advance(folded.position);
        Ok(ControlFlow::Continue(()))
    }

    /// Keeps the store as it is, and in use, for as long as the turn is held.
    pub(crate) fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.inner
            .turn
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes another store into use, which is at least as far. To be called with the turn taken.
    pub(crate) fn change_store(
        &self,
        store: Store,
        catalog: Arc<ProgramCatalog>,
        position: Position,
        counters: Counters,
    ) {
        *self
            .inner
            .catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner) = catalog;
        *self
            .inner
            .store
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(store);
        figures::show(position, &counters);
        // Behind the store, so that no answer says it is further than it is.
        self.inner.progress.advance(position);
    }

    /// The store in use. Whoever says how far it is looks at that first.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(
            &self
                .inner
                .store
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The last record whose effects are in every answer.
    pub fn position(&self) -> Position {
        self.inner.progress.position()
    }

    /// Word of each new position. Closed once nothing is brought forward any more.
    pub fn progress(&self) -> watch::Receiver<Position> {
        self.inner.progress.subscribe()
    }

    /// Blocks until the projections are as far as `position`. Not for async code: that has [`progress`](Self::progress).
    ///
    /// # Errors
    /// [`ProjectionError::Ended`] when they never will be.
    pub fn wait_until(&self, position: Position) -> Result<(), ProjectionError> {
        self.inner.progress.wait_until(position)
    }

    /// The programs, with every version.
    pub fn programs(&self) -> Arc<ProgramCatalog> {
        Arc::clone(
            &self
                .inner
                .catalog
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// All that is kept of an order.
    pub fn order(&self, order: &OrderId) -> Result<Answer<Option<OrderDocument>>, ProjectionError> {
        self.answer(|store| store.read_order(order))
    }

    /// All transactions of an order, in all programs, oldest first.
    pub fn transactions_of_order(
        &self,
        order: &OrderId,
    ) -> Result<Answer<Vec<Transaction>>, ProjectionError> {
        let Answer { position, value } = self.transactions_of_order_as_json(order)?;
        let value =
            serde_json::from_slice(&value).map_err(|source| ProjectionError::Unreadable {
                what: format!("the transactions of order {order}"),
                source,
            })?;
        Ok(Answer { position, value })
    }

    /// The same as a JSON array, which is how they are stored. Waits for no other query and reads one key.
    pub fn transactions_of_order_as_json(
        &self,
        order: &OrderId,
    ) -> Result<Answer<Vec<u8>>, ProjectionError> {
        let position = self.position();
        let value = self.store().read_transactions(order)?;
        Ok(Answer { position, value })
    }

    /// Dead letters in the states that `admits` says; oldest first. Takes time with the number of dead letters.
    pub fn dead_letters(
        &self,
        admits: impl Fn(DeadLetterState) -> bool,
        page: Page,
    ) -> Result<Answer<Paged<DeadLetterSummary>>, ProjectionError> {
        self.answer(|store| {
            let all = store.scan::<DeadLetterSummary>(store::DEAD_LETTERS);
            let all = all.map(|entry| entry.map(|(_, letter)| letter));
            Paged::of(all, page, |letter| admits(letter.state))
        })
    }

    /// A dead letter by its number.
    pub fn dead_letter(
        &self,
        number: Position,
    ) -> Result<Answer<Option<DeadLetterSummary>>, ProjectionError> {
        self.answer(|store| store.read(&store::dead_letter_key(number), "dead letter"))
    }

    /// Figures that the folds count.
    pub fn counters(&self) -> Result<Answer<Counters>, ProjectionError> {
        self.answer(|store| Ok(store.read(store::COUNTERS, "counters")?.unwrap_or_default()))
    }

    /// What there is to tell other systems behind a place, in order; at most `max` facts.
    ///
    /// Fewer than `max`: these are all that there are up to the answer's position, if not more.
    ///
    /// # Errors
    /// [`ProjectionError::FactsForgotten`] where some of them are no longer kept.
    pub fn facts_after(
        &self,
        place: FactPlace,
        max: usize,
    ) -> Result<Answer<Vec<Fact>>, ProjectionError> {
        self.answer(|store| {
            let forgotten: Option<FactPlace> =
                store.read(store::FACTS_FORGOTTEN, "forgotten facts")?;
            if let Some(forgotten) = forgotten.filter(|forgotten| place < *forgotten) {
                return Err(ProjectionError::FactsForgotten {
                    after: place.position,
                    through: forgotten.position,
                });
            }
            store.facts_after(place).take(max).collect()
        })
    }

    /// Facts of records from before `time` need no longer be kept. Called before [`run`](Self::run), a rebuild does not
    /// make them first. Lasts until the projections are closed; never goes back.
    pub fn forget_facts_before(&self, time: DateTime<Utc>) {
        self.store().keep_facts_from(time);
    }

    /// Does something with programs and members as they stand: what a decision needs that folds as a projection does.
    ///
    /// # Errors
    /// A member could not be read.
    pub fn with_world<T>(&self, work: impl FnOnce(World<'_>) -> T) -> Result<T, ProjectionError> {
        let programs = self.programs();
        let in_use = self.store();
        let store = in_use.as_it_stands();
        let members = MemberCache::new(&store);
        let accounts = AccountCache::new(&store);
        let result = work(World {
            programs: &programs,
            members: &members,
            accounts: &accounts,
        });
        members.check()?;
        accounts.check()?;
        Ok(result)
    }

    /// Asks the store as it stands: no batch that is applied meanwhile is seen, and none waits.
    pub(crate) fn answer<T>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ProjectionError>,
    ) -> Result<Answer<T>, ProjectionError> {
        let position = self.position();
        let store = self.store();
        Ok(Answer {
            position,
            value: read(&store.as_it_stands())?,
        })
    }
}

/// Records of the feed that are folded into one batch: what has come, and behind it what comes meanwhile, up to the limit. They
/// are taken as they are folded, so that few of them are in memory.
fn fed(first: Vec<Record>, feed: &Feed) -> impl Iterator<Item = Record> {
    let mut taken = first.len();
    let more = iter::from_fn(move || {
        let next = (taken < FED_RECORDS_MAX).then(|| feed.try_next().ok())??;
        taken += next.len();
        Some(next)
    });
    iter::once(first).chain(more).flatten()
}
