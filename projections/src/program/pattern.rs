//! Regular expressions in expressions, compiled when the program is.
//!
//! The library compiles a pattern each time `matches` is called, which takes longer than most expressions do, and takes
//! one from the data, too. Here a pattern is a literal of the expression.

use std::any::Any;

use cel::common::types::{CelBool, CelString, DYN_TYPE, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

/// How large a compiled pattern may be, in bytes; what a match costs grows with it.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// The function of the rewritten program. No source can spell it.
pub(super) const MATCHES: &str = "@matches";

/// What the names that patterns are looked up by begin with.
const NAME_PREFIX: &str = "@pattern";

/// A compiled regular expression, as a value that `@matches` takes.
#[derive(Debug, Clone)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// The name of its type, which no expression can spell.
    pub(super) const TYPE_NAME: &'static str = "farelog.pattern";

    /// Compiles a literal; the error is a sentence.
    pub(super) fn compile(literal: Option<&str>) -> Result<Self, String> {
        let source = literal.ok_or_else(|| {
            "`matches` takes its pattern as a text in quotes, so that it can be checked".to_owned()
        })?;
        RegexBuilder::new(source)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
            .map(Self)
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => {
                    "the regular expression is too large; write it with fewer repetitions"
                        .to_owned()
                }
                error => {
                    // The library draws a picture; its last line says what is wrong.
                    let said = error.to_string();
                    let said = said.lines().last().unwrap_or_default();
                    let said = said.strip_prefix("error: ").unwrap_or(said);
                    format!("the pattern is no regular expression: {said}")
                }
            })
    }
}

/// The name of the pattern with this number.
pub(super) fn name_of(number: usize) -> String {
    format!("{NAME_PREFIX}{number}")
}

/// The pattern by its name.
pub(super) fn by_name<'p>(name: &str, patterns: &'p [Pattern]) -> Option<&'p Pattern> {
    patterns.get(name.strip_prefix(NAME_PREFIX)?.parse::<usize>().ok()?)
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type(Pattern::TYPE_NAME);
        &TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// Declares the function that rewritten programs call.
pub(super) fn declare(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload(MATCHES, MATCHES, vec![STRING_TYPE, DYN_TYPE], matches)
}

/// `@matches(text, pattern)`.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the library calls functions with their arguments by value"
)]
fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = args.as_slice() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    match (
        text.downcast_ref::<CelString>(),
        pattern.downcast_ref::<Pattern>(),
    ) {
        (Some(text), Some(pattern)) => {
            let is_match = pattern.0.is_match(text.inner());
            Ok(CowVal::owned(CelBool::from(is_match)))
        }
        _ => Err(ExecutionError::missing_argument_or_target()),
    }
}
