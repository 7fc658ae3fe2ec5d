//! A customer's membership of a program, with its history.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrganisationId, ProgramId};
use farelog_events::log::Position;
use farelog_events::member::Membership;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::timestamp;

/// What happened to a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemberChangeKind {
    /// The customer enrolled, or enrolled again.
    Enrolled,
    /// What is kept about the member changed.
    Updated,
    /// The customer left.
    Withdrawn,
}

/// A change of a membership, with what holds from it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberChange {
    /// The record that brought it.
    pub position: Position,
    /// When that was recorded.
    #[serde(serialize_with = "timestamp::serialize")]
    pub recorded_at: DateTime<Utc>,
    /// What happened.
    pub kind: MemberChangeKind,
    /// The member's number in another system, from here on.
    pub external_reference: Option<String>,
    /// The organisation that enrolled the customer.
    pub organisation_id: Option<OrganisationId>,
    /// What the publisher keeps about the member, from here on.
    pub metadata: Map<String, Value>,
}

/// A member of a program: one per program and customer, however often the customer leaves and comes back (domain,
/// section 3, rule 12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Made from the position of the first enrolment.
    pub id: MemberId,
    /// The program.
    pub program_id: ProgramId,
    /// The customer.
    pub customer_id: CustomerId,
    /// Every change, in log order; the first is an enrolment.
    pub history: Vec<MemberChange>,
}

impl Member {
    /// The last change at or before `position`.
    pub fn at(&self, position: Position) -> Option<&MemberChange> {
        let after = self
            .history
            .partition_point(|change| change.position <= position);
        self.history.get(after.checked_sub(1)?)
    }

    /// What holds at `position`, if the membership is in force there.
    pub fn in_force_at(&self, position: Position) -> Option<&MemberChange> {
        self.at(position)
            .filter(|change| change.kind != MemberChangeKind::Withdrawn)
    }

    /// Whether the membership is in force now.
    pub fn is_active(&self) -> bool {
        self.in_force_at(Position::MAX).is_some()
    }

    /// Takes in a change; fields that the event leaves out stay as they were.
    pub fn change(
        &mut self,
        kind: MemberChangeKind,
        position: Position,
        recorded_at: DateTime<Utc>,
        event: &Membership,
    ) {
        let before = self.history.last();
        let change = MemberChange {
            position,
            recorded_at,
            // An update of a member who has left changes what is kept, not that they have left.
            kind: match (kind, before.map(|change| change.kind)) {
                (MemberChangeKind::Updated, Some(MemberChangeKind::Withdrawn)) => {
                    MemberChangeKind::Withdrawn
                }
                _ => kind,
            },
            external_reference: event
                .external_reference
                .clone()
                .or_else(|| before?.external_reference.clone()),
            organisation_id: event.organisation_id.or_else(|| before?.organisation_id),
            metadata: event
                .metadata
                .clone()
                .or_else(|| Some(before?.metadata.clone()))
                .unwrap_or_default(),
        };
        self.history.push(change);
    }
}
