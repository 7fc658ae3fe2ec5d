//! From what a definition said, and the transactions that the fold left, to what is told of it.

use farelog_events::id::TransactionId;
use farelog_events::log::Position;
use farelog_events::money::Money;
use farelog_projections::document::OrderDocument;
use farelog_projections::order::LineState;
use farelog_projections::points::account::TallyOf;
use farelog_projections::points::chain::Chain;
use farelog_projections::points::entitlement::{self, Entitlement, Slot, Terms, World};
use farelog_projections::points::period::{Fall, PeriodTerms, PeriodsOf};
use farelog_projections::points::trace::Step;
use farelog_projections::points::{RegistrationKind, Transaction};
use farelog_projections::program::{PointDefinition, PublishedProgram};
use rust_decimal::Decimal;

use super::asking::has;
use super::derivation::{
    AmountExplanation, CapExplanation, DefinitionExplanation, ExpressionExplanation,
    GivenTransaction, PeriodExplanation, Points, RefundExplanation,
};
use super::history::History;
use super::sentence::{self, Nothing};
use super::witness::{Asked, Said};

/// What is told of one line.
pub(super) struct Telling<'a> {
    /// The order as it is, for its transactions.
    pub document: &'a OrderDocument,
    pub history: &'a History,
    pub world: World<'a>,
    /// As far as the order is looked at.
    pub position: Position,
    pub line: &'a LineState<'a>,
}

impl<'a> Telling<'a> {
    /// A definition that was asked.
    pub(super) fn of_asked(&self, asked: Asked) -> DefinitionExplanation {
        let Asked {
            slot,
            program,
            definition,
            said,
            ..
        } = asked;
        let mut told = self.blank(&slot, &program, &definition);
        told.trigger_time = Some(asked.trigger_time);
        told.trigger_position = Some(asked.trigger_position);
        told.place = Some(asked.place);
        for step in asked.steps {
            take_down(step, &definition, &mut told);
        }
        match said {
            Said::ProgramInactive => is_nothing(&mut told, &Nothing::ProgramInactive(&program)),
            Said::Refused(registration, refused) => {
                told.registration = Some(RegistrationKind::Deferred);
                told.customer_id = Some(registration.customer_id.clone());
                told.member_id = Some(registration.member_id);
                let nothing = Nothing::RefusedByRegistration(&registration, &refused);
                is_nothing(&mut told, &nothing);
            }
            Said::Evaluated(registration, Ok(entitlement)) => {
                told.registration = Some(registration);
                if let Some(refunds) = &mut told.refunds {
                    refunds.left = entitlement.amount;
                }
                self.settled(&slot, &definition, &entitlement, &mut told);
            }
            Said::Evaluated(registration, Err(nothing)) => {
                told.registration = Some(registration);
                is_nothing(&mut told, &self.reason(&nothing, &definition, asked.place));
            }
        }
        told
    }

    /// A definition that nobody asked.
    pub(super) fn of_not_asked(
        &self,
        slot: &Slot,
        program: &PublishedProgram,
        definition: &PointDefinition,
        place: Option<Position>,
    ) -> DefinitionExplanation {
        let mut told = self.blank(slot, program, definition);
        told.place = place;
        let nothing = match (place, self.line.confirmation) {
            (Some(place), _) => self.not_published(slot, program, place),
            (None, _) if self.line.end().is_some() => {
                Nothing::LineEnded(self.line.end(), definition.reversal.on_cancel)
            }
            (None, None) => Nothing::NotConfirmed,
            (None, Some(_)) if !program.compiled.program.active => {
                Nothing::ProgramInactive(program)
            }
            (None, Some(_)) => Nothing::NotTriggered,
        };
        is_nothing(&mut told, &nothing);
        told
    }

    /// That the program, or its version that brought the definition, came after the trigger's place.
    fn not_published<'p>(
        &'p self,
        slot: &Slot,
        program: &'p PublishedProgram,
        place: Position,
    ) -> Nothing<'p> {
        let versions = self.world.programs.versions(slot.program_id);
        if let Some(first) = versions.first().filter(|first| first.position > place) {
            return Nothing::ProgramNotPublished(first.position, place);
        }
        let bringing = versions.iter().find(|version| {
            version.position > place && has(version, slot.point_definition_id, slot.trigger)
        });
        Nothing::DefinitionNotPublished(bringing.unwrap_or(program), place)
    }

    fn reason<'n>(
        &self,
        nothing: &'n entitlement::Nothing,
        definition: &PointDefinition,
        place: Position,
    ) -> Nothing<'n>
    where
        'a: 'n,
    {
        use entitlement::Nothing as N;
        match nothing {
            N::NoCustomer => Nothing::NoCustomer,
            N::NotMember(customer) => Nothing::NotMember(customer, place),
            N::NotMatched => Nothing::NotMatched,
            N::Fault(fault) => Nothing::Fault(fault),
            N::NoAmount => Nothing::NoAmount,
            N::Ended => Nothing::LineEnded(self.line.end(), definition.reversal.on_cancel),
            N::Refunded => Nothing::Refunded,
        }
    }

    fn blank(
        &self,
        slot: &Slot,
        program: &PublishedProgram,
        definition: &PointDefinition,
    ) -> DefinitionExplanation {
        DefinitionExplanation {
            program_id: slot.program_id,
            program_reference: program.compiled.program.reference.clone(),
            program_version: program.version,
            point_definition_id: slot.point_definition_id,
            point_definition_reference: definition.reference.clone(),
            trigger: slot.trigger,
            trigger_time: None,
            trigger_position: None,
            place: None,
            points: Decimal::ZERO,
            why_nothing: None,
            summary: String::new(),
            registration: None,
            customer_id: None,
            member_id: None,
            expressions: Vec::new(),
            amount: None,
            refunds: None,
            period: None,
            cap: None,
            transactions: self.transactions(slot),
            transactions_left_out: 0,
            later_transactions_left_out: 0,
        }
    }

    /// The chain's transactions as they stood.
    fn transactions(&self, slot: &Slot) -> Vec<GivenTransaction> {
        let chain = self.document.ledger.chain(slot);
        let mut told = Vec::new();
        for (transaction, cancelled_by) in chain.into_iter().flat_map(Chain::history) {
            let Some(given_at) = transaction.id.map(TransactionId::position) else {
                continue;
            };
            if given_at > self.position {
                break;
            }
            let cancelled_by = cancelled_by.filter(|cancelled_at| *cancelled_at <= self.position);
            let mut transaction = transaction.clone();
            if cancelled_by.is_none() {
                transaction.cancelled_at = None;
                transaction.updated_at = None;
            }
            told.push(GivenTransaction {
                transaction,
                given_by: self.history.at(given_at).cloned(),
                cancelled_by: cancelled_by.and_then(|position| self.history.at(position).cloned()),
            });
        }
        told
    }

    /// What came of points that should count, once periods and caps were settled.
    fn settled(
        &self,
        slot: &Slot,
        definition: &PointDefinition,
        entitlement: &Entitlement,
        told: &mut DefinitionExplanation,
    ) {
        let member = entitlement.member_id;
        let mut own = told.transactions.iter().map(|given| &given.transaction);
        let first = own
            .clone()
            .find(|transaction| transaction.member_id == member)
            .cloned();
        let live = own.next_back().filter(|last| last.is_live());
        told.points = live.map_or(Decimal::ZERO, |live| live.amount);
        if let Some(terms) = &entitlement.terms {
            let period = terms.period.as_ref();
            let period =
                period.map(|period| self.period(slot, period, first.as_ref(), entitlement));
            let cap = terms.cap.as_ref().zip(definition.cap.as_ref());
            told.cap = cap.map(|(cap, declared)| CapExplanation {
                amount: cap.amount,
                per: declared.per,
                wanted: entitlement.amount,
                cut: entitlement.amount.saturating_sub(told.points),
                counted_now: self.counted(
                    slot,
                    terms,
                    first.as_ref(),
                    entitlement,
                    period.as_ref(),
                ),
            });
            told.period = period;
        }
        if told.points > Decimal::ZERO {
            told.summary = sentence::of_points(told);
            return;
        }
        let chain = self.document.ledger.chain(slot);
        let is_cut = told.cap.is_some() && chain.is_some_and(Chain::is_settled);
        let nothing = if is_cut {
            Nothing::CapReached
        } else {
            Nothing::Postponed
        };
        is_nothing(told, &nothing);
    }

    /// The period of the member's first transaction, which those after it keep; else the one that points would fall in.
    fn period(
        &self,
        slot: &Slot,
        terms: &PeriodTerms,
        first: Option<&Transaction>,
        entitlement: &Entitlement,
    ) -> PeriodExplanation {
        let (member, definition) = (entitlement.member_id, slot.point_definition_id);
        let accounts = self.world.accounts;
        let of = PeriodsOf {
            member_id: member,
            point_definition_id: definition,
            key: terms.key.clone(),
        };
        let (key, id, period) = match first.and_then(|first| first.point_period_id) {
            // The line may have another key by now.
            Some(id) => match accounts.period(member, definition, id) {
                Some((of, period)) => (of.key, Some(id), Some(period)),
                None => (of.key, Some(id), None),
            },
            None => match terms.fall(entitlement.valid_from, accounts.periods(&of).into_iter()) {
                Fall::Into(period) => (of.key, Some(period.id), Some(period)),
                Fall::Open(_) => (of.key, None, None),
            },
        };
        PeriodExplanation {
            id,
            key,
            from: period.map(|period| period.from),
            to: period.map(|period| period.to),
        }
    }

    fn counted(
        &self,
        slot: &Slot,
        terms: &Terms,
        first: Option<&Transaction>,
        entitlement: &Entitlement,
        period: Option<&PeriodExplanation>,
    ) -> Option<Points> {
        let valid_from = first.map_or(entitlement.valid_from, |first| first.valid_from);
        let period_id = period.and_then(|period| period.id);
        let tally = terms.cap.as_ref()?.counter.tally(valid_from, period_id)?;
        let of = TallyOf {
            program_id: slot.program_id,
            member_id: entitlement.member_id,
            point_definition_id: slot.point_definition_id,
            tally,
        };
        Some(Points(self.document.ledger.counted(&of, self.world)))
    }
}

/// Adds a step to what is told.
fn take_down(step: Step, definition: &PointDefinition, told: &mut DefinitionExplanation) {
    match step {
        Step::Expression(field, reading) => {
            let expression = ExpressionExplanation::new(field, reading);
            told.expressions.push(expression);
        }
        Step::Customer(customer) => told.customer_id = Some(customer),
        Step::Member(member) => told.member_id = Some(member),
        Step::Amount(amount) => {
            told.amount = Some(AmountExplanation::new(amount, definition.rounding));
        }
        Step::Refunds {
            price,
            refunded,
            other_currency,
        } => {
            let is_any = !refunded.is_zero() || other_currency;
            told.refunds = is_any.then_some(RefundExplanation {
                price,
                refunded: Money {
                    amount: refunded,
                    ..price
                },
                other_currency,
                on_refund: definition.reversal.on_refund,
                left: Decimal::ZERO,
            });
        }
    }
}

fn is_nothing(told: &mut DefinitionExplanation, nothing: &Nothing<'_>) {
    told.summary = nothing.sentence(told);
    told.why_nothing = Some(nothing.why());
}
