//! What differs from day to day: the names of orders, customers and events, and texts with places for them.

use std::collections::HashSet;
use std::ops::Range;

use regex::bytes::Regex;

/// Days with customers of their own, who become members then. After these the first ones come again.
pub const DAYS_OF_CUSTOMERS: u64 = 1_000;
/// Digits of a day's number in names.
const DAY_DIGITS: usize = 5;

/// What names of a day end with.
pub struct Day {
    order: String,
    customer: String,
}

impl Day {
    /// The day with this number.
    pub fn number(day: u64) -> Self {
        Self {
            order: format!("{day:05}"),
            customer: format!("{:03}", day % DAYS_OF_CUSTOMERS),
        }
    }
}

/// The names in the sample that differ from day to day.
pub struct Names {
    orders: HashSet<Vec<u8>>,
    customers: HashSet<Vec<u8>>,
    any: Regex,
}

/// How a name is changed.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// The day's number is put behind it.
    Order,
    /// The number of the day's customers is put behind it.
    Customer,
    /// Its end is replaced by the day's number.
    Event,
}

impl Names {
    /// The names in a text.
    ///
    /// # Errors
    /// A pattern is none.
    pub fn of(text: &str) -> anyhow::Result<Self> {
        let found = |pattern: &str| -> anyhow::Result<HashSet<Vec<u8>>> {
            let pattern = Regex::new(pattern)?;
            let names = pattern.captures_iter(text.as_bytes());
            Ok(names.map(|found| found[1].to_vec()).collect())
        };
        Ok(Self {
            orders: found(r#"(?:orders\.|sale-|"orderId":")([A-Z0-9]{8})\b"#)?,
            customers: found(r#""(?:customerId|mergedIntoCustomerId)":"([0-9]{7})""#)?,
            any: Regex::new(
                r"\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[A-Z0-9]{8}|[0-9]{7})\b",
            )?,
        })
    }

    /// Where names stand in a text, and how each changes.
    fn places(&self, text: &[u8]) -> Vec<(Range<usize>, Change)> {
        let changes = self.any.find_iter(text).filter_map(|name| {
            let change = match name.len() {
                8 => self
                    .orders
                    .contains(name.as_bytes())
                    .then_some(Change::Order),
                7 => self
                    .customers
                    .contains(name.as_bytes())
                    .then_some(Change::Customer),
                _ => Some(Change::Event),
            };
            Some((name.range(), change?))
        });
        changes.collect()
    }
}

/// A text with places for names: parts that stay, each followed by a change.
pub struct Pattern {
    parts: Vec<(Vec<u8>, Change)>,
    rest: Vec<u8>,
}

impl Pattern {
    /// The text of the sample.
    pub fn new(text: &[u8], names: &Names) -> Self {
        let mut parts = Vec::new();
        let mut from = 0;
        for (name, change) in names.places(text) {
            let kept = match change {
                Change::Order | Change::Customer => name.end,
                Change::Event => name.end - DAY_DIGITS,
            };
            parts.push((text[from..kept].to_vec(), change));
            from = name.end;
        }
        Self {
            parts,
            rest: text[from..].to_vec(),
        }
    }

    /// The text of a day.
    pub fn on(&self, day: &Day) -> Vec<u8> {
        let length: usize = self
            .parts
            .iter()
            .map(|(part, _)| part.len() + DAY_DIGITS)
            .sum();
        let mut text = Vec::with_capacity(length + self.rest.len());
        for (part, change) in &self.parts {
            text.extend_from_slice(part);
            text.extend_from_slice(match change {
                Change::Order | Change::Event => day.order.as_bytes(),
                Change::Customer => day.customer.as_bytes(),
            });
        }
        text.extend_from_slice(&self.rest);
        text
    }

    /// The text of a day, where it is a text.
    pub fn text_on(&self, day: &Day) -> String {
        String::from_utf8_lossy(&self.on(day)).into_owned()
    }
}
