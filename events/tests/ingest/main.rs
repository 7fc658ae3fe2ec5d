//! Ingestion from a real nats-server: what is published is in the log, once, whatever befalls the broker.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

mod breaks;
mod connection;
mod given;
mod held_log;
mod interruption;
mod reading;
mod repeats;
mod undelivered;
