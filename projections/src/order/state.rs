//! Where an order stands: the fold of its events in their sequence.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use farelog_events::event::EventData;
use farelog_events::id::{CustomerId, OrderLineId, OrderVersion};
use farelog_events::money::Money;
use farelog_events::order::{OrderCreated, OrderLine, Replacement};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::event::OrderEvent;

/// What a point definition can be triggered by (domain, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TriggerKind {
    /// The line was confirmed for the first time.
    LineConfirmed,
    /// A ticket of the line was taken into use for the first time.
    LineActivated,
    /// The order's first payment was captured.
    PaymentCaptured,
}

impl TriggerKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [
        Self::LineConfirmed,
        Self::LineActivated,
        Self::PaymentCaptured,
    ];

    /// The name in a program, for example `LineConfirmed`.
    pub fn name(self) -> &'static str {
        match self {
            Self::LineConfirmed => "LineConfirmed",
            Self::LineActivated => "LineActivated",
            Self::PaymentCaptured => "PaymentCaptured",
        }
    }
}

/// A fact about one confirmed line that definitions wait for (domain, section 3, rule 1).
#[derive(Debug, Clone, Copy)]
pub struct Trigger<'e> {
    /// Which.
    pub kind: TriggerKind,
    /// `trigger.time`.
    pub time: DateTime<Utc>,
    /// The event that brought it.
    pub event: &'e OrderEvent,
}

/// How a line came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// The line was cancelled.
    Cancelled,
    /// The line was exchanged for others.
    Replaced,
    /// The whole order was cancelled.
    OrderCancelled,
}

/// The end of a line. A line that has one does not come back.
#[derive(Debug, Clone, Copy)]
pub struct End<'e> {
    /// How.
    pub kind: EndKind,
    /// The event that ended it; of a replacement, the confirmation that made it act.
    pub event: &'e OrderEvent,
    /// Number of that event in the sequence.
    index: usize,
}

/// The confirmation of a line.
#[derive(Debug, Clone, Copy)]
pub struct Confirmation<'e> {
    /// The line as last confirmed.
    pub line: &'e OrderLine,
    /// The addition or change that made it so.
    pub line_event: &'e OrderEvent,
    /// The first event that confirmed the line.
    pub first: &'e OrderEvent,
    first_index: usize,
}

/// Where a line stands.
#[derive(Debug, Clone, Default)]
pub struct LineState<'e> {
    /// Additions and changes that no confirmation covers, in sequence.
    pending: Vec<(&'e OrderEvent, &'e OrderLine)>,
    /// Whether any event added or changed the line.
    pub known: bool,
    /// Its confirmation, if it was ever confirmed.
    pub confirmation: Option<Confirmation<'e>>,
    ends: Vec<End<'e>>,
    /// Its first activation, by `activatedAt`.
    pub activation: Option<&'e OrderEvent>,
    refunds: Vec<Money>,
}

/// Money paid back for a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refunded {
    /// The sum, in the currency of the line's price.
    pub amount: Decimal,
    /// Whether a refund was in another currency; it does not count (domain, section 3, rule 5).
    pub other_currency: bool,
}

impl<'e> LineState<'e> {
    /// How the line ended: by the first end in the sequence. `None` while it stands.
    pub fn end(&self) -> Option<End<'e>> {
        self.ends.first().copied()
    }

    /// Whether the line ended before this trigger: by the sequence where the trigger has a place in it, else by time.
    pub fn ended_before(&self, trigger: &Trigger<'e>) -> bool {
        match (trigger.kind, self.confirmation) {
            (TriggerKind::LineConfirmed, Some(confirmation)) => self
                .ends
                .iter()
                .any(|end| end.index < confirmation.first_index),
            _ => self.ends.iter().any(|end| end.event.time < trigger.time),
        }
    }

    /// Whether refunds in the currency of this price came, and together reach it. A line that costs nothing is
    /// refunded by a refund of nothing.
    pub fn is_refunded_in_full(&self, price: &Money) -> bool {
        self.refunds
            .iter()
            .any(|refund| refund.currency == price.currency)
            && self.refunded(price).amount >= price.amount
    }

    /// All refunds of the line, of whatever version, in the currency of this price.
    pub fn refunded(&self, price: &Money) -> Refunded {
        Refunded {
            amount: self
                .refunds
                .iter()
                .filter(|refund| refund.currency == price.currency)
                .map(|refund| refund.amount)
                .sum(),
            other_currency: self
                .refunds
                .iter()
                .any(|refund| refund.currency != price.currency),
        }
    }
}

/// Where an order stands.
#[derive(Debug, Clone, Default)]
pub struct OrderState<'e> {
    /// The last event in the sequence that opened a round.
    pub created: Option<&'e OrderEvent>,
    /// The highest round of which anything was confirmed.
    pub confirmed_version: Option<OrderVersion>,
    /// Its lines, also those that are only named by a refund or a cancellation that came ahead.
    pub lines: BTreeMap<OrderLineId, LineState<'e>>,
    /// The first capture of a payment, by its own time.
    pub capture: Option<&'e OrderEvent>,
}

impl<'e> OrderState<'e> {
    /// Folds an order's events, in whatever order they are given.
    pub fn fold(events: &'e [OrderEvent]) -> Self {
        Fold::of(events).state
    }

    /// The event that opened the order, typed.
    pub fn order_created(&self) -> Option<&'e OrderCreated> {
        match &self.created?.data {
            EventData::OrderCreated(created) => Some(created),
            _ => None,
        }
    }

    /// The owner: who buys.
    pub fn owner(&self) -> Option<&'e CustomerId> {
        self.order_created()?.customer_id.as_ref()
    }

    /// A line's trigger of this kind, if the line is confirmed and it has come (domain, section 3, rule 1).
    pub fn trigger(&self, line: &LineState<'e>, kind: TriggerKind) -> Option<Trigger<'e>> {
        let confirmation = line.confirmation?;
        let (event, time) = match kind {
            TriggerKind::LineConfirmed => (confirmation.first, confirmation.first.time),
            TriggerKind::LineActivated => {
                let event = line.activation?;
                (event, event.effective_time())
            }
            TriggerKind::PaymentCaptured => {
                let event = self.capture?;
                (event, event.time.max(confirmation.first.time))
            }
        };
        Some(Trigger { kind, time, event })
    }
}

/// The fold under way: the state, and what only the way to it needs.
#[derive(Default)]
pub(super) struct Fold<'e> {
    pub(super) state: OrderState<'e>,
    pending_replacements: Vec<(OrderVersion, &'e Replacement)>,
    pub(super) order_end: Option<End<'e>>,
    /// How many events of the sequence are in.
    length: usize,
    /// Whether an activation is all that names a line.
    pub(super) has_line_outside_sequence: bool,
}

impl<'e> Fold<'e> {
    /// The fold of all events, first of those that have a place in the sequence.
    pub(super) fn of(events: &'e [OrderEvent]) -> Self {
        let has_place = |event: &&OrderEvent| event.order_version().is_some();
        let mut sequence: Vec<_> = events.iter().filter(has_place).collect();
        sequence.sort_by(|a, b| a.place_in_sequence().cmp(&b.place_in_sequence()));
        let outside = events.iter().filter(|event| !has_place(event));
        let mut fold = Self::default();
        for event in sequence.into_iter().chain(outside) {
            fold.add(event);
        }
        fold
    }

    /// Takes in the event that comes next: behind all that have a place in the sequence, or without a place in it.
    pub(super) fn add(&mut self, event: &'e OrderEvent) {
        if event.order_version().is_some() {
            self.apply(self.length, event);
            self.length += 1;
        } else {
            self.apply_outside_sequence(event);
        }
    }

    fn apply(&mut self, index: usize, event: &'e OrderEvent) {
        match &event.data {
            EventData::OrderCreated(_) => self.state.created = Some(event),
            EventData::OrderLineAdded(line) | EventData::OrderLineChanged(line) => {
                let state = self.line(&line.order_line_id);
                state.known = true;
                state.pending.push((event, line));
            }
            EventData::OrderLinesReplaced(replaced) => {
                self.pending_replacements.extend(
                    replaced
                        .replacements
                        .iter()
                        .map(|replacement| (replaced.order_version, replacement)),
                );
            }
            EventData::OrderReset(round) => {
                for line in self.state.lines.values_mut() {
                    line.pending
                        .retain(|(_, pending)| pending.order_version != round.order_version);
                }
                self.pending_replacements
                    .retain(|(version, _)| *version != round.order_version);
            }
            EventData::OrderConfirmed(round) => {
                self.confirm(index, event, round.order_version, None);
            }
            EventData::OrderPartiallyConfirmed(partial) => {
                let lines = Some(partial.order_line_ids.as_slice());
                self.confirm(index, event, partial.order_version, lines);
            }
            EventData::OrderLineRefunded(refunded) => {
                let refund = refunded.refund;
                self.line(&refunded.order_line_id).refunds.push(refund);
            }
            EventData::OrderLineCancelled(cancelled) => {
                let end = End {
                    kind: EndKind::Cancelled,
                    event,
                    index,
                };
                self.line(&cancelled.order_line_id).ends.push(end);
            }
            EventData::OrderCancelled(_) => {
                let end = End {
                    kind: EndKind::OrderCancelled,
                    event,
                    index,
                };
                self.order_end.get_or_insert(end);
                for line in self.state.lines.values_mut() {
                    line.ends.push(end);
                }
            }
            _ => {}
        }
    }

    /// The line, which begins as cancelled where its order already is.
    fn line(&mut self, id: &OrderLineId) -> &mut LineState<'e> {
        let order_end = self.order_end;
        let line = self.state.lines.entry(id.clone());
        line.or_insert_with(|| LineState {
            ends: order_end.into_iter().collect(),
            ..LineState::default()
        })
    }

    /// Confirms what is pending: of all lines, or of these lines and the replacements by one of them.
    fn confirm(
        &mut self,
        index: usize,
        event: &'e OrderEvent,
        version: OrderVersion,
        lines: Option<&[OrderLineId]>,
    ) {
        let covers = |id: &OrderLineId| lines.is_none_or(|lines| lines.contains(id));
        let mut confirmed_any = false;
        for (id, line) in &mut self.state.lines {
            if !covers(id) {
                continue;
            }
            let Some((line_event, pending)) = line.pending.pop() else {
                continue;
            };
            line.pending.clear();
            confirmed_any = true;
            match &mut line.confirmation {
                None => {
                    line.confirmation = Some(Confirmation {
                        line: pending,
                        line_event,
                        first: event,
                        first_index: index,
                    });
                }
                // A line that has ended does not come back: what was kept of it stays as it was.
                Some(_) if !line.ends.is_empty() => {}
                Some(confirmation) => {
                    confirmation.line = pending;
                    confirmation.line_event = line_event;
                }
            }
        }
        let mut acting = Vec::new();
        self.pending_replacements.retain(|(_, replacement)| {
            let acts = lines.is_none() || replacement.replaced_by_order_line_ids.iter().any(covers);
            if acts {
                acting.push(*replacement);
            }
            !acts
        });
        for replacement in acting {
            confirmed_any = true;
            for id in &replacement.original_order_line_ids {
                self.line(id).ends.push(End {
                    kind: EndKind::Replaced,
                    event,
                    index,
                });
            }
        }
        if confirmed_any {
            self.state.confirmed_version = self.state.confirmed_version.max(Some(version));
        }
    }

    fn apply_outside_sequence(&mut self, event: &'e OrderEvent) {
        match &event.data {
            EventData::TicketActivated(activated) => {
                let id = &activated.order_line_id;
                self.has_line_outside_sequence |= !self.state.lines.contains_key(id);
                let line = self.line(id);
                if line
                    .activation
                    .is_none_or(|first| event.by_own_time(first).is_lt())
                {
                    line.activation = Some(event);
                }
            }
            EventData::PaymentTransactionCaptured(_) => {
                let first = self.state.capture;
                if first.is_none_or(|first| event.by_own_time(first).is_lt()) {
                    self.state.capture = Some(event);
                }
            }
            _ => {}
        }
    }
}
