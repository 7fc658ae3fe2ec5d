//! The check: asks what the broker guarantees when ingestion reads, and now and then again.

use std::time::Duration;

use async_nats::Client;
use farelog_events::ingest::{IngestState, IngestStatus, StreamKeeping};
use tokio::sync::watch;

use super::{BrokerGuarantee, DiskSync, MonitoringUrl};

/// How often the broker is asked again. It may have been started anew, with other settings.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// Where it is known from when the broker syncs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncSource {
    /// farelog itself told it.
    Told(DiskSync),
    /// Its monitoring address.
    Monitoring(MonitoringUrl),
}

/// The task that finds out. One per server.
#[derive(Debug)]
pub struct GuaranteeCheck {
    stream: String,
    client: Client,
    source: SyncSource,
    ingestion: watch::Receiver<IngestStatus>,
    guarantee: watch::Sender<Option<BrokerGuarantee>>,
}

impl GuaranteeCheck {
    /// A check of the broker behind `client`, of the stream that ingestion reads.
    pub fn new(
        stream: &str,
        client: Client,
        source: SyncSource,
        ingestion: watch::Receiver<IngestStatus>,
    ) -> Self {
        Self {
            stream: stream.to_owned(),
            client,
            source,
            ingestion,
            guarantee: watch::Sender::new(None),
        }
    }

    /// What was found last; `None` before ingestion has reached the stream.
    pub fn guarantee(&self) -> watch::Receiver<Option<BrokerGuarantee>> {
        self.guarantee.subscribe()
    }

    /// Looks each time that ingestion begins to read, and once a minute while it does. What is new is said in the log.
    /// Ends when ingestion does.
    pub async fn run(mut self) {
        while let Some(keeping) = self.stream_is_read().await {
            self.look(keeping).await;
            let mut ingestion = self.ingestion.clone();
            let has_left = ingestion.wait_for(|status| status.state != IngestState::Running);
            if let Ok(Err(_ended)) = tokio::time::timeout(LOOK_INTERVAL, has_left).await {
                return;
            }
        }
    }

    async fn stream_is_read(&mut self) -> Option<StreamKeeping> {
        let is_read = |status: &IngestStatus| {
            status.state == IngestState::Running && status.stream_keeping.is_some()
        };
        self.ingestion.wait_for(is_read).await.ok()?.stream_keeping
    }

    async fn look(&self, keeping: StreamKeeping) {
        let (sync, not_told) = match &self.source {
            SyncSource::Told(sync) => (*sync, None),
            SyncSource::Monitoring(url) => match url.disk_sync().await {
                Ok(sync) => (sync, None),
                Err(error) => (DiskSync::NotKnown, Some(error.to_string())),
            },
        };
        let server = self.client.try_server_info();
        let found = BrokerGuarantee {
            stream: self.stream.clone(),
            keeping,
            version: server.map_or_else(String::new, |server| server.version),
            sync,
            not_told,
        };
        let is_news = self.guarantee.borrow().as_ref() != Some(&found);
        if is_news {
            tracing::info!("{}", found.sentence());
            for warning in found.warnings() {
                tracing::warn!("{warning}");
            }
            self.guarantee.send_replace(Some(found));
        }
    }
}

#[cfg(test)]
mod tests {
    use async_nats::ConnectOptions;
    use farelog_events::ingest::StreamStorage;

    use super::*;

    /// With the last word of ingestion that it reads, the check went round and round once there was no other to come.
    #[tokio::test]
    async fn it_ends_when_ingestion_does() {
        let client = ConnectOptions::new()
            .retry_on_initial_connect()
            .connect("nats://127.0.0.1:1")
            .await
            .unwrap();
        let (status, ingestion) = watch::channel(IngestStatus {
            state: IngestState::Running,
            waits_for: None,
            last_sequence: 1,
            stream_last_sequence: Some(1),
            stream_keeping: Some(StreamKeeping {
                storage: StreamStorage::File,
                replicas: 1,
                acknowledges_early: false,
            }),
        });
        let source = SyncSource::Told(DiskSync::NotKnown);
        let check = GuaranteeCheck::new("ORDERS", client, source, ingestion);
        let mut guarantee = check.guarantee();
        let running = tokio::spawn(check.run());
        guarantee.changed().await.unwrap();
        drop(status);
        running.await.unwrap();
    }
}
