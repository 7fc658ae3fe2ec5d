//! The projections of farelog: what the event log means.
//!
//! Points are folded in two stages, and only plain data passes between them, one way: the order stage ([`order`])
//! says where an order's lines stand, the points stage ([`points`]) what that is worth to whom, by the programs
//! ([`program`]) and members ([`member`]) that held. Ticket distribution groups ([`distribution`]) need the order stage
//! only. What both have to tell other systems is gathered in [`outbox`]. Folds are pure and know neither clock nor chance,
//! so that two rebuilds give the same bytes.
//!
//! [`Projections`] is what the binary opens, runs and asks.

mod account_cache;
pub mod answer;
mod batch;
mod catch_up;
pub mod distribution;
pub mod document;
mod figures;
mod full_orders;
mod json;
mod key_filter;
pub mod member;
pub mod order;
mod order_cache;
pub mod outbox;
mod packed;
mod place;
pub mod points;
pub mod program;
mod progress;
mod projections;
mod projector;
mod rebuild;
pub mod search;
mod store;
pub mod stored_order;
mod timestamp;
pub mod trial;
mod write_behind;

pub use full_orders::{FullOrders, ORDER_BYTES_MAX};
pub use member::TransactionFilter;
pub use projections::Projections;
pub use store::{Counters, FOLD_VERSION, ProjectionError, StoreMemory};
