//! Deferred registrations: a line's points for a customer who was not known when the line was bought (domain,
//! section 4).

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::entitlement::{Entitlement, Nothing, Slot, StandIn, TriggeredLine, World, would_match};
use super::offer::Offer;
pub use super::reason::{Reason, ReasonCode};
use super::transaction::RegistrationKind;
use crate::document::OrderDocument;
use crate::order::{LineState, OrderState, TriggerKind};
use crate::program::{CompiledDefinition, LineScope, PublishedProgram};

/// A definition that a registration did not get, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedDefinition {
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its trigger.
    pub trigger: TriggerKind,
    /// Why, as it was found when the registration was accepted.
    pub code: ReasonCode,
    /// The same, in a sentence.
    pub detail: String,
}

impl RefusedDefinition {
    /// Whether its points stay with whom they were given to without registration. Otherwise nobody gets any.
    pub fn is_already_earned(&self) -> bool {
        self.code == ReasonCode::AlreadyEarned
    }
}

/// A registration that was accepted: from there on the line's points, in this program, are this member's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The program.
    pub program_id: ProgramId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The customer.
    pub customer_id: CustomerId,
    /// The customer's member.
    pub member_id: MemberId,
    /// The record that accepted it.
    pub accepted: Position,
    /// The time of the request.
    pub accepted_at: DateTime<Utc>,
    /// The record that revoked it.
    pub revoked: Option<Position>,
    /// Definitions that it did not get and never will.
    pub refused: Vec<RefusedDefinition>,
}

impl Registration {
    /// How the registration treats this slot's definition, if it was refused.
    pub fn refusal_of(
        &self,
        definition: PointDefinitionId,
        trigger: TriggerKind,
    ) -> Option<&RefusedDefinition> {
        self.refused
            .iter()
            .find(|r| r.point_definition_id == definition && r.trigger == trigger)
    }

    /// The customer who stands in for the line's own.
    pub fn stand_in(&self) -> StandIn<'_> {
        StandIn {
            customer_id: &self.customer_id,
            accepted: self.accepted,
        }
    }
}

/// A claim of a line's points for a customer who is a member.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'c> {
    /// The program.
    pub program_id: ProgramId,
    /// The line.
    pub order_line_id: &'c OrderLineId,
    /// The customer.
    pub customer_id: &'c CustomerId,
    /// The customer's member.
    pub member_id: MemberId,
    /// When it was made.
    pub requested_at: DateTime<Utc>,
    /// The record that accepts it, or would.
    pub position: Position,
}

/// What a claim is worth, definition by definition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assessment {
    /// How many definitions give points.
    pub gives: usize,
    /// Why the others don't, and what hinders the claim as a whole.
    pub reasons: Vec<Reason>,
    /// The definitions that are refused for good.
    pub refused: Vec<RefusedDefinition>,
    /// Whether a definition would wait for a trigger of the line, were its program not inactive.
    waits_for_inactive: bool,
}

/// Weighs a claim to a confirmed line: replays the line's triggers as if its customer were this one, with the
/// program as it stood at each. The decision asks it for reasons, the fold for what is refused for good.
pub fn assess(
    document: &OrderDocument,
    order: &OrderState<'_>,
    line: &LineState<'_>,
    world: World<'_>,
    claim: &Claim<'_>,
) -> Assessment {
    let mut assessment = Assessment::default();
    let Some(confirmation) = &line.confirmation else {
        return assessment;
    };
    let customer = Some(claim.customer_id);
    let scope = LineScope::new(order, &document.order_id, confirmation, customer);
    let Some(current) = world.programs.standing_at(claim.program_id, claim.position) else {
        return assessment;
    };
    for kind in TriggerKind::ALL {
        let triggered = document
            .trigger_place(claim.order_line_id, kind)
            .and_then(|place| Some((place, TriggeredLine::new(order, line, kind, place)?)));
        match triggered {
            Some((place, triggered)) => Weighing {
                document,
                world,
                claim,
                scope: &scope,
                current,
                triggered: &triggered,
                place,
            }
            .weigh(&mut assessment),
            None => weigh_untriggered(world, current, claim, &scope, kind, &mut assessment),
        }
    }
    if assessment.gives == 0 && assessment.reasons.is_empty() {
        assessment.reasons.push(if assessment.waits_for_inactive {
            Reason::of_line(
                ReasonCode::ProgramInactive,
                "the program is inactive, and what would give points for this line has not come",
            )
        } else {
            Reason::of_line(
                ReasonCode::NoDefinitionMatched,
                "no point definition of the program gives points for this line",
            )
        });
    }
    assessment
}

/// The definitions of one trigger that the line has had.
struct Weighing<'a, 'e> {
    document: &'a OrderDocument,
    world: World<'a>,
    claim: &'a Claim<'a>,
    scope: &'a LineScope,
    current: &'a PublishedProgram,
    triggered: &'a TriggeredLine<'e>,
    place: Position,
}

impl Weighing<'_, '_> {
    fn weigh(&self, assessment: &mut Assessment) {
        let kind = self.triggered.trigger().kind;
        let standing = self
            .world
            .programs
            .standing_at(self.claim.program_id, self.place);
        let Some(standing) = standing.filter(|standing| standing.compiled.program.active) else {
            let concerns = standing
                .unwrap_or(self.current)
                .compiled
                .definitions(kind)
                .next()
                .is_some();
            if concerns {
                assessment.reasons.push(Reason::of_line(
                    ReasonCode::ProgramInactive,
                    format!(
                        "the program was {} when the line's {} came",
                        if standing.is_some() {
                            "inactive"
                        } else {
                            "not published"
                        },
                        kind.name()
                    ),
                ));
            }
            return;
        };
        let stand_in = StandIn {
            customer_id: self.claim.customer_id,
            accepted: self.claim.position,
        };
        for definition in standing.compiled.definitions(kind) {
            let merits = self.triggered.merits(
                self.world,
                standing,
                definition,
                self.scope,
                Some(stand_in),
                &mut (),
            );
            let Ok(merits) = merits else {
                continue;
            };
            let reasons = self.reasons(definition, &merits);
            if reasons.is_empty() {
                assessment.gives += 1;
                continue;
            }
            if let Some(reason) = reasons.iter().find(|reason| reason.code.is_final()) {
                assessment.refused.push(RefusedDefinition {
                    point_definition_id: definition.definition.id,
                    trigger: kind,
                    code: reason.code,
                    detail: reason.detail.clone(),
                });
            }
            assessment.reasons.extend(reasons);
        }
    }

    /// Everything that keeps a definition that matched from giving. `already-earned` comes first: where it applies,
    /// it says what becomes of the definition.
    fn reasons(&self, definition: &CompiledDefinition, merits: &Entitlement) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |code, detail| reasons.push(Reason::of_definition(code, definition, detail));
        let trigger = self.triggered.trigger();

        let earned_by = self.earned_without_registration(definition);
        if let Some(member) = earned_by {
            add(
                ReasonCode::AlreadyEarned,
                if member == self.claim.member_id {
                    "the customer has the points already, without registration".to_owned()
                } else {
                    "the points went to another customer, without registration".to_owned()
                },
            );
        }
        let current = &self.current.compiled.program;
        if let Some(closes_at) = current.window_closes_at(trigger.time)
            && closes_at < self.claim.requested_at
        {
            add(
                ReasonCode::WindowClosed,
                format!("points for it could be claimed until {closes_at}"),
            );
        }
        if current.registration.require_membership_at_trigger && !self.was_member_at_trigger() {
            add(
                ReasonCode::NotMemberAtTrigger,
                format!(
                    "the program asks for membership at the line's {}, and the customer had none",
                    trigger.kind.name()
                ),
            );
        }
        let left = self.triggered.after_refunds(definition, merits.amount);
        let offer = self.offer(definition, merits, left.as_ref().ok());
        if let Some(expire_at) = offer.expire_at
            && expire_at <= self.claim.requested_at
        {
            add(
                ReasonCode::Expired,
                format!("the points would have expired at {expire_at}"),
            );
        }
        let is_lost = self.triggered.is_lost_to_the_end(definition);
        if is_lost {
            add(
                ReasonCode::LineCancelled,
                "the line was cancelled or exchanged, and no points are kept for it".to_owned(),
            );
        }
        match left {
            // What was earned, or is lost anyway, would take no room.
            Ok(_) if earned_by.is_some() || is_lost || offer.amount > Decimal::ZERO => {}
            Ok(_) => add(
                ReasonCode::CapReached,
                "the program's cap leaves the customer no room for points of this line".to_owned(),
            ),
            Err(Nothing::Refunded) => add(
                ReasonCode::Refunded,
                "the line was refunded, and no points are left for it".to_owned(),
            ),
            Err(_) => add(
                ReasonCode::NoDefinitionMatched,
                "the definition could not be worked out for this line".to_owned(),
            ),
        }
        reasons
    }

    fn slot(&self, definition: &CompiledDefinition) -> Slot {
        Slot {
            program_id: self.claim.program_id,
            point_definition_id: definition.definition.id,
            order_line_id: self.claim.order_line_id.clone(),
            trigger: self.triggered.trigger().kind,
        }
    }

    fn earned_without_registration(&self, definition: &CompiledDefinition) -> Option<MemberId> {
        let live = self.document.ledger.chain(&self.slot(definition))?.live()?;
        (live.metadata.registration == RegistrationKind::Automatic).then_some(live.member_id)
    }

    /// What the registration's step would give, after refunds where they leave anything.
    fn offer(
        &self,
        definition: &CompiledDefinition,
        merits: &Entitlement,
        left: Option<&Decimal>,
    ) -> Offer {
        let entitlement = Entitlement {
            amount: left.copied().unwrap_or(merits.amount),
            ..merits.clone()
        };
        let ledger = &self.document.ledger;
        ledger.offer(&self.slot(definition), &entitlement, self.world)
    }

    fn was_member_at_trigger(&self) -> bool {
        let claim = self.claim;
        self.world
            .members
            .member_at(claim.program_id, claim.customer_id, claim.position)
            .is_some_and(|member| member.in_force_at(self.place).is_some())
    }
}

/// The definitions that wait for a trigger that the line has not had: a registration would be too early.
fn weigh_untriggered(
    world: World<'_>,
    current: &PublishedProgram,
    claim: &Claim<'_>,
    scope: &LineScope,
    kind: TriggerKind,
    assessment: &mut Assessment,
) {
    let member = world
        .members
        .member_at(claim.program_id, claim.customer_id, claim.position);
    let mut matching = current
        .compiled
        .definitions(kind)
        .filter(|definition| would_match(definition, scope, kind, member.as_ref(), claim.position));
    if current.compiled.program.active {
        assessment.reasons.extend(matching.map(|definition| {
            Reason::of_definition(
                ReasonCode::NotTriggered,
                definition,
                format!("it gives points at {}, which has not come", kind.name()),
            )
        }));
    } else {
        assessment.waits_for_inactive |= matching.next().is_some();
    }
}
