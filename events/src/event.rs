//! Events: their types, what they are about, and the decoding of their data.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use smol_str::SmolStr;
use thiserror::Error;

use crate::dead_letter::{DeadLetter, DeadLetterSettled};
use crate::distribution::{
    TicketDistributionAdded, TicketDistributionEnded, TicketDistributionGroupsGenerated,
    TicketDistributionRequested,
};
use crate::id::{CustomerId, OrderId, ProgramId};
use crate::json::{self, JsonError, JsonText};
use crate::member::{CustomersMerged, Membership};
use crate::order::{
    OrderCreated, OrderLine, OrderLineCancelled, OrderLineRefunded, OrderLinesReplaced,
    OrderPartiallyConfirmed, OrderRound, PaymentTransaction, TicketActivated,
};
use crate::program;
use crate::registration::DeferredRegistration;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The types of event that farelog knows (domain, section 1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventKind {
            $($(#[$doc])* $name,)*
        }

        impl EventKind {
            /// Every kind, in the order of the domain's table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The kind by its name, or `None` for a name that farelog does not know.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// The name, for example `OrderConfirmed`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

kinds! {
    /// An order was opened.
    OrderCreated,
    /// A line was added.
    OrderLineAdded,
    /// A line was changed.
    OrderLineChanged,
    /// Every pending line is confirmed.
    OrderConfirmed,
    /// Some pending lines are confirmed.
    OrderPartiallyConfirmed,
    /// What is pending of a round is dropped.
    OrderReset,
    /// The whole order is cancelled.
    OrderCancelled,
    /// A line is cancelled.
    OrderLineCancelled,
    /// Money for a line was paid back.
    OrderLineRefunded,
    /// Lines are exchanged for others.
    OrderLinesReplaced,
    /// A ticket was taken into use.
    TicketActivated,
    /// A payment was captured.
    PaymentTransactionCaptured,
    /// A payment was cancelled.
    PaymentTransactionCancelled,
    /// A payment was rejected.
    PaymentTransactionRejected,
    /// The ticket system has a ticket.
    TicketDistributionAdded,
    /// The ticket system cancelled a ticket that farelog asked it to cancel.
    TicketDistributionCancelled,
    /// The ticket system cancelled a ticket by itself.
    TicketDistributionCancelledExternally,
    /// The ticket system could not make a ticket.
    TicketDistributionFailed,
    /// A customer became a member.
    MemberEnrolled,
    /// A member's data changed.
    MemberUpdated,
    /// A member left.
    MemberWithdrawn,
    /// Two customers are one.
    CustomersMerged,
    /// A version of a program was published.
    ProgramPublished,
    /// Recorded by farelog: a line's points were claimed after the fact.
    DeferredRegistrationAccepted,
    /// Recorded by farelog: such a claim was taken back.
    DeferredRegistrationRevoked,
    /// Recorded by farelog: ticket distribution groups were asked for.
    TicketDistributionGroupsGenerated,
    /// Recorded by farelog: tickets were handed to their ticket systems.
    TicketDistributionRequested,
    /// Recorded by farelog: a message could not be taken in.
    DeadLetterRecorded,
    /// Recorded by farelog: a dead letter was taken in after all.
    DeadLetterRetried,
    /// Recorded by farelog: a dead letter was given up.
    DeadLetterDiscarded,
}

impl EventKind {
    /// The kind by a type as it stands in an envelope: a name, with or without a reverse-DNS prefix
    /// (`no.entur.sales.OrderConfirmed`).
    pub fn of_type(event_type: &str) -> Option<Self> {
        Self::from_name(short_type(event_type))
    }

    /// Whether only farelog itself records it. One that arrives from outside is not believed.
    pub fn is_own(self) -> bool {
        matches!(
            self,
            Self::DeferredRegistrationAccepted
                | Self::DeferredRegistrationRevoked
                | Self::TicketDistributionGroupsGenerated
                | Self::TicketDistributionRequested
                | Self::DeadLetterRecorded
                | Self::DeadLetterRetried
                | Self::DeadLetterDiscarded
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The last part of a type with a reverse-DNS prefix.
pub fn short_type(event_type: &str) -> &str {
    event_type.rsplit('.').next().unwrap_or(event_type)
}

/// What an event is about. Together with it, source and id identify an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    /// An order.
    Order(OrderId),
    /// A customer.
    Customer(CustomerId),
    /// A program, by its id.
    Program(ProgramId),
    /// None of these: an event of an unknown type that names none, a dead letter whose order can't be told.
    Nothing,
}

impl About {
    /// The order, if it is one.
    pub fn order(&self) -> Option<&OrderId> {
        match self {
            Self::Order(id) => Some(id),
            _ => None,
        }
    }
}

/// An event on its way into the log, with its data checked.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Who made it (CloudEvents `source`).
    pub source: SmolStr,
    /// Its id at the source (CloudEvents `id`).
    pub id: SmolStr,
    /// Its type as it came, with its prefix if it had one.
    pub event_type: SmolStr,
    /// When it happened.
    pub time: DateTime<Utc>,
    /// What connects it with its cause.
    pub correlation_id: Option<SmolStr>,
    /// What it is about.
    pub about: About,
    /// Its data, the JSON text as it came.
    pub data: JsonText,
}

impl NewEvent {
    /// The kind, or `None` for a type that farelog does not know.
    pub fn kind(&self) -> Option<EventKind> {
        EventKind::of_type(&self.event_type)
    }
}

/// The source of events that farelog records itself.
pub const OWN_SOURCE: &str = "farelog";

/// The data of an event, by its kind.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the kind of the same name")]
pub enum EventData {
    OrderCreated(OrderCreated),
    OrderLineAdded(Box<OrderLine>),
    OrderLineChanged(Box<OrderLine>),
    OrderConfirmed(OrderRound),
    OrderPartiallyConfirmed(OrderPartiallyConfirmed),
    OrderReset(OrderRound),
    OrderCancelled(OrderRound),
    OrderLineCancelled(OrderLineCancelled),
    OrderLineRefunded(OrderLineRefunded),
    OrderLinesReplaced(OrderLinesReplaced),
    TicketActivated(TicketActivated),
    PaymentTransactionCaptured(PaymentTransaction),
    PaymentTransactionCancelled(PaymentTransaction),
    PaymentTransactionRejected(PaymentTransaction),
    TicketDistributionAdded(TicketDistributionAdded),
    TicketDistributionCancelled(TicketDistributionEnded),
    TicketDistributionCancelledExternally(TicketDistributionEnded),
    TicketDistributionFailed(TicketDistributionEnded),
    MemberEnrolled(Membership),
    MemberUpdated(Membership),
    MemberWithdrawn(Membership),
    CustomersMerged(CustomersMerged),
    /// The program's document is read by the projection that knows programs; here only its id is.
    ProgramPublished(ProgramId),
    DeferredRegistrationAccepted(DeferredRegistration),
    DeferredRegistrationRevoked(DeferredRegistration),
    TicketDistributionGroupsGenerated(TicketDistributionGroupsGenerated),
    TicketDistributionRequested(TicketDistributionRequested),
    DeadLetterRecorded(Box<DeadLetter>),
    DeadLetterRetried(DeadLetterSettled),
    DeadLetterDiscarded(DeadLetterSettled),
}

/// A field of an event's data that is missing or malformed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// The field by its path, for example `fareProducts[0].type`; `data` for the object itself.
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

impl From<JsonError> for FieldError {
    fn from(JsonError { field, fault }: JsonError) -> Self {
        Self {
            field: if field.is_empty() {
                "data".to_owned()
            } else {
                field
            },
            problem: fault.to_string(),
        }
    }
}

/// Decodes and checks the data of an event of a known kind.
///
/// # Errors
/// The first field that is missing or malformed.
pub fn decode(kind: EventKind, data: &str) -> Result<EventData, FieldError> {
    use EventKind as K;
    Ok(match kind {
        K::OrderCreated => EventData::OrderCreated({
            let created: OrderCreated = json::read(data)?;
            if created.organisation_id().is_none() {
                return Err(FieldError::new("organisationId", "is missing"));
            }
            created
        }),
        K::OrderLineAdded => EventData::OrderLineAdded(json::read(data)?),
        K::OrderLineChanged => EventData::OrderLineChanged(json::read(data)?),
        K::OrderConfirmed => EventData::OrderConfirmed(json::read(data)?),
        K::OrderPartiallyConfirmed => EventData::OrderPartiallyConfirmed(json::read(data)?),
        K::OrderReset => EventData::OrderReset(json::read(data)?),
        K::OrderCancelled => EventData::OrderCancelled(json::read(data)?),
        K::OrderLineCancelled => EventData::OrderLineCancelled(json::read(data)?),
        K::OrderLineRefunded => EventData::OrderLineRefunded(json::read(data)?),
        K::OrderLinesReplaced => EventData::OrderLinesReplaced(json::read(data)?),
        K::TicketActivated => EventData::TicketActivated(json::read(data)?),
        K::PaymentTransactionCaptured => EventData::PaymentTransactionCaptured(json::read(data)?),
        K::PaymentTransactionCancelled => EventData::PaymentTransactionCancelled(json::read(data)?),
        K::PaymentTransactionRejected => EventData::PaymentTransactionRejected(json::read(data)?),
        K::TicketDistributionAdded => EventData::TicketDistributionAdded(json::read(data)?),
        K::TicketDistributionCancelled => EventData::TicketDistributionCancelled(json::read(data)?),
        K::TicketDistributionCancelledExternally => {
            EventData::TicketDistributionCancelledExternally(json::read(data)?)
        }
        K::TicketDistributionFailed => EventData::TicketDistributionFailed(json::read(data)?),
        K::MemberEnrolled => EventData::MemberEnrolled(read_membership(data)?),
        K::MemberUpdated => EventData::MemberUpdated(read_membership(data)?),
        K::MemberWithdrawn => EventData::MemberWithdrawn(read_membership(data)?),
        K::CustomersMerged => EventData::CustomersMerged(json::read(data)?),
        K::ProgramPublished => {
            #[derive(Deserialize)]
            struct Named {
                id: ProgramId,
            }
            EventData::ProgramPublished(json::read::<Named>(program::document(data))?.id)
        }
        K::DeferredRegistrationAccepted => {
            EventData::DeferredRegistrationAccepted(json::read(data)?)
        }
        K::DeferredRegistrationRevoked => EventData::DeferredRegistrationRevoked(json::read(data)?),
        K::TicketDistributionGroupsGenerated => {
            EventData::TicketDistributionGroupsGenerated(json::read(data)?)
        }
        K::TicketDistributionRequested => EventData::TicketDistributionRequested(json::read(data)?),
        K::DeadLetterRecorded => EventData::DeadLetterRecorded(json::read(data)?),
        K::DeadLetterRetried => EventData::DeadLetterRetried(json::read(data)?),
        K::DeadLetterDiscarded => EventData::DeadLetterDiscarded(json::read(data)?),
    })
}

fn read_membership(data: &str) -> Result<Membership, FieldError> {
    let membership: Membership = json::read(data)?;
    if membership.program_id.is_none() && membership.program_reference.is_none() {
        return Err(FieldError::new(
            "programId",
            "is missing, and so is programReference",
        ));
    }
    Ok(membership)
}

impl EventData {
    /// What the event is about.
    pub fn about(&self) -> About {
        match self {
            Self::OrderCreated(e) => About::Order(e.order_id.clone()),
            Self::OrderLineAdded(e) | Self::OrderLineChanged(e) => About::Order(e.order_id.clone()),
            Self::OrderConfirmed(e) | Self::OrderReset(e) | Self::OrderCancelled(e) => {
                About::Order(e.order_id.clone())
            }
            Self::OrderPartiallyConfirmed(e) => About::Order(e.order_id.clone()),
            Self::OrderLineCancelled(e) => About::Order(e.order_id.clone()),
            Self::OrderLineRefunded(e) => About::Order(e.order_id.clone()),
            Self::OrderLinesReplaced(e) => About::Order(e.order_id.clone()),
            Self::TicketActivated(e) => About::Order(e.order_id.clone()),
            Self::PaymentTransactionCaptured(e)
            | Self::PaymentTransactionCancelled(e)
            | Self::PaymentTransactionRejected(e) => About::Order(e.order_id.clone()),
            Self::TicketDistributionAdded(e) => About::Order(e.order_id.clone()),
            Self::TicketDistributionCancelled(e)
            | Self::TicketDistributionCancelledExternally(e)
            | Self::TicketDistributionFailed(e) => About::Order(e.order_id.clone()),
            Self::MemberEnrolled(e) | Self::MemberUpdated(e) | Self::MemberWithdrawn(e) => {
                About::Customer(e.customer_id.clone())
            }
            Self::CustomersMerged(e) => About::Customer(e.customer_id.clone()),
            Self::ProgramPublished(id) => About::Program(*id),
            Self::DeferredRegistrationAccepted(e) | Self::DeferredRegistrationRevoked(e) => {
                About::Order(e.order_id.clone())
            }
            Self::TicketDistributionGroupsGenerated(e) => About::Order(e.order_id.clone()),
            Self::TicketDistributionRequested(e) => About::Order(e.order_id.clone()),
            Self::DeadLetterRecorded(e) => about_order(e.order_id.as_ref()),
            Self::DeadLetterRetried(e) | Self::DeadLetterDiscarded(e) => {
                about_order(e.order_id.as_ref())
            }
        }
    }
}

fn about_order(order_id: Option<&OrderId>) -> About {
    order_id.map_or(About::Nothing, |id| About::Order(id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_with_or_without_its_prefix() {
        assert_eq!(
            EventKind::of_type("OrderConfirmed"),
            Some(EventKind::OrderConfirmed)
        );
        assert_eq!(
            EventKind::of_type("no.entur.sales.OrderConfirmed"),
            Some(EventKind::OrderConfirmed)
        );
        assert_eq!(EventKind::of_type("OrderWeighed"), None);
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of_type(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn an_error_names_the_field_by_its_path() {
        let line = r#"{"orderId":"o","orderVersion":1,"orderLineId":"l","orderLineVersion":1,
            "fareProducts":[{"id":"p"}],"price":{"amount":"39.00","currency":"NOK"}}"#;
        let error = decode(EventKind::OrderLineAdded, line).unwrap_err();
        assert_eq!(error.to_string(), "fareProducts[0].type: is missing");

        let error = decode(EventKind::OrderConfirmed, r#"{"orderId":"o"}"#).unwrap_err();
        assert_eq!(error.to_string(), "orderVersion: is missing");

        let error = decode(
            EventKind::OrderConfirmed,
            r#"{"orderId":"o o","orderVersion":1}"#,
        );
        assert_eq!(
            error.unwrap_err().to_string(),
            "orderId: an id is made of A-Z a-z 0-9 _ : -, this one has ' '"
        );

        let error = decode(EventKind::OrderConfirmed, "[]").unwrap_err();
        assert_eq!(error.to_string(), "data: must be an object");
    }

    #[test]
    fn the_organisation_may_stand_in_meta() {
        let data = r#"{"orderId":"o","orderVersion":1,"currency":"NOK","meta":{"pos":"App","organisationId":1}}"#;
        let EventData::OrderCreated(created) = decode(EventKind::OrderCreated, data).unwrap()
        else {
            panic!("another kind");
        };
        assert_eq!(
            created
                .organisation_id()
                .map(crate::id::OrganisationId::get),
            Some(1)
        );
        assert_eq!(created.pos(), Some("App"));

        let without = r#"{"orderId":"o","orderVersion":1,"currency":"NOK"}"#;
        let error = decode(EventKind::OrderCreated, without).unwrap_err();
        assert_eq!(error.to_string(), "organisationId: is missing");
    }
}
