//! Search for ticket distribution groups (operation 8).

use axum::extract::State;
use axum::response::Response;
use farelog_projections::answer::Page;
use farelog_projections::search::{
    Cursor, FILTERS, FilterError, GroupFilters, GroupSearch, Start, TOTAL_EXACT_MAX,
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::position::{AtLeast, answered};
use super::problem::{FieldProblem, Problem};
use super::query::QueryParameters;
use super::schema::GroupView;
use super::state::Server;
use crate::errors;

/// The filters, for the description: what a request says is read by [`GroupFilters`].
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub struct Filters {
    /// The group's id.
    id: Option<String>,
    /// The order.
    order_id: Option<String>,
    /// The round of the order.
    order_version: Option<String>,
    /// The line.
    order_line_id: Option<String>,
    /// Who bought the order.
    order_owner_customer_id: Option<String>,
    /// Who holds the tickets.
    distribution_holder_customer_id: Option<String>,
    /// The organisation that sold the order.
    organisation_id: Option<String>,
    /// A ticket's id.
    ticket_distribution_id: Option<String>,
    /// A ticket's status. It takes `eq`, `ne`, `in` and `nin`.
    distribution_status: Option<String>,
    /// The travel card that a ticket is written to.
    media_serial_number_id: Option<String>,
    /// When the group was generated.
    created_at: Option<String>,
    /// When the group last changed.
    updated_at: Option<String>,
    /// From when a ticket is valid.
    start_of_validity: Option<String>,
    /// Until when a ticket is valid.
    end_of_validity: Option<String>,
}

/// A page of groups, newest `updatedAt` first.
#[derive(ToSchema)]
#[schema(as = FoundTicketDistributionGroups, rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub struct FoundGroupsView {
    /// The groups. Fewer than `perPage`, with a cursor: the search took too long in one go, and goes on behind the
    /// cursor.
    items: Vec<GroupView>,
    /// How many groups meet the filters, or of how many it is known.
    total_items: u64,
    /// Pages of `perPage` groups.
    total_pages: u64,
    /// Whether there may be more than `totalItems`.
    total_is_lower_bound: bool,
    /// Where the next page begins; null when there is no more.
    #[schema(required)]
    cursor: Option<String>,
}

/// Search ticket distribution groups
///
/// Finds the groups that meet all filters; there has to be at least one. A value may carry an operator: `eq:`, `ne:`,
/// `gt:`, `gte:`, `lt:`, `lte:`, `in:a,b` or `nin:a,b`; `eq` when none. What begins like an operator is one: `eq:gt:1` is
/// the text `gt:1`. The same filter again has to be met too, which makes a range. A list has at most 100 values. Numbers
/// and times are compared as such, texts byte by byte. What a group or ticket does not have is `ne` and `nin` of every
/// value and nothing else. The filters on tickets (`ticketDistributionId`, `distributionStatus`,
/// `mediaSerialNumberId`, `startOfValidity`, `endOfValidity`) have to be met by one and the same ticket of the group.
///
/// Totals are exact up to 10,000; above, `totalIsLowerBound` is true, and the groups behind the first 10,000 are reached by
/// `cursor` only. This holds for a search
///
/// - whose filters are all on `organisationId`, `orderVersion` and `distributionStatus`, or
/// - of whose filters one alone admits at most 10,000 groups, and is `eq` or `in` on any field, a range of `createdAt`,
///   `updatedAt`, `startOfValidity` or `endOfValidity`, or any on `id` or on the three fields above.
///
/// Of the three fields it holds while there are at most 1,024 combinations of what groups have in them. Where
/// `organisationId` is `eq` or `in`, only the combinations of those organisations count.
///
/// Any other search, such as several filters that each admit more, or `ne` alone on an order, looks at up to 20,000 groups
/// in one go. If it is not through by then, it answers with what it has found, which may be nothing, and
/// `totalIsLowerBound`; it goes on behind `cursor`.
#[utoipa::path(
    get,
    path = "/sales/v1/ticket-distribution-groups",
    operation_id = "searchTicketDistributionGroups",
    tag = "ticket distributions",
    params(
        Filters,
        ("page" = Option<u64>, Query, maximum = 10_000, description = "The page, from 1; it has to begin among the first 10,000 groups"),
        ("perPage" = Option<u64>, Query, description = "Groups on a page"),
        ("cursor" = Option<String>, Query, description = "The cursor of the page before, with the same filters and without `page`"),
    ),
    responses(
        (status = 200, description = "A page of groups", body = FoundGroupsView),
        (status = 400, description = "`validation-failed`"),
        (status = 504, description = "`position-not-reached`"),
    )
)]
pub async fn groups(
    State(server): State<Server>,
    mut query: QueryParameters,
) -> Result<Response, Problem> {
    let search = read(&mut query);
    let at_least = AtLeast::read(&mut query);
    query.finish()?;
    if search.filters.is_empty() {
        return Err(no_filter());
    }
    at_least.wait(&server).await?;
    let found = server
        .engine()
        .read(move |projections| projections.search_groups(&search))
        .await?;
    Ok(answered(found))
}

fn read(query: &mut QueryParameters) -> GroupSearch {
    let mut filters = GroupFilters::default();
    for name in FILTERS {
        for text in query.values(name) {
            if let Err(error) = filters.add(name, &text) {
                refuse(query, name, &error);
            }
        }
    }
    let is_paged = query.has("page");
    let cursor: Option<Cursor> = query.optional("cursor");
    let page = query.page();
    let start = match cursor {
        Some(_) if is_paged => {
            let message = "can't stand beside cursor, which says where the page begins";
            query.refuse("page", &errors::FIELD_OUT_OF_RANGE, message);
            Start::Offset(0)
        }
        Some(cursor) => Start::Cursor(cursor),
        None => {
            check_reach(query, page);
            Start::Offset(page.offset())
        }
    };
    GroupSearch {
        filters,
        start,
        per_page: page.per_page,
    }
}

fn refuse(query: &mut QueryParameters, name: &str, error: &FilterError) {
    query.refuse(name, &errors::FIELD_MALFORMED, error.to_string());
}

fn check_reach(query: &mut QueryParameters, page: Page) {
    if page.offset() >= TOTAL_EXACT_MAX {
        let message = format!(
            "must begin within the first {TOTAL_EXACT_MAX} groups; behind them, go on by cursor"
        );
        query.refuse("page", &errors::FIELD_OUT_OF_RANGE, message);
    }
}

fn no_filter() -> Problem {
    Problem::validation(vec![FieldProblem::new(
        "query",
        &errors::FIELD_MISSING,
        format!("must have at least one filter: {}", FILTERS.join(", ")),
    )])
}
