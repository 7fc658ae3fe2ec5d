//! The durable consumer of a log: one that stands exactly where the log ends.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::pull::Config;
use async_nats::jetstream::consumer::{AckPolicy, Consumer, DeliverPolicy};
use async_nats::jetstream::stream::{ConsumerError, ConsumerErrorKind, Stream};
use uuid::Uuid;

use super::broker::BrokerError;
use crate::log::StreamCheckpoint;

/// Messages that may be on their way, read and not yet acknowledged, before JetStream waits.
const ACK_PENDING_MAX: i64 = 65_536;
/// After this long JetStream sends again what was not acknowledged.
const ACK_WAIT: Duration = Duration::from_secs(60);

/// The consumer's name: it carries the log's id, so that two logs never share one.
pub(super) fn name(log_id: Uuid) -> String {
    format!("farelog-{}", log_id.simple())
}

/// A consumer that delivers what comes behind the checkpoint next, and nothing else.
///
/// The one that is there is kept if it stands there. Otherwise (it delivered what never arrived, or was changed) it
/// is made again: with AckPolicy all it could not be told to go back.
pub(super) async fn at(
    stream: &Stream,
    name: &str,
    checkpoint: Option<&StreamCheckpoint>,
) -> Result<Consumer<Config>, BrokerError> {
    if let Ok(consumer) = stream.get_consumer::<Config>(name).await {
        if stands_at(&consumer, checkpoint) {
            return Ok(consumer);
        }
        tracing::debug!(consumer = name, "the consumer is made again");
        stream
            .delete_consumer(name)
            .await
            .map_err(BrokerError::Consumer)?;
    }
    let consumer = stream
        .create_consumer(config(name, checkpoint))
        .await
        .map_err(BrokerError::Consumer)?;
    // Were there one that was not seen above, this would be it.
    if consumer.cached_info().delivered.consumer_sequence != 0 {
        return Err(BrokerError::ConsumerElsewhere(name.to_owned()));
    }
    Ok(consumer)
}

/// Has the next session make the consumer anew, also where it would stand at the checkpoint. One that delivered what never
/// arrived would deliver it again for want of an acknowledgement.
pub(super) async fn give_up(stream: &Stream, name: &str) -> Result<(), BrokerError> {
    match stream.delete_consumer(name).await {
        Err(error) if !is_not_found(&error) => Err(BrokerError::Consumer(error)),
        _ => Ok(()),
    }
}

fn is_not_found(error: &ConsumerError) -> bool {
    matches!(error.kind(), ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}

fn config(name: &str, checkpoint: Option<&StreamCheckpoint>) -> Config {
    Config {
        durable_name: Some(name.to_owned()),
        description: Some("Reads events into a farelog event log".to_owned()),
        deliver_policy: checkpoint.map_or(DeliverPolicy::All, |checkpoint| {
            DeliverPolicy::ByStartSequence {
                start_sequence: checkpoint.sequence + 1,
            }
        }),
        ack_policy: AckPolicy::All,
        ack_wait: ACK_WAIT,
        max_ack_pending: ACK_PENDING_MAX,
        ..Config::default()
    }
}

fn stands_at(consumer: &Consumer<Config>, checkpoint: Option<&StreamCheckpoint>) -> bool {
    let info = consumer.cached_info();
    let config = &info.config;
    checkpoint.is_some_and(|checkpoint| info.delivered.stream_sequence == checkpoint.sequence)
        && config.ack_policy == AckPolicy::All
        && config.deliver_subject.is_none()
        && config.filter_subject.is_empty()
        && config.filter_subjects.is_empty()
}
