//! What may enter the log, as far as programs are concerned.

use std::sync::Arc;

use farelog_events::dead_letter::DeadLetterReason;
use farelog_events::event::{EventData, EventKind, NewEvent, decode};
use farelog_events::id::ProgramId;
use farelog_events::log::Position;
use farelog_events::log::writer::{Admission, Refused};
use farelog_events::member::Membership;
use farelog_events::program::document;

use super::catalog::ProgramCatalog;
use super::problem::{ProblemCode, ProgramProblem, ProgramRefused};
use super::rules::CompiledProgram;
use super::source::ProgramSource;

/// Checks a program against those that are published, beyond what compiling it does: its reference is its own.
///
/// # Errors
/// The reference belongs to another program.
pub fn check_publication(
    catalog: &ProgramCatalog,
    compiled: &CompiledProgram,
) -> Result<(), ProgramRefused> {
    let program = &compiled.program;
    match catalog.by_reference(&program.reference) {
        Some(other) if other.compiled.program.id != program.id => Err(ProgramProblem::new(
            "reference",
            ProblemCode::Duplicate,
            format!(
                "the reference {} belongs to program {}; give this one its own",
                program.reference, other.compiled.program.id
            ),
        )
        .into()),
        _ => Ok(()),
    }
}

/// Lets programs into the log as they would pass over HTTP, and member events of programs that are published.
///
/// Knows what it let in: a member event right behind its program, in the same batch, passes.
#[derive(Debug)]
pub struct ProgramGate {
    catalog: ProgramCatalog,
    /// Above every position that the catalog has. Only the order counts: what was let in last stands last.
    next: Position,
}

impl ProgramGate {
    /// A gate behind which these programs are published; they must be all that the log has.
    pub fn new(catalog: &Arc<ProgramCatalog>) -> Self {
        let catalog = ProgramCatalog::clone(catalog);
        let last = catalog.programs().map(|published| published.position).max();
        Self {
            next: last.unwrap_or(0) + 1,
            catalog,
        }
    }

    fn admit_program(&mut self, event: &NewEvent) -> Result<(), ProgramRefused> {
        let json = document(event.data.get());
        let compiled = ProgramSource::json(json)?.compile()?;
        check_publication(&self.catalog, &compiled)?;
        let id = compiled.program.id;
        if self.catalog.publish(id, self.next, event.time, json) {
            self.next += 1;
        }
        Ok(())
    }

    fn admit_member(&self, membership: &Membership) -> Result<(), Refused> {
        if let Some(id) = self.catalog.resolve(membership) {
            return self.agree(id, membership.program_reference.as_deref());
        }
        let named = match (membership.program_id, &membership.program_reference) {
            (Some(id), _) => format!("the id {id}"),
            (None, Some(reference)) => format!("the reference {reference:?}"),
            (None, None) => "no id and no reference".to_owned(),
        };
        Err(Refused {
            reason: DeadLetterReason::UnknownProgram,
            detail: format!("no program with {named} is published; publish it, then retry"),
        })
    }
}

impl ProgramGate {
    /// A member event may name its program twice, but then the same one.
    fn agree(&self, id: ProgramId, reference: Option<&str>) -> Result<(), Refused> {
        let is_of_program = |reference| {
            self.catalog
                .versions(id)
                .iter()
                .any(|version| version.compiled.program.reference == reference)
        };
        match reference {
            Some(reference) if !is_of_program(reference) => Err(Refused {
                reason: DeadLetterReason::MalformedField,
                detail: format!(
                    "data.programReference: {reference:?} is no reference of the program {id} that programId names"
                ),
            }),
            _ => Ok(()),
        }
    }
}

impl Admission for ProgramGate {
    fn admit(&mut self, event: &NewEvent) -> Result<(), Refused> {
        let Some(kind) = event.kind() else {
            return Ok(());
        };
        match kind {
            EventKind::ProgramPublished => self.admit_program(event).map_err(|refused| Refused {
                reason: DeadLetterReason::ProgramRefused,
                detail: refused.to_string(),
            }),
            EventKind::MemberEnrolled | EventKind::MemberUpdated | EventKind::MemberWithdrawn => {
                match decode(kind, event.data.get()) {
                    Ok(
                        EventData::MemberEnrolled(membership)
                        | EventData::MemberUpdated(membership)
                        | EventData::MemberWithdrawn(membership),
                    ) => self.admit_member(&membership),
                    Ok(_) => Ok(()),
                    Err(error) => Err(Refused {
                        reason: DeadLetterReason::MalformedField,
                        detail: error.to_string(),
                    }),
                }
            }
            _ => Ok(()),
        }
    }
}
