//! The points stage: what an order's lines are worth, to whom, and the transactions that follow.
//!
//! [`entitlement`] says what should count for one line, definition and trigger, [`wants`] for all of an order, with
//! [`merits`] that the last event's step remembered; [`ledger`]
//! turns the difference between that and what counts into transactions, for each [`chain`] of them by an [`offer`] that heeds
//! its [`period`] and [`cap`] with the member's [`account`]; [`registration`] weighs a claim to a line after the fact. All of it
//! is a pure function of an order's events, the programs and the members (domain, sections 3 and 4).

pub mod account;
pub mod cap;
pub mod chain;
pub mod entitlement;
pub mod ledger;
pub mod merits;
pub mod offer;
pub mod period;
pub mod reason;
pub mod registration;
pub mod trace;
pub mod transaction;
pub mod wants;

pub use transaction::{RegistrationKind, Transaction};
