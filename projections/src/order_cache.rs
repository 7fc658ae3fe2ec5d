//! Orders over the store: those that stay decoded, before what is stored, so that the events of an order which come close
//! together don't read it again.

use std::collections::hash_map::{Entry, IntoValues};
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use farelog_events::id::OrderId;
use foldhash::HashMap;

use crate::document::OrderDocument;
use crate::key_filter::KeyFilter;
use crate::store::{Counters, ProjectionError, Store};

/// Orders that are let go at once, where somebody else does it who has other work too.
const LET_GO_AT_ONCE_MAX: usize = 256;

/// Orders that are let go for each that comes into memory, where nobody else does it: more than one, so that all are gone
/// before the next are to go.
const LET_GO_FOR_EACH: usize = 2;

/// What is not needed any longer. Memory is given back in least time on the thread that took it.
pub type LetGo = Box<dyn Send>;

/// Orders, as the fold has left them.
pub struct OrderCache<'s> {
    store: &'s Store,
    orders: HashMap<OrderId, KnownOrder>,
    orders_before: HashMap<OrderId, KnownOrder>,
    /// Who lets go of orders that are not kept any longer; else it is done here.
    let_go: Option<SyncSender<LetGo>>,
    /// Orders that are not kept any longer and go one by one: all of them at once take some hundredths of a second, and what is
    /// folded next would wait for it.
    forgotten: IntoValues<OrderId, KnownOrder>,
    /// All orders that are in the store or in memory; `None` where it was not empty at first.
    ever: Option<KeyFilter>,
}

/// An order that is in memory.
struct KnownOrder {
    document: Arc<OrderDocument>,
    /// Whether it is among what the batch changed.
    is_changed: bool,
}

impl<'s> OrderCache<'s> {
    /// A view of what is stored. With the filter of a store that is empty, an order that is not in it is not looked for.
    pub fn new(store: &'s Store, ever: Option<KeyFilter>) -> Self {
        Self {
            store,
            orders: HashMap::default(),
            orders_before: HashMap::default(),
            let_go: None,
            forgotten: HashMap::default().into_values(),
            ever,
        }
    }

    /// From here on orders that are not kept any longer are let go by somebody else, a few at a time, as far as there is room
    /// for them on the way; `None`: by itself.
    pub fn set_let_go(&mut self, let_go: Option<SyncSender<LetGo>>) {
        self.let_go = let_go;
    }

    /// An order that is to be changed; `changed` gets its id where the batch has not changed it before. One that is nowhere
    /// is new, and counted.
    pub fn begin_change(
        &mut self,
        order_id: &OrderId,
        changed: &mut Vec<OrderId>,
        counters: &mut Counters,
    ) -> Result<&mut Arc<OrderDocument>, ProjectionError> {
        let order = match self.orders.entry(order_id.clone()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                self.forgotten.by_ref().take(LET_GO_FOR_EACH).for_each(drop);
                unknown.insert(match self.orders_before.remove(order_id) {
                    Some(before) => before,
                    None => load(self.store, &mut self.ever, order_id, counters)?,
                })
            }
        };
        if !order.is_changed {
            order.is_changed = true;
            changed.push(order_id.clone());
        }
        Ok(&mut order.document)
    }

    /// An order that the batch which ends has changed.
    pub fn end_change(&mut self, order_id: &OrderId) -> Option<Arc<OrderDocument>> {
        let order = self.orders.get_mut(order_id)?;
        order.is_changed = false;
        Some(Arc::clone(&order.document))
    }

    /// Bounds what is kept in memory to so many orders, those that the last two batches changed, and those that are still to
    /// go. Called when what changed is written.
    pub fn forget_old(&mut self, kept_max: usize) {
        if self.orders.len() < kept_max {
            return;
        }
        let orders = std::mem::take(&mut self.orders);
        // Of those before some are left only where batches are large: then a backlog is folded, and no event waits for it.
        self.forgotten = std::mem::replace(&mut self.orders_before, orders).into_values();
        while let Some(let_go) = &self.let_go
            && self.forgotten.len() > 0
        {
            let some = self.forgotten.by_ref().take(LET_GO_AT_ONCE_MAX);
            let some: Vec<_> = some.map(|order| order.document).collect();
            // Where there is no room, or nobody takes them, they are let go here.
            let _ = let_go.try_send(Box::new(some));
        }
    }
}

/// An order as it was left in the store; one that is not there is new.
fn load(
    store: &Store,
    ever: &mut Option<KeyFilter>,
    order_id: &OrderId,
    counters: &mut Counters,
) -> Result<KnownOrder, ProjectionError> {
    let stored = match ever {
        Some(ever) if !ever.may_have(order_id) => {
            ever.put(order_id);
            None
        }
        _ => store.read_order(order_id)?,
    };
    let document = stored.unwrap_or_else(|| {
        counters.orders += 1;
        OrderDocument::new(order_id.clone())
    });
    Ok(KnownOrder {
        document: Arc::new(document),
        is_changed: false,
    })
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::Weak;

    use super::*;
    use crate::store::StoreMemory;

    const KEPT_MAX: usize = 8;

    /// Changes the orders of these numbers, as a batch of their own does.
    fn change(cache: &mut OrderCache<'_>, numbers: Range<usize>) -> Vec<Weak<OrderDocument>> {
        let orders = numbers.map(|number| {
            let id: OrderId = format!("o{number}").parse().unwrap();
            let order = cache.begin_change(&id, &mut Vec::new(), &mut Counters::default());
            Arc::downgrade(order.unwrap())
        });
        orders.collect()
    }

    fn in_memory(orders: &[Weak<OrderDocument>]) -> usize {
        let is_there = |order: &&Weak<OrderDocument>| order.strong_count() > 0;
        orders.iter().filter(is_there).count()
    }

    /// Thousands of orders went at once, behind one batch of some hundred: what was folded next waited for twenty
    /// milliseconds, and at 10,000 events a second so did all that came meanwhile.
    #[test]
    fn what_is_not_kept_any_longer_goes_a_few_at_a_time_and_is_gone_before_more_is_to_go() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::make(&place.path().join("store"), StoreMemory::USUAL).unwrap();
        let mut cache = OrderCache::new(&store, Some(KeyFilter::empty()));
        let first = change(&mut cache, 0..KEPT_MAX);
        cache.forget_old(KEPT_MAX);
        let second = change(&mut cache, KEPT_MAX..2 * KEPT_MAX);
        cache.forget_old(KEPT_MAX);
        assert_eq!(
            (in_memory(&first), in_memory(&second)),
            (KEPT_MAX, KEPT_MAX)
        );

        let third = change(&mut cache, 2 * KEPT_MAX..2 * KEPT_MAX + 1);
        assert_eq!(in_memory(&first), KEPT_MAX - LET_GO_FOR_EACH);
        let fourth = change(&mut cache, 2 * KEPT_MAX + 1..3 * KEPT_MAX);
        assert_eq!(in_memory(&first), 0);
        for kept in [second, third, fourth] {
            assert_eq!(in_memory(&kept), kept.len());
        }
    }
}
