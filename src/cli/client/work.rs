//! Long work of the server, followed line by line while it goes on.

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Client, Download, Parameter, Transport};
use crate::cli::exit::Failure;
use crate::cli::problem::{CallError, Problem};

/// How far the work is.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkProgress {
    /// The last record that was gone through.
    pub position: u64,
    /// The last one that there is to go through.
    pub last_position: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    progress: Option<WorkProgress>,
    result: Option<Box<RawValue>>,
}

/// The answer, as it comes.
enum Lines<'c> {
    Http(Download<'c>),
    Offline(BodyDataStream),
}

impl Client {
    /// Has the server do something long, and gives its result as JSON. Whoever drops this before has it end.
    ///
    /// # Errors
    /// It was refused, it failed, or the server is gone.
    pub async fn work<T: Serialize>(
        &self,
        path: &[&str],
        query: &[Parameter],
        body: &T,
        mut progress: impl FnMut(WorkProgress),
    ) -> Result<String, CallError> {
        let mut lines = self.start(path, query, body).await?;
        let mut unread = Vec::new();
        while let Some(chunk) = lines.next().await.map_err(CallError::Failure)? {
            unread.extend_from_slice(&chunk);
            while let Some(end) = unread.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = unread.drain(..=end).collect();
                // One that is empty says that the work goes on.
                if line.trim_ascii().is_empty() {
                    continue;
                }
                let Line {
                    progress: at,
                    result,
                } = serde_json::from_slice(&line).map_err(not_understood)?;
                at.into_iter().for_each(&mut progress);
                if let Some(result) = result {
                    return Ok(result.get().to_owned());
                }
            }
        }
        Err(broken_off())
    }

    async fn start<T: Serialize>(
        &self,
        path: &[&str],
        query: &[Parameter],
        body: &T,
    ) -> Result<Lines<'_>, CallError> {
        let json = crate::cli::to_json(body).map_err(CallError::Failure)?;
        let request = self
            .request(Method::POST, path, query)
            .with_body("application/json", json);
        match &self.transport {
            Transport::Http(_) => self.open_download(request).await.map(Lines::Http),
            Transport::Offline(offline) => {
                let response = offline
                    .respond(request.method, &request.url, request.headers, request.body)
                    .await
                    .map_err(CallError::Failure)?;
                let status = response.status();
                if status.is_success() {
                    return Ok(Lines::Offline(response.into_body().into_data_stream()));
                }
                let text = text_of(response.into_body()).await?;
                Err(CallError::Problem(Box::new(Problem::of(status, text))))
            }
        }
    }
}

impl Lines<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Http(download) => download.chunk().await,
            Self::Offline(body) => {
                body.next().await.transpose().map_err(|error| {
                    Failure::Failed(format!("it could not be carried out: {error}"))
                })
            }
        }
    }
}

async fn text_of(body: Body) -> Result<String, CallError> {
    crate::offline::text_of(body)
        .await
        .map_err(CallError::Failure)
}

fn not_understood(error: impl std::fmt::Display) -> CallError {
    CallError::Failure(Failure::Failed(format!(
        "the server's answer is not understood, is it another version than this command? {error}"
    )))
}

fn broken_off() -> CallError {
    CallError::Failure(Failure::Failed(
        "the server could not carry it out; its log says why".to_owned(),
    ))
}
