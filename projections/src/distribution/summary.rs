//! The tickets of an order by the names that the ticket systems gave them.

use farelog_events::id::OrderId;
use serde::{Deserialize, Serialize};

use super::group::{Groups, TicketDistribution};

/// What the ticket systems call an order's tickets (contract, "Groups").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionSummary {
    /// The order.
    pub order_id: OrderId,
    /// Distinct; each has at least one of its two fields.
    pub distributions: Vec<SummaryRow>,
}

/// A fare contract and the account that it is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SummaryRow {
    /// The fare contract in the ticket system.
    pub fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    pub customer_account_ref: Option<String>,
}

/// Sums up an order's tickets, in the order in which they were generated.
///
/// A fare contract stays in the summary when its ticket becomes void: it is still there at the ticket system. A ticket
/// that became void before it had one is not.
pub fn summary(order_id: &OrderId, groups: &Groups) -> DistributionSummary {
    let mut distributions: Vec<SummaryRow> = Vec::new();
    for ticket in groups
        .ticket_distributions()
        .filter(|ticket| counts(ticket))
    {
        let row = SummaryRow {
            fare_contract_ref: ticket.fare_contract_ref.clone(),
            customer_account_ref: ticket.customer_account_ref.clone(),
        };
        if !distributions.contains(&row) {
            distributions.push(row);
        }
    }
    DistributionSummary {
        order_id: order_id.clone(),
        distributions,
    }
}

fn counts(ticket: &TicketDistribution) -> bool {
    ticket.fare_contract_ref.is_some()
        || (ticket.customer_account_ref.is_some() && !ticket.status.is_ended())
}
