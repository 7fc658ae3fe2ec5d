//! The figures of requests: how many were answered, and how long it took.

use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::{Method, StatusCode};
use metrics::{Counter, Histogram};

/// The methods that have figures of their own. A client may make up any number of others.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
    Method::OPTIONS,
];

/// Says what the figures mean.
pub fn describe() {
    metrics::describe_counter!(
        "farelog_http_requests_total",
        "Requests answered, by method, pattern of the path, and status"
    );
    metrics::describe_histogram!(
        "farelog_http_request_seconds",
        metrics::Unit::Seconds,
        "Time from the head of a request to its answer"
    );
    metrics::describe_counter!(
        "farelog_http_unreadable_total",
        "What was sent and is no request, and was refused, by status"
    );
}

/// Counts the refusal of what is no request, which has no method, no path and no time.
pub fn count_unreadable(status: StatusCode) {
    let status = status.as_u16().to_string();
    metrics::counter!("farelog_http_unreadable_total", "status" => status).increment(1);
}

/// The figures of what is answered by one pattern of a path.
///
/// Each figure is looked up by its labels once, when something is first answered so: the look-up takes longer than all
/// else that is done here.
#[derive(Debug, Default)]
pub struct Figures {
    of_answers: RwLock<Vec<Figure>>,
}

#[derive(Debug, Clone)]
struct Figure {
    method: &'static str,
    status: StatusCode,
    requests: Counter,
    seconds: Histogram,
}

impl Figures {
    /// Counts an answer. `route` is the pattern and not the path: a label for each order would be a series for each order.
    pub fn count(
        &self,
        method: &Method,
        route: Option<&MatchedPath>,
        status: StatusCode,
        took: Duration,
    ) {
        let method = METHODS
            .iter()
            .find(|known| *known == method)
            .map_or("other", Method::as_str);
        if !self.count_known(method, status, took) {
            self.made(method, route, status).count(took);
        }
    }

    /// Counts an answer if there was one of its kind before; gives whether there was.
    fn count_known(&self, method: &str, status: StatusCode, took: Duration) -> bool {
        let of_answers = self
            .of_answers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let known = of_answers
            .iter()
            .find(|figure| figure.status == status && figure.method == method);
        if let Some(figure) = known {
            figure.count(took);
        }
        known.is_some()
    }

    fn made(
        &self,
        method: &'static str,
        route: Option<&MatchedPath>,
        status: StatusCode,
    ) -> Figure {
        let route = route.map_or("unmatched", MatchedPath::as_str).to_owned();
        let figure = Figure {
            method,
            status,
            requests: metrics::counter!("farelog_http_requests_total",
                "method" => method, "route" => route.clone(), "status" => status.as_u16().to_string()),
            seconds: metrics::histogram!("farelog_http_request_seconds", "method" => method, "route" => route),
        };
        let mut of_answers = self
            .of_answers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Two requests may have made the same one at once; they count in the same place.
        of_answers.push(figure.clone());
        figure
    }
}

impl Figure {
    fn count(&self, took: Duration) {
        self.requests.increment(1);
        self.seconds.record(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn an_answer_counts_by_method_pattern_and_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let figures = Figures::default();
        metrics::with_local_recorder(&recorder, || {
            for (method, status) in [
                (Method::GET, StatusCode::OK),
                (Method::GET, StatusCode::NOT_FOUND),
                (Method::GET, StatusCode::OK),
                (Method::from_bytes(b"BREW").unwrap(), StatusCode::OK),
                (Method::from_bytes(b"STEEP").unwrap(), StatusCode::OK),
            ] {
                figures.count(&method, None, status, Duration::from_millis(1));
            }
        });
        let rendered = recorder.handle().render();
        for (method, status, answers) in [("GET", 200, 2), ("GET", 404, 1), ("other", 200, 2)] {
            let line = format!(
                "farelog_http_requests_total{{method=\"{method}\",route=\"unmatched\",status=\"{status}\"}} {answers}"
            );
            assert!(rendered.contains(&line), "{line} in {rendered}");
        }
    }
}
