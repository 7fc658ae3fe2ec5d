//! What farelog tells a ticket system.

use serde::{Deserialize, Serialize};

/// A ticket's id, `ticketDistributionId`.
pub type TicketId = u64;

/// A message: the CloudEvent that carries a fact. What else it carries is not needed here.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// The same when the fact is sent again.
    pub id: String,
    /// The fact.
    #[serde(flatten)]
    pub fact: Fact,
}

/// A fact about one ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Fact {
    /// The ticket is to be made.
    TicketRequested(TicketNamed),
    /// The ticket is void.
    TicketCancelled(TicketNamed),
}

impl Fact {
    /// The ticket that it is about.
    pub fn ticket(&self) -> &TicketNamed {
        match self {
            Self::TicketRequested(named) | Self::TicketCancelled(named) => named,
        }
    }
}

/// What a fact says of its ticket, as far as the books need it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketNamed {
    /// The order.
    pub order_id: String,
    /// The line.
    pub order_line_id: String,
    /// The ticket.
    pub ticket_distribution_id: TicketId,
    /// The ticket system that is meant.
    pub fulfillment_method: String,
    /// The product; a cancellation does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fare_product_id: Option<String>,
    /// The customer's account, where farelog knows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_account_ref: Option<String>,
}
