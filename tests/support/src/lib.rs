//! What the tests of several crates share. No part of farelog, and only ever a dev-dependency.
//!
//! - [`broker`]: a real nats-server of a test's own.
//! - [`way`]: a way to it that can be bad.
//! - [`bare`]: messages that no client would publish.
//! - [`directory`]: copies of directories, and what is in them.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that fails says so by panicking"
)]

pub mod bare;
pub mod broker;
pub mod directory;
mod protocol;
pub mod way;

use std::time::Duration;

/// A client of the server at this address that comes back whenever the server does, also before it was there for the
/// first time.
async fn client_of(url: &str) -> async_nats::Client {
    async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| Duration::from_millis(20))
        .connect(url)
        .await
        .unwrap()
}
