//! The data of deferred registrations, recorded by farelog (domain, section 4).

use serde::{Deserialize, Serialize};

use crate::id::{CustomerId, MemberId, OrderId, OrderLineId, ProgramId};

/// `DeferredRegistrationAccepted` and `DeferredRegistrationRevoked`: the points of a line, in one program, are a
/// customer's from here on, or no longer.
///
/// What points that gives is for the projection to say; the time of the event is the time of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeferredRegistration {
    /// The program.
    pub program_id: ProgramId,
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The customer who claims the line.
    pub customer_id: CustomerId,
    /// The customer's member at the time of the request.
    pub member_id: MemberId,
}
