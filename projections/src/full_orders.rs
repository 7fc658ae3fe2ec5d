//! Orders that are as large as an order may be.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use farelog_events::event::{EventKind, NewEvent};
use farelog_events::id::OrderId;

use crate::batch::WriteBatch;
use crate::document::OrderDocument;
use crate::store::{self, ProjectionError, Store};

/// How large an order may be, in bytes of what decides about it: its events' data, and its transactions.
///
/// Each event has the whole order folded and stored again, so an order that grows without end, as one does whose id a
/// publisher gives to all its sales, would slow down everything and in the end could not be stored at all. Orders are a few
/// kilobytes; this leaves room for twenty thousand events.
pub const ORDER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a transaction counts.
const TRANSACTION_BYTES_USUAL: usize = 512;

/// How large an order may become by what takes something away, which a full order is still to hear of.
const ORDER_BYTES_AT_THE_VERY_MOST: usize = 4 * ORDER_BYTES_MAX;

/// The orders that were seen to be larger than one may be: no more is to be taken in of them. Which ones is noted when they are
/// stored, so events that are on their way by then are taken in still. The store has which ones they are, for the next
/// start.
#[derive(Debug, Default)]
pub struct FullOrders {
    /// Looked at first, since there are none as a rule.
    any: AtomicBool,
    bytes: RwLock<HashMap<OrderId, usize>>,
}

impl FullOrders {
    /// Those that a store has.
    pub(crate) fn of(store: &Store) -> Result<Self, ProjectionError> {
        let full = Self::default();
        for stored in store.scan::<usize>(store::FULL_ORDERS) {
            let (key, bytes) = stored?;
            if let Some(order) = store::parse_full_order_key(&key) {
                full.insert(order, bytes);
            }
        }
        Ok(full)
    }

    /// Notes an order's size. Says whether it was known to be full.
    fn insert(&self, order: OrderId, bytes: usize) -> bool {
        let mut full = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
        let is_known = full.insert(order, bytes).is_some();
        drop(full);
        self.any.store(true, Ordering::Release);
        is_known
    }

    /// Notes the orders that a batch puts which are full.
    pub(crate) fn note(&self, batch: &WriteBatch) {
        for (order, bytes) in batch.full_orders() {
            if !self.insert(order.clone(), bytes) {
                tracing::error!(
                    %order,
                    events = batch.order(order).map_or(0, |document| document.events.len()),
                    bytes_max = ORDER_BYTES_MAX,
                    "an order is larger than one may be: what comes of it now is refused"
                );
            }
        }
    }

    /// Whether an event is one too many for its order. What farelog records itself never is: it is small, and nobody could
    /// settle the order's dead letters otherwise. What takes something away is for a while longer: points that were given
    /// would stay, and tickets.
    pub fn refuse(&self, event: &NewEvent) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let Some(order) = event.about.order() else {
            return false;
        };
        let full = self.bytes.read().unwrap_or_else(PoisonError::into_inner);
        full.get(order).is_some_and(|&bytes| match event.kind() {
            Some(kind) if kind.is_own() => false,
            Some(kind) if takes_away(kind) => bytes > ORDER_BYTES_AT_THE_VERY_MOST,
            _ => true,
        })
    }
}

fn takes_away(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(
        kind,
        K::OrderCancelled
            | K::OrderLineCancelled
            | K::OrderLineRefunded
            | K::PaymentTransactionCancelled
            | K::PaymentTransactionRejected
            | K::TicketDistributionCancelled
            | K::TicketDistributionCancelledExternally
    )
}

/// How large an order is that is larger than one may be.
pub(crate) fn bytes_if_full(document: &OrderDocument) -> Option<usize> {
    Some(bytes_of(document)).filter(|bytes| *bytes > ORDER_BYTES_MAX)
}

fn bytes_of(document: &OrderDocument) -> usize {
    let events: usize = document
        .events
        .iter()
        .map(|event| event.json.get().len())
        .sum();
    let chains = document.ledger.chains().iter();
    let transactions: usize = chains.map(|chain| chain.transactions().len()).sum();
    events + transactions * TRANSACTION_BYTES_USUAL
}
