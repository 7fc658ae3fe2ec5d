//! A member as the interface shows it, and what may be said of one.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrganisationId, ProgramId};
use farelog_projections::member::{Member, MemberChangeKind};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::problem::{FieldProblem, Problem};
use crate::errors;

/// Longest reference of a member in another system, in characters.
const EXTERNAL_REFERENCE_CHARS_MAX: usize = 256;

/// A member of a program.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// The same for as long as the log lives, however often the customer leaves and comes back.
    #[schema(value_type = i64)]
    pub(super) id: MemberId,
    /// The program.
    #[schema(value_type = i64)]
    pub(super) program_id: ProgramId,
    /// The customer.
    #[schema(value_type = String)]
    pub(super) customer_id: CustomerId,
    /// The member's number in another system.
    pub(super) external_reference: Option<String>,
    /// The organisation that enrolled the customer.
    #[schema(value_type = Option<i64>)]
    pub(super) organisation_id: Option<OrganisationId>,
    /// What the publisher keeps about the member; expressions see it as `member.metadata`.
    #[schema(value_type = Object)]
    pub(super) metadata: Map<String, Value>,
    /// Whether the membership is in force.
    pub(super) status: MemberStatus,
    /// When the customer enrolled, the last time if more than once.
    pub(super) enrolled_at: Option<DateTime<Utc>>,
    /// When the customer left; null while the membership is in force.
    pub(super) withdrawn_at: Option<DateTime<Utc>>,
    /// When anything of this last changed.
    pub(super) updated_at: Option<DateTime<Utc>>,
}

/// Whether a membership is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MemberStatus {
    /// It is.
    Active,
    /// The customer left.
    Withdrawn,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        let active = member.is_active();
        let last_time_of = |kind| {
            let mut changes = member.history.iter().rev();
            changes
                .find(|change| change.kind == kind)
                .map(|change| change.recorded_at)
        };
        let enrolled_at = last_time_of(MemberChangeKind::Enrolled);
        // An update of a withdrawn member leaves a later `Withdrawn` behind; the first one in a row is when they left.
        let withdrawn_at = member
            .history
            .iter()
            .rev()
            .take_while(|change| change.kind == MemberChangeKind::Withdrawn)
            .last()
            .map(|change| change.recorded_at);
        let last = member.history.last();
        Self {
            external_reference: last.and_then(|change| change.external_reference.clone()),
            organisation_id: last.and_then(|change| change.organisation_id),
            metadata: last
                .map(|change| change.metadata.clone())
                .unwrap_or_default(),
            status: if active {
                MemberStatus::Active
            } else {
                MemberStatus::Withdrawn
            },
            enrolled_at,
            withdrawn_at,
            updated_at: last.map(|change| change.recorded_at),
            id: member.id,
            program_id: member.program_id,
            customer_id: member.customer_id,
        }
    }
}

/// A customer who becomes a member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The customer.
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// The member's number in another system.
    #[schema(min_length = 1, max_length = 256)]
    pub external_reference: Option<String>,
    /// The organisation that enrols the customer.
    #[schema(value_type = Option<i64>)]
    pub organisation_id: Option<OrganisationId>,
    /// What to keep about the member.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// What is to change about a member; what is left out stays. Nothing can be cleared: the event of a change
/// (`MemberUpdated`) has no way to say so.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MemberChangeRequest {
    /// The member's number in another system.
    #[serde(default, deserialize_with = "replacement")]
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    pub external_reference: Option<String>,
    /// The organisation that enrolled the customer.
    #[serde(default, deserialize_with = "replacement")]
    #[schema(value_type = Option<i64>, nullable = false)]
    pub organisation_id: Option<OrganisationId>,
    /// What to keep about the member, whole: it takes the place of what was kept, and `{}` leaves nothing of it.
    #[serde(default, deserialize_with = "replacement")]
    #[schema(value_type = Option<Object>, nullable = false)]
    pub metadata: Option<Map<String, Value>>,
}

/// A value that is given in place of another, and so is not null.
fn replacement<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer)?.map(Some).ok_or_else(|| {
        D::Error::custom(
            "can't be cleared with null; leave it out to keep it, or give another value",
        )
    })
}

impl EnrolmentRequest {
    /// Checks what the types of its fields don't.
    pub fn check(&self) -> Result<(), Problem> {
        check_reference(self.external_reference.as_deref())
    }
}

impl MemberChangeRequest {
    /// Checks what the types of its fields don't.
    pub fn check(&self) -> Result<(), Problem> {
        if self.external_reference.is_none()
            && self.organisation_id.is_none()
            && self.metadata.is_none()
        {
            return Err(Problem::field(
                "body",
                &errors::FIELD_MISSING,
                "must have at least one of externalReference, organisationId and metadata",
            ));
        }
        check_reference(self.external_reference.as_deref())
    }
}

fn check_reference(reference: Option<&str>) -> Result<(), Problem> {
    match reference {
        Some(text) if text.is_empty() || text.chars().count() > EXTERNAL_REFERENCE_CHARS_MAX => {
            Err(Problem::validation(vec![FieldProblem::new(
                "externalReference",
                &errors::FIELD_OUT_OF_RANGE,
                format!("must have 1 to {EXTERNAL_REFERENCE_CHARS_MAX} characters"),
            )]))
        }
        _ => Ok(()),
    }
}
