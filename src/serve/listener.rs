//! Connections: how many, how slow, and how they end.
//!
//! axum's own `serve` has no limits, so connections are accepted here (decision 0022).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::connection_threads::ConnectionThreads;
use super::refusal::Refusals;
use super::stall::StallGuard;
use crate::cli::exit::Failure;
use crate::http::Unreadable;

/// How long a client may take for the head of a request; also how long a connection may be idle between two.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests may take to finish once the server is told to end.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// Wait after a connection could not be accepted, for example because files are used up.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Listens at an address, and starts the threads for connections.
///
/// # Errors
/// The address is taken or none of this machine, or the system gives no thread.
pub async fn listen(address: SocketAddr) -> Result<(TcpListener, ConnectionThreads), Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::Failed(format!(
            "HTTP can't be served at {address}: {error}; choose another --listen"
        ))
    })?;
    let threads = ConnectionThreads::start().map_err(|error| {
        Failure::Failed(format!(
            "the threads for connections can't be started: {error}; let the server have more threads"
        ))
    })?;
    Ok((listener, threads))
}

/// Accepts connections, which are served on threads of their own, until `stop` is sent or dropped, then lets requests that are under way finish, for a time.
pub async fn serve(
    listener: TcpListener,
    threads: ConnectionThreads,
    router: Router,
    unreadable: Unreadable,
    connections_max: usize,
    mut stop: oneshot::Receiver<()>,
) {
    let connections = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        // Taken before a connection is accepted: what is too many waits in the system's queue.
        let permit = tokio::select! {
            permit = Arc::clone(&connections).acquire_owned() => permit,
            _ = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY_INTERVAL).await;
                continue;
            }
        };
        let (router, unreadable) = (router.clone(), unreadable.clone());
        let watcher = graceful.watcher();
        let serving = threads.serve(stream, async move |stream| {
            let connection = watcher.watch(connection(stream, router, unreadable));
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
        if let Err(error) = serving {
            tracing::warn!(%error, "a connection could not be handed on");
        }
    }
    drop(listener);
    let open = graceful.count();
    if tokio::time::timeout(FINISH_TIME_MAX, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(open, "requests were not finished in time and are cut off");
    }
    threads.end().await;
}

type Connection =
    http1::Connection<TokioIo<Refusals<StallGuard<TcpStream>>>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router, unreadable: Unreadable) -> Connection {
    // Answers are small and written at once; waiting for more to send only delays them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection keeps its delay");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(
            TokioIo::new(Refusals::new(StallGuard::new(stream), unreadable)),
            TowerToHyperService::new(router),
        )
}
