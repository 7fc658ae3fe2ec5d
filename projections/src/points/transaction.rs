//! A points transaction, as the interfaces show it.

mod bytes;
pub(crate) mod json;

use chrono::{DateTime, Utc};
use farelog_events::id::{
    MemberId, OrderId, OrderLineId, PointDefinitionId, ProgramId, TransactionId,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use smol_str::SmolStr;

use super::entitlement::Slot;
use crate::order::TriggerKind;
use crate::timestamp;

/// How a transaction came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RegistrationKind {
    /// By the order's events alone.
    Automatic,
    /// By a deferred registration of the line.
    Deferred,
}

/// What else is known of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionMetadata {
    /// The order.
    pub order_id: OrderId,
    /// The line.
    pub order_line_id: OrderLineId,
    /// What triggered it.
    pub trigger: TriggerKind,
    /// The id, at its source, of the event that did.
    pub trigger_event_id: SmolStr,
    /// The version of the program that it was given by.
    pub program_version: u32,
    /// How it came about.
    pub registration: RegistrationKind,
    /// The transaction in whose place it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<TransactionId>,
}

/// A points transaction (contract, section 1). Its row stays when it is cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The same on every rebuild. A dry run's transaction has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<TransactionId>,
    /// The program.
    pub program_id: ProgramId,
    /// Who has the points.
    pub member_id: MemberId,
    /// The definition that gave them.
    pub point_definition_id: PointDefinitionId,
    /// The definition's reference, the same in every environment.
    pub point_definition_reference: Option<String>,
    /// Points given; in JSON a number, inside an exact decimal.
    #[serde(
        serialize_with = "decimal_as_number",
        deserialize_with = "decimal_from_number"
    )]
    pub amount: Decimal,
    /// When the event that gave it was recorded. A dry run's transaction has none.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "timestamp::option::serialize"
    )]
    pub created_at: Option<DateTime<Utc>>,
    /// From when it counts; may lie ahead.
    #[serde(serialize_with = "timestamp::serialize")]
    pub valid_from: DateTime<Utc>,
    /// The period that it belongs to, where the definition has periods.
    pub point_period_id: Option<i64>,
    /// When it stops to count; never without one.
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub expire_at: Option<DateTime<Utc>>,
    /// From when it is cancelled.
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub cancelled_at: Option<DateTime<Utc>>,
    /// When the event that cancelled it was recorded.
    #[serde(serialize_with = "timestamp::option::serialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// What else is known.
    pub metadata: TransactionMetadata,
}

impl Transaction {
    /// What it stands for.
    pub fn slot(&self) -> Slot {
        Slot {
            program_id: self.program_id,
            point_definition_id: self.point_definition_id,
            order_line_id: self.metadata.order_line_id.clone(),
            trigger: self.metadata.trigger,
        }
    }

    /// Whether it was not cancelled, whether it counts at any given time or not.
    pub fn is_live(&self) -> bool {
        self.cancelled_at.is_none()
    }

    /// Whether it counts at `time` (domain, section 3, rule 11).
    pub fn counts_at(&self, time: DateTime<Utc>) -> bool {
        self.valid_from <= time
            && self.cancelled_at.is_none_or(|cancelled| time < cancelled)
            && self.expire_at.is_none_or(|expire| time < expire)
    }
}

/// Writes a decimal as a JSON number with exactly its digits, no binary float in between.
pub fn decimal_as_number<S: Serializer>(
    amount: &Decimal,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Nearly all are whole, and a whole number has the same digits.
    if amount.fract().is_zero()
        && let Ok(whole) = i64::try_from(*amount)
    {
        return whole.serialize(serializer);
    }
    RawValue::from_string(amount.normalize().to_string())
        .map_err(serde::ser::Error::custom)?
        .serialize(serializer)
}

fn decimal_from_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
    let number = <&RawValue>::deserialize(deserializer)?;
    Decimal::from_str_exact(number.get()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Holder(
        #[serde(
            serialize_with = "decimal_as_number",
            deserialize_with = "decimal_from_number"
        )]
        Decimal,
    );

    #[test]
    fn an_amount_is_a_json_number_with_exactly_its_digits() {
        for (amount, json) in [
            ("39", "39"),
            ("39.00", "39"),
            ("0.1", "0.1"),
            ("3.990000001", "3.990000001"),
            ("0.00", "0"),
            ("9223372036854775807", "9223372036854775807"),
            ("9223372036854775808", "9223372036854775808"),
        ] {
            let holder = Holder(Decimal::from_str_exact(amount).unwrap());
            assert_eq!(serde_json::to_string(&holder).unwrap(), json);
            assert_eq!(serde_json::from_str::<Holder>(json).unwrap(), holder);
        }
    }
}
