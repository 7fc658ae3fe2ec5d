//! The data of events about customers as members of programs (domain, section 1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{CustomerId, OrganisationId, ProgramId};

/// `MemberEnrolled`, `MemberUpdated` and `MemberWithdrawn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The program by its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_id: Option<ProgramId>,
    /// The program by its reference, where there is no id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program_reference: Option<String>,
    /// The customer.
    pub customer_id: CustomerId,
    /// The member's number in another system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_reference: Option<String>,
    /// The organisation that enrolled the customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation_id: Option<OrganisationId>,
    /// What the publisher keeps about the member; expressions see it as `member.metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
}

/// `CustomersMerged`: from here on the first customer is the second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomersMerged {
    /// The customer that becomes an alias.
    pub customer_id: CustomerId,
    /// The customer that it is merged into.
    pub merged_into_customer_id: CustomerId,
}
