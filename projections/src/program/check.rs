//! The checks of a program's publication (domain, section 2).

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::document::{PointDefinition, Program};
use super::expression::{Expression, ExpressionProblem, Outcome};
use super::fault;
use super::limits;
use super::names::ProgramScope;
use super::period::PeriodSpans;
use super::problem::{Location, ProblemCode, ProgramProblem, ProgramRefused};
use super::rules::{AMOUNT_SCALE, CompiledDefinition, unfit_key};
use super::sample::Sample;
use super::vocabulary::Vocabulary;

/// How many point definitions a program may have.
pub const POINT_DEFINITIONS_MAX: usize = 100;

/// How many tables a program may have.
pub const TABLES_MAX: usize = 50;

/// How many keys a table may have.
pub const TABLE_KEYS_MAX: usize = 5_000;

/// Longest reference, of a program or a definition, in characters.
pub const REFERENCE_CHARS_MAX: usize = 64;

/// Checks everything and compiles the definitions, which come by trigger and id.
pub(super) fn compile(program: &Program) -> Result<Vec<CompiledDefinition>, ProgramRefused> {
    let mut problems = Vec::new();
    check_document(program, &mut problems);
    let zone = program.zone().unwrap_or(TimeZone::UTC);
    let definitions = definitions(program, &zone, &mut problems);
    ProgramRefused::unless_empty(problems)?;
    Ok(definitions)
}

fn check_document(program: &Program, problems: &mut Vec<ProgramProblem>) {
    check_reference(&program.reference, "reference", problems);
    if program.name.trim().is_empty() {
        problems.push(ProgramProblem::new(
            "name",
            ProblemCode::InvalidValue,
            "the name is empty; give the program one that can be shown",
        ));
    }
    if program.zone().is_none() {
        problems.push(ProgramProblem::new(
            "timezone",
            ProblemCode::InvalidValue,
            format!(
                "there is no time zone {:?}; use an IANA name, for example \"Europe/Oslo\"",
                program.timezone
            ),
        ));
    }
    check_tables(program, problems);
    if program.point_definitions.len() > POINT_DEFINITIONS_MAX {
        problems.push(ProgramProblem::new(
            "pointDefinitions",
            ProblemCode::TooLarge,
            format!(
                "the program has {} point definitions, at most {POINT_DEFINITIONS_MAX} are taken; split it into several programs",
                program.point_definitions.len()
            ),
        ));
    }
    check_distinct(program, |definition| definition.id, "id", problems);
    check_distinct(
        program,
        |definition| definition.reference.clone(),
        "reference",
        problems,
    );
    for (index, definition) in program.point_definitions.iter().enumerate() {
        check_definition(index, definition, problems);
    }
}

fn check_reference(reference: &str, field: &str, problems: &mut Vec<ProgramProblem>) {
    let is_right = (1..=REFERENCE_CHARS_MAX).contains(&reference.len())
        && reference
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.:".contains(&b));
    if !is_right {
        problems.push(ProgramProblem::new(
            field,
            ProblemCode::InvalidValue,
            format!(
                "a reference has 1 to {REFERENCE_CHARS_MAX} characters from A-Z a-z 0-9 _ - . :, this is {reference:?}"
            ),
        ));
    }
}

fn check_tables(program: &Program, problems: &mut Vec<ProgramProblem>) {
    if program.tables.len() > TABLES_MAX {
        problems.push(ProgramProblem::new(
            "tables",
            ProblemCode::TooLarge,
            format!(
                "the program has {} tables, at most {TABLES_MAX} are taken",
                program.tables.len()
            ),
        ));
    }
    for (name, table) in &program.tables {
        let field = format!("tables.{name}");
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !is_name {
            problems.push(ProgramProblem::new(
                field.as_str(),
                ProblemCode::InvalidValue,
                "a table's name is made of letters, digits and _, and begins with no digit, so that expressions can name it",
            ));
        }
        if table.len() > TABLE_KEYS_MAX {
            problems.push(ProgramProblem::new(
                field.as_str(),
                ProblemCode::TooLarge,
                format!(
                    "the table has {} keys, at most {TABLE_KEYS_MAX} are taken",
                    table.len()
                ),
            ));
        }
        let odd = table.iter().find(|(_, value)| {
            !matches!(value, Value::Number(_) | Value::String(_) | Value::Bool(_))
        });
        if let Some((key, _)) = odd {
            problems.push(ProgramProblem::new(
                format!("{field}.{key}"),
                ProblemCode::InvalidValue,
                "a table holds numbers, strings and bools; make a table of its own for what lies within this one",
            ));
        }
    }
}

fn check_distinct<K: Ord + Display>(
    program: &Program,
    key: impl Fn(&PointDefinition) -> K,
    field: &str,
    problems: &mut Vec<ProgramProblem>,
) {
    let mut seen = BTreeSet::new();
    for (index, definition) in program.point_definitions.iter().enumerate() {
        let key = key(definition);
        if seen.contains(&key) {
            problems.push(ProgramProblem::new(
                format!("pointDefinitions[{index}].{field}"),
                ProblemCode::Duplicate,
                format!(
                    "the {field} {key} stands at an earlier definition already; give each its own"
                ),
            ));
        }
        seen.insert(key);
    }
}

fn check_definition(
    index: usize,
    definition: &PointDefinition,
    problems: &mut Vec<ProgramProblem>,
) {
    let field = |name: &str| format!("pointDefinitions[{index}].{name}");
    check_reference(&definition.reference, &field("reference"), problems);
    if definition.rounding.scale > AMOUNT_SCALE {
        problems.push(ProgramProblem::new(
            field("rounding.scale"),
            ProblemCode::InvalidValue,
            format!(
                "points are rounded to at most {AMOUNT_SCALE} decimals, this asks for {}",
                definition.rounding.scale
            ),
        ));
    }
    limits::check(definition, &field, problems);
}

fn definitions(
    program: &Program,
    zone: &TimeZone,
    problems: &mut Vec<ProgramProblem>,
) -> Vec<CompiledDefinition> {
    let tables: Vec<&str> = program.tables.keys().map(String::as_str).collect();
    let mut compiler = Compiler {
        tables: &tables,
        scope: Arc::new(ProgramScope::new(program)),
        sample: Sample::new(),
        problems,
    };
    let mut definitions: Vec<CompiledDefinition> = program
        .point_definitions
        .iter()
        .take(POINT_DEFINITIONS_MAX)
        .enumerate()
        .filter_map(|(index, definition)| compiler.definition(index, definition, zone))
        .collect();
    definitions.sort_by_key(|compiled| (compiled.definition.trigger, compiled.definition.id));
    definitions
}

struct Compiler<'p> {
    tables: &'p [&'p str],
    scope: Arc<ProgramScope>,
    sample: Sample,
    problems: &'p mut Vec<ProgramProblem>,
}

impl Compiler<'_> {
    fn definition(
        &mut self,
        index: usize,
        definition: &PointDefinition,
        zone: &TimeZone,
    ) -> Option<CompiledDefinition> {
        let before = self.problems.len();
        let mut optional = |source: &Option<String>, name, wanted| {
            let source = source.as_deref()?;
            self.expression(index, definition, name, source, wanted)
        };
        let when = optional(&definition.when, "when", Wanted::Bool);
        let customer = optional(&definition.customer, "customer", Wanted::Customer);
        let valid_from = optional(&definition.valid_from, "validFrom", Wanted::Time);
        let amount = optional(&Some(definition.amount.clone()), "amount", Wanted::Amount);
        let period = definition.period.as_ref();
        let period_key = optional(
            &period.and_then(|period| period.key.clone()),
            "period.key",
            Wanted::Key,
        );
        let amount = amount.filter(|_| self.problems.len() == before)?;
        Some(CompiledDefinition {
            definition: definition.clone(),
            program: Arc::clone(&self.scope),
            zone: zone.clone(),
            when,
            amount,
            customer,
            valid_from,
            period_spans: period.and_then(|period| PeriodSpans::new(period, zone)),
            period_key,
            cap_amount: definition.cap.as_ref().and_then(limits::cap_amount),
        })
    }

    fn expression(
        &mut self,
        index: usize,
        definition: &PointDefinition,
        name: &str,
        source: &str,
        wanted: Wanted,
    ) -> Option<Expression> {
        let field = format!("pointDefinitions[{index}].{name}");
        let vocabulary = Vocabulary {
            tables: self.tables,
            sees_member: !matches!(wanted, Wanted::Customer),
        };
        let expression = match Expression::read(source, &vocabulary) {
            Ok(expression) if matches!(wanted, Wanted::Key) => expression.into_key(),
            Ok(expression) => expression,
            Err(found) => {
                self.problems
                    .extend(found.into_iter().map(|problem| in_field(&field, problem)));
                return None;
            }
        };
        let names = self.sample.names(&self.scope, definition.trigger);
        let outcome = expression.evaluate(&names);
        let problem = |code, sentence: String| ProgramProblem::new(field.as_str(), code, sentence);
        match outcome {
            Err(error) if fault::is_type_error(&error) => {
                self.problems.push(problem(
                    ProblemCode::WrongType,
                    format!("on sample data, {}", fault::sentence(&error)),
                ));
                None
            }
            Err(error) if expression.is_constant() => {
                self.problems.push(problem(
                    ProblemCode::InvalidValue,
                    format!("the expression always fails: {}", fault::sentence(&error)),
                ));
                None
            }
            // A key that the sample does not have, a text that is no number: the data decides.
            Err(_) => Some(expression),
            Ok(outcome) => match wanted.misfit(&outcome, expression.is_constant()) {
                Some((code, sentence)) => {
                    self.problems.push(problem(code, sentence));
                    None
                }
                None => Some(expression),
            },
        }
    }
}

fn in_field(field: &str, problem: ExpressionProblem) -> ProgramProblem {
    let of_field = ProgramProblem::new(field, problem.code, problem.sentence);
    match problem.place {
        Some(place) => of_field.at(Location::Expression(place)),
        None => of_field,
    }
}

/// What an expression must give.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    Bool,
    Amount,
    Customer,
    Time,
    Key,
}

impl Wanted {
    /// Why a value is not what is wanted, if it is not.
    fn misfit(self, outcome: &Outcome, is_constant: bool) -> Option<(ProblemCode, String)> {
        let wrong_type = |sentence: &str| Some((ProblemCode::WrongType, sentence.to_owned()));
        match (self, outcome) {
            (_, Outcome::Anything)
            | (Self::Bool, Outcome::Bool(_))
            | (Self::Customer, Outcome::Text(_) | Outcome::Null)
            | (Self::Time, Outcome::Time(_))
            | (Self::Key, Outcome::Text(_)) => None,
            (Self::Amount, Outcome::Number(number)) => match number {
                Some(number) if number.is_sign_negative() && is_constant && !number.is_zero() => {
                    Some((
                        ProblemCode::InvalidValue,
                        format!("a number of points is not negative, this is always {number}"),
                    ))
                }
                None if is_constant => Some((
                    ProblemCode::InvalidValue,
                    "a number of points is finite, this is not".to_owned(),
                )),
                _ => None,
            },
            (Self::Bool, other) => wrong_type(&format!(
                "`when` must give a bool, this gives {}; compare it with something",
                other.type_name()
            )),
            (Self::Amount, Outcome::Text(_)) => wrong_type(
                "`amount` must give a number, this gives a string; write double(…) or int(…) around it",
            ),
            (Self::Amount, other) => wrong_type(&format!(
                "`amount` must give a number, this gives {}",
                other.type_name()
            )),
            (Self::Customer, other) => wrong_type(&format!(
                "`customer` must give a string or null, this gives {}; write string(…) around a number",
                other.type_name()
            )),
            (Self::Time, Outcome::Text(_)) => wrong_type(
                "`validFrom` must give a timestamp, this gives a string; write timestamp(…) around it",
            ),
            (Self::Key, other) => wrong_type(&unfit_key(other)),
            (Self::Time, other) => wrong_type(&format!(
                "`validFrom` must give a timestamp, this gives {}",
                other.type_name()
            )),
        }
    }
}
