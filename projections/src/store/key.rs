//! Keys of the store. They begin with a letter for what they hold; numbers in them are big-endian, so that they sort.
//!
//! | key | value |
//! |---|---|
//! | `c` | the checkpoint |
//! | `s` | counters |
//! | `o` order id | the order, [`OrderDocument`], with its transactions apart: [`crate::stored_order`] |
//! | `l` order id | how large the order is, in bytes, where that is more than one may be |
//! | `p` program id, position | a published version of a program |
//! | `e` customer id | the customer's members of all programs, by program |
//! | `a` customer id | the customer's merges, [`crate::member::Identity`] |
//! | `n` program id, member id | the member's customer id |
//! | `k` program id | how many members the program has |
//! | `t` member id, validFrom descending, transaction id descending | a transaction |
//! | `q` member id, definition id, key | the member's periods, in the order in which they were opened |
//! | `u` member id, definition id, `p` period id, `d` day, or `m` | the sum of the member's points there, for a cap |
//! | `d` position | a dead letter, without its bytes |
//! | `x` position, number | facts for other systems, [`crate::outbox::Fact`], from the one of this place on, packed |
//! | `f` | the place of the last fact that is no longer kept |
//! | `g`, `h`, `i` | ticket distribution groups and what they are found by, see [`crate::search::index`] |

use chrono::{DateTime, Utc};
use farelog_events::id::{
    CustomerId, MemberId, OrderId, PointDefinitionId, ProgramId, TransactionId,
};
use farelog_events::log::Position;

use crate::outbox::FactPlace;
use crate::points::account::TallyOf;
use crate::points::period::PeriodsOf;
use crate::program::Tally;

/// Key of the checkpoint.
pub const CHECKPOINT: &[u8] = b"c";
/// Key of the counters.
pub const COUNTERS: &[u8] = b"s";

/// Key of an order.
pub fn order_key(order: &OrderId) -> Vec<u8> {
    [b"o", order.as_str().as_bytes()].concat()
}

/// Prefix of orders that are larger than one may be.
pub const FULL_ORDERS: &[u8] = b"l";

/// Key of the size of an order that is larger than one may be.
pub fn full_order_key(order: &OrderId) -> Vec<u8> {
    [FULL_ORDERS, order.as_str().as_bytes()].concat()
}

/// The order in the key of its size.
pub fn parse_full_order_key(key: &[u8]) -> Option<OrderId> {
    let order = key.strip_prefix(FULL_ORDERS)?;
    std::str::from_utf8(order).ok()?.parse().ok()
}

/// Prefix of all versions of all programs.
pub const PROGRAMS: &[u8] = b"p";

/// Key of a published version of a program.
pub fn program_key(program: ProgramId, position: Position) -> Vec<u8> {
    [
        b"p".as_slice(),
        &number(program.get()),
        &position.to_be_bytes(),
    ]
    .concat()
}

/// The program and position in the key of a published version.
pub fn parse_program_key(key: &[u8]) -> Option<(ProgramId, Position)> {
    let program = i64::from_be_bytes(key.get(1..9)?.try_into().ok()?);
    let position = Position::from_be_bytes(key.get(9..)?.try_into().ok()?);
    Some((ProgramId::new(program)?, position))
}

/// Key of a customer's members.
pub fn members_key(customer: &CustomerId) -> Vec<u8> {
    [b"e", customer.as_str().as_bytes()].concat()
}

/// Prefix of customers' merges.
pub const IDENTITIES: &[u8] = b"a";

/// Key of a customer's merges.
pub fn identity_key(customer: &CustomerId) -> Vec<u8> {
    [IDENTITIES, customer.as_str().as_bytes()].concat()
}

/// Prefix of the members of a program, by id.
pub fn members_prefix(program: ProgramId) -> Vec<u8> {
    [b"n".as_slice(), &number(program.get())].concat()
}

/// Key by which a member's customer is found.
pub fn member_id_key(program: ProgramId, member: MemberId) -> Vec<u8> {
    [members_prefix(program).as_slice(), &number(member.get())].concat()
}

/// Key of the number of members of a program.
pub fn member_count_key(program: ProgramId) -> Vec<u8> {
    [b"k".as_slice(), &number(program.get())].concat()
}

/// Prefix of all transactions, by member.
pub const TRANSACTIONS: &[u8] = b"t";

/// Prefix of a member's transactions, newest `validFrom` first.
pub fn transactions_prefix(member: MemberId) -> Vec<u8> {
    [TRANSACTIONS, &number(member.get())].concat()
}

/// Key of a transaction among its member's.
pub fn transaction_key(
    member: MemberId,
    valid_from: DateTime<Utc>,
    transaction: TransactionId,
) -> Vec<u8> {
    [
        transactions_prefix(member).as_slice(),
        &time_descending(valid_from),
        &(!transaction.get().cast_unsigned()).to_be_bytes(),
    ]
    .concat()
}

/// A time within a key, so that later ones sort before earlier ones.
pub fn time_descending(time: DateTime<Utc>) -> [u8; 12] {
    // Flipping the sign bit makes signed numbers sort as unsigned ones; flipping the rest makes them descend.
    let seconds = time.timestamp().cast_unsigned() ^ (u64::MAX >> 1);
    let nanos = u32::MAX - time.timestamp_subsec_nanos();
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&seconds.to_be_bytes());
    bytes[8..].copy_from_slice(&nanos.to_be_bytes());
    bytes
}

/// Prefix of a member's periods by a definition, whose key stands behind it.
pub fn periods_prefix(member: MemberId, definition: PointDefinitionId) -> Vec<u8> {
    [
        b"q".as_slice(),
        &number(member.get()),
        &number(definition.get()),
    ]
    .concat()
}

/// Key of a member's periods.
pub fn periods_key(of: &PeriodsOf) -> Vec<u8> {
    let prefix = periods_prefix(of.member_id, of.point_definition_id);
    [prefix.as_slice(), of.key.as_bytes()].concat()
}

/// Key of a sum of a member's points; `None` for an order's, which the order has.
pub fn tally_key(of: &TallyOf) -> Option<Vec<u8>> {
    let of_what = match of.tally {
        Tally::Period(id) => [b"p".as_slice(), &number(id)].concat(),
        Tally::Day { from, to } => {
            let [from, to] = [from, to].map(|time| time.timestamp().to_be_bytes());
            [b"d".as_slice(), &from, &to].concat()
        }
        Tally::Member => b"m".to_vec(),
        Tally::Order => return None,
    };
    let key = [
        b"u".as_slice(),
        &number(of.member_id.get()),
        &number(of.point_definition_id.get()),
        &of_what,
    ];
    Some(key.concat())
}

/// Prefix of dead letters.
pub const DEAD_LETTERS: &[u8] = b"d";

/// Key of a dead letter.
pub fn dead_letter_key(number: Position) -> Vec<u8> {
    [DEAD_LETTERS, &number.to_be_bytes()].concat()
}

/// Key of the place of the last fact that is no longer kept.
pub const FACTS_FORGOTTEN: &[u8] = b"f";

/// Prefix of facts.
pub const FACTS: &[u8] = b"x";

/// Key of the facts from a place on.
pub fn fact_key(place: FactPlace) -> Vec<u8> {
    [
        FACTS,
        &place.position.to_be_bytes(),
        &place.number.to_be_bytes(),
    ]
    .concat()
}

/// Behind the keys of all facts.
pub fn after_facts() -> Vec<u8> {
    vec![b'x' + 1]
}

/// Ids are positive, so that their bytes sort as they do.
fn number(id: i64) -> [u8; 8] {
    id.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_transactions_sort_by_valid_from_newest_first() {
        let member = MemberId::new(1).unwrap();
        let key = |time: &str, id: i64| {
            transaction_key(
                member,
                time.parse().unwrap(),
                TransactionId::new(id).unwrap(),
            )
        };
        let newest_first = [
            key("2026-02-01T00:00:00Z", 1),
            key("2026-01-01T00:00:00.5Z", 1),
            key("2026-01-01T00:00:00Z", 9),
            key("2026-01-01T00:00:00Z", 8),
            key("1969-12-31T23:59:59Z", 1),
            key("1900-01-01T00:00:00Z", 1),
        ];
        assert!(newest_first.is_sorted_by(|a, b| a < b));
    }
}
