//! Questions over NATS (contract, section 2): the service `farelog` of NATS's service API, whose endpoints answer what the
//! operations of the HTTP interface do, with the same bodies (decision 0154).

use std::time::Duration;

use async_nats::service::endpoint::Endpoint;
use async_nats::service::error::Error as ServiceError;
use async_nats::service::{
    NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, Request, Service, ServiceExt as _,
};
use async_nats::{Client, HeaderMap as NatsHeaders};
use axum::body::{Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures::StreamExt as _;
use futures::future::join_all;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::errors;
use crate::http::{Question, Questions};

/// The service's name, and what its subjects begin with.
const NAME: &str = "farelog";
const SUBJECTS: &str = "farelog.query";
/// Most questions of one endpoint that are answered at once; more wait.
const QUESTIONS_AT_ONCE_MAX: usize = 64;
/// How long questions may take to be answered once the server is told to end.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// What headers may take of an answer, in bytes.
const HEADER_BYTES_MAX: usize = 1024;

/// Headers of a question that a request has too.
const TAKEN_OVER: [&str; 2] = ["x-correlation-id", "et-client-name"];
/// Headers of an answer that say more than its body.
const HANDED_ON: [&str; 4] = [
    "x-correlation-id",
    "farelog-position",
    "idempotent-replayed",
    "retry-after",
];

/// Why nothing can be asked any more.
#[derive(Debug, Error)]
#[error("questions can't be taken from NATS: {0}")]
struct QueryServiceError(String);

/// Takes questions from NATS and answers them.
pub struct QueryService {
    client: Client,
    questions: Questions,
}

impl QueryService {
    /// Questions that come by this connection.
    pub fn new(client: Client, questions: Questions) -> Self {
        Self { client, questions }
    }

    /// Answers questions until `stop` is sent or dropped, and then those that are being answered, for a time.
    ///
    /// A broker that is away is waited for: the service is there again when it is back. It ends by itself only where the client was
    /// closed, and says so in the log.
    pub async fn run(self, stop: oneshot::Receiver<()>) {
        if let Err(error) = self.answer_until(stop).await {
            tracing::error!("{error}");
        }
    }

    async fn answer_until(&self, stop: oneshot::Receiver<()>) -> Result<(), QueryServiceError> {
        let refused = |error: async_nats::Error| QueryServiceError(error.to_string());
        let service = self
            .client
            .service_builder()
            .description("Points transactions, distribution data and deferred registration")
            .start(NAME, env!("CARGO_PKG_VERSION"))
            .await
            .map_err(refused)?;
        let mut answering = Vec::new();
        for question in Question::ALL {
            let endpoint = service.group(SUBJECTS).endpoint_builder();
            let endpoint = endpoint.name(question.name()).add(question.name());
            let requests = endpoint.await.map_err(refused)?;
            answering.push(self.answer_all(question, requests));
        }
        let mut answering = std::pin::pin!(join_all(answering));
        tokio::select! {
            _ = stop => {}
            // The library's subscriptions have ended, as they do with the client.
            _ = &mut answering => {
                return Err(QueryServiceError("the client was closed".to_owned()));
            }
        }
        end(service).await;
        if tokio::time::timeout(FINISH_TIME_MAX, answering)
            .await
            .is_err()
        {
            tracing::warn!("questions were not answered in time and are left");
        }
        Ok(())
    }

    async fn answer_all(&self, question: Question, requests: Endpoint) {
        let answer = async |request| self.answer(question, request).await;
        requests
            .for_each_concurrent(QUESTIONS_AT_ONCE_MAX, answer)
            .await;
    }

    async fn answer(&self, question: Question, request: Request) {
        let asked = &request.message;
        let headers = taken_over(asked.headers.as_ref());
        let response = self
            .questions
            .answer(question, headers, &asked.payload)
            .await;
        let answer_bytes_max = self.client.server_info().max_payload;
        let (headers, body) = said(response, answer_bytes_max).await;
        if let Err(error) = request.respond_with_headers(body, headers).await {
            // Also where nobody wants an answer.
            tracing::debug!(%error, question = question.name(), "an answer was not sent");
        }
    }
}

/// Takes no more questions.
async fn end(service: Service) {
    if let Err(error) = service.stop().await {
        tracing::debug!(%error, "the service was gone before it was stopped");
    }
}

fn taken_over(headers: Option<&NatsHeaders>) -> HeaderMap {
    let mut taken = HeaderMap::new();
    let named = headers.into_iter().flat_map(NatsHeaders::iter);
    for (name, values) in named {
        let name = name.to_string().to_ascii_lowercase();
        let known = TAKEN_OVER.into_iter().find(|known| *known == name);
        let value = values
            .first()
            .map(|value| HeaderValue::from_str(value.as_str()));
        if let (Some(known), Some(Ok(value))) = (known, value) {
            taken.insert(HeaderName::from_static(known), value);
        }
    }
    taken
}

/// An answer as NATS has it: an error says so in headers, and has the body that it has over HTTP.
async fn said(
    response: Response,
    answer_bytes_max: usize,
) -> (NatsHeaders, Result<Bytes, ServiceError>) {
    let (head, body) = response.into_parts();
    let mut headers = NatsHeaders::new();
    for name in HANDED_ON {
        if let Some(Ok(value)) = head.headers.get(name).map(HeaderValue::to_str) {
            headers.insert(name, value);
        }
    }
    let body_bytes_max = answer_bytes_max.saturating_sub(HEADER_BYTES_MAX);
    let Ok(body) = to_bytes(body, body_bytes_max).await else {
        let code = &errors::ANSWER_TOO_LARGE;
        return (
            headers,
            Err(ServiceError {
                status: code.code.to_owned(),
                code: code.status.unwrap_or_default().into(),
            }),
        );
    };
    if head.status.as_u16() >= 400 {
        let code = problem_code(&body);
        headers.insert(NATS_SERVICE_ERROR, code.as_str());
        headers.insert(NATS_SERVICE_ERROR_CODE, head.status.as_str());
    }
    (headers, Ok(body))
}

/// The code of a problem.
fn problem_code(problem: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Coded {
        code: String,
    }
    serde_json::from_slice(problem).map_or_else(|_| String::new(), |Coded { code }| code)
}
