//! The checks of what limits points: period, cap, and the expiry that goes with a period.

use rust_decimal::Decimal;

use super::document::{Cap, CapScope, PeriodKind, PointDefinition};
use super::expiry::Expiry;
use super::problem::{ProblemCode, ProgramProblem};
use super::rules::{AMOUNT_LIMIT, AMOUNT_SCALE};

/// Checks a definition; `field` gives the path of one of its fields.
pub(super) fn check(
    definition: &PointDefinition,
    field: &impl Fn(&str) -> String,
    problems: &mut Vec<ProgramProblem>,
) {
    check_period(definition, field, problems);
    check_cap(definition, field, problems);
    if matches!(definition.expiry, Expiry::PeriodEnd) && definition.period.is_none() {
        problems.push(ProgramProblem::new(
            field("expiry.kind"),
            ProblemCode::MissingField,
            "points can't end with a period where there is none; add `period`, or use NEVER, DURATION or FIXED",
        ));
    }
}

fn check_period(
    definition: &PointDefinition,
    field: &impl Fn(&str) -> String,
    problems: &mut Vec<ProgramProblem>,
) {
    let Some(period) = &definition.period else {
        return;
    };
    match (period.kind, period.length) {
        (PeriodKind::RollingFromFirst, None) => problems.push(ProgramProblem::new(
            field("period"),
            ProblemCode::MissingField,
            "a period of kind ROLLING_FROM_FIRST has a length; add one, for example length = \"P30D\"",
        )),
        (PeriodKind::CalendarMonth | PeriodKind::CalendarYear, Some(_)) => {
            problems.push(ProgramProblem::new(
                field("period.length"),
                ProblemCode::InvalidValue,
                "the calendar says how long a month or a year is; leave `length` out, or use ROLLING_FROM_FIRST",
            ));
        }
        _ => {}
    }
}

fn check_cap(
    definition: &PointDefinition,
    field: &impl Fn(&str) -> String,
    problems: &mut Vec<ProgramProblem>,
) {
    let Some(cap) = &definition.cap else {
        return;
    };
    if cap_amount(cap).is_none() {
        problems.push(ProgramProblem::new(
            field("cap.amount"),
            ProblemCode::InvalidValue,
            format!(
                "a cap is a number from 0 on, below {AMOUNT_LIMIT}, with at most {AMOUNT_SCALE} decimals, this is {}",
                cap.amount
            ),
        ));
    }
    if cap.per == CapScope::Period && definition.period.is_none() {
        problems.push(ProgramProblem::new(
            field("cap.per"),
            ProblemCode::MissingField,
            "points can't be counted in a period where there is none; add `period`, or count per DAY, ORDER or MEMBER",
        ));
    }
}

/// The number of points, exact; `None` for one that no number of points can be.
pub(super) fn cap_amount(cap: &Cap) -> Option<Decimal> {
    let text = cap.amount.to_string();
    let amount = Decimal::from_str_exact(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()?
        .normalize();
    let fits = amount >= Decimal::ZERO
        && amount < Decimal::from(AMOUNT_LIMIT)
        && amount.scale() <= AMOUNT_SCALE;
    fits.then_some(amount)
}
