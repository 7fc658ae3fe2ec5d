//! The index of ticket distribution groups: keys in the store that follow the groups, in the same batch.
//!
//! | key | value |
//! |---|---|
//! | `g` group id | the group, as a caller sees it |
//! | `h` position | the order for which groups or tickets were generated there |
//! | `i` `u` lag, place | all groups |
//! | `i` `c` length, customer id, role, place | the groups whose order this customer owns, or whose tickets are held |
//! | `i` `m` length, number, place | the groups with a ticket on this travel card |
//! | `i` `f` facet, place | the groups of an organisation, a round and statuses, [`Facet`] |
//! | `i` `l` length, line id, group id | the group of a line |
//! | `i` `s` time, group id | the groups with a ticket that is valid from then |
//! | `i` `e` time, group id | the groups with a ticket that is valid until then |
//!
//! A place is a [`GroupPlace`], so that groups come out newest `updatedAt` first under each prefix; a key with one is
//! moved by each change of its group. The others stay. An id is made of the position at which a thing was generated,
//! so `h` finds a ticket by its id, and the ids of groups sort by `createdAt`: log time never goes back.

use std::ops::{Bound, RangeInclusive};

use chrono::{DateTime, TimeDelta, Utc};
use farelog_events::id::{CustomerId, GroupId, OrderLineId, position_from_id};
use farelog_events::log::Position;

use super::facet::Facet;
use super::place::GroupPlace;
use crate::batch::WriteBatch;
use crate::distribution::TicketDistributionGroup;
use crate::store::{self, ProjectionError, time_descending};

/// Prefix of all groups, by id.
const GROUPS: &[u8] = b"g";

/// Prefix of all groups, by facet and place.
pub const BY_FACET: &[u8] = b"if";

/// Key of a group.
pub fn group_key(id: GroupId) -> Vec<u8> {
    id_key(id.get())
}

/// Where the key of a group with this id stands among the groups, also where there can be no such id.
pub fn id_key(id: i64) -> Vec<u8> {
    [GROUPS, &id.to_be_bytes()].concat()
}

/// Key of the order for which something was generated at a position.
pub fn generated_key(position: Position) -> Vec<u8> {
    [b"h".as_slice(), &position.to_be_bytes()].concat()
}

/// How long after its creation a group was last updated, roughly: each lag reaches four times as far as the one before.
///
/// Those that were created within a time and have one lag were updated within a time that is not much longer. So the
/// groups of a time of creation are found in the order of `updatedAt` by a few stretches, one for each lag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag(u8);

impl Lag {
    /// The last one has no end.
    const MOST: u8 = 17;

    /// Every lag.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=Self::MOST).map(Self)
    }

    fn of(group: &TicketDistributionGroup) -> Self {
        let seconds = (group.updated_at - group.created_at).num_seconds();
        let bits = u64::BITS - u64::try_from(seconds).unwrap_or(0).leading_zeros();
        let steps = u8::try_from(bits.div_ceil(2)).unwrap_or(Self::MOST);
        Self(steps.min(Self::MOST))
    }

    /// Between when and when groups of this lag were updated that were created between these times; the end of all
    /// times stands for what is beyond it.
    pub fn updates(
        self,
        created_from: DateTime<Utc>,
        created_to: DateTime<Utc>,
    ) -> RangeInclusive<DateTime<Utc>> {
        let seconds = |steps: u8| TimeDelta::seconds(1 << (2 * steps));
        let least = self.0.checked_sub(1).map_or(TimeDelta::zero(), seconds);
        let from = created_from.checked_add_signed(least);
        let to = created_to.checked_add_signed(seconds(self.0));
        let to = to.filter(|_| self.0 < Self::MOST);
        from.unwrap_or(DateTime::<Utc>::MAX_UTC)..=to.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }
}

/// Prefix of all groups of a lag, by place.
pub fn by_update(lag: Lag) -> Vec<u8> {
    [b"iu".as_slice(), &[lag.0]].concat()
}

/// What a customer is to a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one who bought the order, and somebody else holds the tickets.
    Owner = 1,
    /// The one who holds the tickets, and somebody else bought the order.
    Holder = 2,
    /// Both.
    OwnerAndHolder = 3,
}

/// Prefix of the groups to which a customer is this, by place.
pub fn by_customer(customer: &CustomerId, role: Role) -> Vec<u8> {
    let mut prefix = text_prefix(b"ic", customer.as_str());
    prefix.push(role as u8);
    prefix
}

/// Prefix of the groups with a ticket on a travel card, by place.
pub fn by_media(number: &str) -> Vec<u8> {
    text_prefix(b"im", number)
}

/// Prefix of the groups of a facet, by place.
pub fn by_facet(facet: Facet) -> Vec<u8> {
    [BY_FACET, &facet.to_bytes()].concat()
}

/// The facet in a key that begins with [`BY_FACET`].
pub fn parse_facet(key: &[u8]) -> Option<Facet> {
    let facet = key.strip_prefix(BY_FACET)?.first_chunk()?;
    Some(Facet::from_bytes(facet))
}

/// Prefix of the groups of lines of this id, by group id.
pub fn by_line(line: &OrderLineId) -> Vec<u8> {
    text_prefix(b"il", line.as_str())
}

/// A time of a ticket that groups are found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidityTime {
    /// From when the ticket is valid.
    Start,
    /// Until when.
    End,
}

impl ValidityTime {
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Start => b"is",
            Self::End => b"ie",
        }
    }

    fn key(self, time: DateTime<Utc>) -> Vec<u8> {
        [self.prefix(), &time_descending(time)].concat()
    }

    /// The keys of groups with a ticket whose time lies within these bounds, by time and group id.
    pub fn keys(self, from: Bound<&DateTime<Utc>>, to: Bound<&DateTime<Utc>>) -> KeyRange {
        // Times descend, so the latest comes first.
        let first = match to {
            Bound::Included(to) => self.key(*to),
            Bound::Excluded(to) => behind(self.key(*to)),
            Bound::Unbounded => self.prefix().to_vec(),
        };
        let end = match from {
            Bound::Included(from) => behind(self.key(*from)),
            Bound::Excluded(from) => self.key(*from),
            Bound::Unbounded => behind(self.prefix().to_vec()),
        };
        range(first, end)
    }
}

/// Where keys of the index stand.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// The keys from one on and before another; none where the other stands before the one.
pub fn range(first: Vec<u8>, end: Vec<u8>) -> KeyRange {
    let end = end.max(first.clone());
    (Bound::Included(first), Bound::Excluded(end))
}

/// The keys that begin with a prefix.
pub fn keys_of(prefix: Vec<u8>) -> KeyRange {
    let end = behind(prefix.clone());
    range(prefix, end)
}

/// The first key behind all that begin with a prefix.
pub fn behind(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            break;
        }
    }
    prefix
}

/// The group id at the end of a key without a place.
pub fn id_of_key(key: &[u8]) -> Option<GroupId> {
    GroupId::new(i64::from_be_bytes(*key.last_chunk()?))
}

/// With the length before it, no text is the beginning of another.
fn text_prefix(kind: &[u8], text: &str) -> Vec<u8> {
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
        let known_keys = known.map(self::keys).unwrap_or_default();
        for key in known_keys.iter().filter(|key| !keys.contains(key)) {
            batch.remove(key.as_slice());
        }
        for key in keys.iter().filter(|key| !known_keys.contains(key)) {
            batch.insert(key.as_slice(), Vec::new());
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

/// The keys that find a group, but for its own; each once.
fn keys(group: &TicketDistributionGroup) -> Vec<Vec<u8>> {
    let place = GroupPlace::new(group.updated_at, group.id).to_bytes();
    let id = group.id.get().to_be_bytes();
    let with_place = |prefix: Vec<u8>| [prefix.as_slice(), &place].concat();
    let with_id = |prefix: Vec<u8>| [prefix.as_slice(), &id].concat();
    let mut keys = vec![
        with_place(by_update(Lag::of(group))),
        with_place(by_facet(Facet::of(group))),
        with_id(by_line(&group.order_line_id)),
    ];
    let roles = roles(group).into_iter().flatten();
    keys.extend(roles.map(|(customer, role)| with_place(by_customer(customer, role))));
    for ticket in &group.ticket_distributions {
        let media = ticket.media_serial_number_id.as_deref();
        keys.extend(media.map(by_media).map(with_place));
        let start = ticket
            .start_of_validity
            .map(|time| ValidityTime::Start.key(time));
        let end = ticket
            .end_of_validity
            .map(|time| ValidityTime::End.key(time));
        keys.extend(start.into_iter().chain(end).map(with_id));
    }
    keys.sort();
    keys.dedup();
    keys
}

fn roles(group: &TicketDistributionGroup) -> [Option<(&CustomerId, Role)>; 2] {
    let owner = group.order_owner_customer_id.as_ref();
    let holder = group.distribution_holder_customer_id.as_ref();
    if owner == holder {
        return [owner.map(|customer| (customer, Role::OwnerAndHolder)), None];
    }
    [
        owner.map(|customer| (customer, Role::Owner)),
        holder.map(|customer| (customer, Role::Holder)),
    ]
}
