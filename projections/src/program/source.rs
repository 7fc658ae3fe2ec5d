//! The text of a program's document, and where in it each field stands.

use std::fmt::Write as _;
use std::ops::Range;

use farelog_events::json::path::{self, Step};
use farelog_events::json::wording;
use farelog_events::time::Time;
use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::document::Program;
use super::expiry;
use super::form;
use super::problem::{Location, Place, ProblemCode, ProgramProblem, ProgramRefused};
use super::rules::CompiledProgram;
use super::toml_text;

/// Largest document, in bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// What an answer says of a program beside its document. A JSON document may have them, for it may be an answer that
/// somebody read, changed and sends back; they say nothing there.
const READ_ONLY: [&str; 3] = ["version", "publishedAt", "problems"];

/// A document that is well-formed TOML or JSON.
///
/// Both are read through the same JSON value, so that a field means the same in both; for TOML the source is kept too,
/// and a problem is reported at its line and column. In JSON a field may be null, which says what an absent one says;
/// a table has no such values.
#[derive(Debug)]
pub struct ProgramSource<'t> {
    value: Value,
    toml: Option<(&'t str, Spanned<DeTable<'t>>)>,
}

impl<'t> ProgramSource<'t> {
    /// Takes in a TOML document.
    ///
    /// # Errors
    /// The first syntax error, with its place.
    pub fn toml(text: &'t str) -> Result<Self, ProgramRefused> {
        check_size(text)?;
        let table = DeTable::parse(text).map_err(|error| {
            let problem = ProgramProblem::new(
                "",
                ProblemCode::Syntax,
                format!(
                    "the document is no TOML: {}",
                    form::one_line(error.message())
                ),
            );
            match error.span() {
                Some(span) => problem.at(Location::Document(Place::of_byte(text, span.start))),
                None => problem,
            }
        })?;
        let value =
            table_to_json(table.get_ref(), &mut String::new()).map_err(|(span, problem)| {
                problem.at(Location::Document(Place::of_byte(text, span.start)))
            })?;
        Ok(Self {
            value,
            toml: Some((text, table)),
        })
    }

    /// Takes in a JSON document.
    ///
    /// # Errors
    /// The first syntax error, with its place.
    pub fn json(text: &str) -> Result<Self, ProgramRefused> {
        check_size(text)?;
        Self::parse_json(text)
    }

    fn parse_json(text: &str) -> Result<Self, ProgramRefused> {
        let mut value = serde_json::from_str(text).map_err(|error| {
            let sentence = match wording::why_not_json(&error) {
                Some(why) => format!("the document is no JSON: {why}"),
                None => "the document is no JSON".to_owned(),
            };
            ProgramProblem::new("", ProblemCode::Syntax, sentence).at(Location::Document(Place {
                line: error.line(),
                column: error.column(),
            }))
        })?;
        if let Value::Object(fields) = &mut value {
            fields.retain(|name, field| !field.is_null() && !READ_ONLY.contains(&name.as_str()));
            let but_tables = fields.iter_mut().filter(|(name, _)| *name != "tables");
            but_tables.for_each(|(_, field)| leave_out_nulls(field));
        }
        Ok(Self { value, toml: None })
    }

    /// Takes in a JSON document that the log has, whatever its size.
    pub(super) fn stored(text: &str) -> Result<Self, ProgramRefused> {
        Self::parse_json(text)
    }

    /// Reads the program, without checking what it means.
    ///
    /// # Errors
    /// Every field that is missing, unknown or malformed.
    pub fn read(&self) -> Result<Program, ProgramRefused> {
        form::read(&self.value).map_err(|problems| self.refused(problems))
    }

    /// Reads and compiles the program: what publication does.
    ///
    /// # Errors
    /// Everything that is wrong with it, with places in this document.
    pub fn compile(&self) -> Result<CompiledProgram, ProgramRefused> {
        let program = self.read()?;
        self.check_moments()?;
        CompiledProgram::compile(program).map_err(|refused| self.refused(refused.problems))
    }

    /// Checks that each moment is written as RFC 3339 has it, which reading does not: a log may have programs whose
    /// moments are not.
    fn check_moments(&self) -> Result<(), ProgramRefused> {
        let definitions = self.value["pointDefinitions"].as_array();
        let problems = definitions.into_iter().flatten().enumerate();
        let problems = problems.filter_map(|(index, definition)| {
            let moment = definition["expiry"]["at"].as_str()?;
            moment.parse::<Time>().is_err().then(|| {
                self.located(ProgramProblem::new(
                    format!("pointDefinitions[{index}].expiry.at"),
                    ProblemCode::InvalidValue,
                    expiry::NO_MOMENT,
                ))
            })
        });
        ProgramRefused::unless_empty(problems.collect())
    }

    fn refused(&self, problems: Vec<ProgramProblem>) -> ProgramRefused {
        let problems = problems.into_iter();
        ProgramRefused {
            problems: problems.map(|problem| self.located(problem)).collect(),
        }
    }

    /// The problem with its place in this document, where that can be told.
    fn located(&self, problem: ProgramProblem) -> ProgramProblem {
        let Some((text, table)) = &self.toml else {
            return problem;
        };
        let Some((span, is_text)) = find(table, &problem.field) else {
            return problem;
        };
        let byte = match problem.location {
            Some(Location::Document(_)) => return problem,
            Some(Location::Expression(place)) if is_text => {
                span.start + toml_text::source_offset(&text[span], place)
            }
            _ => span.start,
        };
        problem.at(Location::Document(Place::of_byte(text, byte)))
    }
}

fn check_size(text: &str) -> Result<(), ProgramRefused> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(ProgramProblem::new(
            "",
            ProblemCode::TooLarge,
            format!(
                "the document has {} bytes, at most {DOCUMENT_BYTES_MAX} are taken; move large tables out of it",
                text.len()
            ),
        )
        .into());
    }
    Ok(())
}

/// Removes what is null from the objects in a value.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        _ => {}
    }
}

type Misplaced = (Range<usize>, ProgramProblem);

fn table_to_json(table: &DeTable<'_>, path: &mut String) -> Result<Value, Misplaced> {
    let mut map = Map::with_capacity(table.len());
    for (key, value) in table {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(key.get_ref());
        map.insert(key.get_ref().to_string(), to_json(value, path)?);
        path.truncate(length);
    }
    Ok(Value::Object(map))
}

fn to_json(value: &Spanned<DeValue<'_>>, path: &mut String) -> Result<Value, Misplaced> {
    let refuse = |sentence: &str| {
        Err((
            value.span(),
            ProgramProblem::new(path.clone(), ProblemCode::InvalidValue, sentence),
        ))
    };
    Ok(match value.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(is) => Value::Bool(*is),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Number(number.into()),
            Err(_) => return refuse("a whole number has at most 64 bits"),
        },
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(Number::from_f64);
            match number {
                Some(number) => Value::Number(number),
                None => return refuse("a number must be finite"),
            }
        }
        DeValue::Array(array) => {
            let mut items = Vec::with_capacity(array.len());
            for (index, item) in array.iter().enumerate() {
                let length = path.len();
                // Writing to a text can't fail.
                let _ = write!(path, "[{index}]");
                items.push(to_json(item, path)?);
                path.truncate(length);
            }
            Value::Array(items)
        }
        DeValue::Table(table) => table_to_json(table, path)?,
    })
}

/// Where a field stands, by its path, and whether it is a text. Of a field that is not there: where it would stand.
fn find(table: &Spanned<DeTable<'_>>, path: &str) -> Option<(Range<usize>, bool)> {
    let mut steps = path::steps(path).into_iter();
    let Some(Step::Key(first)) = steps.next() else {
        return None;
    };
    let Some(mut value) = table.get_ref().get(first) else {
        return Some((0..0, false));
    };
    for step in steps {
        let next = match (step, value.get_ref()) {
            (Step::Key(key), DeValue::Table(table)) => table.get(key),
            (Step::Index(index), DeValue::Array(array)) => array.get(index),
            _ => None,
        };
        match next {
            Some(next) => value = next,
            None => return Some((value.span(), false)),
        }
    }
    Some((value.span(), value.get_ref().is_str()))
}
