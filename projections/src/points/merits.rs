//! What definitions gave for an order's lines before refunds and cancellations, remembered from event to event.
//!
//! Most events of an order change nothing of what expressions see, so they need not be evaluated again. Kept in memory
//! only, and never needed: an order that was read from the store begins without it.

use farelog_events::id::{OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;

use super::entitlement::{Entitlement, Nothing, TriggeredLine};
use crate::order::{OrderState, TriggerKind};
use crate::program::{CompiledDefinition, PublishedProgram};

/// What merits depend on that another event of the order can change, as the records that brought it. The trigger's place
/// never moves, and the programs and members at it are as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    created: Option<Position>,
    line: Position,
    first_confirmed: Position,
    trigger: Position,
}

impl Basis {
    /// Of a line with a trigger.
    pub fn new(order: &OrderState<'_>, line: &TriggeredLine<'_>) -> Self {
        let confirmation = line.confirmation();
        Self {
            created: order.created.map(|event| event.position),
            line: confirmation.line_event.position,
            first_confirmed: confirmation.first.position,
            trigger: line.trigger().event.position,
        }
    }
}

/// The merits of an order's lines, sorted by line and trigger.
#[derive(Debug, Clone, Default)]
pub struct Merits(Vec<(OrderLineId, TriggerKind, LineMerits)>);

/// The merits of one line and trigger, by definition.
#[derive(Debug, Clone, Default)]
pub struct LineMerits {
    basis: Option<Basis>,
    /// A handful, so looking through them is the fastest way.
    of_definitions: Vec<(ProgramId, PointDefinitionId, Result<Entitlement, Nothing>)>,
}

impl Merits {
    /// What is remembered of a line and trigger on this basis.
    pub fn of(
        &mut self,
        line: &OrderLineId,
        trigger: TriggerKind,
        basis: Basis,
    ) -> &mut LineMerits {
        let found = self
            .0
            .binary_search_by(|(of, kind, _)| (of, *kind).cmp(&(line, trigger)));
        let index = found.unwrap_or_else(|index| {
            let new = (line.clone(), trigger, LineMerits::default());
            self.0.insert(index, new);
            index
        });
        let merits = &mut self.0[index].2;
        if merits.basis != Some(basis) {
            merits.basis = Some(basis);
            merits.of_definitions.clear();
        }
        merits
    }
}

impl LineMerits {
    /// What a definition gave, or else what `evaluate` gives.
    pub fn get_or_evaluate(
        &mut self,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
        evaluate: impl FnOnce() -> Result<Entitlement, Nothing>,
    ) -> Result<Entitlement, Nothing> {
        let (program, definition) = (program.compiled.program.id, definition.definition.id);
        let known = self
            .of_definitions
            .iter()
            .find(|(of_program, of_definition, _)| {
                (*of_program, *of_definition) == (program, definition)
            });
        if let Some((_, _, known)) = known {
            return known.clone();
        }
        let merits = evaluate();
        self.of_definitions
            .push((program, definition, merits.clone()));
        merits
    }
}
