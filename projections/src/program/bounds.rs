//! The rewriting of an expression into one that can't run away: see [`super::meter`].

use std::sync::Arc;

use cel::IdedExpr;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr,
    operators,
};
use cel::common::types::CelString;

use super::meter::{self, Meter};
use super::pattern::{self, Pattern};

/// An expression's tree, rewritten.
#[derive(Debug, Clone)]
pub(super) struct Bounded {
    pub(super) tree: IdedExpr,
    /// The regular expressions in it, by the number in the name that they are looked up by.
    pub(super) patterns: Arc<[Pattern]>,
}

/// A pattern that is no regular expression, or too large, at a node of the tree.
#[derive(Debug)]
pub(super) struct BadPattern {
    pub(super) node: u64,
    pub(super) sentence: String,
}

impl Bounded {
    /// The tree with a counting function wherever a value is gone through or copied, with this crate's maps and `has`,
    /// and with its regular expressions compiled.
    pub(super) fn new(tree: IdedExpr) -> Result<Self, BadPattern> {
        let mut rewriting = Rewriting::default();
        let tree = rewriting.node(tree);
        match rewriting.bad_pattern {
            Some(bad) => Err(bad),
            None => Ok(Self {
                tree,
                patterns: rewriting.patterns.into(),
            }),
        }
    }

    /// The tree as the one argument of a function.
    pub(super) fn within(self, function: &str) -> Self {
        let id = self.tree.id;
        Self {
            tree: IdedExpr {
                id,
                expr: call(function, vec![self.tree]),
            },
            ..self
        }
    }
}

#[derive(Default)]
struct Rewriting {
    patterns: Vec<Pattern>,
    bad_pattern: Option<BadPattern>,
}

impl Rewriting {
    fn node(&mut self, node: IdedExpr) -> IdedExpr {
        let IdedExpr { id, expr } = node;
        let expr = match expr {
            Expr::Call(of) => self.call(id, of),
            Expr::Comprehension(of) => Expr::Comprehension(Box::new(self.comprehension(*of))),
            Expr::List(of) => Expr::List(ListExpr {
                elements: self.copies(of.elements),
                optional_indices: of.optional_indices,
            }),
            Expr::Map(of) => self.map(id, of),
            Expr::Select(of) if of.test => {
                let operand = self.dug(*of.operand);
                call(meter::HAS, vec![operand, text(id, of.field)])
            }
            Expr::Select(of) => Expr::Select(SelectExpr {
                operand: Box::new(self.node(*of.operand)),
                ..of
            }),
            other => other,
        };
        IdedExpr { id, expr }
    }

    fn nodes(&mut self, nodes: Vec<IdedExpr>) -> Vec<IdedExpr> {
        nodes.into_iter().map(|node| self.node(node)).collect()
    }

    fn call(&mut self, id: u64, mut of: CallExpr) -> Expr {
        if of.func_name == "matches" {
            return self.matches(id, of);
        }
        let is_step = matches!(
            of.args.first().map(|first| &first.expr),
            Some(Expr::Ident(name)) if name.starts_with('@')
        );
        of.target = of.target.map(|target| Box::new(self.node(*target)));
        of.args = self.nodes(of.args);
        match (of.func_name.as_str(), of.args.as_mut_slice()) {
            // `@result + [x]`, the step of `map` and `filter`, is left: the library appends in place only if it knows
            // the shape. What it appends is counted, as the element of a list.
            (operators::ADD, [_, _]) if !is_step => return metered(id, meter::PLUS, of.args),
            (operators::IN, [_, within]) => each(within),
            (operators::EQUALS | operators::NOT_EQUALS, [left, right])
                if !is_literal(left) && !is_literal(right) =>
            {
                each(left);
            }
            ("contains", _) => {
                if let Some(target) = &mut of.target {
                    each(target);
                }
            }
            _ => {}
        }
        Expr::Call(of)
    }

    /// `text.matches("…")` or `matches(text, "…")`, with the pattern compiled once and for all.
    fn matches(&mut self, id: u64, of: CallExpr) -> Expr {
        let operands: Vec<IdedExpr> = of
            .target
            .into_iter()
            .map(|target| *target)
            .chain(of.args)
            .collect();
        let Ok([mut subject, pattern]) = <[IdedExpr; 2]>::try_from(operands) else {
            // What stands here instead is never run: the expression is refused.
            self.bad_pattern.get_or_insert_with(|| BadPattern {
                node: id,
                sentence: "`matches` takes a text and a pattern, like \
                           line.userType.matches(\"^ADULT$\")"
                    .to_owned(),
            });
            return Expr::Unspecified;
        };
        subject = self.node(subject);
        each(&mut subject);
        let source = match &pattern.expr {
            Expr::Literal(LiteralValue::String(source)) => Some(source.inner()),
            _ => None,
        };
        match Pattern::compile(source) {
            Ok(pattern) => self.patterns.push(pattern),
            Err(sentence) => {
                let node = pattern.id;
                self.bad_pattern
                    .get_or_insert(BadPattern { node, sentence });
            }
        }
        let name = pattern::name_of(self.patterns.len().saturating_sub(1));
        let pattern = IdedExpr {
            id,
            expr: Expr::Ident(name),
        };
        call(pattern::MATCHES, vec![subject, pattern])
    }

    fn comprehension(&mut self, of: ComprehensionExpr) -> ComprehensionExpr {
        let mut range = self.node(of.iter_range);
        each(&mut range);
        ComprehensionExpr {
            iter_range: range,
            accu_init: self.node(of.accu_init),
            loop_cond: self.node(of.loop_cond),
            loop_step: self.node(of.loop_step),
            result: self.node(of.result),
            ..of
        }
    }

    fn map(&mut self, id: u64, of: MapExpr) -> Expr {
        let entries = of.entries.into_iter().flat_map(|entry| match entry.expr {
            EntryExpr::MapEntry(entry) => vec![entry.key, entry.value],
            EntryExpr::StructField(_) => Vec::new(),
        });
        let elements = self.copies(entries.collect());
        let list = IdedExpr {
            id,
            expr: Expr::List(ListExpr::new(elements)),
        };
        call(meter::MAP, vec![list])
    }

    /// Elements of a list or a map. Literals are as many as the source has characters and need no counting.
    fn copies(&mut self, elements: Vec<IdedExpr>) -> Vec<IdedExpr> {
        let copy = |element: IdedExpr| {
            if is_literal(&element) {
                return element;
            }
            let element = self.node(element);
            let id = element.id;
            IdedExpr {
                id,
                expr: metered(id, meter::COPY, vec![element]),
            }
        };
        elements.into_iter().map(copy).collect()
    }

    /// What `has(…)` asks of: fields of fields, of which any may be absent.
    fn dug(&mut self, node: IdedExpr) -> IdedExpr {
        let IdedExpr { id, expr } = node;
        match expr {
            Expr::Select(of) if !of.test => {
                let operand = self.dug(*of.operand);
                IdedExpr {
                    id,
                    expr: call(meter::DIG, vec![operand, text(id, of.field)]),
                }
            }
            expr => self.node(IdedExpr { id, expr }),
        }
    }
}

fn is_literal(node: &IdedExpr) -> bool {
    matches!(node.expr, Expr::Literal(_))
}

/// Has what the node gives counted before it is gone through.
fn each(node: &mut IdedExpr) {
    let id = node.id;
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id,
        expr: metered(id, meter::EACH, vec![inner]),
    };
}

fn metered(id: u64, function: &str, mut args: Vec<IdedExpr>) -> Expr {
    args.push(IdedExpr {
        id,
        expr: Expr::Ident(Meter::NAME.to_owned()),
    });
    call(function, args)
}

fn call(function: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr {
        func_name: function.to_owned(),
        target: None,
        args,
    })
}

fn text(id: u64, text: String) -> IdedExpr {
    IdedExpr {
        id,
        expr: Expr::Literal(LiteralValue::String(CelString::from(text))),
    }
}
