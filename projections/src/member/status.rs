//! What a customer has at a time: points by program and definition (domain, section 3, rule 11).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, PointDefinitionId, ProgramId};
pub use rust_decimal::Decimal;

use super::membership::Member;
use crate::points::Transaction;

/// What a customer has at a time, with all customers that are one with it.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerStatus {
    /// The customers that are one, the one that the others were merged into first.
    pub customer_ids: Vec<CustomerId>,
    /// The programs that any of them is or was a member of, by id.
    pub programs: Vec<ProgramStatus>,
}

/// What a customer has in a program.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramStatus {
    /// The program.
    pub program_id: ProgramId,
    /// The memberships of the customers that are one, in their order. Each keeps the points that it was given.
    pub memberships: Vec<Member>,
    /// The points of all of these, by definition.
    pub points: PointsByDefinition,
}

impl ProgramStatus {
    /// Nothing yet.
    pub fn of(program_id: ProgramId) -> Self {
        Self {
            program_id,
            memberships: Vec::new(),
            points: PointsByDefinition::default(),
        }
    }
}

/// Points by definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointsByDefinition(BTreeMap<PointDefinitionId, Points>);

/// Points of one definition at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Points {
    /// The definition's reference, as the newest of the transactions has it.
    pub point_definition_reference: Option<String>,
    /// The sum of what counts.
    pub counting: Decimal,
    /// The sum of what will count, as far as is known now.
    pub pending: Decimal,
    /// What is the first to expire of what counts; none where nothing of it does.
    pub next_expiry: Option<Expiring>,
}

/// Points that expire together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiring {
    /// When.
    pub expire_at: DateTime<Utc>,
    /// How many.
    pub amount: Decimal,
}

impl PointsByDefinition {
    /// Adds a transaction as it stands at a time. Transactions are added newest first.
    pub fn add(&mut self, transaction: &Transaction, at: DateTime<Utc>) {
        let points = self.0.entry(transaction.point_definition_id).or_default();
        if points.point_definition_reference.is_none() {
            points
                .point_definition_reference
                .clone_from(&transaction.point_definition_reference);
        }
        points.add(transaction, at);
    }

    /// What there is of a definition.
    pub fn of(&self, definition: PointDefinitionId) -> Option<&Points> {
        self.0.get(&definition)
    }

    /// Each definition that has given any, by id.
    pub fn iter(&self) -> impl Iterator<Item = (PointDefinitionId, &Points)> {
        self.0.iter().map(|(id, points)| (*id, points))
    }
}

impl Points {
    fn add(&mut self, transaction: &Transaction, at: DateTime<Utc>) {
        let amount = transaction.amount;
        if transaction.counts_at(at) {
            self.counting = self.counting.saturating_add(amount);
            if let Some(expire_at) = transaction.expire_at
                && transaction
                    .cancelled_at
                    .is_none_or(|cancelled| expire_at < cancelled)
            {
                self.note_expiry(Expiring { expire_at, amount });
            }
        } else if at < transaction.valid_from && transaction.counts_at(transaction.valid_from) {
            self.pending = self.pending.saturating_add(amount);
        }
    }

    fn note_expiry(&mut self, expiring: Expiring) {
        match &mut self.next_expiry {
            Some(next) if next.expire_at < expiring.expire_at => {}
            Some(next) if next.expire_at == expiring.expire_at => {
                next.amount = next.amount.saturating_add(expiring.amount);
            }
            next => *next = Some(expiring),
        }
    }
}
