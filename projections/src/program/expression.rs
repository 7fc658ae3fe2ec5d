//! One CEL expression: read, checked, rewritten so that it can't run away, and evaluated.

use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, ListExpr, LiteralValue, SourceInfo, operators};
use cel::common::types::{CelBool, CelDouble, CelInt, CelString, CelTimestamp, CelUInt, Kind};
use cel::common::value::Val;
use cel::parser::Parser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::meter;
use super::problem::{Place, ProblemCode};
use super::scope::Names;
use super::value::Anything;
use super::vocabulary::{self, Vocabulary};

/// Longest expression, in characters.
pub const EXPRESSION_CHARS_MAX: usize = 2_000;

/// How deep an expression may nest: parentheses, operators in a row, fields of fields.
pub const EXPRESSION_DEPTH_MAX: usize = 48;

/// How many comprehensions (`exists`, `all`, `map` and so on) may stand within one another.
pub const COMPREHENSIONS_NESTED_MAX: usize = 2;

/// An expression that is ready to run.
#[derive(Debug, Clone)]
pub(super) struct Expression {
    tree: IdedExpr,
    is_constant: bool,
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
    fn of(value: &dyn Val) -> Self {
        if let Some(is) = value.downcast_ref::<CelBool>() {
            Self::Bool(*is.inner())
        } else if let Some(number) = value.downcast_ref::<CelInt>() {
            Self::Number(Some((*number.inner()).into()))
        } else if let Some(number) = value.downcast_ref::<CelUInt>() {
            Self::Number(Some((*number.inner()).into()))
        } else if let Some(number) = value.downcast_ref::<CelDouble>() {
            Self::Number(Decimal::from_f64_retain(*number.inner()))
        } else if let Some(text) = value.downcast_ref::<CelString>() {
            Self::Text(text.inner().to_owned())
        } else if let Some(time) = value.downcast_ref::<CelTimestamp>() {
            Self::Time(time.inner().to_utc())
        } else if value.downcast_ref::<Anything>().is_some() {
            Self::Anything
        } else if value.get_type().kind() == Kind::NullType {
            Self::Null
        } else {
            Self::Other(value.get_type().name().to_owned())
        }
    }

    /// The type's name, for a person.
    pub(super) fn type_name(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a bool",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Time(_) => "a timestamp",
            Self::Other(name) => name,
            Self::Anything => "unknown",
        }
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
        let (tree, places) = Parser::new()
            .parse_with_source_info(source)
            .map_err(|errors| {
                errors
                    .errors
                    .iter()
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
            .all(|name| !vocabulary::is_name(name));
        Ok(Self {
            tree: bounded(tree),
            is_constant,
        })
    }

    /// Whether it sees none of the names, so that it always gives the same.
    pub(super) fn is_constant(&self) -> bool {
        self.is_constant
    }

    /// Runs it.
    pub(super) fn evaluate(&self, names: &Names<'_>) -> Result<Outcome, ExecutionError> {
        let mut context = root().new_inner_scope();
        context.set_variable_resolver(names);
        let value = Value::resolve_val(&self.tree, &context)?;
        Ok(Outcome::of(value.as_ref()))
    }
}

/// The functions, made once: building them takes as long as dozens of evaluations.
fn root<'v>() -> &'static Context<'static, 'v> {
    static ROOT: LazyLock<Context<'static, 'static>> = LazyLock::new(|| {
        let mut env = Env::default().with_optional_support(false).with_stdlib();
        if let Err(error) = meter::declare(&mut env) {
            // Names with an @ are ours alone; a clash would show in the first test.
            tracing::error!(%error, "functions of expressions could not be declared");
        }
        Context::with_env(Arc::new(env))
    });
    &ROOT
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

/// The library's text on one line, without its prefix.
fn syntax_sentence(said: &str) -> String {
    let said = said.strip_prefix("Syntax error: ").unwrap_or(said);
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("the expression is no CEL: {said}")
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

/// The tree with a counting function wherever a value is gone through or copied, and with this crate's maps and `has`.
fn bounded(node: IdedExpr) -> IdedExpr {
    let IdedExpr { id, expr } = node;
    let at = |expr| IdedExpr { id, expr };
    at(match expr {
        Expr::Call(call) => bounded_call(id, call),
        Expr::Comprehension(mut comprehension) => {
            let range = bounded(comprehension.iter_range);
            comprehension.iter_range = metered(meter::EACH, vec![range]);
            comprehension.accu_init = bounded(comprehension.accu_init);
            comprehension.loop_cond = bounded(comprehension.loop_cond);
            comprehension.loop_step = bounded(comprehension.loop_step);
            comprehension.result = bounded(comprehension.result);
            Expr::Comprehension(comprehension)
        }
        Expr::List(list) => Expr::List(ListExpr {
            elements: list.elements.into_iter().map(copied).collect(),
            optional_indices: list.optional_indices,
        }),
        Expr::Map(map) => {
            let elements = map
                .entries
                .into_iter()
                .flat_map(|entry| match entry.expr {
                    EntryExpr::MapEntry(entry) => vec![copied(entry.key), copied(entry.value)],
                    EntryExpr::StructField(_) => Vec::new(),
                })
                .collect();
            let list = at(Expr::List(ListExpr::new(elements)));
            call(meter::MAP, vec![list])
        }
        Expr::Select(mut select) => {
            select.operand = Box::new(bounded(*select.operand));
            if select.test {
                let field = at(Expr::Literal(LiteralValue::String(CelString::from(
                    select.field,
                ))));
                call(meter::HAS, vec![*select.operand, field])
            } else {
                Expr::Select(select)
            }
        }
        other => other,
    })
}

fn bounded_call(id: u64, mut of: CallExpr) -> Expr {
    let is_step = matches!(
        of.args.first().map(|first| &first.expr),
        Some(Expr::Ident(name)) if name.starts_with('@')
    );
    of.target = of.target.map(|target| Box::new(bounded(*target)));
    of.args = of.args.into_iter().map(bounded).collect();
    // `@result + [x]`, the step of `map` and `filter`, is left: the library appends in place only if it knows the shape.
    // What it appends is counted, as the element of a list.
    if of.func_name == operators::ADD && of.args.len() == 2 && !is_step {
        return metered_at(id, meter::PLUS, of.args).expr;
    }
    Expr::Call(of)
}

/// An element of a list or a map. Literals are as many as the source has characters and need no counting.
fn copied(element: IdedExpr) -> IdedExpr {
    if matches!(element.expr, Expr::Literal(_)) {
        element
    } else {
        metered(meter::COPY, vec![bounded(element)])
    }
}

fn metered(function: &str, args: Vec<IdedExpr>) -> IdedExpr {
    let id = args.first().map_or(0, |arg| arg.id);
    metered_at(id, function, args)
}

fn metered_at(id: u64, function: &str, mut args: Vec<IdedExpr>) -> IdedExpr {
    args.push(IdedExpr {
        id,
        expr: Expr::Ident(meter::Meter::NAME.to_owned()),
    });
    IdedExpr {
        id,
        expr: call(function, args),
    }
}

fn call(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args,
    })
}
