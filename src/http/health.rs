//! Whether the server lives, and whether it is ready; figures for Prometheus (operation 16).

use std::sync::OnceLock;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use farelog_events::ingest::{IngestState, IngestStatus};
use farelog_events::log::{Position, StreamCheckpoint};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::broker::BrokerView;
use super::problem::Problem;
use super::query::QueryParameters;
use super::source::Source;
use super::state::Server;
use crate::errors;
use crate::guarantee::BrokerGuarantee;
use crate::outbox::{OutboxState, OutboxStatus};

/// What is known of the server's parts.
#[derive(Debug)]
pub struct Health {
    ingestion: watch::Receiver<IngestStatus>,
    /// Where ingestion reads; `None` where nothing is read.
    source: Option<Source>,
    /// What the broker guarantees; `None` where nothing is read.
    broker: Option<watch::Receiver<Option<BrokerGuarantee>>>,
    outbox: watch::Receiver<OutboxStatus>,
    /// The end of the log when the server started: until the projections are there, answers may be old.
    catch_up_to: Position,
    caught_up: OnceLock<()>,
}

impl Health {
    /// A server that is ready once its projections have reached `catch_up_to`.
    pub fn new(
        ingestion: watch::Receiver<IngestStatus>,
        outbox: watch::Receiver<OutboxStatus>,
        catch_up_to: Position,
    ) -> Self {
        Self {
            ingestion,
            source: None,
            broker: None,
            outbox,
            catch_up_to,
            caught_up: OnceLock::new(),
        }
    }

    /// With the stream that ingestion reads, so that it can be asked before ingestion itself looks.
    #[must_use]
    pub fn with_source(self, source: Source) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    /// With what the broker guarantees, once it is known.
    #[must_use]
    pub fn with_broker(self, broker: watch::Receiver<Option<BrokerGuarantee>>) -> Self {
        Self {
            broker: Some(broker),
            ..self
        }
    }

    /// Whether the stream can be seen to be another one than the log was fed from. Ingestion then stops within moments.
    pub async fn source_has_left(&self, checkpoint: &StreamCheckpoint) -> bool {
        match &self.source {
            Some(source) => source.has_left(checkpoint).await,
            None => false,
        }
    }

    /// How ingestion is doing.
    pub fn ingestion(&self) -> IngestionView {
        IngestionView::from(&*self.ingestion.borrow())
    }

    /// Waits until ingestion has stopped, which is for good: the stream is not the one that the log was fed from.
    pub async fn ingestion_stopped(&self) {
        let mut status = self.ingestion.clone();
        let stopped = status.wait_for(|status| matches!(status.state, IngestState::Stopped(_)));
        if stopped.await.is_err() {
            // Its task is gone, which ends the server; that is for others to say.
            std::future::pending::<()>().await;
        }
    }

    /// How the outbox is doing.
    pub fn outbox(&self) -> OutboxView {
        OutboxView::from(&*self.outbox.borrow())
    }

    /// The position up to which all facts are known to be sent.
    pub fn facts_sent_to(&self) -> Position {
        self.outbox.borrow().position
    }

    fn broker(&self) -> Option<BrokerView> {
        self.broker
            .as_ref()?
            .borrow()
            .as_ref()
            .map(BrokerView::from)
    }

    fn has_caught_up(&self, projected: Position) -> bool {
        if projected >= self.catch_up_to {
            self.caught_up.get_or_init(|| ());
        }
        self.caught_up.get().is_some()
    }
}

/// How far each part of the server is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Readiness {
    /// Whether it is ready.
    ready: bool,
    /// What it waits for, in sentences; empty when it is ready.
    waiting_for: Vec<String>,
    /// The event log.
    log: LogView,
    /// The projections.
    projections: ProjectionsView,
    /// Ingestion from NATS.
    ingestion: IngestionView,
    /// What goes out to NATS.
    outbox: OutboxView,
    /// What the broker guarantees; null before it was reached.
    broker: Option<BrokerView>,
}

/// The event log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LogView {
    /// Position of the last record.
    position: Position,
    /// How far the stream was read.
    #[schema(value_type = Option<Object>)]
    checkpoint: Option<StreamCheckpoint>,
}

/// The projections.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ProjectionsView {
    /// The last record that every answer reflects.
    position: Position,
    /// Whether they have reached the place where the log ended when the server started.
    caught_up: bool,
}

/// Ingestion from NATS.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngestionView {
    /// What it does.
    state: IngestionState,
    /// What it waits for, or why it has stopped and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Sequence of the last message that the log has dealt with.
    last_sequence: u64,
    /// Sequence of the stream's last message, as far as it is known.
    stream_last_sequence: Option<u64>,
    /// How many messages are still to be read, as far as it is known.
    behind: Option<u64>,
}

/// What ingestion does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum IngestionState {
    /// It has not reached NATS yet.
    Connecting,
    /// It reads.
    Running,
    /// It lost NATS and tries to find it again.
    Reconnecting,
    /// It has stopped, since the stream is not the one that the log was fed from.
    Stopped,
}

impl From<&IngestStatus> for IngestionView {
    fn from(status: &IngestStatus) -> Self {
        let (state, detail) = match &status.state {
            IngestState::Connecting => (IngestionState::Connecting, status.waits_for.clone()),
            IngestState::Running => (IngestionState::Running, None),
            IngestState::Reconnecting => (IngestionState::Reconnecting, status.waits_for.clone()),
            IngestState::Stopped(why) => (IngestionState::Stopped, Some(why.to_string())),
        };
        Self {
            state,
            detail,
            last_sequence: status.last_sequence,
            stream_last_sequence: status.stream_last_sequence,
            behind: status.behind(),
        }
    }
}

/// What goes out to NATS.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboxView {
    /// What it does.
    state: OutboxActivity,
    /// Why it tries again or has stopped, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// Log position up to which every fact was sent.
    position: Position,
    /// Facts sent since the server started.
    sent: u64,
}

/// What the outbox does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum OutboxActivity {
    /// It has not sent yet since the server started, or since it stopped.
    Connecting,
    /// It sends, or has nothing to send.
    Sending,
    /// It could not send and tries again.
    Retrying,
    /// It has stopped, since it can't tell which facts were sent.
    Stopped,
}

impl From<&OutboxStatus> for OutboxView {
    fn from(status: &OutboxStatus) -> Self {
        let (state, detail) = match &status.state {
            OutboxState::Connecting => (OutboxActivity::Connecting, None),
            OutboxState::Sending => (OutboxActivity::Sending, None),
            OutboxState::Retrying(why) => (OutboxActivity::Retrying, Some(why.clone())),
            OutboxState::Stopped(why) => (OutboxActivity::Stopped, Some(why.to_string())),
        };
        Self {
            state,
            detail,
            position: status.position,
            sent: status.sent,
        }
    }
}

/// That the process runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Liveness {
    /// Always true: a process that does not live does not answer.
    live: bool,
}

/// Whether the process runs
#[utoipa::path(
    get,
    path = "/health/live",
    operation_id = "getLiveness",
    tag = "health",
    responses((status = 200, description = "It runs", body = Liveness))
)]
pub async fn live(query: QueryParameters) -> Result<Json<Liveness>, Problem> {
    query.finish()?;
    Ok(Json(Liveness { live: true }))
}

/// Whether the server is ready
///
/// Not before the projections have reached the place where the log ended when the server started, not before a new log's
/// stream is there, and not while ingestion has stopped. A broker that is away later does not make it unready, nor does an outbox that can't send: queries
/// and commands go on, and what is to be sent is kept. A 503 is a problem with the same members.
#[utoipa::path(
    get,
    path = "/health/ready",
    operation_id = "getReadiness",
    tag = "health",
    responses(
        (status = 200, description = "It is ready", body = Readiness),
        (status = 503, description = "`service-unavailable`: what it waits for stands in `waitingFor`"),
    )
)]
pub async fn ready(
    State(server): State<Server>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let readiness = readiness(&server);
    if readiness.ready {
        return Ok(Json(readiness).into_response());
    }
    let problem = Problem::new(
        &errors::SERVICE_UNAVAILABLE,
        readiness.waiting_for.join(" "),
    );
    // Plain data with string keys, which can't fail to become JSON.
    let members = serde_json::to_value(&readiness).unwrap_or(Value::Null);
    let members = members.as_object().cloned().unwrap_or_default();
    Err(members.into_iter().fold(problem, |problem, (name, value)| {
        problem.with_member(&name, value)
    }))
}

/// Figures for Prometheus, in its text format
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "getMetrics",
    tag = "health",
    responses((status = 200, description = "The figures", body = String, content_type = "text/plain"))
)]
pub async fn metrics(
    State(server): State<Server>,
    query: QueryParameters,
) -> Result<Response, Problem> {
    query.finish()?;
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    Ok((content_type, server.metrics().render()).into_response())
}

/// What is waited for and why, with a full stop; a reason may end with a question.
fn sentence(what: &str, why: &str) -> String {
    match why {
        "" => format!("{what}."),
        why if why.ends_with('?') => format!("{what}: {why}"),
        why => format!("{what}: {why}."),
    }
}

fn readiness(server: &Server) -> Readiness {
    let head = server.log().head();
    let position = server.projections().position();
    let health = server.health();
    let caught_up = health.has_caught_up(position);
    let ingestion = health.ingestion();
    let mut waiting_for = Vec::new();
    if !caught_up {
        waiting_for.push(format!(
            "The projections are at position {position} and catch up to {}.",
            health.catch_up_to
        ));
    }
    let detail = ingestion.detail.as_deref();
    if ingestion.state == IngestionState::Stopped {
        waiting_for.push(sentence(
            "Ingestion has stopped",
            detail.unwrap_or_default(),
        ));
    }
    if head.checkpoint.is_none() && ingestion.state == IngestionState::Connecting {
        // The stream may not be there yet, and who publishes on the word of this answer would be turned away.
        let what = "Ingestion has not reached its stream for the first time";
        waiting_for.push(sentence(what, detail.unwrap_or_default()));
    }
    Readiness {
        ready: waiting_for.is_empty(),
        waiting_for,
        log: LogView {
            position: head.position,
            checkpoint: head.checkpoint,
        },
        projections: ProjectionsView {
            position,
            caught_up,
        },
        ingestion,
        outbox: health.outbox(),
        broker: health.broker(),
    }
}
