//! The projections as a whole: opened once, brought forward by one thread, queried by many.

use std::path::Path;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::log::{EventLog, Position, Record};
use farelog_events::program::document;
use tokio::sync::watch;

use crate::answer::{Answer, DeadLetterState, DeadLetterSummary, Page, Paged};
use crate::document::OrderDocument;
use crate::member::{Member, MemberCache, Members as _};
use crate::outbox::{Fact, FactPlace};
use crate::points::Transaction;
use crate::points::entitlement::World;
use crate::program::ProgramCatalog;
use crate::progress::Progress;
use crate::projector::{Projector, StoredVersion};
use crate::store::{self, Checkpoint, Counters, ProjectionError, Store};

/// Records that are read from the log, or taken from the feed, into one batch.
const BATCH_RECORDS_MAX: usize = 4_096;

/// Everything that is projected from the log. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Projections {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    checkpoint: Checkpoint,
    catalog: RwLock<Arc<ProgramCatalog>>,
    progress: Progress,
}

/// Which of a member's transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Of this order only.
    pub order_id: Option<OrderId>,
    /// By this definition only.
    pub point_definition_reference: Option<String>,
}

impl TransactionFilter {
    fn admits(&self, transaction: &Transaction) -> bool {
        self.order_id
            .as_ref()
            .is_none_or(|order| transaction.metadata.order_id == *order)
            && self
                .point_definition_reference
                .as_ref()
                .is_none_or(|reference| {
                    transaction.point_definition_reference.as_ref() == Some(reference)
                })
    }
}

impl Projections {
    /// Opens the projections of this log in a directory. Where they don't fit the log or this version, they are
    /// removed, and [`run`](Self::run) makes them anew.
    ///
    /// # Errors
    /// The directory can't be read or written, or another process has it.
    pub fn open(directory: &Path, log: &dyn EventLog) -> Result<Self, ProjectionError> {
        let (store, checkpoint) = Store::open(directory, log.id(), log.head().position)?;
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
        Ok(Self {
            inner: Arc::new(Inner {
                store,
                progress: Progress::new(checkpoint.position),
                checkpoint,
                catalog: RwLock::new(Arc::new(catalog)),
            }),
        })
    }

    /// Catches up with the log, then follows the feed until it ends. Blocks; to be called once, on a thread of its own.
    ///
    /// # Errors
    /// The store or the log failed. Who waits for a position is told; nothing is brought forward any more.
    pub fn run(
        &self,
        log: &dyn EventLog,
        feed: &Receiver<Arc<[Record]>>,
    ) -> Result<(), ProjectionError> {
        let result = self.follow(log, feed);
        let flushed = self.inner.store.flush();
        self.inner.progress.end(match &result {
            Ok(()) => "the event log was closed".to_owned(),
            Err(error) => error.to_string(),
        });
        result.and(flushed)
    }

    fn follow(
        &self,
        log: &dyn EventLog,
        feed: &Receiver<Arc<[Record]>>,
    ) -> Result<(), ProjectionError> {
        let mut projector = self.projector()?;
        self.catch_up_with(&mut projector, log)?;
        while let Ok(first) = feed.recv() {
            let mut gathered = first.len();
            let mut batches = vec![first];
            while gathered < BATCH_RECORDS_MAX
                && let Ok(records) = feed.try_recv()
            {
                gathered += records.len();
                batches.push(records);
            }
            let mut records = batches.iter().flat_map(|batch| &**batch).peekable();
            let gap = records
                .peek()
                .is_some_and(|first| first.position > projector.position() + 1);
            if gap {
                self.catch_up_with(&mut projector, log)?;
            }
            self.project(&mut projector, records)?;
        }
        Ok(())
    }

    /// Catches up with the log as it is now, without a feed: for work on the files of a stopped server.
    ///
    /// # Errors
    /// The store or the log failed.
    pub fn catch_up(&self, log: &dyn EventLog) -> Result<(), ProjectionError> {
        let mut projector = self.projector()?;
        self.catch_up_with(&mut projector, log)?;
        self.inner.store.flush()
    }

    /// A projector that goes on where the store is, which [`catch_up`](Self::catch_up) may have brought forward since
    /// it was opened.
    fn projector(&self) -> Result<Projector<'_>, ProjectionError> {
        let checkpoint = Checkpoint {
            position: self.position(),
            ..self.inner.checkpoint
        };
        Projector::new(&self.inner.store, checkpoint, self.programs())
    }

    fn catch_up_with(
        &self,
        projector: &mut Projector<'_>,
        log: &dyn EventLog,
    ) -> Result<(), ProjectionError> {
        let behind = log.head().position.saturating_sub(projector.position());
        if behind > BATCH_RECORDS_MAX as u64 {
            tracing::info!(
                from = projector.position(),
                behind,
                "the projections catch up"
            );
        }
        loop {
            let records = log.read(projector.position() + 1, BATCH_RECORDS_MAX)?;
            if records.is_empty() {
                return Ok(());
            }
            self.project(projector, &records)?;
        }
    }

    fn project<'r>(
        &self,
        projector: &mut Projector<'_>,
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Result<(), ProjectionError> {
        projector.project(records)?;
        let mut catalog = self
            .inner
            .catalog
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&catalog, projector.catalog()) {
            *catalog = Arc::clone(projector.catalog());
        }
        drop(catalog);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a gauge is a double; positions stay exact up to 2^53"
        )]
        metrics::gauge!("farelog_projections_position").set(projector.position() as f64);
        self.inner.progress.advance(projector.position());
        Ok(())
    }

    /// The last record whose effects are in every answer.
    pub fn position(&self) -> Position {
        self.inner.progress.position()
    }

    /// Word of each new position.
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
        let Answer { position, value } = self.order(order)?;
        let value = value
            .map(|document| {
                document
                    .ledger
                    .transactions()
                    .into_iter()
                    .cloned()
                    .collect()
            })
            .unwrap_or_default();
        Ok(Answer { position, value })
    }

    /// The membership of a program that counts for a customer now, whether in force or not; it may be that of a customer
    /// that this one is merged with.
    pub fn member_of(
        &self,
        program: ProgramId,
        customer: &CustomerId,
    ) -> Result<Answer<Option<Member>>, ProjectionError> {
        self.answer(|store| {
            let members = MemberCache::new(store);
            let member = members.member_at(program, customer, Position::MAX);
            members.check()?;
            Ok(member.map(Arc::unwrap_or_clone))
        })
    }

    /// A member of a program by id, whether in force or not.
    pub fn member(
        &self,
        program: ProgramId,
        member: MemberId,
    ) -> Result<Answer<Option<Member>>, ProjectionError> {
        self.answer(|store| {
            let key = store::member_id_key(program, member);
            match store.read::<CustomerId>(&key, "member id")? {
                Some(customer) => store.read(&store::member_key(program, &customer), "member"),
                None => Ok(None),
            }
        })
    }

    /// The members of a program, in the order in which they first enrolled. Takes time with the page's number.
    pub fn members(
        &self,
        program: ProgramId,
        page: Page,
    ) -> Result<Answer<Paged<Member>>, ProjectionError> {
        self.answer(|store| {
            let count: Option<usize> =
                store.read(&store::member_count_key(program), "member count")?;
            let mut members = Vec::new();
            for entry in store
                .scan::<CustomerId>(&store::members_prefix(program))
                .skip(page.offset())
                .take(page.per_page)
            {
                let (_, customer) = entry?;
                members.extend(store.read(&store::member_key(program, &customer), "member")?);
            }
            Ok(Paged::new(members, count.unwrap_or_default(), page))
        })
    }

    /// A member's transactions, newest `validFrom` first. Takes time with the number of the member's transactions.
    pub fn transactions_of_member(
        &self,
        member: MemberId,
        filter: &TransactionFilter,
        page: Page,
    ) -> Result<Answer<Paged<Transaction>>, ProjectionError> {
        self.answer(|store| {
            let all = store.scan::<Transaction>(&store::transactions_prefix(member));
            paged(all, page, |transaction| filter.admits(transaction))
        })
    }

    /// Dead letters in the states that `admits` says; oldest first. Takes time with the number of dead letters.
    pub fn dead_letters(
        &self,
        admits: impl Fn(DeadLetterState) -> bool,
        page: Page,
    ) -> Result<Answer<Paged<DeadLetterSummary>>, ProjectionError> {
        self.answer(|store| {
            let all = store.scan::<DeadLetterSummary>(store::DEAD_LETTERS);
            paged(all, page, |letter| admits(letter.state))
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
        self.inner.store.keep_facts_from(time);
    }

    /// Does something with programs and members as they stand: what a decision needs that folds as a projection does.
    ///
    /// # Errors
    /// A member could not be read.
    pub fn with_world<T>(&self, work: impl FnOnce(World<'_>) -> T) -> Result<T, ProjectionError> {
        let programs = self.programs();
        let members = MemberCache::new(&self.inner.store);
        let result = work(World {
            programs: &programs,
            members: &members,
        });
        members.check()?;
        Ok(result)
    }

    fn answer<T>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ProjectionError>,
    ) -> Result<Answer<T>, ProjectionError> {
        let store = &self.inner.store;
        let position = self.position();
        let _reading = store.gate.read().unwrap_or_else(PoisonError::into_inner);
        Ok(Answer {
            position,
            value: read(store)?,
        })
    }
}

fn paged<T>(
    all: impl Iterator<Item = Result<(sled::IVec, T), ProjectionError>>,
    page: Page,
    admits: impl Fn(&T) -> bool,
) -> Result<Paged<T>, ProjectionError> {
    let mut items = Vec::new();
    let mut total = 0;
    for entry in all {
        let (_, item) = entry?;
        if !admits(&item) {
            continue;
        }
        if total >= page.offset() && items.len() < page.per_page {
            items.push(item);
        }
        total += 1;
    }
    Ok(Paged::new(items, total, page))
}
