//! What the system says: the ticket system's events, as CloudEvents.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::fact::TicketId;
use crate::ticket::{Ticket, Word};

/// An event that is to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The subject to publish it on.
    pub subject: String,
    /// Its id, which is the same when it is sent again.
    pub id: String,
    /// The CloudEvent.
    pub event: Value,
}

impl Answer {
    /// What `word` is to farelog. `at` is when it came true, so that the event is the same whenever it is made.
    pub fn new(id: TicketId, ticket: &Ticket, word: Word, at: DateTime<Utc>) -> Self {
        let (event_type, name) = match word {
            Word::Added | Word::AddedInUse => ("TicketDistributionAdded", "added"),
            Word::Failed => ("TicketDistributionFailed", "failed"),
            Word::Cancelled => ("TicketDistributionCancelled", "cancelled"),
            Word::Activated => ("TicketActivated", "activated"),
            Word::CancelledExternally => (
                "TicketDistributionCancelledExternally",
                "cancelled-externally",
            ),
        };
        let mut data = json!({
            "orderId": ticket.order_id,
            "orderLineId": ticket.order_line_id,
            "ticketDistributionId": id,
        });
        match word {
            Word::Added | Word::AddedInUse => {
                data["fareContractRef"] = json!(ticket.fare_contract_ref);
                data["customerAccountRef"] = json!(ticket.customer_account_ref);
                if word == Word::AddedInUse {
                    data["status"] = json!("ACTIVATED");
                }
            }
            Word::Failed => data["reason"] = json!("the card could not be reached"),
            Word::Activated => data["activatedAt"] = json!(at),
            Word::CancelledExternally => data["reason"] = json!("reported as stolen"),
            Word::Cancelled => {}
        }
        // A ticket fails more than once, and all else is said of it once.
        let event_id = match word {
            Word::Failed => format!("{id}-{name}-{}", ticket.failures),
            _ => format!("{id}-{name}"),
        };
        Self {
            subject: format!("orders.{}", ticket.order_id),
            event: json!({
                "specversion": "1.0",
                "id": event_id,
                "source": "/nod-simulator",
                "type": event_type,
                "time": at,
                "data": data,
            }),
            id: event_id,
        }
    }
}
