//! The form of a document: which of its fields are missing, unknown or malformed.
//!
//! The types of the document are read by serde, which ends with the first mistake. So that an author hears of all at
//! once, each is noted, mended in a copy, and the copy is read again: the types stay the one place that says what a
//! program looks like.

use std::borrow::Cow;

use farelog_events::json::path::{self, Step};
use farelog_events::json::wording;
use serde_json::{Value, json};

use super::document::Program;
use super::problem::{ProblemCode, ProgramProblem};

/// Most mistakes that are looked for: each costs another reading.
const PROBLEMS_MAX: usize = 20;

/// Reads a program from a document, without checking what it means.
///
/// # Errors
/// Every field that is missing, unknown or malformed, up to twenty.
pub(super) fn read(document: &Value) -> Result<Program, Vec<ProgramProblem>> {
    let mut document = Cow::Borrowed(document);
    let mut problems: Vec<ProgramProblem> = Vec::new();
    loop {
        let problem = match read_once(&document) {
            Ok(program) if problems.is_empty() => return Ok(program),
            Ok(_) => return Err(problems),
            Err(problem) => problem,
        };
        // One that is still there can't be mended, nor what it hides be seen.
        let is_new = problems.iter().all(|known| known.field != problem.field);
        let is_mended = is_new && mend(document.to_mut(), &problem).is_some();
        problems.extend(is_new.then_some(problem));
        if !is_mended || problems.len() == PROBLEMS_MAX {
            return Err(problems);
        }
    }
}

fn read_once(document: &Value) -> Result<Program, ProgramProblem> {
    let mut path = Vec::new();
    if has_misplaced_list(document, &mut path) {
        return Err(ProgramProblem::new(
            path::text(&path),
            ProblemCode::InvalidValue,
            "this is a list, and there is none here in a program",
        ));
    }
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = error.path().to_string();
        describe(&path, &error.into_inner().to_string())
    })
}

/// Takes a mistake out of a document: what must be there gets another value, what may be absent goes. `None` where the
/// place can't be told from the path.
fn mend(document: &mut Value, problem: &ProgramProblem) -> Option<()> {
    if problem.code == ProblemCode::UnknownField {
        return path::put(document, &problem.field, None);
    }
    let steps = path::steps(&problem.field);
    if let [expiry @ .., Step::Key(_)] = steps.as_slice()
        && let [.., Step::Key("expiry")] = expiry
    {
        // Its fields go with its kind: one without the other would be the next mistake.
        return path::put(document, &path::text(expiry), None);
    }
    path::put(document, &problem.field, stand_in(&steps))
}

/// A value that a field which must be there can have; `None` for one that may be absent.
fn stand_in(steps: &[Step<'_>]) -> Option<Value> {
    use Step::{Index, Key};
    Some(match steps {
        [Key("id")]
        | [Key("organisationsWithAccess"), Index(_)]
        | [.., Index(_), Key("id")]
        | [.., Key("cap"), Key("amount")] => json!(1),
        [Key("reference" | "name")] | [.., Index(_), Key("reference" | "amount")] => json!("1"),
        [.., Key("trigger")] => json!("LineConfirmed"),
        [.., Key("period"), Key("kind")] => json!("CALENDAR_MONTH"),
        [.., Key("cap"), Key("per")] => json!("ORDER"),
        [Key("pointDefinitions"), Index(_)] => {
            json!({"id": 1, "reference": "1", "trigger": "LineConfirmed", "amount": "1"})
        }
        _ => return None,
    })
}

/// What the deserializer said, as a sentence about a field.
fn describe(path: &str, said: &str) -> ProgramProblem {
    let path = if path == "." { "" } else { path };
    if let Some(name) = wording::quoted(said, "missing field `") {
        return ProgramProblem::new(
            path::leading_to(path, name),
            ProblemCode::MissingField,
            "the field is missing; add it",
        );
    }
    let choice = |said: &str| {
        let (_, known) = said.split_once(", expected ").unwrap_or_default();
        let known = known.strip_prefix("one of ").unwrap_or(known);
        known.replace('`', "")
    };
    if let Some(name) = wording::quoted(said, "unknown field `") {
        return ProgramProblem::new(
            path::leading_to(path, name),
            ProblemCode::UnknownField,
            format!("there is no such field; there are {}", choice(said)),
        );
    }
    let sentence = if let Some(name) = wording::quoted(said, "unknown variant `") {
        format!("there is no {name}; use {}", choice(said))
    } else if said.starts_with("invalid ") {
        wording::sentence(said)
    } else {
        one_line(said)
    };
    ProgramProblem::new(path, ProblemCode::InvalidValue, sentence)
}

/// A text without line breaks.
pub(super) fn one_line(said: &str) -> String {
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether there is a list where a program has none; `path` is its place then. The deserializer would take one for the
/// fields of an object in their order.
fn has_misplaced_list<'d>(value: &'d Value, path: &mut Vec<Step<'d>>) -> bool {
    let is_place_of_list = matches!(
        path.as_slice(),
        [Step::Key("organisationsWithAccess" | "pointDefinitions")]
    );
    let mut is_within = |step: Step<'d>, value: &'d Value| {
        path.push(step);
        let found = has_misplaced_list(value, path);
        if !found {
            path.pop();
        }
        found
    };
    match value {
        Value::Array(items) if is_place_of_list => items
            .iter()
            .enumerate()
            .any(|(index, item)| is_within(Step::Index(index), item)),
        Value::Array(_) => true,
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| is_within(Step::Key(name), value)),
        _ => false,
    }
}
