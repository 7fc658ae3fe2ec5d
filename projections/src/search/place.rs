//! Where a group stands among others in the order of a search.

use chrono::{DateTime, Utc};
use farelog_events::id::GroupId;

use crate::store::time_descending;

/// Where a group stands among others: newest `updatedAt` first, then newest id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupPlace([u8; Self::BYTES]);

impl GroupPlace {
    /// Bytes of a place within a key.
    pub const BYTES: usize = 20;

    /// Before all groups.
    pub const START: Self = Self([0; Self::BYTES]);

    /// Behind all groups.
    pub const END: Self = Self([u8::MAX; Self::BYTES]);

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

    /// The group that stands there; `None` where none can.
    pub fn id(self) -> Option<GroupId> {
        let bytes = self.0.last_chunk().copied().unwrap_or_default();
        GroupId::new((!u64::from_be_bytes(bytes)).cast_signed())
    }

    /// When the group that stands there was last updated; `None` where no group can stand.
    pub fn updated_at(self) -> Option<DateTime<Utc>> {
        let (seconds, rest) = self.0.split_first_chunk()?;
        let seconds = u64::from_be_bytes(*seconds) ^ (u64::MAX >> 1);
        let nanos = u32::MAX - u32::from_be_bytes(*rest.first_chunk()?);
        DateTime::from_timestamp(seconds.cast_signed(), nanos)
    }

    /// The place next behind this one, whether or not a group can stand there.
    #[must_use]
    pub fn next(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return Self(bytes);
            }
        }
        Self::END
    }

    /// The place next before this one, whether or not a group can stand there.
    #[must_use]
    pub fn before(self) -> Self {
        let mut bytes = self.0;
        for byte in bytes.iter_mut().rev() {
            *byte = byte.wrapping_sub(1);
            if *byte != u8::MAX {
                return Self(bytes);
            }
        }
        Self::START
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(time: &str, id: i64) -> GroupPlace {
        GroupPlace::new(time.parse().unwrap(), GroupId::new(id).unwrap())
    }

    #[test]
    fn places_sort_newest_first() {
        let newest_first = [
            GroupPlace::START,
            place("2026-02-01T00:00:00Z", 1),
            place("2026-01-01T00:00:00.5Z", 1),
            GroupPlace::first_of("2026-01-01T00:00:00Z".parse().unwrap()),
            place("2026-01-01T00:00:00Z", 9),
            place("2026-01-01T00:00:00Z", 8),
            GroupPlace::last_of("2026-01-01T00:00:00Z".parse().unwrap()),
            place("1969-12-31T23:59:59Z", 1),
            GroupPlace::END,
        ];
        assert!(newest_first.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_place_says_which_group_stands_there_and_since_when() {
        for time in ["2026-01-01T00:00:00.123456789Z", "1969-12-31T23:59:59Z"] {
            let place = place(time, 4096 * 7 + 3);
            assert_eq!(place.id(), GroupId::new(4096 * 7 + 3));
            assert_eq!(place.updated_at(), Some(time.parse().unwrap()));
        }
        assert_eq!(GroupPlace::START.id(), None);
        assert_eq!(GroupPlace::END.updated_at(), None);
    }

    #[test]
    fn between_a_place_and_the_next_is_none() {
        let mut carries = [7; GroupPlace::BYTES];
        carries[18..].fill(u8::MAX);
        let place = GroupPlace::from_bytes(carries);
        assert!(place < place.next());
        assert_eq!(place.next().before(), place);
        assert_eq!(place.next().to_bytes()[17..], [8, 0, 0]);
        assert_eq!(GroupPlace::END.next(), GroupPlace::END);
        assert_eq!(GroupPlace::START.before(), GroupPlace::START);
    }
}
