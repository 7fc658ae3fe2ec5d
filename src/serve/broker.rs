//! The broker that events come from: one that runs elsewhere, or farelog's own.

use std::fmt::Display;

use async_nats::{Client, ConnectOptions};
use tokio::runtime::Handle;

use super::complaints::Complaints;
use crate::cli::exit::Failure;
use crate::config::{Config, NatsChoice, NatsServers};
use crate::guarantee::{DiskSync, SyncSource};
use crate::nats_server::{EmbeddedOptions, EmbeddedServer, NATS_DIRECTORY};

/// The names under which the two connections are listed at the broker.
const CONNECTION_NAME: &str = "farelog";
const INGESTION_NAME: &str = "farelog ingestion";
/// Most messages that wait to be looked at, by subscription; the client drops what comes beyond. They are questions, and
/// each is begun or refused as it is looked at.
const WAITING_MAX: usize = 1_024;

/// A broker, reached or being reached.
pub struct Broker {
    servers: NatsServers,
    client: Client,
    embedded: Option<EmbeddedServer>,
}

impl Broker {
    /// Connects to the broker that is configured, after starting it if it is the embedded one. One that runs elsewhere
    /// and is away is waited for in the background, however long.
    ///
    /// # Errors
    /// The embedded broker does not start, or credentials can't be read.
    pub async fn reach(config: &Config) -> Result<Self, Failure> {
        match &config.nats {
            NatsChoice::Servers(servers) => Ok(Self {
                client: connect(servers, config).await?,
                servers: servers.clone(),
                embedded: None,
            }),
            NatsChoice::Embedded => {
                let server = EmbeddedServer::start(EmbeddedOptions {
                    dir: config.data_dir.join(NATS_DIRECTORY),
                    port: config.nats_port,
                    sync_always: config.nats_sync_always,
                })
                .await
                .map_err(|error| Failure::Failed(error.to_string()))?;
                let servers: NatsServers = server.url().parse().map_err(|error| {
                    Failure::Failed(format!("the embedded NATS server has no address: {error}"))
                })?;
                Ok(Self {
                    client: connect(&servers, config).await?,
                    servers,
                    embedded: Some(server),
                })
            }
        }
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The client of ingestion, with a connection of its own that is looked after in this runtime.
    ///
    /// # Errors
    /// Credentials can't be read.
    pub async fn ingestion_client(
        &self,
        config: &Config,
        runtime: &Handle,
    ) -> Result<Client, Failure> {
        let options = options(INGESTION_NAME, &self.servers, config).await?;
        let servers = self.servers.clone();
        let connecting = runtime.spawn(async move { options.connect(servers.addresses()).await });
        connecting
            .await
            .map_err(not_prepared)?
            .map_err(not_prepared)
    }

    /// Where it is known from when it syncs to disk.
    pub fn sync_source(&self, config: &Config) -> SyncSource {
        match (&self.embedded, &config.nats_monitoring) {
            (Some(_), _) if config.nats_sync_always => {
                SyncSource::Told(DiskSync::BeforeAcknowledging)
            }
            (None, Some(url)) => SyncSource::Monitoring(url.clone()),
            _ => SyncSource::Told(DiskSync::NotKnown),
        }
    }

    /// Lets go of it; the embedded one is stopped.
    pub async fn stop(self) {
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "the connection to NATS was gone before it was closed");
        }
        if let Some(server) = self.embedded {
            server.shutdown().await;
        }
    }
}

async fn connect(servers: &NatsServers, config: &Config) -> Result<Client, Failure> {
    let options = options(CONNECTION_NAME, servers, config)
        .await?
        .subscription_capacity(WAITING_MAX);
    options
        .connect(servers.addresses())
        .await
        .map_err(not_prepared)
}

async fn options(
    name: &str,
    servers: &NatsServers,
    config: &Config,
) -> Result<ConnectOptions, Failure> {
    let credentials = config.nats_credentials.as_deref();
    let options = servers.options(name, credentials).await?;
    Ok(Complaints::of(name, options.retry_on_initial_connect()))
}

fn not_prepared(error: impl Display) -> Failure {
    Failure::Failed(format!("no connection to NATS could be prepared: {error}"))
}
