//! The data of an order's events (domain, section 1).
//!
//! Each type takes what farelog needs of the data and ignores the rest: the log keeps the data as it came. A field that may
//! be absent may also be null, which says the same.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use smol_str::SmolStr;

use crate::id::{
    CustomerId, OrderId, OrderLineId, OrderLineVersion, OrderVersion, OrganisationId,
    PaymentTransactionId, TicketDistributionId,
};
use crate::money::{Currency, Money};
use crate::time;

/// `OrderCreated`: an order was opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCreated {
    /// The order.
    pub order_id: OrderId,
    /// The round that this opens.
    pub order_version: OrderVersion,
    /// The organisation that sells; in the domain-event envelope it stands in `meta`.
    organisation_id: Option<OrganisationId>,
    /// The channel that sold it, "DCI".
    pub distribution_channel_id: Option<SmolStr>,
    pos: Option<SmolStr>,
    /// The owner: who buys.
    pub customer_id: Option<CustomerId>,
    /// The currency of the order.
    pub currency: Currency,
    meta: Option<Meta>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    organisation_id: Option<OrganisationId>,
    pos: Option<SmolStr>,
}

impl OrderCreated {
    /// The organisation that sells. Required: [`crate::event::decode`] refuses data without one.
    pub fn organisation_id(&self) -> Option<OrganisationId> {
        self.organisation_id
            .or_else(|| self.meta.as_ref()?.organisation_id)
    }

    /// The point of sale.
    pub fn pos(&self) -> Option<&str> {
        self.pos
            .as_deref()
            .or_else(|| self.meta.as_ref()?.pos.as_deref())
    }
}

/// `OrderLineAdded` and `OrderLineChanged`: a line, whole. A change is no patch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// The order.
    pub order_id: OrderId,
    /// The round that adds or changes the line.
    pub order_version: OrderVersion,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The version of the line.
    pub order_line_version: OrderLineVersion,
    /// What is bought.
    pub fare_products: Vec<FareProduct>,
    /// What it costs.
    pub price: Money,
    /// The kind of traveller, for example `ADULT`.
    pub user_type: Option<SmolStr>,
    /// Who the line is for; the order's owner when absent.
    pub customer_id: Option<CustomerId>,
    /// Who travels, in the publisher's own form.
    pub travellers: Option<Value>,
    /// When the ticket is valid.
    pub validity: Option<Validity>,
    /// The journey.
    pub travel: Option<Travel>,
    /// How the ticket is to be distributed.
    pub distribution_details: Option<DistributionDetails>,
}

/// A fare product on a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FareProduct {
    /// The product's id in the sales system, for example `ENT:PreassignedFareProduct:AdultSingle`.
    pub id: SmolStr,
    /// The kind of product, for example `SINGLE`.
    #[serde(rename = "type")]
    pub product_type: SmolStr,
    /// The name that is shown.
    pub name: Option<SmolStr>,
    /// Whether it is a main product (which gets a ticket) or a supplement; a main one when the data does not say.
    #[serde(default = "yes", deserialize_with = "yes_when_null")]
    pub main: bool,
}

fn yes() -> bool {
    true
}

fn yes_when_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(yes))
}

/// When a ticket is valid: from `start`, until `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// First moment.
    #[serde(deserialize_with = "time::recorded")]
    pub start: DateTime<Utc>,
    /// The moment when it is valid no more.
    #[serde(deserialize_with = "time::recorded")]
    pub end: DateTime<Utc>,
}

/// A journey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Travel {
    /// The stop place where it begins.
    pub from_stop_place: Option<SmolStr>,
    /// The stop place where it ends.
    pub to_stop_place: Option<SmolStr>,
    /// Planned departure.
    #[serde(default, deserialize_with = "time::recorded_if_any")]
    pub departure_time: Option<DateTime<Utc>>,
}

/// How a line's ticket is distributed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionDetails {
    /// The ticket system.
    #[serde(default, deserialize_with = "default_when_null")]
    pub fulfillment_method: FulfillmentMethod,
    /// The customer's account there.
    pub customer_account_ref: Option<SmolStr>,
    /// Who holds the ticket, if not who the line is for.
    pub distribution_holder_customer_id: Option<CustomerId>,
}

fn default_when_null<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The ticket system that a line is distributed by. NOD when a line does not say.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FulfillmentMethod {
    /// The national ticket system.
    #[default]
    Nod,
    /// Account-based ticketing.
    AccountBasedTicketing,
    /// International rail.
    International,
    /// Bifrost.
    Bifrost,
}

impl FulfillmentMethod {
    /// The name in the interfaces, for example `ACCOUNT_BASED_TICKETING`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nod => "NOD",
            Self::AccountBasedTicketing => "ACCOUNT_BASED_TICKETING",
            Self::International => "INTERNATIONAL",
            Self::Bifrost => "BIFROST",
        }
    }
}

/// `OrderConfirmed`, `OrderReset` and `OrderCancelled`: something that befalls a whole round of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRound {
    /// The order.
    pub order_id: OrderId,
    /// The round.
    pub order_version: OrderVersion,
}

/// `OrderPartiallyConfirmed`: some pending lines are confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderPartiallyConfirmed {
    /// The order.
    pub order_id: OrderId,
    /// The round.
    pub order_version: OrderVersion,
    /// The lines.
    pub order_line_ids: Vec<OrderLineId>,
}

/// `OrderLineCancelled`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLineCancelled {
    /// The order.
    pub order_id: OrderId,
    /// The round.
    pub order_version: OrderVersion,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The version of the line.
    pub order_line_version: OrderLineVersion,
    /// When what was given stops to count, instead of the event's time. Changes nothing else.
    #[serde(default, deserialize_with = "time::recorded_if_any")]
    pub effective_cancellation_date: Option<DateTime<Utc>>,
}

/// `OrderLineRefunded`: money was paid back. Several add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLineRefunded {
    /// The order.
    pub order_id: OrderId,
    /// The round.
    pub order_version: OrderVersion,
    /// The line.
    pub order_line_id: OrderLineId,
    /// The version of the line.
    pub order_line_version: OrderLineVersion,
    /// How much.
    pub refund: Money,
}

/// `OrderLinesReplaced`: an exchange of lines, n to m. Acts when its round is confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLinesReplaced {
    /// The order.
    pub order_id: OrderId,
    /// The round.
    pub order_version: OrderVersion,
    /// What is replaced by what.
    pub replacements: Vec<Replacement>,
}

/// Lines that take the place of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Replacement {
    /// The lines that go.
    pub original_order_line_ids: Vec<OrderLineId>,
    /// The lines that come.
    pub replaced_by_order_line_ids: Vec<OrderLineId>,
}

/// `TicketActivated`: a ticket of the line was taken into use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TicketActivated {
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// When; counts as the event's time.
    #[serde(deserialize_with = "time::recorded")]
    pub activated_at: DateTime<Utc>,
    /// The ticket, where who says it knows: a ticket system does, a gate may not.
    pub ticket_distribution_id: Option<TicketDistributionId>,
}

/// `PaymentTransactionCaptured`, `PaymentTransactionCancelled` and `PaymentTransactionRejected`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTransaction {
    /// The order.
    pub order_id: OrderId,
    /// The payment.
    pub payment_transaction_id: PaymentTransactionId,
}
