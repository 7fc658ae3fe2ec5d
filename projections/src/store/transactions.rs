//! Members' transactions in the store: a transaction for itself under its member's key, beside those of its order.

use std::io;

use farelog_events::tree::Slice;

use super::{ProjectionError, Store};
use crate::answer::{Page, Paged};
use crate::points::Transaction;

impl Store {
    /// The transactions whose keys begin with `prefix`, in the order of keys.
    pub fn transactions(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<Transaction, ProjectionError>> + use<> {
        self.prefix(prefix).map(|entry| {
            let (key, stored) = entry?;
            read(&key, &stored)
        })
    }

    /// A page of them. Those on other pages are counted and not decoded.
    pub fn page_of_transactions(
        &self,
        prefix: &[u8],
        page: Page,
    ) -> Result<Paged<Transaction>, ProjectionError> {
        let shown = page.offset()..page.offset().saturating_add(page.per_page);
        let mut items = Vec::new();
        let mut total = 0;
        for entry in self.prefix(prefix) {
            let (key, stored) = entry?;
            if shown.contains(&total) {
                items.push(read(&key, &stored)?);
            }
            total += 1;
        }
        Ok(Paged::new(items, total, page))
    }
}

fn read(key: &Slice, stored: &[u8]) -> Result<Transaction, ProjectionError> {
    Transaction::read(stored).map_err(|malformed| ProjectionError::Unreadable {
        what: format!("key {}", key.escape_ascii()),
        source: serde_json::Error::io(io::Error::other(malformed.0)),
    })
}
