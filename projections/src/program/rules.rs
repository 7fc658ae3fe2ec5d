//! A program that is ready to run: its expressions compiled, its time zone looked up.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, PointDefinitionId};
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::check;
use super::counter::Counter;
use super::document::{PointDefinition, Program};
use super::expiry::Expiry;
use super::expression::{Expression, Outcome};
use super::fault::RuleFault;
use super::key::PERIOD_KEY_BYTES_MAX;
use super::names::{Names, ProgramScope};
use super::period::PeriodSpans;
use super::problem::ProgramRefused;
use super::reading::Reading;
use super::scope::{LineScope, MemberScope, TriggerScope};
use super::source::ProgramSource;
use crate::order::TriggerKind;

/// Decimals that an expression's number is taken to before it is rounded as the definition says (domain, section 2).
pub const AMOUNT_SCALE: u32 = 9;

/// Numbers of points stay below this, so that exact arithmetic on them and on prices can't overflow.
pub const AMOUNT_LIMIT: i64 = 1_000_000_000_000;

/// How many points a line gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// What `amount` gave, to [`AMOUNT_SCALE`] decimals.
    pub exact: Decimal,
    /// The same, rounded as the definition says.
    pub rounded: Decimal,
}

/// A field of a definition that holds an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ExpressionField {
    /// `customer`.
    Customer,
    /// `when`.
    When,
    /// `amount`.
    Amount,
    /// `validFrom`.
    ValidFrom,
    /// `period.key`.
    #[serde(rename = "period.key")]
    PeriodKey,
}

/// A version of a program that passed every check.
#[derive(Debug)]
pub struct CompiledProgram {
    /// The document that it was compiled from.
    pub program: Program,
    definitions: Vec<CompiledDefinition>,
}

impl CompiledProgram {
    /// Checks and compiles a program (domain, section 2).
    ///
    /// # Errors
    /// Everything that is wrong with it. Places are within the expressions; [`ProgramSource::compile`] gives them
    /// within the document.
    pub fn compile(program: Program) -> Result<Self, ProgramRefused> {
        let definitions = check::compile(&program)?;
        Ok(Self {
            program,
            definitions,
        })
    }

    /// Reads, checks and compiles a TOML document.
    ///
    /// # Errors
    /// Everything that is wrong with it, with line and column.
    pub fn from_toml(text: &str) -> Result<Self, ProgramRefused> {
        ProgramSource::toml(text)?.compile()
    }

    /// Reads, checks and compiles a JSON document.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, ProgramRefused> {
        ProgramSource::json(text)?.compile()
    }

    /// The program with no definition, for a document that the log has and that checks of a later version refuse: what
    /// it gave was never more than nothing.
    pub(super) fn inert(program: Program) -> Self {
        Self {
            program,
            definitions: Vec::new(),
        }
    }

    /// The definitions that wait for this trigger, by id.
    pub fn definitions(&self, trigger: TriggerKind) -> impl Iterator<Item = &CompiledDefinition> {
        let of = |definition: &CompiledDefinition| definition.definition.trigger;
        let start = self.definitions.partition_point(|it| of(it) < trigger);
        let end = self.definitions.partition_point(|it| of(it) <= trigger);
        self.definitions[start..end].iter()
    }

    /// The definition with this id.
    pub fn definition(&self, id: PointDefinitionId) -> Option<&CompiledDefinition> {
        self.definitions
            .iter()
            .find(|definition| definition.definition.id == id)
    }

    /// Every definition, by trigger and id.
    pub fn all_definitions(&self) -> &[CompiledDefinition] {
        &self.definitions
    }
}

/// A point definition that is ready to run.
#[derive(Debug)]
pub struct CompiledDefinition {
    /// The definition as the document has it.
    pub definition: PointDefinition,
    pub(super) program: Arc<ProgramScope>,
    pub(super) zone: TimeZone,
    pub(super) when: Option<Expression>,
    pub(super) amount: Expression,
    pub(super) customer: Option<Expression>,
    pub(super) valid_from: Option<Expression>,
    pub(super) period_spans: Option<PeriodSpans>,
    pub(super) period_key: Option<Expression>,
    pub(super) cap_amount: Option<Decimal>,
}

impl CompiledDefinition {
    /// To whom the points go: what `customer` gives, or else whom the line is for. `None`: to nobody.
    ///
    /// A customer who is registered after the fact stands in for this (domain, section 4).
    ///
    /// # Errors
    /// The expression failed, or gave what is no customer id.
    pub fn customer(
        &self,
        line: &LineScope,
        trigger: &TriggerScope,
    ) -> Result<Option<CustomerId>, RuleFault> {
        let Some(expression) = &self.customer else {
            return Ok(line.customer().cloned());
        };
        match self.run(expression, line, trigger, None)? {
            Outcome::Null => Ok(None),
            Outcome::Text(id) => match id.parse() {
                Ok(id) => Ok(Some(id)),
                Err(error) => Err(RuleFault::error(format!("customer gave no id: {error}"))),
            },
            other => Err(wrong_type("customer", &other, "a string")),
        }
    }

    /// Whether the line counts: what `when` gives; always where there is none.
    ///
    /// # Errors
    /// The expression failed, or gave no bool.
    pub fn applies(
        &self,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Result<bool, RuleFault> {
        let Some(expression) = &self.when else {
            return Ok(true);
        };
        match self.run(expression, line, trigger, member)? {
            Outcome::Bool(is) => Ok(is),
            other => Err(wrong_type("when", &other, "a bool")),
        }
    }

    /// How many points the line gives; never negative, 0 for none.
    ///
    /// # Errors
    /// The expression failed, or gave what is no number of points: a negative or endless number, a value of another
    /// type.
    pub fn amount(
        &self,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Result<Amount, RuleFault> {
        match self.run(&self.amount, line, trigger, member)? {
            Outcome::Number(number) => self.points(number),
            other => Err(wrong_type("amount", &other, "a number")),
        }
    }

    fn points(&self, number: Option<Decimal>) -> Result<Amount, RuleFault> {
        let number = number.ok_or_else(|| {
            RuleFault::error("amount gave no finite number, or one too large for points")
        })?;
        let taken =
            number.round_dp_with_strategy(AMOUNT_SCALE, RoundingStrategy::MidpointNearestEven);
        if taken.is_sign_negative() && !taken.is_zero() {
            return Err(RuleFault::error(format!(
                "amount gave {}, which is negative",
                taken.normalize()
            )));
        }
        if taken >= Decimal::from(AMOUNT_LIMIT) {
            return Err(RuleFault::error(format!(
                "amount gave {}, and points stay below {AMOUNT_LIMIT}",
                taken.normalize()
            )));
        }
        Ok(Amount {
            exact: taken.normalize(),
            rounded: self.round(taken),
        })
    }

    /// A number of points rounded as the definition says.
    pub fn round(&self, amount: Decimal) -> Decimal {
        let rounding = self.definition.rounding;
        // One spelling for one number, so that rebuilds give the same bytes; it makes -0 of a double 0, too.
        amount
            .round_dp_with_strategy(rounding.scale, rounding.mode.strategy())
            .normalize()
    }

    /// From when the points count: what `validFrom` gives, or else `trigger.time`.
    ///
    /// # Errors
    /// The expression failed or gave no timestamp, or there is none and the trigger has not come.
    pub fn valid_from(
        &self,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Result<DateTime<Utc>, RuleFault> {
        let Some(expression) = &self.valid_from else {
            return trigger
                .time
                .ok_or_else(|| RuleFault::error("the trigger has not come, so it has no time"));
        };
        match self.run(expression, line, trigger, member)? {
            Outcome::Time(time) => Ok(time),
            other => Err(wrong_type("validFrom", &other, "a timestamp")),
        }
    }

    /// The periods of the line's points: how they lie in time, and the key that keeps them apart, as a text that is the
    /// same for equal values. `None` for a definition without periods.
    ///
    /// # Errors
    /// The key's expression failed, or gave what can't be a key: a value of another type, or one too long.
    pub fn period(
        &self,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Result<Option<(PeriodSpans, String)>, RuleFault> {
        let Some(spans) = &self.period_spans else {
            return Ok(None);
        };
        let key = match &self.period_key {
            None => String::new(),
            Some(expression) => match self.run(expression, line, trigger, member)? {
                Outcome::Text(text) if text.len() <= PERIOD_KEY_BYTES_MAX => text,
                Outcome::Text(text) => {
                    return Err(RuleFault::error(format!(
                        "period.key gave a value of {} bytes, and a key has at most {PERIOD_KEY_BYTES_MAX}",
                        text.len()
                    )));
                }
                other => return Err(RuleFault::error(unfit_key(&other))),
            },
        };
        Ok(Some((spans.clone(), key)))
    }

    /// The most points that a member can have, and in what they are counted.
    pub fn cap(&self) -> Option<(Decimal, Counter)> {
        let cap = self.definition.cap.as_ref()?;
        Some((self.cap_amount?, Counter::new(cap.per, &self.zone)))
    }

    /// Whether the points end with their period.
    pub fn ends_with_period(&self) -> bool {
        matches!(self.definition.expiry, Expiry::PeriodEnd)
    }

    /// Until when points that count from `valid_from` do; `None`: for ever, or until their period ends (domain,
    /// section 3, rule 8).
    pub fn expire_at(&self, valid_from: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.definition.expiry {
            Expiry::Never | Expiry::PeriodEnd => None,
            Expiry::Duration { after } => Some(after.after(valid_from, &self.zone)),
            Expiry::Fixed { at } => Some(*at),
        }
    }

    /// What one of its expressions gives for a line, and what it sees; `None` where the definition has none there.
    ///
    /// For a person: it reads the expression anew and evaluates all that stands in it, which takes a hundred times as
    /// long as the fold does.
    pub fn read(
        &self,
        field: ExpressionField,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Option<Reading> {
        let definition = &self.definition;
        let source = match field {
            ExpressionField::Customer => definition.customer.as_deref(),
            ExpressionField::When => definition.when.as_deref(),
            ExpressionField::Amount => Some(definition.amount.as_str()),
            ExpressionField::ValidFrom => definition.valid_from.as_deref(),
            ExpressionField::PeriodKey => definition.period.as_ref()?.key.as_deref(),
        };
        let names = || Names::new(line, &self.program, *trigger, member.copied());
        Some(Reading::new(source?, names))
    }

    fn run(
        &self,
        expression: &Expression,
        line: &LineScope,
        trigger: &TriggerScope,
        member: Option<&MemberScope<'_>>,
    ) -> Result<Outcome, RuleFault> {
        let names = Names::new(line, &self.program, *trigger, member.copied());
        Ok(expression.evaluate(&names)?)
    }
}

/// What is wrong with a value that can't be a key.
pub(super) fn unfit_key(outcome: &Outcome) -> String {
    format!(
        "`period.key` must give a string, number, bool, timestamp or null, or a list or map of them, this gives {}",
        outcome.type_name()
    )
}

fn wrong_type(field: &str, outcome: &Outcome, wanted: &str) -> RuleFault {
    RuleFault::error(format!(
        "{field} gave {}, not {wanted}",
        outcome.type_name()
    ))
}
