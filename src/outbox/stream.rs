//! The stream that facts go to: made when it is missing, and asked what was sent to it last.

use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, State, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use farelog_events::ingest::stored::{StoredMessage, StoredMessages};
use uuid::Uuid;

use super::broker::SendError;
use super::continuity::{LastSent, MarkedMessage, StreamFacts};
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
    jetstream: &Context,
    stream: &Stream,
    log_id: Uuid,
    known: Option<&OutboxPosition>,
) -> Result<StreamFacts, SendError> {
    let info = stream.cached_info();
    let stored = StoredMessages::of(jetstream, &info.config.name);
    let last_sequence = info.state.last_sequence;
    let last = stored.at(last_sequence).await.map_err(SendError::Message)?;
    let mut facts = StreamFacts {
        name: info.config.name.clone(),
        created_at: info.created,
        last_sequence,
        last_published_at: last.as_ref().map(|message| message.published_at),
        marked: MarkedMessage::Gone,
        last_sent: LastSent::Nothing,
    };
    let mut since = 0;
    if let Some(known) = known
        && let Some(mark) = &known.stream
        && super::continuity::is_same(mark, &facts)
    {
        let at_mark = if mark.sequence == last_sequence {
            last
        } else {
            let message = stored.at(mark.sequence).await;
            message.map_err(SendError::Message)?
        };
        facts.marked = marked(at_mark.as_ref(), log_id, known, mark);
        if facts.marked != MarkedMessage::Other && mark.sequence < last_sequence {
            since = mark.sequence;
        }
    }
    facts.last_sent = last_sent(&stored, &info.state, log_id, since).await?;
    Ok(facts)
}

/// What the message is that the stream has where it ended when the position was saved. It was one that others published,
/// whose time was kept, or the last fact that was sent.
fn marked(
    message: Option<&StoredMessage>,
    log_id: Uuid,
    known: &OutboxPosition,
    mark: &StreamMark,
) -> MarkedMessage {
    let Some(message) = message else {
        return MarkedMessage::Gone;
    };
    let is_as_left = match mark.published_at {
        Some(published_at) => message.published_at == published_at,
        None => FactId::of_message(message).is_some_and(|id| {
            id == FactId {
                log_id,
                place: known.place,
            }
        }),
    };
    if is_as_left {
        MarkedMessage::AsLeft
    } else {
        MarkedMessage::Other
    }
}

/// The last message of an outbox behind the sequence `since`.
async fn last_sent(
    stored: &StoredMessages,
    state: &State,
    log_id: Uuid,
    since: u64,
) -> Result<LastSent, SendError> {
    let oldest = state.first_sequence.max(since + 1);
    let mut some_unseen = state.first_sequence > since + 1;
    for (looked_at, sequence) in (oldest..=state.last_sequence).rev().enumerate() {
        if looked_at == LOOKED_AT_MAX {
            return Ok(LastSent::Unknown);
        }
        let Some(message) = stored.at(sequence).await.map_err(SendError::Message)? else {
            some_unseen = true;
            continue;
        };
        match FactId::of_message(&message) {
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
