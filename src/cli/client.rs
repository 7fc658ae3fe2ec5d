//! The client of a running server.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::exit::Failure;
use super::output::Output;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take: longer than the server itself waits for a projection (30 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How the command line names itself to the server.
const CLIENT_NAME: &str = "farelog-cli";

/// Which server to talk to, and how to show what it answers.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs {
    /// The server to talk to
    #[arg(
        long,
        env = "FARELOG_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: Url,
    /// How to show the result
    #[arg(long, value_enum, default_value_t, env = "FARELOG_OUTPUT")]
    pub output: Output,
}

/// A client. All its requests carry one correlation id, so that a command can be followed through the server's log.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    server: Url,
    correlation_id: String,
}

/// What the server answered, with a status of success.
#[derive(Debug)]
pub struct Reply {
    /// The status: 200, 201 or 204.
    pub status: StatusCode,
    /// Whether the answer is the one of an earlier request, repeated (`Idempotent-Replayed`).
    pub is_replayed: bool,
    /// The body, as it came.
    pub body: String,
}

/// An error that the server answered (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The kind of error.
    pub title: String,
    /// What was wrong this time.
    pub detail: Option<String>,
    /// What was wrong with which field (400).
    pub errors: Vec<FieldProblem>,
    /// Why no points could be given (422).
    pub reasons: Vec<Reason>,
    /// Where to look in the server's log.
    pub correlation_id: Option<String>,
    /// The body, as it came.
    #[serde(skip)]
    pub body: String,
}

/// What is wrong with a field.
#[derive(Debug, Deserialize)]
pub struct FieldProblem {
    /// The field, by its path.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

/// Why a deferred registration gives no points.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The code of domain.md, section 4.
    pub code: String,
    /// The reason in a sentence.
    pub detail: String,
    /// The point definition that it is about; absent where it is about the whole line.
    pub point_definition_reference: Option<String>,
}

/// Why a request has no good answer.
#[derive(Debug)]
pub enum CallError {
    /// The server said no.
    Problem(Box<Problem>),
    /// There is no answer to go by.
    Failure(Failure),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Problem(problem) => problem.into_failure(),
            CallError::Failure(failure) => failure,
        }
    }
}

impl Problem {
    /// Whether it is the refusal of a well-formed request.
    pub fn is_refusal(&self) -> bool {
        self.status == StatusCode::UNPROCESSABLE_ENTITY
    }

    fn of(status: StatusCode, body: String) -> Self {
        // Something between here and the server may answer with a page of its own.
        let mut problem: Self = serde_json::from_str(&body).unwrap_or_default();
        problem.status = status.as_u16();
        if problem.title.is_empty() {
            problem.title = format!("the server answered {status}");
        }
        problem.body = body;
        problem
    }

    fn into_failure(self) -> Failure {
        let is_refusal = self.is_refusal();
        let mut sentence = self.detail.unwrap_or(self.title);
        for FieldProblem { field, message } in &self.errors {
            let _ = write!(sentence, "\n  {field}: {message}");
        }
        if self.status >= 500
            && let Some(correlation_id) = self.correlation_id
        {
            let _ = write!(sentence, " (correlation id {correlation_id})");
        }
        if is_refusal {
            Failure::Refused(sentence)
        } else {
            Failure::Failed(sentence)
        }
    }
}

impl Reply {
    /// The body, read as a type.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| {
            Failure::Failed(format!(
                "the server's answer is not understood, is it another version than this command? {error}"
            ))
        })
    }
}

impl Client {
    /// A client of the server that the arguments name.
    pub fn new(args: &ServerArgs) -> Result<Self, Failure> {
        if args.server.scheme() != "http" || args.server.cannot_be_a_base() {
            return Err(Failure::Usage(format!(
                "--server must be an http:// address, like http://127.0.0.1:8080, not {}",
                args.server
            )));
        }
        let correlation_id = Uuid::now_v7().to_string();
        let mut headers = HeaderMap::new();
        headers.insert("ET-Client-Name", HeaderValue::from_static(CLIENT_NAME));
        if let Ok(value) = HeaderValue::from_str(&correlation_id) {
            headers.insert("X-Correlation-Id", value);
        }
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(|error| Failure::Failed(format!("no HTTP client could be made: {error}")))?;
        Ok(Self {
            http,
            server: args.server.clone(),
            correlation_id,
        })
    }

    /// Reads something.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Reply, CallError> {
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.get(url)).await
    }

    /// Sends a JSON body, or none.
    pub async fn send_json<T: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&T>,
    ) -> Result<Reply, CallError> {
        let mut url = self.address(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.http.request(method, url);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.send(request).await
    }

    /// Asks for something to be done that needs no body.
    pub async fn act(&self, method: Method, path: &[&str]) -> Result<Reply, CallError> {
        self.send_json::<()>(method, path, &[], None).await
    }

    /// Puts a document in its own media type.
    pub async fn put_document(
        &self,
        path: &[&str],
        media_type: &'static str,
        document: String,
        if_match: Option<u32>,
    ) -> Result<Reply, CallError> {
        let mut request = self
            .http
            .put(self.address(path))
            .header(CONTENT_TYPE, media_type)
            .body(document);
        if let Some(version) = if_match {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        self.send(request).await
    }

    /// The address of a path; each segment is encoded, whatever characters it has.
    fn address(&self, path: &[&str]) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply, CallError> {
        let response = request
            .send()
            .await
            .map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let is_replayed = response
            .headers()
            .get("Idempotent-Replayed")
            .is_some_and(|value| value == "true");
        let body = response
            .text()
            .await
            .map_err(|error| self.unanswered(&error))?;
        if status.is_success() {
            Ok(Reply {
                status,
                is_replayed,
                body,
            })
        } else {
            Err(CallError::Problem(Box::new(Problem::of(status, body))))
        }
    }

    fn unanswered(&self, error: &reqwest::Error) -> CallError {
        let Self {
            server,
            correlation_id,
            ..
        } = self;
        CallError::Failure(if error.is_connect() {
            Failure::OutOfReach(format!(
                "no server answers at {server}; start one with `farelog serve`, or name another with --server"
            ))
        } else if error.is_timeout() {
            Failure::OutOfReach(format!(
                "the server at {server} did not answer within {} s; what was asked may still be carried out (correlation id {correlation_id})",
                ANSWER_TIMEOUT.as_secs()
            ))
        } else {
            Failure::OutOfReach(format!(
                "the connection to {server} broke off before the answer (correlation id {correlation_id})"
            ))
        })
    }
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paged<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// How many there are on all pages.
    pub total_items: u64,
    /// How many pages there are.
    pub total_pages: u64,
}

impl<T> Paged<T> {
    /// A line that says what part of the list is shown, where that is not all of it.
    pub fn more(&self, page: u32) -> Option<String> {
        (self.total_pages > 1).then(|| {
            format!(
                "page {page} of {}, {} in all; --page shows others",
                self.total_pages, self.total_items
            )
        })
    }
}

/// Which page of a list.
#[derive(Debug, Clone, clap::Args)]
pub struct PageArgs {
    /// Which page, from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub page: u32,
    /// How many on a page
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub per_page: u32,
}

/// A program, as far as the command line needs it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgramView {
    /// Its id.
    pub id: i64,
    /// Its reference.
    pub reference: String,
    /// Its name.
    pub name: String,
    /// Whether it triggers anything.
    #[serde(default)]
    pub active: Option<bool>,
    /// Its version, from 1.
    #[serde(default)]
    pub version: Option<u32>,
    /// When this version was published.
    #[serde(default)]
    pub published_at: Option<DateTime<Utc>>,
}

impl Client {
    /// The id of the program that a person names by id or reference.
    pub async fn program_id(&self, named: &str) -> Result<String, Failure> {
        if named.bytes().all(|byte| byte.is_ascii_digit()) && !named.is_empty() {
            return Ok(named.to_owned());
        }
        let programs: Vec<ProgramView> = self
            .get(&["personalisation", "v1", "programs"], &[])
            .await?
            .json()?;
        programs
            .iter()
            .find(|program| program.reference == named)
            .map(|program| program.id.to_string())
            .ok_or_else(|| {
                Failure::Failed(format!(
                    "there is no program with the reference {named:?}; `farelog program list` shows those there are"
                ))
            })
    }
}
