//! What an operator asks of a running server beside dead letters: figures about the log (operation 17).

use axum::extract::State;
use axum::response::Response;
use farelog_events::log::{EventLog, LogStats, Position};
use farelog_projections::answer::Answer;
use farelog_projections::{Counters, Projections};
use serde::Serialize;

use super::health::IngestionView;
use super::position::answered;
use super::problem::Problem;
use super::query::QueryParameters;
use super::schema::LogStatsView;
use super::state::Server;
use crate::engine::EngineError;

/// Figures about the log and what is made of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    #[serde(flatten)]
    log: LogStats,
    projections: ProjectionStats,
    ingestion: IngestionView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProjectionStats {
    position: Position,
    #[serde(flatten)]
    counters: Counters,
}

/// Figures about the event log, the projections and ingestion
#[utoipa::path(
    get,
    path = "/v1/operate/log/stats",
    operation_id = "getLogStats",
    tag = "operate",
    responses(
        (status = 200, description = "The figures", body = LogStatsView),
        (status = 400, description = "`validation-failed`"),
    )
)]
pub async fn log_stats(
    State(server): State<Server>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let ingestion = server.health().ingestion();
    let answer = server
        .engine()
        .read_log(move |log: &dyn EventLog, projections: &Projections| {
            let Answer { position, value } = projections.counters()?;
            Ok::<_, EngineError>(Answer {
                position,
                value: Stats {
                    log: log.stats()?,
                    projections: ProjectionStats {
                        position,
                        counters: value,
                    },
                    ingestion,
                },
            })
        })
        .await?;
    Ok(answered(answer))
}
