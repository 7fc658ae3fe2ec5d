//! The three forms, and what is read of each.

use farelog_events::event::{About, EventKind};

use crate::sample::{DATA, PUBLISHED_AT, at, content, event_of, message, structured};

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

/// Whatever its type, data had to be an object, so that an event of a type that farelog does not know was a dead letter
/// for what its publisher had agreed on with others.
#[test]
fn the_data_of_an_unknown_type_may_be_any_value_or_none() {
    let structured = |data: &str| {
        let body = format!(
            r#"{{"specversion":"1.0","id":"e1","source":"s","type":"OrderWeighed"{data}}}"#
        );
        event_of(message("orders.o1", &[], body))
    };
    let in_binary_mode = |body: &str| {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", "e1"),
            ("ce-source", "s"),
            ("ce-type", "OrderWeighed"),
        ];
        event_of(message("orders.o1", &headers, body))
    };
    for value in [r#""o 2""#, r#"["o2"]"#, "12.50", "true", "null"] {
        let as_domain_event = event_of(message(
            "orders.o1",
            &[],
            format!(r#"{{"type":"OrderWeighed","event":{{"Weighed":{value}}}}}"#),
        ));
        for event in [
            structured(&format!(r#","data":{value}"#)),
            in_binary_mode(value),
            as_domain_event,
        ] {
            assert_eq!(event.data.get(), value);
            assert_eq!(event.about, About::Order("o1".parse().unwrap()));
        }
    }
    let in_base64 = structured(r#","data_base64":"WzEsIDJd""#);
    assert_eq!(in_base64.data.get(), "[1, 2]");
    for without in [structured(""), in_binary_mode("")] {
        assert_eq!(without.data.get(), "null");
    }
}
