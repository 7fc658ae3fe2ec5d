//! A customer's memberships and status, as the interface shows them.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, MemberId, OrganisationId, PointDefinitionId, ProgramId};
use farelog_events::time;
use farelog_projections::member::Member;
use farelog_projections::member::status::{CustomerStatus, Decimal, Points, ProgramStatus};
use farelog_projections::points::transaction::decimal_as_number;
use farelog_projections::program::{PointDefinition, Program, ProgramCatalog};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::member_view::{MemberStatus, MemberView};

/// Whose memberships are asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "customerId": "2000001" }))]
pub struct CustomerMembershipsRequest {
    /// The customer.
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// This program only; all when absent.
    #[schema(value_type = Option<i64>)]
    pub program_id: Option<ProgramId>,
}

/// Whose status is asked for, and when.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({ "customerId": "2000001", "statusAt": "2026-01-20T00:00:00Z" }))]
pub struct CustomerStatusRequest {
    /// The customer.
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// This program only; all when absent.
    #[schema(value_type = Option<i64>)]
    pub program_id: Option<ProgramId>,
    /// At which time, past or future; now when absent.
    #[serde(default, deserialize_with = "time::optional")]
    pub status_at: Option<DateTime<Utc>>,
}

/// A customer's membership of a program.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerMembership {
    /// The member.
    #[schema(value_type = i64)]
    member_id: MemberId,
    /// The program.
    #[schema(value_type = i64)]
    program_id: ProgramId,
    /// The program's reference, the same in every environment.
    program_reference: String,
    /// The program's name.
    program_name: String,
    /// The customer whose membership it is: the one that was asked for, or one that it is merged with.
    #[schema(value_type = String)]
    customer_id: CustomerId,
    /// Whether the membership is in force.
    status: MemberStatus,
    /// Whether it is the one that new points of the program go to. Of merged customers' memberships at most one does.
    receives_points: bool,
    /// The member's number in another system.
    external_reference: Option<String>,
    /// The organisation that enrolled the customer.
    #[schema(value_type = Option<i64>)]
    organisation_id: Option<OrganisationId>,
    /// What the publisher keeps about the member.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// When the customer enrolled, the last time if more than once.
    enrolled_at: Option<DateTime<Utc>>,
    /// When the customer left; null while the membership is in force.
    withdrawn_at: Option<DateTime<Utc>>,
    /// When anything of this last changed.
    updated_at: Option<DateTime<Utc>>,
}

impl CustomerMembership {
    /// Memberships of customers that are one, in their order and by program.
    pub fn of(memberships: Vec<Member>, programs: &ProgramCatalog) -> Vec<Self> {
        let mut received_in = None;
        memberships
            .into_iter()
            .filter_map(|member| {
                let program = &programs.current(member.program_id)?.compiled.program;
                let receives_points = member.is_active() && received_in != Some(program.id);
                if receives_points {
                    received_in = Some(program.id);
                }
                Some(Self::new(member.into(), program, receives_points))
            })
            .collect()
    }

    fn new(member: MemberView, program: &Program, receives_points: bool) -> Self {
        Self {
            member_id: member.id,
            program_id: member.program_id,
            program_reference: program.reference.clone(),
            program_name: program.name.clone(),
            customer_id: member.customer_id,
            status: member.status,
            receives_points,
            external_reference: member.external_reference,
            organisation_id: member.organisation_id,
            metadata: member.metadata,
            enrolled_at: member.enrolled_at,
            withdrawn_at: member.withdrawn_at,
            updated_at: member.updated_at,
        }
    }
}

/// What a customer has at a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CustomerStatus)]
pub struct CustomerStatusView {
    /// The customer that was asked for.
    #[schema(value_type = String)]
    customer_id: CustomerId,
    /// All customers that are one with it, the one that the others were merged into first; the customer alone where none
    /// were merged.
    #[schema(value_type = Vec<String>)]
    customer_ids: Vec<CustomerId>,
    /// The time that it is about.
    status_at: DateTime<Utc>,
    /// The programs that any of these customers is or was a member of; none for a customer that is not known.
    programs: Vec<CustomerProgramStatus>,
}

/// What a customer has in a program at a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerProgramStatus {
    /// The program.
    #[schema(value_type = i64)]
    program_id: ProgramId,
    /// The program's reference.
    program_reference: String,
    /// The program's name.
    program_name: String,
    /// The memberships, as they are now. Those of merged customers keep the points that each was given.
    memberships: Vec<CustomerMembership>,
    /// The sum of what counts, over all definitions: an exact decimal, written as a number.
    #[serde(serialize_with = "decimal_as_number")]
    #[schema(value_type = f64)]
    counting: Decimal,
    /// The sum of what will count, over all definitions.
    #[serde(serialize_with = "decimal_as_number")]
    #[schema(value_type = f64)]
    pending: Decimal,
    /// The program's definitions, and then those of earlier versions that have given points.
    point_definitions: Vec<PointDefinitionStatus>,
}

/// What a customer has of a definition at a time.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PointDefinitionStatus {
    /// The definition.
    #[schema(value_type = i64)]
    point_definition_id: PointDefinitionId,
    /// Its reference, the same in every environment.
    point_definition_reference: Option<String>,
    /// The sum of what counts.
    #[serde(serialize_with = "decimal_as_number")]
    #[schema(value_type = f64)]
    counting: Decimal,
    /// The sum of what will count: its `validFrom` lies ahead of `statusAt`.
    #[serde(serialize_with = "decimal_as_number")]
    #[schema(value_type = f64)]
    pending: Decimal,
    /// What is the first to expire of what counts; null where nothing of it does.
    next_expiry: Option<NextExpiry>,
}

/// Points that expire together.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextExpiry {
    /// When they stop to count.
    expire_at: DateTime<Utc>,
    /// How many they are.
    #[serde(serialize_with = "decimal_as_number")]
    #[schema(value_type = f64)]
    amount: Decimal,
}

impl CustomerStatusView {
    /// A status with the names that programs and definitions have now.
    pub fn new(
        customer_id: CustomerId,
        status_at: DateTime<Utc>,
        status: CustomerStatus,
        programs: &ProgramCatalog,
    ) -> Self {
        Self {
            customer_id,
            customer_ids: status.customer_ids,
            status_at,
            programs: status
                .programs
                .into_iter()
                .filter_map(|status| CustomerProgramStatus::new(status, programs))
                .collect(),
        }
    }
}

impl CustomerProgramStatus {
    fn new(status: ProgramStatus, programs: &ProgramCatalog) -> Option<Self> {
        let program = &programs.current(status.program_id)?.compiled.program;
        let defined = |id| {
            program
                .point_definitions
                .iter()
                .any(|it: &PointDefinition| it.id == id)
        };
        let current = program.point_definitions.iter().map(|definition| {
            let points = status.points.of(definition.id).cloned().unwrap_or_default();
            PointDefinitionStatus::new(definition.id, Some(&definition.reference), &points)
        });
        let earlier = status.points.iter().filter(|(id, _)| !defined(*id));
        let earlier = earlier.map(|(id, points)| {
            PointDefinitionStatus::new(id, points.point_definition_reference.as_ref(), points)
        });
        let point_definitions: Vec<PointDefinitionStatus> = current.chain(earlier).collect();
        let sum = |of: fn(&PointDefinitionStatus) -> Decimal| {
            let amounts = point_definitions.iter().map(of);
            amounts.fold(Decimal::ZERO, Decimal::saturating_add)
        };
        Some(Self {
            program_id: program.id,
            program_reference: program.reference.clone(),
            program_name: program.name.clone(),
            counting: sum(|it| it.counting),
            pending: sum(|it| it.pending),
            memberships: CustomerMembership::of(status.memberships, programs),
            point_definitions,
        })
    }
}

impl PointDefinitionStatus {
    fn new(id: PointDefinitionId, reference: Option<&String>, points: &Points) -> Self {
        Self {
            point_definition_id: id,
            point_definition_reference: reference.cloned(),
            counting: points.counting,
            pending: points.pending,
            next_expiry: points.next_expiry.map(|next| NextExpiry {
                expire_at: next.expire_at,
                amount: next.amount,
            }),
        }
    }
}
