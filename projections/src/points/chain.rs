//! The transactions of one line, definition and trigger, and what a later step has to remember of them.

mod bytes;

use std::iter::repeat;

use chrono::{DateTime, Utc};
use farelog_events::id::{MemberId, TransactionId};
use farelog_events::log::Position;
use rust_decimal::Decimal;

use super::entitlement::Slot;
use super::ledger::Wanted;
use super::transaction::{RegistrationKind, Transaction};
use crate::order::OrderEvent;

/// The transactions of one slot, oldest first. Each replaces the one before; only the last can be live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What the transactions stand for.
    pub slot: Slot,
    /// Stored apart, with those of the order's other chains; see [`take_back`](Self::take_back).
    transactions: Vec<Transaction>,
    /// The record that cancelled each of them, in the same order; the last one has none while it is live. Times don't
    /// tell: two events of an order may act, and be recorded, at one moment.
    cancelled_by: Vec<Position>,
    /// What the last step wanted; `None` where it wanted nothing, or could not be settled yet.
    standing: Option<Wish>,
    /// Of each member whose first amount was cut to the room of a cap: that amount.
    cuts: Vec<Cut>,
}

/// What is compared to tell whether a step changes anything (domain, section 3, rule 6).
///
/// By registration or not differs only when a registration was revoked, whose points are cancelled then, whoever gets
/// the line's points without it (domain, section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    member_id: MemberId,
    /// Before any cap: what a cap cut is not tried again by every event of its order.
    amount: Decimal,
    registration: RegistrationKind,
    /// The times as the function gives them, where there is neither period nor cap.
    times: Option<(DateTime<Utc>, Option<DateTime<Utc>>)>,
}

/// What a member was given first in a chain, where a cap cut it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cut {
    member_id: MemberId,
    amount: Decimal,
}

impl Wish {
    /// What is wanted, as far as it is compared.
    pub fn of(wanted: &Wanted) -> Self {
        let entitlement = &wanted.entitlement;
        Self {
            member_id: entitlement.member_id,
            amount: entitlement.amount,
            registration: wanted.registration,
            times: entitlement
                .terms
                .is_none()
                .then_some((entitlement.valid_from, entitlement.expire_at)),
        }
    }
}

impl Chain {
    pub(super) fn new(slot: Slot) -> Self {
        Self {
            slot,
            transactions: Vec::new(),
            cancelled_by: Vec::new(),
            standing: None,
            cuts: Vec::new(),
        }
    }

    /// The transaction that is not cancelled, if there is one.
    pub fn live(&self) -> Option<&Transaction> {
        self.transactions.last().filter(|last| last.is_live())
    }

    /// All transactions, oldest first.
    pub fn transactions(&self) -> &[Transaction] {
        &self.transactions
    }

    /// All transactions, oldest first, each with the record that cancelled it.
    pub fn history(&self) -> impl Iterator<Item = (&Transaction, Option<Position>)> {
        let cancelled_by = self.cancelled_by.iter().copied().map(Some);
        self.transactions
            .iter()
            .zip(cancelled_by.chain(repeat(None)))
    }

    /// Puts back a transaction that was stored apart: behind those that were put back before it.
    pub(super) fn take_back(&mut self, transaction: Transaction) {
        self.transactions.push(transaction);
    }

    /// Whether what the last step wanted was settled, be it with nothing.
    pub fn is_settled(&self) -> bool {
        self.standing.is_some()
    }

    /// What the last step wanted.
    pub(super) fn standing(&self) -> Option<&Wish> {
        self.standing.as_ref()
    }

    /// The transaction in whose place another would stand.
    pub(super) fn last_id(&self) -> Option<TransactionId> {
        self.transactions.last()?.id
    }

    /// The member's first transaction here: its period, expiry and day stay, whatever replaces it.
    pub(super) fn first_of(&self, member: MemberId) -> Option<&Transaction> {
        self.transactions
            .iter()
            .find(|transaction| transaction.member_id == member)
    }

    /// What the member was first given here, if a cap cut it.
    pub fn cut_of(&self, member: MemberId) -> Option<Decimal> {
        self.cuts
            .iter()
            .find(|cut| cut.member_id == member)
            .map(|cut| cut.amount)
    }

    /// The latest `cancelledAt`, with what is live cancelled at `replaced_at`, if at all: before it nothing that replaces
    /// may count.
    pub(super) fn latest_cancelled_at(
        &self,
        replaced_at: Option<DateTime<Utc>>,
    ) -> Option<DateTime<Utc>> {
        self.transactions
            .iter()
            .filter_map(|transaction| transaction.cancelled_at.or(replaced_at))
            .max()
    }

    /// Cancels what is live because of `cause`. Gives the transaction as it stands then.
    pub(super) fn cancel(&mut self, cause: &OrderEvent) -> Option<Transaction> {
        self.standing = None;
        let live = self.transactions.last_mut().filter(|last| last.is_live())?;
        live.cancelled_at = Some(cause.effective_time());
        live.updated_at = Some(cause.recorded_at);
        self.cancelled_by.push(cause.position);
        debug_assert_eq!(self.cancelled_by.len(), self.transactions.len());
        self.transactions.last().cloned()
    }

    /// Notes that a wish is settled: by `given`, or by what is live already, or with nothing.
    pub(super) fn settle(&mut self, wish: Wish, given: Option<Transaction>) {
        self.standing = Some(wish);
        self.transactions.extend(given);
    }

    /// Remembers that what a member was first given was cut to this amount.
    pub(super) fn remember_cut(&mut self, member_id: MemberId, amount: Decimal) {
        self.cuts.push(Cut { member_id, amount });
    }

    /// Whether there is nothing to keep.
    pub(super) fn is_empty(&self) -> bool {
        self.transactions.is_empty() && self.standing.is_none() && self.cuts.is_empty()
    }
}
