//! Where the data of events has times (domain, section 1).

use crate::event::EventKind;

/// Where a value has times.
pub(super) enum Times {
    /// The value is one, if it is a text; with its path in the data.
    At(&'static str),
    /// In these fields.
    Within(&'static [(&'static str, Times)]),
}

impl Times {
    /// Where data of this kind has times, if it has any.
    pub(super) fn of_kind(kind: EventKind) -> Option<&'static Self> {
        match kind {
            EventKind::OrderLineAdded | EventKind::OrderLineChanged => Some(&LINE),
            EventKind::OrderLineCancelled => Some(&CANCELLATION),
            EventKind::TicketActivated => Some(&ACTIVATION),
            _ => None,
        }
    }

    /// Where the field of this name has times.
    pub(super) fn of(&self, field: &str) -> Option<&Self> {
        match self {
            Self::At(_) => None,
            Self::Within(fields) => fields
                .iter()
                .find(|(name, _)| *name == field)
                .map(|(_, times)| times),
        }
    }
}

const LINE: Times = Times::Within(&[
    (
        "validity",
        Times::Within(&[
            ("start", Times::At("validity.start")),
            ("end", Times::At("validity.end")),
        ]),
    ),
    (
        "travel",
        Times::Within(&[("departureTime", Times::At("travel.departureTime"))]),
    ),
]);
const CANCELLATION: Times = Times::Within(&[(
    "effectiveCancellationDate",
    Times::At("effectiveCancellationDate"),
)]);
const ACTIVATION: Times = Times::Within(&[("activatedAt", Times::At("activatedAt"))]);
