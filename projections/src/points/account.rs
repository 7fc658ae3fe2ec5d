//! What a member has of a definition: the periods that were opened, and the sums that caps count. Unlike everything else
//! that points depend on it is no function of one order's events (domain, section 3, rule 7).

use std::collections::BTreeMap;

use farelog_events::id::{MemberId, PointDefinitionId, ProgramId};
use rust_decimal::Decimal;

use super::entitlement::World;
use super::period::{Period, PeriodsOf};
use super::transaction::Transaction;
use crate::program::{ProgramCatalog, Tally};

/// Which sum of a member's transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TallyOf {
    /// The program.
    pub program_id: ProgramId,
    /// The member.
    pub member_id: MemberId,
    /// The definition, in whatever version.
    pub point_definition_id: PointDefinitionId,
    /// Of what.
    pub tally: Tally,
}

/// Look-up of what members have, for a fold: as it stands before the event that is folded.
pub trait Accounts {
    /// The periods that were opened, in the order in which they were.
    fn periods(&self, of: &PeriodsOf) -> Vec<Period>;

    /// The period with an id, and whose it is, among all that were opened for a member by a definition, whatever their key;
    /// as the last batch left them. For who explains points: the fold has no need of it.
    fn period(
        &self,
        member: MemberId,
        definition: PointDefinitionId,
        id: i64,
    ) -> Option<(PeriodsOf, Period)>;

    /// The sum of the transactions that are not cancelled, as the last step that counted in it left it; `None` where none
    /// has. Never asked for an order's: that is in the order.
    fn tally(&self, of: &TallyOf) -> Option<Decimal>;

    /// All transactions of a member by a definition. Asked for where a cap came later than the definition.
    fn transactions(&self, member: MemberId, definition: PointDefinitionId) -> Vec<Transaction>;
}

/// What a step changed of members' accounts: to be there in the look-ups of the next event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// Periods that were opened, in the order in which they were.
    pub opened: BTreeMap<PeriodsOf, Vec<Period>>,
    /// Sums as they stand after the step.
    pub tallies: BTreeMap<TallyOf, Decimal>,
}

/// The accounts as a step sees them: what was looked up, and on top what it changed.
pub struct AccountsInStep<'a> {
    programs: &'a ProgramCatalog,
    accounts: &'a dyn Accounts,
    /// What the step changed, sums of the order at hand among it.
    changes: AccountChanges,
}

impl<'a> AccountsInStep<'a> {
    /// Nothing is changed yet. `of_order` are the sums of the order at hand.
    pub fn new(world: World<'a>, of_order: BTreeMap<TallyOf, Decimal>) -> Self {
        Self {
            programs: world.programs,
            accounts: world.accounts,
            changes: AccountChanges {
                opened: BTreeMap::new(),
                tallies: of_order,
            },
        }
    }

    /// The periods that were opened, in the order in which they were.
    pub fn periods(&self, of: &PeriodsOf) -> impl Iterator<Item = Period> {
        let opened_now = self.changes.opened.get(of).into_iter().flatten().copied();
        self.accounts.periods(of).into_iter().chain(opened_now)
    }

    /// Opens a period.
    pub fn open(&mut self, of: PeriodsOf, period: Period) {
        self.changes.opened.entry(of).or_default().push(period);
    }

    /// The sum of the transactions that are not cancelled.
    pub fn tally(&self, of: &TallyOf) -> Decimal {
        if let Some(sum) = self.changes.tallies.get(of) {
            return *sum;
        }
        if of.tally == Tally::Order {
            return Decimal::ZERO;
        }
        let counted = self.accounts.tally(of);
        counted.unwrap_or_else(|| self.never_counted(of))
    }

    /// A sum that no step has counted in: zero, but for points that were given before there was a cap to count them for.
    fn never_counted(&self, of: &TallyOf) -> Decimal {
        let counters = self
            .programs
            .counters(of.program_id, of.point_definition_id);
        if !counters.came_late {
            return Decimal::ZERO;
        }
        let mut by_chain: BTreeMap<_, Vec<Transaction>> = BTreeMap::new();
        for transaction in self
            .accounts
            .transactions(of.member_id, of.point_definition_id)
        {
            let metadata = &transaction.metadata;
            let chain = (
                metadata.order_id.clone(),
                metadata.order_line_id.clone(),
                metadata.trigger,
            );
            by_chain.entry(chain).or_default().push(transaction);
        }
        let counted = by_chain.values().filter_map(|chain| {
            let first = chain.iter().min_by_key(|transaction| transaction.id)?;
            let live = chain.iter().find(|transaction| transaction.is_live())?;
            of.tally
                .covers(first.valid_from, first.point_period_id)
                .then_some(live.amount)
        });
        counted.fold(Decimal::ZERO, Decimal::saturating_add)
    }

    /// Counts points, or with a negative number counts them no more.
    pub fn count(&mut self, of: TallyOf, amount: Decimal) {
        let sum = self.tally(&of).saturating_add(amount).normalize();
        self.changes.tallies.insert(of, sum);
    }

    /// What is to be kept: all that was changed but sums of the order, which the order has.
    pub fn into_changes(mut self) -> AccountChanges {
        self.changes
            .tallies
            .retain(|of, _| of.tally != Tally::Order);
        self.changes
    }
}
