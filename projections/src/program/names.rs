//! The names of an evaluation: what the interpreter finds when it looks one up.

use std::sync::OnceLock;

use cel::common::types::{CelBool, CelList};
use cel::common::value::Val;

use super::document::Program;
use super::meter::Meter;
use super::scope::{LineScope, MemberScope, TriggerScope};
use super::value::{Fields, Key, Owned, from_json, int, or_null, text};

/// `program` and `tables`: what a version of a program says of itself.
#[derive(Debug)]
pub(super) struct ProgramScope {
    program: Fields,
    tables: Fields,
}

impl ProgramScope {
    pub(super) fn new(program: &Program) -> Self {
        let organisations: Vec<Owned> = program
            .organisations_with_access
            .iter()
            .map(|id| int(id.get()))
            .collect();
        let tables = program
            .tables
            .iter()
            .map(|(name, table)| {
                let entries = table
                    .iter()
                    .map(|(key, value)| (Key::Text(key.as_str().into()), from_json("", value)))
                    .collect();
                let table = Fields::map(format!("{TABLE_PREFIX}{name}"), entries);
                (Key::Text(name.as_str().into()), Box::new(table) as Owned)
            })
            .collect();
        Self {
            program: Fields::object(
                "program",
                vec![
                    ("id", int(program.id.get())),
                    ("reference", text(&program.reference)),
                    ("name", text(&program.name)),
                    ("preset", text(program.preset.as_str())),
                    (
                        "organisationId",
                        or_null(program.organisation_id, |id| int(id.get())),
                    ),
                    (
                        "organisationsWithAccess",
                        Box::new(CelList::from(organisations)),
                    ),
                    ("active", Box::new(CelBool::from(program.active))),
                    ("timezone", text(&program.timezone)),
                ],
            ),
            tables: Fields::map("tables", tables),
        }
    }
}

/// What the name of a table begins with in the error of a key that it does not have.
const TABLE_PREFIX: &str = "tables.";

/// The table and the key, if this is what [`Fields`] says of a key that is in no table of a program.
pub(super) fn missing_table_key(said: &str) -> Option<(&str, &str)> {
    said.strip_prefix(TABLE_PREFIX)?
        .strip_suffix(']')?
        .split_once('[')
}

/// The names of one evaluation, looked up by the interpreter. Trigger and member become values when they are first
/// asked for: most expressions see the line only.
pub(super) struct Names<'n> {
    line: &'n LineScope,
    program: &'n ProgramScope,
    trigger: TriggerScope,
    member: Option<MemberScope<'n>>,
    trigger_value: OnceLock<Fields>,
    member_value: OnceLock<Owned>,
    meter: Meter,
}

impl<'n> Names<'n> {
    pub(super) fn new(
        line: &'n LineScope,
        program: &'n ProgramScope,
        trigger: TriggerScope,
        member: Option<MemberScope<'n>>,
    ) -> Self {
        Self {
            line,
            program,
            trigger,
            member,
            trigger_value: OnceLock::new(),
            member_value: OnceLock::new(),
            meter: Meter::full(),
        }
    }

    /// The value of a name.
    pub(super) fn value(&self, name: &str) -> Option<&dyn Val> {
        Some(match name {
            "line" => self.line.line()?,
            "order" => self.line.order()?,
            "trigger" => self.trigger_value.get_or_init(|| self.trigger.fields()),
            "member" => self
                .member_value
                .get_or_init(|| {
                    or_null(self.member, |member| {
                        Box::new(member.fields(self.line.is_sample))
                    })
                })
                .as_ref(),
            "program" => &self.program.program,
            "tables" => &self.program.tables,
            Meter::NAME => &self.meter,
            _ => return None,
        })
    }
}
