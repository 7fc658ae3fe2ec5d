//! A broker with a backlog of events and a data directory for a server: what most figures are measured on.

use tempfile::TempDir;

use crate::broker::{Broker, Published};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::server::Place;

/// A broker and a place for a server. All of it is removed when it is dropped.
pub struct Deployment {
    /// The broker.
    pub broker: Broker,
    /// Where the server runs.
    pub place: Place,
    /// What was published.
    pub published: Published,
    /// How many messages that were.
    pub messages: u64,
    // Last, so that the broker is gone before its files are.
    _directory: TempDir,
}

impl Deployment {
    /// Starts a broker and publishes the sample's first messages, each acknowledged.
    ///
    /// # Errors
    /// The broker does not start or refuses a message.
    pub async fn with_backlog(plan: &Plan, messages: u64) -> anyhow::Result<Self> {
        let directory = plan.data_directory()?;
        let broker = Broker::start(&directory.path().join("nats")).await?;
        let incoming = plan.day.messages().take(usize::try_from(messages)?);
        let progress = Progress::new("published", messages);
        let published = broker.publish(incoming, progress).await?;
        Ok(Self {
            place: Place {
                binary: plan.farelog.clone(),
                data_dir: directory.path().join("farelog"),
                nats: broker.url().to_owned(),
            },
            broker,
            published,
            messages,
            _directory: directory,
        })
    }
}
