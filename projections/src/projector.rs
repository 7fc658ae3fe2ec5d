//! The fold of log records into the store: what each record changes, gathered and written in one batch.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::thread;

use farelog_events::dead_letter::DeadLetterSettled;
use farelog_events::event::{EventData, EventKind};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::{Position, Record};
use farelog_events::member::Membership;
use farelog_events::program;
use foldhash::HashMap;

use crate::account_cache::AccountCache;
use crate::answer::{DeadLetterState, DeadLetterSummary};
use crate::batch::WriteBatch;
use crate::document::Effects;
use crate::full_orders;
use crate::key_filter::KeyFilter;
use crate::member::{MemberCache, MemberChangeKind};
use crate::order::OrderEvent;
use crate::order_cache::{LetGo, OrderCache};
use crate::outbox::fact::FactContent;
use crate::outbox::keeper::FactKeeper;
use crate::outbox::points::points_changed;
use crate::points::Transaction;
use crate::points::entitlement::World;
use crate::program::ProgramCatalog;
use crate::search::index;
use crate::store::{self, Checkpoint, Counters, ProjectionError, Store};
use crate::write_behind::Folded;

/// What stays in memory between batches, at most. What a batch has brought comes on top, until the batch ends.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Orders; those that the last two batches changed come on top, and as many again that are let go in steps.
    pub orders: usize,
    /// Customers with their members, as many customers' merges, and as many members' customers.
    pub customers: usize,
    /// Members' lists of periods, and as many sums.
    pub accounts: usize,
}

impl Kept {
    const USUAL: Self = Self {
        orders: 4_096,
        customers: 16_384,
        accounts: 16_384,
    };
}

/// What a record counts beside its data where it has to be read again.
const RECORD_BYTES_BESIDE_DATA: usize = 200;

/// Bytes within which a transaction lies, nearly always.
const TRANSACTION_BYTES_USUAL: usize = 192;

/// Brings the store forward, batch by batch.
pub struct Projector<'s> {
    store: &'s Store,
    kept: Kept,
    checkpoint: Checkpoint,
    catalog: Arc<ProgramCatalog>,
    members: MemberCache<'s>,
    accounts: AccountCache<'s>,
    orders: OrderCache<'s>,
    /// Customers of members, as far as they were asked for or are new.
    customers: HashMap<(ProgramId, MemberId), CustomerId>,
    counters: Counters,
    facts: FactKeeper<'s>,
}

/// What a batch of records changed and is not written yet.
#[derive(Default)]
pub struct Changes {
    /// Records that were folded, of whatever kind.
    pub records: usize,
    /// Bytes of their data.
    pub bytes: usize,
    orders: Vec<OrderId>,
    members_added: BTreeMap<ProgramId, u64>,
    dead_letters: BTreeMap<Position, DeadLetterSummary>,
    values: WriteBatch,
    /// Whether a program was published: then the batch is to end here, since accounts look for what came before.
    pub has_publication: bool,
}

impl<'s> Projector<'s> {
    /// Goes on at a checkpoint, with the programs that the store holds.
    pub fn new(
        store: &'s Store,
        checkpoint: Checkpoint,
        catalog: Arc<ProgramCatalog>,
    ) -> Result<Self, ProjectionError> {
        Self::new_that_keeps(Kept::USUAL, store, checkpoint, catalog)
    }

    /// The same with more or less in memory, which changes nothing but how often the store is asked.
    pub fn new_that_keeps(
        kept: Kept,
        store: &'s Store,
        checkpoint: Checkpoint,
        catalog: Arc<ProgramCatalog>,
    ) -> Result<Self, ProjectionError> {
        // Where nothing was folded, the store has no order and no member.
        let filter = || (checkpoint.position == 0).then(KeyFilter::empty);
        Ok(Self {
            store,
            kept,
            checkpoint,
            catalog,
            members: MemberCache::new(store).with_filter(filter()),
            accounts: AccountCache::new(store),
            orders: OrderCache::new(store, filter()),
            customers: HashMap::default(),
            counters: store.read(store::COUNTERS, "counters")?.unwrap_or_default(),
            facts: FactKeeper::new(store)?,
        })
    }

    /// From here on orders that are not kept any longer are let go by somebody else; see [`OrderCache::set_let_go`].
    pub fn set_let_go(&mut self, let_go: Option<SyncSender<LetGo>>) {
        self.orders.set_let_go(let_go);
    }

    /// The last record that is in.
    pub fn position(&self) -> Position {
        self.checkpoint.position
    }

    /// The programs, with every version that is in.
    pub fn catalog(&self) -> &Arc<ProgramCatalog> {
        &self.catalog
    }

    /// What was counted.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The store that is folded by.
    pub fn store(&self) -> &'s Store {
        self.store
    }

    /// Folds records that follow on the last one, and writes all that they change, with the checkpoint, in one batch, or
    /// several where programs are published.
    /// Records that are in already are passed over.
    pub fn project<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Result<(), ProjectionError> {
        let store = self.store;
        let write = |folded: Folded| store.apply(&folded.batch).map(ControlFlow::Continue);
        self.project_with(records, write).map(|_| ())
    }

    /// The same with `write` for what writes a batch; where that breaks, the projector is not to be used again. A record that
    /// is given away is let go when it is folded.
    pub fn project_with(
        &mut self,
        records: impl IntoIterator<Item: Borrow<Record>>,
        mut write: impl FnMut(Folded) -> Result<ControlFlow<()>, ProjectionError>,
    ) -> Result<ControlFlow<()>, ProjectionError> {
        let mut changes = Changes::default();
        for record in records {
            let record = record.borrow();
            if record.position <= self.checkpoint.position {
                continue;
            }
            self.fold(record, decode(record), &mut changes)?;
            if changes.has_publication
                && write(self.finish(std::mem::take(&mut changes))?)?.is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        write(self.finish(changes)?)
    }

    /// Folds the record that follows on the last one, with what [`decode`] gave for it.
    pub fn fold(
        &mut self,
        record: &Record,
        event: Option<OrderEvent>,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        changes.records += 1;
        changes.bytes += record.data.get().len();
        if let Some(event) = event {
            self.take_in(record, event, changes)?;
        }
        self.checkpoint.position = record.position;
        Ok(())
    }

    fn take_in(
        &mut self,
        record: &Record,
        event: OrderEvent,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        match &event.data {
            EventData::ProgramPublished(id) => self.publish(*id, record, changes),
            EventData::MemberEnrolled(membership) => {
                self.change_member(MemberChangeKind::Enrolled, membership, record, changes)
            }
            EventData::MemberUpdated(membership) => {
                self.change_member(MemberChangeKind::Updated, membership, record, changes)
            }
            EventData::MemberWithdrawn(membership) => {
                self.change_member(MemberChangeKind::Withdrawn, membership, record, changes)
            }
            EventData::CustomersMerged(merged) => {
                self.members.merge(merged, record.position);
                Ok(())
            }
            EventData::DeadLetterRecorded(letter) => {
                self.counters.dead_letters += 1;
                self.counters.dead_letters_open += 1;
                let summary = DeadLetterSummary::new(record, (**letter).clone());
                let fact = FactContent::of_dead_letter(&summary);
                changes.dead_letters.insert(record.position, summary);
                self.facts.keep(record, 1, [fact], &mut changes.values)
            }
            EventData::DeadLetterRetried(settled) => {
                let fact = FactContent::of_settled_dead_letter(event.kind, settled);
                self.settle_dead_letter(settled, DeadLetterState::Retried, changes)?;
                self.facts.keep(record, 1, [fact], &mut changes.values)
            }
            EventData::DeadLetterDiscarded(settled) => {
                let fact = FactContent::of_settled_dead_letter(event.kind, settled);
                self.settle_dead_letter(settled, DeadLetterState::Discarded, changes)?;
                self.facts.keep(record, 1, [fact], &mut changes.values)
            }
            _ => self.apply_to_order(event, record, changes),
        }
    }

    fn apply_to_order(
        &mut self,
        event: OrderEvent,
        record: &Record,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        let kind = event.kind;
        let Some(order_id) = record.about.order() else {
            return Ok(());
        };
        let document =
            (self.orders).begin_change(order_id, &mut changes.orders, &mut self.counters)?;
        let world = World {
            programs: &self.catalog,
            members: &self.members,
            accounts: &self.accounts,
        };
        // A copy only where the batch before, which has the order too, is still being written.
        let document = Arc::make_mut(document);
        let groups_before = document.groups.to_view();
        let effects = document.apply(event, world);
        index::follow(
            &mut changes.values,
            &groups_before,
            &document.groups.to_view(),
        )?;
        self.accounts.take_in(&effects.settled.accounts);
        let customer_of = |program, member| match self.customers.entry((program, member)) {
            Entry::Occupied(known) => Ok(Some(known.get().clone())),
            Entry::Vacant(unknown) => {
                let key = store::member_id_key(program, member);
                let stored: Option<CustomerId> = self.store.read(&key, "member id")?;
                Ok::<_, ProjectionError>(
                    stored.map(|customer| unknown.insert_entry(customer).get().clone()),
                )
            }
        };
        let points = points_changed(order_id, &effects.settled, &document.ledger, customer_of)?;
        let tickets = &effects.distribution.facts;
        let facts = tickets.iter().map(FactContent::of_ticket);
        let facts = facts.chain(points.iter().map(FactContent::of_points));
        let count = tickets.len() + points.len();
        self.facts.keep(record, count, facts, &mut changes.values)?;
        self.note_effects(&effects, kind, changes);
        Ok(())
    }

    fn note_effects(&mut self, effects: &Effects, kind: EventKind, changes: &mut Changes) {
        self.counters.rule_errors += effects.rule_errors as u64;
        self.counters.transactions_cancelled += effects.settled.cancelled.len() as u64;
        self.counters.transactions_given += effects.settled.given.len() as u64;
        self.counters.ticket_events_ignored += u64::from(effects.distribution.ignored.is_some());
        if effects.settled.postponed > 0 {
            tracing::warn!(
                %kind,
                postponed = effects.settled.postponed,
                "an order has more points to give than one record can; its next event gives the rest"
            );
        }
        for transaction in effects
            .settled
            .cancelled
            .iter()
            .chain(&effects.settled.given)
        {
            put_transaction(changes, transaction);
        }
    }

    fn publish(
        &mut self,
        id: ProgramId,
        record: &Record,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        let catalog = Arc::make_mut(&mut self.catalog);
        let json = program::document(record.data.get());
        if catalog.publish(id, record.position, record.recorded_at, json) {
            let version = StoredVersion {
                recorded_at: record.recorded_at,
                document: record.data.clone(),
            };
            put(changes, store::program_key(id, record.position), &version)?;
            changes.has_publication = true;
        }
        Ok(())
    }

    fn change_member(
        &mut self,
        kind: MemberChangeKind,
        membership: &Membership,
        record: &Record,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        // Admission refuses members of unknown programs, so that only a log from elsewhere gets past here.
        let Some(program) = self.catalog.resolve(membership) else {
            return Ok(());
        };
        if let Some(member) = self.members.change(kind, program, membership, record) {
            self.counters.members += 1;
            *changes.members_added.entry(program).or_default() += 1;
            let customer = member.customer_id.clone();
            put(changes, store::member_id_key(program, member.id), &customer)?;
            self.customers.insert((program, member.id), customer);
        }
        Ok(())
    }

    fn settle_dead_letter(
        &mut self,
        settled: &DeadLetterSettled,
        state: DeadLetterState,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        let mut known = changes.dead_letters.remove(&settled.number);
        if known.is_none() {
            let key = store::dead_letter_key(settled.number);
            known = self.store.read(&key, "dead letter")?;
        }
        let Some(mut summary) = known else {
            return Ok(());
        };
        if summary.state == DeadLetterState::Open {
            self.counters.dead_letters_open = self.counters.dead_letters_open.saturating_sub(1);
        }
        summary.state = state;
        changes.dead_letters.insert(settled.number, summary);
        Ok(())
    }

    /// Ends a batch: all that changed, in its stored form, with the checkpoint.
    pub fn finish(&mut self, mut changes: Changes) -> Result<Folded, ProjectionError> {
        self.members.check()?;
        self.accounts.check()?;
        for order_id in changes.orders {
            if let Some(document) = self.orders.end_change(&order_id) {
                if let Some(bytes) = full_orders::bytes_if_full(&document) {
                    changes.values.insert_full_order(&order_id, bytes)?;
                }
                changes.values.insert_order(order_id, document);
            }
        }
        self.members.write(&mut changes.values)?;
        self.accounts.write(&mut changes.values)?;
        for (number, summary) in &changes.dead_letters {
            let value = store::encode(summary)?;
            changes
                .values
                .insert(store::dead_letter_key(*number), value);
        }
        for (program, added) in &changes.members_added {
            let key = store::member_count_key(*program);
            let count: u64 = self.store.read(&key, "member count")?.unwrap_or_default();
            changes.values.insert(key, store::encode(&(count + added))?);
        }
        self.facts.finish(&mut changes.values)?;
        changes
            .values
            .insert(store::COUNTERS, store::encode(&self.counters)?);
        changes
            .values
            .insert(store::CHECKPOINT, store::encode(&self.checkpoint)?);
        changes.values.replay_bytes =
            (changes.bytes + changes.records * RECORD_BYTES_BESIDE_DATA) as u64;
        self.forget_old();
        Ok(Folded {
            records: changes.records,
            has_publication: changes.has_publication,
            batch: Arc::new(changes.values),
            position: self.checkpoint.position,
            catalog: Arc::clone(&self.catalog),
            counters: self.counters,
        })
    }

    /// Lets go of all that is in memory while `work` waits for the disk: some ten thousands of orders and members take some
    /// hundredths of a second.
    pub fn end_with<T>(self, work: impl FnOnce() -> T + Send) -> T
    where
        T: Send,
    {
        thread::scope(|scope| {
            let working = scope.spawn(work);
            drop(self);
            working.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn forget_old(&mut self) {
        self.orders.forget_old(self.kept.orders);
        self.members.forget_old(self.kept.customers);
        self.accounts.forget_old(self.kept.accounts);
        if self.customers.len() >= self.kept.customers {
            self.customers.clear();
        }
    }
}

/// The event in a record; `None` where there is nothing to fold.
pub fn decode(record: &Record) -> Option<OrderEvent> {
    OrderEvent::from_record(record)?
        .inspect_err(|error| {
            // Data is checked before it is appended. A log written with laxer checks must not stop the fold.
            tracing::error!(position = record.position, %error, "a record can't be read and is passed over");
        })
        .ok()
}

/// A version of a program, as it is stored.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct StoredVersion {
    /// When it was recorded.
    pub recorded_at: chrono::DateTime<chrono::Utc>,
    /// The program, as it came.
    pub document: JsonText,
}

fn put<T: serde::Serialize>(
    changes: &mut Changes,
    key: Vec<u8>,
    value: &T,
) -> Result<(), ProjectionError> {
    changes.values.insert(key, store::encode(value)?);
    Ok(())
}

fn put_transaction(changes: &mut Changes, transaction: &Transaction) {
    let Some(id) = transaction.id else {
        return;
    };
    let key = store::transaction_key(transaction.member_id, transaction.valid_from, id);
    let mut value = Vec::with_capacity(TRANSACTION_BYTES_USUAL);
    transaction.put(&mut value);
    changes.values.insert(key, value);
}
