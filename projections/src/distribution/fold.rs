//! The fold: what an event of an order does to the order's groups, and what goes out because of it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use farelog_events::distribution::{
    TicketDistributionAdded, TicketDistributionEnded, TicketDistributionRequested,
    TicketSystemStatus,
};
use farelog_events::event::EventData;
use farelog_events::id::{OrderLineId, TicketDistributionId};
use serde::{Deserialize, Serialize};

use super::fact::{DistributionFact, TicketRequested};
use super::generation::generate;
use super::group::{Group, Groups};
use super::plan::{fallen, plan};
use super::status::{DistributionStatus, Move, Step};
use crate::order::{OrderEvent, OrderState};

/// What an event came to, besides what it changed in the groups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// What goes out to the ticket systems, in the order in which it is to be sent.
    pub facts: Vec<DistributionFact>,
    /// What the ticket system said and could not be followed.
    pub ignored: Option<Ignored>,
}

/// A ticket system's event that changed no status because it does not fit what is known. It stays in the log; this is
/// for counters and for the order's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ignored {
    /// The line.
    pub order_line_id: OrderLineId,
    /// The ticket, where the event names one.
    pub ticket_distribution_id: Option<TicketDistributionId>,
    /// The status that the ticket has and keeps; `None` where there is no such ticket, or none is named.
    pub status: Option<DistributionStatus>,
    /// What the event would have done.
    pub by: Move,
    /// Why it did not.
    pub reason: IgnoredReason,
}

/// Why a ticket system's event was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IgnoredReason {
    /// The line has no such ticket.
    UnknownTicket,
    /// The ticket, or every ticket of the line, is in a status from which the move leads nowhere.
    StatusDoesNotFit,
}

/// Folds an event of the order into the order's groups. Called after every event of the order, of whatever kind, with the
/// state that includes it.
///
/// Pure: ids come from the event's position, times from when it was recorded. The same calls give the same groups on every
/// rebuild.
pub fn apply(groups: &mut Groups, state: &OrderState<'_>, event: &OrderEvent) -> Outcome {
    let mut fold = Fold {
        groups,
        at: event.recorded_at,
        outcome: Outcome::default(),
    };
    match &event.data {
        // Recorded because there was a plan. The order may have moved on since; then it is the plan of here that counts.
        EventData::TicketDistributionGroupsGenerated(generated) => {
            let plan = plan(state, fold.groups);
            let facts = generate(fold.groups, &plan, generated, event.position, fold.at);
            fold.outcome.facts.extend(facts);
        }
        EventData::TicketDistributionRequested(request) => fold.request(request),
        EventData::TicketDistributionAdded(added) => fold.added(added),
        EventData::TicketDistributionCancelled(ended) => fold.ended(ended, Move::Cancelled),
        EventData::TicketDistributionCancelledExternally(ended) => {
            fold.ended(ended, Move::CancelledExternally);
        }
        EventData::TicketDistributionFailed(ended) => fold.ended(ended, Move::Failed),
        EventData::TicketActivated(activated) => match activated.ticket_distribution_id {
            Some(id) => fold.ticket_activated(&activated.order_line_id, id),
            None => fold.line_activated(&activated.order_line_id),
        },
        _ => {}
    }
    fold.withdraw_of_fallen_lines(state);
    fold.outcome
}

struct Fold<'g> {
    groups: &'g mut Groups,
    at: DateTime<Utc>,
    outcome: Outcome,
}

impl Fold<'_> {
    /// Asks the ticket systems for the tickets of the request, but for those that were asked for or became void between the
    /// decision and its record.
    fn request(&mut self, request: &TicketDistributionRequested) {
        let at = self.at;
        let ids: BTreeSet<_> = request.ticket_distribution_ids.iter().collect();
        for group in &mut self.groups.0 {
            let mut requested = Vec::new();
            for (index, ticket) in group.group.ticket_distributions.iter_mut().enumerate() {
                if !ids.contains(&ticket.distribution.id)
                    || !matches!(ticket.take(Move::Request, at), Step::To(_))
                {
                    continue;
                }
                ticket.ever_sent = true;
                let distribution = &mut ticket.distribution;
                distribution.deliver_after = request.deliver_after;
                distribution
                    .qr_checksum_type
                    .clone_from(&request.qr_checksum_type);
                distribution.media_serial_number_id = request
                    .travel_card
                    .as_ref()
                    .map(|card| card.media_serial_number_id.clone());
                distribution.language = request.language.unwrap_or(distribution.language);
                requested.push(index);
            }
            if requested.is_empty() {
                continue;
            }
            let group = &mut group.group;
            group.updated_at = at;
            group
                .distributed_by_dci
                .clone_from(&request.distributed_by_dci);
            group.distributed_by_org_id = request.distributed_by_org_id;
            let facts = requested.into_iter().map(|index| {
                let ticket = &group.ticket_distributions[index];
                let fact = TicketRequested::new(group, ticket, request, at);
                DistributionFact::TicketRequested(Box::new(fact))
            });
            self.outcome.facts.extend(facts);
        }
    }

    /// The ticket system has a ticket. What it calls the ticket is kept whatever became of the ticket here; and if farelog
    /// took it back before the ticket system was known to have it, that is told now.
    fn added(&mut self, added: &TicketDistributionAdded) {
        let at = self.at;
        let by = match added.status {
            Some(TicketSystemStatus::Activated) => Move::AddedInUse,
            Some(TicketSystemStatus::Distributed) | None => Move::Added,
        };
        let Some((group, index)) =
            self.follow(&added.order_line_id, added.ticket_distribution_id, by)
        else {
            return;
        };
        let distribution = &mut group.group.ticket_distributions[index].distribution;
        let named = replace(
            &mut distribution.fare_contract_ref,
            added.fare_contract_ref.as_ref(),
        ) | replace(
            &mut distribution.customer_account_ref,
            added.customer_account_ref.as_ref(),
        );
        if named {
            distribution.updated_at = at;
            group.group.updated_at = at;
        }
        let untold = untold_cancellation(group, index, at);
        self.outcome.facts.extend(untold);
    }

    /// The ticket system says which ticket was taken into use, so it has that one.
    fn ticket_activated(&mut self, line: &OrderLineId, id: TicketDistributionId) {
        let at = self.at;
        if let Some((group, index)) = self.follow(line, id, Move::AddedInUse) {
            let untold = untold_cancellation(group, index, at);
            self.outcome.facts.extend(untold);
        }
    }

    fn ended(&mut self, ended: &TicketDistributionEnded, by: Move) {
        self.follow(&ended.order_line_id, ended.ticket_distribution_id, by);
    }

    /// Moves the ticket that a ticket system's event names. An event whose line and ticket contradict each other is
    /// believed in neither.
    fn follow(
        &mut self,
        line: &OrderLineId,
        id: TicketDistributionId,
        by: Move,
    ) -> Option<(&mut Group, usize)> {
        let ignored = |status, reason| Ignored {
            order_line_id: line.clone(),
            ticket_distribution_id: Some(id),
            status,
            by,
            reason,
        };
        let found = self.groups.of_line_mut(line).and_then(|group| {
            let index = group
                .tickets()
                .iter()
                .position(|ticket| ticket.distribution.id == id)?;
            Some((group, index))
        });
        let Some((group, index)) = found else {
            self.outcome.ignored = Some(ignored(None, IgnoredReason::UnknownTicket));
            return None;
        };
        let ticket = &mut group.group.ticket_distributions[index];
        ticket.ever_sent = true;
        match ticket.take(by, self.at) {
            Step::To(_) => group.group.updated_at = self.at,
            Step::Stays => {}
            Step::Misfit => {
                let status = Some(ticket.status());
                self.outcome.ignored = Some(ignored(status, IgnoredReason::StatusDoesNotFit));
            }
        }
        Some((group, index))
    }

    /// A ticket of the line was taken into use. The event does not say which, so it counts for each that can be in a
    /// traveller's hand: those that were sent; and where none ever was, the ticket went another way and it is those that
    /// were generated.
    fn line_activated(&mut self, line: &OrderLineId) {
        let at = self.at;
        let Some(group) = self.groups.of_line_mut(line) else {
            return;
        };
        let none_sent = !group.tickets().iter().any(|ticket| ticket.ever_sent);
        let mut fits = false;
        for ticket in &mut group.group.ticket_distributions {
            if ticket.status() == DistributionStatus::Generated && !none_sent {
                continue;
            }
            match ticket.take(Move::LineActivated, at) {
                Step::To(_) => {
                    group.group.updated_at = at;
                    fits = true;
                }
                Step::Stays => fits = true,
                Step::Misfit => {}
            }
        }
        if !fits {
            self.outcome.ignored = Some(Ignored {
                order_line_id: line.clone(),
                ticket_distribution_id: None,
                status: None,
                by: Move::LineActivated,
                reason: IgnoredReason::StatusDoesNotFit,
            });
        }
    }

    /// Takes back the tickets of lines that are cancelled, replaced, refunded in full or not confirmed after all (domain,
    /// section 5, rule 2). It looks at where the lines stand and not at the event, since an event can change that for
    /// lines that it does not name.
    fn withdraw_of_fallen_lines(&mut self, state: &OrderState<'_>) {
        let at = self.at;
        for Group { group, .. } in &mut self.groups.0 {
            let Some(cause) = state.lines.get(&group.order_line_id).and_then(fallen) else {
                continue;
            };
            let mut told = Vec::new();
            for (index, ticket) in group.ticket_distributions.iter_mut().enumerate() {
                if ticket.status().is_ended() {
                    continue;
                }
                group.updated_at = at;
                if ticket.withdraw(cause, at) {
                    told.push(index);
                }
            }
            for ticket in told {
                self.outcome
                    .facts
                    .push(DistributionFact::cancelled(group, ticket, cause, at));
            }
        }
    }
}

/// That a ticket is void which farelog took back before the ticket system was known to have it.
fn untold_cancellation(
    group: &mut Group,
    index: usize,
    at: DateTime<Utc>,
) -> Option<DistributionFact> {
    let withdrawal = group.group.ticket_distributions[index].withdrawal.as_mut();
    let untold = withdrawal.filter(|withdrawal| !withdrawal.told)?;
    untold.told = true;
    let cause = untold.cause;
    Some(DistributionFact::cancelled(&group.group, index, cause, at))
}

/// Puts what is said in place of what was known; nothing said changes nothing. Whether it changed.
fn replace(known: &mut Option<String>, said: Option<&String>) -> bool {
    let changes = said.is_some() && known.as_ref() != said;
    if changes {
        *known = said.cloned();
    }
    changes
}
