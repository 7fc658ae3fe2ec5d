//! Replay: what the history of an order line would have given, had its customer been known.
//!
//! [`registration`] decides on deferred registrations and their revocation (domain, section 4). It replays with the
//! projections' own step on a copy of the order, so that a dry run, the decision and the projection can't disagree.
//! Decisions are pure: they read projections that are as far as the log, get the time as data, and give the event
//! that records them.

pub mod claims;
pub mod explanation;
pub mod registration;
pub mod simulation;
