//! One CEL expression: read, checked, rewritten so that it can't run away, and evaluated.

use std::sync::{Arc, LazyLock, OnceLock};

use cel::common::ast::{EntryExpr, Expr, SourceInfo};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::parser::Parser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::bounds::Bounded;
use super::fault;
use super::key;
use super::meter;
use super::names::Names;
use super::pattern::{self, Pattern};
use super::problem::{Place, ProblemCode};
use super::sample::Anything;
use super::schema;
use super::vocabulary::{self, Vocabulary};

/// Longest expression, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

/// How deep an expression may nest: parentheses, operators in a row, fields of fields.
pub const EXPRESSION_DEPTH_MAX: usize = 48;

/// How many comprehensions (`exists`, `all`, `map` and so on) may stand within one another.
pub const COMPREHENSIONS_NESTED_MAX: usize = 2;

/// How many wrong names of one expression are told at once.
const FINDINGS_SHOWN_MAX: usize = 5;

/// An expression that is ready to run.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    bounded: Bounded,
    is_constant: bool,
    /// What it gave, where it always gives the same: most definitions give one point.
    constant: OnceLock<Outcome>,
}

/// What is wrong with an expression, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpressionProblem {
    pub(super) code: ProblemCode,
    pub(super) sentence: String,
    pub(super) place: Option<Place>,
}

/// What an expression gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    Null,
    Bool(bool),
    /// A number; `None` for one that no decimal can hold (infinite, not a number, too large).
    Number(Option<Decimal>),
    Text(String),
    Time(DateTime<Utc>),
    /// A value of another type, by the type's name.
    Other(String),
    /// Only on samples: nothing is known about the value.
    Anything,
}

impl Outcome {
    fn of(result: Result<Value, ExecutionError>) -> Result<Self, ExecutionError> {
        Ok(match result {
            Ok(Value::Null) => Self::Null,
            Ok(Value::Bool(is)) => Self::Bool(is),
            Ok(Value::Int(number)) => Self::Number(Some(number.into())),
            Ok(Value::UInt(number)) => Self::Number(Some(number.into())),
            Ok(Value::Float(number)) => Self::Number(Decimal::from_f64_retain(number)),
            Ok(Value::String(text)) => Self::Text(Arc::unwrap_or_clone(text)),
            Ok(Value::Timestamp(time)) => Self::Time(time.to_utc()),
            Ok(other) => Self::Other(other.type_of().to_string()),
            // A value of this crate has no counterpart among the library's, which is what the library says then.
            Err(ExecutionError::UnexpectedType { got, want }) if want.contains("`Value`") => {
                if got == Anything::TYPE_NAME {
                    Self::Anything
                } else {
                    Self::Other(got)
                }
            }
            Err(error) => return Err(error),
        })
    }

    /// The type's name, for a person.
    pub(super) fn type_name(&self) -> String {
        let name = match self {
            Self::Null => return "null".to_owned(),
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::Time(_) => "timestamp",
            Self::Other(name) => fault::known_as(name),
            Self::Anything => "value",
        };
        format!("a {name}")
    }
}

impl Expression {
    /// Reads an expression and checks everything that can be known without running it.
    pub(super) fn read(
        source: &str,
        vocabulary: &Vocabulary<'_>,
    ) -> Result<Self, Vec<ExpressionProblem>> {
        let problem = |code, sentence| {
            vec![ExpressionProblem {
                code,
                sentence,
                place: None,
            }]
        };
        let chars = source.chars().count();
        if chars > EXPRESSION_CHARS_MAX {
            return Err(problem(
                ProblemCode::TooLarge,
                format!(
                    "the expression has {chars} characters, at most {EXPRESSION_CHARS_MAX} are taken; use a table or several definitions"
                ),
            ));
        }
        if source.trim().is_empty() {
            return Err(problem(
                ProblemCode::ExpressionSyntax,
                "the expression is empty; write one".to_owned(),
            ));
        }
        let (tree, places) = Parser::new()
            .parse_with_source_info(source)
            .map_err(|errors| {
                // One mistake often makes the parser stumble again and again.
                errors
                    .errors
                    .iter()
                    .take(1)
                    .map(|error| ExpressionProblem {
                        code: ProblemCode::ExpressionSyntax,
                        sentence: syntax_sentence(&error.msg),
                        place: Some(place_of(error.pos)),
                    })
                    .collect::<Vec<_>>()
            })?;
        let depth = depth(&tree);
        if depth > EXPRESSION_DEPTH_MAX {
            return Err(problem(
                ProblemCode::TooLarge,
                format!(
                    "the expression nests {depth} deep, at most {EXPRESSION_DEPTH_MAX} are taken; write it flatter, for example with `in` and a list"
                ),
            ));
        }
        let findings = vocabulary::check(&tree, vocabulary);
        if !findings.is_empty() {
            return Err(findings
                .into_iter()
                .take(FINDINGS_SHOWN_MAX)
                .map(|finding| ExpressionProblem {
                    code: finding.code,
                    sentence: finding.sentence,
                    place: place_in(&places, finding.node),
                })
                .collect());
        }
        let is_constant = tree
            .references()
            .variables()
            .into_iter()
            .all(|name| schema::of_name(name).is_none());
        let bounded = Bounded::new(tree).map_err(|bad| {
            vec![ExpressionProblem {
                code: ProblemCode::InvalidValue,
                sentence: bad.sentence,
                place: place_in(&places, bad.node),
            }]
        })?;
        Ok(Self {
            bounded,
            is_constant,
            constant: OnceLock::new(),
        })
    }

    /// The expression for the same value as the key of periods: a text that is the same for equal values.
    pub(super) fn into_key(self) -> Self {
        Self {
            bounded: self.bounded.within(key::KEY),
            is_constant: self.is_constant,
            constant: OnceLock::new(),
        }
    }

    /// The expression for the value of a tree, as a text: one that stands in an expression that was read before.
    ///
    /// # Errors
    /// A pattern in it is none, in a sentence.
    pub(super) fn text_of(tree: IdedExpr) -> Result<Self, String> {
        let bounded = Bounded::new(tree).map_err(|bad| bad.sentence)?;
        let expression = Self {
            bounded,
            is_constant: false,
            constant: OnceLock::new(),
        };
        Ok(expression.into_key())
    }

    /// Runs one that gives a text.
    pub(super) fn evaluate_to_text(&self, names: &Names<'_>) -> Result<String, ExecutionError> {
        match self.evaluate(names)? {
            Outcome::Text(text) => Ok(text),
            other => Err(ExecutionError::function_error(
                "value",
                format!("{} has no text of its own", other.type_name()),
            )),
        }
    }

    /// Whether it sees none of the names, so that it always gives the same.
    pub(super) fn is_constant(&self) -> bool {
        self.is_constant
    }

    /// Runs it.
    pub(super) fn evaluate(&self, names: &Names<'_>) -> Result<Outcome, ExecutionError> {
        if let Some(known) = self.constant.get() {
            return Ok(known.clone());
        }
        let variables = Variables {
            names,
            patterns: &self.bounded.patterns,
        };
        let mut context = root().new_inner_scope();
        context.set_variable_resolver(&variables);
        // Through the context and not `Value::resolve_val`: that one is inlined here, with frames of 30 kB in a debug
        // build, and recursive.
        let outcome = Outcome::of(context.resolve(&self.bounded.tree))?;
        if self.is_constant {
            return Ok(self.constant.get_or_init(|| outcome).clone());
        }
        Ok(outcome)
    }
}

/// What the interpreter looks up by name.
struct Variables<'e> {
    names: &'e Names<'e>,
    patterns: &'e [Pattern],
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        if let Some(value) = self.names.value(name) {
            return Some(CowVal::Borrowed(value));
        }
        let pattern = pattern::by_name(name, self.patterns)?;
        Some(CowVal::Borrowed(pattern))
    }
}

/// The functions, made once: building them takes as long as dozens of evaluations.
fn root<'v>() -> &'static Context<'static, 'v> {
    static ROOT: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
        let mut env = Env::default().with_optional_support(false).with_stdlib();
        if let Err(error) = declare(&mut env) {
            // Names with an @ are ours alone; a clash would show in the first test.
            tracing::error!(%error, "functions of expressions could not be declared");
        }
        Context::with_env(Arc::new(env))
    });
    &ROOT
}

fn declare(env: &mut Env) -> Result<(), cel::DeclarationError> {
    meter::declare(env)?;
    pattern::declare(env)?;
    key::declare(env)
}

fn place_of((line, column): (isize, isize)) -> Place {
    Place {
        line: usize::try_from(line).unwrap_or(1).max(1),
        column: usize::try_from(column).unwrap_or(1).max(1),
    }
}

/// Where a node of the tree was written. The library counts characters.
fn place_in(places: &SourceInfo, node: u64) -> Option<Place> {
    let (start, _) = places.offset_for(node)?;
    let start = usize::try_from(start).ok()?;
    let source = &places.source;
    let byte = source
        .char_indices()
        .nth(start)
        .map_or(source.len(), |(byte, _)| byte);
    Some(Place::of_byte(source, byte))
}

/// What the parser says, without the dozens of tokens that it would have taken.
fn syntax_sentence(said: &str) -> String {
    let said = said.strip_prefix("Syntax error: ").unwrap_or(said);
    if said.contains("Recursion limit") {
        return "the expression nests too deep; write it flatter".to_owned();
    }
    if let Some(token) = missing(said) {
        return format!("the expression is no CEL: a `{token}` is missing");
    }
    let quoted = said.split_once('\'').map(|(_, rest)| {
        let (input, _) = rest.rsplit_once('\'').unwrap_or((rest, ""));
        // `mismatched input 'x' expecting {'[', '{', …}`: what is wanted is quoted too.
        input
            .split_once("' expecting")
            .map_or(input, |(input, _)| input)
    });
    let sentence = match quoted {
        _ if said.starts_with("invalid int") || said.starts_with("invalid uint") => {
            "a whole number has at most 64 bits".to_owned()
        }
        _ if said.starts_with("invalid double") => "a number can't be read".to_owned(),
        _ if said.starts_with("invalid string") || said.starts_with("invalid bytes") => {
            "a text has an escape that there is not".to_owned()
        }
        _ if said.starts_with("invalid argument to has()") => {
            "has(…) is asked for a field, like has(line.travel)".to_owned()
        }
        _ if said.starts_with("argument must be a simple name") => {
            "a comprehension's variable is a name".to_owned()
        }
        Some("<EOF>") => "it ends where something is still wanted".to_owned(),
        Some(input) if said.starts_with("unsupported syntax") => {
            format!("`{input}` is not supported")
        }
        Some(input) if !said.starts_with("token recognition") => {
            format!("`{}` does not belong here", shortened(input))
        }
        Some(input) => format!("the character {input:?} is no part of it"),
        None => "it can't be read here".to_owned(),
    };
    format!("the expression is no CEL: {sentence}")
}

/// The token of `missing ')' at '<EOF>'`.
fn missing(said: &str) -> Option<&str> {
    let (token, _) = said.strip_prefix("missing '")?.split_once("' at ")?;
    Some(token)
}

fn shortened(input: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 40;
    match input.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &input[..end]),
        None => input.to_owned(),
    }
}

fn depth(tree: &IdedExpr) -> usize {
    let mut deepest = 0;
    let mut waiting = vec![(tree, 1)];
    while let Some((node, depth)) = waiting.pop() {
        deepest = deepest.max(depth);
        children(node, |child| waiting.push((child, depth + 1)));
    }
    deepest
}

/// Calls `visit` with each node directly below this one.
pub(super) fn children<'t>(node: &'t IdedExpr, mut visit: impl FnMut(&'t IdedExpr)) {
    match &node.expr {
        Expr::Call(call) => {
            call.target.as_deref().into_iter().for_each(&mut visit);
            call.args.iter().for_each(visit);
        }
        Expr::Comprehension(comprehension) => {
            visit(&comprehension.iter_range);
            visit(&comprehension.accu_init);
            visit(&comprehension.loop_cond);
            visit(&comprehension.loop_step);
            visit(&comprehension.result);
        }
        Expr::List(list) => list.elements.iter().for_each(visit),
        Expr::Map(map) => map
            .entries
            .iter()
            .for_each(|entry| entry_children(&entry.expr, &mut visit)),
        Expr::Struct(of) => of
            .entries
            .iter()
            .for_each(|entry| entry_children(&entry.expr, &mut visit)),
        Expr::Select(select) => visit(&select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
}

fn entry_children<'t>(entry: &'t EntryExpr, visit: &mut impl FnMut(&'t IdedExpr)) {
    match entry {
        EntryExpr::StructField(field) => visit(&field.value),
        EntryExpr::MapEntry(entry) => {
            visit(&entry.key);
            visit(&entry.value);
        }
    }
}
