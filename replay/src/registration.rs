//! Deferred registration of an order line to a customer, and its revocation.

use chrono::{DateTime, Utc};
use farelog_events::event::{About, EventData, EventKind, NewEvent, OWN_SOURCE};
use farelog_events::id::{
    CustomerId, MemberId, OrderId, OrderLineId, PointDefinitionId, ProgramId, id_from_position,
};
use farelog_events::json::JsonText;
use farelog_events::log::Position;
use farelog_events::registration::DeferredRegistration;
use farelog_projections::document::OrderDocument;
use farelog_projections::order::{DecodedRecord, OrderEvent};
use farelog_projections::points::entitlement::World;
use farelog_projections::points::registration::{Claim, Reason, ReasonCode, Registration, assess};
use farelog_projections::points::transaction::decimal_as_number;
use farelog_projections::points::{RegistrationKind, Transaction};
use farelog_projections::{ProjectionError, Projections};
use rust_decimal::Decimal;
use serde::Serialize;
use smol_str::SmolStr;
use thiserror::Error;

/// A wish to give a line's points to a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationCommand {
    /// The program.
    pub program_id: ProgramId,
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// Who claims the points.
    pub customer_id: CustomerId,
}

/// A wish to take a registration back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationCommand {
    /// The program.
    pub program_id: ProgramId,
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
}

/// What a decision is made with, besides the projections.
#[derive(Debug, Clone)]
pub struct DecisionContext {
    /// The end of the log, which the projections have reached.
    pub head: Position,
    /// The time of the request.
    pub now: DateTime<Utc>,
    /// What connects the event with the request.
    pub correlation_id: Option<SmolStr>,
}

/// What a definition gave for a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GrantedDefinition {
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its reference.
    pub point_definition_reference: Option<String>,
    /// The points of its transactions that are not cancelled.
    #[serde(serialize_with = "decimal_as_number")]
    pub amount: Decimal,
    /// The transactions, oldest first.
    pub transactions: Vec<Transaction>,
}

/// A registration that holds.
#[derive(Debug)]
pub struct Registered {
    /// The event to record; `None` where the same registration was accepted before.
    pub event: Option<NewEvent>,
    /// The points: of a new registration as they will be given, without ids; of a repeated one as they stand.
    pub granted: Vec<GrantedDefinition>,
}

/// A registration that was taken back.
#[derive(Debug)]
pub struct Revoked {
    /// The event to record; `None` where it was taken back before.
    pub event: Option<NewEvent>,
    /// The log position of the registration.
    pub accepted: Position,
}

/// Why a registration or a revocation was not accepted.
#[derive(Debug, Error)]
pub enum RegistrationRefused {
    /// No such program was published.
    #[error("there is no program {0}")]
    UnknownProgram(ProgramId),
    /// The line gives no points to this customer, for these reasons.
    #[error("no points can be given: {}", details(.0))]
    Reasons(Vec<Reason>),
    /// There is no registration to take back.
    #[error("the order line is not registered to anyone in this program")]
    NotRegistered,
    /// The projections could not be read.
    #[error(transparent)]
    Projections(#[from] ProjectionError),
}

fn details(reasons: &[Reason]) -> String {
    let details: Vec<&str> = reasons
        .iter()
        .map(|reason| reason.detail.as_str())
        .collect();
    details.join("; ")
}

/// Decides on a deferred registration.
///
/// The same registration again gives the transactions of the first, as they stand now, and nothing to record. A dry
/// run is this decision with the event left aside.
///
/// # Errors
/// [`RegistrationRefused`], with every reason that applies.
pub fn register(
    projections: &Projections,
    context: &DecisionContext,
    command: &RegistrationCommand,
) -> Result<Registered, RegistrationRefused> {
    let document = projections.order(&command.order_id)?.value;
    projections.with_world(|world| {
        if world.programs.current(command.program_id).is_none() {
            return Err(RegistrationRefused::UnknownProgram(command.program_id));
        }
        let document = document.ok_or_else(|| {
            whole_line(
                ReasonCode::OrderUnknown,
                format!("there is no order {}", command.order_id),
            )
        })?;
        if let Some(registration) =
            document.registration(command.program_id, &command.order_line_id)
            && world
                .members
                .customers_at(&command.customer_id, context.head)
                .contains(&registration.customer_id)
        {
            return Ok(Registered {
                event: None,
                granted: granted(registration, &document),
            });
        }
        let member_id = claimant(&document, world, context, command)?;
        accept(&document, world, context, command, member_id)
    })?
}

/// Looks for what settles the whole line, one after the other, before definitions are looked at.
fn claimant(
    document: &OrderDocument,
    world: World<'_>,
    context: &DecisionContext,
    command: &RegistrationCommand,
) -> Result<MemberId, RegistrationRefused> {
    let state = document.state();
    let line_id = &command.order_line_id;
    let Some(line) = state.lines.get(line_id).filter(|line| line.known) else {
        return Err(whole_line(
            ReasonCode::OrderLineUnknown,
            format!("order {} has no line {line_id}", command.order_id),
        ));
    };
    if line.confirmation.is_none() {
        return Err(whole_line(
            ReasonCode::NotConfirmed,
            format!("order line {line_id} is not confirmed"),
        ));
    }
    let member = world
        .members
        .member_at(command.program_id, &command.customer_id, context.head)
        .filter(|member| member.in_force_at(context.head).is_some());
    let Some(member) = member else {
        return Err(whole_line(
            ReasonCode::CustomerNotMember,
            format!(
                "customer {} is not a member of program {}",
                command.customer_id, command.program_id
            ),
        ));
    };
    if document.registration(command.program_id, line_id).is_some() {
        return Err(whole_line(
            ReasonCode::RegisteredToAnother,
            format!("order line {line_id} is registered to another customer"),
        ));
    }
    Ok(member.id)
}

/// Replays the line with the registration in place; what that gives is what will be given.
fn accept(
    document: &OrderDocument,
    world: World<'_>,
    context: &DecisionContext,
    command: &RegistrationCommand,
    member_id: MemberId,
) -> Result<Registered, RegistrationRefused> {
    let data = DeferredRegistration {
        program_id: command.program_id,
        order_id: command.order_id.clone(),
        order_line_id: command.order_line_id.clone(),
        customer_id: command.customer_id.clone(),
        member_id,
    };
    let event = own_event(EventKind::DeferredRegistrationAccepted, &data, context)?;
    let position = context.head + 1;
    let mut replayed = document.clone();
    replayed.apply(
        OrderEvent::from(DecodedRecord {
            position,
            recorded_at: context.now,
            source: event.source.clone(),
            id: event.id.clone(),
            time: event.time,
            kind: EventKind::DeferredRegistrationAccepted,
            data: EventData::DeferredRegistrationAccepted(data),
            json: event.data.clone(),
        }),
        world,
    );
    let mut granted = replayed
        .registration(command.program_id, &command.order_line_id)
        .map(|registration| granted(registration, &replayed))
        .unwrap_or_default();
    if granted.is_empty() {
        return Err(RegistrationRefused::Reasons(reasons(
            document, world, context, command, member_id,
        )));
    }
    for transaction in granted.iter_mut().flat_map(|g| &mut g.transactions) {
        transaction.id = None;
        transaction.created_at = None;
        // A period that the registration would open has no id yet either.
        transaction.point_period_id = transaction
            .point_period_id
            .filter(|id| Some(*id) < id_from_position(position, 0));
    }
    Ok(Registered {
        event: Some(event),
        granted,
    })
}

fn reasons(
    document: &OrderDocument,
    world: World<'_>,
    context: &DecisionContext,
    command: &RegistrationCommand,
    member_id: MemberId,
) -> Vec<Reason> {
    let state = document.state();
    let claim = Claim {
        program_id: command.program_id,
        order_line_id: &command.order_line_id,
        customer_id: &command.customer_id,
        member_id,
        requested_at: context.now,
        position: context.head + 1,
    };
    state
        .lines
        .get(&command.order_line_id)
        .map(|line| assess(document, &state, line, world, &claim).reasons)
        .unwrap_or_default()
}

/// The points that the accepted registration of this line holds, as they stand: what the answer to a request shows
/// once its event is projected.
///
/// # Errors
/// The projections could not be read.
pub fn granted_now(
    projections: &Projections,
    command: &RegistrationCommand,
) -> Result<Vec<GrantedDefinition>, ProjectionError> {
    let document = projections.order(&command.order_id)?.value;
    Ok(document
        .as_ref()
        .and_then(|document| {
            let registration = document.registration(command.program_id, &command.order_line_id)?;
            Some(granted(registration, document))
        })
        .unwrap_or_default())
}

/// Decides on the revocation of a deferred registration. Revoking again gives nothing to record.
///
/// # Errors
/// [`RegistrationRefused::UnknownProgram`], or [`RegistrationRefused::NotRegistered`].
pub fn revoke(
    projections: &Projections,
    context: &DecisionContext,
    command: &RevocationCommand,
) -> Result<Revoked, RegistrationRefused> {
    if projections.programs().current(command.program_id).is_none() {
        return Err(RegistrationRefused::UnknownProgram(command.program_id));
    }
    let document = projections.order(&command.order_id)?.value;
    let registration = document
        .as_ref()
        .and_then(|document| last_registration(document, command))
        .ok_or(RegistrationRefused::NotRegistered)?;
    let event = if registration.revoked.is_some() {
        None
    } else {
        let data = DeferredRegistration {
            program_id: registration.program_id,
            order_id: command.order_id.clone(),
            order_line_id: registration.order_line_id.clone(),
            customer_id: registration.customer_id.clone(),
            member_id: registration.member_id,
        };
        Some(own_event(
            EventKind::DeferredRegistrationRevoked,
            &data,
            context,
        )?)
    };
    Ok(Revoked {
        event,
        accepted: registration.accepted,
    })
}

/// The transactions of the last registration of a line, revoked or not, as they stand.
///
/// # Errors
/// The projections could not be read.
pub fn transactions_of_last_registration(
    projections: &Projections,
    command: &RevocationCommand,
) -> Result<Vec<Transaction>, ProjectionError> {
    let document = projections.order(&command.order_id)?.value;
    Ok(document
        .as_ref()
        .and_then(|document| {
            let registration = last_registration(document, command)?;
            Some(transactions_of(registration, document))
        })
        .unwrap_or_default())
}

fn last_registration<'d>(
    document: &'d OrderDocument,
    command: &RevocationCommand,
) -> Option<&'d Registration> {
    document.registrations.iter().rev().find(|registration| {
        registration.program_id == command.program_id
            && registration.order_line_id == command.order_line_id
    })
}

/// A registration's transactions, oldest first, those that were cancelled since included.
fn transactions_of(registration: &Registration, document: &OrderDocument) -> Vec<Transaction> {
    document
        .ledger
        .transactions()
        .into_iter()
        .filter(|transaction| {
            transaction.program_id == registration.program_id
                && transaction.metadata.order_line_id == registration.order_line_id
                && transaction.metadata.registration == RegistrationKind::Deferred
                && transaction
                    .id
                    .is_some_and(|id| id.position() >= registration.accepted)
                && registration
                    .revoked
                    .is_none_or(|revoked| transaction.id.is_some_and(|id| id.position() < revoked))
        })
        .cloned()
        .collect()
}

fn granted(registration: &Registration, document: &OrderDocument) -> Vec<GrantedDefinition> {
    let mut granted: Vec<GrantedDefinition> = Vec::new();
    for transaction in transactions_of(registration, document) {
        let amount = if transaction.is_live() {
            transaction.amount
        } else {
            Decimal::ZERO
        };
        let known = granted
            .iter_mut()
            .find(|g| g.point_definition_id == transaction.point_definition_id);
        match known {
            Some(definition) => {
                definition.amount += amount;
                definition.transactions.push(transaction);
            }
            None => granted.push(GrantedDefinition {
                point_definition_id: transaction.point_definition_id,
                point_definition_reference: transaction.point_definition_reference.clone(),
                amount,
                transactions: vec![transaction],
            }),
        }
    }
    granted
}

fn whole_line(code: ReasonCode, detail: String) -> RegistrationRefused {
    RegistrationRefused::Reasons(vec![Reason::of_line(code, detail)])
}

/// An event of farelog's own. Its id is made from where it will stand, so that the decision needs no chance.
fn own_event(
    kind: EventKind,
    data: &DeferredRegistration,
    context: &DecisionContext,
) -> Result<NewEvent, RegistrationRefused> {
    Ok(NewEvent {
        source: OWN_SOURCE.into(),
        id: format!("{kind}:{}", context.head + 1).into(),
        event_type: kind.name().into(),
        time: context.now,
        correlation_id: context.correlation_id.clone(),
        about: About::Order(data.order_id.clone()),
        data: JsonText::of(data).map_err(ProjectionError::unwritable)?,
    })
}
