//! Members and their accounts, in maps.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use chrono::DateTime;
use farelog_events::id::{CustomerId, MemberId, PointDefinitionId, ProgramId, id_from_position};
use farelog_events::log::Position;
use farelog_events::member::Membership;
use farelog_projections::member::{Identity, Member, MemberChangeKind, Members};
use farelog_projections::points::Transaction;
use farelog_projections::points::account::{AccountChanges, Accounts, TallyOf};
use farelog_projections::points::period::{Period, PeriodsOf};
use rust_decimal::Decimal;

/// The members of every program.
#[derive(Default)]
pub struct MemberBook(HashMap<ProgramId, HashMap<CustomerId, Arc<Member>>>);

impl MemberBook {
    /// Enrols a customer with the record at a position.
    pub fn enrol(
        &mut self,
        program: ProgramId,
        customer: &CustomerId,
        position: Position,
    ) -> Result<(), Box<dyn Error>> {
        let id = id_from_position(position, 0).ok_or("the position gives no id")?;
        let mut member = Member {
            id: MemberId::new(id).ok_or("the id is none of a member")?,
            program_id: program,
            customer_id: customer.clone(),
            history: Vec::new(),
        };
        let membership = Membership {
            program_id: Some(program),
            program_reference: None,
            customer_id: customer.clone(),
            external_reference: None,
            organisation_id: None,
            metadata: None,
        };
        let kind = MemberChangeKind::Enrolled;
        member.change(kind, position, DateTime::UNIX_EPOCH, &membership);
        let members = self.0.entry(program).or_default();
        members.insert(customer.clone(), Arc::new(member));
        Ok(())
    }
}

impl Members for MemberBook {
    fn own_member(&self, program: ProgramId, customer: &CustomerId) -> Option<Arc<Member>> {
        self.0.get(&program)?.get(customer).cloned()
    }

    fn identity(&self, _: &CustomerId) -> Option<Arc<Identity>> {
        None
    }
}

/// Accounts, as they stand after the last event.
#[derive(Default)]
pub struct AccountBook {
    periods: HashMap<PeriodsOf, Vec<Period>>,
    tallies: HashMap<TallyOf, Decimal>,
}

impl AccountBook {
    /// Takes in what an event changed.
    pub fn take_in(&mut self, changes: AccountChanges) {
        for (of, opened) in changes.opened {
            self.periods.entry(of).or_default().extend(opened);
        }
        self.tallies.extend(changes.tallies);
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

    /// Nothing: no cap of these programs came later than its definition.
    fn transactions(&self, _: MemberId, _: PointDefinitionId) -> Vec<Transaction> {
        Vec::new()
    }
}
