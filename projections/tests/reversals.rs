//! Cancellations, refunds, exchanges, resets and partial confirmations: what they do to points (domain, section 1 and
//! section 3, rules 1 to 6).

mod common;

use common::{Story, line, time};
use farelog_events::event::EventKind::*;
use farelog_events::id::MemberId;
use rust_decimal::Decimal;
use serde_json::{Value, json};

fn program(reversal: &str, trigger: &str) -> String {
    format!(
        r#"
        id = 1
        reference = "p"
        name = "P"
        [[pointDefinitions]]
        id = 11
        reference = "d"
        name = {{ eng = "D" }}
        trigger = "{trigger}"
        amount = 'line.price.minorUnits / 100'
        reversal = {reversal}
        "#
    )
}

fn stage(reversal: &str, trigger: &str) -> (Story, MemberId) {
    let mut story = Story::default();
    let id = story.program(&program(reversal, trigger));
    let member = story.enroll(id, "kari");
    (story, member)
}

const DEFAULT: &str = "{ }";
const KEEP: &str = r#"{ onCancel = "KEEP" }"#;
const LATER: &str = "2026-06-01T00:00:00Z";

fn points(story: &Story, member: MemberId) -> Decimal {
    story.status(member, LATER)
}

fn opened(owner: &str) -> Value {
    json!({"orderId": "o", "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": owner})
}

fn round(version: u32) -> Value {
    json!({"orderId": "o", "orderVersion": version})
}

fn of_version(mut line: Value, order_version: u32, line_version: u32) -> Value {
    line["orderVersion"] = order_version.into();
    line["orderLineVersion"] = line_version.into();
    line
}

fn cancelled(version: u32) -> Value {
    json!({"orderId": "o", "orderVersion": version, "orderLineId": "a", "orderLineVersion": 1})
}

fn refunded(amount: &str, currency: &str) -> Value {
    json!({
        "orderId": "o", "orderVersion": 1, "orderLineId": "a", "orderLineVersion": 1,
        "refund": {"amount": amount, "currency": currency}
    })
}

#[test]
fn a_line_gives_nothing_before_it_is_confirmed() {
    let (mut story, member) = stage(DEFAULT, "LineConfirmed");
    story.event(OrderCreated, "2026-01-01T10:00:00Z", opened("kari"));
    story.event(
        OrderLineAdded,
        "2026-01-01T10:01:00Z",
        line("o", "a", "40.00"),
    );
    assert_eq!(points(&story, member), Decimal::ZERO);
    story.event(OrderConfirmed, "2026-01-01T10:02:00Z", round(1));
    assert_eq!(points(&story, member), Decimal::from(40));
}

#[test]
fn a_cancelled_line_counts_until_it_was_cancelled() {
    let (mut story, member) = stage(DEFAULT, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(OrderLineCancelled, "2026-01-05T10:00:00Z", cancelled(2));
    assert_eq!(
        story.status(member, "2026-01-05T09:59:59Z"),
        Decimal::from(40)
    );
    assert_eq!(story.status(member, "2026-01-05T10:00:00Z"), Decimal::ZERO);
}

#[test]
fn the_effective_cancellation_date_sets_when_and_nothing_else() {
    let (mut story, _) = stage(DEFAULT, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    let mut data = cancelled(2);
    data["effectiveCancellationDate"] = "2026-01-20T00:00:00Z".into();
    story.event(OrderLineCancelled, "2026-01-05T10:00:00Z", data);
    let transactions = story.transactions("o");
    assert_eq!(
        transactions[0].cancelled_at,
        Some(time("2026-01-20T00:00:00Z"))
    );
}

#[test]
fn keep_keeps_what_was_given_and_gives_nothing_where_the_cancellation_came_first() {
    // Given before the cancellation: kept
    let (mut story, member) = stage(KEEP, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(OrderCancelled, "2026-01-05T10:00:00Z", round(2));
    assert_eq!(points(&story, member), Decimal::from(40));

    // Cancelled before it was confirmed, by version and not by arrival: nothing
    let (mut story, member) = stage(KEEP, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(OrderLineCancelled, "2026-01-01T09:00:00Z", cancelled(1));
    assert_eq!(points(&story, member), Decimal::ZERO);

    // A trigger without a version: by time
    let (mut story, member) = stage(KEEP, "LineActivated");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(OrderLineCancelled, "2026-01-05T10:00:00Z", cancelled(2));
    let activated = |at: &str| json!({"orderId": "o", "orderLineId": "a", "activatedAt": at});
    story.event(
        TicketActivated,
        "2026-01-07T00:00:00Z",
        activated("2026-01-06T00:00:00Z"),
    );
    assert_eq!(points(&story, member), Decimal::ZERO);
    story.event(
        TicketActivated,
        "2026-01-08T00:00:00Z",
        activated("2026-01-04T00:00:00Z"),
    );
    assert_eq!(points(&story, member), Decimal::from(40));
}

#[test]
fn a_line_kept_after_its_end_stays_as_it_was() {
    let (mut story, member) = stage(KEEP, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(OrderLineCancelled, "2026-01-05T10:00:00Z", cancelled(2));
    // When a later round changes the cancelled line, it does not come back
    let changed = of_version(line("o", "a", "90.00"), 3, 2);
    story.event(OrderLineChanged, "2026-01-06T10:00:00Z", changed);
    story.event(OrderConfirmed, "2026-01-06T10:01:00Z", round(3));
    assert_eq!(points(&story, member), Decimal::from(40));
}

#[test]
fn a_change_counts_once_it_is_confirmed_and_a_reset_drops_it() {
    let (mut story, member) = stage(DEFAULT, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    let changed = of_version(line("o", "a", "60.00"), 2, 2);
    story.event(OrderLineChanged, "2026-01-02T10:00:00Z", changed);
    assert_eq!(points(&story, member), Decimal::from(40));
    story.event(OrderReset, "2026-01-02T10:05:00Z", round(2));
    story.event(OrderConfirmed, "2026-01-02T10:06:00Z", round(2));
    assert_eq!(points(&story, member), Decimal::from(40));

    let changed = of_version(line("o", "a", "70.00"), 3, 3);
    story.event(OrderLineChanged, "2026-01-03T10:00:00Z", changed);
    story.event(OrderConfirmed, "2026-01-03T10:01:00Z", round(3));
    assert_eq!(points(&story, member), Decimal::from(70));
    // The trigger is the first confirmation still; only one counts at any time
    let live = story.transactions("o").pop().unwrap();
    assert_eq!(live.valid_from, time("2026-01-03T10:01:00Z"));
    assert_eq!(
        story.status(member, "2026-01-02T00:00:00Z"),
        Decimal::from(40)
    );
}

#[test]
fn a_partial_confirmation_covers_the_named_lines_and_replacements_by_one_of_them() {
    let (mut story, member) = stage(DEFAULT, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    for (id, price) in [("b", "10.00"), ("c", "5.00")] {
        let added = of_version(line("o", id, price), 2, 1);
        story.event(OrderLineAdded, "2026-01-02T10:00:00Z", added);
    }
    story.event(
        OrderLinesReplaced,
        "2026-01-02T10:01:00Z",
        json!({"orderId": "o", "orderVersion": 2, "replacements": [
            {"originalOrderLineIds": ["a"], "replacedByOrderLineIds": ["b", "c"]}
        ]}),
    );
    assert_eq!(points(&story, member), Decimal::from(40));
    story.event(
        OrderPartiallyConfirmed,
        "2026-01-02T10:02:00Z",
        json!({"orderId": "o", "orderVersion": 2, "orderLineIds": ["b"]}),
    );
    assert_eq!(points(&story, member), Decimal::from(10));
    story.event(OrderConfirmed, "2026-01-02T10:03:00Z", round(2));
    assert_eq!(points(&story, member), Decimal::from(15));
}

#[test]
fn refunds_follow_on_refund_alone() {
    for (reversal, left) in [
        (DEFAULT, 30),
        (r#"{ onRefund = "CANCEL" }"#, 0),
        (r#"{ onRefund = "KEEP" }"#, 40),
    ] {
        let (mut story, member) = stage(reversal, "LineConfirmed");
        story.buys(
            "o",
            Some("kari"),
            &line("o", "a", "40.00"),
            "2026-01-01T10:00:00Z",
        );
        story.event(
            OrderLineRefunded,
            "2026-01-05T10:00:00Z",
            refunded("10.00", "NOK"),
        );
        assert_eq!(points(&story, member), Decimal::from(left), "{reversal}");
    }
}

#[test]
fn a_refund_in_another_currency_is_a_rule_error_and_does_not_count() {
    let (mut story, member) = stage(DEFAULT, "LineConfirmed");
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    story.event(
        OrderLineRefunded,
        "2026-01-05T10:00:00Z",
        refunded("10.00", "SEK"),
    );
    assert_eq!(points(&story, member), Decimal::from(40));
    let errors: usize = story
        .orders
        .values()
        .map(|order| order.rule_errors.len())
        .sum();
    assert_eq!(errors, 1);
}

#[test]
fn a_captured_payment_triggers_each_line_that_is_confirmed_at_any_time() {
    let (mut story, member) = stage(DEFAULT, "PaymentCaptured");
    let captured = json!({"orderId": "o", "paymentTransactionId": "p"});
    story.event(PaymentTransactionCaptured, "2026-01-01T08:00:00Z", captured);
    assert_eq!(points(&story, member), Decimal::ZERO);
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    let transactions = story.transactions("o");
    // The later of the capture and the confirmation
    assert_eq!(transactions[0].valid_from, time("2026-01-01T10:00:00Z"));
    assert_eq!(points(&story, member), Decimal::from(40));
}

#[test]
fn points_go_to_the_member_at_the_triggers_place_in_the_log() {
    use farelog_projections::member::MemberChangeKind::{Enrolled, Withdrawn};
    // Given a customer who enrols after the purchase: nothing, also when the order is touched again
    let mut story = Story::default();
    let id = story.program(&program(DEFAULT, "LineConfirmed"));
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    let member = story.member(id, Enrolled, "kari");
    story.event(
        OrderLineRefunded,
        "2026-01-05T10:00:00Z",
        refunded("10.00", "NOK"),
    );
    assert_eq!(points(&story, member), Decimal::ZERO);

    // Given a member who leaves after a purchase: it stays, and a refund still takes from it
    story.buys(
        "b",
        Some("kari"),
        &line("b", "a", "40.00"),
        "2026-01-06T10:00:00Z",
    );
    assert_eq!(story.member(id, Withdrawn, "kari"), member);
    assert_eq!(points(&story, member), Decimal::from(40));
    let mut refund = refunded("10.00", "NOK");
    refund["orderId"] = "b".into();
    story.event(OrderLineRefunded, "2026-01-07T10:00:00Z", refund);
    assert_eq!(points(&story, member), Decimal::from(30));

    // And a purchase after leaving gives nothing, until the member comes back, as the same member
    story.buys(
        "c",
        Some("kari"),
        &line("c", "a", "1.00"),
        "2026-01-08T10:00:00Z",
    );
    assert_eq!(points(&story, member), Decimal::from(30));
    assert_eq!(story.member(id, Enrolled, "kari"), member);
    story.buys(
        "d",
        Some("kari"),
        &line("d", "a", "2.00"),
        "2026-01-09T10:00:00Z",
    );
    assert_eq!(points(&story, member), Decimal::from(32));
}

#[test]
fn a_line_that_changes_hands_moves_its_points() {
    let mut story = Story::default();
    let id = story.program(&program(DEFAULT, "LineConfirmed"));
    let (kari, ola) = (story.enroll(id, "kari"), story.enroll(id, "ola"));
    story.buys(
        "o",
        Some("kari"),
        &line("o", "a", "40.00"),
        "2026-01-01T10:00:00Z",
    );
    let mut changed = of_version(line("o", "a", "40.00"), 2, 2);
    changed["customerId"] = "ola".into();
    story.event(OrderLineChanged, "2026-01-02T10:00:00Z", changed);
    story.event(OrderConfirmed, "2026-01-02T10:01:00Z", round(2));
    assert_eq!(
        (points(&story, kari), points(&story, ola)),
        (Decimal::ZERO, Decimal::from(40))
    );
    assert_eq!(
        story.status(kari, "2026-01-02T10:00:59Z"),
        Decimal::from(40)
    );
    assert_eq!(story.status(ola, "2026-01-02T10:00:59Z"), Decimal::ZERO);
}
