//! What the event log promises, attacked: processes that are killed, power that is cut, disks that fail, old files.
//! docs/guarantees.md says which test shows what.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which clippy does not see in a file of tests alone"
)]

mod chance;
mod disk;
mod faults;
mod fixtures;
mod index;
mod ingester;
mod journal;
mod kill;
mod numbered;
mod power_cut;
mod tree;
