//! A plan of claims, as it is kept in a file, and what became of it.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, OrderId, OrderLineId, PointDefinitionId, ProgramId};
use farelog_events::log::Position;
use farelog_projections::points::registration::Reason;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::registration::GrantedDefinition;

/// The form of a plan.
pub const PLAN_FORMAT: u32 = 1;

/// A plan, whole. It is of one log, and says nothing about another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimsPlan {
    /// [`PLAN_FORMAT`].
    pub format: u32,
    /// The log that it was made on.
    pub log_id: Uuid,
    /// When it was made.
    pub planned_at: DateTime<Utc>,
    /// The claims, in the order of the file.
    pub claims: Vec<PlannedClaim>,
}

/// A claim, as it stands in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// Its line in the file, from 1.
    pub line: u64,
    /// The program's reference or id.
    pub program: String,
    /// The order.
    pub order_id: OrderId,
    /// The order line.
    pub order_line_id: OrderLineId,
    /// Who claims the points.
    pub customer_id: CustomerId,
}

/// A claim with what it would give, and what that was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlannedClaim {
    /// The claim.
    pub claim: Claim,
    /// The program, where there is one.
    pub program_id: Option<ProgramId>,
    /// The end of the log when it was decided.
    pub decided_at: Position,
    /// The last record by then that changed the order, or the line's registration in the program; 0 for none.
    pub last_record: Position,
    /// What it would come to.
    pub outcome: PlannedOutcome,
    /// The points by definition: those it would give, or those that the line's registration has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Why it gives nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ClaimReason>,
    /// The line of the file that says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_line: Option<u64>,
}

/// What a claim would come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlannedOutcome {
    /// It gives points.
    Gives,
    /// The line is registered to the customer already.
    Registered,
    /// It gives nothing, and is not applied.
    Refused,
    /// Another line of the file says the same; it is not applied.
    Repeats,
}

/// A claim that was applied, or was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppliedClaim {
    /// The claim.
    pub claim: Claim,
    /// What it came to.
    pub outcome: AppliedOutcome,
    /// The points of the line's registration by definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Why it gave nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ClaimReason>,
    /// The line of the file that says the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats_line: Option<u64>,
}

/// What a claim came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AppliedOutcome {
    /// It was recorded now.
    Given,
    /// The line was registered to the customer before; nothing was recorded.
    DoneBefore,
    /// Nothing was recorded.
    Refused,
    /// Another line of the file says the same.
    Repeats,
}

/// Points by a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grant {
    /// The definition.
    pub point_definition_id: PointDefinitionId,
    /// Its reference.
    pub point_definition_reference: Option<String>,
    /// The points, an exact decimal as text.
    pub amount: Decimal,
}

/// Why a claim gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimReason {
    /// A code of deferred registration (domain, section 4), or one of claims.
    pub code: String,
    /// A sentence for a person.
    pub detail: String,
    /// The definition that it is about, where definitions differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point_definition_reference: Option<String>,
}

impl PlannedClaim {
    /// Refuses it after all.
    pub(super) fn refuse(&mut self, reason: ClaimReason) {
        self.outcome = PlannedOutcome::Refused;
        self.grants.clear();
        self.reasons.push(reason);
    }

    /// What becomes of it where the plan has it left out, without asking anyone; `None` where it is to be applied.
    pub fn left_out(&self) -> Option<AppliedClaim> {
        let outcome = match self.outcome {
            PlannedOutcome::Gives | PlannedOutcome::Registered => return None,
            PlannedOutcome::Refused => AppliedOutcome::Refused,
            PlannedOutcome::Repeats => AppliedOutcome::Repeats,
        };
        Some(self.clone().with_outcome(outcome))
    }

    fn with_outcome(self, outcome: AppliedOutcome) -> AppliedClaim {
        AppliedClaim {
            claim: self.claim,
            outcome,
            grants: Vec::new(),
            reasons: self.reasons,
            repeats_line: self.repeats_line,
        }
    }

    /// It was not applied, for these reasons.
    pub(super) fn refused(self, reasons: Vec<ClaimReason>) -> AppliedClaim {
        AppliedClaim {
            reasons,
            ..self.with_outcome(AppliedOutcome::Refused)
        }
    }

    /// It stands, with these points.
    pub(super) fn applied(self, outcome: AppliedOutcome, grants: Vec<Grant>) -> AppliedClaim {
        AppliedClaim {
            grants,
            ..self.with_outcome(outcome)
        }
    }
}

impl ClaimReason {
    /// A reason that is about the claim as a whole.
    pub fn new(code: &str, detail: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            detail: detail.into(),
            point_definition_reference: None,
        }
    }
}

impl From<Reason> for ClaimReason {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code.as_str().to_owned(),
            detail: reason.detail,
            point_definition_reference: reason.point_definition_reference,
        }
    }
}

impl From<&GrantedDefinition> for Grant {
    fn from(granted: &GrantedDefinition) -> Self {
        Self {
            point_definition_id: granted.point_definition_id,
            point_definition_reference: granted.point_definition_reference.clone(),
            amount: granted.amount.normalize(),
        }
    }
}
