//! Times in the data of events.

use farelog_events::dead_letter::DeadLetterReason as Reason;
use farelog_events::envelope::read;
use farelog_events::event::{EventKind, decode};

use crate::sample::{event_of, message, with};

/// Data of the kinds that have times, with a time in each place, and the places.
const WITH_TIMES: [(EventKind, &str, &[&str]); 4] = [
    (EventKind::OrderLineAdded, LINE, LINE_TIMES),
    (EventKind::OrderLineChanged, LINE, LINE_TIMES),
    (
        EventKind::OrderLineCancelled,
        r#"{"orderId":"o1","orderVersion":1,"orderLineId":"l1","orderLineVersion":1,
            "effectiveCancellationDate":"<effectiveCancellationDate>"}"#,
        &["effectiveCancellationDate"],
    ),
    (
        EventKind::TicketActivated,
        r#"{"orderId":"o1","orderLineId":"l1","activatedAt":"<activatedAt>"}"#,
        &["activatedAt"],
    ),
];

const LINE: &str = r#"{"orderId":"o1","orderVersion":1,"orderLineId":"l1","orderLineVersion":1,
    "fareProducts":[],"price":{"amount":"39.00","currency":"NOK"},
    "validity":{"start":"<validity.start>","end":"<validity.end>"},
    "travel":{"departureTime":"<travel.departureTime>"}}"#;

const LINE_TIMES: &[&str] = &["validity.start", "validity.end", "travel.departureTime"];

const TIME: &str = "2026-01-31T12:00:00Z";

/// The data with `text` in one place, and a time in all others.
fn data(template: &str, places: &[&str], place: &str, text: &str) -> String {
    places.iter().fold(template.to_owned(), |data, other| {
        let text = if *other == place { text } else { TIME };
        data.replace(&format!("<{other}>"), text)
    })
}

/// Only the envelope's own time was read strictly. In data, years of six digits went through into groups and facts,
/// as times that no other system can read; so did all that chrono reads as a time and RFC 3339 does not.
#[test]
fn a_time_in_data_that_rfc_3339_can_not_write_is_a_dead_letter() {
    const SHAPE: &str = "must be a time like 2026-01-31T12:00:00Z";
    for (kind, template, places) in WITH_TIMES {
        for place in places {
            for (text, problem) in [
                ("+262142-12-31T23:59:59Z", SHAPE),
                ("-262143-01-01T00:00:00Z", SHAPE),
                ("2026-1-1T00:00:00Z", SHAPE),
                (" 2026-01-01T00:00:00Z", SHAPE),
                ("2026-01-01T00:00:00+0100", SHAPE),
                ("2026-01-01T00:00:00UTC", SHAPE),
                ("tomorrow", SHAPE),
                (
                    "9999-12-31T23:59:59-23:59",
                    "must be a time of the years 0000 to 9999 in UTC",
                ),
            ] {
                let data = data(template, places, place, text);
                let body = with("type", Some(&format!("\"{kind}\"")))
                    .replace(r#"{"orderId":"o1","orderVersion":1}"#, &data);
                let letter = read(message("orders.o1", &[], body)).content.unwrap_err();
                assert_eq!(letter.reason, Reason::MalformedField);
                assert_eq!(letter.detail, format!("data.{place}: {problem}"), "{text}");
            }
        }
    }
}

#[test]
fn what_a_log_took_in_once_is_still_read() {
    for (kind, template, places) in WITH_TIMES {
        for place in places {
            for text in ["+262142-12-31T23:59:59Z", "2026-1-1T0:0:0 UTC"] {
                decode(kind, &data(template, places, place, text)).unwrap();
            }
        }
    }
}

#[test]
fn fields_that_farelog_has_no_use_for_may_hold_any_text() {
    let activated = r#"{"orderId":"o1","orderLineId":"l1","activatedAt":"2026-01-31T12:00:00Z","start":"at dawn",
        "validity":{"start":"at dawn"},"gate":{"activatedAt":"noon"},"gates":[{"activatedAt":"noon"}]}"#;
    let body = with("type", Some("\"TicketActivated\""))
        .replace(r#"{"orderId":"o1","orderVersion":1}"#, activated);
    assert_eq!(
        event_of(message("orders.o1", &[], body)).data.get(),
        activated
    );
}

#[test]
fn the_time_of_an_event_is_written_with_a_minus_not_with_a_sign_that_looks_like_it() {
    for time in ["2026-01-10T08:00:00\u{2212}01:00", "2026-01-10 08:00:00Z"] {
        let body = with("time", Some(&format!("\"{time}\"")));
        let letter = read(message("orders.o1", &[], body)).content.unwrap_err();
        assert_eq!(
            letter.detail,
            "time: must be an RFC 3339 time with its offset, like 2026-01-10T08:00:00Z"
        );
    }
}
