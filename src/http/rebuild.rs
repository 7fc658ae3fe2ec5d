//! Projections made anew from the log, on request (operation 17).

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use super::problem::Problem;
use super::query::QueryParameters;
use super::state::Server;
use super::work::{Progress, streamed};
use crate::engine::EngineError;
use crate::errors;

/// The names of what is made anew. They share one store and one checkpoint, so each of them makes all anew.
pub const PROJECTIONS: [&str; 3] = ["all", "points", "distributions"];

/// Projections were made anew.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rebuilt {
    /// The log position at which the new ones took over.
    position: u64,
}

/// Makes the projections anew from the log
///
/// Until the new ones are as far as those that are there, these go on to answer, and are kept up to date; then they change
/// places. Other systems are told nothing that they were told before. The answer is lines of JSON: `{"progress": {"position",
/// "lastPosition"}}` while it goes on, empty ones, and `{"result": {"position"}}` as the last. When the client goes before
/// that, the rebuild ends, and nothing has changed.
#[utoipa::path(
    post,
    path = "/v1/operate/rebuild",
    operation_id = "rebuildProjections",
    tag = "operate",
    params(("projection" = Option<String>, Query,
        description = "`all`, `points` or `distributions`. They are kept together, so each of them makes all anew")),
    responses(
        (status = 200, description = "Progress, and the result as the last line", body = String,
            content_type = "application/x-ndjson"),
        (status = 400, description = "`validation-failed`"),
        (status = 409, description = "`work-under-way`"),
    )
)]
pub async fn run(
    State(server): State<Server>,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    if let Some(name) = query.text("projection")
        && !PROJECTIONS.contains(&name.as_str())
    {
        let message = format!("must be one of {}", PROJECTIONS.join(", "));
        query.refuse("projection", &errors::FIELD_MALFORMED, message);
    }
    query.finish()?;
    streamed(&server, |log, projections, listener| {
        let rebuilt = projections.rebuild(log, |position| {
            listener.tell(Progress {
                position,
                last_position: log.head().position,
            })
        });
        Ok(rebuilt
            .map_err(EngineError::from)?
            .map(|position| Rebuilt { position }))
    })
}
