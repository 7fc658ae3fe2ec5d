//! The names, fields and functions that an expression may use, checked when a program is published.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, operators};

use super::expression::COMPREHENSIONS_NESTED_MAX;
use super::problem::ProblemCode;
use super::schema::{self, Shape};

/// What the place of an expression brings to the vocabulary.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vocabulary<'p> {
    /// The program's tables.
    pub(super) tables: &'p [&'p str],
    /// Whether `member` is known: not where the expression says who that is.
    pub(super) sees_member: bool,
}

/// Something that is wrong, at a node of the tree.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) node: u64,
    pub(super) code: ProblemCode,
    pub(super) sentence: String,
}

/// Functions of the library that are called by themselves: `size(x)`.
const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "duration",
    "dyn",
    "int",
    "matches",
    "size",
    "string",
    "timestamp",
    "type",
    "uint",
];

/// Functions of the library that are called on a value: `x.startsWith("ENT:")`.
const METHODS: &[&str] = &[
    "contains",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "matches",
    "size",
    "startsWith",
];

/// Comprehensions, which look like methods and are none: one that is called with the wrong arguments ends up here.
const MACROS: &[&str] = &["all", "exists", "exists_one", "filter", "map"];

/// Types by name, for `type(x) == int`.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

/// Everything in an expression that names what does not exist, or goes through what has no order.
pub(super) fn check(tree: &IdedExpr, vocabulary: &Vocabulary<'_>) -> Vec<Finding> {
    let mut check = Check {
        vocabulary,
        locals: Vec::new(),
        comprehensions: 0,
        findings: Vec::new(),
    };
    check.shape(tree);
    check.findings
}

struct Check<'c> {
    vocabulary: &'c Vocabulary<'c>,
    /// Variables of the comprehensions around, innermost last.
    locals: Vec<(&'c str, Shape)>,
    comprehensions: usize,
    findings: Vec<Finding>,
}

impl<'c> Check<'c> {
    fn report(&mut self, node: u64, code: ProblemCode, sentence: String) -> Shape {
        self.findings.push(Finding {
            node,
            code,
            sentence,
        });
        Shape::Any
    }

    fn shape(&mut self, node: &'c IdedExpr) -> Shape {
        match &node.expr {
            Expr::Ident(name) => self.ident(node.id, name),
            Expr::Select(select) => {
                let of = self.shape(&select.operand);
                let shape = self.field(node.id, of, &select.field);
                if select.test { Shape::Scalar } else { shape }
            }
            Expr::Call(call) => self.call(node.id, call),
            Expr::Comprehension(comprehension) => self.comprehension(node.id, comprehension),
            Expr::List(list) => {
                for element in &list.elements {
                    self.shape(element);
                }
                Shape::List(&Shape::Any)
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.shape(&entry.key);
                        self.shape(&entry.value);
                    }
                }
                Shape::Map
            }
            Expr::Literal(_) => Shape::Scalar,
            Expr::Struct(of) => self.report(
                node.id,
                ProblemCode::UnknownName,
                format!("there is no type `{}`; write a map in braces", of.type_name),
            ),
            Expr::Unspecified => self.report(
                node.id,
                ProblemCode::ExpressionSyntax,
                "the expression is no CEL: something is missing here".to_owned(),
            ),
        }
    }

    fn ident(&mut self, node: u64, name: &str) -> Shape {
        if name.starts_with('@') {
            return Shape::Any;
        }
        if let Some((_, shape)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return *shape;
        }
        if name == "member" && !self.vocabulary.sees_member {
            return self.report(
                node,
                ProblemCode::UnknownName,
                "`member` follows from the customer, so `customer` can't see it".to_owned(),
            );
        }
        if let Some(shape) = schema::of_name(name) {
            return shape;
        }
        if TYPES.contains(&name) {
            return Shape::Scalar;
        }
        self.report(
            node,
            ProblemCode::UnknownName,
            format!(
                "there is no `{name}`; an expression sees order, line, trigger, member, program and tables"
            ),
        )
    }

    fn field(&mut self, node: u64, of: Shape, field: &str) -> Shape {
        match of {
            Shape::Object(object) => {
                if let Some(shape) = object.field(field) {
                    return shape;
                }
                let known: Vec<&str> = object.field_names().collect();
                let known = known.join(", ");
                self.report(
                    node,
                    ProblemCode::UnknownName,
                    format!("{} has no field `{field}`; it has {known}", object.name),
                )
            }
            Shape::Tables if self.vocabulary.tables.contains(&field) => Shape::Map,
            Shape::Tables => {
                let known = match self.vocabulary.tables {
                    [] => "the program has none".to_owned(),
                    tables => format!("the program has {}", tables.join(", ")),
                };
                self.report(
                    node,
                    ProblemCode::UnknownName,
                    format!("there is no table `{field}`; {known}"),
                )
            }
            Shape::List(_) => self.report(
                node,
                ProblemCode::WrongType,
                format!("a list has no field `{field}`; take an element, for example [0], or use exists, all, map or filter"),
            ),
            Shape::Scalar => self.report(
                node,
                ProblemCode::WrongType,
                format!("what stands before `.{field}` is a single value and has no fields"),
            ),
            Shape::Map | Shape::Any => Shape::Any,
        }
    }

    fn call(&mut self, node: u64, call: &'c CallExpr) -> Shape {
        let target = call.target.as_deref();
        if call.func_name == operators::INDEX
            && let [of, index] = call.args.as_slice()
        {
            return self.element(of, index);
        }
        let name = call.func_name.as_str();
        if MACROS.contains(&name) {
            return self.report(
                node,
                ProblemCode::ExpressionSyntax,
                format!("`{name}` is called on a list, with a variable and what to do with it: list.{name}(x, …)"),
            );
        }
        if let Some(target) = target {
            self.shape(target);
        }
        for arg in &call.args {
            self.shape(arg);
        }
        if is_operator(name) {
            return Shape::Any;
        }
        let (known, kind) = match target {
            None => (FUNCTIONS, "function"),
            Some(_) => (METHODS, "method"),
        };
        if known.contains(&name) {
            return Shape::Any;
        }
        if MACROS.contains(&name) {
            return self.report(
                node,
                ProblemCode::ExpressionSyntax,
                format!("`{name}` is called on a list, with a variable and what to do with it: list.{name}(x, …)"),
            );
        }
        self.report(
            node,
            ProblemCode::UnknownName,
            format!(
                "there is no {kind} `{name}`; there are {}",
                known.join(", ")
            ),
        )
    }

    fn element(&mut self, of: &'c IdedExpr, index: &'c IdedExpr) -> Shape {
        let shape = self.shape(of);
        self.shape(index);
        match (shape, &index.expr) {
            (Shape::List(element), _) => *element,
            (Shape::Object(_) | Shape::Tables, Expr::Literal(LiteralValue::String(field))) => {
                self.field(index.id, shape, field.inner())
            }
            _ => Shape::Any,
        }
    }

    fn comprehension(&mut self, node: u64, of: &'c ComprehensionExpr) -> Shape {
        let element = match self.shape(&of.iter_range) {
            Shape::List(element) => *element,
            Shape::Any => Shape::Any,
            Shape::Scalar => self.report(
                of.iter_range.id,
                ProblemCode::WrongType,
                "a comprehension goes through a list, this is a single value".to_owned(),
            ),
            Shape::Map | Shape::Object(_) | Shape::Tables => self.report(
                of.iter_range.id,
                ProblemCode::MapComprehension,
                "a comprehension goes through a list; the keys of a map have no order, so its result would differ from run to run".to_owned(),
            ),
        };
        self.comprehensions += 1;
        if self.comprehensions > COMPREHENSIONS_NESTED_MAX {
            self.report(
                node,
                ProblemCode::TooLarge,
                format!(
                    "more than {COMPREHENSIONS_NESTED_MAX} comprehensions stand within one another; their costs multiply, so write it with fewer"
                ),
            );
        }
        self.locals.push((&of.iter_var, element));
        for part in [&of.accu_init, &of.loop_cond, &of.loop_step, &of.result] {
            self.shape(part);
        }
        self.locals.pop();
        self.comprehensions -= 1;
        Shape::Any
    }
}

/// Whether this is how the library calls an operator: `_&&_`, `!_`, `@in`.
fn is_operator(name: &str) -> bool {
    name.starts_with('@')
        || name.contains('_') && !name.chars().any(char::is_alphanumeric)
        || name == operators::IN
}
