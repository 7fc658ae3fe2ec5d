//! What happened to an order, entry by entry.

mod entry;
mod sentence;

use std::collections::BTreeMap;
use std::iter::once;
use std::ops::ControlFlow;

use bytes::Bytes;
use farelog_events::event::{About, EventData, EventKind};
use farelog_events::id::{OrderId, TransactionId, position_from_id};
use farelog_events::json::JsonText;
use farelog_events::log::{EventLog, LogError, Position, Record};
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
    /// Where there are more: from which log position on, to be asked for with `fromPosition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_position: Option<Position>,
}

/// Most records that one answer tells of, with all that they brought about.
pub const RECORDS_TOLD_MAX: usize = 1_000;

/// What the log has of an order, as far as one answer needs it, in log order.
#[derive(Debug, Default)]
pub struct History {
    /// Before what is told: the events, on which it depends what others came to. No dead letters, of which an order may have
    /// any number.
    before: Vec<Record>,
    /// What is told of. Dead letters are without their messages, which may be large and are not told.
    told: Vec<Record>,
    /// Where there is more.
    next: Option<Position>,
}

impl History {
    /// Reads what is to be told from `from` on, as far as `to`; `None` where the order has no record there and before.
    ///
    /// # Errors
    /// The log's.
    pub fn read(
        log: &dyn EventLog,
        order: &OrderId,
        from: Position,
        to: Position,
    ) -> Result<Option<Self>, LogError> {
        let mut history = None;
        log.visit_about(&About::Order(order.clone()), &mut |record| {
            if record.position > to {
                return ControlFlow::Break(());
            }
            history
                .get_or_insert_with(Self::default)
                .take_in(record, from)
        })?;
        Ok(history)
    }

    fn take_in(&mut self, record: Record, from: Position) -> ControlFlow<()> {
        let is_dead_letter = record.kind() == Some(EventKind::DeadLetterRecorded);
        if record.position < from {
            if !is_dead_letter {
                self.before.push(record);
            }
        } else if self.told.len() == RECORDS_TOLD_MAX {
            self.next = Some(record.position);
            return ControlFlow::Break(());
        } else if is_dead_letter {
            self.told.push(without_message(record));
        } else {
            self.told.push(record);
        }
        ControlFlow::Continue(())
    }

    /// What the records came to for the order's tickets, by position.
    fn outcomes(&self) -> BTreeMap<Position, Outcome> {
        let records = self.before.iter().chain(&self.told);
        let events: Vec<OrderEvent> = records
            .filter_map(|record| OrderEvent::from_record(record)?.ok())
            .collect();
        retell(&events).into_iter().collect()
    }
}

/// A dead letter's record with an empty message.
fn without_message(mut record: Record) -> Record {
    if let Some(Ok(EventData::DeadLetterRecorded(mut letter))) = record.decode() {
        letter.message.payload = Bytes::new();
        letter.message.headers = Vec::new();
        letter.message.header_bytes = None;
        if let Ok(data) = JsonText::of(&letter) {
            record.data = data;
        }
    }
    record
}

/// What a timeline is put together from.
#[derive(Debug)]
pub struct Sources<'s> {
    /// What the log has of the order.
    pub history: &'s History,
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
            records: &sources.history.told,
            entries: Vec::new(),
        };
        telling.tell_records(sources.history.outcomes())?;
        if let Some(document) = sources.document {
            telling.tell_transactions(&document.ledger);
            telling.tell_groups(&document.groups);
            telling.tell_points_facts(document)?;
        }
        let mut entries = telling.entries;
        // Stable: effects of one record stay as they were added, cancellations before what takes their place.
        entries.sort_by_key(TimelineEntry::place);
        Ok(Self {
            order_id,
            entries,
            next_position: sources.history.next,
        })
    }
}

/// A timeline that is being put together.
struct Telling<'s> {
    sources: &'s Sources<'s>,
    /// The records that are told.
    records: &'s [Record],
    entries: Vec<TimelineEntry>,
}

impl<'s> Telling<'s> {
    /// The record at a position, if it is told. Whatever was made of an order was made of one of its records.
    fn at(&self, position: Position) -> Option<&'s Record> {
        let found = self
            .records
            .binary_search_by_key(&position, |record| record.position);
        self.records.get(found.ok()?)
    }

    /// The records, and what ticket systems are told because of them.
    fn tell_records(
        &mut self,
        mut outcomes: BTreeMap<Position, Outcome>,
    ) -> Result<(), ProjectionError> {
        for record in self.records {
            let Outcome { facts, ignored } = outcomes.remove(&record.position).unwrap_or_default();
            self.entries.push(TimelineEntry::of_record(record, ignored));
            for fact in facts {
                let content = FactContent::of_ticket(&fact)?;
                self.tell_fact(record, content, |is_sent| {
                    sentence::of_ticket_fact(&fact, is_sent)
                })?;
            }
        }
        Ok(())
    }

    /// That transactions were given, and that they were cancelled where they were.
    fn tell_transactions(&mut self, ledger: &Ledger) {
        let chains = ledger.chains().iter();
        let mut lives: Vec<Life<'_>> = chains.flat_map(lives).collect();
        lives.sort_by_key(|life| life.transaction.id);
        for life in lives {
            let Life { transaction, .. } = life;
            let holder = self.holder(transaction);
            let cause = life.cancelled_by.and_then(|position| self.at(position));
            if let Some((cause, cancelled_at)) = cause.zip(transaction.cancelled_at) {
                let summary = sentence::of_cancelled(transaction, &holder);
                let entry =
                    TimelineEntry::of_transaction(transaction, cause, cancelled_at, summary);
                self.entries.push(entry);
            }
            let given_at = transaction.id.map(TransactionId::position);
            if let Some(cause) = given_at.and_then(|position| self.at(position)) {
                let former = life.former.map(|former| (former, self.holder(former)));
                let former = former.as_ref().map(|(former, of)| (*former, of.as_str()));
                let summary = sentence::of_given(transaction, &holder, cause.time, former);
                let entry = TimelineEntry::of_transaction(transaction, cause, cause.time, summary);
                self.entries.push(entry);
            }
        }
    }

    /// Who has or had points.
    fn holder(&self, transaction: &Transaction) -> String {
        let member = (transaction.program_id, transaction.member_id);
        sentence::holder(member.1, self.sources.customers.get(&member))
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
                })?;
            }
            Ok(())
        })
    }

    fn tell_fact(
        &mut self,
        cause: &Record,
        content: FactContent,
        summary: impl FnOnce(bool) -> String,
    ) -> Result<(), ProjectionError> {
        let is_sent = cause.position <= self.sources.sent_to;
        let fact = FactView::new(content, is_sent)?;
        self.entries
            .push(TimelineEntry::of_fact(fact, cause, summary(is_sent)));
        Ok(())
    }
}

/// A transaction from its beginning to its end.
struct Life<'l> {
    transaction: &'l Transaction,
    /// The record that cancelled it.
    cancelled_by: Option<Position>,
    /// The one that was cancelled for it.
    former: Option<&'l Transaction>,
}

fn lives(chain: &Chain) -> impl Iterator<Item = Life<'_>> {
    let former = once(None).chain(chain.history().map(Some));
    let lives = chain.history().zip(former);
    lives.map(|((transaction, cancelled_by), former)| {
        let given_at = transaction.id.map(TransactionId::position);
        Life {
            transaction,
            cancelled_by,
            former: former
                .filter(|(_, cancelled_by)| *cancelled_by == given_at)
                .map(|(former, _)| former),
        }
    })
}
