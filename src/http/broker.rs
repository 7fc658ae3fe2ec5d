//! What the broker guarantees, as `/health/ready` shows it.

use farelog_events::ingest::StreamStorage;
use serde::Serialize;
use utoipa::ToSchema;

use crate::guarantee::{BrokerGuarantee, DiskSync};

/// What the broker guarantees of a message that it acknowledged and farelog has not read yet. None of it makes the
/// server unready.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BrokerView {
    /// It all in a sentence.
    guarantee: String,
    /// What should be changed, in sentences; most often nothing.
    warnings: Vec<String>,
    /// The version of the server that farelog is connected to.
    version: String,
    /// Where the stream's messages are.
    storage: StorageView,
    /// Servers that have a copy of each message.
    replicas: usize,
    /// When messages are synced to the disk.
    sync: SyncView,
    /// How often, in seconds, where `sync` is `INTERVAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    sync_interval_seconds: Option<f64>,
}

/// Where a stream's messages are.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StorageView {
    /// In files.
    File,
    /// In memory: gone when the broker ends.
    Memory,
}

/// When messages are synced to the disk.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum SyncView {
    /// Before they are acknowledged.
    BeforeAcknowledging,
    /// At an interval.
    Interval,
    /// The broker does not say; by default every two minutes at the latest.
    NotKnown,
}

impl From<&BrokerGuarantee> for BrokerView {
    fn from(known: &BrokerGuarantee) -> Self {
        let (sync, interval) = match known.sync {
            DiskSync::BeforeAcknowledging => (SyncView::BeforeAcknowledging, None),
            DiskSync::Every(interval) => (SyncView::Interval, Some(interval.as_secs_f64())),
            DiskSync::NotKnown => (SyncView::NotKnown, None),
        };
        Self {
            guarantee: known.sentence(),
            warnings: known.warnings(),
            version: known.version.clone(),
            storage: match known.keeping.storage {
                StreamStorage::File => StorageView::File,
                StreamStorage::Memory => StorageView::Memory,
            },
            replicas: known.keeping.replicas,
            sync,
            sync_interval_seconds: interval,
        }
    }
}
