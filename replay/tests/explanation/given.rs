//! A program of one definition, orders of one line, and questions about them.

use farelog_events::event::EventKind;
use farelog_events::log::EventLog;
use farelog_projections::program::ExpressionField;
use farelog_replay::explanation::{
    DefinitionExplanation, LineExplanation, OrderQuestion, WhyNothing, explain_order,
};
use rust_decimal::Decimal;
use serde_json::json;

use crate::common::{Desk, order_id};

pub const AT: &str = "2026-01-10T08:00:00Z";
pub const LATER: &str = "2026-01-25T08:00:00Z";

/// A program of one definition, with these fields of it.
pub fn program(definition: &str) -> String {
    format!(
        "id = 1\nreference = 'one'\nname = 'One'\n[[pointDefinitions]]\nid = 11\nreference = 'of-one'\n{definition}\n"
    )
}

pub fn per_ten(more: &str) -> String {
    program(&format!(
        "trigger = 'LineConfirmed'\namount = 'double(line.price.amount) / 10.0'\n{more}"
    ))
}

/// A desk with this program and the member "C1".
pub fn desk(program: &str) -> Desk {
    let mut desk = Desk::default();
    desk.program(program);
    desk.member(EventKind::MemberEnrolled, "C1");
    desk
}

pub fn opens(desk: &mut Desk, order: &str, customer: &str) {
    let created = json!({
        "orderId": order, "orderVersion": 1, "organisationId": 1, "currency": "NOK", "customerId": customer
    });
    desk.event(EventKind::OrderCreated, AT, &created);
    let line = json!({
        "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
        "price": {"amount": "399.00", "currency": "NOK"}, "userType": "ADULT"
    });
    desk.on_line(EventKind::OrderLineAdded, order, AT, &line);
}

/// An order of one confirmed line of 399 kroner.
pub fn sells_to(desk: &mut Desk, order: &str, customer: &str) {
    opens(desk, order, customer);
    let round = json!({"orderId": order, "orderVersion": 1});
    desk.event(EventKind::OrderConfirmed, AT, &round);
}

pub fn refunds(desk: &mut Desk, order: &str, amount: &str, currency: &str) {
    let refund = json!({"refund": {"amount": amount, "currency": currency}});
    desk.on_line(EventKind::OrderLineRefunded, order, LATER, &refund);
}

pub fn line(desk: &Desk, order: &str) -> LineExplanation {
    let question = OrderQuestion {
        order_id: order_id(order),
        order_line_id: None,
        program_id: None,
    };
    let answer = explain_order(&desk.projections, &*desk.log, &question).unwrap();
    assert_eq!(answer.position, desk.log.head().position);
    let mut lines = answer.value.unwrap().lines;
    assert_eq!(lines.len(), 1);
    lines.remove(0)
}

/// The only definition, for the only line.
pub fn told(desk: &Desk, order: &str) -> DefinitionExplanation {
    let mut definitions = line(desk, order).definitions;
    assert_eq!(definitions.len(), 1);
    definitions.remove(0)
}

/// Why the only definition gives nothing, and in words.
pub fn nothing(desk: &Desk, order: &str) -> (WhyNothing, String) {
    let told = told(desk, order);
    assert_eq!(told.points, Decimal::ZERO);
    (told.why_nothing.unwrap(), told.summary)
}

pub fn seen(told: &DefinitionExplanation, field: ExpressionField) -> Vec<(&str, &str)> {
    let expression = told.expressions.iter().find(|it| it.field == field);
    expression
        .unwrap()
        .seen
        .iter()
        .map(|seen| (seen.path.as_str(), seen.value.as_deref().unwrap_or("none")))
        .collect()
}
