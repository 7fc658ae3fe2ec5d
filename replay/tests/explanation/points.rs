//! How points came about, and what became of them.

use farelog_events::event::EventKind;
use farelog_events::id::{ProgramId, TransactionId};
use farelog_projections::points::RegistrationKind;
use farelog_projections::points::registration::ReasonCode;
use farelog_projections::program::ExpressionField;
use farelog_replay::explanation::{
    CountedEvent, EventRole, LINES_TOLD_MAX, LineStanding, OrderQuestion, WhyNothing,
    explain_order, explain_transaction,
};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::common::{self, order_id};
use crate::given::{AT, LATER, desk, line, opens, per_ten, program, refunds, seen, sells_to, told};

#[test]
fn points_are_told_with_all_that_made_them() {
    let mut desk = desk(&per_ten("when = 'line.userType == \"ADULT\"'"));
    sells_to(&mut desk, "O1", "C1");
    let line = line(&desk, "O1");
    assert_eq!(line.standing, LineStanding::Confirmed);
    let roles: Vec<_> = line.events.iter().filter_map(|event| event.role).collect();
    assert_eq!(
        roles,
        [EventRole::Order, EventRole::Line, EventRole::Confirmation]
    );
    let told = &line.definitions[0];
    assert_eq!((told.points, told.why_nothing), (39.into(), None));
    let member = told.member_id.unwrap();
    assert_eq!(
        told.summary,
        format!(
            "It gives 39 points to member {member}, customer C1: `amount` gave 39.9, rounded down to 39."
        )
    );
    assert_eq!((told.program_version, told.place), (1, Some(5)));
    assert_eq!(told.registration, Some(RegistrationKind::Automatic));
    assert_eq!(
        seen(told, ExpressionField::When),
        [("line.userType", "\"ADULT\"")]
    );
    let amount = told.amount.as_ref().unwrap();
    assert_eq!(amount.exact.to_string(), "39.9");
    let given = &told.transactions[0];
    assert_eq!(
        given.given_by.as_ref().unwrap().event_type,
        "OrderConfirmed"
    );
    assert!(given.cancelled_by.is_none() && told.refunds.is_none() && told.cap.is_none());
}

#[test]
fn a_period_is_told_with_its_key() {
    let mut desk = desk(&per_ten(
        "period = { kind = 'ROLLING_FROM_FIRST', length = 'P30D', key = 'line.userType' }\nexpiry = { kind = 'PERIOD_END' }",
    ));
    sells_to(&mut desk, "O1", "C1");
    let told = told(&desk, "O1");
    let period = told.period.as_ref().unwrap();
    assert_eq!(period.id, told.transactions[0].transaction.point_period_id);
    assert_eq!(period.key, "\"ADULT\"");
    assert_eq!(period.from, Some(common::time(AT)));
    assert_eq!(
        seen(&told, ExpressionField::PeriodKey),
        [("line.userType", "\"ADULT\"")]
    );
}

/// A line whose key had changed was once told to be in a period of the new key, with the old period's id and no bounds.
#[test]
fn points_stay_in_their_period_whatever_the_lines_key_is_by_now() {
    let mut desk = desk(&per_ten(
        "period = { kind = 'ROLLING_FROM_FIRST', length = 'P30D', key = 'line.userType' }\nexpiry = { kind = 'PERIOD_END' }",
    ));
    sells_to(&mut desk, "O1", "C1");
    let first = told(&desk, "O1");
    let cheaper = json!({
        "orderVersion": 2, "orderLineVersion": 2, "userType": "CHILD", "price": {"amount": "120.00", "currency": "NOK"},
        "fareProducts": [{"id": "ENT:PreassignedFareProduct:ChildSingle", "type": "SINGLE"}]
    });
    desk.on_line(EventKind::OrderLineChanged, "O1", LATER, &cheaper);
    let round = json!({"orderId": "O1", "orderVersion": 2});
    desk.event(EventKind::OrderConfirmed, LATER, &round);

    let told = told(&desk, "O1");
    assert_eq!(told.points, 12.into());
    assert_eq!(told.period, first.period);
    let period = told.period.unwrap();
    assert_eq!(period.key, "\"ADULT\"");
    assert_eq!(period.from, Some(common::time(AT)));
    assert!(period.to.is_some());
}

#[test]
fn a_registration_is_told_with_what_it_did_not_get() {
    let two = per_ten("expiry = { kind = 'DURATION', after = 'P1D' }")
        + "[[pointDefinitions]]\nid = 12\nreference = 'lasting'\ntrigger = 'LineConfirmed'\namount = '1'\n";
    let mut desk = desk(&two);
    desk.sells("O1", AT);
    desk.register("O1", "C1", LATER).unwrap();

    let registered = line(&desk, "O1");
    let registration = &registered.registrations[0];
    assert_eq!(registration.customer_id.as_str(), "C1");
    assert_eq!(registration.refused[0].code, ReasonCode::Expired);
    let [refused, gives] = registered.definitions.as_slice() else {
        panic!("two definitions");
    };
    assert_eq!(refused.why_nothing, Some(WhyNothing::RefusedByRegistration));
    assert_eq!(
        refused.summary,
        "Nothing: when the line was registered to customer C1 this was refused for good (expired): the points would \
         have expired at 2026-01-11 08:00:00 UTC."
    );
    assert_eq!(gives.points, Decimal::ONE);
    assert_eq!(gives.registration, Some(RegistrationKind::Deferred));
    assert!(
        gives
            .summary
            .contains("customer C1, to whom the line is registered"),
        "{}",
        gives.summary
    );
    let cause = gives.transactions[0].given_by.as_ref().unwrap();
    assert_eq!(cause.event_type, "DeferredRegistrationAccepted");

    desk.revoke("O1", LATER).unwrap();
    let definitions = line(&desk, "O1").definitions;
    assert_eq!(definitions[1].why_nothing, Some(WhyNothing::NoCustomer));
    let taken = definitions[1].transactions[0].cancelled_by.as_ref();
    assert_eq!(taken.unwrap().event_type, "DeferredRegistrationRevoked");
}

/// The worked example: 39 points, of which a refund of 100 of 399 kroner leaves 29.
#[test]
fn a_transaction_is_told_as_it_was_given_and_as_it_stands() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    refunds(&mut desk, "O1", "100.00", "NOK");
    let transactions = desk.transactions("O1");
    let [first, second] = transactions.as_slice() else {
        panic!("two transactions");
    };

    let explain = |id: Option<TransactionId>| {
        explain_transaction(&desk.projections, &*desk.log, id.unwrap())
            .unwrap()
            .value
            .unwrap()
    };
    let explanation = explain(first.id);
    assert_eq!(explanation.transaction, *first);
    let given = &explanation.given.definitions[0];
    assert_eq!(given.points, 39.into());
    assert!(given.refunds.is_none());
    assert_eq!(given.transactions.len(), 1);
    assert!(given.transactions[0].transaction.is_live());
    assert!(explanation.given.refunded.is_none());

    let now = &explanation.now.definitions[0];
    assert!(
        now.summary.ends_with(
            "`amount` gave 39.9, rounded down to 39; 100.00 of 399.00 NOK were paid back, which leaves 29."
        ),
        "{}",
        now.summary
    );
    let chain: Vec<_> = now
        .transactions
        .iter()
        .map(|given| {
            let type_of = |event: &CountedEvent| event.event_type.clone();
            (
                given.transaction.amount,
                given.given_by.as_ref().map(type_of),
                given.cancelled_by.as_ref().map(type_of),
            )
        })
        .collect();
    let refund = Some("OrderLineRefunded".to_owned());
    assert_eq!(
        chain,
        [
            (39.into(), Some("OrderConfirmed".to_owned()), refund.clone()),
            (29.into(), refund, None),
        ]
    );
    let second = explain(second.id);
    assert_eq!(second.given.definitions[0].points, 29.into());
    assert_eq!(second.given, second.now);
}

#[test]
fn a_refund_in_another_currency_is_told_and_does_not_count() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    refunds(&mut desk, "O1", "100.00", "SEK");
    let told = told(&desk, "O1");
    assert_eq!(told.points, 39.into());
    assert!(told.refunds.unwrap().other_currency);
}

/// The version that stands at the trigger's place is asked, whatever was published later.
#[test]
fn a_later_version_changes_no_explanation() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    let before = line(&desk, "O1");
    desk.program(&program("trigger = 'LineConfirmed'\namount = '1000'"));
    assert_eq!(line(&desk, "O1"), before);
}

#[test]
fn what_is_not_known_has_no_explanation() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    let question = OrderQuestion {
        order_id: order_id("O2"),
        order_line_id: None,
        program_id: None,
    };
    let answer = explain_order(&desk.projections, &*desk.log, &question).unwrap();
    assert!(answer.value.is_none());
    for id in [1, 5 * 4096 + 7, 4096 * 4096] {
        let id = TransactionId::new(id).unwrap();
        let answer = explain_transaction(&desk.projections, &*desk.log, id).unwrap();
        assert!(answer.value.is_none(), "{id}");
    }
}

#[test]
fn a_question_may_name_a_line_and_a_program() {
    let mut desk = desk(&per_ten(""));
    sells_to(&mut desk, "O1", "C1");
    let explain = |line: Option<&str>, program: Option<i64>| {
        let question = OrderQuestion {
            order_id: order_id("O1"),
            order_line_id: line.map(|line| line.parse().unwrap()),
            program_id: program.and_then(ProgramId::new),
        };
        let answer = explain_order(&desk.projections, &*desk.log, &question);
        answer.unwrap().value.unwrap().lines
    };
    assert_eq!(explain(Some("a"), Some(1))[0].definitions.len(), 1);
    assert!(explain(Some("a"), Some(2))[0].definitions.is_empty());
    assert!(explain(Some("b"), None).is_empty());
}

#[test]
fn json_has_exact_numbers_and_no_empty_fields() {
    let mut desk = desk(&per_ten("rounding = { scale = 1 }"));
    sells_to(&mut desk, "O1", "C1");
    let json: Value = serde_json::to_value(told(&desk, "O1")).unwrap();
    assert_eq!(json["points"].to_string(), "39.9");
    assert_eq!(json["expressions"][0]["field"], "amount");
    assert!(json.get("whyNothing").is_none() && json.get("cap").is_none());
}

/// A reset that arrives late can take a confirmation back (domain, section 1), and a new version the definition that gave.
#[test]
fn what_was_given_for_a_trigger_that_is_gone_is_told_with_its_end() {
    let mut desk = desk(&per_ten(""));
    opens(&mut desk, "O1", "C1");
    let round = json!({"orderId": "O1", "orderVersion": 1});
    desk.event(EventKind::OrderConfirmed, LATER, &round);
    desk.program(&per_ten("").replace("id = 11", "id = 12"));
    assert_eq!(line(&desk, "O1").definitions[0].points, 39.into());

    desk.event(EventKind::OrderReset, "2026-01-12T08:00:00Z", &round);
    let definitions = line(&desk, "O1").definitions;
    let ids: Vec<i64> = definitions
        .iter()
        .map(|told| told.point_definition_id.get())
        .collect();
    assert_eq!(ids, [11, 12]);
    assert_eq!(definitions[0].why_nothing, Some(WhyNothing::NotConfirmed));
    let cause = definitions[0].transactions[0].cancelled_by.as_ref();
    assert_eq!(cause.unwrap().event_type, "OrderReset");
    let id = definitions[0].transactions[0].transaction.id.unwrap();
    let explained = explain_transaction(&desk.projections, &*desk.log, id).unwrap();
    assert_eq!(
        explained.value.unwrap().given.definitions[0].points,
        39.into()
    );
}

#[test]
fn of_an_order_of_many_lines_some_are_told_and_any_can_be_asked_for() {
    let mut desk = desk(&per_ten(""));
    let created =
        json!({"orderId": "O1", "orderVersion": 1, "organisationId": 1, "currency": "NOK"});
    desk.event(EventKind::OrderCreated, AT, &created);
    for number in 0..=LINES_TOLD_MAX {
        let line = json!({
            "orderId": "O1", "orderVersion": 1, "orderLineId": format!("l{number:03}"), "orderLineVersion": 1,
            "fareProducts": [], "price": {"amount": "10.00", "currency": "NOK"}
        });
        desk.event(EventKind::OrderLineAdded, AT, &line);
    }
    let explain = |line: Option<&str>| {
        let question = OrderQuestion {
            order_id: order_id("O1"),
            order_line_id: line.map(|line| line.parse().unwrap()),
            program_id: None,
        };
        let answer = explain_order(&desk.projections, &*desk.log, &question);
        let explanation = answer.unwrap().value.unwrap();
        (explanation.lines.len(), explanation.lines_left_out)
    };
    assert_eq!(explain(None), (LINES_TOLD_MAX, 1));
    assert_eq!(explain(Some("l100")), (1, 0));
}
