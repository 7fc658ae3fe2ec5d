//! farelog: order events come in from NATS, are kept in a durable log, and become points and ticket distribution groups.
//!
//! - [`cli`]: the command line; every command but `serve` talks to a running server or works on a stopped one's files.
//! - [`config`]: what `serve` can be told, by flags, `FARELOG_…` variables and a file.
//! - [`serve`]: the wiring of log, projections, ingestion and HTTP, and their orderly end.

mod assembly;
mod cli;
mod config;
mod engine;
mod errors;
mod http;
mod offline;
mod serve;
mod telemetry;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
