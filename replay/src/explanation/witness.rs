//! What looks on while the fold's code asks the definitions of an order, and keeps all of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use farelog_events::id::OrderLineId;
use farelog_events::log::Position;
use farelog_projections::points::RegistrationKind;
use farelog_projections::points::entitlement::{Entitlement, Nothing, Slot};
use farelog_projections::points::registration::{RefusedDefinition, Registration};
use farelog_projections::points::trace::{Inquiry, Step, Verdict, Witness};
use farelog_projections::program::{CompiledDefinition, PointDefinition, PublishedProgram};

use super::asking::DEFINITIONS_TOLD_MAX;

/// A definition that was asked, and what it said.
pub(super) struct Asked {
    /// The program, definition, line and trigger.
    pub slot: Slot,
    /// The version that was asked.
    pub program: PublishedProgram,
    /// The definition in it.
    pub definition: PointDefinition,
    /// When the trigger came.
    pub trigger_time: DateTime<Utc>,
    /// The record of the event that brought it.
    pub trigger_position: Position,
    /// The trigger's place in the log.
    pub place: Position,
    /// What it said.
    pub said: Said,
    /// How it came to say so.
    pub steps: Vec<Step>,
}

/// What a definition said.
pub(super) enum Said {
    /// Its program triggers nothing.
    ProgramInactive,
    /// The registration did not get it.
    Refused(Registration, RefusedDefinition),
    /// What it gives.
    Evaluated(RegistrationKind, Result<Entitlement, Nothing>),
}

/// Keeps what was asked of the lines and definitions that are asked for, as much of it as is ever told.
pub(super) struct Keeping<F> {
    /// Which.
    pub is_wanted: F,
    /// What was asked, in the order in which it was: line after line.
    pub asked: Vec<Asked>,
    /// How many more were asked of each line.
    pub left_out: BTreeMap<OrderLineId, usize>,
}

impl<F: Fn(&OrderLineId, &PublishedProgram, &PointDefinition) -> bool> Witness for Keeping<F> {
    type Trace = Option<Vec<Step>>;

    fn trace(
        &mut self,
        line: &OrderLineId,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
    ) -> Option<Vec<Step>> {
        if !(self.is_wanted)(line, program, &definition.definition) {
            return None;
        }
        if self.asked.len() == DEFINITIONS_TOLD_MAX {
            *self.left_out.entry(line.clone()).or_default() += 1;
            return None;
        }
        Some(Vec::new())
    }

    fn see(&mut self, inquiry: &Inquiry<'_>, steps: Option<Vec<Step>>) {
        let Some(steps) = steps else {
            return;
        };
        let trigger = inquiry.triggered.trigger();
        self.asked.push(Asked {
            slot: Slot {
                program_id: inquiry.program.compiled.program.id,
                point_definition_id: inquiry.definition.definition.id,
                order_line_id: inquiry.order_line_id.clone(),
                trigger: trigger.kind,
            },
            program: inquiry.program.clone(),
            definition: inquiry.definition.definition.clone(),
            trigger_time: trigger.time,
            trigger_position: trigger.event.position,
            place: inquiry.place,
            said: match inquiry.verdict {
                Verdict::ProgramInactive => Said::ProgramInactive,
                Verdict::Refused(registration, refused) => {
                    Said::Refused(registration.clone(), refused.clone())
                }
                Verdict::Evaluated {
                    registration,
                    result,
                } => Said::Evaluated(registration, result.clone()),
            },
            steps,
        });
    }
}
