//! The data of every kind of event: an object is only read from an object.

#![allow(clippy::unwrap_used, reason = "a test fails where it unwraps")]

use farelog_events::event::{EventKind, decode};
use serde_json::{Value, json};

/// Data of each kind, with every object that the kind can have.
fn sample(kind: EventKind) -> Value {
    use EventKind as K;
    let line = || {
        json!({
            "orderId": "o1", "orderVersion": 1, "orderLineId": "l1", "orderLineVersion": 1,
            "fareProducts": [
                {"id": "p1", "type": "SINGLE", "name": "Single", "main": true},
                {"id": "p2", "type": "BICYCLE"},
            ],
            "price": {"amount": "39.00", "currency": "NOK"},
            "userType": "ADULT", "customerId": "c1", "travellers": 1,
            "validity": {"start": "2026-01-10T08:00:00Z", "end": "2026-01-10T09:30:00Z"},
            "travel": {"fromStopPlace": "A", "toStopPlace": "B", "departureTime": "2026-01-10T08:10:00Z"},
            "distributionDetails": {
                "fulfillmentMethod": "BIFROST", "customerAccountRef": "a", "distributionHolderCustomerId": "c2",
            },
        })
    };
    let round = || json!({"orderId": "o1", "orderVersion": 1});
    let ended = || json!({"orderId": "o1", "orderLineId": "l1", "ticketDistributionId": 7, "reason": "lost"});
    let payment = || json!({"orderId": "o1", "paymentTransactionId": "t1"});
    let membership = || {
        json!({
            "programId": 7, "programReference": "reis", "customerId": "c1", "externalReference": "m1",
            "organisationId": 1, "metadata": {"level": "gold"},
        })
    };
    let registration = || json!({"programId": 7, "orderId": "o1", "orderLineId": "l1", "customerId": "c1", "memberId": 9});
    let settled = || json!({"number": 3, "orderId": "o1"});
    match kind {
        K::OrderCreated => json!({
            "orderId": "o1", "orderVersion": 1, "organisationId": 1, "currency": "NOK",
            "distributionChannelId": "App", "pos": "App", "customerId": "c1",
            "meta": {"pos": "App", "organisationId": 1},
        }),
        K::OrderLineAdded | K::OrderLineChanged => line(),
        K::OrderConfirmed | K::OrderReset | K::OrderCancelled => round(),
        K::OrderPartiallyConfirmed => {
            json!({"orderId": "o1", "orderVersion": 1, "orderLineIds": ["l1"]})
        }
        K::OrderLineCancelled => {
            json!({
                "orderId": "o1", "orderVersion": 1, "orderLineId": "l1", "orderLineVersion": 1,
                "effectiveCancellationDate": "2026-01-10T08:00:00Z",
            })
        }
        K::OrderLineRefunded => json!({
            "orderId": "o1", "orderVersion": 1, "orderLineId": "l1", "orderLineVersion": 1,
            "refund": {"amount": "5.00", "currency": "NOK"},
        }),
        K::OrderLinesReplaced => json!({
            "orderId": "o1", "orderVersion": 1,
            "replacements": [{"originalOrderLineIds": ["l1"], "replacedByOrderLineIds": ["l2"]}],
        }),
        K::TicketActivated => json!({
            "orderId": "o1", "orderLineId": "l1", "activatedAt": "2026-01-10T08:00:00Z",
            "ticketDistributionId": 7,
        }),
        K::PaymentTransactionCaptured
        | K::PaymentTransactionCancelled
        | K::PaymentTransactionRejected => payment(),
        K::TicketDistributionAdded => json!({
            "orderId": "o1", "orderLineId": "l1", "ticketDistributionId": 7, "status": "ACTIVATED",
            "fareContractRef": "f", "customerAccountRef": "a",
        }),
        K::TicketDistributionCancelled
        | K::TicketDistributionCancelledExternally
        | K::TicketDistributionFailed => ended(),
        K::MemberEnrolled | K::MemberUpdated | K::MemberWithdrawn => membership(),
        K::CustomersMerged => json!({"customerId": "c1", "mergedIntoCustomerId": "c2"}),
        K::ProgramPublished => json!({"id": 7}),
        K::DeferredRegistrationAccepted | K::DeferredRegistrationRevoked => registration(),
        K::TicketDistributionGroupsGenerated => {
            json!({"orderId": "o1", "orderVersion": 1, "language": "nob"})
        }
        K::TicketDistributionRequested => json!({
            "orderId": "o1", "ticketDistributionIds": [7],
            "travelCard": {"activate": true, "paymentMeansType": "CARD", "mediaSerialNumberId": "1"},
        }),
        K::DeadLetterRecorded => json!({
            "reason": "no-type", "detail": "type: is missing", "orderId": "o1", "subject": "orders.o1",
            "payload": "e30=", "stream": "ORDERS", "streamSequence": 7, "publishedAt": "2026-01-10T08:00:00Z",
        }),
        K::DeadLetterRetried | K::DeadLetterDiscarded => settled(),
    }
}

/// The fields in a value, by JSON pointer: first those of an object, then those within each.
fn fields(value: &Value, pointer: &str) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, f)| (name.clone(), f)).collect(),
        Value::Array(items) => (0..).map(|i: usize| i.to_string()).zip(items).collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for (name, child) in children {
        let pointer = format!("{pointer}/{name}");
        let within = fields(child, &pointer);
        found.extend(value.is_object().then_some(pointer));
        found.extend(within);
    }
    found
}

/// A line whose products said `"main": null`, as writers of JSON say that they have nothing to say, was once a dead letter.
#[test]
fn null_says_what_an_absent_field_says() {
    let of_others = EventKind::ALL.iter().filter(|kind| !kind.is_own());
    let mut optional = 0;
    for kind in of_others {
        let good = sample(*kind);
        let pointers = fields(&good, "").into_iter();
        // What a publisher keeps about a member is the publisher's.
        for pointer in pointers.filter(|pointer| !pointer.starts_with("/metadata/")) {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let mut absent = good.clone();
            let fields = absent.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            fields.remove(name);
            let mut null = good.clone();
            *null.pointer_mut(&pointer).unwrap() = Value::Null;
            let [absent, null] = [absent, null].map(|data| decode(*kind, &data.to_string()));
            assert_eq!(null.is_ok(), absent.is_ok(), "{kind} {pointer}: {null:?}");
            if let Ok(absent) = absent {
                assert_eq!(null.unwrap(), absent, "{kind} {pointer}");
                optional += 1;
            }
        }
    }
    assert!(optional >= 40, "{optional}");
}

/// The objects in a value, by JSON pointer and by the path that an error names them with.
fn objects(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            found.push((pointer.to_owned(), path.to_owned()));
            for (name, field) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                objects(field, &format!("{pointer}/{name}"), &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(
                    item,
                    &format!("{pointer}/{index}"),
                    &format!("{path}[{index}]"),
                    found,
                );
            }
        }
        _ => {}
    }
}

#[test]
fn a_list_stands_for_no_object_of_any_event() {
    let mut tried = 0;
    for kind in EventKind::ALL {
        let good = sample(*kind);
        decode(*kind, &good.to_string()).unwrap();
        let mut found = Vec::new();
        objects(&good, "", "", &mut found);
        for (pointer, path) in found {
            let values: Vec<Value> = good
                .pointer(&pointer)
                .unwrap()
                .as_object()
                .unwrap()
                .values()
                .cloned()
                .collect();
            let by_position = Value::Array(values);
            for list in [by_position, json!([]), json!([null, null, null, null])] {
                let mut data = good.clone();
                *data.pointer_mut(&pointer).unwrap() = list;
                let error = decode(*kind, &data.to_string()).unwrap_err();
                let field = if path.is_empty() { "data" } else { &path };
                assert_eq!(
                    error.to_string(),
                    format!("{field}: must be an object"),
                    "{kind}: {data}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 3 * EventKind::ALL.len(), "{tried}");
}
