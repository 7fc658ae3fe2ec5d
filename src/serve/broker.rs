//! The broker that events come from: one that runs elsewhere.

use async_nats::{Client, ConnectOptions, ServerAddr};

use crate::cli::exit::Failure;
use crate::config::{Config, NatsChoice};

/// The name under which the connection is listed at the broker.
const CONNECTION_NAME: &str = "farelog";

/// A broker, reached or being reached.
pub struct Broker {
    client: Client,
}

impl Broker {
    /// Connects to the broker that is configured. One that is away is waited for in the background, however long.
    ///
    /// # Errors
    /// Credentials can't be read.
    pub async fn reach(config: &Config) -> Result<Self, Failure> {
        let client = match &config.nats {
            NatsChoice::Servers(servers) => connect(servers.as_slice(), config).await?,
            NatsChoice::Embedded => {
                return Err(Failure::Failed(
                    "no embedded NATS server is part of this build; name one with --nats"
                        .to_owned(),
                ));
            }
        };
        Ok(Self { client })
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Waits until a broker that is farelog's own has stopped by itself; never for another.
    pub async fn stopped(&mut self) -> Failure {
        std::future::pending().await
    }

    /// Lets go of it.
    pub async fn stop(self) {
        if let Err(error) = self.client.drain().await {
            tracing::debug!(%error, "the connection to NATS was gone before it was closed");
        }
    }
}

async fn connect(servers: &[ServerAddr], config: &Config) -> Result<Client, Failure> {
    let mut options = ConnectOptions::new()
        .name(CONNECTION_NAME)
        .retry_on_initial_connect();
    if let Some(path) = &config.nats_credentials {
        options = options.credentials_file(path).await.map_err(|error| {
            Failure::Failed(format!(
                "the credentials in {} can't be read: {error}",
                path.display()
            ))
        })?;
    }
    options.connect(servers).await.map_err(|error| {
        Failure::Failed(format!("no connection to NATS could be prepared: {error}"))
    })
}
