//! Envelopes: what each form of message is read as, and what is said of one that can't be.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod arbitrary;
mod forms;
mod line;
mod sample;
mod times;
mod unreadable;
