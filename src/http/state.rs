//! What every handler has at hand.

use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use farelog_events::log::EventLog;
use farelog_projections::Projections;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::Semaphore;

use super::docs;
use super::health::Health;
use super::origin;
use super::problem::Problem;
use crate::engine::{Engine, EngineError};
use crate::errors;

/// The server, as handlers see it. Cheap to clone.
#[derive(Clone)]
pub struct Server(Arc<Parts>);

struct Parts {
    engine: Engine,
    health: Health,
    metrics: PrometheusHandle,
    description: OnceLock<Bytes>,
    public_url: String,
    public_host: Option<String>,
    long_work: Arc<Semaphore>,
}

impl Server {
    /// Puts the parts together. `public_url` stands before the addresses that answers name; empty for addresses that
    /// are relative to the server.
    pub fn new(
        engine: Engine,
        health: Health,
        metrics: PrometheusHandle,
        public_url: &str,
    ) -> Self {
        Self(Arc::new(Parts {
            engine,
            health,
            metrics,
            description: OnceLock::new(),
            public_host: origin::public_host(public_url),
            public_url: public_url.trim_end_matches('/').to_owned(),
            long_work: Arc::new(Semaphore::new(1)),
        }))
    }

    /// What queries and commands go through.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The log.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        self.0.engine.log()
    }

    /// The projections.
    pub fn projections(&self) -> &Projections {
        self.0.engine.projections()
    }

    /// The one place for long work.
    pub fn long_work(&self) -> &Arc<Semaphore> {
        &self.0.long_work
    }

    /// How the server is.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// The figures for Prometheus.
    pub fn metrics(&self) -> &PrometheusHandle {
        &self.0.metrics
    }

    /// The description of the interface; made when it is first asked for.
    pub fn description(&self) -> Bytes {
        let make = || docs::description(&self.0.public_url);
        self.0.description.get_or_init(make).clone()
    }

    /// What stands before the addresses that answers name.
    pub fn public_url(&self) -> &str {
        &self.0.public_url
    }

    /// The host of these addresses; `None` where they are relative to the server.
    pub fn public_host(&self) -> Option<&str> {
        self.0.public_host.as_deref()
    }
}

/// What failed is for the log to say; the client learns whether trying again makes sense.
impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        use farelog_events::log::writer::WriterError;
        use farelog_projections::ProjectionError;
        match error {
            EngineError::Writer(WriterError::Ended | WriterError::Log(_))
            | EngineError::Projections(ProjectionError::Ended(_)) => {
                tracing::error!(cause = %error, "a request could not be carried out");
                Self::new(
                    &errors::SERVICE_UNAVAILABLE,
                    "The server is stopping and takes nothing more.",
                )
            }
            error => Self::internal(&error),
        }
    }
}
