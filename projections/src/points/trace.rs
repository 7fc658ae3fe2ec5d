//! How what should count was worked out, step by step, for whoever asks why.
//!
//! The fold has nobody look: `()` is a trace and a witness that take nothing in, so that nothing of it is left in the
//! code that the fold runs. The explanation of an order runs the same code with a witness that keeps everything.

use farelog_events::id::{CustomerId, MemberId, OrderLineId};
use farelog_events::log::Position;
use farelog_events::money::Money;
use rust_decimal::Decimal;

use super::entitlement::{Entitlement, Nothing, TriggeredLine};
use super::registration::{RefusedDefinition, Registration};
use super::transaction::RegistrationKind;
use crate::program::{Amount, CompiledDefinition, ExpressionField, PublishedProgram, Reading};

/// A step on the way to what a definition gives for a line.
#[derive(Debug, Clone)]
pub enum Step {
    /// An expression was evaluated.
    Expression(ExpressionField, Reading),
    /// To whom the points would go.
    Customer(CustomerId),
    /// The customer's member, whose membership is in force.
    Member(MemberId),
    /// How many points the line gives before refunds.
    Amount(Amount),
    /// What was paid back was looked at.
    Refunds {
        /// The line's price as last confirmed.
        price: Money,
        /// The sum of the refunds in the price's currency.
        refunded: Decimal,
        /// Whether there were refunds in another.
        other_currency: bool,
    },
}

/// What takes down the steps of one definition.
pub trait Trace {
    /// Takes down a step. What it is made of is only worked out where it is kept.
    fn note(&mut self, step: impl FnOnce() -> Option<Step>);
}

impl Trace for () {
    fn note(&mut self, _: impl FnOnce() -> Option<Step>) {}
}

/// `None` takes nothing down.
impl Trace for Option<Vec<Step>> {
    fn note(&mut self, step: impl FnOnce() -> Option<Step>) {
        if let Some(steps) = self {
            steps.extend(step());
        }
    }
}

/// A definition that was asked what it gives for a line and trigger.
pub struct Inquiry<'i> {
    /// The line.
    pub order_line_id: &'i OrderLineId,
    /// The line with its trigger.
    pub triggered: &'i TriggeredLine<'i>,
    /// The trigger's place in the log.
    pub place: Position,
    /// The version of the program that stands there.
    pub program: &'i PublishedProgram,
    /// The definition.
    pub definition: &'i CompiledDefinition,
    /// What came of it.
    pub verdict: Verdict<'i>,
}

/// What came of an inquiry.
pub enum Verdict<'i> {
    /// The program triggers nothing.
    ProgramInactive,
    /// The line's registration did not get this definition, for good.
    Refused(&'i Registration, &'i RefusedDefinition),
    /// The definition was evaluated.
    Evaluated {
        /// For the line's own customer, or for one who was registered.
        registration: RegistrationKind,
        /// What it gives.
        result: &'i Result<Entitlement, Nothing>,
    },
}

/// What looks on while definitions are asked.
pub trait Witness {
    /// What takes down the steps of each.
    type Trace: Trace;

    /// What is to take down the steps of this definition, for this line.
    fn trace(
        &mut self,
        line: &OrderLineId,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
    ) -> Self::Trace;

    /// Sees an inquiry and the steps that it took.
    fn see(&mut self, inquiry: &Inquiry<'_>, steps: Self::Trace);
}

impl Witness for () {
    type Trace = ();

    fn trace(&mut self, _: &OrderLineId, _: &PublishedProgram, _: &CompiledDefinition) {}

    fn see(&mut self, _: &Inquiry<'_>, (): ()) {}
}
