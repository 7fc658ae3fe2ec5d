//! The points of an order are a function of the set of its events, not of the order in which they came (domain,
//! section 3, rules 6 and 7): generated histories, told in any order.

mod common;

use common::{Story, Told};
use farelog_events::event::EventKind;
use farelog_projections::document::OrderDocument;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};

/// One definition for each trigger, with another reversal each.
const PROGRAM: &str = r#"
    id = 1
    reference = "all"
    name = "All triggers"
    [[pointDefinitions]]
    id = 11
    reference = "confirmed"
    name = { eng = "Confirmed" }
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    expiry = { kind = "DURATION", after = "P30D" }
    [[pointDefinitions]]
    id = 12
    reference = "activated"
    name = { eng = "Activated" }
    trigger = "LineActivated"
    amount = '5'
    reversal = { onCancel = "KEEP", onRefund = "KEEP" }
    [[pointDefinitions]]
    id = 13
    reference = "captured"
    name = { eng = "Captured" }
    trigger = "PaymentCaptured"
    amount = '7'
    reversal = { onCancel = "KEEP", onRefund = "CANCEL" }
    [[pointDefinitions]]
    id = 14
    reference = "kept"
    name = { eng = "Kept" }
    trigger = "LineConfirmed"
    when = 'line.price.minorUnits >= 10000'
    amount = '3'
    reversal = { onCancel = "KEEP", onRefund = "PROPORTIONAL" }
    "#;

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
            let mut data = common::line("o", line, &format!("{}.00", tens * 10));
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
fn history() -> impl Strategy<Value = Vec<Told>> {
    prop::collection::vec((data(), 0..12_u32), 1..14).prop_map(|events| {
        events
            .into_iter()
            .enumerate()
            .map(|(number, ((kind, data), minute))| Told {
                kind,
                time: common::time(&format!("2026-01-01T10:{minute:02}:00Z")),
                id: format!("e{number:02}"),
                data,
            })
            .collect()
    })
}

fn history_and_shuffle() -> impl Strategy<Value = (Vec<Told>, Vec<Told>)> {
    history().prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle()))
}

fn stage() -> Story {
    let mut story = Story::default();
    let program = story.program(PROGRAM);
    story.enroll(program, "kari");
    story.enroll(program, "ola");
    story
}

/// What counts for whom, and why: of each chain the transaction that is not cancelled.
fn live(story: &Story) -> Vec<(String, i64, Decimal)> {
    story
        .orders
        .values()
        .flat_map(|order| order.ledger.chains())
        .filter_map(|chain| {
            let live = chain.live()?;
            Some((
                format!("{:?}", chain.slot),
                live.member_id.get(),
                live.amount,
            ))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_order_of_arrival_ends_in_the_same_live_amounts((one, other) in history_and_shuffle()) {
        let mut first = stage();
        let mut second = stage();
        first.tell_all(&one);
        second.tell_all(&other);
        prop_assert_eq!(live(&first), live(&second));
    }

    #[test]
    fn at_no_time_do_two_of_a_chain_count(history in history()) {
        let mut story = stage();
        story.tell_all(&history);
        for chain in story.orders.values().flat_map(|order| order.ledger.chains()) {
            let rows = chain.transactions();
            for (index, row) in rows.iter().enumerate() {
                for later in &rows[index + 1..] {
                    prop_assert!(later.valid_from >= row.cancelled_at.unwrap(), "{row:?} and {later:?}");
                }
            }
            for pair in rows.windows(2) {
                prop_assert_eq!(pair[1].metadata.replaces, pair[0].id);
                prop_assert!(pair[0].id < pair[1].id);
            }
        }
    }

    #[test]
    fn going_on_from_what_was_stored_gives_the_same_bytes(history in history(), cut in 0..14_usize) {
        let mut whole = stage();
        let mut restarted = stage();
        for (index, told) in history.iter().enumerate() {
            whole.tell(told);
            if index == cut {
                for document in restarted.orders.values_mut() {
                    let stored = serde_json::to_vec(document).unwrap();
                    *document = serde_json::from_slice::<OrderDocument>(&stored).unwrap();
                }
            }
            restarted.tell(told);
        }
        prop_assert_eq!(
            serde_json::to_string(&whole.orders).unwrap(),
            serde_json::to_string(&restarted.orders).unwrap()
        );
    }
}
