//! Every version of every program, and which one stands at which place in the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use farelog_events::id::{PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use farelog_events::member::Membership;
use serde_json::Value;

use super::counter::Counter;
use super::document::{Preset, Program, Registration};
use super::problem::ProgramRefused;
use super::rules::CompiledProgram;
use super::source::ProgramSource;
use crate::order::TriggerKind;

/// A version of a program, as it stands in the log.
#[derive(Debug, Clone)]
pub struct PublishedProgram {
    /// 1 for the first document, one more for each that differs from the one before.
    pub version: u32,
    /// The record that brought it; it stands from there on.
    pub position: Position,
    /// When that was recorded.
    pub recorded_at: DateTime<Utc>,
    /// The program.
    pub compiled: Arc<CompiledProgram>,
    /// What this farelog finds wrong with it. Such a version was right for the farelog that let it into the log; it is
    /// kept and shown, but has no definitions and gives nothing.
    pub inert: Option<ProgramRefused>,
}

/// Every version of every program. A clone shares what is compiled.
#[derive(Debug, Clone, Default)]
pub struct ProgramCatalog {
    /// By program, in log order, at least one each.
    versions: BTreeMap<ProgramId, Vec<PublishedProgram>>,
    /// Of a trial: the only programs that are looked at.
    tried_out: Option<BTreeMap<ProgramId, TriedOut>>,
}

/// A program in a trial.
#[derive(Debug, Clone, Default)]
struct TriedOut {
    /// Whether a candidate has taken its place.
    is_replaced: bool,
    /// The reference that was published last, by which member events name it whatever its candidate's is.
    reference: Option<String>,
}

/// In what the caps of a definition count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Each once.
    pub all: Vec<Counter>,
    /// Whether one came with a later version than the definition, so that points may have been given before it counted.
    pub came_late: bool,
    has_versions: bool,
}

impl ProgramCatalog {
    /// A catalog for a trial: it takes in publications of these programs only.
    pub fn of_programs(programs: impl IntoIterator<Item = ProgramId>) -> Self {
        let tried_out = programs
            .into_iter()
            .map(|program| (program, TriedOut::default()));
        Self {
            versions: BTreeMap::new(),
            tried_out: Some(tried_out.collect()),
        }
    }

    /// Has a candidate stand from `position` on, which lies behind all that was taken in. What is published of the program
    /// later stands nowhere. To be called on a catalog [of programs](Self::of_programs) that has this one.
    pub fn replace(
        &mut self,
        candidate: Arc<CompiledProgram>,
        position: Position,
        recorded_at: DateTime<Utc>,
    ) {
        let id = candidate.program.id;
        let versions = self.versions.entry(id).or_default();
        versions.push(PublishedProgram {
            version: versions.last().map_or(1, |last| last.version + 1),
            position,
            recorded_at,
            compiled: candidate,
            inert: None,
        });
        if let Some(tried_out) = &mut self.tried_out {
            tried_out.entry(id).or_default().is_replaced = true;
        }
    }

    /// Takes in the document of a `ProgramPublished` record, or of a stored version, and says whether it is a new
    /// version: the same document again is none. Versions of a program are taken in by position; a position that is in
    /// already changes nothing.
    ///
    /// Never fails: what is in the log is not refused, see [`PublishedProgram::inert`].
    pub fn publish(
        &mut self,
        id: ProgramId,
        position: Position,
        recorded_at: DateTime<Utc>,
        json: &str,
    ) -> bool {
        if let Some(tried_out) = &mut self.tried_out {
            let Some(program) = tried_out.get_mut(&id) else {
                return false;
            };
            program.reference = Some(what_can_be_read(id, json).reference);
            if program.is_replaced {
                return false;
            }
        }
        let versions = self.versions.entry(id).or_default();
        let source = ProgramSource::stored(json);
        let last = versions.last();
        if last.is_some_and(|last| last.position >= position) {
            return false;
        }
        let compiled = source.and_then(|source| {
            let program = source.read()?;
            match last {
                Some(last) if last.inert.is_none() && last.compiled.program == program => {
                    Ok(Arc::clone(&last.compiled))
                }
                _ => CompiledProgram::compile(program).map(Arc::new),
            }
        });
        let (compiled, inert) = match compiled {
            Ok(compiled) => (compiled, None),
            Err(refused) => {
                tracing::error!(
                    program = id.get(),
                    position,
                    problems = %refused,
                    "a program in the log does not pass the checks of this version of farelog and gives nothing; publish it again with the problems mended"
                );
                let inert = CompiledProgram::inert(what_can_be_read(id, json));
                (Arc::new(inert), Some(refused))
            }
        };
        let is_same = last
            .is_some_and(|last| last.inert == inert && last.compiled.program == compiled.program);
        if is_same {
            return false;
        }
        let version = last.map_or(1, |last| last.version + 1);
        versions.push(PublishedProgram {
            version,
            position,
            recorded_at,
            compiled,
            inert,
        });
        true
    }

    /// The version of a program that stands at a place: the last one published there or before.
    pub fn standing_at(&self, program: ProgramId, position: Position) -> Option<&PublishedProgram> {
        let versions = self.versions.get(&program)?;
        standing(versions, position)
    }

    /// The version of each program that stands at a place, by program id.
    pub fn standing_everywhere_at(
        &self,
        position: Position,
    ) -> impl Iterator<Item = &PublishedProgram> {
        self.versions
            .values()
            .filter_map(move |versions| standing(versions, position))
    }

    /// In what the caps of a definition count, in any version that was taken in so far.
    pub fn counters(&self, program: ProgramId, definition: PointDefinitionId) -> Counters {
        let mut counters = Counters::default();
        for version in self.versions(program) {
            let Some(definition) = version.compiled.definition(definition) else {
                continue;
            };
            let counter = definition.cap().map(|(_, counter)| counter);
            let is_new = counter
                .as_ref()
                .is_some_and(|counter| !counters.all.contains(counter));
            counters.came_late |= is_new && counters.has_versions;
            counters.has_versions = true;
            counters.all.extend(counter.filter(|_| is_new));
        }
        counters
    }

    /// Whether any version of any program has a definition that waits for this trigger.
    pub fn waits_for(&self, trigger: TriggerKind) -> bool {
        let mut versions = self.versions.values().flatten();
        versions.any(|version| version.compiled.definitions(trigger).next().is_some())
    }

    /// The latest version of a program.
    pub fn current(&self, program: ProgramId) -> Option<&PublishedProgram> {
        self.versions.get(&program)?.last()
    }

    /// The latest version of each program, by program id.
    pub fn programs(&self) -> impl Iterator<Item = &PublishedProgram> {
        self.versions
            .values()
            .filter_map(|versions| versions.last())
    }

    /// Every version of a program, in log order.
    pub fn versions(&self, program: ProgramId) -> &[PublishedProgram] {
        self.versions.get(&program).map_or(&[], Vec::as_slice)
    }

    /// The program whose latest version has this reference.
    pub fn by_reference(&self, reference: &str) -> Option<&PublishedProgram> {
        self.programs()
            .find(|published| published.compiled.program.reference == reference)
    }

    /// The program that a member event means: by its id, or where it names none by its reference. `None` for one that
    /// was not published.
    pub fn resolve(&self, membership: &Membership) -> Option<ProgramId> {
        if let Some(id) = membership.program_id {
            return self.versions.contains_key(&id).then_some(id);
        }
        let reference = membership.program_reference.as_deref()?;
        if let Some(tried_out) = &self.tried_out {
            return tried_out
                .iter()
                .find(|(_, program)| program.reference.as_deref() == Some(reference))
                .map(|(id, _)| *id);
        }
        let published = self.by_reference(reference)?;
        Some(published.compiled.program.id)
    }
}

fn standing(versions: &[PublishedProgram], position: Position) -> Option<&PublishedProgram> {
    let after = versions.partition_point(|version| version.position <= position);
    versions.get(after.checked_sub(1)?)
}

/// As much of a document as names and shows the program, where its form is not that of this version of farelog.
fn what_can_be_read(id: ProgramId, json: &str) -> Program {
    if let Ok(program) = ProgramSource::stored(json).and_then(|source| source.read()) {
        return program;
    }
    let document: Value = serde_json::from_str(json).unwrap_or_default();
    let text = |field: &str| {
        let text = document.get(field).and_then(Value::as_str);
        text.map_or_else(|| id.to_string(), str::to_owned)
    };
    Program {
        id,
        reference: text("reference"),
        name: text("name"),
        preset: Preset::default(),
        organisation_id: None,
        organisations_with_access: Vec::new(),
        active: false,
        timezone: "UTC".to_owned(),
        registration: Registration::default(),
        tables: BTreeMap::new(),
        point_definitions: Vec::new(),
    }
}
