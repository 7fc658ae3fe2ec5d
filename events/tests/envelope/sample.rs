//! Messages to try the envelopes with.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope::read;
use farelog_events::event::{About, NewEvent};

pub const PUBLISHED_AT: &str = "2026-01-10T09:00:00Z";

pub fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

pub fn message(subject: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> RawMessage {
    RawMessage {
        subject: subject.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        header_bytes: None,
        payload: Bytes::copy_from_slice(body.as_ref()),
        stream: "ORDERS".into(),
        stream_sequence: 7,
        published_at: at(PUBLISHED_AT),
    }
}

pub fn event_of(message: RawMessage) -> NewEvent {
    match read(message).content {
        Ok(event) => event,
        Err(letter) => panic!("not read: {}", letter.detail),
    }
}

/// The parts of an event that count as its content and identity.
pub fn content(
    event: &NewEvent,
) -> (
    String,
    String,
    String,
    DateTime<Utc>,
    Option<String>,
    About,
    String,
) {
    (
        event.source.to_string(),
        event.id.to_string(),
        event.event_type.to_string(),
        event.time,
        event.correlation_id.as_ref().map(ToString::to_string),
        event.about.clone(),
        event.data.get().to_owned(),
    )
}

pub const DATA: &str = r#"{"orderId":"o1","orderVersion":1,  "extra": [1, {"æ": null}]}"#;

pub fn structured(data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"orders.o1","type":"no.entur.OrderConfirmed",
            "time":"2026-01-10T08:00:00+01:00","correlationid":"c1","data":{data}}}"#
    )
}

/// A structured CloudEvent with one attribute's JSON put in place of another, or taken out.
pub fn with(field: &str, json: Option<&str>) -> String {
    let mut fields = vec![
        ("specversion", r#""1.0""#),
        ("id", r#""e1""#),
        ("source", r#""s""#),
        ("type", r#""OrderConfirmed""#),
        ("data", r#"{"orderId":"o1","orderVersion":1}"#),
    ];
    fields.retain(|(name, _)| *name != field);
    fields.extend(json.map(|json| (field, json)));
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, json)| format!("\"{name}\":{json}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}
