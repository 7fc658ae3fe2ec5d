//! The way from an order to its explanation: the lines, and each definition of each.

use std::collections::BTreeMap;

use farelog_events::event::EventData;
use farelog_events::id::{OrderLineId, PointDefinitionId, ProgramId, TransactionId};
use farelog_events::log::Position;
use farelog_events::money::Money;
use farelog_projections::document::OrderDocument;
use farelog_projections::order::state::EndKind;
use farelog_projections::order::{LineState, OrderState, TriggerKind};
use farelog_projections::points::entitlement::{Slot, World};
use farelog_projections::points::merits::Merits;
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

/// Most definitions that one explanation tells of, in all its lines together. One takes some kilobytes.
pub const DEFINITIONS_TOLD_MAX: usize = 1_000;

/// Most refunds and registrations of one line, and most transactions of one definition for it, that are told: the last
/// ones, or of transactions one that is asked for and those that came next.
pub const HISTORY_TOLD_MAX: usize = 100;

/// What of an order is explained.
#[derive(Debug, Clone, Default)]
pub(super) struct Selection<'s> {
    pub line: Option<&'s OrderLineId>,
    pub program: Option<ProgramId>,
    pub definition: Option<(PointDefinitionId, TriggerKind)>,
    /// A transaction that is told whatever is left out.
    pub transaction: Option<TransactionId>,
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

/// What was asked of a line, and how much of it is told.
struct Inquiries {
    asked: Vec<Asked>,
    /// How many more definitions were asked.
    left_out: usize,
    /// How many definitions may still be told.
    told_max: usize,
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
            left_out: BTreeMap::new(),
        };
        wants(
            seen,
            &state,
            self.world,
            &mut Merits::default(),
            &mut witness,
        );
        let mut asked: BTreeMap<OrderLineId, Vec<Asked>> = BTreeMap::new();
        let Keeping {
            asked: kept,
            left_out: mut asked_left_out,
            ..
        } = witness;
        for one in kept {
            let line = one.slot.order_line_id.clone();
            asked.entry(line).or_default().push(one);
        }
        let mut told = Vec::new();
        let mut definitions_told = 0;
        for (id, line) in lines {
            let inquiries = Inquiries {
                asked: asked.remove(id).unwrap_or_default(),
                left_out: asked_left_out.remove(id).unwrap_or_default(),
                told_max: DEFINITIONS_TOLD_MAX - definitions_told,
            };
            let line = self.line(seen, &state, id, line, inquiries);
            definitions_told += line.definitions.len();
            told.push(line);
        }
        Lines { told, left_out }
    }

    fn line(
        &self,
        seen: &OrderDocument,
        state: &OrderState<'_>,
        id: &OrderLineId,
        line: &LineState<'_>,
        inquiries: Inquiries,
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
        for one in inquiries.asked {
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
        // Who was asked and is left out could not be told from who was not asked.
        if inquiries.left_out == 0 {
            self.add_former(&telling, id, &mut definitions);
        }
        let definitions_found = definitions.len() + inquiries.left_out;
        let definitions: Vec<DefinitionExplanation> = definitions
            .into_values()
            .take(inquiries.told_max)
            .map(|mut told| {
                self.keep_transactions(&mut told);
                told
            })
            .collect();
        let (events, events_left_out) = events(seen, state, id, line);
        let mut registrations = self.registrations(seen, id);
        LineExplanation {
            order_line_id: id.clone(),
            standing: standing(line),
            price,
            refunded: price.and_then(|price| {
                let amount = line.refunded(&price).amount;
                (!amount.is_zero()).then_some(Money { amount, ..price })
            }),
            events_left_out,
            events,
            registrations_left_out: keep_last(&mut registrations),
            registrations,
            definitions_left_out: definitions_found - definitions.len(),
            definitions,
        }
    }

    /// Keeps the last transactions, or where one that was asked for came before those, it and those that came next.
    fn keep_transactions(&self, told: &mut DefinitionExplanation) {
        let transactions = &mut told.transactions;
        let found = transactions.len();
        let asked = self.selection.transaction.and_then(|asked| {
            let mut given = transactions.iter();
            given.position(|given| given.transaction.id == Some(asked))
        });
        let last = found.saturating_sub(HISTORY_TOLD_MAX);
        let begin = asked.map_or(last, |asked| asked.min(last));
        transactions.truncate(begin + HISTORY_TOLD_MAX);
        told.later_transactions_left_out = found - transactions.len();
        transactions.drain(..begin);
        told.transactions_left_out = begin;
    }

    /// Definitions of the programs as they are that nobody asked: all where the trigger has no place, else those that were
    /// not there yet.
    fn not_asked(
        &self,
        kind: TriggerKind,
        place: Option<Position>,
    ) -> impl Iterator<Item = (&PublishedProgram, &CompiledDefinition)> {
        let programs = self.world.programs;
        programs
            .standing_everywhere_at(self.position)
            .flat_map(move |program| {
                let id = program.compiled.program.id;
                let asked = place.and_then(|place| programs.standing_at(id, place));
                let definitions = program.compiled.definitions(kind);
                let not_asked = definitions.filter(move |definition| {
                    let id = definition.definition.id;
                    !asked.is_some_and(|asked| has(asked, id, kind))
                });
                not_asked.map(move |definition| (program, definition))
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

/// Whether a version of a program has a definition with this trigger.
pub(super) fn has(
    program: &PublishedProgram,
    definition: PointDefinitionId,
    trigger: TriggerKind,
) -> bool {
    let mut definitions = program.compiled.definitions(trigger);
    definitions.any(|it| it.definition.id == definition)
}

/// Keeps the last of a list, and gives how many earlier ones it leaves out.
fn keep_last<T>(list: &mut Vec<T>) -> usize {
    let left_out = list.len().saturating_sub(HISTORY_TOLD_MAX);
    list.drain(..left_out);
    left_out
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

/// The events that decide about a line, in log order, and how many earlier refunds are left out.
fn events(
    document: &OrderDocument,
    state: &OrderState<'_>,
    id: &OrderLineId,
    line: &LineState<'_>,
) -> (Vec<CountedEvent>, usize) {
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
    let mut refunds: Vec<CountedEvent> = document
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
        })
        .collect();
    // Refunds alone can be many.
    let left_out = keep_last(&mut refunds);
    let mut events: Vec<CountedEvent> = known.chain(refunds).collect();
    events.sort_by_key(|event| event.position);
    (events, left_out)
}
