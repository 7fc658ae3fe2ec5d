//! An order as it is stored: its points transactions as they are answered, and behind them the rest of the order, packed.
//!
//! Whoever asks for an order's transactions gets the first part as it stands, so nothing has to be unpacked, decoded and
//! encoded again.

use std::io;

use farelog_events::bytes::Malformed;
use serde_json::{Error, from_slice};

use crate::document::OrderDocument;
use crate::packed::{pack, unpack};

/// The transactions of an order that has none, or is not known.
pub const NO_TRANSACTIONS: &[u8] = b"[]";

/// Makes the stored forms of orders, one after the other in the same memory.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The order without its transactions, not packed yet.
    rest: Vec<u8>,
    stored: Vec<u8>,
}

impl Encoder {
    /// The stored form: how long the first part is, 4 bytes little-endian; the transactions, oldest first, a JSON array;
    /// the order without them, packed.
    ///
    /// # Errors
    /// It is too large to be stored.
    pub fn encode(&mut self, document: &OrderDocument) -> Result<&[u8], Error> {
        let Self { rest, stored } = self;
        stored.clear();
        stored.extend([0; size_of::<u32>()]);
        stored.push(b'[');
        for (index, transaction) in document.ledger.transactions().into_iter().enumerate() {
            if index > 0 {
                stored.push(b',');
            }
            transaction.put_json(stored)?;
        }
        stored.push(b']');
        let length = u32::try_from(stored.len() - size_of::<u32>())
            .map_err(|_| Error::io(io::Error::other("the order has too many transactions")))?;
        stored[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
        rest.clear();
        document.put(rest)?;
        pack(rest, stored).map_err(Error::io)?;
        Ok(stored)
    }
}

/// The stored form of one order.
///
/// # Errors
/// It is too large to be stored.
pub fn encode(document: &OrderDocument) -> Result<Vec<u8>, Error> {
    Encoder::default().encode(document).map(<[u8]>::to_vec)
}

/// The order of a stored form.
///
/// # Errors
/// It is damaged, or was packed with another dictionary.
pub fn decode(stored: &[u8]) -> Result<OrderDocument, Error> {
    let (transactions, packed) = parts(stored)?;
    let rest = unpack(packed).map_err(Error::io)?;
    let mut document = OrderDocument::read(&rest)
        .map_err(|Malformed(problem)| Error::io(io::Error::other(problem)))?;
    if document.ledger.take_back(from_slice(transactions)?) {
        Ok(document)
    } else {
        Err(damaged())
    }
}

/// What of an order is packed, as it is before: for who makes a dictionary of it.
///
/// # Errors
/// The stored form is damaged.
pub fn unpacked(stored: &[u8]) -> Result<Vec<u8>, Error> {
    let (_, packed) = parts(stored)?;
    unpack(packed).map_err(Error::io)
}

/// The transactions of a stored form, as a JSON array.
///
/// # Errors
/// It is damaged.
pub fn transactions(stored: &[u8]) -> Result<&[u8], Error> {
    let (transactions, _) = parts(stored)?;
    Ok(transactions)
}

fn parts(stored: &[u8]) -> Result<(&[u8], &[u8]), Error> {
    stored
        .split_first_chunk()
        .and_then(|(length, parts)| {
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            parts.split_at_checked(length)
        })
        .ok_or_else(damaged)
}

fn damaged() -> Error {
    Error::io(io::Error::other("the value is damaged"))
}

#[cfg(test)]
mod tests {
    use farelog_events::bytes::Reader;
    use serde_json::{from_str, json};

    use super::*;
    use crate::points::Transaction;
    use crate::points::ledger::Ledger;

    fn empty() -> OrderDocument {
        OrderDocument::new("o".parse().unwrap())
    }

    /// An order with one chain, which has two transactions.
    fn with_points() -> OrderDocument {
        let mut document = empty();
        // Of program 1, definition 11 and line L1, confirmed; the first transaction was cancelled by record 5.
        let chain = [1, 11, 2, b'L', b'1', 0, 1, 5, 0, 0];
        let ledger = [&[1], chain.as_slice()].concat();
        document.ledger = Ledger::read(&mut Reader::new(&ledger)).unwrap();
        let transaction = |id, amount, cancelled_at| -> Transaction {
            let json = json!({
                "id": id, "programId": 1, "memberId": 8_192, "pointDefinitionId": 11,
                "pointDefinitionReference": "d", "amount": amount, "createdAt": "2026-01-01T10:00:00Z",
                "validFrom": "2026-01-01T10:00:00Z", "pointPeriodId": null, "expireAt": null,
                "cancelledAt": cancelled_at, "updatedAt": cancelled_at,
                "metadata": {
                    "orderId": "o", "orderLineId": "L1", "trigger": "LineConfirmed", "triggerEventId": "e",
                    "programVersion": 1, "registration": "AUTOMATIC"
                }
            });
            from_str(&json.to_string()).unwrap()
        };
        let cancelled = transaction(16_384, 39, Some("2026-01-25T10:00:00Z"));
        let live = transaction(20_480, 29, None);
        assert!(document.ledger.take_back(vec![cancelled, live]));
        document
    }

    #[test]
    fn an_order_is_given_back_and_damage_is_an_error() {
        for document in [empty(), with_points()] {
            let stored = encode(&document).unwrap();
            let given_back = decode(&stored).unwrap();
            assert_eq!(given_back.ledger, document.ledger);
            assert_eq!(encode(&given_back).unwrap(), stored);
            for cut in 0..stored.len() {
                assert!(decode(&stored[..cut]).is_err(), "{cut}");
            }
        }
        assert!(transactions(&[0xff; 8]).is_err());
    }

    #[test]
    fn transactions_are_read_without_the_order() {
        let stored = encode(&empty()).unwrap();
        assert_eq!(transactions(&stored).unwrap(), NO_TRANSACTIONS);
        let document = with_points();
        let stored = encode(&document).unwrap();
        let read: Vec<Transaction> = from_slice(transactions(&stored).unwrap()).unwrap();
        assert_eq!(
            read.iter().collect::<Vec<_>>(),
            document.ledger.transactions()
        );
    }

    #[test]
    fn a_transaction_of_no_chain_is_damage() {
        let (with_points, empty) = (encode(&with_points()).unwrap(), encode(&empty()).unwrap());
        let (_, order_without_chains) = parts(&empty).unwrap();
        let first_part = with_points.len() - parts(&with_points).unwrap().1.len();
        let stored = [&with_points[..first_part], order_without_chains].concat();
        assert!(decode(&stored).is_err());
    }
}
