//! A desk of customer service: a log in memory, projections of it, and decisions one after the other.

#![allow(missing_docs, dead_code, reason = "each test file uses its own part")]

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::event::{About, EventKind, NewEvent, decode};
use farelog_events::id::{OrderId, ProgramId};
use farelog_events::json::JsonText;
use farelog_events::log::memory::MemoryLog;
use farelog_events::log::{Batch, Entry, EventLog};
use farelog_projections::Projections;
use farelog_projections::points::Transaction;
use farelog_projections::points::registration::ReasonCode;
use farelog_projections::program::Program;
use farelog_replay::registration::{
    DecisionContext, GrantedDefinition, Registered, RegistrationCommand, RegistrationRefused,
    RevocationCommand, granted_now, register, revoke,
};
use serde_json::{Value, json};

pub struct Desk {
    pub log: Arc<MemoryLog>,
    pub projections: Projections,
    directory: tempfile::TempDir,
    sent: u64,
}

pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

impl Default for Desk {
    fn default() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Arc::new(MemoryLog::new());
        let place = directory.path().join("projections");
        let projections = Projections::open(&place, &*log).expect("projections");
        Self {
            log,
            projections,
            directory,
            sent: 0,
        }
    }
}

impl Desk {
    pub fn append(&mut self, event: NewEvent) {
        let recorded_at = event.time;
        let batch = Batch {
            entries: vec![Entry {
                event,
                origin: None,
            }],
            checkpoint: None,
            recorded_at,
        };
        self.log.append(batch).expect("append");
        self.projections.catch_up(&*self.log).expect("catch up");
    }

    pub fn event(&mut self, kind: EventKind, at: &str, data: &Value) {
        self.sent += 1;
        let json = data.to_string();
        let about: About = decode(kind, &json).expect("readable data").about();
        self.append(NewEvent {
            source: "desk".into(),
            id: format!("e{}", self.sent).into(),
            event_type: kind.name().into(),
            time: time(at),
            correlation_id: None,
            about,
            data: JsonText::new(&json).expect("JSON"),
        });
    }

    pub fn program(&mut self, toml: &str) {
        let program = Program::from_toml(toml).expect("a program");
        let json = serde_json::to_value(&program).expect("its JSON");
        self.event(EventKind::ProgramPublished, "2025-01-01T00:00:00Z", &json);
    }

    pub fn member(&mut self, kind: EventKind, customer: &str) {
        let data = json!({"programId": 1, "customerId": customer});
        self.event(kind, "2025-01-02T00:00:00Z", &data);
    }

    /// An order of one line, "a", confirmed at once; nobody is named on it.
    pub fn sells(&mut self, order: &str, at: &str) {
        self.opens(order, at);
        self.event(
            EventKind::OrderConfirmed,
            at,
            &json!({"orderId": order, "orderVersion": 1}),
        );
    }

    pub fn opens(&mut self, order: &str, at: &str) {
        self.event(
            EventKind::OrderCreated,
            at,
            &json!({"orderId": order, "orderVersion": 1, "organisationId": 1, "currency": "NOK"}),
        );
        self.event(
            EventKind::OrderLineAdded,
            at,
            &json!({
                "orderId": order, "orderVersion": 1, "orderLineId": "a", "orderLineVersion": 1,
                "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
                "price": {"amount": "399.00", "currency": "NOK"}, "userType": "ADULT"
            }),
        );
    }

    pub fn on_line(&mut self, kind: EventKind, order: &str, at: &str, more: &Value) {
        let mut data = json!({
            "orderId": order, "orderVersion": 1, "orderLineId": "a", "orderLineVersion": 1
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        self.event(kind, at, &data);
    }

    /// Where throw-away projections are while there are any.
    pub fn trial_directory(&self) -> PathBuf {
        self.directory.path().join("projections.trial")
    }

    fn context(&self, now: &str) -> DecisionContext {
        DecisionContext {
            head: self.log.head().position,
            now: time(now),
            correlation_id: None,
        }
    }

    /// The decision alone, with nothing recorded.
    pub fn dry_run(
        &self,
        order: &str,
        customer: &str,
        now: &str,
    ) -> Result<Registered, RegistrationRefused> {
        register(
            &self.projections,
            &self.context(now),
            &command(order, customer),
        )
    }

    /// The decision, its event recorded, and the answer as it is then.
    pub fn register(
        &mut self,
        order: &str,
        customer: &str,
        now: &str,
    ) -> Result<Vec<GrantedDefinition>, RegistrationRefused> {
        let registered = self.dry_run(order, customer, now)?;
        match registered.event {
            Some(event) => self.append(event),
            None => return Ok(registered.granted),
        }
        Ok(granted_now(&self.projections, &command(order, customer))?)
    }

    pub fn revoke(&mut self, order: &str, now: &str) -> Result<bool, RegistrationRefused> {
        let command = RevocationCommand {
            program_id: program_id(),
            order_id: order_id(order),
            order_line_id: "a".parse().expect("an id"),
        };
        let event = revoke(&self.projections, &self.context(now), &command)?.event;
        let recorded = event.is_some();
        if let Some(event) = event {
            self.append(event);
        }
        Ok(recorded)
    }

    /// The codes of a refusal, each once, with the definition where it names one.
    pub fn refusal(
        &self,
        order: &str,
        customer: &str,
        now: &str,
    ) -> Vec<(ReasonCode, Option<String>)> {
        match self.dry_run(order, customer, now) {
            Err(RegistrationRefused::Reasons(reasons)) => reasons
                .into_iter()
                .map(|reason| (reason.code, reason.point_definition_reference))
                .collect(),
            other => panic!("no refusal: {other:?}"),
        }
    }

    pub fn transactions(&self, order: &str) -> Vec<Transaction> {
        self.projections
            .transactions_of_order(&order_id(order))
            .expect("transactions")
            .value
    }
}

pub fn program_id() -> ProgramId {
    ProgramId::new(1).expect("an id")
}

pub fn order_id(order: &str) -> OrderId {
    order.parse().expect("an id")
}

pub fn command(order: &str, customer: &str) -> RegistrationCommand {
    RegistrationCommand {
        program_id: program_id(),
        order_id: order_id(order),
        order_line_id: "a".parse().expect("an id"),
        customer_id: customer.parse().expect("an id"),
    }
}
