//! Caps: how many points of a definition a member can have, and what room is left (domain, section 3, rule 10).

use rust_decimal::Decimal;

use crate::program::Counter;

/// A definition's cap: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cap {
    /// The most points.
    pub amount: Decimal,
    /// In what they are counted.
    pub counter: Counter,
}

impl Cap {
    /// The room that is left where this many points are counted already; never below zero.
    pub fn room(&self, counted: Decimal) -> Decimal {
        self.amount.saturating_sub(counted).max(Decimal::ZERO)
    }
}
