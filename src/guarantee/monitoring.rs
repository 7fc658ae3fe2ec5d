//! The broker's monitoring address, asked when the broker syncs to disk.

use std::str::FromStr;
use std::time::Duration;

use reqwest::{Client, Url};
use serde::Deserialize;
use thiserror::Error;

use super::DiskSync;

/// How long the address may take to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes; the page has some thousand.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// The address of a nats-server's monitoring pages, for example `http://127.0.0.1:8222`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MonitoringUrl(Url);

impl FromStr for MonitoringUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Option<Url> = text.parse().ok();
        url.filter(|url| {
            url.scheme() == "http"
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
        .map(Self)
        .ok_or_else(|| "write it as an address like http://127.0.0.1:8222".to_owned())
    }
}

impl TryFrom<String> for MonitoringUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Why it is not known when the broker syncs.
#[derive(Debug, Error)]
pub(super) enum MonitoringError {
    #[error(
        "the monitoring address {0} can't be reached, so it is not known when NATS syncs to disk; check --nats-monitoring"
    )]
    Unreachable(Url, #[source] reqwest::Error),
    #[error(
        "what the monitoring address {0} answers is not the page of a nats-server, so it is not known when NATS syncs to \
         disk; check --nats-monitoring"
    )]
    NotUnderstood(Url),
    #[error(
        "the nats-server behind the monitoring address {0} has no JetStream; name one that has with --nats-monitoring"
    )]
    NoJetStream(Url),
}

/// What is read of the page `/varz`.
#[derive(Deserialize)]
struct ServerPage {
    server_id: String,
    #[serde(default)]
    jetstream: JetStreamPart,
}

#[derive(Default, Deserialize)]
struct JetStreamPart {
    config: Option<JetStreamConfig>,
}

/// JetStream's configuration. nats-server 2.9 has neither.
#[derive(Deserialize)]
struct JetStreamConfig {
    /// In nanoseconds.
    #[serde(default)]
    sync_interval: u64,
    #[serde(default)]
    sync_always: bool,
}

impl MonitoringUrl {
    /// Asks the server behind the address when it syncs.
    ///
    /// # Errors
    /// It does not answer in time, or as a nats-server with JetStream does.
    pub(super) async fn disk_sync(&self) -> Result<DiskSync, MonitoringError> {
        let page = self.page().await?;
        let page: ServerPage = serde_json::from_slice(&page)
            .map_err(|_| MonitoringError::NotUnderstood(self.0.clone()))?;
        tracing::debug!(server = page.server_id, "the monitoring address answered");
        match page.jetstream.config {
            None => Err(MonitoringError::NoJetStream(self.0.clone())),
            Some(config) if config.sync_always => Ok(DiskSync::BeforeAcknowledging),
            Some(config) if config.sync_interval > 0 => {
                let interval = Duration::from_nanos(config.sync_interval);
                Ok(DiskSync::Every(interval))
            }
            Some(_) => Ok(DiskSync::NotKnown),
        }
    }

    async fn page(&self) -> Result<Vec<u8>, MonitoringError> {
        let unreachable = |error| MonitoringError::Unreachable(self.0.clone(), error);
        let mut url = self.0.clone();
        url.set_path(&format!("{}/varz", url.path().trim_end_matches('/')));
        let client = Client::builder()
            .timeout(ANSWER_TIME_MAX)
            .no_proxy()
            .build()
            .map_err(unreachable)?;
        let answer = client.get(url).send().await.map_err(unreachable)?;
        let mut answer = answer.error_for_status().map_err(unreachable)?;
        let mut page = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            page.extend_from_slice(&chunk);
            if page.len() > ANSWER_BYTES_MAX {
                return Err(MonitoringError::NotUnderstood(self.0.clone()));
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An address at which this page is answered once.
    async fn monitoring(status: &'static str, page: &'static str) -> MonitoringUrl {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            let read = connection.read(&mut [0; 4096]).await.unwrap();
            assert!(read > 0);
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
                page.len()
            );
            connection.write_all(answer.as_bytes()).await.unwrap();
        });
        url.parse().unwrap()
    }

    #[test]
    fn an_address_is_plain_http() {
        for fit in ["http://127.0.0.1:8222", "http://nats.internal/monitoring/"] {
            assert!(fit.parse::<MonitoringUrl>().is_ok(), "{fit}");
        }
        for unfit in [
            "nats://a:1",
            "https://a",
            "http://u:p@a",
            "127.0.0.1:8222",
            "http://a/?b",
        ] {
            assert!(unfit.parse::<MonitoringUrl>().is_err(), "{unfit}");
        }
    }

    /// The pages are those of nats-server 2.15.1 and, without either setting, 2.9.10, shortened.
    #[tokio::test]
    async fn the_page_tells_when_the_server_syncs() {
        let cases = [
            (
                r#"{"server_id":"N","jetstream":{"config":{"sync_interval":120000000000,"sync_always":true}}}"#,
                DiskSync::BeforeAcknowledging,
            ),
            (
                r#"{"server_id":"N","jetstream":{"config":{"sync_interval":120000000000,"strict":true}}}"#,
                DiskSync::Every(Duration::from_secs(120)),
            ),
            (
                r#"{"server_id":"N","jetstream":{"config":{"max_memory":1,"store_dir":"d"},"stats":{}}}"#,
                DiskSync::NotKnown,
            ),
        ];
        for (page, sync) in cases {
            let monitoring = monitoring("200 OK", page).await;
            assert_eq!(monitoring.disk_sync().await.unwrap(), sync, "{page}");
        }
    }

    #[tokio::test]
    async fn an_address_that_does_not_tell_is_named() {
        let cases = [
            ("200 OK", "hello", "not the page of a nats-server"),
            ("404 Not Found", "{}", "can't be reached"),
            (
                "200 OK",
                r#"{"server_id":"N","jetstream":{}}"#,
                "has no JetStream",
            ),
        ];
        for (status, page, said) in cases {
            let monitoring = monitoring(status, page).await;
            let error = monitoring.disk_sync().await.unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains("http://127.0.0.1"), "{error}");
        }
    }
}
