//! What can't be read, and what is said of it.

use farelog_events::dead_letter::{DeadLetter, DeadLetterReason as Reason, RawMessage};
use farelog_events::envelope::{
    CORRELATION_ID_BYTES_MAX, EVENT_ID_BYTES_MAX, MESSAGE_BYTES_MAX, SOURCE_BYTES_MAX,
    TYPE_BYTES_MAX, read,
};

use crate::sample::{event_of, message, with};

#[test]
fn what_cant_be_read_says_why_in_a_sentence() {
    let long = |bytes: usize| format!("\"{}\"", "x".repeat(bytes));
    let domain = |event: &str| format!(r#"{{"type":"OrderConfirmed","event":{event}}}"#);
    let line = |price: &str| {
        with("type", Some("\"OrderLineAdded\"")).replace(
            r#""orderVersion":1"#,
            &format!(
                r#""orderVersion":1,"orderLineId":"l1","orderLineVersion":1,"fareProducts":[],"price":{price}"#
            ),
        )
    };
    let cases: Vec<(String, Reason, String)> = vec![
        // No JSON, no envelope.
        (String::new(), Reason::NotReadable, "the message is not JSON: it ends too early".into()),
        ("{".into(), Reason::NotReadable, "the message is not JSON: it ends too early".into()),
        ("hello".into(), Reason::NotReadable, "the message is not JSON: line 1, column 1".into()),
        ("[1]".into(), Reason::NotReadable, "the message is an array, an event is a JSON object".into()),
        (r#"{"id":"a","id":"b"}"#.into(), Reason::NotReadable, "the message is no envelope: id: stands twice".into()),
        // No type.
        ("{}".into(), Reason::NoType, "type: is missing, so the event has no type".into()),
        (with("type", None), Reason::NoType, "type: is missing, so the event has no type".into()),
        (with("type", Some("\"\"")), Reason::NoType, "type: is missing, so the event has no type".into()),
        (with("type", Some("null")), Reason::NoType, "type: is missing, so the event has no type".into()),
        // Attributes of a CloudEvent.
        (with("type", Some("1")), Reason::MalformedField, "type: must be a string, not a number".into()),
        (with("id", None), Reason::MalformedField, "id: is missing".into()),
        (with("id", Some("5")), Reason::MalformedField, "id: must be a string, not a number".into()),
        (with("id", Some("\"\"")), Reason::MalformedField, "id: must not be empty".into()),
        (with("id", Some(r#""a\nb""#)), Reason::MalformedField, r"id: must not have control characters, this has '\n'".into()),
        (with("id", Some(&long(EVENT_ID_BYTES_MAX + 1))), Reason::MalformedField, "id: has 257 bytes, at most 256 are taken".into()),
        (with("source", None), Reason::MalformedField, "source: is missing".into()),
        (with("source", Some(&long(SOURCE_BYTES_MAX + 1))), Reason::MalformedField, "source: has 1025 bytes, at most 1024 are taken".into()),
        (with("type", Some(&long(TYPE_BYTES_MAX + 1))), Reason::MalformedField, "type: has 257 bytes, at most 256 are taken".into()),
        (with("specversion", None), Reason::MalformedField, "specversion: is missing".into()),
        (with("specversion", Some("\"0.3\"")), Reason::MalformedField, "specversion: \"0.3\" is not understood, send CloudEvents 1.0".into()),
        (with("specversion", Some("1.0")), Reason::MalformedField, "specversion: must be a string, not a number".into()),
        (with("time", Some("\"2026-01-10\"")), Reason::MalformedField, "time: must be an RFC 3339 time with its offset, like 2026-01-10T08:00:00Z".into()),
        (with("correlationid", Some(&long(CORRELATION_ID_BYTES_MAX + 1))), Reason::MalformedField, "correlationid: has 257 bytes, at most 256 are taken".into()),
        // Data.
        (with("data", None), Reason::MalformedField, "data: is missing".into()),
        (with("data", Some("[]")), Reason::MalformedField, "data: must be a JSON object, this is another JSON value".into()),
        (with("data", Some("\"{}\"")), Reason::MalformedField, "data: must be a JSON object, this is another JSON value".into()),
        (with("data_base64", Some("\"e30=\"")), Reason::MalformedField, "data_base64: stands beside data, send one of them".into()),
        (with("data", None).replace('}', r#","data_base64":"%"}"#), Reason::MalformedField, "data_base64: must be base64 with its padding, like e30= (RFC 4648, section 4)".into()),
        (with("data", None).replace('}', r#","data_base64":"e30"}"#), Reason::MalformedField, "data_base64: must be base64 with its padding, like e30= (RFC 4648, section 4)".into()),
        (with("data", None).replace('}', r#","data_base64":"ew=="}"#), Reason::MalformedField, "data_base64: does not decode to JSON: it ends too early".into()),
        (with("data", Some("{}")), Reason::MalformedField, "data.orderId: is missing".into()),
        (line("{}"), Reason::MalformedField, "data.price.amount: is missing".into()),
        (line(r#"{"amount":"1e3","currency":"NOK"}"#), Reason::MalformedField, "data.price.amount: an amount is a decimal number in a string, like \"39.00\"".into()),
        (line(r#"["5.00","NOK"]"#), Reason::MalformedField, "data.price: must be an object".into()),
        (line("5"), Reason::MalformedField, "data.price: must be an object".into()),
        (with("data", Some(r#"{"orderId":1,"orderVersion":1}"#)), Reason::MalformedField, "data.orderId: must be a string".into()),
        (with("data", Some(r#"{"orderId":"o1","orderVersion":"1"}"#)), Reason::MalformedField, "data.orderVersion: must be a whole number".into()),
        (domain(r#"{"OrderConfirmed":{"orderId":"o1","orderVersion":-1}}"#), Reason::MalformedField, "event.OrderConfirmed.orderVersion: must be a whole number from 0 to 4294967295".into()),
        (with("data", Some(r#"{"x":1e999}"#)), Reason::MalformedField, "data: can't be read as JSON: a number is too large at line 1, column 10".into()),
        (with("data", Some(r#"{"x":"\ud800"}"#)), Reason::MalformedField, "data: can't be read as JSON: a string has half of a surrogate pair at line 1, column 13".into()),
        // A type that is farelog's own.
        (with("type", Some("\"no.entur.DeferredRegistrationAccepted\"")), Reason::ReservedType, "type: DeferredRegistrationAccepted is recorded by farelog alone and not taken from others".into()),
        // And its own source: with it an event could stand in the place of one that farelog records.
        (with("source", Some("\"farelog\"")), Reason::MalformedField, "source: farelog stands for what farelog records itself; name your own".into()),
        // Domain events.
        (r#"{"type":"OrderConfirmed"}"#.into(), Reason::MalformedField, "event: is missing".into()),
        (r#"{"event":{"A":{}}}"#.into(), Reason::NoType, "type: is missing, so the event has no type".into()),
        (r#"{"type":"OrderConfirmed","data":{}}"#.into(), Reason::MalformedField, "specversion: is missing".into()),
        (domain("[]"), Reason::MalformedField, "event: must be an object with the event's class name in it, not an array".into()),
        (domain("{}"), Reason::MalformedField, "event: must name one class with the event's data in it".into()),
        (domain(r#"{"A":{},"B":{}}"#), Reason::MalformedField, "event: must name one class with the event's data in it".into()),
        (domain(r#"{"OrderConfirmed":{"orderId":"o1"}}"#), Reason::MalformedField, "event.OrderConfirmed.orderVersion: is missing".into()),
        (domain(r#"{"OrderConfirmed":1}"#), Reason::MalformedField, "event.OrderConfirmed: must be a JSON object, this is another JSON value".into()),
    ];
    for (body, reason, detail) in cases {
        let letter = read(message("orders.o9", &[], &body)).content.unwrap_err();
        assert_eq!((letter.reason, letter.detail), (reason, detail), "{body}");
        assert_eq!(letter.message.payload, body.as_bytes());
    }
}

#[test]
fn a_malformed_header_is_named() {
    let good = [
        ("ce-specversion", "1.0"),
        ("ce-id", "e1"),
        ("ce-source", "s"),
        ("ce-type", "OrderConfirmed"),
    ];
    let data = r#"{"orderId":"o1","orderVersion":1}"#;
    event_of(message("orders.o1", &good, data));

    let detail = |headers: &[(&str, &str)], body: &str| {
        let letter = read(message("orders.o1", headers, body))
            .content
            .unwrap_err();
        (letter.reason, letter.detail)
    };
    let with = |name, value| {
        let mut headers: Vec<_> = good.into_iter().filter(|(n, _)| *n != name).collect();
        headers.push((name, value));
        headers
    };
    for (headers, expected) in [
        (
            with("ce-specversion", "2.0"),
            "ce-specversion: \"2.0\" is not understood, send CloudEvents 1.0",
        ),
        (with("ce-id", ""), "ce-id: must not be empty"),
        (
            with("ce-source", "%C3"),
            "ce-source: has percent escapes that are not UTF-8",
        ),
        (
            with("CE-ID", "e2"),
            "ce-id: stands twice with different values",
        ),
        (
            with("ce-time", "now"),
            "ce-time: must be an RFC 3339 time with its offset, like 2026-01-10T08:00:00Z",
        ),
        (
            good[..3].to_vec(),
            "ce-type: is missing, so the event has no type",
        ),
        (good[1..].to_vec(), "ce-specversion: is missing"),
        (
            with("content-type", "application/cloudevents+avro"),
            "content-type: \"application/cloudevents+avro\" is not understood, send application/cloudevents+json",
        ),
        (
            with("content-type", "application/cloudevents-batch+json"),
            "content-type: \"application/cloudevents-batch+json\" is not understood, send application/cloudevents+json",
        ),
    ] {
        assert_eq!(detail(&headers, data).1, expected);
    }
    assert_eq!(detail(&good, "").1, "data: is missing");
    assert_eq!(
        detail(&good, "<xml/>"),
        (
            Reason::NotReadable,
            "the message is not JSON: line 1, column 1".into()
        )
    );
}

#[test]
fn nesting_that_no_reader_can_follow_is_refused_without_following_it() {
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let letter = read(message("orders.o1", &[], with("data", Some(&deep))))
        .content
        .unwrap_err();
    assert_eq!(
        letter.detail,
        "data: can't be read as JSON: it is nested too deep at line 1, column 132"
    );
}

#[test]
fn a_message_over_the_limit_is_kept_but_not_read() {
    let padded = |bytes: usize| {
        let body = with("data", Some(r#"{"orderId":"o1","orderVersion":1}"#));
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    event_of(message("orders.o1", &[], padded(MESSAGE_BYTES_MAX)));
    let letter = read(message("orders.o2", &[], padded(MESSAGE_BYTES_MAX + 1)))
        .content
        .unwrap_err();
    assert_eq!(letter.reason, Reason::TooLarge);
    assert_eq!(
        letter.detail,
        "the message has 1048577 bytes with its headers, an event has at most 1048576"
    );
    assert_eq!(letter.order_id.unwrap().as_str(), "o2");
}

/// serde takes a list for an object, its fields by position.
#[test]
fn a_list_names_no_order() {
    let letter = read(message("orders.o2", &[], with("data", Some(r#"["o1"]"#))));
    let letter = letter.content.unwrap_err();
    assert_eq!(letter.order_id.unwrap().as_str(), "o2");
}

#[test]
fn a_dead_letter_names_its_order_where_it_can_be_told() {
    let order = |subject: &str, headers: &[(&str, &str)], body: &str| {
        let letter = read(message(subject, headers, body)).content.unwrap_err();
        letter.order_id.map(|id| id.as_str().to_owned())
    };
    let without_version = r#"{"orderId":"o1"}"#;
    assert_eq!(
        order("orders.o2", &[], &with("data", Some(without_version))),
        Some("o1".into())
    );
    assert_eq!(
        order(
            "x",
            &[],
            &format!(r#"{{"type":"OrderConfirmed","event":{{"E":{without_version}}}}}"#)
        ),
        Some("o1".into())
    );
    assert_eq!(
        order("x", &[("ce-type", "OrderConfirmed")], without_version),
        Some("o1".into())
    );
    assert_eq!(order("orders.o2", &[], "not JSON"), Some("o2".into()));
    assert_eq!(order("members.c", &[], "not JSON"), None);
}

/// One of those that can't be read may be one that counts, so nothing is taken for left out.
#[test]
fn headers_that_come_as_bytes_are_read_or_stay_as_they_came() {
    let with_bytes = |headers: &[u8]| RawMessage {
        header_bytes: Some(headers.to_vec().into()),
        ..message("orders.o1", &[], r#"{"orderId":"o1","orderVersion":1}"#)
    };
    let ce = "ce-specversion: 1.0\r\nce-id: e1\r\nce-source: s\r\nce-type: OrderConfirmed\r\n";
    let good = format!("NATS/1.0\r\n{ce}\r\n");
    let arrival = read(with_bytes(good.as_bytes()));
    assert_eq!(&*arrival.content.unwrap().id, "e1");
    assert_eq!(arrival.message.headers.len(), 4);
    assert_eq!(arrival.message.header_bytes, None);

    let garbled = [b"NATS/1.0\r\nce-time: \xf8\r\n", ce.as_bytes(), b"\r\n"].concat();
    let letter = read(with_bytes(&garbled)).content.unwrap_err();
    assert_eq!(letter.reason, Reason::NotReadable);
    assert_eq!(letter.message.header_bytes.as_deref(), Some(&*garbled));
    let recorded = serde_json::to_string(&letter).unwrap();
    let recorded: DeadLetter = serde_json::from_str(&recorded).unwrap();
    assert_eq!(recorded, letter);
    // Tried again it is what it was.
    assert_eq!(read(recorded.message).content.unwrap_err(), letter);

    let large = [&garbled[..], &vec![b'\n'; MESSAGE_BYTES_MAX]].concat();
    let letter = read(with_bytes(&large)).content.unwrap_err();
    assert_eq!(letter.reason, Reason::TooLarge);
}
