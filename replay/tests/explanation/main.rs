//! Why points are what they are, and why there are none.
#![allow(clippy::unwrap_used, reason = "a test that fails says so by panicking")]

mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod given;
mod nothing;
mod points;
mod sample_day;
