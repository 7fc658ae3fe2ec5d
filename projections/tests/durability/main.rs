//! Projections whose process is killed, or whose disk fails: what is left of them is a fold of the log up to their
//! checkpoint, and from there they go on to what a fold of the whole log gives.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see in a file of tests alone"
)]

mod faults;
mod history;
mod kill;
