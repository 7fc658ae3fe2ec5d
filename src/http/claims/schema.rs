//! The shapes of claims for the description of the interface: fields as in [`farelog_replay::claims`].

#![expect(dead_code, reason = "what counts of these types is their shape")]

use utoipa::ToSchema;

use crate::http::schema::ReasonView;

/// A claim of an order line's points by a customer.
#[derive(ToSchema)]
#[schema(as = Claim, rename_all = "camelCase")]
pub struct ClaimView {
    /// Its line in the file that it comes from, from 1; answered as it was sent.
    line: u64,
    /// The program's reference or id.
    program: String,
    /// The order.
    order_id: String,
    /// The order line.
    order_line_id: String,
    /// Who claims the points.
    customer_id: String,
}

/// A claim with what it would give, and what that was decided on.
#[derive(ToSchema)]
#[schema(as = PlannedClaim, rename_all = "camelCase")]
pub struct PlannedClaimView {
    /// The claim.
    claim: ClaimView,
    /// The program; null where there is none.
    #[schema(required)]
    program_id: Option<i64>,
    /// The log position at which it was decided.
    decided_at: u64,
    /// The last record by then that changed the order, or the line's registration in the program; 0 for none.
    last_record: u64,
    /// What it would come to; `REFUSED` and `REPEATS` are not applied.
    outcome: PlannedOutcomeView,
    /// The points by definition; absent where there are none.
    #[schema(required = false)]
    grants: Vec<GrantView>,
    /// Why it gives nothing; absent where it does.
    #[schema(required = false)]
    reasons: Vec<ReasonView>,
    /// The line of the file that says the same; absent where none does.
    #[schema(required = false)]
    repeats_line: u64,
}

/// What a claim would come to.
#[derive(ToSchema)]
#[schema(as = PlannedOutcome, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlannedOutcomeView {
    /// It gives points.
    Gives,
    /// The line is registered to the customer already.
    Registered,
    /// It gives nothing.
    Refused,
    /// Another line of the file says the same.
    Repeats,
}

/// What a claim came to.
#[derive(ToSchema)]
#[schema(as = AppliedClaim, rename_all = "camelCase")]
pub struct AppliedClaimView {
    /// The claim.
    claim: ClaimView,
    /// `DONE_BEFORE` was recorded by an earlier request; nothing was recorded for `REFUSED` and `REPEATS`.
    outcome: AppliedOutcomeView,
    /// The points by definition; absent where there are none.
    #[schema(required = false)]
    grants: Vec<GrantView>,
    /// Why it gave nothing; absent where it did.
    #[schema(required = false)]
    reasons: Vec<ReasonView>,
    /// The line of the file that says the same; absent where none does.
    #[schema(required = false)]
    repeats_line: u64,
}

/// What a claim came to.
#[derive(ToSchema)]
#[schema(as = AppliedOutcome, rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AppliedOutcomeView {
    /// It was recorded now.
    Given,
    /// It was recorded before.
    DoneBefore,
    /// Nothing was recorded.
    Refused,
    /// Another line of the file says the same.
    Repeats,
}

/// Points by a definition.
#[derive(ToSchema)]
#[schema(as = Grant, rename_all = "camelCase")]
pub struct GrantView {
    /// The definition.
    point_definition_id: i64,
    /// Its reference.
    #[schema(required)]
    point_definition_reference: Option<String>,
    /// The points: an exact decimal as text.
    amount: String,
}
