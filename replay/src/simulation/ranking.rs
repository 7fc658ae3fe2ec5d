//! Who would have most more, and who most less.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use farelog_events::id::{MemberId, ProgramId};
use rust_decimal::Decimal;

/// A member with the live points on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ranked {
    /// How much more, or how much less.
    pub difference: Decimal,
    /// The member; of equal differences the one who enrolled first stands first.
    pub member_id: Reverse<MemberId>,
    /// The member's program.
    pub program_id: ProgramId,
    /// By the programs as they were published.
    pub published: Decimal,
    /// With the candidates.
    pub candidates: Decimal,
}

/// The members who rank first, so many at most: memory does not grow with how many there are.
#[derive(Debug)]
pub struct Ranking {
    max: usize,
    members: BTreeSet<Ranked>,
}

impl Ranking {
    /// A ranking of at most `max`.
    pub fn new(max: usize) -> Self {
        Self {
            max,
            members: BTreeSet::new(),
        }
    }

    /// Takes a member in, if there is room or someone ranks lower.
    pub fn take(&mut self, member: Ranked) {
        self.members.insert(member);
        if self.members.len() > self.max {
            self.members.pop_first();
        }
    }

    /// The members, the first one first.
    pub fn into_members(self) -> impl Iterator<Item = Ranked> {
        self.members.into_iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: i64, difference: i64) -> Ranked {
        Ranked {
            difference: difference.into(),
            member_id: Reverse(MemberId::new(id).unwrap()),
            program_id: ProgramId::new(1).unwrap(),
            published: Decimal::ZERO,
            candidates: difference.into(),
        }
    }

    #[test]
    fn the_largest_differences_stand_first_and_of_equal_ones_the_oldest_member() {
        let mut ranking = Ranking::new(3);
        for (id, difference) in [(1, 5), (2, 9), (3, 5), (4, 1), (5, 5)] {
            ranking.take(member(id, difference));
        }
        let ids: Vec<i64> = ranking
            .into_members()
            .map(|ranked| ranked.member_id.0.get())
            .collect();
        assert_eq!(ids, [2, 1, 3]);
    }

    #[test]
    fn a_ranking_of_none_names_nobody() {
        let mut ranking = Ranking::new(0);
        ranking.take(member(1, 5));
        assert_eq!(ranking.into_members().count(), 0);
    }
}
