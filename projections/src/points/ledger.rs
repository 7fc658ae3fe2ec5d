//! The transaction ledger of one order: what counts, what should count, and the step from one to the other.

use std::collections::{BTreeMap, BTreeSet};

use farelog_events::bytes::{Malformed, Reader, put_varint};
use farelog_events::id::{EFFECTS_PER_RECORD_MAX, OrderId, TransactionId, id_from_position};
use farelog_events::log::Position;
use rust_decimal::Decimal;
use smol_str::SmolStr;

use super::account::{AccountChanges, AccountsInStep, TallyOf};
use super::chain::{Chain, Wish};
use super::entitlement::{Entitlement, Slot, World};
use super::offer::Offer;
use super::transaction::{RegistrationKind, Transaction, TransactionMetadata};
use crate::order::OrderEvent;
use crate::program::{Counter, Tally};

/// What should count in a slot.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The order.
    pub order_id: OrderId,
    /// The slot.
    pub slot: Slot,
    /// The points.
    pub entitlement: Entitlement,
    /// The definition's reference.
    pub point_definition_reference: String,
    /// The id of the event that triggered it.
    pub trigger_event_id: SmolStr,
    /// The version of the program.
    pub program_version: u32,
    /// How it came about.
    pub registration: RegistrationKind,
}

impl Wanted {
    /// Whether a cap counts the order's own transactions.
    fn counts_in_order(&self) -> bool {
        let terms = self.entitlement.terms.as_ref();
        terms
            .and_then(|terms| terms.cap.as_ref())
            .is_some_and(|cap| cap.counter == Counter::Order)
    }
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Transactions that the step cancelled, as they stand after it.
    pub cancelled: Vec<Transaction>,
    /// Transactions that the step gave.
    pub given: Vec<Transaction>,
    /// What it changed of members' accounts.
    pub accounts: AccountChanges,
    /// Slots that should count and do not yet, since one record can give only so many transactions and periods
    /// ([`EFFECTS_PER_RECORD_MAX`]). The order's next event that can change points settles them.
    pub postponed: usize,
}

impl Settled {
    /// Whether the step changed nothing.
    pub fn is_empty(&self) -> bool {
        self.cancelled.is_empty() && self.given.is_empty()
    }
}

/// The transactions of one order, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Sorted by slot.
    chains: Vec<Chain>,
}

impl Ledger {
    /// The chains, sorted by slot. One whose points were cut to nothing has no transaction.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// The chain of a slot.
    pub fn chain(&self, slot: &Slot) -> Option<&Chain> {
        let index = self.chains.binary_search_by(|chain| chain.slot.cmp(slot));
        self.chains.get(index.ok()?)
    }

    /// All transactions, oldest first.
    pub fn transactions(&self) -> Vec<&Transaction> {
        let mut all: Vec<&Transaction> = self.chains.iter().flat_map(Chain::transactions).collect();
        all.sort_by_key(|transaction| transaction.id);
        all
    }

    /// Appends the stored form, which is without the transactions: they are stored as they are answered.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.chains.len() as u64);
        for chain in &self.chains {
            chain.put(out);
        }
    }

    /// Reads a stored form.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut chains = Vec::new();
        for _ in 0..reader.varint()? {
            chains.push(Chain::read(reader)?);
        }
        Ok(Self { chains })
    }

    /// Puts back the transactions, oldest first, which are stored apart from the rest. False where there is one that
    /// belongs to no chain.
    #[must_use]
    pub fn take_back(&mut self, transactions: Vec<Transaction>) -> bool {
        transactions.into_iter().all(|transaction| {
            let slot = transaction.slot();
            let found = self.chains.binary_search_by(|chain| chain.slot.cmp(&slot));
            found
                .map(|index| self.chains[index].take_back(transaction))
                .is_ok()
        })
    }

    /// What an entitlement would come out as, were it given beside what is live and nothing else settled with it.
    pub fn offer(&self, slot: &Slot, entitlement: &Entitlement, world: World<'_>) -> Offer {
        let new = Chain::new(slot.clone());
        let chain = self.chain(slot).unwrap_or(&new);
        Offer::new(chain, entitlement, None, &self.accounts(world))
    }

    /// How many points a cap counts, those of this order among them.
    pub fn counted(&self, of: &TallyOf, world: World<'_>) -> Decimal {
        self.accounts(world).tally(of)
    }

    /// Members' accounts as they stand, with the sums of this order.
    fn accounts<'w>(&self, world: World<'w>) -> AccountsInStep<'w> {
        let mut of_order: BTreeMap<TallyOf, Decimal> = BTreeMap::new();
        for live in self.chains.iter().filter_map(Chain::live) {
            let sum = of_order.entry(tally_of(live, Tally::Order)).or_default();
            *sum = sum.saturating_add(live.amount);
        }
        AccountsInStep::new(world, of_order)
    }

    /// Brings the ledger to what is wanted, because of `cause`: cancels what should count no more, then gives what
    /// does not count yet (domain, section 3, rules 6, 9 and 10). `wanted` is sorted by slot, one entry each.
    pub fn settle(&mut self, wanted: &[Wanted], cause: &OrderEvent, world: World<'_>) -> Settled {
        debug_assert!(wanted.is_sorted_by(|a, b| a.slot < b.slot));
        let mut step = Step {
            world,
            cause,
            accounts: if wanted.iter().any(Wanted::counts_in_order) {
                self.accounts(world)
            } else {
                AccountsInStep::new(world, BTreeMap::new())
            },
            numbers: Numbers {
                position: cause.position,
                next: 0,
            },
            settled: Settled::default(),
        };
        for chain in &mut self.chains {
            let wanted = wanted
                .binary_search_by(|wanted| wanted.slot.cmp(&chain.slot))
                .ok()
                .map(|index| Wish::of(&wanted[index]));
            if chain.standing() != wanted.as_ref() {
                step.leave(chain, wanted.is_some());
            }
        }
        for wanted in wanted {
            let found = self
                .chains
                .binary_search_by(|chain| chain.slot.cmp(&wanted.slot));
            let index = match found {
                Ok(index) => index,
                Err(index) => {
                    self.chains.insert(index, Chain::new(wanted.slot.clone()));
                    index
                }
            };
            let chain = &mut self.chains[index];
            let wish = Wish::of(wanted);
            if chain.standing() != Some(&wish) {
                step.settle(chain, wanted, wish);
            }
        }
        self.chains.retain(|chain| !chain.is_empty());
        step.settled.accounts = step.accounts.into_changes();
        step.settled
    }
}

/// A step under way.
struct Step<'s> {
    world: World<'s>,
    cause: &'s OrderEvent,
    accounts: AccountsInStep<'s>,
    numbers: Numbers,
    settled: Settled,
}

impl Step<'_> {
    /// What no longer stands as it was wanted is counted no more, before anything is given. Where nothing takes its place
    /// it is cancelled.
    fn leave(&mut self, chain: &mut Chain, is_replaced: bool) {
        if let Some(live) = chain.live() {
            self.count(chain, live, -live.amount);
        }
        if !is_replaced {
            self.settled.cancelled.extend(chain.cancel(self.cause));
        }
    }

    /// Gives what is wanted, within the room that there is. What comes out as it stands is left as it is.
    fn settle(&mut self, chain: &mut Chain, wanted: &Wanted, wish: Wish) {
        let member_id = wanted.entitlement.member_id;
        let offer = Offer::new(
            chain,
            &wanted.entitlement,
            Some(self.cause.effective_time()),
            &self.accounts,
        );
        let stands = wanted.entitlement.terms.is_some()
            && chain.live().is_some_and(|live| {
                live.member_id == member_id
                    && live.amount == offer.amount
                    && live.metadata.registration == wanted.registration
            });
        if stands {
            if let Some(live) = chain.live() {
                self.count(chain, live, live.amount);
            }
            chain.settle(wish, None);
            return;
        }
        self.settled.cancelled.extend(chain.cancel(self.cause));
        // What comes behind one that has to wait waits too: it could take the room of a cap that is the earlier one's.
        let has_to_wait = self.settled.postponed > 0 || !self.numbers.has_left(offer.effects());
        if offer.amount > Decimal::ZERO && has_to_wait {
            self.settled.postponed += 1;
            return;
        }
        if let Some(cut) = offer.cut {
            chain.remember_cut(member_id, cut);
        }
        let given = (offer.amount > Decimal::ZERO)
            .then(|| self.give(chain, wanted, &offer))
            .flatten();
        if let Some(given) = &given {
            self.count(chain, given, given.amount);
            self.settled.given.push(given.clone());
        }
        chain.settle(wish, given);
    }

    fn give(&mut self, chain: &Chain, wanted: &Wanted, offer: &Offer) -> Option<Transaction> {
        let point_period_id = match &offer.opens {
            None => offer.period_id,
            Some((of, opening)) => {
                let period = opening.with_id(self.numbers.take()?);
                self.accounts.open(of.clone(), period);
                Some(period.id)
            }
        };
        Some(Transaction {
            id: self.numbers.take().and_then(TransactionId::new),
            program_id: wanted.slot.program_id,
            member_id: wanted.entitlement.member_id,
            point_definition_id: wanted.slot.point_definition_id,
            point_definition_reference: Some(wanted.point_definition_reference.clone()),
            amount: offer.amount,
            created_at: Some(self.cause.recorded_at),
            valid_from: offer.valid_from,
            point_period_id,
            expire_at: offer.expire_at,
            cancelled_at: None,
            updated_at: None,
            metadata: TransactionMetadata {
                order_id: wanted.order_id.clone(),
                order_line_id: wanted.slot.order_line_id.clone(),
                trigger: wanted.slot.trigger,
                trigger_event_id: wanted.trigger_event_id.clone(),
                program_version: wanted.program_version,
                registration: wanted.registration,
                replaces: chain.last_id(),
            },
        })
    }

    /// Counts a transaction of a chain in every sum that a cap of its definition counts in.
    fn count(&mut self, chain: &Chain, transaction: &Transaction, amount: Decimal) {
        let first = chain.first_of(transaction.member_id).unwrap_or(transaction);
        let counters = self
            .world
            .programs
            .counters(chain.slot.program_id, chain.slot.point_definition_id);
        let tallies: BTreeSet<Tally> = counters
            .all
            .iter()
            .filter_map(|counter| counter.tally(first.valid_from, first.point_period_id))
            .collect();
        for tally in tallies {
            self.accounts.count(tally_of(transaction, tally), amount);
        }
    }
}

fn tally_of(transaction: &Transaction, tally: Tally) -> TallyOf {
    TallyOf {
        program_id: transaction.program_id,
        member_id: transaction.member_id,
        point_definition_id: transaction.point_definition_id,
        tally,
    }
}

/// The numbers of one record's effects, which ids are made of.
struct Numbers {
    position: Position,
    next: u32,
}

impl Numbers {
    fn has_left(&self, wanted: u32) -> bool {
        self.next + wanted <= EFFECTS_PER_RECORD_MAX
    }

    fn take(&mut self) -> Option<i64> {
        let id = id_from_position(self.position, self.next)?;
        self.next += 1;
        Some(id)
    }
}
