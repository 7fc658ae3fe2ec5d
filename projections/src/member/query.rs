//! What can be asked about members and customers.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderId, ProgramId};
use farelog_events::log::Position;

use super::cache::MemberCache;
use super::membership::Member;
use super::people::Members as _;
use super::status::{CustomerStatus, ProgramStatus};
use crate::Projections;
use crate::answer::{Answer, Page, Paged};
use crate::points::Transaction;
use crate::points::chain::Chain;
use crate::points::ledger::Ledger;
use crate::program::ProgramCatalog;
use crate::store::{self, ProjectionError, Store};

/// Which of a member's transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransactionFilter {
    /// Of this order only.
    pub order_id: Option<OrderId>,
    /// By this definition only.
    pub point_definition_reference: Option<String>,
}

impl TransactionFilter {
    fn admits_definition(&self, transaction: &Transaction) -> bool {
        self.point_definition_reference
            .as_ref()
            .is_none_or(|reference| {
                transaction.point_definition_reference.as_ref() == Some(reference)
            })
    }
}

/// Customers by program and member. Which customer a member is never changes.
pub type MemberCustomers = BTreeMap<(ProgramId, MemberId), CustomerId>;

/// The memberships of a customer, with all customers that are one with it.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerMemberships {
    /// The customers that are one, the one that the others were merged into first.
    pub customer_ids: Vec<CustomerId>,
    /// Their memberships, in force or not: by program, in the order of the customers.
    pub memberships: Vec<Member>,
}

impl Projections {
    /// The customers of all members that have or had points of an order, by program and member.
    pub fn customers_of(&self, ledger: &Ledger) -> Result<MemberCustomers, ProjectionError> {
        let store = self.store();
        let mut customers = MemberCustomers::new();
        for transaction in ledger.chains().iter().flat_map(Chain::transactions) {
            let (program, member) = (transaction.program_id, transaction.member_id);
            if let Entry::Vacant(unknown) = customers.entry((program, member))
                && let Some(customer) =
                    store.read(&store::member_id_key(program, member), "member id")?
            {
                unknown.insert(customer);
            }
        }
        Ok(customers)
    }

    /// The membership of a program that counts for a customer now, whether in force or not; it may be that of a customer
    /// that this one is merged with.
    pub fn member_of(
        &self,
        program: ProgramId,
        customer: &CustomerId,
    ) -> Result<Answer<Option<Member>>, ProjectionError> {
        self.answer(|store| {
            let members = MemberCache::new(store);
            let member = members.member_at(program, customer, Position::MAX);
            members.check()?;
            Ok(member.map(Arc::unwrap_or_clone))
        })
    }

    /// A member of a program by id, whether in force or not.
    pub fn member(
        &self,
        program: ProgramId,
        member: MemberId,
    ) -> Result<Answer<Option<Member>>, ProjectionError> {
        self.answer(|store| {
            let key = store::member_id_key(program, member);
            match store.read::<CustomerId>(&key, "member id")? {
                Some(customer) => own_member(store, program, &customer),
                None => Ok(None),
            }
        })
    }

    /// The members of a program, in the order in which they first enrolled. Takes time with the page's number.
    pub fn members(
        &self,
        program: ProgramId,
        page: Page,
    ) -> Result<Answer<Paged<Member>>, ProjectionError> {
        self.answer(|store| {
            let count: Option<usize> =
                store.read(&store::member_count_key(program), "member count")?;
            let mut members = Vec::new();
            for entry in store
                .scan::<CustomerId>(&store::members_prefix(program))
                .skip(page.offset())
                .take(page.per_page)
            {
                let (_, customer) = entry?;
                members.extend(own_member(store, program, &customer)?);
            }
            Ok(Paged::new(members, count.unwrap_or_default(), page))
        })
    }

    /// The memberships that a customer has or had, in one program or in all; empty for a customer whom nothing is known of.
    ///
    /// Takes time with the number of programs and of the customers that are one.
    pub fn memberships_of(
        &self,
        customer: &CustomerId,
        program: Option<ProgramId>,
    ) -> Result<Answer<CustomerMemberships>, ProjectionError> {
        self.answer(|store| memberships(store, &self.programs(), customer, program))
    }

    /// What a customer has at a time, past or future, by all that the log says now (domain, section 3, rule 11).
    ///
    /// Takes time with the number of transactions of the customer's memberships.
    pub fn status_of(
        &self,
        customer: &CustomerId,
        program: Option<ProgramId>,
        at: DateTime<Utc>,
    ) -> Result<Answer<CustomerStatus>, ProjectionError> {
        self.answer(|store| {
            let CustomerMemberships {
                customer_ids,
                memberships,
            } = memberships(store, &self.programs(), customer, program)?;
            let mut programs: Vec<ProgramStatus> = Vec::new();
            for member in memberships {
                let program_id = member.program_id;
                if programs
                    .last()
                    .is_none_or(|last| last.program_id != program_id)
                {
                    programs.push(ProgramStatus::of(program_id));
                }
                if let Some(status) = programs.last_mut() {
                    for transaction in store.transactions(&store::transactions_prefix(member.id)) {
                        status.points.add(&transaction?, at);
                    }
                    status.memberships.push(member);
                }
            }
            Ok(CustomerStatus {
                customer_ids,
                programs,
            })
        })
    }

    /// A member's transactions, newest `validFrom` first.
    ///
    /// Of an order, they take time with the order's transactions. Else they take time with the member's: all are counted,
    /// but only those of the page are decoded, unless a definition is named, for which all are.
    pub fn transactions_of_member(
        &self,
        member: MemberId,
        filter: &TransactionFilter,
        page: Page,
    ) -> Result<Answer<Paged<Transaction>>, ProjectionError> {
        self.answer(|store| {
            let prefix = store::transactions_prefix(member);
            let admits = |transaction: &Transaction| filter.admits_definition(transaction);
            if let Some(order) = &filter.order_id {
                let of_order = transactions_of_order(store, member, order)?;
                return Paged::of(of_order.into_iter().map(Ok), page, admits);
            }
            if filter.point_definition_reference.is_none() {
                return store.page_of_transactions(&prefix, page);
            }
            Paged::of(store.transactions(&prefix), page, admits)
        })
    }
}

/// The membership that this very customer has or had.
fn own_member(
    store: &Store,
    program: ProgramId,
    customer: &CustomerId,
) -> Result<Option<Member>, ProjectionError> {
    let of_customer: Option<Vec<Member>> = store.read(&store::members_key(customer), "members")?;
    let mut of_customer = of_customer.into_iter().flatten();
    Ok(of_customer.find(|member| member.program_id == program))
}

fn memberships(
    store: &Store,
    programs: &ProgramCatalog,
    customer: &CustomerId,
    program: Option<ProgramId>,
) -> Result<CustomerMemberships, ProjectionError> {
    let members = MemberCache::new(store);
    let ids = programs
        .programs()
        .map(|published| published.compiled.program.id)
        .filter(|id| program.is_none_or(|only| only == *id));
    let memberships = ids
        .flat_map(|id| members.memberships_at(id, customer, Position::MAX))
        .map(Arc::unwrap_or_clone)
        .collect();
    let customer_ids = members.customers_at(customer, Position::MAX);
    members.check()?;
    Ok(CustomerMemberships {
        customer_ids,
        memberships,
    })
}

/// A member's transactions of an order, newest `validFrom` first.
fn transactions_of_order(
    store: &Store,
    member: MemberId,
    order: &OrderId,
) -> Result<Vec<Transaction>, ProjectionError> {
    let Some(document) = store.read_order(order)? else {
        return Ok(Vec::new());
    };
    let all = document.ledger.transactions().into_iter();
    let mut of_member: Vec<Transaction> = all
        .filter(|transaction| transaction.member_id == member)
        .cloned()
        .collect();
    of_member.sort_by_key(|transaction| Reverse((transaction.valid_from, transaction.id)));
    Ok(of_member)
}
