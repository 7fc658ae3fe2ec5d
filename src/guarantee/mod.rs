//! What the broker guarantees of a message between its acknowledgement to the publisher and farelog's own sync to disk.
//!
//! farelog can't make good what a broker acknowledged and lost. It can say what to expect: how the stream is kept, as
//! the stream itself tells, and how often the broker syncs, as its monitoring address tells, where one is named. Nothing
//! of this is ever a reason not to start.

mod check;
mod monitoring;

use std::time::Duration;

use farelog_events::ingest::{StreamKeeping, StreamStorage};

pub use check::{GuaranteeCheck, SyncSource};
pub use monitoring::MonitoringUrl;

/// When the broker brings to the disk what it has acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskSync {
    /// Before it acknowledges (`sync_interval: always`).
    BeforeAcknowledging,
    /// So often.
    Every(Duration),
    /// It does not say. By default nats-server does it every two minutes at the latest.
    NotKnown,
}

/// What the broker guarantees, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerGuarantee {
    /// The stream that is read.
    pub stream: String,
    /// How it is kept.
    pub keeping: StreamKeeping,
    /// The version of the server that farelog is connected to.
    pub version: String,
    /// When it syncs.
    pub sync: DiskSync,
    /// Why its monitoring address, if one is named, did not tell when it syncs.
    pub not_told: Option<String>,
}

impl BrokerGuarantee {
    /// What is guaranteed, in a sentence for who looks after the server.
    pub fn sentence(&self) -> String {
        let Self {
            stream, version, ..
        } = self;
        let copies = match self.keeping.replicas {
            0 | 1 => "one copy".to_owned(),
            replicas => format!("{replicas} copies"),
        };
        if self.keeping.storage == StreamStorage::Memory {
            return format!("NATS {version} keeps the stream {stream} in memory, in {copies}");
        }
        let synced = match self.sync {
            DiskSync::BeforeAcknowledging => "before it acknowledges them".to_owned(),
            DiskSync::Every(interval) => format!(
                "every {} s, and what it acknowledged in between can be lost with the power",
                interval.as_secs_f64()
            ),
            DiskSync::NotKnown => {
                "at times that are not known, by default every two minutes at the latest, and what it acknowledged in \
                 between can be lost with the power"
                    .to_owned()
            }
        };
        format!(
            "NATS {version} keeps the stream {stream} in files, in {copies}, and syncs messages to the disk {synced}"
        )
    }

    /// What someone should change, in sentences; most often nothing.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.keeping.storage == StreamStorage::Memory {
            warnings.push(format!(
                "the stream {} is kept in memory: what farelog has not read is lost when NATS ends, and ingestion stops \
                 at the stream that is made anew; give farelog a stream with file storage",
                self.stream
            ));
        }
        if self.keeping.acknowledges_early {
            warnings.push(format!(
                "the stream {} acknowledges messages before it has written them (persist mode async): what farelog has not \
                 read can be lost when NATS ends; give farelog a stream with the default persist mode",
                self.stream
            ));
        }
        if let Some(why) = &self.not_told {
            warnings.push(why.clone());
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarantee(storage: StreamStorage, replicas: usize, sync: DiskSync) -> BrokerGuarantee {
        BrokerGuarantee {
            stream: "ORDERS".to_owned(),
            keeping: StreamKeeping {
                storage,
                replicas,
                acknowledges_early: false,
            },
            version: "2.15.1".to_owned(),
            sync,
            not_told: None,
        }
    }

    #[test]
    fn each_guarantee_is_a_sentence() {
        use StreamStorage::{File, Memory};
        let cases = [
            (
                guarantee(File, 3, DiskSync::BeforeAcknowledging),
                "NATS 2.15.1 keeps the stream ORDERS in files, in 3 copies, and syncs messages to the disk before it \
                 acknowledges them",
            ),
            (
                guarantee(File, 1, DiskSync::Every(Duration::from_secs(120))),
                "NATS 2.15.1 keeps the stream ORDERS in files, in one copy, and syncs messages to the disk every 120 s, and \
                 what it acknowledged in between can be lost with the power",
            ),
            (
                guarantee(File, 1, DiskSync::NotKnown),
                "NATS 2.15.1 keeps the stream ORDERS in files, in one copy, and syncs messages to the disk at times that \
                 are not known, by default every two minutes at the latest, and what it acknowledged in between can be \
                 lost with the power",
            ),
            (
                guarantee(Memory, 1, DiskSync::BeforeAcknowledging),
                "NATS 2.15.1 keeps the stream ORDERS in memory, in one copy",
            ),
        ];
        for (guarantee, sentence) in cases {
            assert_eq!(guarantee.sentence(), sentence);
            let is_warned_of = guarantee.keeping.storage == Memory;
            assert_eq!(guarantee.warnings().len(), usize::from(is_warned_of));
        }
    }

    #[test]
    fn a_stream_that_is_written_later_is_warned_of() {
        let mut guarantee = guarantee(StreamStorage::File, 1, DiskSync::NotKnown);
        guarantee.keeping.acknowledges_early = true;
        let warnings = guarantee.warnings();
        assert!(warnings[0].contains("persist mode async"), "{warnings:?}");
    }
}
