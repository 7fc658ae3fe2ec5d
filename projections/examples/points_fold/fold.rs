//! The fold: event after event, with members, accounts and orders in maps, and what happens in it counted.

use std::collections::HashMap;
use std::error::Error;

use farelog_events::id::{OrderId, OrderLineId};
use farelog_projections::document::OrderDocument;
use farelog_projections::order::OrderEvent;
use farelog_projections::points::entitlement::{Nothing, World};
use farelog_projections::points::trace::{Inquiry, Verdict, Witness};
use farelog_projections::program::{CompiledDefinition, ProgramCatalog, PublishedProgram};

use crate::books::{AccountBook, MemberBook};
use crate::{programs, sales};

/// What is folded, made before it is measured.
pub struct Prepared {
    programs: ProgramCatalog,
    members: MemberBook,
    events: Vec<(OrderId, OrderEvent)>,
}

impl Prepared {
    /// So many events, and the programs and members before them.
    pub fn new(events: usize) -> Result<Self, Box<dyn Error>> {
        let (programs, mut position) = programs::published()?;
        let members = members(&programs, &mut position)?;
        let events = sales::events(events, position + 1)?;
        Ok(Self {
            programs,
            members,
            events,
        })
    }
}

/// What happened in the fold.
#[derive(Debug, Default)]
pub struct Counts {
    /// Definitions that were asked.
    pub inquiries: u64,
    /// Expressions that were evaluated.
    pub evaluations: u64,
    /// Events for which a definition was asked.
    pub events_that_ask: u64,
    /// Events that changed a transaction.
    pub events_that_settle: u64,
    /// Transactions that were given or cancelled.
    pub transactions: u64,
    /// Expressions that failed.
    pub rule_errors: u64,
}

impl Witness for Counts {
    type Trace = ();

    fn trace(&mut self, _: &OrderLineId, _: &PublishedProgram, _: &CompiledDefinition) {}

    /// The expressions of a definition are evaluated one after the other, up to the one that decides.
    fn see(&mut self, inquiry: &Inquiry<'_>, (): ()) {
        let Verdict::Evaluated { result, .. } = &inquiry.verdict else {
            return;
        };
        self.inquiries += 1;
        let definition = &inquiry.definition.definition;
        let expressions = |count: &[bool]| count.iter().filter(|is| **is).count() as u64;
        let customer = expressions(&[definition.customer.is_some()]);
        let when = expressions(&[definition.when.is_some()]);
        let key = definition
            .period
            .as_ref()
            .is_some_and(|period| period.key.is_some());
        let rest = expressions(&[definition.valid_from.is_some(), key]);
        self.evaluations += match result {
            Err(Nothing::NoCustomer | Nothing::NotMember(_)) => customer,
            Err(Nothing::NotMatched) => customer + when,
            // The only fault of these programs is a product that is not in the table of `amount`.
            Err(Nothing::NoAmount | Nothing::Fault(_)) => customer + when + 1,
            Ok(_) | Err(Nothing::Ended | Nothing::Refunded) => customer + when + 1 + rest,
        };
    }
}

/// Two of three customers are members of every program.
fn members(programs: &ProgramCatalog, position: &mut u64) -> Result<MemberBook, Box<dyn Error>> {
    let mut members = MemberBook::default();
    for number in (0..sales::CUSTOMERS).filter(|number| number % 3 != 0) {
        let customer = sales::customer(number).parse()?;
        for program in programs.programs() {
            *position += 1;
            members.enrol(program.compiled.program.id, &customer, *position)?;
        }
    }
    Ok(members)
}

/// Folds all events. The orders and accounts that they make stay until the end.
pub fn fold(prepared: Prepared) -> Counts {
    let Prepared {
        programs,
        members,
        events,
    } = prepared;
    let mut accounts = AccountBook::default();
    let mut orders: HashMap<OrderId, OrderDocument> = HashMap::new();
    let mut counts = Counts::default();
    for (order_id, event) in events {
        let world = World {
            programs: &programs,
            members: &members,
            accounts: &accounts,
        };
        let inquiries_before = counts.inquiries;
        let effects = orders
            .entry(order_id)
            .or_insert_with_key(|id| OrderDocument::new(id.clone()))
            .apply_before(event, world, &mut counts);
        counts.events_that_ask += u64::from(counts.inquiries > inquiries_before);
        let settled = effects.settled;
        let changed = settled.given.len() + settled.cancelled.len();
        counts.events_that_settle += u64::from(changed > 0);
        counts.transactions += changed as u64;
        counts.rule_errors += effects.rule_errors as u64;
        accounts.take_in(settled.accounts);
    }
    counts
}
