//! Ticket distribution: which tickets an order's lines have, and how far each is on its way to its ticket system
//! (domain, section 5).
//!
//! - [`group`]: the groups of an order, one per line, and the tickets in them.
//! - [`status`]: the life of a ticket, as a table of statuses and moves.
//! - [`decision`]: whether groups are generated or tickets sent, and what is recorded if so.
//! - [`fold`]: what an event of the order does to its groups, and what goes out to the ticket systems.
//! - [`fact`]: what goes out, as data.
//! - [`retelling`]: what each event of an order came to, for its timeline.
//! - [`summary`]: the tickets by the names that the ticket systems gave them.
//!
//! The recorded events say only that groups were asked for; which groups and tickets come of it is one pure plan that the
//! decision and the fold share. So "generate again" can't promise one thing and do another.

pub mod decision;
pub mod fact;
pub mod fold;
mod generation;
pub mod group;
mod plan;
pub mod retelling;
pub mod status;
pub mod summary;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use decision::{Distribute, DistributionRefusal, Generate, Reach};
pub use fact::DistributionFact;
pub use fold::{Ignored, IgnoredReason, Outcome, apply};
pub use group::{Groups, TicketDistribution, TicketDistributionGroup};
pub use retelling::retell;
pub use status::{DistributionStatus, Move};
pub use summary::{DistributionSummary, summary};
