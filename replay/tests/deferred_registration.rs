//! Deferred registration as the domain's section 4 has it.

mod common;

use common::Desk;
use farelog_events::event::EventKind::*;
use farelog_projections::points::RegistrationKind;
use farelog_projections::points::registration::ReasonCode as R;
use farelog_replay::registration::RegistrationRefused;
use rust_decimal::Decimal;
use serde_json::json;

const PROGRAM: &str = r#"
    id = 1
    reference = "p"
    name = "P"
    [registration]
    window = "P90D"
    [[pointDefinitions]]
    id = 11
    reference = "bought"
    name = { eng = "Bought" }
    trigger = "LineConfirmed"
    amount = 'double(line.price.amount) / 10.0'
    "#;

const ACTIVATED_TOO: &str = r#"
    [[pointDefinitions]]
    id = 12
    reference = "activated"
    name = { eng = "Activated" }
    trigger = "LineActivated"
    amount = '5'
    "#;

const SOLD: &str = "2026-01-01T10:00:00Z";
const NOW: &str = "2026-01-15T10:00:00Z";

fn desk(program: &str) -> Desk {
    let mut desk = Desk::default();
    desk.program(program);
    desk.member(MemberEnrolled, "kari");
    desk.member(MemberEnrolled, "ola");
    desk
}

fn of_line(code: R) -> Vec<(R, Option<String>)> {
    vec![(code, None)]
}

fn of_definition(code: R) -> Vec<(R, Option<String>)> {
    vec![(code, Some("bought".to_owned()))]
}

#[test]
fn a_line_without_a_customer_gives_its_points_as_if_the_customer_had_been_known() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    assert_eq!(desk.transactions("o"), []);

    let granted = desk.register("o", "kari", NOW).unwrap();

    assert_eq!(granted.len(), 1);
    assert_eq!(granted[0].amount, Decimal::from(39));
    let transactions = desk.transactions("o");
    assert_eq!(granted[0].transactions, transactions);
    assert_eq!(transactions[0].valid_from, common::time(SOLD));
    assert_eq!(
        transactions[0].metadata.registration,
        RegistrationKind::Deferred
    );
}

#[test]
fn a_dry_run_gives_the_same_without_ids_and_changes_nothing() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    let dry = desk.dry_run("o", "kari", NOW).unwrap().granted;
    assert_eq!(desk.transactions("o"), []);

    let mut real = desk.register("o", "kari", NOW).unwrap();
    for transaction in real.iter_mut().flat_map(|g| &mut g.transactions) {
        assert!(transaction.id.take().is_some());
        assert!(transaction.created_at.take().is_some());
    }
    assert_eq!(dry, real);
}

#[test]
fn the_same_registration_again_gives_the_first_answer_as_it_stands_now_before_any_refusal_is_looked_for()
 {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    let first = desk.register("o", "kari", NOW).unwrap();
    // Also when the window has closed and the customer has left since
    desk.member(MemberWithdrawn, "kari");
    let again = desk.dry_run("o", "kari", "2027-01-01T00:00:00Z").unwrap();
    assert!(again.event.is_none());
    assert_eq!(again.granted, first);
}

#[test]
fn what_settles_the_whole_line_stands_alone() {
    let mut desk = desk(PROGRAM);
    assert_eq!(desk.refusal("o", "stranger", NOW), of_line(R::OrderUnknown));

    desk.event(
        OrderCreated,
        SOLD,
        &json!({"orderId": "o", "orderVersion": 1, "organisationId": 1, "currency": "NOK"}),
    );
    assert_eq!(
        desk.refusal("o", "stranger", NOW),
        of_line(R::OrderLineUnknown)
    );

    desk.opens("p", SOLD);
    assert_eq!(desk.refusal("p", "stranger", NOW), of_line(R::NotConfirmed));

    desk.sells("q", SOLD);
    assert_eq!(
        desk.refusal("q", "stranger", NOW),
        of_line(R::CustomerNotMember)
    );

    desk.register("q", "kari", NOW).unwrap();
    assert_eq!(
        desk.refusal("q", "ola", NOW),
        of_line(R::RegisteredToAnother)
    );

    let error = desk.dry_run("q", "kari", NOW);
    assert!(error.is_ok());
    let mut unknown = common::command("q", "kari");
    unknown.program_id = farelog_events::id::ProgramId::new(9).unwrap();
    let context = farelog_replay::registration::DecisionContext {
        head: 0,
        now: common::time(NOW),
        correlation_id: None,
    };
    let refused = farelog_replay::registration::register(&desk.projections, &context, &unknown);
    assert!(matches!(
        refused,
        Err(RegistrationRefused::UnknownProgram(_))
    ));
}

#[test]
fn a_customer_who_left_is_no_member() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    desk.member(MemberWithdrawn, "kari");
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        of_line(R::CustomerNotMember)
    );
    desk.member(MemberEnrolled, "kari");
    assert!(desk.dry_run("o", "kari", NOW).is_ok());
}

#[test]
fn the_window_counts_from_the_trigger_to_the_request() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    // 90 days after 1 January 10:00 is 1 April 10:00
    assert!(desk.dry_run("o", "kari", "2026-04-01T10:00:00Z").is_ok());
    assert_eq!(
        desk.refusal("o", "kari", "2026-04-01T10:00:01Z"),
        of_definition(R::WindowClosed)
    );
}

#[test]
fn a_program_may_ask_for_membership_at_the_trigger() {
    let asks = PROGRAM.replace("window = \"P90D\"", "requireMembershipAtTrigger = true");
    let mut desk = Desk::default();
    desk.program(&asks);
    desk.member(MemberEnrolled, "ola");
    desk.sells("o", SOLD);
    desk.member(MemberEnrolled, "kari");
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        of_definition(R::NotMemberAtTrigger)
    );
    assert!(desk.dry_run("o", "ola", NOW).is_ok());
}

#[test]
fn a_program_that_was_inactive_or_not_published_at_the_trigger_gives_nothing() {
    let mut desk = Desk::default();
    desk.sells("before", SOLD);
    desk.program(&PROGRAM.replacen("name", "active = false\nname", 1));
    desk.sells("inactive", SOLD);
    desk.program(PROGRAM);
    desk.member(MemberEnrolled, "kari");
    assert_eq!(
        desk.refusal("before", "kari", NOW),
        of_line(R::ProgramInactive)
    );
    assert_eq!(
        desk.refusal("inactive", "kari", NOW),
        of_line(R::ProgramInactive)
    );
}

#[test]
fn a_line_that_ended_or_was_refunded_gives_nothing() {
    let mut desk = desk(PROGRAM);
    desk.sells("c", SOLD);
    desk.on_line(OrderLineCancelled, "c", "2026-01-02T10:00:00Z", &json!({}));
    assert_eq!(
        desk.refusal("c", "kari", NOW),
        of_definition(R::LineCancelled)
    );

    desk.sells("r", SOLD);
    let refund = |amount: &str| json!({"refund": {"amount": amount, "currency": "NOK"}});
    desk.on_line(
        OrderLineRefunded,
        "r",
        "2026-01-02T10:00:00Z",
        &refund("100.00"),
    );
    assert_eq!(
        desk.dry_run("r", "kari", NOW).unwrap().granted[0].amount,
        Decimal::from(29)
    );
    desk.on_line(
        OrderLineRefunded,
        "r",
        "2026-01-03T10:00:00Z",
        &refund("299.00"),
    );
    assert_eq!(desk.refusal("r", "kari", NOW), of_definition(R::Refunded));
}

#[test]
fn points_that_went_to_a_customer_without_registration_stay_there() {
    let mut desk = desk(PROGRAM);
    desk.opens("o", SOLD);
    desk.event(
        OrderCreated,
        "2026-01-01T10:00:01Z",
        &json!({"orderId": "o", "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": "ola"}),
    );
    desk.event(
        OrderConfirmed,
        "2026-01-01T10:01:00Z",
        &json!({"orderId": "o", "orderVersion": 1}),
    );
    assert_eq!(desk.transactions("o").len(), 1);
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        of_definition(R::AlreadyEarned)
    );
    assert_eq!(
        desk.refusal("o", "ola", NOW),
        of_definition(R::AlreadyEarned)
    );
}

#[test]
fn a_definition_that_does_not_match_and_one_whose_trigger_has_not_come() {
    let mut desk =
        desk(&PROGRAM.replace("amount =", "when = 'line.userType == \"CHILD\"'\namount ="));
    desk.sells("o", SOLD);
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        of_line(R::NoDefinitionMatched)
    );

    let mut desk = self::desk(&PROGRAM.replace("LineConfirmed", "LineActivated"));
    desk.sells("o", SOLD);
    assert_eq!(
        desk.refusal("o", "kari", NOW),
        of_definition(R::NotTriggered)
    );
}

#[test]
fn points_that_would_have_expired_by_now_are_not_given() {
    let mut desk = desk(&PROGRAM.replace(
        "amount =",
        "expiry = { kind = \"DURATION\", after = \"P10D\" }\namount =",
    ));
    desk.sells("o", SOLD);
    assert!(desk.dry_run("o", "kari", "2026-01-11T09:59:59Z").is_ok());
    assert_eq!(
        desk.refusal("o", "kari", "2026-01-11T10:00:00Z"),
        of_definition(R::Expired)
    );
}

#[test]
fn every_reason_that_applies_is_listed() {
    let mut desk = desk(&PROGRAM.replace(
        "amount =",
        "expiry = { kind = \"DURATION\", after = \"P10D\" }\namount =",
    ));
    desk.sells("o", SOLD);
    desk.on_line(OrderLineCancelled, "o", "2026-01-02T10:00:00Z", &json!({}));
    let codes: Vec<R> = desk
        .refusal("o", "kari", "2026-08-01T10:00:00Z")
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(codes, [R::WindowClosed, R::Expired, R::LineCancelled]);
}

#[test]
fn later_events_of_a_registered_line_act_on_its_points_whatever_they_say_of_the_customer() {
    let mut desk = desk(&format!("{PROGRAM}{ACTIVATED_TOO}"));
    desk.sells("o", SOLD);
    let granted = desk.register("o", "kari", NOW).unwrap();
    let kari = granted[0].transactions[0].member_id;

    // An activation gives more
    desk.event(
        TicketActivated,
        "2026-01-16T10:00:00Z",
        &json!({"orderId": "o", "orderLineId": "a", "activatedAt": "2026-01-16T09:00:00Z"}),
    );
    let transactions = desk.transactions("o");
    assert_eq!(transactions.len(), 2);
    assert_eq!(
        (transactions[1].member_id, transactions[1].amount),
        (kari, Decimal::from(5))
    );

    // A change to another customer moves nothing
    desk.event(
        OrderLineChanged,
        "2026-01-17T10:00:00Z",
        &json!({
            "orderId": "o", "orderVersion": 2, "orderLineId": "a", "orderLineVersion": 2, "customerId": "ola",
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "399.00", "currency": "NOK"}, "userType": "ADULT"
        }),
    );
    desk.event(
        OrderConfirmed,
        "2026-01-17T10:01:00Z",
        &json!({"orderId": "o", "orderVersion": 2}),
    );
    assert_eq!(desk.transactions("o"), transactions);

    // A refund takes from it, and the same registration again shows that
    desk.on_line(
        OrderLineRefunded,
        "o",
        "2026-01-18T10:00:00Z",
        &json!({"refund": {"amount": "399.00", "currency": "NOK"}}),
    );
    let again = desk.dry_run("o", "kari", NOW).unwrap();
    assert_eq!(
        again.granted.iter().map(|g| g.amount).sum::<Decimal>(),
        Decimal::ZERO
    );
    assert_eq!(
        again
            .granted
            .iter()
            .map(|g| g.transactions.len())
            .sum::<usize>(),
        2
    );
}

#[test]
fn a_definition_refused_for_good_stays_refused_and_others_may_match_later() {
    let mut desk = desk(&format!("{PROGRAM}{ACTIVATED_TOO}"));
    desk.sells("o", SOLD);
    desk.event(
        TicketActivated,
        "2026-03-01T10:00:00Z",
        &json!({"orderId": "o", "orderLineId": "a", "activatedAt": "2026-03-01T10:00:00Z"}),
    );
    // 15 April: the purchase's window has closed, the activation's has not
    let granted = desk.register("o", "kari", "2026-04-15T10:00:00Z").unwrap();
    assert_eq!(granted.len(), 1);
    assert_eq!(
        granted[0].point_definition_reference.as_deref(),
        Some("activated")
    );

    // A later change of the line does not open it again
    desk.event(
        OrderLineChanged,
        "2026-04-16T10:00:00Z",
        &json!({
            "orderId": "o", "orderVersion": 2, "orderLineId": "a", "orderLineVersion": 2, "customerId": "kari",
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "500.00", "currency": "NOK"}, "userType": "ADULT"
        }),
    );
    desk.event(
        OrderConfirmed,
        "2026-04-16T10:01:00Z",
        &json!({"orderId": "o", "orderVersion": 2}),
    );
    let transactions = desk.transactions("o");
    assert_eq!(transactions.len(), 1, "{transactions:?}");
}

/// A revocation once left the points with the registered customer where the order's own events had meanwhile named the
/// same one: member and amount agreed, so nothing was settled. The row went on as deferred, so that registering the
/// customer again was refused without a reason, and another customer could take the points.
#[test]
fn a_revoked_registration_of_the_customer_who_is_on_the_line_by_now_becomes_automatic() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    desk.register("o", "kari", NOW).unwrap();
    desk.event(
        OrderLineChanged,
        "2026-01-16T09:00:00Z",
        &json!({
            "orderId": "o", "orderVersion": 2, "orderLineId": "a", "orderLineVersion": 2, "customerId": "kari",
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "399.00", "currency": "NOK"}, "userType": "ADULT"
        }),
    );
    desk.event(
        OrderConfirmed,
        "2026-01-16T09:01:00Z",
        &json!({"orderId": "o", "orderVersion": 2}),
    );

    assert!(desk.revoke("o", "2026-01-16T10:00:00Z").unwrap());

    let [deferred, automatic] = desk.transactions("o").try_into().unwrap();
    assert_eq!(
        deferred.cancelled_at,
        Some(common::time("2026-01-16T10:00:00Z"))
    );
    assert_eq!(automatic.metadata.registration, RegistrationKind::Automatic);
    assert_eq!(automatic.metadata.replaces, deferred.id);
    assert_eq!(automatic.member_id, deferred.member_id);
    for customer in ["kari", "ola"] {
        assert_eq!(
            desk.refusal("o", customer, "2026-01-17T10:00:00Z"),
            of_definition(R::AlreadyEarned)
        );
    }
}

#[test]
fn a_refund_is_listed_beside_the_end_of_the_line() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    let refund = json!({"refund": {"amount": "399.00", "currency": "NOK"}});
    desk.on_line(OrderLineRefunded, "o", "2026-01-02T10:00:00Z", &refund);
    desk.on_line(OrderLineCancelled, "o", "2026-01-02T10:00:00Z", &json!({}));
    let codes: Vec<R> = desk
        .refusal("o", "kari", NOW)
        .into_iter()
        .map(|(code, _)| code)
        .collect();
    assert_eq!(codes, [R::LineCancelled, R::Refunded]);
}

#[test]
fn an_inactive_program_is_said_to_be_so_also_where_the_trigger_has_not_come() {
    let inactive = PROGRAM
        .replacen("name", "active = false\nname", 1)
        .replace("LineConfirmed", "PaymentCaptured");
    let mut desk = desk(&inactive);
    desk.sells("o", SOLD);
    assert_eq!(desk.refusal("o", "kari", NOW), of_line(R::ProgramInactive));
}

#[test]
fn a_trigger_after_the_registration_gives_to_the_registered_member_even_one_who_has_left() {
    let mut desk = desk(&format!("{PROGRAM}{ACTIVATED_TOO}"));
    desk.sells("o", SOLD);
    desk.register("o", "kari", NOW).unwrap();
    desk.member(MemberWithdrawn, "kari");
    desk.event(
        TicketActivated,
        "2026-01-16T10:00:00Z",
        &json!({"orderId": "o", "orderLineId": "a", "activatedAt": "2026-01-16T09:00:00Z"}),
    );
    let transactions = desk.transactions("o");
    assert_eq!(transactions.len(), 2);
    assert_eq!(transactions[0].member_id, transactions[1].member_id);
}

#[test]
fn a_revoked_registration_leaves_the_line_free() {
    let mut desk = desk(PROGRAM);
    desk.sells("o", SOLD);
    assert!(matches!(
        desk.revoke("o", NOW),
        Err(RegistrationRefused::NotRegistered)
    ));
    desk.register("o", "kari", NOW).unwrap();
    assert!(desk.revoke("o", "2026-01-16T10:00:00Z").unwrap());
    assert!(
        !desk.revoke("o", "2026-01-16T11:00:00Z").unwrap(),
        "a repeat records nothing"
    );
    let transactions = desk.transactions("o");
    assert_eq!(
        transactions[0].cancelled_at,
        Some(common::time("2026-01-16T10:00:00Z"))
    );

    // Ola can have it now; at no time do both count
    let granted = desk.register("o", "ola", "2026-01-17T10:00:00Z").unwrap();
    let replacement = &granted[0].transactions[0];
    assert_eq!(granted[0].transactions.len(), 1);
    assert_eq!(replacement.metadata.replaces, transactions[0].id);
    assert_eq!(replacement.valid_from, common::time("2026-01-16T10:00:00Z"));
}
