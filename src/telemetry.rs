//! Log lines and figures.

use std::io;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::exit::Failure;
use crate::config::LogFormat;

/// Bounds of the buckets of every figure in seconds: from a read in memory to the longest wait for a position.
const SECONDS_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// Has log lines written to stderr. `filter` is a list of directives like `info,farelog_events=debug`.
pub fn log_to_stderr(format: LogFormat, filter: &str) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Failure::Usage(format!(
            "--log-filter {filter:?} is not understood: {error}"
        ))
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_target(false);
    let started = match format {
        LogFormat::Text => lines.with_ansi(false).finish().try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .finish()
            .try_init(),
    };
    started.map_err(|error| Failure::Failed(format!("log lines can't be written: {error}")))
}

/// Has figures gathered for the whole process. Once per process.
pub fn gather_metrics() -> Result<PrometheusHandle, Failure> {
    builder()
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| Failure::Failed(format!("figures can't be gathered: {error}")))
}

/// A place for figures that nothing is put into.
pub fn no_metrics() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS_BUCKETS)
}
