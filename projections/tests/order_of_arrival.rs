//! The points of an order are a function of the set of its events, not of the order in which they came (domain,
//! section 3, rules 6 and 7): generated histories, told in any order.

mod common;

use common::history::history;
use common::{Story, Told};
use farelog_projections::stored_order;
use proptest::prelude::*;
use rust_decimal::Decimal;

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
                    let stored = stored_order::encode(document).unwrap();
                    *document = stored_order::decode(&stored).unwrap();
                }
            }
            restarted.tell(told);
        }
        let stored = |stage: &Story| -> Vec<Vec<u8>> {
            stage.orders.values().map(|order| stored_order::encode(order).unwrap()).collect()
        };
        prop_assert!(stored(&whole) == stored(&restarted));
    }
}
