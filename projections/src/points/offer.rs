//! What a chain's points come out as when they are given: within their period, and cut to the room of a cap (domain,
//! section 3, rules 6, 8, 9 and 10).

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::account::{AccountsInStep, TallyOf};
use super::chain::Chain;
use super::entitlement::{Entitlement, Terms};
use super::period::{Fall, Opening, PeriodTerms, PeriodsOf};

/// What would be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// How many points; 0 where no room is left.
    pub amount: Decimal,
    /// From when.
    pub valid_from: DateTime<Utc>,
    /// Until when.
    pub expire_at: Option<DateTime<Utc>>,
    /// In which of the periods that were opened before.
    pub period_id: Option<i64>,
    /// The period that it opens, and whose periods these are.
    pub opens: Option<(PeriodsOf, Opening)>,
    /// The amount, where it is the first that the member is given here and a cap cut it: to be remembered.
    pub cut: Option<Decimal>,
}

impl Offer {
    /// What an entitlement comes out as in its chain, with the accounts as they are. What is live there is replaced at
    /// `replaced_at`; `None` where it would stay.
    ///
    /// A member's first transaction in the chain decides on period, expiry and the day that it is counted on; what replaces
    /// it stays in them. An amount that was cut then is not passed any more, since room that is freed later goes to later
    /// triggers.
    pub fn new(
        chain: &Chain,
        entitlement: &Entitlement,
        replaced_at: Option<DateTime<Utc>>,
        accounts: &AccountsInStep<'_>,
    ) -> Self {
        let valid_from = chain
            .latest_cancelled_at(replaced_at)
            .map_or(entitlement.valid_from, |cancelled| {
                cancelled.max(entitlement.valid_from)
            });
        let plain = Self {
            amount: entitlement.amount,
            valid_from,
            expire_at: entitlement.expire_at,
            period_id: None,
            opens: None,
            cut: None,
        };
        match &entitlement.terms {
            None => plain,
            Some(terms) => plain.within(terms, chain, entitlement, accounts),
        }
    }

    /// How many effects of its record giving it takes.
    pub fn effects(&self) -> u32 {
        1 + u32::from(self.opens.is_some())
    }

    fn within(
        mut self,
        terms: &Terms,
        chain: &Chain,
        entitlement: &Entitlement,
        accounts: &AccountsInStep<'_>,
    ) -> Self {
        let member_id = entitlement.member_id;
        let point_definition_id = chain.slot.point_definition_id;
        let first = chain.first_of(member_id);
        if let Some(first) = first {
            self.period_id = first.point_period_id;
            self.expire_at = first.expire_at;
        } else if let Some(period) = &terms.period {
            let of = PeriodsOf {
                member_id,
                point_definition_id,
                key: period.key.clone(),
            };
            self.fall_into(of, period, terms.ends_with_period, accounts);
        }
        let Some(cap) = &terms.cap else {
            return self;
        };
        let counted_from = first.map_or(self.valid_from, |first| first.valid_from);
        // Of a period that is not opened yet nothing is counted.
        let counted =
            cap.counter
                .tally(counted_from, self.period_id)
                .map_or(Decimal::ZERO, |tally| {
                    accounts.tally(&TallyOf {
                        program_id: chain.slot.program_id,
                        member_id,
                        point_definition_id,
                        tally,
                    })
                });
        let remembered = chain.cut_of(member_id);
        self.amount = remembered
            .unwrap_or(entitlement.amount)
            .min(entitlement.amount)
            .min(cap.room(counted));
        let is_cut = self.amount < entitlement.amount;
        self.cut = (is_cut && first.is_none() && remembered.is_none()).then_some(self.amount);
        self
    }

    fn fall_into(
        &mut self,
        of: PeriodsOf,
        period: &PeriodTerms,
        ends_with_period: bool,
        accounts: &AccountsInStep<'_>,
    ) {
        let end = match period.fall(self.valid_from, accounts.periods(&of)) {
            Fall::Into(period) => {
                self.period_id = Some(period.id);
                period.to
            }
            Fall::Open(opening) => {
                self.opens = Some((of, opening));
                opening.to
            }
        };
        if ends_with_period {
            self.expire_at = Some(end);
        }
    }
}
