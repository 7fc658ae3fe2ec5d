//! A line of a file that `farelog publish` sends: an event in an envelope of its own, or a message spelt out.
//!
//! An envelope is checked before it is sent, by the code that will read it again. A message that is spelt out, in the form
//! `{"subject": …, "headers": {…}, "body": …}`, is sent as it stands: that is how events in binary mode are published,
//! and how broken ones are, to see what becomes of them.

use std::collections::BTreeMap;

use async_nats::header::{HeaderMap, HeaderName, HeaderValue};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use farelog_events::envelope;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What is sent for a line.
#[derive(Debug, PartialEq)]
pub struct Message {
    /// The subject.
    pub subject: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub payload: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SpeltOut<'a> {
    subject: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    body_base64: Option<String>,
}

/// What tells the two forms apart: no envelope has a `subject` beside a body.
#[derive(Deserialize)]
struct Shape<'a> {
    #[serde(borrow)]
    subject: Option<&'a RawValue>,
    #[serde(borrow)]
    specversion: Option<&'a RawValue>,
}

/// Reads a line.
///
/// # Errors
/// One sentence that says what is wrong with it.
pub fn read(line: &str) -> Result<Message, String> {
    match serde_json::from_str(line) {
        // A CloudEvent may have an attribute `subject` too.
        Ok(Shape {
            subject: Some(_),
            specversion: None,
        }) => read_spelt_out(line),
        _ => read_envelope(line),
    }
}

fn read_envelope(line: &str) -> Result<Message, String> {
    let outgoing = envelope::from_line(line).map_err(|error| error.to_string())?;
    let mut headers = HeaderMap::new();
    for (name, value) in outgoing.headers {
        headers.insert(name, value);
    }
    Ok(Message {
        subject: outgoing.subject,
        headers,
        payload: outgoing.payload,
    })
}

fn read_spelt_out(line: &str) -> Result<Message, String> {
    let spelt_out: SpeltOut = serde_json::from_str(line).map_err(|error| {
        format!("a message is {{\"subject\", \"headers\", \"body\" or \"bodyBase64\"}}: {error}")
    })?;
    let SpeltOut {
        subject, headers, ..
    } = spelt_out;
    if let Some(whose) = reserved(&subject) {
        return Err(format!(
            "subject: {subject:?} is {whose}, name one like orders.<orderId>"
        ));
    }
    let is_publishable = !subject.split('.').any(str::is_empty)
        && !subject.contains(|c: char| c.is_whitespace() || c.is_control() || "*>".contains(c));
    if !is_publishable {
        return Err(format!(
            "subject: {subject:?} can't be published to, name one like orders.<orderId>"
        ));
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let header = name
            .parse::<HeaderName>()
            .ok()
            .zip(value.parse::<HeaderValue>().ok());
        let (header, value) =
            header.ok_or_else(|| format!("headers.{name}: is no header that NATS can carry"))?;
        map.insert(header, value);
    }
    Ok(Message {
        subject,
        headers: map,
        payload: payload(spelt_out.body, spelt_out.body_base64)?,
    })
}

/// Whose subject it is, if it is not for publishers: a fact that farelog never recorded would be believed by those whom
/// farelog tells facts, and what begins with `$` has the broker do something.
fn reserved(subject: &str) -> Option<&'static str> {
    match subject.split('.').next() {
        Some("farelog") => Some("one that only farelog itself sends on"),
        Some(first) if first.starts_with('$') => Some("one of the NATS server's own"),
        _ => None,
    }
}

/// The bytes: of a string its text, of any other JSON value the value as it is written, or what base64 stands for.
fn payload(body: Option<&RawValue>, base64: Option<String>) -> Result<Bytes, String> {
    match (body, base64) {
        (Some(body), None) => Ok(match serde_json::from_str::<String>(body.get()) {
            Ok(text) => Bytes::from(text),
            Err(_) => Bytes::copy_from_slice(body.get().as_bytes()),
        }),
        (None, Some(base64)) => BASE64_STANDARD
            .decode(base64)
            .map(Bytes::from)
            .map_err(|error| format!("bodyBase64: is not base64: {error}")),
        (Some(_), Some(_)) => Err("bodyBase64: stands beside body, send one of them".to_owned()),
        (None, None) => Err("body: is missing, and so is bodyBase64".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_published_under_what_it_is_about() {
        let line = r#"{"specversion":"1.0","id":"1","source":"/sales","type":"OrderConfirmed","subject":"a CloudEvents attribute",
            "data":{"orderId":"TRIP0001","orderVersion":1}}"#;
        let message = read(line).unwrap();
        assert_eq!(message.subject, "orders.TRIP0001");
        assert_eq!(
            message.headers.get("content-type").map(HeaderValue::as_str),
            Some("application/cloudevents+json")
        );
        assert_eq!(message.payload, line.as_bytes());
    }

    #[test]
    fn a_message_spelt_out_is_sent_as_it_stands() {
        let message = read(
            r#"{"subject":"orders.X","headers":{"ce-id":"7"},"body":{"orderId": "X", "amount": 1.50}}"#,
        )
        .unwrap();
        assert_eq!(message.subject, "orders.X");
        assert_eq!(
            message.headers.get("ce-id").map(HeaderValue::as_str),
            Some("7")
        );
        assert_eq!(
            message.payload,
            r#"{"orderId": "X", "amount": 1.50}"#.as_bytes()
        );

        let message = read(r#"{"subject":"orders.X","body":"{\"cut off"}"#).unwrap();
        assert_eq!(message.payload, r#"{"cut off"#.as_bytes());

        let message = read(r#"{"subject":"orders.X","bodyBase64":"/wA="}"#).unwrap();
        assert_eq!(message.payload, [0xff, 0x00].as_slice());
    }

    #[test]
    fn a_line_that_can_not_be_published_says_why() {
        for (line, expected) in [
            (
                r#"{"subject":"orders.*","body":1}"#,
                "subject: \"orders.*\" can't be published to",
            ),
            (
                r#"{"subject":"orders..x","body":1}"#,
                "subject: \"orders..x\" can't be published to",
            ),
            (
                r#"{"subject":"farelog.points.O1","body":{}}"#,
                "subject: \"farelog.points.O1\" is one that only farelog itself sends on",
            ),
            (
                r#"{"subject":"$JS.API.STREAM.PURGE.ORDERS","body":""}"#,
                "subject: \"$JS.API.STREAM.PURGE.ORDERS\" is one of the NATS server's own",
            ),
            (r#"{"subject":"orders.x"}"#, "body: is missing"),
            (
                r#"{"subject":"orders.x","body":1,"bodyBase64":""}"#,
                "bodyBase64: stands beside body",
            ),
            (
                r#"{"subject":"orders.x","bodyBase64":"?"}"#,
                "bodyBase64: is not base64",
            ),
            (
                r#"{"subject":"orders.x","header":{},"body":1}"#,
                "a message is {\"subject\"",
            ),
            (
                r#"{"subject":"orders.x","headers":{"a":"x\ny"},"body":1}"#,
                "headers.a: is no header",
            ),
            (
                r#"{"specversion":"1.0","id":"1","source":"/s","data":{}}"#,
                "type: is missing",
            ),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.starts_with(expected), "{line}: {error}");
        }
    }
}
