//! Connections: how many, how slow, and how they end.
//!
//! axum's own `serve` has no limits, so connections are accepted here (decision 0022).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

use super::refusal::Refusals;
use super::stall::StallGuard;
use crate::http::Unreadable;

/// How long a client may take for the head of a request; also how long a connection may be idle between two.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// How long requests may take to finish once the server is told to end.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// Wait after a connection could not be accepted, for example because files are used up.
const ACCEPT_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Serves connections until `stop` is sent or dropped, then lets requests that are under way finish, for a time.
pub async fn serve(
    listener: TcpListener,
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
        let connection = graceful.watch(connection(stream, router.clone(), unreadable.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke off");
            }
            drop(permit);
        });
    }
    drop(listener);
    let open = graceful.count();
    if tokio::time::timeout(FINISH_TIME_MAX, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(open, "requests were not finished in time and are cut off");
    }
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
