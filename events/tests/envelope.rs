//! Envelopes: what each form of message is read as, and what is said of one that can't be.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use bytes::Bytes;
use chrono::{DateTime, Utc};
use farelog_events::dead_letter::{DeadLetterReason as Reason, RawMessage};
use farelog_events::envelope::{
    CORRELATION_ID_BYTES_MAX, EVENT_ID_BYTES_MAX, MESSAGE_BYTES_MAX, SOURCE_BYTES_MAX,
    TYPE_BYTES_MAX, from_line, read,
};
use farelog_events::event::{About, EventKind, NewEvent};
use proptest::prelude::*;

const PUBLISHED_AT: &str = "2026-01-10T09:00:00Z";

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn message(subject: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> RawMessage {
    RawMessage {
        subject: subject.into(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        payload: Bytes::copy_from_slice(body.as_ref()),
        stream: "ORDERS".into(),
        stream_sequence: 7,
        published_at: at(PUBLISHED_AT),
    }
}

fn event_of(message: RawMessage) -> NewEvent {
    match read(message).content {
        Ok(event) => event,
        Err(letter) => panic!("not read: {}", letter.detail),
    }
}

/// The parts of an event that count as its content and identity.
fn content(
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

const DATA: &str = r#"{"orderId":"o1","orderVersion":1,  "extra": [1, {"æ": null}]}"#;

fn structured(data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"e1","source":"orders.o1","type":"no.entur.OrderConfirmed",
            "time":"2026-01-10T08:00:00+01:00","correlationid":"c1","data":{data}}}"#
    )
}

#[test]
fn the_three_forms_of_one_event_are_read_as_the_same_event() {
    let in_structured_mode = event_of(message("orders.o1", &[], structured(DATA)));
    let with_content_type = event_of(message(
        "orders.o1",
        &[(
            "CONTENT-Type",
            "Application/CloudEvents+JSON; charset=utf-8",
        )],
        structured(DATA),
    ));
    let in_binary_mode = event_of(message(
        "orders.o1",
        &[
            ("ce-specversion", "1.0"),
            ("Ce-Id", "e1"),
            ("CE-SOURCE", "orders.o1"),
            ("ce-type", "no.entur.OrderConfirmed"),
            ("ce-time", "2026-01-10T07:00:00Z"),
            ("ce-correlationid", "c1"),
            ("content-type", "application/json"),
        ],
        DATA,
    ));
    let as_domain_event = event_of(message(
        "orders.o1",
        &[("nats-msg-id", "e1")],
        format!(
            r#"{{"type":"no.entur.OrderConfirmed","event":{{"OrderConfirmedEvent":{DATA}}},
                "correlationId":"c1","timestamp":"2026-01-10T07:00:00Z"}}"#
        ),
    ));

    assert_eq!(
        content(&in_structured_mode),
        (
            "orders.o1".into(),
            "e1".into(),
            "no.entur.OrderConfirmed".into(),
            at("2026-01-10T07:00:00Z"),
            Some("c1".into()),
            About::Order("o1".parse().unwrap()),
            DATA.into(),
        )
    );
    assert_eq!(in_structured_mode.kind(), Some(EventKind::OrderConfirmed));
    assert_eq!(content(&with_content_type), content(&in_structured_mode));
    assert_eq!(content(&in_binary_mode), content(&in_structured_mode));
    assert_eq!(content(&as_domain_event), content(&in_structured_mode));
}

#[test]
fn data_in_base64_is_kept_decoded() {
    let body = r#"{"specversion":"1.0","id":"e1","source":"s","type":"OrderConfirmed","datacontenttype":"application/json",
        "data_base64":"eyJvcmRlcklkIjoibzEiLCJvcmRlclZlcnNpb24iOjF9Cg=="}"#;
    let event = event_of(message("orders.o1", &[], body));
    assert_eq!(event.data.get(), r#"{"orderId":"o1","orderVersion":1}"#);
}

#[test]
fn a_missing_time_is_the_streams() {
    let body = r#"{"specversion":"1.0","id":"e1","source":"s","type":"OrderConfirmed","time":null,
        "data":{"orderId":"o1","orderVersion":1}}"#;
    assert_eq!(
        event_of(message("orders.o1", &[], body)).time,
        at(PUBLISHED_AT)
    );
}

#[test]
fn a_domain_events_time_may_be_in_milliseconds() {
    let body = r#"{"type":"OrderConfirmed","event":{"OrderConfirmed":{"orderId":"o1","orderVersion":1}},
        "timestamp":1768028400500}"#;
    let event = event_of(message("orders.o1", &[], body));
    assert_eq!(event.time, at("2026-01-10T07:00:00.500Z"));
}

#[test]
fn a_domain_event_without_an_id_gets_one_from_its_bytes() {
    let body = |version: u32| {
        format!(
            r#"{{"type":"OrderConfirmed","event":{{"OrderConfirmed":{{"orderId":"o1","orderVersion":{version}}}}}}}"#
        )
    };
    let first = event_of(message("orders.o1", &[], body(1)));
    let again = event_of(message("orders.o1", &[("traceparent", "00-1")], body(1)));
    let other = event_of(message("orders.o1", &[], body(2)));
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, other.id);
    // Written down: a later version must give the same, or what is sent again would count twice.
    assert_eq!(&*first.id, "823d346d5890f5b50549196b3c641db1");
    assert_eq!(&*first.source, "orders.o1");
}

#[test]
fn where_subject_and_data_name_different_orders_the_data_counts() {
    let event = event_of(message("orders.other", &[], structured(DATA)));
    assert_eq!(event.about, About::Order("o1".parse().unwrap()));
}

#[test]
fn header_values_are_unquoted_and_percent_decoded_once() {
    let event = event_of(message(
        "orders.o1",
        &[
            ("ce-specversion", "1.0"),
            ("ce-id", "100%25%20%C3%A6%2525"),
            ("ce-source", r#""/a \"b\"""#),
            ("ce-type", "OrderConfirmed"),
            ("ce-correlationid", "50% and %zz"),
        ],
        r#" {"orderId":"o1","orderVersion":1} "#,
    ));
    assert_eq!(&*event.id, "100% æ%25");
    assert_eq!(&*event.source, "/a \"b\"");
    assert_eq!(event.correlation_id.as_deref(), Some("50% and %zz"));
    assert_eq!(event.data.get(), r#"{"orderId":"o1","orderVersion":1}"#);
}

#[test]
fn an_unknown_type_is_kept_and_is_about_what_its_data_or_subject_names() {
    let about = |subject: &str, data: &str| {
        let body = format!(
            r#"{{"specversion":"1.0","id":"e1","source":"s","type":"OrderWeighed","data":{data}}}"#
        );
        event_of(message(subject, &[], body)).about
    };
    let order = |id: &str| About::Order(id.parse().unwrap());
    assert_eq!(
        about("orders.o2", r#"{"orderId":"o1","customerId":"c"}"#),
        order("o1")
    );
    assert_eq!(
        about("orders.o2", r#"{"customerId":"c","programId":7}"#),
        About::Customer("c".parse().unwrap())
    );
    assert_eq!(
        about("programs.7", r#"{"programId":"7"}"#),
        About::Program("7".parse().unwrap())
    );
    assert_eq!(about("orders.o2", r#"{"orderId":[1]}"#), order("o2"));
    assert_eq!(about("orders.o2.x", "{}"), About::Nothing);
    assert_eq!(about("members.c", "{}"), About::Nothing);
}

/// A structured CloudEvent with one attribute's JSON put in place of another, or taken out.
fn with(field: &str, json: Option<&str>) -> String {
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
        ("hello".into(), Reason::NotReadable, "the message is not JSON: expected value at line 1 column 1".into()),
        ("[1]".into(), Reason::NotReadable, "the message is an array, an event is a JSON object".into()),
        (r#"{"id":"a","id":"b"}"#.into(), Reason::NotReadable, "the message is no envelope: duplicate field `id` at line 1 column 14".into()),
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
        (with("data", None).replace('}', r#","data_base64":"%"}"#), Reason::MalformedField, "data_base64: is not base64: Invalid symbol 37, offset 0.".into()),
        (with("data", None).replace('}', r#","data_base64":"e30"}"#), Reason::MalformedField, "data_base64: is not base64: Invalid padding".into()),
        (with("data", None).replace('}', r#","data_base64":"ew=="}"#), Reason::MalformedField, "data_base64: does not decode to JSON: EOF while parsing an object at line 1 column 1".into()),
        (with("data", Some("{}")), Reason::MalformedField, "data.orderId: is missing".into()),
        (line("{}"), Reason::MalformedField, "data.price.amount: is missing".into()),
        (line(r#"{"amount":"1e3","currency":"NOK"}"#), Reason::MalformedField, "data.price.amount: an amount is a decimal number in a string, like \"39.00\"".into()),
        (with("data", Some(r#"{"x":1e999}"#)), Reason::MalformedField, "data: can't be read as JSON: number out of range at line 1 column 10".into()),
        (with("data", Some(r#"{"x":"\ud800"}"#)), Reason::MalformedField, "data: can't be read as JSON: unexpected end of hex escape at line 1 column 13".into()),
        // A type that is farelog's own.
        (with("type", Some("\"no.entur.DeferredRegistrationAccepted\"")), Reason::ReservedType, "type: DeferredRegistrationAccepted is recorded by farelog alone and not taken from others".into()),
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
            "the message is not JSON: expected value at line 1 column 1".into()
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
        "data: can't be read as JSON: recursion limit exceeded at line 1 column 132"
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

#[test]
fn a_line_says_how_it_is_published() {
    let subject = |line: &str| from_line(line).map(|outgoing| outgoing.subject);
    let line = with("data", Some(r#"{"orderId":"o1","orderVersion":1}"#));
    let outgoing = from_line(&format!("  {line}\r\n")).unwrap();
    assert_eq!(outgoing.subject, "orders.o1");
    assert_eq!(
        outgoing.headers,
        [("content-type", "application/cloudevents+json")]
    );
    assert_eq!(outgoing.payload, line.as_bytes());

    let domain =
        r#"{"type":"MemberEnrolled","event":{"MemberEnrolled":{"programId":7,"customerId":"c1"}}}"#;
    let outgoing = from_line(domain).unwrap();
    assert_eq!(outgoing.subject, "members.c1");
    assert_eq!(outgoing.headers, [("content-type", "application/json")]);

    let program =
        with("type", Some("\"ProgramPublished\"")).replace(r#""orderVersion""#, r#""id""#);
    assert_eq!(subject(&program).as_deref(), Ok("programs.1"));

    let error = from_line(&with("data", Some("{}"))).unwrap_err();
    assert_eq!(error.to_string(), "data.orderId: is missing");
    let unknown = with("type", Some("\"OrderWeighed\"")).replace("orderId", "weighedId");
    assert_eq!(
        from_line(&unknown).unwrap_err().to_string(),
        "data: names no order, customer or program to publish the event under"
    );
    assert_eq!(from_line("").unwrap_err().reason, Reason::NotReadable);
}

/// JSON that is close to an envelope: its fields, with values of any kind.
fn near_envelope() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just("null".to_owned()),
        Just("{}".to_owned()),
        Just(r#"{"orderId":"o1","orderVersion":1}"#.to_owned()),
        Just(r#"{"E":{"orderId":"o1","orderVersion":1}}"#.to_owned()),
        Just("\"1.0\"".to_owned()),
        Just("\"2026-01-10T08:00:00Z\"".to_owned()),
        Just("\"OrderConfirmed\"".to_owned()),
        "\"[a-z%\\\\]{0,8}\"",
        "-?[0-9]{1,25}",
        "[\\[\\]{}\":,]{0,6}",
    ];
    let field = prop_oneof![
        Just("specversion"),
        Just("id"),
        Just("source"),
        Just("type"),
        Just("time"),
        Just("data"),
        Just("data_base64"),
        Just("event"),
        Just("timestamp"),
        Just("correlationid"),
        Just("correlationId"),
    ];
    prop::collection::vec((field, value), 0..10).prop_map(|fields| {
        let fields: Vec<String> = fields
            .into_iter()
            .map(|(name, json)| format!("\"{name}\":{json}"))
            .collect();
        format!("{{{}}}", fields.join(","))
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        near_envelope().prop_map(String::into_bytes),
        // A good event with one byte changed or taken out.
        (any::<prop::sample::Index>(), any::<Option<u8>>()).prop_map(|(place, byte)| {
            let mut bytes = structured(DATA).into_bytes();
            let place = place.index(bytes.len());
            match byte {
                Some(byte) => bytes[place] = byte,
                None => drop(bytes.remove(place)),
            }
            bytes
        }),
    ]
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        "(?i:ce-(id|source|type|specversion|time|correlationid))",
        "(?i:content-type|nats-msg-id)",
        "\\PC{0,12}",
    ];
    let value = prop_oneof![
        "\\PC{0,12}",
        Just("1.0".to_owned()),
        Just("OrderConfirmed".to_owned()),
        "\"?[a%\\\\\"]{0,8}\"?",
        "application/cloudevents\\PC{0,6}",
    ];
    prop::collection::vec((name, value), 0..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_message_is_an_event_or_a_dead_letter_with_its_bytes(
        subject in prop_oneof![Just("orders.o1".to_owned()), "\\PC{0,12}"],
        headers in headers(),
        body in body(),
    ) {
        let message = RawMessage { headers, ..message(&subject, &[], &body) };
        let arrival = read(message.clone());
        prop_assert_eq!(&arrival.message, &message);
        match arrival.content {
            Ok(event) => {
                prop_assert!(event.kind().is_none_or(|kind| !kind.is_own()));
                prop_assert!(!event.id.is_empty() && event.id.len() <= EVENT_ID_BYTES_MAX);
                serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(event.data.get()).unwrap();
            }
            Err(letter) => {
                prop_assert_eq!(&letter.message, &message);
                prop_assert!(!letter.detail.is_empty());
            }
        }
    }

    #[test]
    fn data_is_kept_byte_for_byte_and_reading_is_the_same_each_time(
        extra in "\\PC{0,40}",
        spaces in " {0,3}",
    ) {
        let extra = serde_json::to_string(&extra).unwrap();
        let data = format!(r#"{{{spaces}"orderId" :"o1","orderVersion":{spaces}1,"extra":{extra}}}"#);
        let once = event_of(message("orders.o1", &[], structured(&data)));
        let again = event_of(message("orders.o1", &[], structured(&data)));
        prop_assert_eq!(once.data.get(), &data);
        prop_assert_eq!(content(&once), content(&again));
    }
}
