//! The data of events between farelog and the ticket systems (domain, sections 1 and 5).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::id::{OrderId, OrderLineId, OrderVersion, OrganisationId, TicketDistributionId};

/// `TicketDistributionAdded`: the ticket system has the ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistributionAdded {
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The distribution.
    pub ticket_distribution_id: TicketDistributionId,
    /// The fare contract in the ticket system.
    pub fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    pub customer_account_ref: Option<String>,
    /// How far the ticket is there, if it says.
    pub status: Option<TicketSystemStatus>,
}

/// What a ticket system says of a ticket that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TicketSystemStatus {
    /// It is there.
    Distributed,
    /// It was taken into use.
    Activated,
}

/// `TicketDistributionCancelled`, `TicketDistributionCancelledExternally` and `TicketDistributionFailed`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistributionEnded {
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The distribution.
    pub ticket_distribution_id: TicketDistributionId,
    /// Why, in the ticket system's words.
    pub reason: Option<String>,
}

/// `TicketDistributionGroupsGenerated`, recorded by farelog: groups were asked for. Which ones is for the
/// projection to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistributionGroupsGenerated {
    /// The order.
    pub order_id: OrderId,
    /// The round that stood.
    pub order_version: OrderVersion,
    /// The distribution channel that asked, "DCI".
    pub created_by_dci: Option<String>,
    /// The point of sale that asked.
    pub pos: Option<String>,
    /// The language of the tickets.
    pub language: Language,
}

/// `TicketDistributionRequested`, recorded by farelog: tickets are handed to their ticket systems.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistributionRequested {
    /// The order.
    pub order_id: OrderId,
    /// The distributions to send.
    pub ticket_distribution_ids: Vec<TicketDistributionId>,
    /// The distribution channel that asked, "DCI".
    pub distributed_by_dci: Option<String>,
    /// The organisation that asked; the order's when the caller has none.
    pub distributed_by_org_id: Option<OrganisationId>,
    /// The point of sale that asked.
    pub pos: Option<String>,
    /// The language of the tickets; as they were generated when absent.
    pub language: Option<Language>,
    /// Not to be delivered before.
    pub deliver_after: Option<DateTime<Utc>>,
    /// How the QR code is checked.
    pub qr_checksum_type: Option<String>,
    /// The travel card to write to.
    pub travel_card: Option<TravelCard>,
}

/// A travel card that tickets are written to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TravelCard {
    /// Whether to activate the ticket at once.
    #[serde(default)]
    pub activate: bool,
    /// The kind of card.
    pub payment_means_type: Option<String>,
    /// The card's number.
    pub media_serial_number_id: String,
}

/// A language of tickets. `nob` when nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Norwegian, bokmål.
    #[default]
    Nob,
    /// Norwegian, nynorsk.
    Nno,
    /// English.
    Eng,
}
