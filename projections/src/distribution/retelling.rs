//! What each event of an order came to for its tickets, told again from the events.

use farelog_events::event::EventKind;
use farelog_events::log::Position;

use super::fold::{Outcome, apply};
use super::group::Groups;
use crate::order::{OrderEvent, OrderState};

/// What the events of an order came to, those that came to anything: the facts that went out, and what was said and not
/// followed.
///
/// `events` are all of the order's, in the order of the log. It is the fold with its outcomes kept, so it can't say anything
/// else than what happened. Where the order stands is folded anew only when it matters: once there are groups, and there
/// the time grows with the square of the number of events that change it.
pub fn retell(events: &[OrderEvent]) -> Vec<(Position, Outcome)> {
    let mut groups = Groups::default();
    let mut state = OrderState::default();
    let mut is_state_old = false;
    let mut told = Vec::new();
    for (index, event) in events.iter().enumerate() {
        is_state_old |= !is_about_tickets_only(event.kind);
        let matters =
            !groups.is_empty() || event.kind == EventKind::TicketDistributionGroupsGenerated;
        if is_state_old && matters {
            state = OrderState::fold(&events[..=index]);
            is_state_old = false;
        }
        let outcome = apply(&mut groups, &state, event);
        if outcome != Outcome::default() {
            told.push((event.position, outcome));
        }
    }
    told
}

/// Whether the event leaves where the order stands as it is.
fn is_about_tickets_only(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::TicketDistributionGroupsGenerated
            | EventKind::TicketDistributionRequested
            | EventKind::TicketDistributionAdded
            | EventKind::TicketDistributionCancelled
            | EventKind::TicketDistributionCancelledExternally
            | EventKind::TicketDistributionFailed
    )
}
