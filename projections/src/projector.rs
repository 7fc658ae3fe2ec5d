//! The fold of log records into the store: what each record changes, gathered and written in one batch.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use farelog_events::dead_letter::DeadLetterSettled;
use farelog_events::event::{EventData, EventKind};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::log::{Position, Record};
use farelog_events::member::Membership;
use farelog_events::program;

use crate::account_cache::AccountCache;
use crate::answer::{DeadLetterState, DeadLetterSummary};
use crate::document::{Effects, OrderDocument};
use crate::member::{MemberCache, MemberChangeKind};
use crate::order::OrderEvent;
use crate::outbox::fact::FactContent;
use crate::outbox::keeper::FactKeeper;
use crate::outbox::points::points_changed;
use crate::points::Transaction;
use crate::points::entitlement::World;
use crate::program::ProgramCatalog;
use crate::store::{self, Checkpoint, Counters, ProjectionError, Store};

/// Orders that stay decoded in memory between batches, so that the events of an order which come close together
/// don't read it again. Twice as many at most.
const ORDERS_CACHED_MAX: usize = 4_096;

/// Brings the store forward, batch by batch.
pub struct Projector<'s> {
    store: &'s Store,
    checkpoint: Checkpoint,
    catalog: Arc<ProgramCatalog>,
    members: MemberCache<'s>,
    accounts: AccountCache<'s>,
    orders: HashMap<OrderId, OrderDocument>,
    orders_before: HashMap<OrderId, OrderDocument>,
    counters: Counters,
    facts: FactKeeper<'s>,
}

/// What a batch of records changed and is not written yet.
#[derive(Default)]
struct Changes {
    orders: HashSet<OrderId>,
    members_added: BTreeMap<ProgramId, u64>,
    /// The customers of the members that the batch added.
    customers: HashMap<(ProgramId, MemberId), CustomerId>,
    dead_letters: BTreeMap<Position, DeadLetterSummary>,
    values: sled::Batch,
    /// Whether a program was published: accounts ask for a batch of what came before.
    has_publication: bool,
}

impl<'s> Projector<'s> {
    /// Goes on at a checkpoint, with the programs that the store holds.
    pub fn new(
        store: &'s Store,
        checkpoint: Checkpoint,
        catalog: Arc<ProgramCatalog>,
    ) -> Result<Self, ProjectionError> {
        Ok(Self {
            store,
            checkpoint,
            catalog,
            members: MemberCache::new(store),
            accounts: AccountCache::new(store),
            orders: HashMap::new(),
            orders_before: HashMap::new(),
            counters: store.read(store::COUNTERS, "counters")?.unwrap_or_default(),
            facts: FactKeeper::new(store)?,
        })
    }

    /// The last record that is in.
    pub fn position(&self) -> Position {
        self.checkpoint.position
    }

    /// What the records that are in have come to, in figures.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The programs, with every version that is in.
    pub fn catalog(&self) -> &Arc<ProgramCatalog> {
        &self.catalog
    }

    /// Folds records that follow on the last one, and writes all that they change, with the checkpoint, in one batch, or
    /// several where programs are published.
    /// Records that are in already are passed over.
    pub fn project<'r>(
        &mut self,
        records: impl IntoIterator<Item = &'r Record>,
    ) -> Result<(), ProjectionError> {
        let mut changes = Changes::default();
        for record in records {
            if record.position <= self.checkpoint.position {
                continue;
            }
            self.take_in(record, &mut changes)?;
            self.checkpoint.position = record.position;
            if changes.has_publication {
                self.write(std::mem::take(&mut changes))?;
            }
        }
        self.write(changes)?;
        self.forget_old();
        Ok(())
    }

    fn take_in(&mut self, record: &Record, changes: &mut Changes) -> Result<(), ProjectionError> {
        let event = match OrderEvent::from_record(record) {
            None => return Ok(()),
            Some(Ok(event)) => event,
            Some(Err(error)) => {
                // Data is checked before it is appended. A log written with laxer checks must not stop the fold.
                tracing::error!(position = record.position, %error, "a record can't be read and is passed over");
                return Ok(());
            }
        };
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
                let fact = FactContent::of_dead_letter(&summary)?;
                changes.dead_letters.insert(record.position, summary);
                self.facts.keep(record, [fact], &mut changes.values)
            }
            EventData::DeadLetterRetried(settled) => {
                let fact = FactContent::of_settled_dead_letter(event.kind, settled)?;
                self.settle_dead_letter(settled, DeadLetterState::Retried, changes)?;
                self.facts.keep(record, [fact], &mut changes.values)
            }
            EventData::DeadLetterDiscarded(settled) => {
                let fact = FactContent::of_settled_dead_letter(event.kind, settled)?;
                self.settle_dead_letter(settled, DeadLetterState::Discarded, changes)?;
                self.facts.keep(record, [fact], &mut changes.values)
            }
            _ => self.apply_to_order(&event, record, changes),
        }
    }

    fn apply_to_order(
        &mut self,
        event: &OrderEvent,
        record: &Record,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
        let Some(order_id) = record.about.order() else {
            return Ok(());
        };
        if !self.orders.contains_key(order_id) {
            let document = self.load_order(order_id)?;
            self.orders.insert(order_id.clone(), document);
        }
        let Some(document) = self.orders.get_mut(order_id) else {
            return Ok(());
        };
        let world = World {
            programs: &self.catalog,
            members: &self.members,
            accounts: &self.accounts,
        };
        let effects = document.apply(event, world);
        self.accounts.take_in(&effects.settled.accounts);
        changes.orders.insert(order_id.clone());
        let mut facts = Vec::new();
        for fact in &effects.distribution.facts {
            facts.push(FactContent::of_ticket(fact)?);
        }
        let customer_of = |program, member| match changes.customers.get(&(program, member)) {
            Some(customer) => Ok(Some(customer.clone())),
            None => self
                .store
                .read(&store::member_id_key(program, member), "member id"),
        };
        let points = points_changed(order_id, &effects.settled, &document.ledger, customer_of)?;
        for fact in &points {
            facts.push(FactContent::of_points(fact)?);
        }
        self.facts.keep(record, facts, &mut changes.values)?;
        self.note_effects(&effects, event.kind, changes)
    }

    fn load_order(&mut self, order_id: &OrderId) -> Result<OrderDocument, ProjectionError> {
        if let Some(document) = self.orders_before.remove(order_id) {
            return Ok(document);
        }
        let stored = self.store.read_order(order_id)?;
        Ok(stored.unwrap_or_else(|| {
            self.counters.orders += 1;
            OrderDocument::new(order_id.clone())
        }))
    }

    fn note_effects(
        &mut self,
        effects: &Effects,
        kind: EventKind,
        changes: &mut Changes,
    ) -> Result<(), ProjectionError> {
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
            put_transaction(changes, transaction)?;
        }
        Ok(())
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
            changes.customers.insert((program, member.id), customer);
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

    fn write(&mut self, mut changes: Changes) -> Result<(), ProjectionError> {
        self.members.check()?;
        self.accounts.check()?;
        for order_id in &changes.orders {
            if let Some(document) = self.orders.get(order_id) {
                let value = store::encode_order(document)?;
                changes.values.insert(store::order_key(order_id), value);
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
        self.facts.forget(&mut changes.values)?;
        changes
            .values
            .insert(store::COUNTERS, store::encode(&self.counters)?);
        changes
            .values
            .insert(store::CHECKPOINT, store::encode(&self.checkpoint)?);
        self.store.apply(changes.values)
    }

    fn forget_old(&mut self) {
        if self.orders.len() >= ORDERS_CACHED_MAX {
            self.orders_before = std::mem::take(&mut self.orders);
        }
        self.members.forget_old();
        self.accounts.forget_old();
    }
}

/// A version of a program, as it is stored.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct StoredVersion {
    /// When it was recorded.
    pub recorded_at: chrono::DateTime<chrono::Utc>,
    /// The program, as it came.
    pub document: Box<serde_json::value::RawValue>,
}

fn put<T: serde::Serialize>(
    changes: &mut Changes,
    key: Vec<u8>,
    value: &T,
) -> Result<(), ProjectionError> {
    changes.values.insert(key, store::encode(value)?);
    Ok(())
}

fn put_transaction(
    changes: &mut Changes,
    transaction: &Transaction,
) -> Result<(), ProjectionError> {
    let Some(id) = transaction.id else {
        return Ok(());
    };
    let key = store::transaction_key(transaction.member_id, transaction.valid_from, id);
    put(changes, key, transaction)
}
