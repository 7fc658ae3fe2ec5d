//! The transaction ledger of one order: what counts, what should count, and the step from one to the other.

use chrono::{DateTime, Utc};
use farelog_events::id::{OrderId, TransactionId, id_from_position};
use serde::{Deserialize, Serialize};

use super::entitlement::{Entitlement, Slot};
use super::transaction::{RegistrationKind, Transaction, TransactionMetadata};
use crate::order::OrderEvent;

/// A transaction, with what the function gave for it: what a later step compares with (domain, section 3, rule 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The transaction.
    pub transaction: Transaction,
    /// `validFrom` as the function gave it; the transaction's own may be later.
    function_valid_from: DateTime<Utc>,
}

/// The transactions of one slot, oldest first. Each replaces the one before; only the last can be live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// What the transactions stand for.
    pub slot: Slot,
    rows: Vec<LedgerRow>,
}

impl Chain {
    /// The transaction that is not cancelled, if there is one.
    pub fn live(&self) -> Option<&Transaction> {
        self.rows
            .last()
            .map(|row| &row.transaction)
            .filter(|transaction| transaction.is_live())
    }

    /// All transactions, oldest first.
    pub fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.rows.iter().map(|row| &row.transaction)
    }

    /// The latest `cancelledAt` in the chain: before it nothing that replaces may count.
    fn latest_cancelled_at(&self) -> Option<DateTime<Utc>> {
        self.transactions()
            .filter_map(|transaction| transaction.cancelled_at)
            .max()
    }

    /// Whether the live transaction is the one that should count: same member and amount, the same times as the function
    /// gives them, and by registration or not. The last differs only when a registration was revoked, whose points are
    /// cancelled then, whoever gets the line's points without it (domain, section 4).
    fn agrees(&self, wanted: &Wanted) -> bool {
        self.rows.last().is_some_and(|row| {
            let transaction = &row.transaction;
            transaction.is_live()
                && transaction.member_id == wanted.entitlement.member_id
                && transaction.amount == wanted.entitlement.amount
                && row.function_valid_from == wanted.entitlement.valid_from
                && transaction.expire_at == wanted.entitlement.expire_at
                && transaction.metadata.registration == wanted.registration
        })
    }
}

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
    pub trigger_event_id: Box<str>,
    /// The version of the program.
    pub program_version: u32,
    /// How it came about.
    pub registration: RegistrationKind,
}

/// What a step did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Transactions that the step cancelled, as they stand after it.
    pub cancelled: Vec<Transaction>,
    /// Transactions that the step gave.
    pub given: Vec<Transaction>,
    /// Slots that should count and do not yet, since one record can give only so many transactions
    /// ([`farelog_events::id::EFFECTS_PER_RECORD_MAX`]). The order's next event settles them.
    pub postponed: usize,
}

impl Settled {
    /// Whether the step changed nothing.
    pub fn is_empty(&self) -> bool {
        self.cancelled.is_empty() && self.given.is_empty()
    }
}

/// The transactions of one order, by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ledger {
    /// Sorted by slot.
    chains: Vec<Chain>,
}

impl Ledger {
    /// The chains, sorted by slot.
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

    /// Brings the ledger to what is wanted, because of `cause`: cancels what should count no more, then gives what
    /// does not count yet (domain, section 3, rule 6). `wanted` is sorted by slot, one entry each.
    pub fn settle(&mut self, wanted: &[Wanted], cause: &OrderEvent) -> Settled {
        debug_assert!(wanted.is_sorted_by(|a, b| a.slot < b.slot));
        let mut settled = Settled::default();
        for chain in &mut self.chains {
            let agrees = wanted
                .binary_search_by(|wanted| wanted.slot.cmp(&chain.slot))
                .is_ok_and(|index| chain.agrees(&wanted[index]));
            if agrees || chain.live().is_none() {
                continue;
            }
            if let Some(row) = chain.rows.last_mut() {
                row.transaction.cancelled_at = Some(cause.effective_time());
                row.transaction.updated_at = Some(cause.recorded_at);
                settled.cancelled.push(row.transaction.clone());
            }
        }
        let mut number = 0;
        for wanted in wanted {
            let index = match self
                .chains
                .binary_search_by(|chain| chain.slot.cmp(&wanted.slot))
            {
                Ok(index) if self.chains[index].live().is_some() => continue,
                Ok(index) => index,
                Err(index) => {
                    let slot = wanted.slot.clone();
                    self.chains.insert(
                        index,
                        Chain {
                            slot,
                            rows: Vec::new(),
                        },
                    );
                    index
                }
            };
            let id = id_from_position(cause.position, number).and_then(TransactionId::new);
            let Some(id) = id else {
                settled.postponed += 1;
                continue;
            };
            number += 1;
            let row = give(&self.chains[index], wanted, id, cause);
            settled.given.push(row.transaction.clone());
            self.chains[index].rows.push(row);
        }
        self.chains.retain(|chain| !chain.rows.is_empty());
        settled
    }
}

fn give(chain: &Chain, wanted: &Wanted, id: TransactionId, cause: &OrderEvent) -> LedgerRow {
    let entitlement = &wanted.entitlement;
    let valid_from = chain
        .latest_cancelled_at()
        .map_or(entitlement.valid_from, |cancelled| {
            cancelled.max(entitlement.valid_from)
        });
    LedgerRow {
        transaction: Transaction {
            id: Some(id),
            program_id: wanted.slot.program_id,
            member_id: entitlement.member_id,
            point_definition_id: wanted.slot.point_definition_id,
            point_definition_reference: Some(wanted.point_definition_reference.clone()),
            amount: entitlement.amount,
            created_at: Some(cause.recorded_at),
            valid_from,
            point_period_id: None,
            expire_at: entitlement.expire_at,
            cancelled_at: None,
            updated_at: None,
            metadata: TransactionMetadata {
                order_id: wanted.order_id.clone(),
                order_line_id: wanted.slot.order_line_id.clone(),
                trigger: wanted.slot.trigger,
                trigger_event_id: wanted.trigger_event_id.clone(),
                program_version: wanted.program_version,
                registration: wanted.registration,
                replaces: chain.rows.last().and_then(|row| row.transaction.id),
            },
        },
        function_valid_from: entitlement.valid_from,
    }
}
