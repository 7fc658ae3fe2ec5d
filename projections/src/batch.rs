//! A batch of changes to the store, which can be read before it is applied.

use std::sync::Arc;

use farelog_events::id::OrderId;
use farelog_events::tree::Slice;
use foldhash::HashMap;

use crate::document::OrderDocument;
use crate::packed::pack_quickly;
use crate::store::{self, ProjectionError};
use crate::stored_order::Encoder;

/// What becomes of a key.
#[derive(Debug, Clone)]
pub enum Change {
    /// It has this value.
    Put(Slice),
    /// It is there no more.
    Remove,
}

/// Values to put under keys, and keys to remove. The last change of a key holds.
#[derive(Debug, Default)]
pub struct WriteBatch {
    changes: HashMap<Slice, Change>,
    /// Encoded when the batch is applied, which may be on another thread than the fold's.
    orders: HashMap<OrderId, Arc<OrderDocument>>,
    /// Pages of facts, packed when the batch is applied.
    facts: Vec<(Slice, Box<[u8]>)>,
    /// Orders among them that are as large as one may be, and how large, in bytes.
    full_orders: Vec<(OrderId, usize)>,
    /// What would have to be read to fold it again, in bytes.
    pub replay_bytes: u64,
}

impl WriteBatch {
    /// Puts a value under a key.
    pub fn insert(&mut self, key: impl Into<Slice>, value: impl Into<Slice>) {
        self.changes.insert(key.into(), Change::Put(value.into()));
    }

    /// Puts an order under its key.
    pub fn insert_order(&mut self, order: OrderId, document: Arc<OrderDocument>) {
        self.orders.insert(order, document);
    }

    /// Puts a page of facts under its key, which no batch did before.
    pub fn insert_facts(&mut self, key: impl Into<Slice>, page: impl Into<Box<[u8]>>) {
        self.facts.push((key.into(), page.into()));
    }

    /// Puts under a key of its own that an order is as large as one may be, in bytes.
    ///
    /// # Errors
    /// The number has no stored form.
    pub fn insert_full_order(
        &mut self,
        order: &OrderId,
        bytes: usize,
    ) -> Result<(), ProjectionError> {
        self.insert(store::full_order_key(order), store::encode(&bytes)?);
        self.full_orders.push((order.clone(), bytes));
        Ok(())
    }

    /// The orders that it puts which are as large as one may be, in bytes.
    pub fn full_orders(&self) -> impl Iterator<Item = (&OrderId, usize)> {
        self.full_orders
            .iter()
            .map(|(order, bytes)| (order, *bytes))
    }

    /// Removes a key.
    pub fn remove(&mut self, key: impl Into<Slice>) {
        self.changes.insert(key.into(), Change::Remove);
    }

    /// What the batch makes of a key that is neither an order's nor that of facts; `None` where it leaves the key as it is.
    pub fn get(&self, key: &[u8]) -> Option<Change> {
        self.changes.get(key).cloned()
    }

    /// The order as the batch leaves it; `None` where it does not touch it.
    pub fn order(&self, order: &OrderId) -> Option<&OrderDocument> {
        self.orders.get(order).map(|document| &**document)
    }

    /// All of it in its stored form: values to put under keys, and keys to remove. Values are shared, orders are encoded,
    /// facts are packed.
    ///
    /// # Errors
    /// A value has no stored form.
    pub fn encode(&self) -> Result<Vec<(Slice, Option<Slice>)>, ProjectionError> {
        let count = self.changes.len() + self.orders.len() + self.facts.len();
        let mut entries = Vec::with_capacity(count);
        for (key, change) in &self.changes {
            let value = match change {
                Change::Put(value) => Some(value.clone()),
                Change::Remove => None,
            };
            entries.push((key.clone(), value));
        }
        let mut encoder = Encoder::default();
        for (order, document) in &self.orders {
            let stored = encoder
                .encode(document)
                .map_err(ProjectionError::unwritable)?;
            entries.push((store::order_key(order).into(), Some(stored.into())));
        }
        let mut packed = Vec::new();
        for (key, page) in &self.facts {
            packed.clear();
            pack_quickly(page, &mut packed)
                .map_err(|error| ProjectionError::unwritable(serde_json::Error::io(error)))?;
            entries.push((key.clone(), Some(packed.as_slice().into())));
        }
        Ok(entries)
    }
}
