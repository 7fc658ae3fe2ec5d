//! The decisions: whether groups are generated or tickets sent, and what is recorded if so.
//!
//! `Ok(None)` is the answer to a repeat: nothing is appended, and the groups are what the caller asked for already.

use chrono::{DateTime, Utc};
use farelog_events::distribution::{
    Language, TicketDistributionGroupsGenerated, TicketDistributionRequested, TravelCard,
};
use farelog_events::id::{EFFECTS_PER_RECORD_MAX, OrderId, OrderLineId, OrganisationId};
use farelog_events::order::{FulfillmentMethod, OrderCreated};
use thiserror::Error;

use super::group::{Group, Groups};
use super::plan::{LinePlan, plan};
use crate::order::OrderState;

/// The command to generate an order's groups.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generate {
    /// The distribution channel that asks, "DCI".
    pub created_by_dci: Option<String>,
    /// The point of sale that asks.
    pub pos: Option<String>,
    /// The language of the tickets that come of it.
    pub language: Language,
}

/// The command to send tickets to their ticket systems.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Distribute {
    /// The lines whose tickets to send; all when `None`.
    pub order_line_ids: Option<Vec<OrderLineId>>,
    /// Which orders and groups the operation handles.
    pub reach: Reach,
    /// Not to be delivered before.
    pub deliver_after: Option<DateTime<Utc>>,
    /// How the QR code is checked.
    pub qr_checksum_type: Option<String>,
    /// The travel card to write to.
    pub travel_card: Option<TravelCard>,
    /// The distribution channel that asks, "DCI".
    pub distributed_by_dci: Option<String>,
    /// The caller's organisation; the order's stands in for it.
    pub caller_organisation_id: Option<OrganisationId>,
    /// The point of sale that asks.
    pub pos: Option<String>,
    /// The language of the tickets; the one that they were generated in when `None`.
    pub language: Option<Language>,
}

/// Which orders and groups a distribute operation handles (domain, section 5, rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// All: operation 7.
    #[default]
    All,
    /// Orders in their first round, groups of NOD: operations 5 and 6, which are deprecated.
    FirstVersionNod,
}

/// Why nothing is generated or sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DistributionRefusal {
    /// No event of the order has arrived.
    #[error("order {0} is not known: check the id, or wait until its events have arrived")]
    OrderUnknown(OrderId),
    /// No line of the order was ever confirmed.
    #[error("order {0} is not confirmed: confirm it before its tickets are generated")]
    OrderNotConfirmed(OrderId),
    /// The order has no groups.
    #[error(
        "order {0} has no ticket distribution groups: generate them before they are distributed"
    )]
    NotGenerated(OrderId),
    /// A line of the order has no group.
    #[error(
        "order line {0} has no ticket distribution group: once it is confirmed, generate again before it is distributed"
    )]
    LineNotGenerated(OrderLineId),
    /// A line changed, and a ticket that would be sent is for what it was before.
    #[error(
        "order line {0} changed after its tickets were generated: generate again before they are distributed"
    )]
    LineChanged(OrderLineId),
    /// The order has no such line.
    #[error(
        "order {order_id} has no line {order_line_id}: name lines of this order, or none for all"
    )]
    OrderLineUnknown {
        /// The order.
        order_id: OrderId,
        /// The line that was asked for.
        order_line_id: OrderLineId,
    },
    /// A deprecated operation on an order that is past its first round.
    #[error(
        "order {order_id} is in version {order_version} and this operation handles version 1 only: use the \
         distribute operation of ticket distribution groups"
    )]
    OrderVersionNotSupported {
        /// The order.
        order_id: OrderId,
        /// The round that stands.
        order_version: u32,
    },
    /// A deprecated operation on an order that has no group of NOD.
    #[error(
        "order {0} has no group that is fulfilled by NOD, which is all that this operation handles: use the \
         distribute operation of ticket distribution groups"
    )]
    NothingToDistribute(OrderId),
    /// More groups or tickets at once than there are ids for.
    #[error(
        "order {order_id} would get {tickets} tickets in {groups} groups at once and at most {EFFECTS_PER_RECORD_MAX} \
         of each are possible: split it into smaller orders"
    )]
    TooManyTickets {
        /// The order.
        order_id: OrderId,
        /// How many groups would be new.
        groups: usize,
        /// How many tickets would be new.
        tickets: usize,
    },
}

impl DistributionRefusal {
    /// The code in the interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OrderUnknown(_) => "order-unknown",
            Self::OrderNotConfirmed(_) => "order-not-confirmed",
            Self::NotGenerated(_) | Self::LineNotGenerated(_) | Self::LineChanged(_) => {
                "not-generated"
            }
            Self::OrderLineUnknown { .. } => "order-line-unknown",
            Self::OrderVersionNotSupported { .. } => "order-version-not-supported",
            Self::NothingToDistribute(_) => "nothing-to-distribute",
            Self::TooManyTickets { .. } => "too-many-tickets",
        }
    }
}

/// Decides whether the groups of an order are generated, and again after a change (domain, section 5, rule 1).
///
/// `state` is `None` for an order of which no event arrived.
///
/// # Errors
/// `OrderUnknown`, `OrderNotConfirmed`, `TooManyTickets`.
pub fn generate(
    order_id: &OrderId,
    state: Option<&OrderState<'_>>,
    groups: &Groups,
    command: Generate,
) -> Result<Option<TicketDistributionGroupsGenerated>, DistributionRefusal> {
    let state = state.ok_or_else(|| DistributionRefusal::OrderUnknown(order_id.clone()))?;
    let order_version = state
        .confirmed_version
        .ok_or_else(|| DistributionRefusal::OrderNotConfirmed(order_id.clone()))?;
    let plan = plan(state, groups);
    if plan.is_empty() {
        return Ok(None);
    }
    let new_groups = plan.iter().filter(|line| line.is_new).count();
    let new_tickets = plan.iter().map(LinePlan::tickets_generated).sum::<usize>();
    if new_groups.max(new_tickets) > EFFECTS_PER_RECORD_MAX as usize {
        return Err(DistributionRefusal::TooManyTickets {
            order_id: order_id.clone(),
            groups: new_groups,
            tickets: new_tickets,
        });
    }
    let Generate {
        created_by_dci,
        pos,
        language,
    } = command;
    Ok(Some(TicketDistributionGroupsGenerated {
        order_id: order_id.clone(),
        order_version,
        created_by_dci,
        pos,
        language,
    }))
}

/// Decides which tickets of an order are sent: those that were generated and those that failed (domain, section 5,
/// rule 3). A ticket that was asked for once is not sent again, so that a repeated call sends nothing.
///
/// # Errors
/// `OrderUnknown`, `NotGenerated`, `LineNotGenerated`, `LineChanged`, `OrderLineUnknown`; for [`Reach::FirstVersionNod`]
/// also `OrderVersionNotSupported` and `NothingToDistribute`.
pub fn distribute(
    order_id: &OrderId,
    state: Option<&OrderState<'_>>,
    groups: &Groups,
    command: Distribute,
) -> Result<Option<TicketDistributionRequested>, DistributionRefusal> {
    let state = state.ok_or_else(|| DistributionRefusal::OrderUnknown(order_id.clone()))?;
    let lines = command.order_line_ids.as_deref();
    for line in lines.unwrap_or_default() {
        check_line_known(order_id, state, line)?;
    }
    if command.reach == Reach::FirstVersionNod {
        check_first_version(order_id, state)?;
    }
    if groups.is_empty() {
        return Err(DistributionRefusal::NotGenerated(order_id.clone()));
    }
    for line in lines.unwrap_or_default() {
        if groups.of_line(line).is_none() {
            return Err(DistributionRefusal::LineNotGenerated(line.clone()));
        }
    }

    let reached: Vec<&Group> = groups
        .0
        .iter()
        .filter(|group| is_reached(group, command.reach))
        .collect();
    if reached.is_empty() {
        return Err(DistributionRefusal::NothingToDistribute(order_id.clone()));
    }
    let plan = plan(state, groups);
    let mut ids = Vec::new();
    for Group { group, .. } in reached {
        if lines.is_some_and(|lines| !lines.contains(&group.order_line_id)) {
            continue;
        }
        let change = plan.iter().find(|line| *line.line == group.order_line_id);
        for (index, ticket) in group.ticket_distributions.iter().enumerate() {
            if !ticket.status().is_to_be_sent() {
                continue;
            }
            // A ticket for what the line no longer is would have to be taken back at once.
            if change.is_some_and(|change| change.drops(index)) {
                return Err(DistributionRefusal::LineChanged(
                    group.order_line_id.clone(),
                ));
            }
            ids.push(ticket.distribution.id);
        }
    }
    if ids.is_empty() {
        return Ok(None);
    }
    Ok(Some(TicketDistributionRequested {
        order_id: order_id.clone(),
        ticket_distribution_ids: ids,
        distributed_by_dci: command.distributed_by_dci,
        distributed_by_org_id: command.caller_organisation_id.or_else(|| {
            state
                .order_created()
                .and_then(OrderCreated::organisation_id)
        }),
        pos: command.pos,
        language: command.language,
        deliver_after: command.deliver_after,
        qr_checksum_type: command.qr_checksum_type,
        travel_card: command.travel_card,
    }))
}

fn is_reached(group: &Group, reach: Reach) -> bool {
    match reach {
        Reach::All => true,
        Reach::FirstVersionNod => group.group.fulfillment_method == FulfillmentMethod::Nod,
    }
}

fn check_line_known(
    order_id: &OrderId,
    state: &OrderState<'_>,
    line: &OrderLineId,
) -> Result<(), DistributionRefusal> {
    if state.lines.get(line).is_some_and(|line| line.known) {
        return Ok(());
    }
    Err(DistributionRefusal::OrderLineUnknown {
        order_id: order_id.clone(),
        order_line_id: line.clone(),
    })
}

/// An order that has no round confirmed yet is for the other checks to refuse.
fn check_first_version(
    order_id: &OrderId,
    state: &OrderState<'_>,
) -> Result<(), DistributionRefusal> {
    match state.confirmed_version {
        Some(version) if version.get() > 1 => Err(DistributionRefusal::OrderVersionNotSupported {
            order_id: order_id.clone(),
            order_version: version.get(),
        }),
        _ => Ok(()),
    }
}
