//! Messages of any kind.

use farelog_events::dead_letter::RawMessage;
use farelog_events::envelope::{EVENT_ID_BYTES_MAX, read};
use proptest::prelude::*;

use crate::sample::{DATA, content, event_of, message, structured};

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
                let data: serde_json::Value = serde_json::from_str(event.data.get()).unwrap();
                prop_assert!(event.kind().is_none() || data.is_object());
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
