//! The figures that the projections have in `/metrics`.

use farelog_events::log::Position;

use crate::store::Counters;

/// Says what the figures are.
pub fn describe() {
    metrics::describe_gauge!(
        "farelog_projections_position",
        "Log position that answers reflect"
    );
    metrics::describe_counter!(
        "farelog_rule_errors_total",
        "Expressions that gave no usable value, and refunds that could not be counted, of all the log; /v1/operate/orders/{orderId}/explanation says which"
    );
    metrics::describe_counter!(
        "farelog_ticket_events_ignored_total",
        "Events of ticket systems that did not fit and were not followed, of all the log; the order's timeline says why"
    );
    metrics::describe_gauge!(
        "farelog_dead_letters_open",
        "Dead letters that were neither retried nor discarded"
    );
}

/// Shows how far the projections are, and what they have counted.
#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a double; positions stay exact up to 2^53"
)]
pub fn show(position: Position, counters: &Counters) {
    metrics::gauge!("farelog_projections_position").set(position as f64);
    metrics::counter!("farelog_rule_errors_total").absolute(counters.rule_errors);
    metrics::counter!("farelog_ticket_events_ignored_total")
        .absolute(counters.ticket_events_ignored);
    metrics::gauge!("farelog_dead_letters_open").set(counters.dead_letters_open as f64);
}
