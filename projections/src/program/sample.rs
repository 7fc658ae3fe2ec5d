//! Typed sample data that expressions are tried on when a program is published.
//!
//! Every field of section 1 of the domain is there, with a value of its type. What publishers write in forms of their
//! own (`travellers`, `extra`, a member's metadata) is not: an expression that goes there proves nothing.

use chrono::{DateTime, Utc};
use farelog_events::order::{OrderCreated, OrderLine};
use serde_json::value::RawValue;

use super::scope::{Facts, LineScope, MemberScope, TriggerScope};
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

/// A line, its triggers and a member.
#[derive(Debug)]
pub(super) struct Sample {
    line: LineScope,
    triggers: [TriggerScope; 3],
    member: MemberScope,
}

impl Sample {
    pub(super) fn new() -> Self {
        let order: OrderCreated = constant(ORDER);
        let line: OrderLine = constant(LINE);
        let order_json: &RawValue = constant(ORDER);
        let line_json: &RawValue = constant(LINE);
        let membership = MemberChange {
            position: 1,
            recorded_at: DateTime::<Utc>::UNIX_EPOCH,
            kind: MemberChangeKind::Enrolled,
            external_reference: Some("member-1".to_owned()),
            organisation_id: None,
            metadata: serde_json::Map::new(),
        };
        let customer: &farelog_events::id::CustomerId = &constant("\"1001\"");
        Self {
            line: LineScope::sample((&order, order_json), (&line, line_json)),
            triggers: TriggerKind::ALL
                .map(|kind| TriggerScope::new(kind, Some(DateTime::<Utc>::UNIX_EPOCH))),
            member: MemberScope::new(customer, &membership),
        }
    }

    pub(super) fn facts(&self, trigger: TriggerKind) -> Facts<'_> {
        let [confirmed, activated, captured] = &self.triggers;
        Facts {
            line: &self.line,
            trigger: match trigger {
                TriggerKind::LineConfirmed => confirmed,
                TriggerKind::LineActivated => activated,
                TriggerKind::PaymentCaptured => captured,
            },
            member: Some(&self.member),
        }
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
        let sample = Sample::new();
        for kind in TriggerKind::ALL {
            assert_eq!(sample.facts(kind).trigger.kind(), kind);
        }
    }
}
