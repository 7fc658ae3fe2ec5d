//! What should count, for one line, definition and trigger.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::account::Accounts;
use super::cap::Cap;
use super::period::PeriodTerms;
use super::trace::{Step, Trace};
use crate::member::{Member, MemberChange, Members};
use crate::order::state::Confirmation;
use crate::order::{LineState, OrderState, Trigger, TriggerKind};
use crate::program::{
    CompiledDefinition, ExpressionField, LineScope, MemberScope, OnCancel, OnRefund,
    ProgramCatalog, PublishedProgram, RuleFault, TriggerScope,
};

/// What a fold of points looks up: programs and members, each as it stood at a position of the log, and accounts as they
/// stand before the event that is folded.
#[derive(Clone, Copy)]
pub struct World<'w> {
    /// Every version of every program.
    pub programs: &'w ProgramCatalog,
    /// Every member, with history.
    pub members: &'w dyn Members,
    /// What members have of definitions with a period or a cap.
    pub accounts: &'w dyn Accounts,
}

/// What at most one live transaction stands for. Its order is the order in which a step settles (domain, section 3,
/// rule 10).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The program.
    pub program_id: ProgramId,
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The trigger.
    pub trigger: TriggerKind,
}

/// Points that should count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// Who has them.
    pub member_id: MemberId,
    /// How many, after refunds; above zero.
    pub amount: Decimal,
    /// From when.
    pub valid_from: DateTime<Utc>,
    /// Until when; where the terms say so, until the period's end instead.
    pub expire_at: Option<DateTime<Utc>>,
    /// What it further depends on what the member had before; `None` for a definition without period and cap.
    pub terms: Option<Box<Terms>>,
}

/// The period and cap of a definition that has one of them, for one line: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its periods.
    pub period: Option<PeriodTerms>,
    /// Whether its points end with their period.
    pub ends_with_period: bool,
    /// Its cap.
    pub cap: Option<Cap>,
}

impl Terms {
    fn of(definition: &CompiledDefinition, period: Option<PeriodTerms>) -> Option<Self> {
        let cap = definition
            .cap()
            .map(|(amount, counter)| Cap { amount, counter });
        (period.is_some() || cap.is_some()).then(|| Self {
            period,
            ends_with_period: definition.ends_with_period(),
            cap,
        })
    }
}

/// Why a definition gives nothing for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nothing {
    /// Neither the line nor the order names a customer.
    NoCustomer,
    /// The customer's membership was not in force at the trigger's place.
    NotMember(CustomerId),
    /// `when` does not hold.
    NotMatched,
    /// An expression gave no usable value.
    Fault(RuleFault),
    /// The amount is 0 after rounding.
    NoAmount,
    /// The line ended, and the definition does not keep what was given for it.
    Ended,
    /// Refunds leave nothing.
    Refunded,
}

/// A customer who stands in for the one that the line and the definition name.
#[derive(Debug, Clone, Copy)]
pub struct StandIn<'c> {
    /// The customer.
    pub customer_id: &'c CustomerId,
    /// The place of the registration, at which the member is looked up.
    pub accepted: Position,
}

/// A line with a trigger, ready for definitions to be evaluated: what expressions see is made once.
pub struct TriggeredLine<'e> {
    confirmation: Confirmation<'e>,
    state: &'e LineState<'e>,
    trigger: Trigger<'e>,
    trigger_scope: TriggerScope,
    place: Position,
}

impl<'e> TriggeredLine<'e> {
    /// The line with its trigger of this kind; `None` where it is not confirmed or the trigger has not come.
    pub fn new(
        order: &'e OrderState<'e>,
        state: &'e LineState<'e>,
        kind: TriggerKind,
        place: Position,
    ) -> Option<Self> {
        let trigger = order.trigger(state, kind)?;
        Some(Self {
            confirmation: state.confirmation?,
            state,
            trigger,
            trigger_scope: TriggerScope {
                kind,
                time: Some(trigger.time),
            },
            place,
        })
    }

    /// How the line was confirmed.
    pub fn confirmation(&self) -> &Confirmation<'e> {
        &self.confirmation
    }

    /// How the line stands.
    pub fn state(&self) -> &'e LineState<'e> {
        self.state
    }

    /// The trigger.
    pub fn trigger(&self) -> &Trigger<'e> {
        &self.trigger
    }

    /// What this definition gives for the line as it stands, and to whom (domain, section 3, rules 2 to 5 and 8).
    pub fn evaluate(
        &self,
        world: World<'_>,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
        scope: &LineScope,
        stand_in: Option<StandIn<'_>>,
        trace: &mut impl Trace,
    ) -> Result<Entitlement, Nothing> {
        let merits = self.merits(world, program, definition, scope, stand_in, trace)?;
        self.after_reversal(definition, merits, trace)
    }

    /// What the definition gives before cancellations and refunds are looked at.
    pub fn merits(
        &self,
        world: World<'_>,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
        scope: &LineScope,
        stand_in: Option<StandIn<'_>>,
        trace: &mut impl Trace,
    ) -> Result<Entitlement, Nothing> {
        let trigger = &self.trigger_scope;
        let reading = |field, member: Option<&MemberScope<'_>>| {
            let reading = definition.read(field, scope, trigger, member)?;
            Some(Step::Expression(field, reading))
        };
        let customer = if let Some(stand_in) = stand_in {
            stand_in.customer_id.clone()
        } else {
            trace.note(|| reading(ExpressionField::Customer, None));
            definition
                .customer(scope, trigger)
                .map_err(Nothing::Fault)?
                .ok_or(Nothing::NoCustomer)?
        };
        trace.note(|| Some(Step::Customer(customer.clone())));
        let looked_up_at = stand_in.map_or(self.place, |stand_in| stand_in.accepted);
        let member = world
            .members
            .member_at(program.compiled.program.id, &customer, looked_up_at)
            .ok_or_else(|| Nothing::NotMember(customer.clone()))?;
        // The membership has to be in force at the trigger's place (section 3, rule 2). A registration has settled that the
        // points are this member's (section 4): where the membership was not in force by then, what is kept of the member
        // is taken from the registration's place.
        let at_registration = |stand_in: StandIn<'_>| member.at(stand_in.accepted.max(self.place));
        let change = member
            .in_force_at(self.place)
            .or_else(|| stand_in.and_then(at_registration));
        let Some(change) = change else {
            return Err(Nothing::NotMember(customer));
        };
        trace.note(|| Some(Step::Member(member.id)));
        let member_scope = member_scope(&member, change);
        let member_scope = Some(&member_scope);

        trace.note(|| reading(ExpressionField::When, member_scope));
        if !definition
            .applies(scope, trigger, member_scope)
            .map_err(Nothing::Fault)?
        {
            return Err(Nothing::NotMatched);
        }
        trace.note(|| reading(ExpressionField::Amount, member_scope));
        let amount = definition
            .amount(scope, trigger, member_scope)
            .map_err(Nothing::Fault)?;
        trace.note(|| Some(Step::Amount(amount)));
        let amount = amount.rounded;
        if amount <= Decimal::ZERO {
            return Err(Nothing::NoAmount);
        }
        trace.note(|| reading(ExpressionField::ValidFrom, member_scope));
        let valid_from = definition
            .valid_from(scope, trigger, member_scope)
            .map_err(Nothing::Fault)?;
        trace.note(|| reading(ExpressionField::PeriodKey, member_scope));
        let period = definition
            .period(scope, trigger, member_scope)
            .map_err(Nothing::Fault)?
            .map(|(spans, key)| PeriodTerms { spans, key });
        Ok(Entitlement {
            member_id: member.id,
            amount,
            valid_from,
            expire_at: definition.expire_at(valid_from),
            terms: Terms::of(definition, period).map(Box::new),
        })
    }

    fn refunds(&self) -> Step {
        let price = self.confirmation.line.price;
        let refunded = self.state.refunded(&price);
        Step::Refunds {
            price,
            refunded: refunded.amount,
            other_currency: refunded.other_currency,
        }
    }

    /// What is left of merits after the line's cancellation, replacement and refunds (rules 4 and 5).
    pub fn after_reversal(
        &self,
        definition: &CompiledDefinition,
        merits: Entitlement,
        trace: &mut impl Trace,
    ) -> Result<Entitlement, Nothing> {
        trace.note(|| Some(self.refunds()));
        if self.is_lost_to_the_end(definition) {
            return Err(Nothing::Ended);
        }
        Ok(Entitlement {
            amount: self.after_refunds(definition, merits.amount)?,
            ..merits
        })
    }

    /// Whether the line ended, and the definition keeps nothing of it (rule 4).
    pub fn is_lost_to_the_end(&self, definition: &CompiledDefinition) -> bool {
        self.state.end().is_some()
            && match definition.definition.reversal.on_cancel {
                OnCancel::Cancel => true,
                OnCancel::Keep => self.state.ended_before(&self.trigger),
            }
    }

    /// What refunds leave of an amount, above zero (rule 5).
    ///
    /// # Errors
    /// [`Nothing::Refunded`]; a fault where the amount is too large to be divided exactly.
    pub fn after_refunds(
        &self,
        definition: &CompiledDefinition,
        amount: Decimal,
    ) -> Result<Decimal, Nothing> {
        let price = &self.confirmation.line.price;
        let refunded = self.state.refunded(price).amount;
        let price = price.amount;
        if refunded.is_zero() {
            return Ok(amount);
        }
        let left = match definition.definition.reversal.on_refund {
            OnRefund::Keep => amount,
            OnRefund::Cancel => return Err(Nothing::Refunded),
            OnRefund::Proportional if refunded >= price => return Err(Nothing::Refunded),
            OnRefund::Proportional => amount
                .checked_mul(price - refunded)
                .and_then(|product| product.checked_div(price))
                .map(|left| definition.round(left))
                .ok_or_else(|| {
                    Nothing::Fault(RuleFault::Error(format!(
                        "{amount} points of a refunded line are too many to divide exactly"
                    )))
                })?,
        };
        if left > Decimal::ZERO {
            Ok(left)
        } else {
            Err(Nothing::Refunded)
        }
    }

    /// Whether a refund of the line is in another currency than its price: a rule error, and it does not count.
    pub fn refund_in_other_currency(&self) -> bool {
        let price = &self.confirmation.line.price;
        self.state.refunded(price).other_currency
    }
}

/// Whether a definition's `when` holds for a line whose trigger has not come.
pub fn would_match(
    definition: &CompiledDefinition,
    scope: &LineScope,
    kind: TriggerKind,
    member: Option<&Arc<Member>>,
    at: Position,
) -> bool {
    let trigger = TriggerScope { kind, time: None };
    let member_scope =
        member.and_then(|member| Some(member_scope(member, member.in_force_at(at)?)));
    definition
        .applies(scope, &trigger, member_scope.as_ref())
        .unwrap_or(false)
}

fn member_scope<'m>(member: &'m Member, change: &'m MemberChange) -> MemberScope<'m> {
    MemberScope {
        customer_id: &member.customer_id,
        change,
    }
}
