//! Long work, whose progress is streamed as lines while it goes on.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use farelog_events::log::{EventLog, Position};
use farelog_projections::Projections;
use futures::Stream;
use futures::stream::unfold;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::position::FARELOG_POSITION;
use super::problem::Problem;
use super::state::Server;
use crate::engine::EngineError;
use crate::errors;

/// Newline-delimited JSON.
const NDJSON: &str = "application/x-ndjson";

/// Lines that wait for the client; the work waits while there are so many.
const LINES_WAITING_MAX: usize = 4;

/// An empty line is sent when the work has had nothing to say for so long, so that a client can tell it from a server that
/// is gone.
const QUIET_TIME_MAX: Duration = Duration::from_secs(5);

/// How far the work is.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// The last record that was gone through.
    pub position: Position,
    /// The last one that there is to go through.
    pub last_position: Position,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Line<T> {
    Progress(Progress),
    Result(T),
}

/// Who the work tells how far it is.
pub struct Listener {
    lines: Sender<Result<Bytes, EngineError>>,
}

impl Listener {
    /// Tells it; breaks when nobody listens any more.
    pub fn tell(&self, progress: Progress) -> ControlFlow<()> {
        match self
            .lines
            .blocking_send(Ok(line(&Line::<()>::Progress(progress))))
        {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

/// Starts the work, and answers with lines of it: `{"progress": …}`, some empty ones, and `{"result": …}` as the last.
///
/// The work ends when the client goes, and then has changed nothing; its `None` says that. Where it fails the cause goes
/// to the log, and the connection is cut, which the client can't take for the end.
///
/// # Errors
/// 409 while there is other long work: each takes a core, and disk.
pub fn streamed<T: Serialize + Send + 'static>(
    server: &Server,
    work: impl FnOnce(&dyn EventLog, &Projections, &Listener) -> Result<Option<T>, EngineError>
    + Send
    + 'static,
) -> Result<Response, Problem> {
    let Ok(alone) = Arc::clone(server.long_work()).try_acquire_owned() else {
        return Err(Problem::new(
            &errors::WORK_UNDER_WAY,
            "A simulation or a rebuild is under way; wait until it has ended.",
        ));
    };
    let (lines, receiver) = channel(LINES_WAITING_MAX);
    let engine = server.engine().clone();
    let position = server.projections().position();
    let doing = async move {
        let listener = Listener {
            lines: lines.clone(),
        };
        let done = engine
            .read_log(move |log, projections| {
                let _alone = alone;
                work(log, projections, &listener)
            })
            .await;
        let last = match done {
            Ok(Some(result)) => Ok(line(&Line::Result(result))),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(cause = %error, "long work has failed");
                Err(error)
            }
        };
        // The client may have gone at last.
        let _ = lines.send(last).await;
    };
    tokio::spawn(doing.in_current_span());
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(NDJSON)),
        (FARELOG_POSITION.clone(), HeaderValue::from(position)),
    ];
    Ok((headers, Body::from_stream(lines_of(receiver))).into_response())
}

fn lines_of(
    receiver: Receiver<Result<Bytes, EngineError>>,
) -> impl Stream<Item = Result<Bytes, EngineError>> {
    unfold(receiver, |mut receiver| async move {
        let line = match timeout(QUIET_TIME_MAX, receiver.recv()).await {
            Ok(line) => line?,
            Err(_) => Ok(Bytes::from_static(b"\n")),
        };
        Some((line, receiver))
    })
}

fn line<T: Serialize>(line: &Line<T>) -> Bytes {
    // Plain data with string keys, which can't fail to become JSON.
    let mut json = serde_json::to_vec(line).unwrap_or_default();
    json.push(b'\n');
    json.into()
}
