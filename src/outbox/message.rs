//! The message that carries a fact: a CloudEvent, with what tells the fact from every other.

use std::fmt;
use std::str::FromStr;

use async_nats::jetstream::message::PublishMessage;
use chrono::{DateTime, Utc};
use farelog_events::event::OWN_SOURCE;
use farelog_events::id::OrderId;
use farelog_events::ingest::stored::StoredMessage;
use farelog_projections::outbox::{Fact, FactPlace};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

/// The broker's own header for a message's id.
const MESSAGE_ID_HEADER: &str = "Nats-Msg-Id";
/// The log position of the fact's record: with `?minPosition=` a subscriber sees at least what it was told of.
const POSITION_HEADER: &str = "Farelog-Position";
/// Which of the record's facts it is.
const NUMBER_HEADER: &str = "Farelog-Fact-Number";

/// What is left for headers of the size that the broker allows for a message.
const HEADER_BYTES_MAX: usize = 2 * 1024;

/// What tells a fact from every other fact of every log: `<log id>:<position>:<number>`. It is the message's
/// `Nats-Msg-Id` and the CloudEvent's id, the same whenever the fact is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FactId {
    /// The log.
    pub log_id: Uuid,
    /// The fact.
    pub place: FactPlace,
}

impl fmt::Display for FactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FactPlace { position, number } = self.place;
        write!(f, "{}:{position}:{number}", self.log_id.simple())
    }
}

/// The text is no id of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFactId;

impl FromStr for FactId {
    type Err = NoFactId;

    fn from_str(text: &str) -> Result<Self, NoFactId> {
        let mut parts = text.split(':');
        let (Some(log_id), Some(position), Some(number), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NoFactId);
        };
        Ok(Self {
            log_id: log_id.parse().map_err(|_| NoFactId)?,
            place: FactPlace {
                position: position.parse().map_err(|_| NoFactId)?,
                number: number.parse().map_err(|_| NoFactId)?,
            },
        })
    }
}

impl FactId {
    /// The id of the fact that a message carries; `None` for a message that an outbox did not send.
    pub fn of_message(message: &StoredMessage) -> Option<Self> {
        message.header(MESSAGE_ID_HEADER)?.parse().ok()
    }
}

/// The end of a stream, where a fact is to stand.
#[derive(Debug, Clone, Copy)]
pub struct StreamEnd<'a> {
    /// The stream.
    pub stream: &'a str,
    /// The sequence of its last message.
    pub sequence: u64,
    /// The fact of this log that its last message carries; `None`: any message.
    pub fact: Option<FactPlace>,
}

/// CloudEvents 1.0, structured mode.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: &'static str,
    #[serde(rename = "type")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    time: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlationid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    datacontenttype: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
    /// Why there is no data.
    #[serde(skip_serializing_if = "Option::is_none")]
    dataomitted: Option<&'static str>,
}

/// The message for a fact, which the broker refuses unless the stream ends as `behind` says.
///
/// A fact that with its data is larger than `bytes_max`, the most that the broker takes, goes out without: it must not
/// keep back those behind it, and who needs the data can ask for it.
///
/// # Errors
/// The fact has no JSON, which can't be where it was read from the store.
pub fn message(
    log_id: Uuid,
    fact: &Fact,
    behind: &StreamEnd<'_>,
    bytes_max: usize,
) -> serde_json::Result<PublishMessage> {
    let id = FactId {
        log_id,
        place: fact.place,
    };
    let mut event = CloudEvent {
        specversion: "1.0",
        id: id.to_string(),
        source: OWN_SOURCE,
        event_type: &fact.fact_type,
        subject: fact.order_id.as_ref().map(OrderId::as_str),
        time: fact.time,
        correlationid: fact.correlation_id.as_deref(),
        datacontenttype: Some("application/json"),
        data: Some(&fact.data),
        dataomitted: None,
    };
    let mut payload = serde_json::to_vec(&event)?;
    if payload.len() + HEADER_BYTES_MAX > bytes_max {
        tracing::error!(
            subject = &*fact.subject,
            position = fact.place.position,
            bytes = payload.len(),
            bytes_max,
            "a fact is larger than NATS takes and is sent without its data; raise max_payload there"
        );
        event.datacontenttype = None;
        event.data = None;
        event.dataomitted = Some("too-large");
        payload = serde_json::to_vec(&event)?;
    }
    let message = PublishMessage::build()
        .payload(payload.into())
        .message_id(&event.id)
        .header("Content-Type", "application/cloudevents+json")
        .header(POSITION_HEADER, fact.place.position.to_string())
        .header(NUMBER_HEADER, fact.place.number.to_string())
        .expected_stream(behind.stream)
        .expected_last_sequence(behind.sequence);
    Ok(match behind.fact {
        Some(place) => message.expected_last_message_id(FactId { log_id, place }.to_string()),
        None => message,
    })
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderMap;
    use serde_json::{Value, json};

    use super::*;

    /// A message of a stream with such a header block.
    fn stored(headers: &[u8]) -> StoredMessage {
        StoredMessage {
            subject: "farelog.points.O1".to_owned(),
            sequence: 1,
            header_bytes: Some(headers.to_vec().into()),
            payload: b"{}".as_slice().into(),
            published_at: DateTime::UNIX_EPOCH,
        }
    }

    /// The message as the stream has it then.
    fn stored_with(headers: &HeaderMap) -> StoredMessage {
        let lines = headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}")));
        let lines: Vec<_> = lines.collect();
        stored(format!("NATS/1.0\r\n{}\r\n\r\n", lines.join("\r\n")).as_bytes())
    }

    fn fact(data: &Value) -> Fact {
        Fact {
            place: FactPlace {
                position: 42,
                number: 1,
            },
            subject: "farelog.points.O1".into(),
            fact_type: "PointsChanged".into(),
            order_id: Some("O1".parse().unwrap()),
            time: "2026-01-15T08:00:00Z".parse().unwrap(),
            correlation_id: Some("c-1".into()),
            data: RawValue::from_string(data.to_string()).unwrap(),
        }
    }

    fn sent(fact: &Fact, bytes_max: usize) -> (Value, HeaderMap) {
        let behind = StreamEnd {
            stream: "FARELOG",
            sequence: 7,
            fact: Some(FactPlace {
                position: 42,
                number: 0,
            }),
        };
        let message = message(Uuid::nil(), fact, &behind, bytes_max)
            .unwrap()
            .outbound_message("farelog.points.O1");
        let body = serde_json::from_slice(&message.payload).unwrap();
        (body, message.headers.unwrap())
    }

    #[test]
    fn a_fact_is_sent_as_a_cloud_event() {
        let (body, headers) = sent(&fact(&json!({"orderId": "O1"})), 1 << 20);
        assert_eq!(
            body,
            json!({
                "specversion": "1.0", "id": "00000000000000000000000000000000:42:1", "source": "farelog",
                "type": "PointsChanged", "subject": "O1", "time": "2026-01-15T08:00:00Z", "correlationid": "c-1",
                "datacontenttype": "application/json", "data": {"orderId": "O1"}
            })
        );
        let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
        assert_eq!(header("Nats-Msg-Id"), body["id"].as_str());
        assert_eq!(header("Content-Type"), Some("application/cloudevents+json"));
        assert_eq!(header("Farelog-Position"), Some("42"));
        assert_eq!(header("Farelog-Fact-Number"), Some("1"));
        assert_eq!(header("Nats-Expected-Stream"), Some("FARELOG"));
        assert_eq!(header("Nats-Expected-Last-Sequence"), Some("7"));
        let previous = "00000000000000000000000000000000:42:0";
        assert_eq!(header("Nats-Expected-Last-Msg-Id"), Some(previous));
        let id = FactId {
            log_id: Uuid::nil(),
            place: fact(&json!(null)).place,
        };
        assert_eq!(FactId::of_message(&stored_with(&headers)), Some(id));
    }

    #[test]
    fn a_fact_that_nats_would_not_take_goes_out_without_its_data() {
        let (body, headers) = sent(&fact(&json!("x".repeat(8_000))), 8_000);
        assert_eq!(body["dataomitted"], "too-large");
        assert_eq!(body.get("data"), None);
        assert_eq!(body["subject"], "O1");
        assert!(FactId::of_message(&stored_with(&headers)).is_some());
    }

    #[test]
    fn other_messages_carry_no_fact() {
        for id in [
            "",
            "42",
            "a:1:2",
            "00000000000000000000000000000000:1",
            "00000000000000000000000000000000:1:2:3",
        ] {
            let message = stored(format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n").as_bytes());
            assert_eq!(FactId::of_message(&message), None, "{id}");
        }
        assert_eq!(FactId::of_message(&stored(b"NATS/1.0\r\n\r\n")), None);
        // Headers that can't be read are not an outbox's, whatever else they say.
        let id = "00000000000000000000000000000000:42:1";
        let garbled = [
            format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\nX-Butikk: Troms").as_bytes(),
            b"\xf8\r\n\r\n",
        ]
        .concat();
        assert_eq!(FactId::of_message(&stored(&garbled)), None);
        let bare = StoredMessage {
            header_bytes: None,
            ..stored(b"")
        };
        assert_eq!(FactId::of_message(&bare), None);
    }
}
