//! Typed sample data that expressions are tried on when a program is published.
//!
//! Every field of section 1 of the domain is there, with a value of its type. What publishers write in forms of their
//! own (`travellers`, `extra`, a member's metadata) is not: an expression that goes there proves nothing.

use std::any::Any;

use cel::ExecutionError;
use cel::common::traits::Indexer;
use cel::common::types::Type;
use cel::common::value::{CowVal, StaticVal, Val};
use chrono::{DateTime, Utc};
use farelog_events::id::CustomerId;
use farelog_events::json::JsonText;
use farelog_events::order::{OrderCreated, OrderLine};

use super::names::{Names, ProgramScope};
use super::scope::{LineScope, MemberScope, TriggerScope};
use crate::member::{MemberChange, MemberChangeKind};
use crate::order::TriggerKind;

const ORDER: &str = r#"{
    "orderId": "ENT:CustomerPurchasePackage:1", "orderVersion": 1, "organisationId": 1,
    "distributionChannelId": "ENT:DistributionChannel:App", "pos": "App", "customerId": "1001", "currency": "NOK"
}"#;

const LINE: &str = r#"{
    "orderId": "ENT:CustomerPurchasePackage:1", "orderVersion": 1, "orderLineId": "line-1", "orderLineVersion": 1,
    "fareProducts": [
        {"id": "ENT:PreassignedFareProduct:AdultSingle", "type": "SINGLE", "name": "Single", "main": true}
    ],
    "price": {"amount": "39.90", "currency": "NOK"}, "userType": "ADULT", "customerId": "1001",
    "validity": {"start": "2026-01-01T10:00:00Z", "end": "2026-01-01T12:00:00Z"},
    "travel": {
        "fromStopPlace": "NSR:StopPlace:1", "toStopPlace": "NSR:StopPlace:2",
        "departureTime": "2026-01-01T10:30:00Z"
    },
    "distributionDetails": {
        "fulfillmentMethod": "NOD", "customerAccountRef": "account-1", "distributionHolderCustomerId": "1001"
    }
}"#;

/// A line, a trigger and a member.
#[derive(Debug)]
pub(super) struct Sample {
    line: LineScope,
    customer_id: CustomerId,
    membership: MemberChange,
}

impl Sample {
    pub(super) fn new() -> Self {
        let order: OrderCreated = constant(ORDER);
        let line: OrderLine = constant(LINE);
        let membership = MemberChange {
            position: 1,
            recorded_at: DateTime::<Utc>::UNIX_EPOCH,
            kind: MemberChangeKind::Enrolled,
            external_reference: Some("member-1".to_owned()),
            organisation_id: None,
            metadata: serde_json::Map::new(),
        };
        Self {
            line: LineScope::sample(
                (&order, &JsonText::kept(ORDER)),
                (&line, &JsonText::kept(LINE)),
            ),
            customer_id: constant("\"1001\""),
            membership,
        }
    }

    /// The names of an evaluation on the sample.
    pub(super) fn names<'n>(
        &'n self,
        program: &'n ProgramScope,
        trigger: TriggerKind,
    ) -> Names<'n> {
        let trigger = TriggerScope {
            kind: trigger,
            time: Some(DateTime::<Utc>::UNIX_EPOCH),
        };
        let member = MemberScope {
            customer_id: &self.customer_id,
            change: &self.membership,
        };
        Names::new(&self.line, program, trigger, Some(member))
    }
}

/// A value that nothing is known about. Only in samples: whatever is done with it, the sample proves nothing.
#[derive(Debug)]
pub(super) struct Anything;

impl Anything {
    /// The name of its type, which no expression can spell.
    pub(super) const TYPE_NAME: &'static str = "farelog.anything";
}

impl Val for Anything {
    fn get_type(&self) -> &Type {
        Self::cel_type()
    }

    fn cel_type() -> &'static Type {
        static TYPE: Type = Type::new_unspecified_type(Anything::TYPE_NAME);
        &TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Anything {}

impl Indexer for Anything {
    fn get<'b, 'v>(&'b self, _key: &dyn Val) -> Result<CowVal<'b, 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(CowVal::owned(Self))
    }

    fn steal<'v>(self: Box<Self>, _key: &dyn Val) -> Result<Box<dyn Val + 'v>, ExecutionError>
    where
        Self: 'v,
    {
        Ok(self)
    }
}

/// Reads a constant of this file, which a test shows to be right.
fn constant<'t, T: serde::Deserialize<'t>>(json: &'t str) -> T {
    serde_json::from_str(json).expect("a constant of this file is right")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_readable() {
        assert!(Sample::new().line.customer().is_some());
    }
}
