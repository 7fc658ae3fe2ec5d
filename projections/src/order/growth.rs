//! Where an order stands after each of its events: the same fold, taken up where it was left.

use farelog_events::event::EventData;

use super::event::OrderEvent;
use super::state::{Fold, OrderState};

/// Where an order stands, as its events are added one by one in whatever order they arrived.
///
/// Events mostly arrive in their sequence. One that does is folded alone, so that all of them together take time with
/// their number; one that belongs before another has all folded anew.
#[derive(Default)]
pub struct GrowingState<'e> {
    fold: Fold<'e>,
    /// The last event in the sequence.
    last: Option<&'e OrderEvent>,
    /// How many events are in.
    length: usize,
}

impl<'e> GrowingState<'e> {
    /// Takes in those of the events that are not in yet, and gives what [`OrderState::fold`] gives for all of them. The
    /// first ones are those that were given before.
    pub fn grow(&mut self, events: &'e [OrderEvent]) -> &OrderState<'e> {
        for length in self.length + 1..=events.len() {
            let event = &events[length - 1];
            if self.follows(event) {
                self.fold.add(event);
            } else {
                self.fold = Fold::of(&events[..length]);
            }
            if event.place_in_sequence() > self.last.and_then(OrderEvent::place_in_sequence) {
                self.last = Some(event);
            }
            self.length = length;
        }
        &self.fold.state
    }

    /// Whether folding all anew would take the event in last.
    fn follows(&self, event: &OrderEvent) -> bool {
        match (&event.data, event.place_in_sequence()) {
            // Lines that only an activation names come behind all that have a place in the sequence.
            _ if self.fold.has_line_outside_sequence => false,
            (EventData::TicketActivated(activated), _) => {
                self.fold.state.lines.contains_key(&activated.order_line_id)
            }
            (_, None) => true,
            (_, place) => place > self.last.and_then(OrderEvent::place_in_sequence),
        }
    }
}
