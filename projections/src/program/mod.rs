//! Loyalty programs: the document, its checks, what its expressions see and give, its versions (domain, section 2).
//!
//! A [`Program`] is read from TOML or JSON and becomes a [`CompiledProgram`] if every check passes; whoever refuses one
//! says so with a [`ProgramRefused`], one sentence for each problem, with its place. A fold asks the definitions of a
//! compiled program about a line, a trigger and a
//! member ([`LineScope`], [`TriggerScope`], [`MemberScope`]). [`ProgramCatalog`] keeps which version stands at
//! which place in the log, and [`ProgramGate`] says what may enter the log.
//!
//! Expressions are CEL as the library has it, with these differences: an object or map can't be gone through, only
//! looked up in (its keys have no order); `has(x.y.z)` is false where `z`, or anything on the way to it, is absent or
//! null; optional syntax is off; and an evaluation ends with an error after [`EVALUATION_STEPS_MAX`] steps.

mod bounds;
mod catalog;
mod check;
mod counter;
mod document;
mod duration;
mod expiry;
mod expression;
mod fault;
mod form;
mod gate;
mod key;
mod limits;
mod meter;
mod names;
mod pattern;
mod period;
mod problem;
mod reading;
mod rules;
mod sample;
mod schema;
mod scope;
mod source;
mod toml_text;
mod value;
mod vocabulary;

pub use catalog::{Counters, ProgramCatalog, PublishedProgram};
pub use check::{POINT_DEFINITIONS_MAX, REFERENCE_CHARS_MAX, TABLE_KEYS_MAX, TABLES_MAX};
pub use counter::{Counter, Tally};
pub use document::{
    Cap, CapScope, LocalizedName, OnCancel, OnRefund, Period, PeriodKind, PointDefinition, Preset,
    Program, Registration, Reversal, Rounding, RoundingMode,
};
pub use duration::{CalendarDuration, DURATION_YEARS_MAX, DurationError};
pub use expiry::Expiry;
pub use expression::{COMPREHENSIONS_NESTED_MAX, EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX};
pub use fault::RuleFault;
pub use gate::{ProgramGate, check_publication};
pub use key::PERIOD_KEY_BYTES_MAX;
pub use meter::EVALUATION_STEPS_MAX;
pub use period::{PeriodSpans, day_of};
pub use problem::{Location, Place, ProblemCode, ProgramProblem, ProgramRefused};
pub use reading::{Reading, Seen, VALUE_CHARS_MAX, VALUES_SEEN_MAX};
pub use rules::{
    AMOUNT_LIMIT, AMOUNT_SCALE, Amount, CompiledDefinition, CompiledProgram, ExpressionField,
};
pub use scope::{LineScope, MemberScope, TriggerScope};
pub use source::{DOCUMENT_BYTES_MAX, ProgramSource};

#[cfg(test)]
mod tests;
