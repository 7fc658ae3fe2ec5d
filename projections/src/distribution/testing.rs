//! A harness for the tests of distribution: a history of one order, told event by event, with the groups that it leads
//! to and everything that went out on the way.

use chrono::{DateTime, Duration, Utc};
use farelog_events::event::{EventKind, decode};
use farelog_events::id::{OrderId, TicketDistributionId};
use farelog_events::json::JsonText;
use farelog_events::log::Position;
use serde::Serialize;
use serde_json::{Value, json};

use super::decision::{self, Distribute, DistributionRefusal, Generate};
use super::fact::DistributionFact;
use super::fold::{Outcome, apply};
use super::group::{Groups, TicketDistribution, TicketDistributionGroup};
use super::status::DistributionStatus;
use crate::order::{DecodedRecord, OrderEvent, OrderState};

pub const ORDER: &str = "O1";
pub const LINE: &str = "L1";

/// The order of the test, as far as it was told.
#[derive(Debug, Clone, Default)]
pub struct History {
    pub events: Vec<OrderEvent>,
    pub groups: Groups,
    pub facts: Vec<DistributionFact>,
    /// What the events came to, those that came to anything.
    pub outcomes: Vec<(Position, Outcome)>,
}

impl History {
    /// An order of organisation 1, bought by `owner`, that is open for its first round.
    pub fn created() -> Self {
        let mut history = Self::default();
        history.tell("OrderCreated", created(1));
        history
    }

    /// An order with one confirmed line `L1` of one product.
    pub fn confirmed() -> Self {
        Self::confirmed_with(&["Single"])
    }

    /// An order with one confirmed line `L1` of these main products.
    pub fn confirmed_with(products: &[&str]) -> Self {
        let mut history = Self::created();
        history.tell("OrderLineAdded", line(LINE, 1, 1, products));
        history.tell("OrderConfirmed", round(1));
        history
    }

    /// The same, generated.
    pub fn generated_with(products: &[&str]) -> Self {
        let mut history = Self::confirmed_with(products);
        history.generate();
        history
    }

    /// The same, generated and distributed.
    pub fn distributed_with(products: &[&str]) -> Self {
        let mut history = Self::generated_with(products);
        history.distribute(Distribute::default());
        history
    }

    /// One more event, at the next position. It happens one minute after the one before, unless its data bears a `time`.
    pub fn tell(&mut self, kind: &str, data: impl Serialize) -> Outcome {
        let kind = EventKind::from_name(kind).expect("a known kind");
        let data = serde_json::to_value(data).unwrap();
        let position = self.events.len() as u64 + 1;
        let time = data.get("time").map_or_else(
            || minute(position),
            |time| serde_json::from_value(time.clone()).unwrap(),
        );
        let json = data.to_string();
        let event = OrderEvent::from(DecodedRecord {
            position,
            recorded_at: minute(position),
            source: "test".into(),
            id: position.to_string().into(),
            time,
            kind,
            data: decode(kind, &json).unwrap_or_else(|error| panic!("{kind}: {error}")),
            json: JsonText::new(&json).unwrap(),
        });
        self.events.push(event.clone());
        let state = OrderState::fold(&self.events);
        let outcome = apply(&mut self.groups, &state, &event);
        self.facts.extend(outcome.facts.iter().cloned());
        if outcome != Outcome::default() {
            self.outcomes.push((position, outcome.clone()));
        }
        outcome
    }

    pub fn state(&self) -> OrderState<'_> {
        OrderState::fold(&self.events)
    }

    /// Generates, as a caller would; whether anything was appended.
    pub fn try_generate(&mut self, command: Generate) -> Result<bool, DistributionRefusal> {
        let event = decision::generate(&order(), Some(&self.state()), &self.groups, command)?;
        let appended = event.is_some();
        if let Some(event) = event {
            self.tell("TicketDistributionGroupsGenerated", event);
        }
        Ok(appended)
    }

    pub fn generate(&mut self) -> bool {
        self.try_generate(Generate::default()).unwrap()
    }

    /// Distributes, as a caller would; whether anything was appended.
    pub fn try_distribute(&mut self, command: Distribute) -> Result<bool, DistributionRefusal> {
        let event = decision::distribute(&order(), Some(&self.state()), &self.groups, command)?;
        let appended = event.is_some();
        if let Some(event) = event {
            self.tell("TicketDistributionRequested", event);
        }
        Ok(appended)
    }

    pub fn distribute(&mut self, command: Distribute) -> bool {
        self.try_distribute(command).unwrap()
    }

    /// The ticket system speaks of the `n`th ticket of the order.
    pub fn ticket_system(&mut self, kind: &str, n: usize, more: &Value) -> Outcome {
        let id = self.ticket(n).id;
        let line = self
            .views()
            .into_iter()
            .find(|group| {
                group
                    .ticket_distributions
                    .iter()
                    .any(|ticket| ticket.id == id)
            })
            .unwrap()
            .order_line_id;
        let mut data = json!({"orderId": ORDER, "orderLineId": line, "ticketDistributionId": id});
        merge(&mut data, more);
        self.tell(kind, data)
    }

    pub fn activated(&mut self) -> Outcome {
        self.tell(
            "TicketActivated",
            json!({"orderId": ORDER, "orderLineId": LINE, "activatedAt": "2026-03-01T12:00:00Z"}),
        )
    }

    /// The ticket system says that the `n`th ticket of the order was taken into use.
    pub fn ticket_activated(&mut self, n: usize) -> Outcome {
        let at = json!({"activatedAt": "2026-03-01T12:00:00Z"});
        self.ticket_system("TicketActivated", n, &at)
    }

    pub fn views(&self) -> Vec<TicketDistributionGroup> {
        self.groups.to_view()
    }

    /// The group of line `L1`.
    pub fn group(&self) -> TicketDistributionGroup {
        self.views()
            .into_iter()
            .find(|group| group.order_line_id.as_str() == LINE)
            .expect("line L1 has a group")
    }

    /// The `n`th ticket of the order.
    pub fn ticket(&self, n: usize) -> TicketDistribution {
        self.groups.ticket_distributions().nth(n).unwrap().clone()
    }

    /// The tickets of the order, each as `<product> <status>`.
    pub fn tickets(&self) -> Vec<String> {
        self.groups
            .ticket_distributions()
            .map(|ticket| format!("{} {}", ticket.fare_product_id, ticket.status))
            .collect()
    }

    pub fn statuses(&self) -> Vec<DistributionStatus> {
        self.groups
            .ticket_distributions()
            .map(|ticket| ticket.status)
            .collect()
    }

    /// The ids of the tickets that went out as cancelled.
    pub fn cancellations_sent(&self) -> Vec<TicketDistributionId> {
        self.facts
            .iter()
            .filter(|fact| matches!(fact, DistributionFact::TicketCancelled(_)))
            .map(DistributionFact::ticket_distribution_id)
            .collect()
    }

    /// The ids of the tickets that went out as requested.
    pub fn requests_sent(&self) -> Vec<TicketDistributionId> {
        self.facts
            .iter()
            .filter(|fact| matches!(fact, DistributionFact::TicketRequested(_)))
            .map(DistributionFact::ticket_distribution_id)
            .collect()
    }
}

pub fn order() -> OrderId {
    ORDER.parse().unwrap()
}

/// The time of recording at a position.
pub fn minute(position: u64) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    start + Duration::minutes(position.try_into().unwrap())
}

pub fn created(order_version: u32) -> Value {
    json!({"orderId": ORDER, "orderVersion": order_version, "organisationId": 1, "customerId": "owner",
        "currency": "NOK"})
}

pub fn round(order_version: u32) -> Value {
    json!({"orderId": ORDER, "orderVersion": order_version})
}

/// A line of these main products that costs 39 kroner.
pub fn line(id: &str, order_version: u32, line_version: u32, products: &[&str]) -> Value {
    let products: Vec<Value> = products
        .iter()
        .map(|product| json!({"id": product, "type": "SINGLE"}))
        .collect();
    json!({"orderId": ORDER, "orderVersion": order_version, "orderLineId": id, "orderLineVersion": line_version,
        "fareProducts": products, "price": {"amount": "39.00", "currency": "NOK"},
        "validity": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}})
}

pub fn refund(line: &str, amount: &str, currency: &str) -> Value {
    json!({"orderId": ORDER, "orderVersion": 1, "orderLineId": line, "orderLineVersion": 1,
        "refund": {"amount": amount, "currency": currency}})
}

pub fn line_cancelled(line: &str) -> Value {
    json!({"orderId": ORDER, "orderVersion": 1, "orderLineId": line, "orderLineVersion": 1})
}

/// `data` with the fields of `more` put in.
pub fn with(mut data: Value, more: &Value) -> Value {
    merge(&mut data, more);
    data
}

fn merge(data: &mut Value, more: &Value) {
    for (field, value) in more.as_object().into_iter().flatten() {
        data[field] = value.clone();
    }
}
