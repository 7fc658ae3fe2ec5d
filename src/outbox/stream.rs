//! The stream that facts go to: made when it is missing, and asked what was sent to it last.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use uuid::Uuid;

use super::broker::SendError;
use super::continuity::{LastSent, StreamFacts};
use super::message::FactId;
use super::position::{OutboxPosition, StreamMark};

/// The subjects of the stream that farelog makes (contract, section 2). Not `farelog.>`: queries over NATS are asked
/// under `farelog.query`.
const SUBJECTS: [&str; 3] = [
    "farelog.points.*",
    "farelog.distributions.*.*",
    "farelog.dead-letters",
];

/// Messages at the stream's end that are looked at, one by one, for the last that an outbox sent.
const LOOKED_AT_MAX: usize = 256;

/// Finds the stream, or makes it: in files, with no limits, so that JetStream removes nothing by itself. One that exists
/// is left as it is.
pub(super) async fn open(jetstream: &Context, name: &str) -> Result<Stream, SendError> {
    match jetstream.get_stream(name).await {
        Ok(stream) => Ok(stream),
        Err(error) if is_not_found(&error.kind()) => {
            let config = Config {
                name: name.to_owned(),
                description: Some("Facts from farelog".to_owned()),
                subjects: SUBJECTS.map(str::to_owned).to_vec(),
                ..Config::default()
            };
            let made = jetstream
                .create_stream(config)
                .await
                .map_err(SendError::StreamNotMade)?;
            tracing::info!(stream = name, "the outbox made its stream");
            Ok(made)
        }
        Err(error) => Err(SendError::StreamInfo(error)),
    }
}

/// What the stream tells of itself and of what was sent to it.
pub(super) async fn look(
    stream: &Stream,
    log_id: Uuid,
    known: Option<&OutboxPosition>,
) -> Result<StreamFacts, SendError> {
    let info = stream.cached_info();
    let mut facts = StreamFacts {
        name: info.config.name.clone(),
        created_at: info.created,
        last_sequence: info.state.last_sequence,
        last_sent: LastSent::Nothing,
    };
    let mark = known.and_then(|known| known.stream.as_ref());
    let is_ahead = |mark: &&StreamMark| {
        super::continuity::is_same(mark, &facts) && mark.sequence < facts.last_sequence
    };
    let since = mark.filter(is_ahead).map_or(0, |mark| mark.sequence);
    facts.last_sent = last_sent(stream, log_id, since).await?;
    Ok(facts)
}

/// The last message of an outbox behind the sequence `since`.
async fn last_sent(stream: &Stream, log_id: Uuid, since: u64) -> Result<LastSent, SendError> {
    let state = &stream.cached_info().state;
    let oldest = state.first_sequence.max(since + 1);
    let mut some_unseen = state.first_sequence > since + 1;
    for (looked_at, sequence) in (oldest..=state.last_sequence).rev().enumerate() {
        if looked_at == LOOKED_AT_MAX {
            return Ok(LastSent::Unknown);
        }
        let message = match stream.get_raw_message(sequence).await {
            Ok(message) => message,
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {
                some_unseen = true;
                continue;
            }
            Err(error) => return Err(SendError::Message(error)),
        };
        match FactId::of_message(&message.headers) {
            Some(id) if id.log_id == log_id => return Ok(LastSent::Ours(id.place)),
            Some(id) => return Ok(LastSent::OtherLog(id.log_id)),
            None => {}
        }
    }
    Ok(if some_unseen {
        LastSent::Unknown
    } else {
        LastSent::Nothing
    })
}

fn is_not_found(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
