//! The life of a ticket distribution: its statuses, and what moves it from one to the next.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far a ticket is on its way.
///
/// What each status makes of each move is a table in `docs/ticket-systems.md`; a test holds it against
/// [`after`](Self::after).
///
/// A ticket system's events come late, twice and out of order, so the table asks how far a ticket got and not by
/// which way: nothing leads back from a later status to an earlier one but a new request after a failure, and nothing
/// leads out of the two cancelled ones.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DistributionStatus {
    /// It is known what the ticket is; nobody was asked for it.
    #[default]
    Generated,
    /// The ticket system was asked for it.
    Requested,
    /// The ticket system has it.
    Distributed,
    /// It was taken into use.
    Activated,
    /// It is void: its line ended or changed, or the ticket system says so.
    Cancelled,
    /// The ticket system made it void by itself.
    CancelledExternally,
    /// The ticket system could not make it. It can be asked again.
    Failed,
}

/// Something that may move a ticket to another status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Move {
    /// farelog asks the ticket system for it.
    Request,
    /// farelog takes it back: its line ended or changed.
    Withdraw,
    /// The ticket system has it.
    Added,
    /// The ticket system has it, and it is in use. It says so when it makes the ticket, or later of a ticket that it names.
    AddedInUse,
    /// A ticket of its line was taken into use; the event does not say which.
    LineActivated,
    /// The ticket system could not make it.
    Failed,
    /// The ticket system cancelled it at farelog's wish.
    Cancelled,
    /// The ticket system cancelled it by itself.
    CancelledExternally,
}

/// What a move does to a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It leads there.
    To(DistributionStatus),
    /// It says what is known: a repeat, or one that was overtaken by what follows from it.
    Stays,
    /// It contradicts what is known and changes nothing.
    Misfit,
}

impl DistributionStatus {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Generated,
        Self::Requested,
        Self::Distributed,
        Self::Activated,
        Self::Cancelled,
        Self::CancelledExternally,
        Self::Failed,
    ];

    /// The name in the interfaces, for example `CANCELLED_EXTERNALLY`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "GENERATED",
            Self::Requested => "REQUESTED",
            Self::Distributed => "DISTRIBUTED",
            Self::Activated => "ACTIVATED",
            Self::Cancelled => "CANCELLED",
            Self::CancelledExternally => "CANCELLED_EXTERNALLY",
            Self::Failed => "FAILED",
        }
    }

    /// The status by its name in the interfaces.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether nothing leads on from here.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::CancelledExternally)
    }

    /// Whether *distribute* sends it (domain, section 5, rule 3).
    pub fn is_to_be_sent(self) -> bool {
        matches!(self, Self::Generated | Self::Failed)
    }

    /// Whether the ticket system has it or was asked for it, so that it has to be told when the ticket is void.
    pub fn is_sent(self) -> bool {
        matches!(self, Self::Requested | Self::Distributed | Self::Activated)
    }

    /// Where a move leads from here.
    pub fn after(self, by: Move) -> Step {
        use DistributionStatus as S;
        match (self, by) {
            (S::Cancelled, Move::Withdraw | Move::Cancelled)
            | (S::CancelledExternally, Move::Withdraw | Move::CancelledExternally)
            | (S::Requested | S::Distributed | S::Activated, Move::Request)
            | (S::Distributed | S::Activated, Move::Added)
            | (S::Activated, Move::AddedInUse | Move::LineActivated)
            | (S::Failed, Move::Failed) => Step::Stays,

            (S::Cancelled | S::CancelledExternally, _)
            | (S::Distributed | S::Activated, Move::Failed)
            // The event names no ticket, and one that could not be made is not the one in use.
            | (S::Failed, Move::LineActivated) => Step::Misfit,

            (_, Move::Request) => Step::To(S::Requested),
            (_, Move::Added) => Step::To(S::Distributed),
            (_, Move::AddedInUse | Move::LineActivated) => Step::To(S::Activated),
            (_, Move::Failed) => Step::To(S::Failed),
            (_, Move::Withdraw | Move::Cancelled) => Step::To(S::Cancelled),
            (_, Move::CancelledExternally) => Step::To(S::CancelledExternally),
        }
    }
}

impl fmt::Display for DistributionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is the name of no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a status is one of GENERATED, REQUESTED, DISTRIBUTED, ACTIVATED, CANCELLED, CANCELLED_EXTERNALLY, FAILED"
)]
pub struct UnknownStatus;

impl FromStr for DistributionStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        Self::from_name(name).ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOVES: [Move; 8] = [
        Move::Request,
        Move::Withdraw,
        Move::Added,
        Move::AddedInUse,
        Move::LineActivated,
        Move::Failed,
        Move::Cancelled,
        Move::CancelledExternally,
    ];

    fn landing(from: DistributionStatus, by: Move) -> DistributionStatus {
        match from.after(by) {
            Step::To(status) => status,
            Step::Stays | Step::Misfit => from,
        }
    }

    #[test]
    fn a_status_has_one_name_everywhere() {
        for status in DistributionStatus::ALL {
            assert_eq!(
                serde_json::to_value(status).unwrap(),
                serde_json::json!(status.as_str())
            );
            assert_eq!(DistributionStatus::from_name(status.as_str()), Some(status));
        }
        assert_eq!(DistributionStatus::from_name("generated"), None);
    }

    /// The page is what a ticket system is built by.
    #[test]
    fn the_page_says_where_every_move_leads_from_every_status() {
        let page = include_str!("../../../docs/ticket-systems.md");
        for status in DistributionStatus::ALL {
            let begin = format!("| `{status}` | ");
            let row = page.lines().find_map(|line| line.strip_prefix(&begin));
            let row = row.unwrap_or_else(|| panic!("no row for {status}"));
            let cells: Vec<&str> = row
                .trim_end_matches(" |")
                .split(" | ")
                .map(|cell| cell.trim_matches('`'))
                .collect();
            let said = MOVES.map(|by| match status.after(by) {
                Step::To(next) => next.as_str(),
                Step::Stays => "stays",
                Step::Misfit => "no",
            });
            assert_eq!(cells, said, "{status}");
        }
    }

    #[test]
    fn a_move_leads_somewhere_else_or_nowhere() {
        for status in DistributionStatus::ALL {
            for by in MOVES {
                assert_ne!(status.after(by), Step::To(status), "{status} after {by:?}");
            }
        }
    }

    #[test]
    fn the_same_move_twice_is_that_move_once() {
        for status in DistributionStatus::ALL {
            for by in MOVES {
                let once = landing(status, by);
                assert_eq!(landing(once, by), once, "{status} after {by:?} twice");
            }
        }
    }

    #[test]
    fn every_ticket_can_be_taken_back_until_it_ended() {
        for status in DistributionStatus::ALL {
            let expected = if status.is_ended() {
                Step::Stays
            } else {
                Step::To(DistributionStatus::Cancelled)
            };
            assert_eq!(status.after(Move::Withdraw), expected, "{status}");
        }
    }

    proptest! {
        #[test]
        fn nothing_leads_out_of_a_cancelled_status(moves in prop::collection::vec(prop::sample::select(&MOVES[..]), 0..20)) {
            let mut status = DistributionStatus::Generated;
            for by in moves {
                let next = landing(status, by);
                prop_assert!(!status.is_ended() || next == status);
                status = next;
            }
        }

        #[test]
        fn what_a_ticket_system_says_of_one_ticket_counts_alike_in_any_order(
            said in prop::collection::vec(prop::sample::select(vec![Move::Added, Move::AddedInUse, Move::Failed]), 0..8)
                .prop_flat_map(|said| (Just(said.clone()), Just(said).prop_shuffle())),
        ) {
            let fold = |moves: &[Move]| moves.iter().fold(DistributionStatus::Requested, |status, by| landing(status, *by));
            prop_assert_eq!(fold(&said.0), fold(&said.1));
        }
    }
}
