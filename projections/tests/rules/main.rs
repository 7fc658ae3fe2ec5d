//! The rules of the domain's section 3 that depend on what a member had before, one file each, given-when-then.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

mod any_history;
#[path = "../common/mod.rs"]
mod common;
mod remembered;
mod rule_06_replacement;
mod rule_08_expiry;
mod rule_09_periods;
mod rule_10_caps;
mod stage;
