//! All that the projections keep of one order, and the step that an event makes it take.

mod bytes;

pub(crate) use self::bytes::{read_id, read_number};

use farelog_events::event::{EventData, EventKind};
use farelog_events::id::{OrderId, OrderLineId, ProgramId};
use farelog_events::log::Position;
use farelog_events::registration::DeferredRegistration;
use serde::{Deserialize, Serialize};

use crate::distribution::{self, Groups, Outcome};
use crate::order::{OrderEvent, OrderState, TriggerKind};
use crate::points::entitlement::{Slot, World};
use crate::points::ledger::{Ledger, Settled};
use crate::points::merits::Merits;
use crate::points::registration::{Claim, Registration, assess};
use crate::points::trace::Witness;
use crate::points::wants::{Wants, wants};

/// Where in the log a line first had a trigger. It never moves (domain, section 3, rule 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerPlace {
    /// The line.
    pub order_line_id: OrderLineId,
    /// The trigger.
    pub trigger: TriggerKind,
    /// The record with which it was confirmed and triggered for the first time.
    pub position: Position,
}

/// An expression that gave no usable value, or a refund that could not be counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleError {
    /// The line and definition.
    #[serde(flatten)]
    pub slot: Slot,
    /// What went wrong.
    pub problem: String,
    /// The record at which it first did.
    pub position: Position,
}

/// One order, as far as the projections have read the log.
#[derive(Debug, Clone)]
pub struct OrderDocument {
    /// The order.
    pub order_id: OrderId,
    /// Its events that decide where its lines stand, in the order of the log.
    pub events: Vec<OrderEvent>,
    places: Vec<TriggerPlace>,
    /// Deferred registrations of its lines, those that were revoked too, in the order of the log.
    pub registrations: Vec<Registration>,
    /// Its points transactions.
    pub ledger: Ledger,
    /// Its ticket distribution groups.
    pub groups: Groups,
    /// Rule errors, each once, in the order of the log.
    pub rule_errors: Vec<RuleError>,
    /// Whether the last step had more to give than one record can.
    is_unsettled: bool,
    merits: Merits,
}

/// What a step changed.
#[derive(Debug, Default)]
pub struct Effects {
    /// Points transactions.
    pub settled: Settled,
    /// Ticket distribution groups: what the ticket systems are to be told, and what was not obeyed.
    pub distribution: Outcome,
    /// How many rule errors are new.
    pub rule_errors: usize,
}

impl OrderDocument {
    /// An order of which nothing is known.
    pub fn new(order_id: OrderId) -> Self {
        Self {
            order_id,
            events: Vec::new(),
            places: Vec::new(),
            registrations: Vec::new(),
            ledger: Ledger::default(),
            groups: Groups::default(),
            rule_errors: Vec::new(),
            is_unsettled: false,
            merits: Merits::default(),
        }
    }

    /// Where its lines stand.
    pub fn state(&self) -> OrderState<'_> {
        OrderState::fold(&self.events)
    }

    /// Where in the log a line first had a trigger.
    pub fn trigger_place(&self, line: &OrderLineId, trigger: TriggerKind) -> Option<Position> {
        let index = self.place_index(line, trigger).ok()?;
        Some(self.places[index].position)
    }

    /// Where a line's trigger stands among those that were noted, which are sorted, or would stand.
    fn place_index(&self, line: &OrderLineId, trigger: TriggerKind) -> Result<usize, usize> {
        self.places
            .binary_search_by(|place| (&place.order_line_id, place.trigger).cmp(&(line, trigger)))
    }

    /// What decided on points when it was as far as `position`: events, trigger places and registrations. Transactions
    /// and groups are left out.
    #[must_use]
    pub fn as_of(&self, position: Position) -> Self {
        let mut earlier = Self::new(self.order_id.clone());
        let events = self.events.iter();
        earlier.events = events
            .filter(|event| event.position <= position)
            .cloned()
            .collect();
        let places = self.places.iter();
        earlier.places = places
            .filter(|place| place.position <= position)
            .cloned()
            .collect();
        let registrations = self.registrations.iter();
        earlier.registrations = registrations
            .filter(|registration| registration.accepted <= position)
            .map(|registration| Registration {
                revoked: registration.revoked.filter(|revoked| *revoked <= position),
                ..registration.clone()
            })
            .collect();
        earlier
    }

    /// The registration of a line that holds now.
    pub fn registration(&self, program: ProgramId, line: &OrderLineId) -> Option<&Registration> {
        self.registrations.iter().find(|registration| {
            registration.revoked.is_none()
                && registration.program_id == program
                && registration.order_line_id == *line
        })
    }

    /// Takes in an event: the order stage, then points and groups from what it says.
    ///
    /// Pure: the same document, event and world give the same document and effects. Events are given in the order of
    /// the log, each once.
    pub fn apply(&mut self, event: OrderEvent, world: World<'_>) -> Effects {
        self.apply_before(event, world, &mut ())
    }

    /// The same, with somebody who looks on while definitions are asked. What was evaluated for an event before and can't
    /// have changed is not evaluated again, and has no steps then.
    pub fn apply_before(
        &mut self,
        event: OrderEvent,
        world: World<'_>,
        witness: &mut impl Witness,
    ) -> Effects {
        if self.only_prepares(event.kind) {
            self.events.push(event);
            return Effects::default();
        }
        let mut events = std::mem::take(&mut self.events);
        let passing;
        let event = if decides_state(event.kind) {
            events.push(event);
            &events[events.len() - 1]
        } else {
            passing = event;
            &passing
        };
        let state = OrderState::fold(&events);
        let mut effects = Effects::default();
        if decides_points(event.kind) {
            self.note_trigger_places(&state, event.position);
            self.note_registration(&state, event, world);
            if self.is_unsettled || may_change_wants(event.kind, world) {
                let mut merits = std::mem::take(&mut self.merits);
                let Wants { wanted, faults } = wants(self, &state, world, &mut merits, witness);
                self.merits = merits;
                effects.rule_errors = self.note_rule_errors(faults, event.position);
                effects.settled = self.ledger.settle(&wanted, event, world);
                self.is_unsettled = effects.settled.postponed > 0;
            }
        }
        effects.distribution = distribution::apply(&mut self.groups, &state, event);
        drop(state);
        self.events = events;
        effects
    }

    /// Whether an event of this kind is only kept, for those that come. Before any line is confirmed there is no trigger and
    /// there are no groups, so nothing counts and nothing is to be withdrawn.
    fn only_prepares(&self, kind: EventKind) -> bool {
        let is_decided_later = decides_state(kind) && !confirms(kind);
        // An activation is told to the tickets too, and says of one that is not known that it is ignored.
        is_decided_later
            && kind != EventKind::TicketActivated
            && self.groups.is_empty()
            && !self.events.iter().any(|event| confirms(event.kind))
    }

    fn note_trigger_places(&mut self, state: &OrderState<'_>, position: Position) {
        for (id, line) in &state.lines {
            for trigger in TriggerKind::ALL {
                if state.trigger(line, trigger).is_some()
                    && let Err(index) = self.place_index(id, trigger)
                {
                    let place = TriggerPlace {
                        order_line_id: id.clone(),
                        trigger,
                        position,
                    };
                    self.places.insert(index, place);
                }
            }
        }
    }

    fn note_registration(&mut self, state: &OrderState<'_>, event: &OrderEvent, world: World<'_>) {
        match &event.data {
            EventData::DeferredRegistrationAccepted(accepted) => {
                self.accept(state, event, accepted, world);
            }
            EventData::DeferredRegistrationRevoked(revoked) => {
                for registration in &mut self.registrations {
                    if registration.program_id == revoked.program_id
                        && registration.order_line_id == revoked.order_line_id
                    {
                        registration.revoked.get_or_insert(event.position);
                    }
                }
            }
            _ => {}
        }
    }

    fn accept(
        &mut self,
        state: &OrderState<'_>,
        event: &OrderEvent,
        accepted: &DeferredRegistration,
        world: World<'_>,
    ) {
        let claim = Claim {
            program_id: accepted.program_id,
            order_line_id: &accepted.order_line_id,
            customer_id: &accepted.customer_id,
            member_id: accepted.member_id,
            requested_at: event.time,
            position: event.position,
        };
        let refused = state
            .lines
            .get(&accepted.order_line_id)
            .map(|line| assess(self, state, line, world, &claim).refused)
            .unwrap_or_default();
        self.registrations.push(Registration {
            program_id: accepted.program_id,
            order_line_id: accepted.order_line_id.clone(),
            customer_id: accepted.customer_id.clone(),
            member_id: accepted.member_id,
            accepted: event.position,
            accepted_at: event.time,
            revoked: None,
            refused,
        });
    }

    /// Remembers rule errors, each slot's first. Gives how many are new.
    fn note_rule_errors(&mut self, faults: Vec<(Slot, String)>, position: Position) -> usize {
        let known = self.rule_errors.len();
        for (slot, problem) in faults {
            if !self.rule_errors.iter().any(|known| known.slot == slot) {
                self.rule_errors.push(RuleError {
                    slot,
                    problem,
                    position,
                });
            }
        }
        self.rule_errors.len() - known
    }
}

/// Whether the fold of an order's sequence, or of what stands beside it, takes the event in.
fn decides_state(kind: EventKind) -> bool {
    use EventKind as K;
    matches!(
        kind,
        K::OrderCreated
            | K::OrderLineAdded
            | K::OrderLineChanged
            | K::OrderConfirmed
            | K::OrderPartiallyConfirmed
            | K::OrderReset
            | K::OrderCancelled
            | K::OrderLineCancelled
            | K::OrderLineRefunded
            | K::OrderLinesReplaced
            | K::TicketActivated
            | K::PaymentTransactionCaptured
    )
}

/// Whether lines become confirmed by such an event.
fn confirms(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::OrderConfirmed | EventKind::OrderPartiallyConfirmed
    )
}

/// Whether what should count can differ after the event.
fn decides_points(kind: EventKind) -> bool {
    decides_state(kind)
        || matches!(
            kind,
            EventKind::DeferredRegistrationAccepted | EventKind::DeferredRegistrationRevoked
        )
}

/// Whether what should count can differ after an event of this kind. An activation or a capture is nothing but a trigger,
/// and where no definition ever waited for it, all is as it was: what a definition gives depends on the order's other
/// events, and on programs and members at a place behind which it does not look.
fn may_change_wants(kind: EventKind, world: World<'_>) -> bool {
    match kind {
        EventKind::TicketActivated => world.programs.waits_for(TriggerKind::LineActivated),
        EventKind::PaymentTransactionCaptured => {
            world.programs.waits_for(TriggerKind::PaymentCaptured)
        }
        _ => true,
    }
}
