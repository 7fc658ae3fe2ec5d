//! What many groups have in common: the organisation, the round of the order and the statuses of the tickets.

use farelog_events::id::OrganisationId;

use super::filters::{GroupFilters, all};
use crate::distribution::{DistributionStatus, TicketDistributionGroup};

/// The fields of few values, of a group. There are few facets beside the groups that have them, so that any condition on
/// these fields comes down to a list of facets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facet {
    organisation_id: Option<OrganisationId>,
    order_version: u32,
    /// A bit for each status that a ticket of the group has.
    statuses: u8,
}

impl Facet {
    /// Bytes of a facet within a key.
    pub const BYTES: usize = 13;

    /// The facet of a group.
    pub fn of(group: &TicketDistributionGroup) -> Self {
        let tickets = group.ticket_distributions.iter();
        Self {
            organisation_id: group.organisation_id,
            order_version: group.order_version.get(),
            statuses: tickets.fold(0, |bits, ticket| bits | bit(ticket.status)),
        }
    }

    /// The bytes, the organisation's first: 0 for none.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let organisation = self.organisation_id.map_or(0, OrganisationId::get);
        bytes[..8].copy_from_slice(&organisation.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.order_version.to_be_bytes());
        bytes[12] = self.statuses;
        bytes
    }

    /// The facet of these bytes.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let (mut organisation, mut version) = ([0; 8], [0; 4]);
        organisation.copy_from_slice(&bytes[..8]);
        version.copy_from_slice(&bytes[8..12]);
        Self {
            organisation_id: OrganisationId::new(i64::from_be_bytes(organisation)),
            order_version: u32::from_be_bytes(version),
            statuses: bytes[12],
        }
    }

    /// Whether a group of this facet can meet the filters: it does meet those on the facet's fields, but where there
    /// are other filters on tickets, perhaps with another ticket than those.
    pub fn can_meet(self, filters: &GroupFilters) -> bool {
        let status_is_met = |status: &DistributionStatus| {
            self.statuses & bit(*status) != 0 && all(&filters.distribution_status, Some(status))
        };
        all(&filters.organisation_id, self.organisation_id.as_ref())
            && all(&filters.order_version, Some(&self.order_version))
            && (filters.distribution_status.is_empty()
                || DistributionStatus::ALL.iter().any(status_is_met))
    }
}

fn bit(status: DistributionStatus) -> u8 {
    1 << status as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facet_is_read_as_it_was_written() {
        for organisation in [None, Some(9)] {
            let facet = Facet {
                organisation_id: organisation.and_then(OrganisationId::new),
                order_version: 3,
                statuses: bit(DistributionStatus::Failed),
            };
            assert_eq!(Facet::from_bytes(&facet.to_bytes()), facet);
        }
    }

    #[test]
    fn every_status_has_a_bit_of_its_own() {
        let bits = DistributionStatus::ALL.map(bit);
        assert_eq!(bits.iter().sum::<u8>().count_ones(), 7);
    }
}
