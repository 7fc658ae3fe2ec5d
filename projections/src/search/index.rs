//! The index of ticket distribution groups: keys in the store that follow the groups, in the same batch.
//!
//! | key | value |
//! |---|---|
//! | `g` group id | the group, as a caller sees it |
//! | `h` position | the order for which groups or tickets were generated there |
//! | `i` `u` place | all groups |
//! | `i` `o` length, customer id, place | the groups of orders of this owner |
//! | `i` `h` length, customer id, place | the groups whose tickets this customer holds |
//! | `i` `m` length, number, place | the groups with a ticket on this travel card |
//!
//! A place is a [`GroupPlace`], so that groups come out newest `updatedAt` first under each prefix. An id is made of
//! the position at which a thing was generated, so `h` finds a ticket by its id, and the ids of groups sort by
//! `createdAt`: log time never goes back.

use chrono::{DateTime, Utc};
use farelog_events::id::{CustomerId, GroupId, position_from_id};
use farelog_events::log::Position;

use crate::batch::WriteBatch;
use crate::distribution::TicketDistributionGroup;
use crate::store::{self, ProjectionError, time_descending};

/// Prefix of all groups, by id.
pub const GROUPS: &[u8] = b"g";

/// Where a group stands among others: newest `updatedAt` first, then newest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupPlace([u8; Self::BYTES]);

impl GroupPlace {
    /// Bytes of a place within a key.
    pub const BYTES: usize = 20;

    /// The place of a group that was last updated then.
    pub fn new(updated_at: DateTime<Utc>, id: GroupId) -> Self {
        Self::from_number(updated_at, id.get())
    }

    /// The first place that a group of this time can have.
    pub fn first_of(updated_at: DateTime<Utc>) -> Self {
        Self::from_number(updated_at, i64::MAX)
    }

    /// The last place that a group of this time can have.
    pub fn last_of(updated_at: DateTime<Utc>) -> Self {
        Self::from_number(updated_at, 0)
    }

    fn from_number(updated_at: DateTime<Utc>, id: i64) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes[..12].copy_from_slice(&time_descending(updated_at));
        bytes[12..].copy_from_slice(&(!id.cast_unsigned()).to_be_bytes());
        Self(bytes)
    }

    /// The place at the end of a key of the index.
    pub fn of_key(key: &[u8]) -> Option<Self> {
        key.last_chunk().copied().map(Self)
    }

    /// The place of these bytes, whatever they are.
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes, which sort as places do.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    /// The key under which the group itself is found.
    pub fn group_key(self) -> Vec<u8> {
        let id = self.0[12..].iter().map(|byte| !byte);
        GROUPS.iter().copied().chain(id).collect()
    }
}

/// Key of a group.
pub fn group_key(id: GroupId) -> Vec<u8> {
    [GROUPS, &id.get().to_be_bytes()].concat()
}

/// The id in the key of a group.
pub fn parse_group_key(key: &[u8]) -> Option<GroupId> {
    GroupId::new(i64::from_be_bytes(*key.last_chunk()?))
}

/// Key of the order for which something was generated at a position.
pub fn generated_key(position: Position) -> Vec<u8> {
    [b"h".as_slice(), &position.to_be_bytes()].concat()
}

/// Prefix of all groups, by place.
pub fn by_update() -> Vec<u8> {
    b"iu".to_vec()
}

/// Prefix of the groups of an owner's orders, by place.
pub fn by_owner(customer: &CustomerId) -> Vec<u8> {
    prefix(b"io", customer.as_str())
}

/// Prefix of the groups whose tickets a customer holds, by place.
pub fn by_holder(customer: &CustomerId) -> Vec<u8> {
    prefix(b"ih", customer.as_str())
}

/// Prefix of the groups with a ticket on a travel card, by place.
pub fn by_media(number: &str) -> Vec<u8> {
    prefix(b"im", number)
}

/// With the length before it, no text is the beginning of another.
fn prefix(kind: &[u8], text: &str) -> Vec<u8> {
    let length = (text.len() as u64).to_be_bytes();
    [kind, &length, text.as_bytes()].concat()
}

/// Brings the index from an order's groups before a step to those after it.
pub fn follow(
    batch: &mut WriteBatch,
    before: &[TicketDistributionGroup],
    after: &[TicketDistributionGroup],
) -> Result<(), ProjectionError> {
    for group in after {
        let known = before.iter().find(|known| known.id == group.id);
        if known == Some(group) {
            continue;
        }
        let keys = keys(group);
        if let Some(known) = known {
            for key in self::keys(known) {
                if !keys.contains(&key) {
                    batch.remove(key);
                }
            }
        }
        for key in keys {
            batch.insert(key, Vec::new());
        }
        batch.insert(group_key(group.id), store::encode(group)?);
        let tickets = group.ticket_distributions.iter().map(|ticket| ticket.id);
        let known_tickets = known.map_or(0, |known| known.ticket_distributions.len());
        for ticket in tickets.skip(known_tickets) {
            let position = position_from_id(ticket.get());
            batch.insert(generated_key(position), store::encode(&group.order_id)?);
        }
    }
    Ok(())
}

/// The keys that find a group, but for its own.
fn keys(group: &TicketDistributionGroup) -> Vec<Vec<u8>> {
    let owner = group.order_owner_customer_id.as_ref().map(by_owner);
    let holder = group
        .distribution_holder_customer_id
        .as_ref()
        .map(by_holder);
    let tickets = group.ticket_distributions.iter();
    let media = tickets.filter_map(|ticket| ticket.media_serial_number_id.as_deref());
    let place = GroupPlace::new(group.updated_at, group.id).to_bytes();
    let mut keys: Vec<_> = [by_update()]
        .into_iter()
        .chain(owner)
        .chain(holder)
        .chain(media.map(by_media))
        .map(|prefix| [prefix.as_slice(), &place].concat())
        .collect();
    keys.sort();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_newest_first() {
        let place =
            |time: &str, id| GroupPlace::new(time.parse().unwrap(), GroupId::new(id).unwrap());
        let newest_first = [
            place("2026-02-01T00:00:00Z", 1),
            place("2026-01-01T00:00:00.5Z", 1),
            GroupPlace::first_of("2026-01-01T00:00:00Z".parse().unwrap()),
            place("2026-01-01T00:00:00Z", 9),
            place("2026-01-01T00:00:00Z", 8),
            GroupPlace::last_of("2026-01-01T00:00:00Z".parse().unwrap()),
            place("1969-12-31T23:59:59Z", 1),
        ];
        assert!(newest_first.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_place_finds_its_group() {
        let id = GroupId::new(4096 * 7 + 3).unwrap();
        let place = GroupPlace::new(DateTime::UNIX_EPOCH, id);
        assert_eq!(place.group_key(), group_key(id));
        assert_eq!(parse_group_key(&group_key(id)), Some(id));
        assert_eq!(position_from_id(id.get()), 7);
    }
}
