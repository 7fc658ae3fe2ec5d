//! The log as text, streamed: a copy of it as it was at one moment (operation 17).

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use farelog_events::log::LogError;
use farelog_events::log::export::Export;
use futures::Stream;
use futures::stream::unfold;
use tracing::{Instrument, Span};

use super::position::FARELOG_POSITION;
use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use crate::engine::EngineError;

/// Newline-delimited JSON.
const NDJSON: &str = "application/x-ndjson";

/// A copy of the event log
///
/// Every record as it was at the moment of the request, as CloudEvents in newline-delimited JSON, to make a log of again
/// with `farelog log import`. The log goes on meanwhile; `Farelog-Position` is the last record that the copy has. An answer
/// without its last line, of type `LogExportEnd`, broke off and is no copy.
#[utoipa::path(
    get,
    path = "/v1/operate/log/export",
    operation_id = "exportLog",
    tag = "operate",
    responses(
        (status = 200, description = "The log, a line for each record, one before and one after", body = String,
            content_type = "application/x-ndjson"),
        (status = 400, description = "`validation-failed`"),
    )
)]
pub async fn export(
    State(server): State<Server>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let export = Export::of(Arc::clone(server.log()));
    let position = export.position();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(NDJSON)),
        (FARELOG_POSITION.clone(), HeaderValue::from(position)),
    ];
    Ok((headers, Body::from_stream(chunks(export))).into_response())
}

/// Reads a chunk when the client has taken the one before, so that no more than one is in memory, and holds no thread
/// while the client takes its time. After an error the connection is cut, which the client can't take for the end.
fn chunks(export: Export) -> impl Stream<Item = Result<Bytes, EngineError>> {
    let span = Span::current();
    unfold(Some(export), move |export| {
        let span = span.clone();
        async move {
            let mut export = export?;
            let read = tokio::task::spawn_blocking(move || (export.next(), export)).await;
            match read {
                Ok((Some(Ok(lines)), export)) => Some((Ok(Bytes::from(lines)), Some(export))),
                Ok((None, _)) => None,
                Ok((Some(Err(error)), _)) => Some((Err(broken_off(error)), None)),
                Err(_) => Some((Err(EngineError::Panicked), None)),
            }
        }
        .instrument(span)
    })
}

fn broken_off(error: LogError) -> EngineError {
    tracing::error!(cause = %error, "an export broke off");
    EngineError::Log(error)
}
