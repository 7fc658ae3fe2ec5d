//! What a search for groups asks for: conditions on fields of groups and of their tickets.

use std::fmt::Display;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use farelog_events::id::{
    CustomerId, GroupId, OrderId, OrderLineId, OrganisationId, TicketDistributionId,
};
use farelog_events::number::WholeNumber;
use farelog_events::time::Time;
use thiserror::Error;

use super::condition::{Condition, ConditionError};
use crate::distribution::{DistributionStatus, TicketDistribution, TicketDistributionGroup};

/// The names of all filters, as a request writes them.
pub const FILTERS: [&str; 14] = [
    "id",
    "orderId",
    "orderVersion",
    "orderLineId",
    "orderOwnerCustomerId",
    "distributionHolderCustomerId",
    "organisationId",
    "ticketDistributionId",
    "distributionStatus",
    "mediaSerialNumberId",
    "createdAt",
    "updatedAt",
    "startOfValidity",
    "endOfValidity",
];

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FilterError {
    /// No filter has this name.
    #[error("is no filter; the filters are {}", FILTERS.join(", "))]
    Unknown,
    /// What stands behind the name is no condition on the field.
    #[error(transparent)]
    Condition(#[from] ConditionError),
}

/// Conditions on groups; a group is found when it meets all of them. Those on tickets, from `ticketDistributionId` to
/// `endOfValidity` but for the group's own times, have to be met by one and the same ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilters {
    pub(super) id: Vec<Condition<GroupId>>,
    pub(super) order_id: Vec<Condition<OrderId>>,
    pub(super) order_version: Vec<Condition<u32>>,
    pub(super) order_line_id: Vec<Condition<OrderLineId>>,
    pub(super) order_owner_customer_id: Vec<Condition<CustomerId>>,
    pub(super) distribution_holder_customer_id: Vec<Condition<CustomerId>>,
    pub(super) organisation_id: Vec<Condition<OrganisationId>>,
    pub(super) ticket_distribution_id: Vec<Condition<TicketDistributionId>>,
    pub(super) distribution_status: Vec<Condition<DistributionStatus>>,
    pub(super) media_serial_number_id: Vec<Condition<String>>,
    pub(super) created_at: Vec<Condition<DateTime<Utc>>>,
    pub(super) updated_at: Vec<Condition<DateTime<Utc>>>,
    pub(super) start_of_validity: Vec<Condition<DateTime<Utc>>>,
    pub(super) end_of_validity: Vec<Condition<DateTime<Utc>>>,
}

impl GroupFilters {
    /// Adds the filter of this name, as it stands in a request. The same one again has to be met too: so a range is
    /// written.
    ///
    /// # Errors
    /// There is no such filter, or its text can't be read as a condition on its field.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), FilterError> {
        match name {
            "id" => push(&mut self.id, text),
            "orderId" => push(&mut self.order_id, text),
            "orderVersion" => {
                let condition: Condition<WholeNumber<u32>> = text.parse()?;
                self.order_version.push(condition.map(|version| version.0));
                Ok(())
            }
            "orderLineId" => push(&mut self.order_line_id, text),
            "orderOwnerCustomerId" => push(&mut self.order_owner_customer_id, text),
            "distributionHolderCustomerId" => push(&mut self.distribution_holder_customer_id, text),
            "organisationId" => push(&mut self.organisation_id, text),
            "ticketDistributionId" => push(&mut self.ticket_distribution_id, text),
            "distributionStatus" => {
                push(&mut self.distribution_status, text)?;
                let compares = self
                    .distribution_status
                    .last()
                    .is_some_and(Condition::compares);
                if compares {
                    self.distribution_status.pop();
                    return Err(ConditionError::Unordered.into());
                }
                Ok(())
            }
            "mediaSerialNumberId" => push(&mut self.media_serial_number_id, text),
            "createdAt" => push_time(&mut self.created_at, text),
            "updatedAt" => push_time(&mut self.updated_at, text),
            "startOfValidity" => push_time(&mut self.start_of_validity, text),
            "endOfValidity" => push_time(&mut self.end_of_validity, text),
            _ => Err(FilterError::Unknown),
        }
    }

    /// Whether there is no filter at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// How many filters there are, and how many of them are on tickets.
    pub(super) fn count(&self) -> (usize, usize) {
        let on_tickets = self.ticket_distribution_id.len()
            + self.distribution_status.len()
            + self.media_serial_number_id.len()
            + self.start_of_validity.len()
            + self.end_of_validity.len();
        let on_groups = self.id.len()
            + self.order_id.len()
            + self.order_version.len()
            + self.order_line_id.len()
            + self.order_owner_customer_id.len()
            + self.distribution_holder_customer_id.len()
            + self.organisation_id.len()
            + self.created_at.len()
            + self.updated_at.len();
        (on_groups + on_tickets, on_tickets)
    }

    /// Whether the group meets all conditions.
    pub fn admit(&self, group: &TicketDistributionGroup) -> bool {
        all(&self.id, Some(&group.id))
            && all(&self.order_id, Some(&group.order_id))
            && all(&self.order_version, Some(&group.order_version.get()))
            && all(&self.order_line_id, Some(&group.order_line_id))
            && all(
                &self.order_owner_customer_id,
                group.order_owner_customer_id.as_ref(),
            )
            && all(
                &self.distribution_holder_customer_id,
                group.distribution_holder_customer_id.as_ref(),
            )
            && all(&self.organisation_id, group.organisation_id.as_ref())
            && all(&self.created_at, Some(&group.created_at))
            && all(&self.updated_at, Some(&group.updated_at))
            && (self.count().1 == 0
                || group
                    .ticket_distributions
                    .iter()
                    .any(|ticket| self.admit_ticket(ticket)))
    }

    fn admit_ticket(&self, ticket: &TicketDistribution) -> bool {
        all(&self.ticket_distribution_id, Some(&ticket.id))
            && all(&self.distribution_status, Some(&ticket.status))
            && all(
                &self.media_serial_number_id,
                ticket.media_serial_number_id.as_ref(),
            )
            && all(&self.start_of_validity, ticket.start_of_validity.as_ref())
            && all(&self.end_of_validity, ticket.end_of_validity.as_ref())
    }
}

fn push<T: FromStr<Err: Display>>(
    conditions: &mut Vec<Condition<T>>,
    text: &str,
) -> Result<(), FilterError> {
    conditions.push(text.parse()?);
    Ok(())
}

fn push_time(
    conditions: &mut Vec<Condition<DateTime<Utc>>>,
    text: &str,
) -> Result<(), FilterError> {
    let condition: Condition<Time> = text.parse()?;
    conditions.push(condition.map(|time| time.0));
    Ok(())
}

/// Whether a value meets all conditions on its field.
pub(super) fn all<T: Ord>(conditions: &[Condition<T>], value: Option<&T>) -> bool {
    conditions.iter().all(|condition| condition.admits(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_takes_a_condition_on_its_field() {
        let mut filters = GroupFilters::default();
        for name in FILTERS {
            let value = match name {
                "distributionStatus" => "in:GENERATED,CANCELLED_EXTERNALLY",
                "createdAt" | "updatedAt" | "startOfValidity" | "endOfValidity" => {
                    "gte:2026-01-01T00:00:00+01:00"
                }
                _ => "nin:1,2",
            };
            assert_eq!(filters.add(name, value), Ok(()), "{name}");
        }
        assert_eq!(filters.count(), (14, 5));
    }

    #[test]
    fn a_filter_that_can_not_be_is_refused_and_changes_nothing() {
        let mut filters = GroupFilters::default();
        assert_eq!(filters.add("orderid", "1"), Err(FilterError::Unknown));
        for (name, text) in [
            ("id", "0"),
            ("orderId", "a b"),
            ("orderVersion", "one"),
            ("distributionStatus", "SENT"),
            ("distributionStatus", "gt:GENERATED"),
            ("createdAt", "gte:yesterday"),
        ] {
            assert!(
                matches!(filters.add(name, text), Err(FilterError::Condition(_))),
                "{name}"
            );
        }
        assert!(filters.is_empty());
    }

    /// What the parsers of numbers and times say was passed on as it was.
    #[test]
    fn a_value_that_can_not_be_compared_with_is_told_in_words_of_ones_own() {
        let said = |name: &str, text: &str| {
            let mut filters = GroupFilters::default();
            filters.add(name, text).unwrap_err().to_string()
        };
        let whole = "can't be compared with: must be a whole number";
        assert_eq!(said("orderVersion", "x"), format!("\"x\" {whole}"));
        assert_eq!(said("orderVersion", "gt:-1"), format!("\"-1\" {whole}"));
        assert_eq!(said("orderVersion", "+1"), format!("\"+1\" {whole}"));
        for time in [
            "2026-01-01",
            "2026-01-01T00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-1-1T00:00:00Z",
            "+262142-12-31T23:59:59Z",
        ] {
            for name in ["createdAt", "updatedAt", "startOfValidity", "endOfValidity"] {
                assert_eq!(
                    said(name, time),
                    format!(
                        "{time:?} can't be compared with: must be a time like 2026-01-31T12:00:00Z"
                    )
                );
            }
        }
        assert_eq!(
            said("distributionStatus", "SENT"),
            "\"SENT\" can't be compared with: a status is one of GENERATED, REQUESTED, DISTRIBUTED, ACTIVATED, \
             CANCELLED, CANCELLED_EXTERNALLY, FAILED"
        );
    }
}
