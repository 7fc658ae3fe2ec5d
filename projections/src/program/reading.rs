//! What an expression gave for a line, and the values that it saw: for a person who wants to know why.
//!
//! Values are worked out by the interpreter that the fold uses, on the same names, so they can't differ from what the
//! fold saw.

use cel::IdedExpr;
use cel::common::ast::{Expr, SelectExpr, operators};
use cel::parser::Parser;

use super::expression::{Expression, children};
use super::fault::RuleFault;
use super::names::Names;
use super::schema;

/// Longest text of a value, in characters; a longer one ends with `…`.
pub const VALUE_CHARS_MAX: usize = 400;

/// Most values of one expression that are shown.
pub const VALUES_SEEN_MAX: usize = 32;

/// What an expression gave, and what it saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The expression, as the program has it.
    pub source: String,
    /// What it gave, as JSON; or what went wrong, in a sentence.
    pub value: Result<String, String>,
    /// The values of the names and fields in it, each once, in the order in which they stand there.
    pub seen: Vec<Seen>,
}

/// A value that an expression saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// By what it is reached, for example `line.userType` or `tables.productPoints["ENT:…"]`.
    pub path: String,
    /// The value, as JSON; or why there is none, in a sentence.
    pub value: Result<String, String>,
}

impl Reading {
    /// Evaluates an expression that the program's checks let through, and all that it looks at.
    pub(super) fn new<'n>(source: &str, names: impl Fn() -> Names<'n>) -> Self {
        let mut reading = Self {
            source: source.to_owned(),
            value: Err("the expression can't be read".to_owned()),
            seen: Vec::new(),
        };
        if let Ok(tree) = Parser::new().parse(source) {
            reading.value = text_of(&tree, &names);
            let mut looking = Looking {
                names: &names,
                locals: Vec::new(),
                seen: Vec::new(),
            };
            looking.look_at(&tree);
            reading.seen = looking.seen;
        }
        reading
    }
}

/// A walk through a tree, from the outside in and the left to the right.
struct Looking<'t, 'w, F> {
    names: &'w F,
    /// Variables of the comprehensions around: what hangs on them has many values.
    locals: Vec<&'t str>,
    seen: Vec<Seen>,
}

impl<'t, 'n, F: Fn() -> Names<'n>> Looking<'t, '_, F> {
    fn look_at(&mut self, node: &'t IdedExpr) {
        if let Some(path) = self.path(node) {
            self.note(path, node);
            self.look_at_keys(node);
            return;
        }
        let Expr::Comprehension(comprehension) = &node.expr else {
            let mut inner = Vec::new();
            children(node, |child| inner.push(child));
            for child in inner {
                self.look_at(child);
            }
            return;
        };
        self.look_at(&comprehension.iter_range);
        let outside = self.locals.len();
        self.locals.push(&comprehension.iter_var);
        self.locals.push(&comprehension.accu_var);
        self.locals.extend(comprehension.iter_var2.as_deref());
        for part in [
            &comprehension.accu_init,
            &comprehension.loop_cond,
            &comprehension.loop_step,
            &comprehension.result,
        ] {
            self.look_at(part);
        }
        self.locals.truncate(outside);
    }

    /// What stands in the brackets of a path.
    fn look_at_keys(&mut self, node: &'t IdedExpr) {
        match &node.expr {
            Expr::Select(select) => self.look_at_keys(&select.operand),
            Expr::Call(call) => {
                if let [of, key] = call.args.as_slice() {
                    self.look_at_keys(of);
                    self.look_at(key);
                }
            }
            _ => {}
        }
    }

    /// The node as a path, if it is one: a name, a field of a path, or an element of one by a key that has one value.
    fn path(&self, node: &IdedExpr) -> Option<String> {
        match &node.expr {
            Expr::Ident(name) => self.is_name(name).then(|| name.clone()),
            Expr::Select(select) => {
                Some(format!("{}.{}", self.path(&select.operand)?, select.field))
            }
            Expr::Call(call) if call.func_name == operators::INDEX => {
                let [of, key] = call.args.as_slice() else {
                    return None;
                };
                let of = self.path(of)?;
                let references = key.references();
                if !references.variables().iter().all(|name| self.is_name(name)) {
                    return None;
                }
                let key = text_of(key, self.names).unwrap_or_else(|_| "?".to_owned());
                Some(format!("{of}[{key}]"))
            }
            _ => None,
        }
    }

    fn is_name(&self, name: &str) -> bool {
        schema::of_name(name).is_some() && !self.locals.contains(&name)
    }

    fn note(&mut self, path: String, node: &IdedExpr) {
        let is_new = self.seen.iter().all(|seen| seen.path != path);
        if is_new && self.seen.len() < VALUES_SEEN_MAX {
            let value = text_of(&asked_for(node), self.names);
            self.seen.push(Seen { path, value });
        }
    }
}

/// The field itself, where the node asks whether there is one.
fn asked_for(node: &IdedExpr) -> IdedExpr {
    match &node.expr {
        Expr::Select(select) if select.test => IdedExpr {
            id: node.id,
            expr: Expr::Select(SelectExpr {
                test: false,
                ..select.clone()
            }),
        },
        _ => node.clone(),
    }
}

fn text_of<'n>(tree: &IdedExpr, names: &impl Fn() -> Names<'n>) -> Result<String, String> {
    let text = Expression::text_of(tree.clone())?
        .evaluate_to_text(&names())
        .map_err(|error| RuleFault::from(error).to_string())?;
    Ok(match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::program::ExpressionField;
    use crate::program::tests::{Purchase, confirmed, definition};

    fn reading(expression: &str) -> Reading {
        reading_of(&json!({"orderLineVersion": 2}), expression)
    }

    fn reading_of(patch: &Value, expression: &str) -> Reading {
        let tables = "[tables.points]\n\"ENT:PreassignedFareProduct:AdultSingle\" = 5";
        let compiled = definition(&format!("amount = '''{expression}'''"), tables);
        let line = Purchase::of(patch).scope(None);
        compiled.all_definitions()[0]
            .read(ExpressionField::Amount, &line, &confirmed(), None)
            .unwrap()
    }

    fn seen(expression: &str) -> Vec<(String, String)> {
        let seen = reading(expression).seen.into_iter();
        seen.map(|seen| (seen.path, seen.value.unwrap_or_else(|problem| problem)))
            .collect()
    }

    fn of(path: &str, value: &str) -> (String, String) {
        (path.to_owned(), value.to_owned())
    }

    #[test]
    fn the_longest_paths_are_shown_and_each_once() {
        assert_eq!(
            seen(
                "line.orderLineVersion + line.orderLineVersion * int(line.userType == 'ADULT' ? 1 : 0)"
            ),
            [
                of("line.orderLineVersion", "2"),
                of("line.userType", "\"ADULT\"")
            ]
        );
    }

    #[test]
    fn a_key_of_a_table_is_shown_with_its_value() {
        let product = "\"ENT:PreassignedFareProduct:AdultSingle\"";
        assert_eq!(
            seen("tables.points[line.fareProducts[0].id]"),
            [
                of(&format!("tables.points[{product}]"), "5"),
                of("line.fareProducts[0].id", product),
            ]
        );
    }

    #[test]
    fn of_a_comprehension_the_list_is_shown() {
        let seen = seen("line.fareProducts.exists(p, p.type == 'SINGLE') ? 1 : 0");
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].0, "line.fareProducts");
        assert!(seen[0].1.contains("\"type\":\"SINGLE\""), "{seen:?}");
    }

    #[test]
    fn what_is_not_there_is_said_so() {
        let reading = reading("tables.points['ABC'] + 1");
        let problem = "the table points has no key \"ABC\"".to_owned();
        assert_eq!(reading.value, Err(problem.clone()));
        assert_eq!(reading.seen[0].value, Err(problem));
        assert_eq!(
            seen("has(line.travel.departureTime) ? 1 : 0")[0].0,
            "line.travel.departureTime"
        );
    }

    #[test]
    fn a_long_value_is_cut_short() {
        let patch = json!({"userType": "a".repeat(VALUE_CHARS_MAX)});
        let reading = reading_of(&patch, "line.userType == 'ADULT' ? 1 : 0");
        assert_eq!(reading.value, Ok("0".to_owned()));
        let text = reading.seen[0].value.as_ref().unwrap();
        assert!(text.ends_with("a…"), "{text}");
        assert_eq!(text.chars().count(), VALUE_CHARS_MAX + 1);
    }
}
