//! What generating an order's groups would change: the one plan that the decision asks and the fold carries out.

use farelog_events::id::{CustomerId, OrderLineId, OrderLineVersion, OrganisationId};
use farelog_events::order::{FulfillmentMethod, OrderCreated, OrderLine};

use super::fact::CancellationCause;
use super::group::{Group, Groups, Slot, Ticket};
use super::status::DistributionStatus;
use crate::order::state::EndKind;
use crate::order::{LineState, OrderState};

/// What a line's group takes from the order, besides its tickets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Basis<'a> {
    pub(super) order_line_version: OrderLineVersion,
    pub(super) fulfillment_method: FulfillmentMethod,
    pub(super) organisation_id: Option<OrganisationId>,
    pub(super) order_owner_customer_id: Option<&'a CustomerId>,
    pub(super) distribution_holder_customer_id: Option<&'a CustomerId>,
    pub(super) customer_account_ref: Option<&'a str>,
}

impl<'a> Basis<'a> {
    fn of_line(state: &OrderState<'a>, line: &'a OrderLine) -> Self {
        let details = line.distribution_details.as_ref();
        let owner = state.owner();
        Self {
            order_line_version: line.order_line_version,
            fulfillment_method: fulfillment_method(line),
            organisation_id: state
                .order_created()
                .and_then(OrderCreated::organisation_id),
            order_owner_customer_id: owner,
            distribution_holder_customer_id: details
                .and_then(|details| details.distribution_holder_customer_id.as_ref())
                .or(line.customer_id.as_ref())
                .or(owner),
            customer_account_ref: details
                .and_then(|details| details.customer_account_ref.as_deref()),
        }
    }

    fn of_group(group: &'a Group) -> Self {
        let Group {
            group,
            line_account_ref,
        } = group;
        Self {
            order_line_version: group.updated_for_order_line_version,
            fulfillment_method: group.fulfillment_method,
            organisation_id: group.organisation_id,
            order_owner_customer_id: group.order_owner_customer_id.as_ref(),
            distribution_holder_customer_id: group.distribution_holder_customer_id.as_ref(),
            customer_account_ref: line_account_ref.as_deref(),
        }
    }
}

/// What becomes of a ticket that stands for a product of a line, or of a product that has none. Tickets are counted
/// as they stand in their group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TicketChange {
    /// The ticket is in use: it stays what it is and stands for what its product became.
    Adopt { ticket: usize, slot: Slot },
    /// The ticket is void. One that is in use stays, and stands for no product any more.
    Drop { ticket: usize },
    /// A new ticket is generated.
    Generate { slot: Slot },
}

/// What generating would change for one line.
#[derive(Debug)]
pub(super) struct LinePlan<'e> {
    pub(super) line: &'e OrderLineId,
    pub(super) basis: Basis<'e>,
    /// Whether the line has no group yet.
    pub(super) is_new: bool,
    /// Those that take a ticket away come before those that add one.
    pub(super) changes: Vec<TicketChange>,
}

impl LinePlan<'_> {
    /// How many tickets it would generate.
    pub(super) fn tickets_generated(&self) -> usize {
        self.changes
            .iter()
            .filter(|change| matches!(change, TicketChange::Generate { .. }))
            .count()
    }

    /// Whether it takes away this ticket of the line's group.
    pub(super) fn drops(&self, ticket: usize) -> bool {
        self.changes.contains(&TicketChange::Drop { ticket })
    }
}

/// What generating would change, by line; empty when the groups are as generating would leave them (domain, section 5,
/// rule 1).
pub(super) fn plan<'e>(state: &OrderState<'e>, groups: &Groups) -> Vec<LinePlan<'e>> {
    state
        .lines
        .values()
        .filter(|line| fallen(line).is_none())
        .filter_map(|line| {
            let line = line.confirmation?.line;
            plan_line(state, line, groups.of_line(&line.order_line_id))
        })
        .collect()
}

fn plan_line<'e>(
    state: &OrderState<'e>,
    line: &'e OrderLine,
    group: Option<&Group>,
) -> Option<LinePlan<'e>> {
    let basis = Basis::of_line(state, line);
    let changes = ticket_changes(slots(line), group.map_or(&[], Group::tickets));
    let is_changed = !changes.is_empty() || group.map(Basis::of_group) != Some(basis);
    is_changed.then_some(LinePlan {
        line: &line.order_line_id,
        basis,
        is_new: group.is_none(),
        changes,
    })
}

/// Why the line has no tickets, and those it had are void; `None` while it stands (domain, section 5, rules 1 and 2).
pub(super) fn fallen(line: &LineState<'_>) -> Option<CancellationCause> {
    if let Some(end) = line.end() {
        return Some(match end.kind {
            EndKind::Cancelled => CancellationCause::OrderLineCancelled,
            EndKind::Replaced => CancellationCause::OrderLineReplaced,
            EndKind::OrderCancelled => CancellationCause::OrderCancelled,
        });
    }
    let Some(confirmation) = line.confirmation else {
        return Some(CancellationCause::OrderLineNotConfirmed);
    };
    line.is_refunded_in_full(&confirmation.line.price)
        .then_some(CancellationCause::OrderLineRefunded)
}

fn fulfillment_method(line: &OrderLine) -> FulfillmentMethod {
    line.distribution_details
        .as_ref()
        .map_or_else(FulfillmentMethod::default, |details| {
            details.fulfillment_method
        })
}

/// The main products of a line.
fn slots(line: &OrderLine) -> Vec<Slot> {
    line.fare_products
        .iter()
        .filter(|product| product.main)
        .map(|product| Slot {
            fare_product_id: product.id.to_string(),
            validity: line.validity,
            fulfillment_method: fulfillment_method(line),
        })
        .collect()
}

/// Pairs a line's main products with the tickets that stand for one: first those that are the same, then those of
/// the same product, then what is left in order. A pair that is not the same is a change of the ticket's product.
fn ticket_changes(slots: Vec<Slot>, tickets: &[Ticket]) -> Vec<TicketChange> {
    let mut standing: Vec<(usize, &Ticket, &Slot)> = tickets
        .iter()
        .enumerate()
        .filter_map(|(index, ticket)| Some((index, ticket, ticket.stands_for.as_ref()?)))
        .collect();
    standing.sort_by_key(|(_, ticket, _)| pairing_rank(ticket.status()));

    let mut unpaired: Vec<Slot> = Vec::new();
    for slot in slots {
        match standing.iter().position(|(_, _, other)| **other == slot) {
            Some(same) => {
                standing.remove(same);
            }
            None => unpaired.push(slot),
        }
    }

    let mut taken = Vec::new();
    let mut added = Vec::new();
    let mut change = |(ticket, current, _): (usize, &Ticket, &Slot), slot: Slot| {
        if current.status() == DistributionStatus::Activated {
            taken.push(TicketChange::Adopt { ticket, slot });
        } else {
            taken.push(TicketChange::Drop { ticket });
            added.push(TicketChange::Generate { slot });
        }
    };
    let mut of_other_products = Vec::new();
    for slot in unpaired {
        let of_same_product = standing
            .iter()
            .position(|(_, _, other)| other.fare_product_id == slot.fare_product_id);
        match of_same_product {
            Some(index) => change(standing.remove(index), slot),
            None => of_other_products.push(slot),
        }
    }
    let mut rest = standing.into_iter();
    let mut without_ticket = Vec::new();
    for slot in of_other_products {
        match rest.next() {
            Some(ticket) => change(ticket, slot),
            None => without_ticket.push(TicketChange::Generate { slot }),
        }
    }
    taken.extend(rest.map(|(ticket, ..)| TicketChange::Drop { ticket }));
    taken.append(&mut added);
    taken.append(&mut without_ticket);
    taken
}

/// Where there are more tickets than products, the one that can't be taken back is paired first, and one that is void
/// or never came into being last.
fn pairing_rank(status: DistributionStatus) -> u8 {
    match status {
        DistributionStatus::Activated => 0,
        DistributionStatus::Distributed
        | DistributionStatus::Requested
        | DistributionStatus::Generated => 1,
        DistributionStatus::Failed => 2,
        DistributionStatus::Cancelled | DistributionStatus::CancelledExternally => 3,
    }
}
