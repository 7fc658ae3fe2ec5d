//! Questions over NATS (contract, section 2): the service `farelog` of NATS's service API, whose endpoints answer what the
//! operations of the HTTP interface do, with the same bodies (decision 0154).

mod others;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_nats::service::error::Error as ServiceError;
use async_nats::service::{
    NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE, Request, Service, ServiceExt as _,
};
use async_nats::{Client, HeaderMap as NatsHeaders};
use axum::body::{Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use futures::stream::{self, StreamExt as _};
use thiserror::Error;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use crate::engine::Engine;
use crate::errors;
use crate::http::{Question, Questions};

/// The service's name, and what its subjects begin with.
const NAME: &str = "farelog";
const SUBJECTS: &str = "farelog.query";
/// Where the service's metadata say which log its answers come from.
const LOG_ID: &str = "logId";
/// Most questions of one endpoint that are answered at once; more are refused.
const QUESTIONS_AT_ONCE_MAX: usize = 256;
/// How long questions may take to be answered once the server is told to end.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);
/// What headers may take of an answer, in bytes.
const HEADER_BYTES_MAX: usize = 1024;

/// Headers of a question that a request has too.
const TAKEN_OVER: [&str; 2] = ["x-correlation-id", "et-client-name"];
/// Headers of an answer that say more than its body. In the case that they are documented in: to NATS another is another
/// header.
const HANDED_ON: [&str; 4] = [
    CORRELATION_ID,
    "Farelog-Position",
    "Idempotent-Replayed",
    "Retry-After",
];
const CORRELATION_ID: &str = "X-Correlation-Id";

/// Why nothing can be asked any more.
#[derive(Debug, Error)]
#[error("questions can't be taken from NATS: {0}")]
struct QueryServiceError(String);

/// Takes questions from NATS and answers them.
pub struct QueryService {
    client: Client,
    questions: Questions,
    engine: Engine,
}

impl QueryService {
    /// Questions that come by this connection, about what this engine has.
    pub fn new(client: Client, questions: Questions, engine: Engine) -> Self {
        Self {
            client,
            questions,
            engine,
        }
    }

    /// Answers questions until `stop` is sent or dropped, and then those that are being answered, for a time.
    ///
    /// The service is there once the projections have caught up: whoever hears of it takes it for ready. A broker that is away is
    /// waited for, and holds up no end. Where another server takes questions at that broker, this one takes none (decision
    /// 0154). It ends by itself only where the client was closed or the projections have ended, and says so in the log.
    pub async fn run(self, stop: oneshot::Receiver<()>) {
        let queries = Arc::new(self);
        let mut service = None;
        let mut under_way = JoinSet::new();
        tokio::select! {
            biased;
            // With it all subscriptions go. They are not waited for: while the broker is away they have no end.
            _ = stop => {}
            Err(error) = queries.take_all(&mut service, &mut under_way) => tracing::error!("{error}"),
        }
        if let Some(service) = service {
            leave(service).await;
        }
        let finished = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(FINISH_TIME_MAX, finished)
            .await
            .is_err()
        {
            tracing::warn!("questions were not answered in time and are left");
        }
    }

    /// Begins to answer each question that comes.
    async fn take_all(
        self: &Arc<Self>,
        service: &mut Option<Service>,
        under_way: &mut JoinSet<()>,
    ) -> Result<Infallible, QueryServiceError> {
        let refused = |error: async_nats::Error| QueryServiceError(error.to_string());
        let caught_up = self.engine.caught_up().await;
        caught_up.map_err(|error| QueryServiceError(error.to_string()))?;
        let joined = service.insert(self.join().await.map_err(refused)?);
        if let Some(log_id) = others::other(&self.client, joined).await.map_err(refused)? {
            tracing::error!(
                "another farelog takes questions at this NATS server (its log: {log_id}), so this one takes none: give each an \
                 account of its own, or turn questions off with --nats-queries=false, and start this one again"
            );
            // Nobody is to be kept away by one who takes no questions.
            if let Some(service) = service.take() {
                leave(service).await;
            }
            return pending().await;
        }
        let mut endpoints = Vec::new();
        for question in Question::ALL {
            let endpoint = joined.group(SUBJECTS).endpoint_builder();
            let endpoint = endpoint.name(question.name()).add(question.name());
            let requests = endpoint.await.map_err(refused)?;
            let places = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE_MAX));
            endpoints.push(requests.map(move |request| (question, request, Arc::clone(&places))));
        }
        tracing::info!("questions are taken from NATS on {SUBJECTS}.*");
        let mut asked = stream::select_all(endpoints);
        while let Some((question, request, places)) = asked.next().await {
            while under_way.try_join_next().is_some() {}
            if request.message.reply.is_none() {
                tracing::debug!(
                    question = question.name(),
                    "what wants no answer is not done"
                );
                continue;
            }
            let Ok(place) = places.try_acquire_owned() else {
                self.turn_away(question, request).await;
                continue;
            };
            let queries = Arc::clone(self);
            under_way.spawn(async move {
                queries.answer(question, request).await;
                drop(place);
            });
        }
        // The library's subscriptions have ended, as they do with the client.
        Err(QueryServiceError("the client was closed".to_owned()))
    }

    /// Makes the service known, with nothing to ask yet.
    async fn join(&self) -> Result<Service, async_nats::Error> {
        let log_id = self.engine.log().id().to_string();
        self.client
            .service_builder()
            .description("Points transactions, distribution data and deferred registration")
            .metadata(HashMap::from([(LOG_ID.to_owned(), log_id)]))
            .start(NAME, env!("CARGO_PKG_VERSION"))
            .await
    }

    async fn answer(&self, question: Question, request: Request) {
        let asked = &request.message;
        let headers = taken_over(asked.headers.as_ref());
        let response = self
            .questions
            .answer(question, headers, &asked.payload)
            .await;
        self.say(question, request, response).await;
    }

    async fn turn_away(&self, question: Question, request: Request) {
        let headers = taken_over(request.message.headers.as_ref());
        let response = self.questions.turn_away(question, headers).await;
        self.say(question, request, response).await;
    }

    async fn say(&self, question: Question, request: Request, response: Response) {
        let answer_bytes_max = self.client.server_info().max_payload;
        let (headers, body) = said(response, answer_bytes_max).await;
        if let Err(error) = request.respond_with_headers(body, headers).await {
            tracing::debug!(%error, question = question.name(), "an answer was not sent");
        }
    }
}

/// Lets nobody find the service any more.
async fn leave(service: Service) {
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
        let correlation_id = headers.get(CORRELATION_ID).map(ToString::to_string);
        tracing::warn!(
            correlation_id,
            "an answer is larger than the NATS server lets a message be"
        );
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
