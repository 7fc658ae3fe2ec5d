//! Generated histories of one order, with rounds, exchanges, refunds and cancellations in any order.

use farelog_events::event::EventKind;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::Told;

fn line_id() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("L1"), Just("L2"), Just("L3")]
}

fn customer() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        3 => Just(Some("kari")),
        2 => Just(Some("ola")),
        1 => Just(Some("stranger")),
        2 => Just(None),
    ]
}

fn line_data() -> impl Strategy<Value = Value> {
    (line_id(), 1..4_u32, 1..4_u32, 0..40_u32, customer()).prop_map(
        |(line, order_version, line_version, tens, customer)| {
            let mut data = super::line("o", line, &format!("{}.00", tens * 10));
            data["orderVersion"] = order_version.into();
            data["orderLineVersion"] = line_version.into();
            if let Some(customer) = customer {
                data["customerId"] = customer.into();
            }
            data
        },
    )
}

fn data() -> impl Strategy<Value = (EventKind, Value)> {
    use EventKind as K;
    let version = || 1..4_u32;
    let round = |kind: EventKind| {
        version().prop_map(move |v| (kind, json!({"orderId": "o", "orderVersion": v})))
    };
    prop_oneof![
        2 => (version(), customer()).prop_map(|(v, customer)| {
            let mut data = json!({"orderId": "o", "orderVersion": v, "organisationId": 1, "currency": "NOK"});
            if let Some(customer) = customer {
                data["customerId"] = customer.into();
            }
            (K::OrderCreated, data)
        }),
        6 => line_data().prop_map(|data| (K::OrderLineAdded, data)),
        3 => line_data().prop_map(|data| (K::OrderLineChanged, data)),
        5 => round(K::OrderConfirmed),
        2 => (version(), prop::collection::vec(line_id(), 1..3)).prop_map(|(v, lines)| {
            (K::OrderPartiallyConfirmed, json!({"orderId": "o", "orderVersion": v, "orderLineIds": lines}))
        }),
        1 => round(K::OrderReset),
        1 => round(K::OrderCancelled),
        2 => (version(), line_id(), any::<bool>()).prop_map(|(v, line, effective)| {
            let mut data = json!({"orderId": "o", "orderVersion": v, "orderLineId": line, "orderLineVersion": 1});
            if effective {
                data["effectiveCancellationDate"] = "2026-01-20T00:00:00Z".into();
            }
            (K::OrderLineCancelled, data)
        }),
        3 => (version(), line_id(), 0..20_u32, prop_oneof![4 => Just("NOK"), 1 => Just("SEK")]).prop_map(
            |(v, line, tens, currency)| {
                let refund = json!({"amount": format!("{}.50", tens * 10), "currency": currency});
                (K::OrderLineRefunded, json!({
                    "orderId": "o", "orderVersion": v, "orderLineId": line, "orderLineVersion": 1, "refund": refund
                }))
            }
        ),
        2 => (version(), line_id(), line_id()).prop_map(|(v, from, to)| {
            (K::OrderLinesReplaced, json!({"orderId": "o", "orderVersion": v, "replacements": [
                {"originalOrderLineIds": [from], "replacedByOrderLineIds": [to]}
            ]}))
        }),
        2 => (line_id(), 0..20_u32).prop_map(|(line, minute)| {
            (K::TicketActivated, json!({
                "orderId": "o", "orderLineId": line, "activatedAt": format!("2026-01-01T10:{minute:02}:00Z")
            }))
        }),
        2 => Just((K::PaymentTransactionCaptured, json!({"orderId": "o", "paymentTransactionId": "p"}))),
        1 => Just((K::PaymentTransactionRejected, json!({"orderId": "o", "paymentTransactionId": "p"}))),
    ]
}

/// Events of one order, with few enough moments that many fall together.
pub fn history() -> impl Strategy<Value = Vec<Told>> {
    prop::collection::vec((data(), 0..12_u32), 1..14).prop_map(|events| {
        events
            .into_iter()
            .enumerate()
            .map(|(number, ((kind, data), minute))| Told {
                kind,
                time: super::time(&format!("2026-01-01T10:{minute:02}:00Z")),
                id: format!("e{number:02}"),
                data,
            })
            .collect()
    })
}
