//! The way from an order to its explanation: the lines, and each definition of each.

use std::collections::BTreeMap;

use farelog_events::event::EventData;
use farelog_events::id::{OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use farelog_events::money::Money;
use farelog_projections::document::OrderDocument;
use farelog_projections::order::state::EndKind;
use farelog_projections::order::{LineState, OrderState, TriggerKind};
use farelog_projections::points::entitlement::{Slot, World};
use farelog_projections::points::wants::wants;
use farelog_projections::program::{CompiledDefinition, PointDefinition, PublishedProgram};

use super::derivation::{
    DefinitionExplanation, LineExplanation, LineStanding, RefusalExplanation,
    RegistrationExplanation,
};
use super::history::{CountedEvent, EventRole, History};
use super::telling::Telling;
use super::witness::{Asked, Keeping};

/// Most lines of an order that one explanation tells of.
pub const LINES_TOLD_MAX: usize = 100;

/// What of an order is explained.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection<'s> {
    pub line: Option<&'s OrderLineId>,
    pub program: Option<ProgramId>,
    pub definition: Option<(PointDefinitionId, TriggerKind)>,
}

impl Selection<'_> {
    fn admits_line(&self, line: &OrderLineId) -> bool {
        self.line.is_none_or(|only| only == line)
    }

    fn admits(&self, program: ProgramId, definition: &PointDefinition) -> bool {
        self.program.is_none_or(|only| only == program)
            && self
                .definition
                .is_none_or(|only| only == (definition.id, definition.trigger))
    }
}

/// Lines of an order that are told.
pub(super) struct Lines {
    pub told: Vec<LineExplanation>,
    /// How many more there are.
    pub left_out: usize,
}

/// An order under explanation.
pub(super) struct Asking<'a> {
    /// The order as it is, for its transactions.
    pub document: &'a OrderDocument,
    pub history: &'a History,
    pub world: World<'a>,
    /// As far as the order is looked at.
    pub position: Position,
    pub selection: Selection<'a>,
}

impl Asking<'_> {
    /// The lines of an order that stands as `seen` says, at most [`LINES_TOLD_MAX`].
    pub(super) fn lines(&self, seen: &OrderDocument) -> Lines {
        let state = seen.state();
        let admitted = || {
            let lines = state.lines.iter();
            lines.filter(|(id, _)| self.selection.admits_line(id))
        };
        let lines: BTreeMap<_, _> = admitted().take(LINES_TOLD_MAX).collect();
        let left_out = admitted().count() - lines.len();
        let mut witness = Keeping {
            is_wanted: |line: &OrderLineId,
                        program: &PublishedProgram,
                        definition: &PointDefinition| {
                lines.contains_key(line)
                    && self
                        .selection
                        .admits(program.compiled.program.id, definition)
            },
            asked: Vec::new(),
        };
        wants(seen, &state, self.world, &mut witness);
        let mut asked: BTreeMap<OrderLineId, Vec<Asked>> = BTreeMap::new();
        for one in witness.asked {
            let line = one.slot.order_line_id.clone();
            asked.entry(line).or_default().push(one);
        }
        let told = lines.into_iter().map(|(id, line)| {
            let asked = asked.remove(id).unwrap_or_default();
            self.line(seen, &state, id, line, asked)
        });
        Lines {
            told: told.collect(),
            left_out,
        }
    }

    fn line(
        &self,
        seen: &OrderDocument,
        state: &OrderState<'_>,
        id: &OrderLineId,
        line: &LineState<'_>,
        asked: Vec<Asked>,
    ) -> LineExplanation {
        let price = line
            .confirmation
            .map(|confirmation| confirmation.line.price);
        let telling = Telling {
            document: self.document,
            history: self.history,
            world: self.world,
            position: self.position,
            line,
        };
        let mut definitions: BTreeMap<Slot, DefinitionExplanation> = BTreeMap::new();
        for one in asked {
            definitions.insert(one.slot.clone(), telling.of_asked(one));
        }
        for kind in TriggerKind::ALL {
            let has_come = state.trigger(line, kind).is_some();
            let place = seen.trigger_place(id, kind).filter(|_| has_come);
            for (program, definition) in self.not_asked(kind, place) {
                let definition = &definition.definition;
                if self
                    .selection
                    .admits(program.compiled.program.id, definition)
                {
                    let slot = slot(program, definition, id, kind);
                    let told = telling.of_not_asked(&slot, program, definition, place);
                    definitions.insert(slot, told);
                }
            }
        }
        self.add_former(&telling, id, &mut definitions);
        LineExplanation {
            order_line_id: id.clone(),
            standing: standing(line),
            price,
            refunded: price.and_then(|price| {
                let amount = line.refunded(&price).amount;
                (!amount.is_zero()).then_some(Money { amount, ..price })
            }),
            events: events(seen, state, id, line),
            registrations: self.registrations(seen, id),
            definitions: definitions.into_values().collect(),
        }
    }

    /// Definitions of the programs as they are that nobody asked: all where the trigger has no place, else those of
    /// programs that were not there yet.
    fn not_asked(
        &self,
        kind: TriggerKind,
        place: Option<Position>,
    ) -> impl Iterator<Item = (&PublishedProgram, &CompiledDefinition)> {
        let programs = self.world.programs;
        programs
            .standing_everywhere_at(self.position)
            .filter(move |program| {
                let id = program.compiled.program.id;
                place.is_none_or(|place| programs.standing_at(id, place).is_none())
            })
            .flat_map(move |program| {
                let definitions = program.compiled.definitions(kind);
                definitions.map(move |definition| (program, definition))
            })
    }

    /// Definitions that gave points for a trigger which the line turned out not to have, and that the program as it
    /// is does not have any more.
    fn add_former(
        &self,
        telling: &Telling<'_>,
        id: &OrderLineId,
        definitions: &mut BTreeMap<Slot, DefinitionExplanation>,
    ) {
        for chain in self.document.ledger.chains() {
            let slot = &chain.slot;
            let is_missing = slot.order_line_id == *id && !definitions.contains_key(slot);
            let last = chain.transactions().last().filter(|_| is_missing);
            let former = last.and_then(|last| {
                let versions = self.world.programs.versions(slot.program_id);
                let version = last.metadata.program_version;
                let program = versions.iter().find(|it| it.version == version)?;
                let definition = program.compiled.definition(slot.point_definition_id)?;
                Some((program, &definition.definition))
            });
            let former =
                former.filter(|(_, definition)| self.selection.admits(slot.program_id, definition));
            if let Some((program, definition)) = former {
                let told = telling.of_not_asked(slot, program, definition, None);
                if !told.transactions.is_empty() {
                    definitions.insert(slot.clone(), told);
                }
            }
        }
    }

    fn registrations(
        &self,
        seen: &OrderDocument,
        id: &OrderLineId,
    ) -> Vec<RegistrationExplanation> {
        let registrations = seen.registrations.iter().filter(|registration| {
            let only = self.selection.program;
            registration.order_line_id == *id
                && only.is_none_or(|only| only == registration.program_id)
        });
        registrations
            .map(|registration| RegistrationExplanation {
                program_id: registration.program_id,
                customer_id: registration.customer_id.clone(),
                member_id: registration.member_id,
                accepted: registration.accepted,
                accepted_at: registration.accepted_at,
                revoked: registration.revoked,
                refused: registration
                    .refused
                    .iter()
                    .map(|refused| RefusalExplanation {
                        point_definition_id: refused.point_definition_id,
                        trigger: refused.trigger,
                        code: refused.code,
                        detail: refused.detail.clone(),
                    })
                    .collect(),
            })
            .collect()
    }
}

fn slot(
    program: &PublishedProgram,
    definition: &PointDefinition,
    line: &OrderLineId,
    trigger: TriggerKind,
) -> Slot {
    Slot {
        program_id: program.compiled.program.id,
        point_definition_id: definition.id,
        order_line_id: line.clone(),
        trigger,
    }
}

fn standing(line: &LineState<'_>) -> LineStanding {
    match (line.end(), line.confirmation) {
        (Some(end), _) => match end.kind {
            EndKind::Cancelled => LineStanding::Cancelled,
            EndKind::Replaced => LineStanding::Replaced,
            EndKind::OrderCancelled => LineStanding::OrderCancelled,
        },
        (None, Some(_)) => LineStanding::Confirmed,
        (None, None) => LineStanding::NotConfirmed,
    }
}

/// The events that decide about a line, in log order.
fn events(
    document: &OrderDocument,
    state: &OrderState<'_>,
    id: &OrderLineId,
    line: &LineState<'_>,
) -> Vec<CountedEvent> {
    let confirmation = line.confirmation;
    let known = [
        (state.created, EventRole::Order),
        (confirmation.map(|it| it.line_event), EventRole::Line),
        (confirmation.map(|it| it.first), EventRole::Confirmation),
        (line.activation, EventRole::Activation),
        (state.capture, EventRole::Capture),
        (line.end().map(|end| end.event), EventRole::End),
    ];
    let known = known
        .into_iter()
        .filter_map(|(event, role)| Some(CountedEvent::new(event?, role)));
    let refunds = document
        .events
        .iter()
        .filter_map(|event| match &event.data {
            EventData::OrderLineRefunded(refunded) if refunded.order_line_id == *id => {
                Some(CountedEvent {
                    refund: Some(refunded.refund),
                    ..CountedEvent::new(event, EventRole::Refund)
                })
            }
            _ => None,
        });
    let mut events: Vec<CountedEvent> = known.chain(refunds).collect();
    events.sort_by_key(|event| event.position);
    events
}
