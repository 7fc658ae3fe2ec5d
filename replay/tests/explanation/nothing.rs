//! Each reason for nothing, once.

use farelog_events::event::EventKind;
use farelog_projections::program::ExpressionField;
use farelog_replay::explanation::{LineStanding, WhyNothing};
use serde_json::json;

use crate::common::Desk;
use crate::given::{
    AT, LATER, desk, line, nothing, opens, per_ten, program, refunds, seen, sells_to, told,
};

#[test]
fn a_line_that_is_not_confirmed_has_nothing() {
    let mut desk = desk(&per_ten(""));
    opens(&mut desk, "O1", "C1");
    assert_eq!(line(&desk, "O1").standing, LineStanding::NotConfirmed);
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NotConfirmed,
            "Nothing: the line is not confirmed.".to_owned()
        )
    );
}

#[test]
fn a_trigger_may_not_have_come() {
    let mut desk = desk(&program("trigger = 'LineActivated'\namount = '1'"));
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NotTriggered,
            "Nothing yet: it waits for LineActivated, which has not come.".to_owned()
        )
    );
}

#[test]
fn a_program_may_have_come_later() {
    let mut desk = Desk::default();
    sells_to(&mut desk, "O1", "C1");
    desk.program(&per_ten(""));
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::ProgramNotPublished,
            "Nothing: the program was published at position 4, after the line's LineConfirmed at 3."
                .to_owned()
        )
    );
}

#[test]
fn a_program_may_be_inactive() {
    let inactive = per_ten("").replace("name = 'One'", "name = 'One'\nactive = false");
    let mut desk = desk(&inactive);
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::ProgramInactive,
            "Nothing: version 1 of the program, which stood when LineConfirmed came, is inactive."
                .to_owned()
        )
    );
}

#[test]
fn nobody_may_be_named() {
    let mut desk = desk(&per_ten(""));
    desk.sells("O1", AT);
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NoCustomer,
            "Nothing: neither the line nor the order names a customer.".to_owned()
        )
    );
}

#[test]
fn the_program_may_name_nobody() {
    let customer = r#"line.userType == "CHILD" ? line.customerId : null"#;
    let mut desk = desk(&per_ten(&format!("customer = '{customer}'")));
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NoCustomer,
            "Nothing: `customer` gave null, so the points would be nobody's.".to_owned()
        )
    );
    let told = told(&desk, "O1");
    assert_eq!(told.expressions[0].value.as_deref(), Some("null"));
    assert_eq!(
        seen(&told, ExpressionField::Customer),
        [
            ("line.userType", "\"ADULT\""),
            ("line.customerId", "\"C1\"")
        ]
    );
}

#[test]
fn the_customer_may_be_no_member() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C2");
    let told = told(&desk, "O1");
    assert_eq!(told.customer_id.as_ref().unwrap().as_str(), "C2");
    assert_eq!(
        (told.why_nothing, told.summary.as_str()),
        (
            Some(WhyNothing::NotMember),
            "Nothing: customer C2 was not a member of the program when LineConfirmed came, at position 5."
        )
    );
}

#[test]
fn when_may_not_hold() {
    let mut desk = desk(&per_ten("when = 'line.userType == \"CHILD\"'"));
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NotMatched,
            "Nothing: `when` does not hold for the line.".to_owned()
        )
    );
    let told = told(&desk, "O1");
    assert_eq!(
        seen(&told, ExpressionField::When),
        [("line.userType", "\"ADULT\"")]
    );
}

#[test]
fn a_product_may_be_in_no_table() {
    let table = program(
        "trigger = 'LineConfirmed'\namount = 'tables.points[line.fareProducts[0].id]'\n[tables.points]\nother = 5",
    );
    let mut desk = desk(&table);
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::MissingTableKey,
            "Nothing: the table points has no key \"ENT:PreassignedFareProduct:AdultSingle\"."
                .to_owned()
        )
    );
    assert_eq!(
        seen(&told(&desk, "O1"), ExpressionField::Amount),
        [
            (
                "tables.points[\"ENT:PreassignedFareProduct:AdultSingle\"]",
                "none"
            ),
            (
                "line.fareProducts[0].id",
                "\"ENT:PreassignedFareProduct:AdultSingle\""
            ),
        ]
    );
}

#[test]
fn a_rule_may_fail() {
    let mut desk = desk(&program(
        "trigger = 'LineConfirmed'\namount = '1 - line.price.minorUnits'",
    ));
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::RuleError,
            "Nothing: the rule can't be worked out for the line: amount gave -39899, which is negative."
                .to_owned()
        )
    );
    let told = told(&desk, "O1");
    assert_eq!(told.expressions[0].value.as_deref(), Some("-39899"));
}

#[test]
fn an_amount_may_be_rounded_to_nothing() {
    let mut desk = desk(&program("trigger = 'LineConfirmed'\namount = '0.4'"));
    sells_to(&mut desk, "O1", "C1");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::NoAmount,
            "Nothing: `amount` gave 0.4, rounded down to 0.".to_owned()
        )
    );
}

#[test]
fn a_line_may_have_ended() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    desk.on_line(EventKind::OrderLineCancelled, "O1", LATER, &json!({}));
    assert_eq!(line(&desk, "O1").standing, LineStanding::Cancelled);
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::LineEnded,
            "Nothing: the line was cancelled at 2026-01-25 08:00:00 UTC (OrderLineCancelled e6, position 6), and the \
             definition keeps nothing of it."
                .to_owned()
        )
    );
    let told = told(&desk, "O1");
    let cancelled_by = told.transactions[0].cancelled_by.as_ref().unwrap();
    assert_eq!(cancelled_by.event_type, "OrderLineCancelled");
}

/// A line that had ended once seemed to wait for ever for what can't come to it any more.
#[test]
fn a_line_may_have_ended_before_what_a_definition_waits_for() {
    let activated = "trigger = 'LineActivated'\namount = '1'";
    let mut cancelling = desk(&program(activated));
    let mut keeping = desk(&program(&format!(
        "{activated}\nreversal = {{ onCancel = 'KEEP' }}"
    )));
    for desk in [&mut cancelling, &mut keeping] {
        sells_to(desk, "O1", "C1");
        desk.on_line(EventKind::OrderLineCancelled, "O1", LATER, &json!({}));
    }
    let ended = "Nothing: the line was cancelled at 2026-01-25 08:00:00 UTC (OrderLineCancelled e6, position 6) before \
                 LineActivated came, so nothing will come of it";
    let (why, summary) = nothing(&cancelling, "O1");
    assert_eq!((why, summary), (WhyNothing::LineEnded, format!("{ended}.")));
    let (_, summary) = nothing(&keeping, "O1");
    let unless = " unless one from before that is still to arrive.";
    assert_eq!(summary, format!("{ended}{unless}"));
    // When one from before arrives, it does give points.
    for desk in [&mut cancelling, &mut keeping] {
        let before = json!({"activatedAt": "2026-01-11T08:00:00Z"});
        desk.on_line(EventKind::TicketActivated, "O1", LATER, &before);
    }
    assert_eq!(nothing(&cancelling, "O1").0, WhyNothing::LineEnded);
    assert_eq!(told(&keeping, "O1").points, 1.into());
}

/// What an order was sold before was once not named at all, as if nobody had thought of it.
#[test]
fn a_later_version_may_have_brought_the_definition() {
    let first = per_ten("");
    let mut desk = desk(&first);
    sells_to(&mut desk, "O1", "C1");
    let second = "[[pointDefinitions]]\nid = 12\nreference = 'second'\ntrigger = 'LineConfirmed'\namount = '1'\n";
    desk.program(&format!("{first}{second}"));
    desk.program(&format!("{first}{second}").replace("name = 'One'", "name = 'Uno'"));

    let definitions = line(&desk, "O1").definitions;
    let told: Vec<_> = definitions
        .iter()
        .map(|told| (told.point_definition_id.get(), told.why_nothing))
        .collect();
    assert_eq!(
        told,
        [(11, None), (12, Some(WhyNothing::DefinitionNotPublished))]
    );
    assert_eq!(
        definitions[1].summary,
        "Nothing: version 2 of the program, which brought it, was published at position 6, after the line's LineConfirmed \
         at 5."
    );
}

#[test]
fn refunds_may_leave_nothing() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    refunds(&mut desk, "O1", "399.00", "NOK");
    assert_eq!(
        nothing(&desk, "O1"),
        (
            WhyNothing::Refunded,
            "Nothing: `amount` gave 39.9, rounded down to 39; 399.00 of 399.00 NOK were paid back, which leaves nothing."
                .to_owned()
        )
    );
}

#[test]
fn a_cap_may_have_no_room() {
    let mut desk = desk(&per_ten("cap = { amount = 50, per = 'MEMBER' }"));
    for order in ["O1", "O2", "O3"] {
        sells_to(&mut desk, order, "C1");
    }
    let cut = told(&desk, "O2");
    assert_eq!(cut.points, 11.into());
    assert!(
        cut.summary
            .ends_with("; the cap of 50 points a member had room for 11 of 39."),
        "{}",
        cut.summary
    );
    let cap = cut.cap.unwrap();
    assert_eq!((cap.wanted, cap.cut), (39.into(), 28.into()));
    assert_eq!(cap.counted_now.unwrap().0, 50.into());
    assert_eq!(
        nothing(&desk, "O3"),
        (
            WhyNothing::CapReached,
            "Nothing: the cap of 50 points a member had no room for 39 points.".to_owned()
        )
    );
}
