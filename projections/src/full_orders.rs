//! Orders that are as large as an order may be.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use farelog_events::id::OrderId;

use crate::document::OrderDocument;

/// How large an order may be, in bytes of what decides about it: its events' data, and its transactions.
///
/// Each event has the whole order folded and stored again, so an order that grows without end, as one does whose id a
/// publisher gives to all its sales, would slow down everything and in the end could not be stored at all. Orders are a few
/// kilobytes; this leaves room for twenty thousand events.
pub const ORDER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a transaction counts.
const TRANSACTION_BYTES_USUAL: usize = 512;

/// The orders that were seen to be larger than one may be, since the server was started: no more is to be taken in of
/// them. Which ones is noted when they are stored, so events that are on their way by then are taken in still, and some more
/// after each start. An order is smaller by far than what can't be stored, also with those.
#[derive(Debug, Default)]
pub struct FullOrders {
    /// Looked at first, since there are none as a rule.
    any: AtomicBool,
    orders: RwLock<HashSet<OrderId>>,
}

impl FullOrders {
    /// Notes those of some orders that are full.
    pub(crate) fn note<'o>(&self, documents: impl IntoIterator<Item = &'o OrderDocument>) {
        let full = documents.into_iter().filter(|document| is_full(document));
        for document in full {
            let mut orders = self.orders.write().unwrap_or_else(PoisonError::into_inner);
            if orders.insert(document.order_id.clone()) {
                tracing::error!(
                    order = %document.order_id,
                    events = document.events.len(),
                    bytes_max = ORDER_BYTES_MAX,
                    "an order is larger than one may be: what comes of it now is refused"
                );
            }
            self.any.store(true, Ordering::Release);
        }
    }

    /// Whether an order is one of them.
    pub fn contains(&self, order: &OrderId) -> bool {
        let orders = || self.orders.read().unwrap_or_else(PoisonError::into_inner);
        self.any.load(Ordering::Acquire) && orders().contains(order)
    }
}

fn is_full(document: &OrderDocument) -> bool {
    let events: usize = document
        .events
        .iter()
        .map(|event| event.json.get().len())
        .sum();
    let chains = document.ledger.chains().iter();
    let transactions: usize = chains.map(|chain| chain.transactions().len()).sum();
    events + transactions * TRANSACTION_BYTES_USUAL > ORDER_BYTES_MAX
}
