//! Where an order stands after each of its events: the same fold, taken up where it was left.

use farelog_events::event::EventKind;

use super::event::OrderEvent;
use super::state::{Fold, OrderState};

/// Where an order stands, as its events are added in whatever order they arrived.
///
/// Events mostly arrive in their sequence. One that does is folded alone, so that all of them together take time with
/// their number; one that belongs before another has all folded anew, once for all that are added with it.
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
        let mut new = events.iter().skip(self.length);
        if !new.all(|event| self.takes(event)) {
            self.fold = Fold::of(events);
            let in_sequence = events.iter().filter(|it| it.place_in_sequence().is_some());
            self.last =
                in_sequence.max_by(|a, b| a.place_in_sequence().cmp(&b.place_in_sequence()));
        }
        self.length = self.length.max(events.len());
        &self.fold.state
    }

    /// Takes an event in if it is one that follows.
    fn takes(&mut self, event: &'e OrderEvent) -> bool {
        let follows = self.follows(event);
        if follows {
            self.fold.add(event);
            if event.place_in_sequence().is_some() {
                self.last = Some(event);
            }
        }
        follows
    }

    /// Whether folding all anew would take the event in last.
    fn follows(&self, event: &OrderEvent) -> bool {
        let Some(place) = event.place_in_sequence() else {
            // What has no place in the sequence comes behind it, as it arrived.
            return true;
        };
        // A line that only an activation names comes behind the sequence. It takes over the order's first end only, and not
        // every one, as the lines before it do.
        let ends_order_again =
            event.kind == EventKind::OrderCancelled && self.fold.order_end.is_some();
        Some(place) > self.last.and_then(OrderEvent::place_in_sequence)
            && !(self.fold.has_line_outside_sequence && ends_order_again)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::distribution::testing::{History, LINE, ORDER, refund, round};

    /// An activation of a line that never came had every event behind it fold all of the order anew.
    #[test]
    fn events_follow_although_an_activation_is_all_that_names_a_line() {
        let mut history = History::confirmed();
        let activated = json!({
            "orderId": ORDER, "orderLineId": "never", "activatedAt": "2026-01-01T08:00:00Z"
        });
        history.tell("TicketActivated", &activated);
        history.tell("TicketActivated", &activated);
        let payment = json!({ "orderId": ORDER, "paymentTransactionId": "P1" });
        history.tell("PaymentTransactionCaptured", payment);
        history.tell("OrderLineRefunded", refund(LINE, "1.00", "NOK"));
        history.tell("OrderCancelled", round(1));
        let mut growing = GrowingState::default();
        assert!(history.events.iter().all(|event| growing.takes(event)));
        let folded = format!("{:?}", history.state());
        assert_eq!(format!("{:?}", growing.fold.state), folded);

        history.tell("OrderCancelled", round(1));
        let mut growing = GrowingState::default();
        let taken: Vec<bool> = history.events.iter().map(|it| growing.takes(it)).collect();
        assert_eq!(taken.last(), Some(&false));
    }
}
