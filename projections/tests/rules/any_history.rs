//! What holds of periods and caps after every event of any history (domain, section 3, rules 6, 7, 9 and 10).

use std::collections::BTreeMap;
use std::convert::Infallible;

use farelog_events::event::EventKind;
use farelog_events::id::{MemberId, OrderId, PointDefinitionId};
use farelog_projections::order::{GrowingState, OrderEvent, OrderState};
use farelog_projections::outbox::points::retell_points;
use farelog_projections::points::chain::Chain;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::json;

use crate::common::history::history;
use crate::common::{Story, Told, time};

/// One definition for each scope of a cap, with another trigger, period and reversal.
const PROGRAM: &str = r#"
    id = 1
    reference = "all"
    name = "All caps"
    timezone = "Europe/Oslo"
    [[pointDefinitions]]
    id = 11
    reference = "per-period"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    period = { kind = "ROLLING_FROM_FIRST", length = "PT4M", key = '{"line": line.orderLineId}' }
    expiry = { kind = "PERIOD_END" }
    cap = { amount = 40, per = "PERIOD" }
    [[pointDefinitions]]
    id = 12
    reference = "per-day"
    trigger = "LineActivated"
    amount = 'double(line.price.amount) / 10.0'
    validFrom = 'trigger.time + duration(line.orderLineId == "L1" ? "0h" : "24h")'
    reversal = { onCancel = "KEEP", onRefund = "PROPORTIONAL" }
    cap = { amount = 40, per = "DAY" }
    [[pointDefinitions]]
    id = 13
    reference = "per-order"
    trigger = "PaymentCaptured"
    amount = 'double(line.price.amount) / 10.0'
    period = { kind = "CALENDAR_MONTH" }
    cap = { amount = 40, per = "ORDER" }
    [[pointDefinitions]]
    id = 14
    reference = "per-member"
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    expiry = { kind = "DURATION", after = "PT3M" }
    cap = { amount = 40.5, per = "MEMBER" }
    "#;

const KARI: i64 = 2 * 4096;
const OLA: i64 = 3 * 4096;

fn cap_of(definition: PointDefinitionId) -> Decimal {
    match definition.get() {
        14 => Decimal::new(405, 1),
        _ => Decimal::from(40),
    }
}

fn stage() -> Story {
    let mut story = Story::default();
    let program = story.program(PROGRAM);
    assert_eq!(story.enroll(program, "kari").get(), KARI);
    assert_eq!(story.enroll(program, "ola").get(), OLA);
    story
}

/// The history as one of this order; where `only` is given, of this customer alone.
fn of_order(history: Vec<Told>, order: &str, only: Option<&str>) -> Vec<Told> {
    history
        .into_iter()
        .map(|mut told| {
            told.id = format!("{order}-{}", told.id);
            told.data["orderId"] = order.into();
            if let (Some(only), Some("kari" | "ola")) = (only, told.data["customerId"].as_str()) {
                told.data["customerId"] = only.into();
            }
            told
        })
        .collect()
}

/// What becomes of claims to lines, without a decision before it: some are registered twice, or before they are confirmed.
fn claims() -> impl Strategy<Value = Vec<Told>> {
    let claim = (0..3_u8, 1..4_u8, any::<bool>(), any::<bool>());
    prop::collection::vec(claim, 0..6).prop_map(|claims| {
        let mut told = Vec::new();
        for (number, (order, line, is_karis, is_revoked)) in claims.into_iter().enumerate() {
            let mut claim = |kind: EventKind| {
                told.push(Told {
                    kind,
                    time: time("2026-01-01T10:15:00Z"),
                    id: format!("{kind}-{number}"),
                    data: json!({
                        "programId": 1, "orderId": format!("o{}", order + 1), "orderLineId": format!("L{line}"),
                        "customerId": if is_karis { "kari" } else { "ola" },
                        "memberId": if is_karis { KARI } else { OLA }
                    }),
                });
            };
            claim(EventKind::DeferredRegistrationAccepted);
            if is_revoked {
                claim(EventKind::DeferredRegistrationRevoked);
            }
        }
        told
    })
}

/// Histories of three orders, and claims to their lines, told in any order.
pub fn histories() -> impl Strategy<Value = Vec<Told>> {
    let orders = [history(), history(), history()];
    (orders, claims())
        .prop_map(|(histories, claims)| {
            let mut all = claims;
            for (history, order) in histories.into_iter().zip(["o1", "o2", "o3"]) {
                all.extend(of_order(history, order, None));
            }
            all
        })
        .prop_shuffle()
}

/// What is counted together: member, definition, and the period, day or order.
type Scope = (MemberId, PointDefinitionId, String);

fn live_by_scope(story: &Story) -> BTreeMap<Scope, Decimal> {
    let mut sums = BTreeMap::new();
    for (order, chain) in chains(story) {
        let Some(live) = chain.live() else { continue };
        let mut rows = chain.transactions().iter();
        let first = rows.find(|it| it.member_id == live.member_id).unwrap();
        let scope = match chain.slot.point_definition_id.get() {
            11 => live.point_period_id.unwrap().to_string(),
            12 => (first.valid_from + chrono::TimeDelta::hours(1))
                .date_naive()
                .to_string(),
            13 => order.to_string(),
            _ => String::new(),
        };
        let key = (live.member_id, chain.slot.point_definition_id, scope);
        *sums.entry(key).or_insert(Decimal::ZERO) += live.amount;
    }
    sums
}

fn chains(story: &Story) -> impl Iterator<Item = (&OrderId, &Chain)> {
    story
        .orders
        .iter()
        .flat_map(|(id, order)| order.ledger.chains().iter().map(move |chain| (id, chain)))
}

/// A chain's rows, without ids: those are made of places in the log.
fn rows(story: &Story) -> Vec<String> {
    let mut rows = Vec::new();
    for (order, chain) in chains(story) {
        for row in chain.transactions() {
            let period = story
                .accounts
                .periods
                .values()
                .flatten()
                .find(|period| Some(period.id) == row.point_period_id)
                .map(|period| (period.from, period.to));
            rows.push(format!(
                "{order} {:?} {} {} {} {:?} {:?} {period:?}",
                chain.slot,
                row.member_id,
                row.amount,
                row.valid_from,
                row.expire_at,
                row.cancelled_at
            ));
        }
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_cap_is_passed_at_any_step_and_no_two_of_a_chain_count(histories in histories()) {
        let mut story = stage();
        for told in &histories {
            story.tell(told);
            for ((member, definition, scope), sum) in live_by_scope(&story) {
                prop_assert!(sum > Decimal::ZERO);
                prop_assert!(sum <= cap_of(definition), "{member} {definition} {scope}: {sum}");
            }
        }
        for (_, chain) in chains(&story) {
            for (index, row) in chain.transactions().iter().enumerate() {
                prop_assert!(row.amount > Decimal::ZERO);
                for later in &chain.transactions()[index + 1..] {
                    prop_assert!(later.valid_from >= row.cancelled_at.unwrap());
                    if later.member_id == row.member_id {
                        prop_assert_eq!(later.point_period_id, row.point_period_id);
                        prop_assert_eq!(later.expire_at, row.expire_at);
                    }
                }
            }
        }
    }

    #[test]
    fn the_sums_that_are_kept_are_those_of_what_is_live(histories in histories()) {
        let mut story = stage();
        story.tell_all(&histories);
        let kept: Decimal = story.accounts.tallies.values().copied().sum();
        let live: Decimal = live_by_scope(&story)
            .into_iter()
            .filter(|((_, definition, _), _)| definition.get() != 13)
            .map(|(_, sum)| sum)
            .sum();
        prop_assert_eq!(kept, live);
    }

    #[test]
    fn other_members_orders_in_between_change_nothing(
        (of_kari, of_ola, mixed) in (history(), history()).prop_flat_map(|(one, other)| {
            let one = of_order(one, "o1", Some("kari"));
            let other = of_order(other, "o2", Some("ola"));
            let turns: Vec<bool> = one.iter().map(|_| true).chain(other.iter().map(|_| false)).collect();
            (Just(one), Just(other), Just(turns).prop_shuffle())
        })
    ) {
        let mut apart = stage();
        apart.tell_all(&of_kari);
        apart.tell_all(&of_ola);
        let mut together = stage();
        let (mut of_kari, mut of_ola) = (of_kari.iter(), of_ola.iter());
        for is_karis in mixed {
            let next = if is_karis { of_kari.next() } else { of_ola.next() };
            together.tell(next.unwrap());
        }
        prop_assert_eq!(rows(&apart), rows(&together));
    }

    #[test]
    fn an_event_that_changes_nothing_wanted_changes_no_points(histories in histories()) {
        let mut story = stage();
        story.tell_all(&histories);
        let before = rows(&story);
        for order in ["o1", "o2", "o3"] {
            let id = format!("{order}-again");
            let data = json!({"orderId": order, "orderVersion": 9});
            let time = time("2026-02-01T00:00:00Z");
            story.tell(&Told { kind: EventKind::OrderReset, time, id, data });
        }
        prop_assert_eq!(before, rows(&story));
    }

    /// A timeline tells what went out from what the ledger remembers.
    #[test]
    fn points_facts_are_told_again_as_they_were_told(histories in histories()) {
        let mut story = stage();
        story.tell_all(&histories);
        for (order, document) in &story.orders {
            let mut again = Vec::new();
            let nobody = |_, _| Ok::<_, Infallible>(None);
            let Ok(()) = retell_points(order, &document.ledger, nobody, |position, fact| {
                again.push((position, serde_json::to_string(fact).unwrap()));
                Ok(())
            });
            prop_assert_eq!(&again, &story.points_told[order]);
        }
    }

    #[test]
    fn an_order_that_grows_stands_where_folding_it_anew_has_it(
        histories in histories(),
        in_sequence in any::<bool>(),
        at_once in 1..5_usize,
    ) {
        let mut story = stage();
        story.tell_all(&histories);
        for document in story.orders.values() {
            let mut events = document.events.clone();
            if in_sequence {
                put_in_sequence(&mut events);
            }
            let mut growing = GrowingState::default();
            for length in (0..=events.len()).step_by(at_once) {
                let grown = format!("{:?}", growing.grow(&events[..length]));
                prop_assert_eq!(grown, format!("{:?}", OrderState::fold(&events[..length])));
            }
        }
    }
}

/// As if all that have a place in the sequence had arrived in it; the others stay where they are.
fn put_in_sequence(events: &mut [OrderEvent]) {
    let is_in = |event: &OrderEvent| event.place_in_sequence().is_some();
    let mut sequence: Vec<OrderEvent> = events.iter().filter(|it| is_in(it)).cloned().collect();
    sequence.sort_by(|a, b| a.place_in_sequence().cmp(&b.place_in_sequence()));
    let places = events.iter_mut().filter(|event| is_in(event));
    for (place, event) in places.zip(sequence) {
        *place = event;
    }
}
