//! The client: it asks a running server, or the same handlers in this process on the files of a stopped one.

mod work;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, IF_MATCH};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::argument;
use super::exit::Failure;
use super::output::{Output, OutputForm};
use super::problem::{CallError, Problem};
use crate::http::{PAGE_MAX, PER_PAGE_DEFAULT, PER_PAGE_MAX};
use crate::offline::Offline;
use crate::this_machine::is_this_machine;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long an answer may take: longer than the server itself waits for a projection (30 s).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// How the command line names itself to the server.
const CLIENT_NAME: &str = "farelog-cli";

/// Which server to talk to, and how to show what it answers.
///
/// `O` is the forms in which a command shows its result.
#[derive(Debug, Clone, clap::Args)]
pub struct ServerArgs<O: OutputForm = Output> {
    /// The server to talk to
    #[arg(
        long,
        env = "FARELOG_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL",
        value_parser = argument::server
    )]
    pub server: Url,
    /// How to show the result
    #[arg(long, value_enum, default_value_t, env = "FARELOG_OUTPUT")]
    pub output: O,
    /// Work on the files of a stopped server instead
    #[arg(long)]
    pub offline: bool,
    /// Where these files are
    #[arg(
        long,
        env = "FARELOG_DATA_DIR",
        default_value = "./farelog-data",
        value_name = "DIR"
    )]
    pub data_dir: PathBuf,
}

/// A client. All its requests carry one correlation id, so that a command can be followed through the server's log.
pub struct Client {
    transport: Transport,
    /// What paths are joined to.
    base: Url,
    correlation_id: String,
}

enum Transport {
    Http(reqwest::Client),
    Offline(Offline),
}

/// A query parameter.
pub type Parameter = (&'static str, String);

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
    /// A client of the server, or of the files, that the arguments name.
    pub fn new<O: OutputForm>(args: &ServerArgs<O>) -> Result<Self, Failure> {
        if args.server.scheme() != "http" || args.server.cannot_be_a_base() {
            return Err(Failure::Usage(format!(
                "--server must be an http:// address, like http://127.0.0.1:8080, not {}",
                args.server
            )));
        }
        let transport = if args.offline {
            Transport::Offline(Offline::open(&args.data_dir)?)
        } else {
            let mut http = reqwest::Client::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .timeout(ANSWER_TIMEOUT);
            // By a proxy that the environment names, what is here would be sought where the proxy is.
            if args.server.host_str().is_some_and(is_this_machine) {
                http = http.no_proxy();
            }
            Transport::Http(http.build().map_err(|error| {
                Failure::Failed(format!("no HTTP client could be made: {error}"))
            })?)
        };
        Ok(Self {
            transport,
            base: args.server.clone(),
            correlation_id: Uuid::now_v7().to_string(),
        })
    }

    /// Lets go of the server, or of the files. Every command ends with it: files that can't be closed fail it.
    ///
    /// # Errors
    /// The files could not be closed properly.
    pub async fn close(self) -> Result<(), Failure> {
        match self.transport {
            Transport::Http(_) => Ok(()),
            Transport::Offline(offline) => offline.close().await,
        }
    }

    /// Reads something.
    pub async fn get(&self, path: &[&str], query: &[Parameter]) -> Result<Reply, CallError> {
        self.send(self.request(Method::GET, path, query)).await
    }

    /// Asks for something to be done that needs no body.
    pub async fn act(&self, method: Method, path: &[&str]) -> Result<Reply, CallError> {
        self.send(self.request(method, path, &[])).await
    }

    /// Sends a JSON body.
    pub async fn send_json<T: Serialize>(
        &self,
        method: Method,
        path: &[&str],
        query: &[Parameter],
        body: &T,
    ) -> Result<Reply, CallError> {
        let json = super::to_json(body).map_err(CallError::Failure)?;
        let request = self.request(method, path, query);
        self.send(request.with_body("application/json", json)).await
    }

    /// Puts a document in its own media type, if the version that stands is the one named.
    pub async fn put_document(
        &self,
        path: &[&str],
        media_type: &'static str,
        document: String,
        if_match: Option<u32>,
    ) -> Result<Reply, CallError> {
        let mut request = self
            .request(Method::PUT, path, &[])
            .with_body(media_type, document);
        if let Some(version) = if_match {
            let tag = HeaderValue::from_str(&format!("\"{version}\""));
            request.headers.extend(tag.ok().map(|tag| (IF_MATCH, tag)));
        }
        self.send(request).await
    }

    /// Asks a running server for an answer that is too long to be held, to be read as it comes.
    pub async fn download(&self, path: &[&str]) -> Result<Download<'_>, CallError> {
        self.open_download(self.request(Method::GET, path, &[]))
            .await
    }

    async fn open_download(&self, request: Request) -> Result<Download<'_>, CallError> {
        let Transport::Http(http) = &self.transport else {
            return Err(CallError::Failure(Failure::Failed(
                "an answer is only streamed by a running server".to_owned(),
            )));
        };
        let response = http
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            // Each part of it has a limit instead.
            .timeout(Duration::MAX)
            .send();
        let response = self.in_time(response).await.map_err(CallError::Failure)?;
        if response.status().is_success() {
            return Ok(Download {
                client: self,
                response,
            });
        }
        let status = response.status();
        let body = self
            .in_time(response.text())
            .await
            .map_err(CallError::Failure)?;
        Err(CallError::Problem(Box::new(Problem::of(status, body))))
    }

    /// Waits for a part of an answer as long as for a whole one elsewhere.
    async fn in_time<T>(
        &self,
        part: impl Future<Output = reqwest::Result<T>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(ANSWER_TIMEOUT, part).await {
            Ok(part) => part.map_err(|error| self.unanswered(&error)),
            Err(_) => Err(self.not_in_time()),
        }
    }

    /// A request; each segment of the path is encoded, whatever characters it has.
    fn request(&self, method: Method, path: &[&str], query: &[Parameter]) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        headers.insert("ET-Client-Name", HeaderValue::from_static(CLIENT_NAME));
        if let Ok(value) = HeaderValue::from_str(&self.correlation_id) {
            headers.insert("X-Correlation-Id", value);
        }
        Request {
            method,
            url,
            headers,
            body: String::new(),
        }
    }

    async fn send(&self, request: Request) -> Result<Reply, CallError> {
        let (status, headers, body) = match &self.transport {
            Transport::Http(http) => self.send_over(http, request).await,
            Transport::Offline(offline) => {
                let Request {
                    method,
                    url,
                    headers,
                    body,
                } = request;
                offline.answer(method, &url, headers, body).await
            }
        }
        .map_err(CallError::Failure)?;
        if status.is_success() {
            Ok(Reply {
                status,
                is_replayed: headers
                    .get("Idempotent-Replayed")
                    .is_some_and(|value| value == "true"),
                body,
            })
        } else {
            Err(CallError::Problem(Box::new(Problem::of(status, body))))
        }
    }

    async fn send_over(
        &self,
        http: &reqwest::Client,
        request: Request,
    ) -> Result<(StatusCode, HeaderMap, String), Failure> {
        let mut response = http
            .request(request.method, request.url)
            .headers(request.headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| self.unanswered(&error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = response.text().await;
        Ok((
            status,
            headers,
            body.map_err(|error| self.unanswered(&error))?,
        ))
    }

    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let Self {
            base: server,
            correlation_id,
            ..
        } = self;
        if error.is_timeout() && !error.is_connect() {
            return self.not_in_time();
        }
        Failure::OutOfReach(if error.is_connect() {
            format!(
                "no server answers at {server}; start one with `farelog serve`, or name another with --server"
            )
        } else {
            format!(
                "the connection to {server} broke off before the answer (correlation id {correlation_id})"
            )
        })
    }

    fn not_in_time(&self) -> Failure {
        Failure::OutOfReach(format!(
            "the server at {} did not answer within {} s; what was asked may still be carried out (correlation id {})",
            self.base,
            ANSWER_TIMEOUT.as_secs(),
            self.correlation_id
        ))
    }
}

/// An answer of a running server, read as it comes.
pub struct Download<'c> {
    client: &'c Client,
    response: reqwest::Response,
}

impl Download<'_> {
    /// The log position that it reflects; 0 where the server does not say.
    pub fn position(&self) -> u64 {
        self.response
            .headers()
            .get("Farelog-Position")
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok())
            .unwrap_or(0)
    }

    /// The next part of it; `None` once it is whole.
    ///
    /// # Errors
    /// It broke off, or the server has stopped to send.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let Self { client, response } = self;
        client.in_time(response.chunk()).await
    }
}

/// A request, whichever way it goes.
struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn with_body(mut self, media_type: &'static str, body: String) -> Self {
        self.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = body;
        self
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
    pub fn more(&self, page: u64) -> Option<String> {
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
    #[arg(long, default_value_t = 1, value_parser = argument::number_within(1..=PAGE_MAX))]
    pub page: u64,
    /// How many on a page
    #[arg(long, default_value_t = PER_PAGE_DEFAULT, value_parser = argument::number_within(1..=PER_PAGE_MAX))]
    pub per_page: u64,
}

impl PageArgs {
    /// The page as query parameters.
    pub fn query(&self) -> Vec<Parameter> {
        vec![
            ("page", self.page.to_string()),
            ("perPage", self.per_page.to_string()),
        ]
    }
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
