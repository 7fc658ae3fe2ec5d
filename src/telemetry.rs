//! Log lines and figures.

use std::io;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::exit::Failure;
use crate::config::LogFormat;

/// Bounds of the buckets of every figure in seconds: from a read in memory to the longest wait for a position.
const SECONDS_BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0,
];

/// Has log lines written to stderr. `filter` is a list of directives like `info,farelog_events=debug`.
///
/// # Errors
/// The filter is not understood, or has a directive without a level: that would silence everything else.
pub fn log_to_stderr(format: LogFormat, filter: &str) -> Result<(), Failure> {
    if let Some(directive) = without_level(filter) {
        return Err(Failure::Usage(format!(
            "--log-filter {filter:?} is not understood: {directive:?} names no level; write one of off, error, warn, info, \
             debug and trace, alone or for a part, like farelog_events=debug"
        )));
    }
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

/// The first directive of a filter that does not say which level. `EnvFilter` takes `info=` and `inof` for the name of a
/// part whose lines are wanted, and no others.
fn without_level(filter: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut directives = filter.split(|character| {
        match character {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    directives.find(|directive| {
        let level = directive
            .rsplit_once('=')
            .map_or(*directive, |(_, level)| level)
            .trim();
        level.is_empty() || level.parse::<LevelFilter>().is_err()
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    // `--log-filter nonsense=` once started a server that said nothing at all, not even why it ended.
    #[test]
    fn each_directive_of_a_filter_names_a_level() {
        for usable in [
            "info",
            "INFO,async_nats=warn",
            "off",
            "warn, farelog_events::log=debug",
            "info,[request{method,path}]=trace",
        ] {
            assert_eq!(without_level(usable), None, "{usable}");
        }
        for (filter, directive) in [
            ("nonsense=", "nonsense="),
            ("info,inof", "inof"),
            ("farelog_events=loud", "farelog_events=loud"),
            ("", ""),
            ("info,", ""),
        ] {
            assert_eq!(without_level(filter), Some(directive), "{filter}");
        }
    }
}
