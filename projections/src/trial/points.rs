//! What members have on the two sides of a trial.

use std::collections::BTreeMap;
use std::iter::from_fn;

use farelog_events::id::{MemberId, PointDefinitionId, ProgramId};
use rust_decimal::Decimal;

use crate::points::Transaction;
use crate::store::{self, ProjectionError, Store};

/// Points that a definition gave to a member, or to several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Points {
    /// Transactions, those that were cancelled too.
    pub transactions: u64,
    /// What they gave. Where one was replaced by another, both count.
    pub given: Decimal,
    /// What of it was not cancelled, whether pending, counting or expired.
    pub live: Decimal,
}

impl Points {
    /// Adds what another member has.
    pub fn add(&mut self, other: &Self) {
        self.transactions += other.transactions;
        self.given = self.given.saturating_add(other.given);
        self.live = self.live.saturating_add(other.live);
    }

    fn of(transaction: &Transaction) -> Self {
        let amount = transaction.amount;
        Self {
            transactions: 1,
            given: amount,
            live: if transaction.is_live() {
                amount
            } else {
                Decimal::ZERO
            },
        }
    }
}

/// What a member has by each definition.
pub type PointsByDefinition = BTreeMap<PointDefinitionId, Points>;

/// What a member has on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPoints {
    /// The program.
    pub program_id: ProgramId,
    /// The member, the same on both sides.
    pub member_id: MemberId,
    /// By the programs as they were published.
    pub published: PointsByDefinition,
    /// With the candidates.
    pub candidates: PointsByDefinition,
}

/// What a member has on one side.
struct MemberSums {
    member_id: MemberId,
    program_id: ProgramId,
    points: PointsByDefinition,
}

/// Goes through the members of both stores side by side, in the order of their ids.
pub fn compare(
    published: &Store,
    candidates: &Store,
    mut each: impl FnMut(MemberPoints) -> Result<(), ProjectionError>,
) -> Result<(), ProjectionError> {
    let (mut published, mut candidates) = (members(published), members(candidates));
    let mut one = published.next().transpose()?;
    let mut other = candidates.next().transpose()?;
    while let Some((member_id, program_id)) = [&one, &other]
        .into_iter()
        .flatten()
        .map(|sums| (sums.member_id, sums.program_id))
        .min_by_key(|(member, _)| *member)
    {
        let mut points = MemberPoints {
            program_id,
            member_id,
            published: PointsByDefinition::new(),
            candidates: PointsByDefinition::new(),
        };
        if let Some(sums) = one.take_if(|sums| sums.member_id == member_id) {
            points.published = sums.points;
            one = published.next().transpose()?;
        }
        if let Some(sums) = other.take_if(|sums| sums.member_id == member_id) {
            points.candidates = sums.points;
            other = candidates.next().transpose()?;
        }
        each(points)?;
    }
    Ok(())
}

/// The members who have transactions. Transactions stand by member, so one member is in memory at a time.
fn members(store: &Store) -> impl Iterator<Item = Result<MemberSums, ProjectionError>> + use<> {
    let mut transactions = store.transactions(store::TRANSACTIONS).peekable();
    from_fn(move || {
        let first = match transactions.next()? {
            Ok(first) => first,
            Err(error) => return Some(Err(error)),
        };
        let mut sums = MemberSums {
            member_id: first.member_id,
            program_id: first.program_id,
            points: PointsByDefinition::new(),
        };
        sums.add(&first);
        let is_more = |next: &Result<Transaction, _>| {
            next.as_ref()
                .is_ok_and(|next| next.member_id == first.member_id)
        };
        while let Some(Ok(transaction)) = transactions.next_if(is_more) {
            sums.add(&transaction);
        }
        Some(Ok(sums))
    })
}

impl MemberSums {
    fn add(&mut self, transaction: &Transaction) {
        self.points
            .entry(transaction.point_definition_id)
            .or_default()
            .add(&Points::of(transaction));
    }
}
