//! Orders over the store: those that stay decoded, before what is stored, so that the events of an order which come close
//! together don't read it again.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use farelog_events::id::OrderId;
use foldhash::HashMap;

use crate::document::OrderDocument;
use crate::key_filter::KeyFilter;
use crate::store::{Counters, ProjectionError, Store};

/// Orders that are let go at once, where somebody else does it who has other work too.
const LET_GO_AT_ONCE_MAX: usize = 256;

/// What is not needed any longer. Memory is given back in least time on the thread that took it.
pub type LetGo = Box<dyn Send>;

/// Orders, as the fold has left them.
pub struct OrderCache<'s> {
    store: &'s Store,
    orders: HashMap<OrderId, KnownOrder>,
    orders_before: HashMap<OrderId, KnownOrder>,
    /// Who lets go of orders that are not kept any longer; else it is done here.
    let_go: Option<SyncSender<LetGo>>,
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
            Entry::Vacant(unknown) => unknown.insert(match self.orders_before.remove(order_id) {
                Some(before) => before,
                None => load(self.store, &mut self.ever, order_id, counters)?,
            }),
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

    /// Bounds what is kept in memory to so many orders, and those that the last two batches changed. Called when what
    /// changed is written.
    pub fn forget_old(&mut self, kept_max: usize) {
        if self.orders.len() < kept_max {
            return;
        }
        let orders = std::mem::take(&mut self.orders);
        let mut forgotten = std::mem::replace(&mut self.orders_before, orders)
            .into_values()
            .map(|order| order.document);
        while let Some(let_go) = &self.let_go
            && forgotten.len() > 0
        {
            let some: Vec<_> = forgotten.by_ref().take(LET_GO_AT_ONCE_MAX).collect();
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
