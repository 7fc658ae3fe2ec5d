//! The groups of an order and the tickets in them.

use chrono::{DateTime, Utc};
use farelog_events::distribution::Language;
use farelog_events::id::{
    CustomerId, GroupId, OrderId, OrderLineId, OrderLineVersion, OrderVersion, OrganisationId,
    TicketDistributionId,
};
use farelog_events::order::{FulfillmentMethod, Validity};
use serde::{Deserialize, Serialize};

use super::fact::CancellationCause;
use super::status::{DistributionStatus, Move, Step};

/// A ticket distribution group: one order line, as far as its tickets are concerned. Its JSON is that of the interfaces
/// (contract, "Groups").
///
/// `D` is what is known of each ticket: [`TicketDistribution`] for a caller; what is stored holds more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistributionGroup<D = TicketDistribution> {
    /// Made from the position of the event that generated it.
    pub id: GroupId,
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The round of the order that stood when the group was made, or last brought up to a changed line.
    pub order_version: OrderVersion,
    /// The version of the line that the tickets are for.
    pub updated_for_order_line_version: OrderLineVersion,
    /// The distribution channel that had it generated.
    #[serde(rename = "createdByDCI")]
    pub created_by_dci: Option<String>,
    /// The organisation that sold the order; `None` until the order's creation has arrived.
    pub organisation_id: Option<OrganisationId>,
    /// The distribution channel that last had tickets of the group sent.
    #[serde(rename = "distributedByDCI")]
    pub distributed_by_dci: Option<String>,
    /// The ticket system.
    pub fulfillment_method: FulfillmentMethod,
    /// The organisation that last had tickets of the group sent.
    pub distributed_by_org_id: Option<OrganisationId>,
    /// Who bought the order.
    pub order_owner_customer_id: Option<CustomerId>,
    /// Who holds the tickets: as the line's distribution details say, else who the line is for, else the owner.
    pub distribution_holder_customer_id: Option<CustomerId>,
    /// When it was generated.
    pub created_at: DateTime<Utc>,
    /// When it or one of its tickets last changed.
    pub updated_at: DateTime<Utc>,
    /// The tickets, in the order in which they were generated; those that are void stay.
    pub ticket_distributions: Vec<D>,
}

/// A ticket distribution: the ticket for one main product of a line, in the JSON of the interfaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketDistribution {
    /// Made from the position of the event that generated it.
    pub id: TicketDistributionId,
    /// How far it is.
    pub status: DistributionStatus,
    /// The product.
    pub fare_product_id: String,
    /// From when it is valid; `None` where the line does not say.
    pub start_of_validity: Option<DateTime<Utc>>,
    /// Until when it is valid.
    pub end_of_validity: Option<DateTime<Utc>>,
    /// Not to be delivered before.
    pub deliver_after: Option<DateTime<Utc>>,
    /// How its QR code is checked.
    pub qr_checksum_type: Option<String>,
    /// The travel card that it is written to.
    pub media_serial_number_id: Option<String>,
    /// Its language.
    pub language: Language,
    /// The fare contract in the ticket system.
    pub fare_contract_ref: Option<String>,
    /// The customer's account in the ticket system.
    pub customer_account_ref: Option<String>,
    /// When it was generated.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl<D> TicketDistributionGroup<D> {
    /// The same group with something else known of each ticket.
    fn map<'g, T>(&'g self, view: impl Fn(&'g D) -> T) -> TicketDistributionGroup<T> {
        TicketDistributionGroup {
            id: self.id,
            order_id: self.order_id.clone(),
            order_line_id: self.order_line_id.clone(),
            order_version: self.order_version,
            updated_for_order_line_version: self.updated_for_order_line_version,
            created_by_dci: self.created_by_dci.clone(),
            organisation_id: self.organisation_id,
            distributed_by_dci: self.distributed_by_dci.clone(),
            fulfillment_method: self.fulfillment_method,
            distributed_by_org_id: self.distributed_by_org_id,
            order_owner_customer_id: self.order_owner_customer_id.clone(),
            distribution_holder_customer_id: self.distribution_holder_customer_id.clone(),
            created_at: self.created_at,
            updated_at: self.updated_at,
            ticket_distributions: self.ticket_distributions.iter().map(view).collect(),
        }
    }
}

/// The groups of one order, in the order in which they were generated. What is stored of them is more than a caller
/// sees.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(pub(super) Vec<Group>);

impl Groups {
    /// Whether none was ever generated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The groups as a caller sees them.
    pub fn to_view(&self) -> Vec<TicketDistributionGroup> {
        self.0
            .iter()
            .map(|group| group.group.map(|ticket| ticket.distribution.clone()))
            .collect()
    }

    /// Every ticket of the order.
    pub fn ticket_distributions(&self) -> impl Iterator<Item = &TicketDistribution> {
        self.0
            .iter()
            .flat_map(Group::tickets)
            .map(|ticket| &ticket.distribution)
    }

    pub(super) fn of_line(&self, line: &OrderLineId) -> Option<&Group> {
        self.0
            .iter()
            .find(|group| group.group.order_line_id == *line)
    }

    pub(super) fn of_line_mut(&mut self, line: &OrderLineId) -> Option<&mut Group> {
        self.0
            .iter_mut()
            .find(|group| group.group.order_line_id == *line)
    }
}

/// A group as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    pub(super) group: TicketDistributionGroup<Ticket>,
    /// The customer's account as the line gave it when the group was last generated.
    pub(super) line_account_ref: Option<String>,
}

impl Group {
    pub(super) fn tickets(&self) -> &[Ticket] {
        &self.group.ticket_distributions
    }
}

/// What a ticket has to be: one main product of a line.
///
/// The ticket system is part of it: a line that moves to another one needs its tickets there, and void here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Slot {
    pub(super) fare_product_id: String,
    pub(super) validity: Option<Validity>,
    pub(super) fulfillment_method: FulfillmentMethod,
}

/// A ticket as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ticket {
    pub(super) distribution: TicketDistribution,
    /// The system that it was generated for, which the line may have left since.
    pub(super) fulfillment_method: FulfillmentMethod,
    /// The main product of the line that the ticket is there for; `None` once it is for none. Not always what the ticket
    /// says: one in use stays what it is and stands for what its product became.
    pub(super) stands_for: Option<Slot>,
    /// Whether the ticket system was ever asked for it, or spoke of it.
    pub(super) ever_sent: bool,
    /// That farelog took it back.
    pub(super) withdrawal: Option<Withdrawal>,
}

/// farelog's own cancellation of a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Withdrawal {
    pub(super) cause: CancellationCause,
    /// Whether the ticket system was told. It is when it has the ticket, and it may say only later that it has.
    pub(super) told: bool,
}

impl Ticket {
    pub(super) fn generated(
        id: TicketDistributionId,
        slot: Slot,
        language: Language,
        customer_account_ref: Option<String>,
        at: DateTime<Utc>,
    ) -> Self {
        Self {
            distribution: TicketDistribution {
                id,
                status: DistributionStatus::Generated,
                fare_product_id: slot.fare_product_id.clone(),
                start_of_validity: slot.validity.map(|validity| validity.start),
                end_of_validity: slot.validity.map(|validity| validity.end),
                deliver_after: None,
                qr_checksum_type: None,
                media_serial_number_id: None,
                language,
                fare_contract_ref: None,
                customer_account_ref,
                created_at: at,
                updated_at: at,
            },
            fulfillment_method: slot.fulfillment_method,
            stands_for: Some(slot),
            ever_sent: false,
            withdrawal: None,
        }
    }

    pub(super) fn status(&self) -> DistributionStatus {
        self.distribution.status
    }

    /// Moves the ticket as the table of [`DistributionStatus`] says.
    pub(super) fn take(&mut self, by: Move, at: DateTime<Utc>) -> Step {
        let step = self.status().after(by);
        if let Step::To(status) = step {
            self.distribution.status = status;
            self.distribution.updated_at = at;
        }
        step
    }

    /// Takes the ticket back, so that it stands for nothing any more. Whether the ticket system has to be told.
    pub(super) fn withdraw(&mut self, cause: CancellationCause, at: DateTime<Utc>) -> bool {
        self.stands_for = None;
        let told = self.status().is_sent();
        let withdrawn = matches!(self.take(Move::Withdraw, at), Step::To(_));
        if withdrawn {
            self.withdrawal = Some(Withdrawal { cause, told });
        }
        withdrawn && told
    }
}
