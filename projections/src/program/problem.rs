//! Why a program is refused: one sentence for each thing that is wrong, with its place.

use std::fmt;

use serde::{Serialize, Serializer};

/// The kind of a problem, as it stands in `errors[].code` of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemCode {
    /// The document is no TOML or no JSON.
    Syntax,
    /// A field is missing.
    MissingField,
    /// A field has no meaning in a program.
    UnknownField,
    /// A field's value is not of its kind or out of its range.
    InvalidValue,
    /// An id or a reference stands twice, or belongs to another program.
    Duplicate,
    /// A limit on size or nesting is passed.
    TooLarge,
    /// An expression is no CEL.
    ExpressionSyntax,
    /// An expression names what does not exist.
    UnknownName,
    /// An expression's value is of the wrong type, or an operator in it does not take its operands.
    WrongType,
    /// A comprehension goes through a map, whose order is random.
    MapComprehension,
}

impl ProblemCode {
    /// The code as text, for example `unknown-name`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::MissingField => "missing-field",
            Self::UnknownField => "unknown-field",
            Self::InvalidValue => "invalid-value",
            Self::Duplicate => "duplicate",
            Self::TooLarge => "too-large",
            Self::ExpressionSyntax => "expression-syntax",
            Self::UnknownName => "unknown-name",
            Self::WrongType => "wrong-type",
            Self::MapComprehension => "map-comprehension",
        }
    }
}

impl fmt::Display for ProblemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A line and a column, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Place {
    /// The place of a byte in a text; the end of the text where the byte lies behind it.
    pub fn of_byte(text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The byte of the text that stands there; the text's length where it has no such place.
    pub fn byte_in(self, text: &str) -> usize {
        let line_start: usize = text
            .split_inclusive('\n')
            .take(self.line.saturating_sub(1))
            .map(str::len)
            .sum();
        text[line_start..]
            .char_indices()
            .nth(self.column.saturating_sub(1))
            .map_or(text.len(), |(offset, _)| line_start + offset)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Where a problem stands, beside its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the document as it was sent.
    Document(Place),
    /// In the expression that the field holds.
    Expression(Place),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(place) => place.fmt(f),
            Self::Expression(place) => write!(f, "{place} of the expression"),
        }
    }
}

/// One thing that is wrong with a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramProblem {
    /// The field by its path, for example `pointDefinitions[0].when`; empty for the document as a whole.
    pub field: String,
    /// The kind.
    pub code: ProblemCode,
    /// What is wrong and what to do, without the place.
    pub sentence: String,
    /// Where it stands, as far as that can be told.
    pub location: Option<Location>,
}

impl ProgramProblem {
    pub(crate) fn new(
        field: impl Into<String>,
        code: ProblemCode,
        sentence: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            code,
            sentence: sentence.into(),
            location: None,
        }
    }

    pub(crate) fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// The sentence with its place, as it stands in `errors[].message` of a refusal.
    pub fn message(&self) -> String {
        match self.location {
            Some(location) => format!("{} ({location})", self.sentence),
            None => self.sentence.clone(),
        }
    }
}

impl fmt::Display for ProgramProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message())
    }
}

impl Serialize for ProgramProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'p> {
            field: &'p str,
            message: &'p str,
            code: ProblemCode,
        }
        Shown {
            field: &self.field,
            message: &self.message(),
            code: self.code,
        }
        .serialize(serializer)
    }
}

/// Why a program is refused. Has at least one problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramRefused {
    /// Everything that is wrong, as far as it could be looked for.
    pub problems: Vec<ProgramProblem>,
}

impl ProgramRefused {
    /// Refused, if there is any problem.
    pub(crate) fn unless_empty(problems: Vec<ProgramProblem>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self { problems })
        }
    }
}

impl From<ProgramProblem> for ProgramRefused {
    fn from(problem: ProgramProblem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

impl fmt::Display for ProgramRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ProgramRefused {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_byte_are_each_others_inverse() {
        let text = "æøå\nbcd\n\ne";
        for (byte, _) in text.char_indices() {
            assert_eq!(Place::of_byte(text, byte).byte_in(text), byte);
        }
        let place = Place::of_byte(text, "æøå\nb".len());
        assert_eq!((place.line, place.column), (2, 2));
        assert_eq!(Place { line: 9, column: 9 }.byte_in(text), text.len());
    }
}
