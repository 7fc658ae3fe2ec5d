//! A small stage for stories about points: programs, members and events go in, transactions come out.
//!
//! It drives the folds themselves, without a store, so that a story reads like the domain's page and runs in
//! microseconds.

#![allow(dead_code, missing_docs, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that can't be set up is to fail")]

pub mod history;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::event::{EventKind, decode};
use farelog_events::id::{
    CustomerId, MemberId, OrderId, PointDefinitionId, ProgramId, TransactionId, id_from_position,
};
use farelog_events::json::JsonText;
use farelog_events::log::Position;
use farelog_events::member::Membership;
use farelog_projections::document::OrderDocument;
use farelog_projections::member::{Identity, Member, MemberChangeKind, Members, Merge};
use farelog_projections::order::{DecodedRecord, OrderEvent};
use farelog_projections::outbox::points::points_changed;
use farelog_projections::points::Transaction;
use farelog_projections::points::account::{Accounts, TallyOf};
use farelog_projections::points::entitlement::World;
use farelog_projections::points::ledger::Settled;
use farelog_projections::points::period::{Period, PeriodsOf};
use farelog_projections::program::{Program, ProgramCatalog};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

#[derive(Default, Clone)]
pub struct MemberBook {
    members: HashMap<(ProgramId, CustomerId), Arc<Member>>,
    identities: HashMap<CustomerId, Arc<Identity>>,
}

impl Members for MemberBook {
    fn own_member(&self, program: ProgramId, customer: &CustomerId) -> Option<Arc<Member>> {
        self.members.get(&(program, customer.clone())).cloned()
    }

    fn identity(&self, customer: &CustomerId) -> Option<Arc<Identity>> {
        self.identities.get(customer).cloned()
    }
}

/// Accounts in memory, as they stand after the last step.
#[derive(Default, Clone)]
pub struct AccountBook {
    pub periods: BTreeMap<PeriodsOf, Vec<Period>>,
    pub tallies: BTreeMap<TallyOf, Decimal>,
    pub transactions: BTreeMap<Option<TransactionId>, Transaction>,
}

impl AccountBook {
    fn take_in(&mut self, settled: Settled) {
        for (of, opened) in settled.accounts.opened {
            self.periods.entry(of).or_default().extend(opened);
        }
        self.tallies.extend(settled.accounts.tallies);
        for transaction in settled.cancelled.into_iter().chain(settled.given) {
            self.transactions.insert(transaction.id, transaction);
        }
    }
}

impl Accounts for AccountBook {
    fn periods(&self, of: &PeriodsOf) -> Vec<Period> {
        self.periods.get(of).cloned().unwrap_or_default()
    }

    fn period(
        &self,
        member: MemberId,
        definition: PointDefinitionId,
        id: i64,
    ) -> Option<(PeriodsOf, Period)> {
        let all = self
            .periods
            .iter()
            .filter(|(of, _)| (of.member_id, of.point_definition_id) == (member, definition));
        let mut all = all.flat_map(|(of, periods)| periods.iter().map(move |it| (of, it)));
        let (of, period) = all.find(|(_, period)| period.id == id)?;
        Some((of.clone(), *period))
    }

    fn tally(&self, of: &TallyOf) -> Option<Decimal> {
        self.tallies.get(of).copied()
    }

    fn transactions(&self, member: MemberId, definition: PointDefinitionId) -> Vec<Transaction> {
        let all = self.transactions.values();
        all.filter(|it| it.member_id == member && it.point_definition_id == definition)
            .cloned()
            .collect()
    }
}

#[derive(Default, Clone)]
pub struct Story {
    pub position: u64,
    pub catalog: ProgramCatalog,
    pub members: MemberBook,
    pub accounts: AccountBook,
    pub orders: BTreeMap<OrderId, OrderDocument>,
    /// What other systems were told of points, as JSON, in the order of the log.
    pub points_told: BTreeMap<OrderId, Vec<(Position, String)>>,
}

pub fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

pub fn customer(text: &str) -> CustomerId {
    text.parse().expect("a customer id")
}

pub fn order_id(text: &str) -> OrderId {
    text.parse().expect("an order id")
}

/// One event of an order, with what identifies it.
#[derive(Debug, Clone)]
pub struct Told {
    pub kind: EventKind,
    pub time: DateTime<Utc>,
    pub id: String,
    pub data: Value,
}

pub fn told(kind: EventKind, at: &str, data: Value) -> Told {
    Told {
        kind,
        time: time(at),
        id: format!("{kind}-{at}"),
        data,
    }
}

/// A line of one single ticket, to be changed by the story.
pub fn line(order: &str, line: &str, price: &str) -> Value {
    json!({
        "orderId": order, "orderVersion": 1, "orderLineId": line, "orderLineVersion": 1,
        "fareProducts": [{"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE"}],
        "price": {"amount": price, "currency": "NOK"}, "userType": "ADULT"
    })
}

impl Story {
    pub fn program(&mut self, toml: &str) -> ProgramId {
        let (id, is_new) = self.publish(toml);
        assert!(is_new);
        id
    }

    /// The program, and whether the document made a new version of it.
    pub fn publish(&mut self, toml: &str) -> (ProgramId, bool) {
        let program = Program::from_toml(toml).expect("a program");
        let id = program.id;
        let json = serde_json::to_string(&program).expect("its JSON");
        self.position += 1;
        let at = time("2025-01-01T00:00:00Z");
        let is_new = self.catalog.publish(id, self.position, at, &json);
        let published = self.catalog.current(id).expect("published");
        assert_eq!(published.inert, None);
        (id, is_new)
    }

    pub fn member(&mut self, program: ProgramId, kind: MemberChangeKind, name: &str) -> MemberId {
        self.member_with(program, kind, name, None)
    }

    /// A change of a membership, with what the publisher keeps about the member from here on.
    pub fn member_with(
        &mut self,
        program: ProgramId,
        kind: MemberChangeKind,
        name: &str,
        metadata: Option<Map<String, Value>>,
    ) -> MemberId {
        self.position += 1;
        let key = (program, customer(name));
        let mut member = self.members.members.get(&key).map_or_else(
            || Member {
                id: MemberId::new(id_from_position(self.position, 0).unwrap()).unwrap(),
                program_id: program,
                customer_id: customer(name),
                history: Vec::new(),
            },
            |member| (**member).clone(),
        );
        let event = Membership {
            program_id: Some(program),
            program_reference: None,
            customer_id: customer(name),
            external_reference: None,
            organisation_id: None,
            metadata,
        };
        member.change(kind, self.position, time("2025-01-01T00:00:00Z"), &event);
        let id = member.id;
        self.members.members.insert(key, Arc::new(member));
        id
    }

    pub fn enroll(&mut self, program: ProgramId, name: &str) -> MemberId {
        self.member(program, MemberChangeKind::Enrolled, name)
    }

    /// The first customer becomes the second, unless that would change nothing or close a circle.
    pub fn merge(&mut self, from: &str, into: &str) {
        self.position += 1;
        let position = self.position;
        let (from, into) = (customer(from), customer(into));
        if self.members.check_merge_at(&from, &into, position).is_err() {
            return;
        }
        let merge_with = |customer_id| Merge {
            position,
            customer_id,
        };
        let identities = &mut self.members.identities;
        Arc::make_mut(identities.entry(from.clone()).or_default())
            .merge_into(merge_with(into.clone()));
        Arc::make_mut(identities.entry(into).or_default()).merge_from(merge_with(from));
    }

    pub fn tell(&mut self, told: &Told) {
        self.position += 1;
        let json = told.data.to_string();
        let order: OrderId = order_id(told.data["orderId"].as_str().expect("orderId"));
        let event = OrderEvent::from(DecodedRecord {
            position: self.position,
            recorded_at: told.time,
            source: "story".into(),
            id: told.id.as_str().into(),
            time: told.time,
            kind: told.kind,
            data: decode(told.kind, &json).expect("readable data"),
            json: JsonText::new(&json).unwrap(),
        });
        let world = World {
            programs: &self.catalog,
            members: &self.members,
            accounts: &self.accounts,
        };
        let document = self
            .orders
            .entry(order.clone())
            .or_insert_with(|| OrderDocument::new(order.clone()));
        let effects = document.apply(event, world);
        let nobody = |_, _| Ok::<_, Infallible>(None);
        let facts = points_changed(&order, &effects.settled, &document.ledger, nobody).unwrap();
        let told = self.points_told.entry(order.clone()).or_default();
        for fact in facts {
            told.push((self.position, serde_json::to_string(&fact).unwrap()));
        }
        self.accounts.take_in(effects.settled);
    }

    pub fn tell_all(&mut self, history: &[Told]) {
        for told in history {
            self.tell(told);
        }
    }

    pub fn event(&mut self, kind: EventKind, at: &str, data: Value) {
        self.tell(&told(kind, at, data));
    }

    /// A line is added and its order confirmed, all at one time.
    pub fn buys(&mut self, order: &str, who: Option<&str>, line: &Value, at: &str) {
        let mut created =
            json!({"orderId": order, "orderVersion": 1, "organisationId": 1, "currency": "NOK"});
        if let Some(who) = who {
            created["customerId"] = who.into();
        }
        self.event(EventKind::OrderCreated, at, created);
        self.event(EventKind::OrderLineAdded, at, line.clone());
        self.event(
            EventKind::OrderConfirmed,
            at,
            json!({"orderId": order, "orderVersion": 1}),
        );
    }

    pub fn transactions(&self, order: &str) -> Vec<Transaction> {
        self.orders
            .get(&order_id(order))
            .map(|document| {
                document
                    .ledger
                    .transactions()
                    .into_iter()
                    .cloned()
                    .collect()
            })
            .unwrap_or_default()
    }

    pub fn all_transactions(&self) -> Vec<Transaction> {
        self.orders
            .values()
            .flat_map(|document| document.ledger.transactions().into_iter().cloned())
            .collect()
    }

    /// The sum that counts for a member at a time.
    pub fn status(&self, member: MemberId, at: &str) -> Decimal {
        self.all_transactions()
            .iter()
            .filter(|transaction| {
                transaction.member_id == member && transaction.counts_at(time(at))
            })
            .map(|transaction| transaction.amount)
            .sum()
    }
}
