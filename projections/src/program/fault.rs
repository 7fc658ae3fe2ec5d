//! Why an expression gave nothing.

use std::fmt;

use cel::{ExecutionError, Value};

use super::names::missing_table_key;
use super::pattern::Pattern;
use super::sample::Anything;

/// Why a definition gives nothing for a line, where an expression could not say (domain, section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFault {
    /// The key is not in the table. This is how a table says "nothing for this one", so it is no rule error.
    MissingTableKey {
        /// The table.
        table: String,
        /// The key as an expression would write it, a text in quotes.
        key: String,
    },
    /// A rule error: what went wrong, in a sentence.
    Error(String),
}

impl RuleFault {
    pub(super) fn error(sentence: impl Into<String>) -> Self {
        Self::Error(sentence.into())
    }

    /// Whether it is to be counted as a rule error.
    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }
}

impl fmt::Display for RuleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingTableKey { table, key } => {
                write!(f, "the table {table} has no key {key}")
            }
            Self::Error(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for RuleFault {}

impl From<ExecutionError> for RuleFault {
    fn from(error: ExecutionError) -> Self {
        if let ExecutionError::NoSuchKey(said) = &error
            && let Some((table, key)) = missing_table_key(said)
        {
            return Self::MissingTableKey {
                table: table.to_owned(),
                key: key.to_owned(),
            };
        }
        Self::error(sentence(&error))
    }
}

/// What the library says, for a person who knows CEL and not the library.
pub(super) fn sentence(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(said) => format!("there is no {said}"),
        ExecutionError::NoSuchOverload(overload) => {
            operator_sentence(overload.function(), overload.argument_types())
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let operator = match *operator {
                "add" => "_+_",
                "sub" => "_-_",
                "mul" => "_*_",
                "div" => "_/_",
                "rem" => "_%_",
                other => other,
            };
            operator_sentence(operator, &[type_name(left), type_name(right)])
        }
        ExecutionError::UnexpectedType { got, want } if want == "iterable" => {
            format!("a comprehension goes through a list, this is {}", one(got))
        }
        ExecutionError::UnexpectedType { got, want } => {
            format!("{} is wanted, this is {}", one(want), one(got))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "a whole number is divided by zero".to_owned()
        }
        ExecutionError::Overflow(..) => {
            "a number or a time passes the range of its type".to_owned()
        }
        ExecutionError::IndexOutOfBounds(_) => {
            "a list is shorter than the index asks for".to_owned()
        }
        ExecutionError::UndeclaredReference(name) => format!("there is no `{name}`"),
        ExecutionError::FunctionError { function, message } => function_sentence(function, message),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, this gives it {actual}")
        }
        ExecutionError::ValuesNotComparable(..) => {
            "two values are compared that have no order between them".to_owned()
        }
        ExecutionError::UnsupportedKeyType(_) => {
            "a key of a map is a string, an int, a uint or a bool".to_owned()
        }
        ExecutionError::UnsupportedIndex(..) => {
            "a value is asked for an element that it can't have".to_owned()
        }
        ExecutionError::DuplicateKey(_) => "a map has the same key twice".to_owned(),
        _ => "the expression can't be evaluated".to_owned(),
    }
}

/// Functions of this crate, whose messages are sentences for a person.
const OWN_FUNCTIONS: [&str; 3] = ["evaluation", "map", "value"];

fn function_sentence(function: &str, message: &str) -> String {
    if OWN_FUNCTIONS.contains(&function) {
        return format!("{function}: {message}");
    }
    let wanted = match function {
        "int" => "a whole number of 64 bits",
        "uint" => "a whole number of 64 bits that is not negative",
        "double" => "a number",
        "bool" => "`true` or `false`",
        "string" => "UTF-8 text",
        "timestamp" => "a time like 2026-01-31T12:00:00Z",
        "duration" => "a duration like 90m",
        "timezone" => return "there is no such time zone".to_owned(),
        _ => return format!("`{function}` does not take this value"),
    };
    format!("`{function}` takes {wanted}, this is none")
}

/// A thing of the library by the name that a person knows it by, with its article.
fn one(name: &str) -> String {
    match known_as(name) {
        "null" => "null".to_owned(),
        name => format!("a {name}"),
    }
}

fn operator_sentence(function: &str, types: &[String]) -> String {
    let types: Vec<&str> = types.iter().map(|name| known_as(name)).collect();
    if let ("_._", [of, ..]) = (function, types.as_slice()) {
        return format!("a field is asked of {of}, which has none; ask has(…) first");
    }
    let operator = function
        .trim_matches('_')
        .trim_start_matches('@')
        .to_owned();
    let operator = if operator.is_empty() {
        function.to_owned()
    } else {
        operator
    };
    let are_numbers = types
        .iter()
        .all(|of| matches!(*of, "int" | "uint" | "double"));
    let advice = if are_numbers && types.len() == 2 {
        "; convert one, with int(…) or double(…)"
    } else {
        ""
    };
    format!("`{operator}` does not take {}{advice}", types.join(" and "))
}

/// A type of the library by the name that a person knows it by.
pub(super) fn known_as(type_name: &str) -> &str {
    match type_name {
        "null_type" => "null",
        "google.protobuf.Timestamp" => "timestamp",
        "google.protobuf.Duration" => "duration",
        "bytes" => "byte string",
        Anything::TYPE_NAME => "value",
        Pattern::TYPE_NAME => "pattern",
        other => other,
    }
}

fn type_name(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Float(_) => "double".to_owned(),
        other => other.type_of().to_string(),
    }
}

/// Whether the error comes from the types of an expression's parts, whatever their values are.
pub(super) fn is_type_error(error: &ExecutionError) -> bool {
    match error {
        ExecutionError::NoSuchOverload(overload) => !overload
            .argument_types()
            .iter()
            .any(|name| name == Anything::TYPE_NAME),
        ExecutionError::UnexpectedType { got, .. } => got != Anything::TYPE_NAME,
        // What has no counterpart in the library's own values stands as null in this error.
        ExecutionError::UnsupportedBinaryOperator(_, left, right) => {
            !matches!(left, Value::Null) && !matches!(right, Value::Null)
        }
        ExecutionError::UndeclaredReference(_) | ExecutionError::InvalidArgumentCount { .. } => {
            true
        }
        _ => false,
    }
}
