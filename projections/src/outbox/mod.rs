//! What goes out, as data: the facts that records of the log brought about, in log order (domain, section 5, rule 5).
//!
//! - [`fact`]: a fact, its place among all facts, and the subject that it goes out on.
//! - [`keeper`]: which facts are kept, and how long.
//! - [`points`]: what a record changed in the points of an order's members, as it is told and told again.
//!
//! Facts are a projection like any other: a function of the log, written in the batch of the record that they come of,
//! and the same again after a rebuild. Sending them is another matter, for it can't be undone or made anew. Who sends
//! remembers apart from here how far it has come, asks for what is behind that place
//! ([`Projections::facts_after`](crate::Projections::facts_after)), and says which facts need no longer be kept
//! ([`Projections::forget_facts_before`](crate::Projections::forget_facts_before)).

pub mod fact;
pub(crate) mod keeper;
pub mod points;

pub use fact::{Fact, FactPlace};
