//! The stream that is read: made when it is missing, compared with the log's checkpoint otherwise.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{
    Config, Info, PersistenceMode, RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{Context, ErrorCode};
use chrono::{DateTime, TimeDelta, Utc};

use super::SessionEnd;
use super::broker::BrokerError;
use super::continuity::{StreamBreak, StreamFacts, check};
use super::status::{StreamKeeping, StreamStorage};
use super::stored::StoredMessages;
use crate::log::writer::LogWriter;
use crate::log::{EventLog, StreamCheckpoint};

/// The subjects of the stream that farelog makes (contract, section 2).
const SUBJECTS: [&str; 3] = ["orders.>", "members.>", "programs.>"];

/// The stream as a session found it.
#[derive(Debug)]
pub(super) struct SourceStream {
    pub(super) handle: Stream,
    pub(super) stored: StoredMessages,
    pub(super) name: String,
    /// With the name, which stream it is.
    pub(super) created_at: DateTime<Utc>,
    first_sequence: u64,
    pub(super) last_sequence: u64,
    pub(super) keeping: StreamKeeping,
}

impl SourceStream {
    /// Finds the stream, or makes it: in files, with no limits, so that JetStream removes nothing by itself. One that
    /// exists is left as it is.
    pub(super) async fn open(jetstream: &Context, name: &str) -> Result<Self, SessionEnd> {
        let handle = match jetstream.get_stream(name).await {
            Ok(stream) => stream,
            Err(error) if is_not_found(&error.kind()) => {
                let config = Config {
                    name: name.to_owned(),
                    description: Some("Events for farelog".to_owned()),
                    subjects: SUBJECTS.map(str::to_owned).to_vec(),
                    ..Config::default()
                };
                let made = jetstream
                    .create_stream(config)
                    .await
                    .map_err(BrokerError::StreamNotMade)?;
                tracing::info!(stream = name, "ingestion made the stream");
                made
            }
            Err(error) => return Err(BrokerError::StreamInfo(error).into()),
        };
        let info = handle.cached_info();
        if let Some(retention) = forgetful(info.config.retention) {
            let name = name.to_owned();
            return Err(StreamBreak::Forgetful { name, retention }.into());
        }
        Ok(Self {
            stored: StoredMessages::of(jetstream, name),
            name: name.to_owned(),
            created_at: info.created,
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
            keeping: StreamKeeping {
                storage: match info.config.storage {
                    StorageType::File => StreamStorage::File,
                    StorageType::Memory => StreamStorage::Memory,
                },
                replicas: info.config.num_replicas,
                acknowledges_early: info.config.persist_mode == Some(PersistenceMode::Async),
            },
            handle,
        })
    }

    /// The checkpoint from which the stream is read: the log's, or, where `adopt` says so, one before the stream's
    /// first message. `None` for a log that was never fed.
    ///
    /// An adoption is written to the log before anything is read, so that it stands also if nothing comes.
    pub(super) async fn checkpoint(
        &self,
        log: &dyn EventLog,
        writer: &LogWriter,
        adopt: bool,
    ) -> Result<Option<StreamCheckpoint>, SessionEnd> {
        let checkpoint = log.head().checkpoint;
        let facts = StreamFacts {
            name: self.name.clone(),
            created_at: self.created_at,
            first_sequence: self.first_sequence,
            last_sequence: self.last_sequence,
            published_at_checkpoint: match &checkpoint {
                Some(checkpoint) => self.published_at(checkpoint.sequence).await?,
                None => None,
            },
        };
        match check(checkpoint.as_ref(), &facts) {
            Ok(()) => Ok(checkpoint),
            Err(stream_break) if adopt => {
                tracing::warn!("the stream is adopted as it is: {stream_break}");
                let adopted = self.before_first(checkpoint.as_ref());
                writer.ingest(Vec::new(), adopted.clone()).await?;
                Ok(Some(adopted))
            }
            Err(stream_break) => Err(stream_break.into()),
        }
    }

    /// Whether the stream is another one now, or ends before what the log has read.
    pub(super) fn has_changed(&self, info: &Info, sequence: u64) -> bool {
        info.created != self.created_at || info.state.last_sequence < sequence
    }

    async fn published_at(&self, sequence: u64) -> Result<Option<DateTime<Utc>>, BrokerError> {
        if sequence < self.first_sequence || sequence > self.last_sequence {
            return Ok(None);
        }
        let message = self.stored.at(sequence).await;
        let message = message.map_err(BrokerError::MessageAtCheckpoint)?;
        Ok(message.map(|message| message.published_at))
    }

    /// A checkpoint before the first message. No message was published at its time, which lies behind all that the
    /// log knows of, so that it counts as news where it goes back within a stream.
    fn before_first(&self, checkpoint: Option<&StreamCheckpoint>) -> StreamCheckpoint {
        let now = Utc::now();
        let published_at = checkpoint.map_or(now, |checkpoint| {
            now.max(checkpoint.published_at + TimeDelta::milliseconds(1))
        });
        StreamCheckpoint {
            stream: self.name.clone(),
            stream_created_at: self.created_at,
            sequence: self.first_sequence.saturating_sub(1),
            published_at,
        }
    }
}

/// Where a stream begins now.
pub(super) async fn begin(stream: &Stream) -> Result<u64, BrokerError> {
    let info = stream.get_info().await;
    Ok(info.map_err(BrokerError::StreamLook)?.state.first_sequence)
}

fn is_not_found(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

fn forgetful(retention: RetentionPolicy) -> Option<&'static str> {
    match retention {
        RetentionPolicy::Limits => None,
        RetentionPolicy::Interest => Some("interest"),
        RetentionPolicy::WorkQueue => Some("work queue"),
    }
}
