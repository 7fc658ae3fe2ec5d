//! The order stage: from the set of an order's events to where its lines stand.
//!
//! [`event`] is an event of an order as the fold sees it, with its place in the order's own sequence; [`state`] is
//! the fold of that sequence, and [`growth`] the same after each event of many. All are pure: the same set of events gives
//! the same state, in whatever order they came (domain, sections 1 and 3).

pub mod event;
pub mod growth;
pub mod state;

pub use event::{DecodedRecord, OrderEvent};
pub use growth::GrowingState;
pub use state::{LineState, OrderState, Trigger, TriggerKind};
