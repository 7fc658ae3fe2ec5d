//! The HTTP interface without a server: the same handlers, in this process, on the files of a stopped one.
//!
//! So a command with `--offline` is decided, recorded and answered by the code that a running server has, and differs
//! in nothing but the way that the request takes. Events are not read from NATS meanwhile.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use farelog_events::ingest::IngestStatus;
use farelog_events::log::Position;
use reqwest::Url;
use rustix::process::geteuid;
use tokio::sync::watch;
use tower::Service as _;

use crate::assembly::{Assembly, LOG_DIRECTORY};
use crate::cli::exit::Failure;
use crate::engine::Engine;
use crate::http::{self, Health, Server};
use crate::outbox::position::PositionFile;
use crate::outbox::{OutboxState, OutboxStatus};
use crate::telemetry;

/// Largest answer that is read, in bytes: a page of the largest things there are.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A log, its projections and the handlers over them. [`close`](Self::close) ends its threads and says how that went;
/// dropping it only ends them.
pub struct Offline {
    /// `Some` until it is closed.
    parts: Option<(Router, Assembly)>,
    /// The handlers ask how ingestion is doing.
    _ingestion: watch::Sender<IngestStatus>,
}

impl Offline {
    /// Opens the files in a data directory, and brings the projections as far as the log. Blocks.
    ///
    /// # Errors
    /// There is no log in the directory (none is made), it is another user's, a server has it open, or it can't be read.
    pub fn open(data_dir: &Path) -> Result<Self, Failure> {
        let Some(log) = directory_of_log(data_dir) else {
            return Err(Failure::Failed(format!(
                "there is no event log in {}; name the directory that `farelog serve` was given with --data-dir",
                data_dir.display()
            )));
        };
        expect_user(log.uid(), geteuid().as_raw(), data_dir)?;
        let assembly = Assembly::open(data_dir).map_err(failed)?;
        let engine = assembly.engine().clone();
        let head = engine.log().head();
        engine
            .projections()
            .wait_until(head.position)
            .map_err(failed)?;
        let (ingestion, status) = watch::channel(IngestStatus::connecting(
            head.checkpoint.map_or(0, |checkpoint| checkpoint.sequence),
        ));
        let (_, outbox) = watch::channel(OutboxStatus {
            state: OutboxState::Connecting,
            position: facts_sent_to(data_dir, &engine)?,
            sent: 0,
        });
        let server = Server::new(
            engine,
            Health::new(status, outbox, head.position),
            telemetry::no_metrics(),
            "",
        );
        Ok(Self {
            parts: Some((http::router(server), assembly)),
            _ingestion: ingestion,
        })
    }

    /// Answers a request as a server would.
    ///
    /// # Errors
    /// There is no answer that could be read.
    pub async fn answer(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<(StatusCode, HeaderMap, String), Failure> {
        let response = self.respond(method, url, headers, body).await?;
        let (head, body) = response.into_parts();
        Ok((head.status, head.headers, text_of(body).await?))
    }

    /// The same, with the answer's body still to come.
    ///
    /// # Errors
    /// The request can't be made.
    pub async fn respond(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: String,
    ) -> Result<Response, Failure> {
        let Some((router, _)) = &self.parts else {
            return Err(Failure::Failed("the files were closed".to_owned()));
        };
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(failed)?;
        *request.headers_mut() = headers;
        match router.clone().call(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    /// Ends the threads and waits until they have, with the projections flushed.
    ///
    /// # Errors
    /// What log or projections failed with. What was answered before is durable all the same.
    pub async fn close(mut self) -> Result<(), Failure> {
        let Some((router, assembly)) = self.parts.take() else {
            return Ok(());
        };
        drop(router);
        assembly.close().await.map_err(|error| {
            Failure::Failed(format!(
                "the command was carried out, but the files could not be closed properly: {error}"
            ))
        })
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        let Some((router, assembly)) = self.parts.take() else {
            return;
        };
        drop(router);
        // The command has failed already, and says with what. A runtime of its own: the one that drops this can't be
        // waited in. What was answered is durable, and where the projections could not be flushed they go on from the
        // log the next time.
        let closing = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.map(|runtime| runtime.block_on(assembly.close()))
        });
        drop(closing.join());
    }
}

fn directory_of_log(data_dir: &Path) -> Option<Metadata> {
    let log = fs::metadata(data_dir.join(LOG_DIRECTORY)).ok()?;
    log.is_dir().then_some(log)
}

/// Refuses to work on files that are another user's. Also a command that only reads brings log, index and projections to where
/// they are to be, and leaves new files of this user among them, which the server could not open then.
fn expect_user(owner: u32, user: u32, data_dir: &Path) -> Result<(), Failure> {
    if owner == user {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "the files in {} belong to user {owner}, and this command runs as user {user}, whose files the server could not use; \
         run it as theirs: sudo -u '#{owner}' farelog …",
        data_dir.display()
    )))
}

/// The position up to which the stopped server is known to have sent all facts. Nothing is sent meanwhile.
fn facts_sent_to(data_dir: &Path, engine: &Engine) -> Result<Position, Failure> {
    let saved = PositionFile::of(data_dir).load().unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    });
    let saved = saved.filter(|saved| saved.log_id == engine.log().id());
    let sent_to = saved.map(|saved| saved.sent_to(engine.projections()));
    sent_to.unwrap_or(Ok(0)).map_err(failed)
}

/// A whole body as text.
///
/// # Errors
/// It broke off, is too long to be held, or is no text.
pub async fn text_of(body: Body) -> Result<String, Failure> {
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(failed)?;
    String::from_utf8(bytes.into()).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    // Who looked at an order as root left files of root behind, and the server did not start any more.
    #[test]
    fn the_files_of_another_user_are_left_alone() {
        let data_dir = Path::new("/srv/farelog");
        assert!(expect_user(998, 998, data_dir).is_ok());
        let Err(Failure::Failed(refusal)) = expect_user(998, 0, data_dir) else {
            panic!("it is not refused");
        };
        assert!(
            refusal.starts_with("the files in /srv/farelog belong to user 998"),
            "{refusal}"
        );
        assert!(refusal.contains("sudo -u '#998'"), "{refusal}");
    }
}
