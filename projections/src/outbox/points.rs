//! What a record changed in the points of an order's members.

use std::collections::BTreeMap;

use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::points::Transaction;
use crate::points::ledger::{Ledger, Settled};
use crate::points::transaction::decimal_as_number;

/// Transactions in one fact at most, so that it stays far below the 1 MiB that a NATS message may have. What is more
/// goes into further facts of the same record.
const TRANSACTIONS_MAX: usize = 256;

/// A member's points of an order changed: the transactions of one step of the ledger that concern the member.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PointsChanged<'a> {
    /// The order.
    pub order_id: &'a OrderId,
    /// The program.
    pub program_id: ProgramId,
    /// The member.
    pub member_id: MemberId,
    /// The customer who the member is.
    pub customer_id: Option<CustomerId>,
    /// Transactions that were cancelled, as they stand now.
    pub cancelled: Vec<&'a Transaction>,
    /// Transactions that were given.
    pub given: Vec<&'a Transaction>,
    /// All points of the order that the member has in the program after this step: what was not cancelled, whether
    /// pending, counting or expired.
    #[serde(serialize_with = "decimal_as_number")]
    pub order_points: Decimal,
}

/// What a step of an order's ledger means for each member that it concerns, by program and member. `ledger` is the
/// ledger after the step.
pub fn points_changed<'a, E>(
    order_id: &'a OrderId,
    settled: &'a Settled,
    ledger: &Ledger,
    mut customer_of: impl FnMut(ProgramId, MemberId) -> Result<Option<CustomerId>, E>,
) -> Result<Vec<PointsChanged<'a>>, E> {
    let mut by_member: BTreeMap<(ProgramId, MemberId), Vec<&Transaction>> = BTreeMap::new();
    for transaction in settled.cancelled.iter().chain(&settled.given) {
        let member = (transaction.program_id, transaction.member_id);
        by_member.entry(member).or_default().push(transaction);
    }
    let mut facts = Vec::new();
    for ((program_id, member_id), transactions) in by_member {
        let customer_id = customer_of(program_id, member_id)?;
        let order_points = ledger
            .chains()
            .iter()
            .filter_map(|chain| chain.live())
            .filter(|live| live.program_id == program_id && live.member_id == member_id)
            .fold(Decimal::ZERO, |sum, live| sum.saturating_add(live.amount));
        for part in transactions.chunks(TRANSACTIONS_MAX) {
            // What the step gave was not cancelled in it.
            let (given, cancelled) = part
                .iter()
                .copied()
                .partition(|transaction| transaction.is_live());
            facts.push(PointsChanged {
                order_id,
                program_id,
                member_id,
                customer_id: customer_id.clone(),
                cancelled,
                given,
                order_points,
            });
        }
    }
    Ok(facts)
}
