//! Generating carried out: what the plan says becomes groups and tickets with ids.

use chrono::{DateTime, Utc};
use farelog_events::distribution::TicketDistributionGroupsGenerated;
use farelog_events::id::{GroupId, TicketDistributionId, id_from_position};
use farelog_events::log::Position;

use super::fact::{CancellationCause, DistributionFact};
use super::group::{Group, Groups, Ticket, TicketDistributionGroup};
use super::plan::{LinePlan, TicketChange};
use super::status::DistributionStatus;

/// Carries out a plan, and gives what the ticket systems are to be told of it.
pub(super) fn generate(
    groups: &mut Groups,
    plan: &[LinePlan<'_>],
    event: &TicketDistributionGroupsGenerated,
    position: Position,
    at: DateTime<Utc>,
) -> Vec<DistributionFact> {
    let mut generation = Generation {
        event,
        at,
        position,
        groups_made: 0,
        tickets_made: 0,
        facts: Vec::new(),
    };
    for line in plan {
        // The decision refuses what would pass the limit of ids. What passes it all the same, because the order has moved
        // on since, waits until groups are generated again.
        if generation.generate_line(groups, line).is_none() {
            break;
        }
    }
    generation.facts
}

struct Generation<'e> {
    event: &'e TicketDistributionGroupsGenerated,
    at: DateTime<Utc>,
    position: Position,
    groups_made: u32,
    tickets_made: u32,
    facts: Vec<DistributionFact>,
}

impl Generation<'_> {
    fn next_group_id(&mut self) -> Option<GroupId> {
        let id = id_from_position(self.position, self.groups_made)?;
        self.groups_made += 1;
        GroupId::new(id)
    }

    fn next_ticket_id(&mut self) -> Option<TicketDistributionId> {
        let id = id_from_position(self.position, self.tickets_made)?;
        self.tickets_made += 1;
        TicketDistributionId::new(id)
    }

    /// `None` when the ids of the event are used up.
    fn generate_line(&mut self, groups: &mut Groups, line: &LinePlan<'_>) -> Option<()> {
        if line.is_new {
            let group = self.empty_group(line)?;
            groups.0.push(group);
        }
        let group = groups.of_line_mut(line.line)?;
        self.bring_up(group, line);
        for change in &line.changes {
            match change {
                TicketChange::Adopt { ticket, slot } => {
                    group.group.ticket_distributions[*ticket].stands_for = Some(slot.clone());
                }
                TicketChange::Drop { ticket } => self.drop_ticket(&mut group.group, *ticket),
                TicketChange::Generate { slot } => {
                    let ticket = Ticket::generated(
                        self.next_ticket_id()?,
                        slot.clone(),
                        self.event.language,
                        group.line_account_ref.clone(),
                        self.at,
                    );
                    group.group.ticket_distributions.push(ticket);
                }
            }
        }
        Some(())
    }

    fn empty_group(&mut self, line: &LinePlan<'_>) -> Option<Group> {
        let id = self.next_group_id()?;
        Some(Group {
            group: TicketDistributionGroup {
                id,
                order_id: self.event.order_id.clone(),
                order_line_id: line.line.clone(),
                order_version: self.event.order_version,
                updated_for_order_line_version: line.basis.order_line_version,
                created_by_dci: self.event.created_by_dci.clone(),
                organisation_id: None,
                distributed_by_dci: None,
                fulfillment_method: line.basis.fulfillment_method,
                distributed_by_org_id: None,
                order_owner_customer_id: None,
                distribution_holder_customer_id: None,
                created_at: self.at,
                updated_at: self.at,
                ticket_distributions: Vec::new(),
            },
            line_account_ref: None,
        })
    }

    /// Gives a group what it takes from the order. Tickets that are still to be sent go to the account that the line
    /// names now.
    fn bring_up(&self, group: &mut Group, line: &LinePlan<'_>) {
        let basis = &line.basis;
        let account = basis.customer_account_ref.map(str::to_owned);
        let Group {
            group,
            line_account_ref,
        } = group;
        group.order_version = self.event.order_version;
        group.updated_for_order_line_version = basis.order_line_version;
        group.fulfillment_method = basis.fulfillment_method;
        group.organisation_id = basis.organisation_id;
        group.order_owner_customer_id = basis.order_owner_customer_id.cloned();
        group.distribution_holder_customer_id = basis.distribution_holder_customer_id.cloned();
        group.updated_at = self.at;
        if *line_account_ref != account {
            for ticket in &mut group.ticket_distributions {
                if ticket.status().is_to_be_sent() {
                    let distribution = &mut ticket.distribution;
                    distribution.customer_account_ref.clone_from(&account);
                    distribution.updated_at = self.at;
                }
            }
            *line_account_ref = account;
        }
    }

    /// Takes a ticket out of the line's products; one in use stays what it is.
    fn drop_ticket(&mut self, group: &mut TicketDistributionGroup<Ticket>, index: usize) {
        let cause = CancellationCause::OrderLineChanged;
        let ticket = &mut group.ticket_distributions[index];
        if ticket.status() == DistributionStatus::Activated {
            ticket.stands_for = None;
        } else if ticket.withdraw(cause, self.at) {
            let fact = DistributionFact::cancelled(group, index, cause, self.at);
            self.facts.push(fact);
        }
    }
}
