//! What each event of an order came to for its tickets, told again from the events.

use farelog_events::event::EventKind;
use farelog_events::log::Position;

use super::fold::{Outcome, apply};
use super::group::Groups;
use crate::order::{GrowingState, OrderEvent, OrderState};

/// What the events of an order came to, those that came to anything: the facts that went out, and what was said and not
/// followed.
///
/// `events` are all of the order's, in the order of the log. It is the fold with its outcomes kept, so it can't say anything
/// else than what happened. Of events that arrived in their sequence it takes time with their number; each that did not
/// has those before it folded anew.
pub fn retell(events: &[OrderEvent]) -> Vec<(Position, Outcome)> {
    let mut groups = Groups::default();
    let mut growing = GrowingState::default();
    let not_looked_at = OrderState::default();
    let mut told = Vec::new();
    for (index, event) in events.iter().enumerate() {
        // Where the order stands matters to groups only, and many an order has none.
        let generates = event.kind == EventKind::TicketDistributionGroupsGenerated;
        let state = if generates || !groups.is_empty() {
            growing.grow(&events[..=index])
        } else {
            &not_looked_at
        };
        let outcome = apply(&mut groups, state, event);
        if outcome != Outcome::default() {
            told.push((event.position, outcome));
        }
    }
    told
}
