//! An order as it is stored: its points transactions as they are answered, and behind them the rest of the order, packed.
//!
//! Whoever asks for an order's transactions gets the first part as it stands, so nothing has to be unpacked, decoded and
//! encoded again.

use std::io;

use serde_json::{Error, from_slice, to_vec, to_writer};

use crate::document::OrderDocument;
use crate::packed::{pack, unpack};

/// The transactions of an order that has none, or is not known.
pub const NO_TRANSACTIONS: &[u8] = b"[]";

/// The stored form: how long the first part is, 4 bytes little-endian; the transactions, oldest first, a JSON array; the
/// order without them.
///
/// # Errors
/// It is too large to be stored.
pub fn encode(document: &OrderDocument) -> Result<Vec<u8>, Error> {
    let packed = pack(&to_vec(document)?).map_err(Error::io)?;
    let mut stored = vec![0; size_of::<u32>()];
    to_writer(&mut stored, &document.ledger.transactions())?;
    let length = u32::try_from(stored.len() - size_of::<u32>())
        .map_err(|_| Error::io(io::Error::other("the order has too many transactions")))?;
    stored[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
    stored.extend(packed);
    Ok(stored)
}

/// The order of a stored form.
///
/// # Errors
/// It is damaged, or was packed with another dictionary.
pub fn decode(stored: &[u8]) -> Result<OrderDocument, Error> {
    let (transactions, packed) = parts(stored)?;
    let mut document: OrderDocument = from_slice(&unpack(packed).map_err(Error::io)?)?;
    if document.ledger.take_back(from_slice(transactions)?) {
        Ok(document)
    } else {
        Err(damaged())
    }
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
    use serde_json::{from_str, from_value, json, to_value};

    use super::*;
    use crate::points::Transaction;

    fn empty() -> OrderDocument {
        OrderDocument::new("o".parse().unwrap())
    }

    /// An order with one chain, which has two transactions.
    fn with_points() -> OrderDocument {
        let mut document = to_value(empty()).unwrap();
        document["ledger"] = json!([{
            "slot": {
                "program_id": 1, "point_definition_id": 11, "order_line_id": "L1", "trigger": "LineConfirmed"
            },
            "cancelled_by": [5]
        }]);
        let mut document: OrderDocument = from_value(document).unwrap();
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
