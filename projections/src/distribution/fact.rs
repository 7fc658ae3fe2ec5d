//! What goes out to the ticket systems, as data. Sending it is the outbox's part.

use chrono::{DateTime, Utc};
use farelog_events::distribution::{Language, TicketDistributionRequested, TravelCard};
use farelog_events::id::{
    CustomerId, GroupId, OrderId, OrderLineId, OrderLineVersion, OrderVersion, OrganisationId,
    TicketDistributionId,
};
use farelog_events::order::FulfillmentMethod;
use serde::{Deserialize, Serialize};

use super::group::{Ticket, TicketDistributionGroup};

/// A fact for a ticket system, one ticket each. In JSON `{"type": …, "data": {…}}`, which are `type` and `data` of the
/// CloudEvent that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum DistributionFact {
    /// The ticket is to be made.
    TicketRequested(Box<TicketRequested>),
    /// The ticket is void.
    TicketCancelled(Box<TicketCancelled>),
}

impl DistributionFact {
    /// That the ticket at this index of its group is void.
    pub(super) fn cancelled(
        group: &TicketDistributionGroup<Ticket>,
        ticket: usize,
        cause: CancellationCause,
        cancelled_at: DateTime<Utc>,
    ) -> Self {
        let ticket = &group.ticket_distributions[ticket];
        Self::TicketCancelled(Box::new(TicketCancelled {
            order_id: group.order_id.clone(),
            order_line_id: group.order_line_id.clone(),
            ticket_distribution_group_id: group.id,
            ticket_distribution_id: ticket.distribution.id,
            fulfillment_method: ticket.fulfillment_method,
            fare_contract_ref: ticket.distribution.fare_contract_ref.clone(),
            customer_account_ref: ticket.distribution.customer_account_ref.clone(),
            cause,
            cancelled_at,
        }))
    }

    /// The type in the envelope.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TicketRequested(_) => "TicketRequested",
            Self::TicketCancelled(_) => "TicketCancelled",
        }
    }

    /// The subject that it goes out on: `farelog.distributions.<fulfillmentMethod>.<orderId>` (contract, section 2).
    pub fn subject(&self) -> String {
        let (method, order_id) = match self {
            Self::TicketRequested(fact) => (fact.fulfillment_method, &fact.order_id),
            Self::TicketCancelled(fact) => (fact.fulfillment_method, &fact.order_id),
        };
        format!("farelog.distributions.{}.{order_id}", method.as_str())
    }

    /// The ticket.
    pub fn ticket_distribution_id(&self) -> TicketDistributionId {
        match self {
            Self::TicketRequested(fact) => fact.ticket_distribution_id,
            Self::TicketCancelled(fact) => fact.ticket_distribution_id,
        }
    }
}

/// A ticket that is to be made, with all that the ticket system needs. What it makes of it comes back as
/// `TicketDistributionAdded` or `TicketDistributionFailed` with the same ids.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketRequested {
    /// The order.
    pub order_id: OrderId,
    /// The round of the order.
    pub order_version: OrderVersion,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The version of the line.
    pub order_line_version: OrderLineVersion,
    /// The group.
    pub ticket_distribution_group_id: GroupId,
    /// The ticket. The same in a second request after a failure.
    pub ticket_distribution_id: TicketDistributionId,
    /// The ticket system.
    pub fulfillment_method: FulfillmentMethod,
    /// The product.
    pub fare_product_id: String,
    /// From when it is valid.
    pub start_of_validity: Option<DateTime<Utc>>,
    /// Until when it is valid.
    pub end_of_validity: Option<DateTime<Utc>>,
    /// The ticket's language.
    pub language: Language,
    /// Not to be delivered before.
    pub deliver_after: Option<DateTime<Utc>>,
    /// How the QR code is checked.
    pub qr_checksum_type: Option<String>,
    /// The travel card to write to.
    pub travel_card: Option<TravelCard>,
    /// The fare contract, if the ticket system named one before.
    pub fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    pub customer_account_ref: Option<String>,
    /// Who bought.
    pub order_owner_customer_id: Option<CustomerId>,
    /// Who holds the ticket.
    pub distribution_holder_customer_id: Option<CustomerId>,
    /// The organisation that sold the order.
    pub organisation_id: Option<OrganisationId>,
    /// The distribution channel that asked.
    #[serde(rename = "distributedByDCI")]
    pub distributed_by_dci: Option<String>,
    /// The organisation that asked.
    pub distributed_by_org_id: Option<OrganisationId>,
    /// The point of sale that asked.
    pub pos: Option<String>,
    /// When.
    pub requested_at: DateTime<Utc>,
}

impl TicketRequested {
    pub(super) fn new(
        group: &TicketDistributionGroup<Ticket>,
        ticket: &Ticket,
        request: &TicketDistributionRequested,
        requested_at: DateTime<Utc>,
    ) -> Self {
        let distribution = ticket.distribution.clone();
        Self {
            order_id: group.order_id.clone(),
            order_version: group.order_version,
            order_line_id: group.order_line_id.clone(),
            order_line_version: group.updated_for_order_line_version,
            ticket_distribution_group_id: group.id,
            ticket_distribution_id: distribution.id,
            fulfillment_method: ticket.fulfillment_method,
            fare_product_id: distribution.fare_product_id,
            start_of_validity: distribution.start_of_validity,
            end_of_validity: distribution.end_of_validity,
            language: distribution.language,
            deliver_after: distribution.deliver_after,
            qr_checksum_type: distribution.qr_checksum_type,
            travel_card: request.travel_card.clone(),
            fare_contract_ref: distribution.fare_contract_ref,
            customer_account_ref: distribution.customer_account_ref,
            order_owner_customer_id: group.order_owner_customer_id.clone(),
            distribution_holder_customer_id: group.distribution_holder_customer_id.clone(),
            organisation_id: group.organisation_id,
            distributed_by_dci: group.distributed_by_dci.clone(),
            distributed_by_org_id: group.distributed_by_org_id,
            pos: request.pos.clone(),
            requested_at,
        }
    }
}

/// Why a ticket is void.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancellationCause {
    /// Its line was cancelled.
    OrderLineCancelled,
    /// Its line was exchanged for others.
    OrderLineReplaced,
    /// Its order was cancelled.
    OrderCancelled,
    /// Its line was refunded in full.
    OrderLineRefunded,
    /// Its line changed, and another ticket stands for the product or none does.
    OrderLineChanged,
    /// Its line turned out not to be confirmed: an event that comes before the confirmation arrived after it.
    OrderLineNotConfirmed,
}

/// A ticket that was sent out and is void.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketCancelled {
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The group.
    pub ticket_distribution_group_id: GroupId,
    /// The ticket.
    pub ticket_distribution_id: TicketDistributionId,
    /// The ticket system that has it.
    pub fulfillment_method: FulfillmentMethod,
    /// The fare contract, if the ticket system has named it.
    pub fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    pub customer_account_ref: Option<String>,
    /// Why.
    pub cause: CancellationCause,
    /// When farelog cancelled it.
    pub cancelled_at: DateTime<Utc>,
}
