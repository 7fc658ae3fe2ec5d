//! What happened to an order, entry by entry.

mod entry;
mod sentence;

use std::collections::BTreeMap;

use farelog_events::id::{OrderId, TransactionId, position_from_id};
use farelog_events::log::{Position, Record};
use farelog_projections::ProjectionError;
use farelog_projections::distribution::{Groups, Outcome, retell};
use farelog_projections::document::OrderDocument;
use farelog_projections::member::MemberCustomers;
use farelog_projections::order::OrderEvent;
use farelog_projections::outbox::fact::FactContent;
use farelog_projections::outbox::points::retell_points;
use farelog_projections::points::Transaction;
use farelog_projections::points::chain::Chain;
use farelog_projections::points::ledger::Ledger;
use serde::Serialize;
use utoipa::ToSchema;

use entry::{FactView, TimelineEntry};

/// The timeline of an order.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// The order.
    #[schema(value_type = String)]
    order_id: OrderId,
    /// Its entries, in log order; what a record brought about stands behind it.
    entries: Vec<TimelineEntry>,
}

/// What a timeline is put together from.
#[derive(Debug)]
pub struct Sources<'s> {
    /// What the log has of the order, in log order.
    pub records: &'s [Record],
    /// What the projections made of it.
    pub document: Option<&'s OrderDocument>,
    /// The customers who have or had points of it.
    pub customers: &'s MemberCustomers,
    /// The facts of records up to here are known to be sent.
    pub sent_to: Position,
}

impl Timeline {
    /// Tells what happened.
    ///
    /// # Errors
    /// A fact has no JSON.
    pub fn new(order_id: OrderId, sources: &Sources<'_>) -> Result<Self, ProjectionError> {
        let mut telling = Telling {
            sources,
            entries: Vec::new(),
        };
        telling.tell_records()?;
        if let Some(document) = sources.document {
            telling.tell_transactions(&document.ledger);
            telling.tell_groups(&document.groups);
            telling.tell_points_facts(document)?;
        }
        let mut entries = telling.entries;
        // Stable: effects of one record stay as they were added, cancellations before what takes their place.
        entries.sort_by_key(TimelineEntry::place);
        Ok(Self { order_id, entries })
    }
}

/// A timeline that is being put together.
struct Telling<'s> {
    sources: &'s Sources<'s>,
    entries: Vec<TimelineEntry>,
}

impl<'s> Telling<'s> {
    /// The record at a position. Whatever was made of an order was made of one of its records.
    fn at(&self, position: Position) -> Option<&'s Record> {
        let records = self.sources.records;
        let index = records.binary_search_by_key(&position, |record| record.position);
        records.get(index.ok()?)
    }

    /// The records, and what ticket systems are told because of them.
    fn tell_records(&mut self) -> Result<(), ProjectionError> {
        let mut outcomes = outcomes(self.sources.records);
        for record in self.sources.records {
            let Outcome { facts, ignored } = outcomes.remove(&record.position).unwrap_or_default();
            self.entries.push(TimelineEntry::of_record(record, ignored));
            for fact in facts {
                let content = FactContent::of_ticket(&fact)?;
                self.tell_fact(record, content, |is_sent| {
                    sentence::of_ticket_fact(&fact, is_sent)
                });
            }
        }
        Ok(())
    }

    /// That transactions were given, and that they were cancelled where they were.
    fn tell_transactions(&mut self, ledger: &Ledger) {
        let history = ledger.chains().iter().flat_map(Chain::history);
        let mut history: Vec<(&Transaction, Option<Position>)> = history.collect();
        history.sort_by_key(|(transaction, _)| transaction.id);
        for (transaction, cancelled_by) in history {
            let member = (transaction.program_id, transaction.member_id);
            let holder = sentence::holder(member.1, self.sources.customers.get(&member));
            let cause = cancelled_by.and_then(|position| self.at(position));
            if let Some((cause, cancelled_at)) = cause.zip(transaction.cancelled_at) {
                let summary = sentence::of_cancelled(transaction, &holder);
                let entry =
                    TimelineEntry::of_transaction(transaction, cause, cancelled_at, summary);
                self.entries.push(entry);
            }
            let given_at = transaction.id.map(TransactionId::position);
            if let Some(cause) = given_at.and_then(|position| self.at(position)) {
                let summary = sentence::of_given(transaction, &holder);
                let valid_from = transaction.valid_from;
                let entry = TimelineEntry::of_transaction(transaction, cause, valid_from, summary);
                self.entries.push(entry);
            }
        }
    }

    fn tell_groups(&mut self, groups: &Groups) {
        for group in groups.to_view() {
            if let Some(cause) = self.at(position_from_id(group.id.get())) {
                self.entries.push(TimelineEntry::of_group(group, cause));
            }
        }
    }

    /// What other systems are told of the members' points.
    fn tell_points_facts(&mut self, document: &OrderDocument) -> Result<(), ProjectionError> {
        let OrderDocument {
            order_id, ledger, ..
        } = document;
        let customers = self.sources.customers;
        let customer_of = |program, member| Ok(customers.get(&(program, member)).cloned());
        retell_points(order_id, ledger, customer_of, |position, fact| {
            if let Some(cause) = self.at(position) {
                let content = FactContent::of_points(fact)?;
                self.tell_fact(cause, content, |is_sent| {
                    sentence::of_points_fact(fact, is_sent)
                });
            }
            Ok(())
        })
    }

    fn tell_fact(
        &mut self,
        cause: &Record,
        content: FactContent,
        summary: impl FnOnce(bool) -> String,
    ) {
        let is_sent = cause.position <= self.sources.sent_to;
        let fact = FactView::new(content, is_sent);
        self.entries
            .push(TimelineEntry::of_fact(fact, cause, summary(is_sent)));
    }
}

/// What the records came to for the order's tickets, by position.
fn outcomes(records: &[Record]) -> BTreeMap<Position, Outcome> {
    let events: Vec<OrderEvent> = records
        .iter()
        .filter_map(|record| OrderEvent::from_record(record)?.ok())
        .collect();
    retell(&events).into_iter().collect()
}
