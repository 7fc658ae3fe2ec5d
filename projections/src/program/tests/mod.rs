//! Programs from the outside: documents in, points and refusals out.

mod admission;
mod arbitrary;
mod evaluation;
mod expressions;
mod publication;
mod robustness;
mod speed;
mod visible;

use chrono::{DateTime, Utc};
use farelog_events::event::{EventKind, decode};
use farelog_events::id::{CustomerId, OrderId};
use farelog_events::json::JsonText;
use serde_json::{Value, json};

use super::*;
use crate::member::{MemberChange, MemberChangeKind};
use crate::order::{DecodedRecord, OrderEvent, OrderState, TriggerKind};

/// An order of one line, confirmed at noon on 1 January 2026, UTC.
pub(super) struct Purchase {
    events: Vec<OrderEvent>,
}

impl Purchase {
    /// An adult's single ticket for 39.90 NOK, changed as `patch` says (a JSON merge patch of the line).
    pub(super) fn of(patch: &Value) -> Self {
        let mut line = json!({
            "orderId": "order-1", "orderVersion": 1, "orderLineId": "line-1", "orderLineVersion": 1,
            "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
            "price": {"amount": "39.90", "currency": "NOK"},
            "userType": "ADULT",
        });
        merge(&mut line, patch);
        let order = json!({
            "orderId": "order-1", "orderVersion": 1, "organisationId": 1, "customerId": "owner", "currency": "NOK",
            "campaign": "spring",
        });
        Self::from_data(&order, &line)
    }

    pub(super) fn from_data(order: &Value, line: &Value) -> Self {
        let noon: DateTime<Utc> = "2026-01-01T12:00:00Z".parse().unwrap();
        let confirmed = json!({"orderId": "order-1", "orderVersion": 1});
        let events = [
            (EventKind::OrderCreated, order),
            (EventKind::OrderLineAdded, line),
            (EventKind::OrderConfirmed, &confirmed),
        ];
        let events = (1..).zip(events).map(|(position, (kind, data))| {
            let json = data.to_string();
            OrderEvent::from(DecodedRecord {
                position,
                recorded_at: noon,
                source: "test".into(),
                id: position.to_string().into(),
                time: noon,
                kind,
                data: decode(kind, &json).expect("the test's event is right"),
                json: JsonText::new(&json).unwrap(),
            })
        });
        Self {
            events: events.collect(),
        }
    }

    pub(super) fn scope(&self, registered: Option<&str>) -> LineScope {
        let order_id: OrderId = "order-1".parse().unwrap();
        let order = OrderState::fold(&self.events);
        let line = order.lines.values().next().unwrap();
        let registered: Option<CustomerId> = registered.map(|id| id.parse().unwrap());
        let confirmation = line.confirmation.as_ref().unwrap();
        LineScope::new(&order, &order_id, confirmation, registered.as_ref())
    }
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (key, value) in patch {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

pub(super) fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

pub(super) fn confirmed() -> TriggerScope {
    TriggerScope {
        kind: TriggerKind::LineConfirmed,
        time: Some(at("2026-01-01T12:00:00Z")),
    }
}

pub(super) fn membership(metadata: Value) -> MemberChange {
    MemberChange {
        position: 1,
        recorded_at: at("2025-12-01T00:00:00Z"),
        kind: MemberChangeKind::Enrolled,
        external_reference: Some("card-7".to_owned()),
        organisation_id: None,
        metadata: match metadata {
            Value::Object(metadata) => metadata,
            _ => serde_json::Map::new(),
        },
    }
}

/// A program of one definition in TOML: what stands at the top, in the definition, and behind it.
pub(super) fn program(top: &str, definition: &str, tables: &str) -> String {
    format!(
        "id = 7\nreference = \"reis\"\nname = \"Reis\"\n{top}\n\n[[pointDefinitions]]\nid = 71\nreference = \"ticket\"\ntrigger = \"LineConfirmed\"\n{definition}\n\n{tables}\n"
    )
}

/// The definition of such a program, compiled.
pub(super) fn definition(definition: &str, tables: &str) -> CompiledProgram {
    CompiledProgram::from_toml(&program("", definition, tables)).unwrap()
}

/// What the program's one definition gives for a line.
pub(super) fn amount_of(compiled: &CompiledProgram, line: &LineScope) -> Result<String, RuleFault> {
    let definition = &compiled.all_definitions()[0];
    definition
        .amount(line, &confirmed(), None)
        .map(|amount| amount.rounded.to_string())
}

/// What an expression gives for an adult's single ticket, as an amount.
pub(super) fn amount(expression: &str) -> Result<String, RuleFault> {
    let compiled = definition(&format!("amount = '''{expression}'''"), "");
    amount_of(&compiled, &Purchase::of(&json!({})).scope(None))
}

/// Whether an expression holds for an adult's single ticket.
pub(super) fn holds(expression: &str) -> Result<bool, RuleFault> {
    holds_for(expression, &json!({}))
}

/// Whether an expression holds for a line that is changed like this.
pub(super) fn holds_for(expression: &str, patch: &Value) -> Result<bool, RuleFault> {
    let compiled = definition(&format!("amount = '1'\nwhen = '''{expression}'''"), "");
    let definition = &compiled.all_definitions()[0];
    definition.applies(&Purchase::of(patch).scope(None), &confirmed(), None)
}

/// Everything that is wrong with a document, as a person reads it.
pub(super) fn refusal(toml: &str) -> Vec<String> {
    match CompiledProgram::from_toml(toml) {
        Ok(_) => Vec::new(),
        Err(refused) => refused.problems.iter().map(ToString::to_string).collect(),
    }
}

/// Each pair: a definition, and all that is wrong with it. The definition begins in line 10 of its document.
pub(super) fn assert_refusals(cases: &[(&str, &[&str])]) {
    for (definition, refusals) in cases {
        let document = program("", definition, "");
        assert_eq!(refusal(&document), *refusals, "{definition}");
    }
}
