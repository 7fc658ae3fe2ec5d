//! The rules of ticket distribution (domain, section 5), as histories of one order.

mod any_history;
mod cancellation;
mod distribution;
mod exchange;
mod generation;
mod regeneration;
mod ticket_system;
