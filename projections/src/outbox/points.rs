//! What a record changed in the points of an order's members.

use std::collections::BTreeMap;

use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::log::Position;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Error, Serializer};

use crate::json::{put_number, put_text};
use crate::points::Transaction;
use crate::points::chain::Chain;
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
    /// Transactions that were cancelled, as they stand now, by id.
    pub cancelled: Vec<&'a Transaction>,
    /// Transactions that were given, by id.
    pub given: Vec<&'a Transaction>,
    /// All points of the order that the member has in the program after this step: what was not cancelled, whether
    /// pending, counting or expired.
    #[serde(serialize_with = "decimal_as_number")]
    pub order_points: Decimal,
}

impl PointsChanged<'_> {
    /// Appends the JSON that serde writes for it, byte for byte.
    ///
    /// # Errors
    /// A value that has no JSON, which none of these has.
    pub(crate) fn put_json(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend(b"{\"orderId\":");
        put_text(out, self.order_id.as_str())?;
        put_number(out, b",\"programId\":", self.program_id.get())?;
        put_number(out, b",\"memberId\":", self.member_id.get())?;
        out.extend(b",\"customerId\":");
        match &self.customer_id {
            Some(customer) => put_text(out, customer.as_str())?,
            None => out.extend(b"null"),
        }
        out.extend(b",\"cancelled\":");
        put_transactions(out, &self.cancelled)?;
        out.extend(b",\"given\":");
        put_transactions(out, &self.given)?;
        out.extend(b",\"orderPoints\":");
        decimal_as_number(&self.order_points, &mut Serializer::new(&mut *out))?;
        out.push(b'}');
        Ok(())
    }
}

fn put_transactions(out: &mut Vec<u8>, transactions: &[&Transaction]) -> Result<(), Error> {
    out.push(b'[');
    for (index, transaction) in transactions.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        transaction.put_json(out)?;
    }
    out.push(b']');
    Ok(())
}

/// What a step of an order's ledger means for each member that it concerns, by program and member. `ledger` is the
/// ledger after the step.
pub fn points_changed<'a, E>(
    order_id: &'a OrderId,
    settled: &'a Settled,
    ledger: &Ledger,
    customer_of: impl FnMut(ProgramId, MemberId) -> Result<Option<CustomerId>, E>,
) -> Result<Vec<PointsChanged<'a>>, E> {
    let order_points = |program_id, member_id| {
        ledger
            .chains()
            .iter()
            .filter_map(|chain| chain.live())
            .filter(|live| live.program_id == program_id && live.member_id == member_id)
            .fold(Decimal::ZERO, |sum, live| sum.saturating_add(live.amount))
    };
    by_member(order_id, settled, order_points, customer_of)
}

/// Tells the same of every step that a ledger has taken, in the order of the log, from what it is now: each fact with the
/// record that it came of, as it went out or is to go out. In one pass over the transactions.
pub fn retell_points<E>(
    order_id: &OrderId,
    ledger: &Ledger,
    mut customer_of: impl FnMut(ProgramId, MemberId) -> Result<Option<CustomerId>, E>,
    mut tell: impl FnMut(Position, &PointsChanged<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut points: BTreeMap<(ProgramId, MemberId), Decimal> = BTreeMap::new();
    for (position, settled) in steps(ledger) {
        for transaction in settled.cancelled.iter().chain(&settled.given) {
            let member = (transaction.program_id, transaction.member_id);
            let sum = points.entry(member).or_default();
            *sum = if transaction.is_live() {
                sum.saturating_add(transaction.amount)
            } else {
                sum.saturating_sub(transaction.amount)
            };
        }
        let order_points = |program, member| {
            let sum = points.get(&(program, member));
            sum.copied().unwrap_or_default()
        };
        for fact in by_member(order_id, &settled, order_points, &mut customer_of)? {
            tell(position, &fact)?;
        }
    }
    Ok(())
}

/// The transactions that each step cancelled and gave, as they stood after it.
fn steps(ledger: &Ledger) -> BTreeMap<Position, Settled> {
    let mut steps: BTreeMap<Position, Settled> = BTreeMap::new();
    for (transaction, cancelled_by) in ledger.chains().iter().flat_map(Chain::history) {
        if let Some(id) = transaction.id {
            let given = Transaction {
                cancelled_at: None,
                updated_at: None,
                ..transaction.clone()
            };
            steps.entry(id.position()).or_default().given.push(given);
        }
        if let Some(position) = cancelled_by {
            let step = steps.entry(position).or_default();
            step.cancelled.push(transaction.clone());
        }
    }
    steps
}

fn by_member<'a, E>(
    order_id: &'a OrderId,
    settled: &'a Settled,
    order_points: impl Fn(ProgramId, MemberId) -> Decimal,
    mut customer_of: impl FnMut(ProgramId, MemberId) -> Result<Option<CustomerId>, E>,
) -> Result<Vec<PointsChanged<'a>>, E> {
    let mut by_member: BTreeMap<(ProgramId, MemberId), Vec<&Transaction>> = BTreeMap::new();
    for transaction in settled.cancelled.iter().chain(&settled.given) {
        let member = (transaction.program_id, transaction.member_id);
        by_member.entry(member).or_default().push(transaction);
    }
    let mut facts = Vec::new();
    for ((program_id, member_id), mut transactions) in by_member {
        // By id, so that a fact that is told again is the same: what was cancelled comes before what was given.
        transactions.sort_by_key(|transaction| transaction.id);
        let customer_id = customer_of(program_id, member_id)?;
        let order_points = order_points(program_id, member_id);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::points::transaction::json::tests::transactions;

    proptest! {
        #[test]
        fn a_fact_is_written_as_serde_writes_it(
            cancelled in prop::collection::vec(transactions(), 0..3),
            given in prop::collection::vec(transactions(), 0..3),
            customer in prop::option::of("[A-Za-z0-9_:-]{1,64}"),
            (program, member) in (1..1_000_i64, 1..1_000_i64),
            (mantissa, scale) in (any::<i64>(), 0_u32..10),
        ) {
            let fact = PointsChanged {
                order_id: &"ENT:Order:1".parse().unwrap(),
                program_id: ProgramId::new(program).unwrap(),
                member_id: MemberId::new(member).unwrap(),
                customer_id: customer.map(|customer| customer.parse().unwrap()),
                cancelled: cancelled.iter().collect(),
                given: given.iter().collect(),
                order_points: Decimal::new(mantissa, scale),
            };
            let mut written = Vec::new();
            fact.put_json(&mut written).unwrap();
            let expected = serde_json::to_string(&fact).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
