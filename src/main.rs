//! farelog: order events come in from NATS, are kept in a durable log, and become points and ticket distribution groups.
//!
//! - [`cli`]: the command line; every command but `serve` talks to a running server or works on a stopped one's files.
//! - [`config`]: what `serve` can be told, by flags, `FARELOG_…` variables and a file.
//! - [`assembly`]: log, projections and writer of a data directory, put together; [`engine`]: what interfaces ask of them.
//! - [`http`]: the HTTP interface; [`errors`]: its error codes, with a page each; [`offline`]: the same without a server.
//! - [`nats_server`]: the broker that farelog runs itself where none is named.
//! - [`query_service`]: questions over NATS, answered as over HTTP.
//! - [`outbox`]: what goes out to other systems, sent once and in order.
//! - [`this_machine`]: which hosts are this machine.
//! - [`serve`]: the wiring of log, projections, ingestion and HTTP, and their orderly end; [`telemetry`]: what it tells.

mod assembly;
mod cli;
mod config;
mod engine;
mod errors;
mod guarantee;
mod http;
mod nats_server;
mod offline;
mod outbox;
mod query_service;
mod serve;
mod telemetry;
mod this_machine;

use std::env;
use std::process::ExitCode;

/// The projector and sled allocate and free many small buffers: a third of a rebuild's samples (`perf record`) lay in the
/// system's allocator. This one gives out first what its thread freed last, which is in the processor's cache still
/// (docs/decisions/0159-the-allocator-gives-out-what-was-just-freed.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // Not on the command line, since it is none of a person's.
    nats_server::guard::run_if_asked(env::args_os()).unwrap_or_else(cli::run)
}
