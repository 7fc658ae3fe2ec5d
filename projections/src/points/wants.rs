//! What should count for an order as it stands: over its lines and their triggers, all programs and definitions.

use std::cell::OnceCell;

use farelog_events::id::OrderLineId;
use farelog_events::log::Position;

use super::entitlement::{Entitlement, Nothing, Slot, TriggeredLine, World};
use super::ledger::Wanted;
use super::merits::{Basis, LineMerits, Merits};
use super::registration::Registration;
use super::trace::{Inquiry, Trace, Verdict, Witness};
use super::transaction::RegistrationKind;
use crate::document::OrderDocument;
use crate::order::{OrderState, TriggerKind};
use crate::program::{CompiledDefinition, LineScope, PublishedProgram, RuleFault};

/// What should count, and what could not be worked out.
#[derive(Debug, Default)]
pub struct Wants {
    /// What should count, sorted by slot, one entry each.
    pub wanted: Vec<Wanted>,
    /// Rule errors: the slot, and what went wrong in a sentence.
    pub faults: Vec<(Slot, String)>,
}

const OTHER_CURRENCY: &str =
    "a refund is in another currency than the line's price, and was not counted";

/// Asks every definition that waits for a trigger which one of the order's lines has had, in the version of its
/// program that stood at the trigger's place (domain, section 3, rule 2). The witness sees each of them asked, with the
/// steps where they were not `remembered`.
pub fn wants(
    document: &OrderDocument,
    state: &OrderState<'_>,
    world: World<'_>,
    remembered: &mut Merits,
    witness: &mut impl Witness,
) -> Wants {
    let mut wants = Wants::default();
    for (id, line) in &state.lines {
        let own_scope = OnceCell::new();
        for kind in TriggerKind::ALL {
            let Some(place) = document.trigger_place(id, kind) else {
                continue;
            };
            let Some(triggered) = TriggeredLine::new(state, line, kind, place) else {
                continue;
            };
            let basis = Basis::new(state, &triggered);
            LineWants {
                document,
                state,
                world,
                id,
                triggered,
                place,
                own_scope: &own_scope,
            }
            .collect(&mut wants, remembered.of(id, kind, basis), witness);
        }
    }
    wants.wanted.sort_by(|a, b| a.slot.cmp(&b.slot));
    wants
}

/// One line and trigger, over all programs.
struct LineWants<'a, 'e> {
    document: &'a OrderDocument,
    state: &'a OrderState<'e>,
    world: World<'a>,
    id: &'a OrderLineId,
    triggered: TriggeredLine<'a>,
    place: Position,
    /// What expressions see of the line as it is; made when the first definition asks.
    own_scope: &'a OnceCell<LineScope>,
}

impl LineWants<'_, '_> {
    fn collect(&self, wants: &mut Wants, remembered: &mut LineMerits, witness: &mut impl Witness) {
        let kind = self.triggered.trigger().kind;
        for program in self.world.programs.standing_everywhere_at(self.place) {
            if !program.compiled.program.active {
                for definition in program.compiled.definitions(kind) {
                    let inquiry = self.inquiry(program, definition, Verdict::ProgramInactive);
                    let steps = witness.trace(self.id, program, definition);
                    witness.see(&inquiry, steps);
                }
                continue;
            }
            let mut definitions = program.compiled.definitions(kind).peekable();
            if definitions.peek().is_none() {
                continue;
            }
            let registration = self
                .document
                .registration(program.compiled.program.id, self.id)
                .map(|registration| (registration, self.scope_for(Some(registration))));
            for definition in definitions {
                let registration = registration.as_ref();
                self.ask(
                    program,
                    definition,
                    registration,
                    wants,
                    remembered,
                    witness,
                );
            }
        }
    }

    fn inquiry<'i>(
        &'i self,
        program: &'i PublishedProgram,
        definition: &'i CompiledDefinition,
        verdict: Verdict<'i>,
    ) -> Inquiry<'i> {
        Inquiry {
            order_line_id: self.id,
            triggered: &self.triggered,
            place: self.place,
            program,
            definition,
            verdict,
        }
    }

    fn ask(
        &self,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
        registration: Option<&(&Registration, LineScope)>,
        wants: &mut Wants,
        remembered: &mut LineMerits,
        witness: &mut impl Witness,
    ) {
        let kind = self.triggered.trigger().kind;
        let refusal = registration
            .and_then(|(registration, _)| registration.refusal_of(definition.definition.id, kind));
        // By section 4 of the domain: a registered line's points are the registered customer's, but for definitions
        // that were refused. Of those, what had been earned before goes on as if there were no registration.
        let mut steps = witness.trace(self.id, program, definition);
        let (registered_as, result) = match (registration, refusal) {
            (Some((registration, _)), Some(refusal)) if !refusal.is_already_earned() => {
                let verdict = Verdict::Refused(registration, refusal);
                witness.see(&self.inquiry(program, definition, verdict), steps);
                return;
            }
            (Some((registration, scope)), None) => (
                RegistrationKind::Deferred,
                self.triggered.evaluate(
                    self.world,
                    program,
                    definition,
                    scope,
                    Some(registration.stand_in()),
                    &mut steps,
                ),
            ),
            _ => (
                RegistrationKind::Automatic,
                self.ask_own(program, definition, remembered, &mut steps),
            ),
        };
        let verdict = Verdict::Evaluated {
            registration: registered_as,
            result: &result,
        };
        witness.see(&self.inquiry(program, definition, verdict), steps);
        let slot = Slot {
            program_id: program.compiled.program.id,
            point_definition_id: definition.definition.id,
            order_line_id: self.id.clone(),
            trigger: kind,
        };
        match result {
            Ok(entitlement) => {
                if self.triggered.refund_in_other_currency() {
                    wants.faults.push((slot.clone(), OTHER_CURRENCY.to_owned()));
                }
                wants.wanted.push(Wanted {
                    order_id: self.document.order_id.clone(),
                    slot,
                    entitlement,
                    point_definition_reference: definition.definition.reference.clone(),
                    trigger_event_id: self.triggered.trigger().event.id.clone(),
                    program_version: program.version,
                    registration: registered_as,
                });
            }
            Err(Nothing::Fault(RuleFault::Error(sentence))) => wants.faults.push((slot, sentence)),
            Err(_) => {}
        }
    }

    fn ask_own(
        &self,
        program: &PublishedProgram,
        definition: &CompiledDefinition,
        remembered: &mut LineMerits,
        trace: &mut impl Trace,
    ) -> Result<Entitlement, Nothing> {
        let merits = remembered.get_or_evaluate(program, definition, || {
            let scope = self.own_scope.get_or_init(|| self.scope_for(None));
            self.triggered
                .merits(self.world, program, definition, scope, None, trace)
        })?;
        self.triggered.after_reversal(definition, merits, trace)
    }

    /// What expressions see of the line: as it is, or as a registration has it.
    fn scope_for(&self, registration: Option<&Registration>) -> LineScope {
        LineScope::new(
            self.state,
            &self.document.order_id,
            self.triggered.confirmation(),
            registration.map(|registration| &registration.customer_id),
        )
    }
}
