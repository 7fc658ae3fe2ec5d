//! A transaction as JSON, written at one go: each is written three times and more, and as serde writes it, field by field,
//! that takes ten times as long.

use serde_json::{Error, to_writer};

use super::{Transaction, TransactionMetadata, decimal_as_number};
use crate::json::{put_number, put_text};
use crate::timestamp;

impl Transaction {
    /// Appends the JSON that serde writes for it, byte for byte.
    ///
    /// # Errors
    /// A value that has no JSON, which no transaction has.
    pub(crate) fn put_json(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.push(b'{');
        if let Some(id) = self.id {
            put_number(out, b"\"id\":", id.get())?;
            out.push(b',');
        }
        put_number(out, b"\"programId\":", self.program_id.get())?;
        put_number(out, b",\"memberId\":", self.member_id.get())?;
        put_number(
            out,
            b",\"pointDefinitionId\":",
            self.point_definition_id.get(),
        )?;
        out.extend(b",\"pointDefinitionReference\":");
        match &self.point_definition_reference {
            Some(reference) => put_text(out, reference)?,
            None => out.extend(b"null"),
        }
        out.extend(b",\"amount\":");
        decimal_as_number(&self.amount, &mut serde_json::Serializer::new(&mut *out))?;
        if let Some(created_at) = self.created_at {
            out.extend(b",\"createdAt\":");
            timestamp::put(out, created_at)?;
        }
        out.extend(b",\"validFrom\":");
        timestamp::put(out, self.valid_from)?;
        out.extend(b",\"pointPeriodId\":");
        match self.point_period_id {
            Some(id) => put_number(out, b"", id)?,
            None => out.extend(b"null"),
        }
        for (name, time) in [
            (&b",\"expireAt\":"[..], self.expire_at),
            (b",\"cancelledAt\":", self.cancelled_at),
            (b",\"updatedAt\":", self.updated_at),
        ] {
            out.extend(name);
            match time {
                Some(time) => timestamp::put(out, time)?,
                None => out.extend(b"null"),
            }
        }
        out.extend(b",\"metadata\":");
        self.metadata.put_json(out)?;
        out.push(b'}');
        Ok(())
    }
}

impl TransactionMetadata {
    fn put_json(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.extend(b"{\"orderId\":");
        put_text(out, self.order_id.as_str())?;
        out.extend(b",\"orderLineId\":");
        put_text(out, self.order_line_id.as_str())?;
        out.extend(b",\"trigger\":");
        put_text(out, self.trigger.name())?;
        out.extend(b",\"triggerEventId\":");
        put_text(out, &self.trigger_event_id)?;
        put_number(out, b",\"programVersion\":", self.program_version)?;
        out.extend(b",\"registration\":");
        to_writer(&mut *out, &self.registration)?;
        if let Some(replaces) = self.replaces {
            put_number(out, b",\"replaces\":", replaces.get())?;
        }
        out.push(b'}');
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use chrono::{DateTime, Utc};
    use farelog_events::id::{
        MemberId, OrderId, OrderLineId, PointDefinitionId, ProgramId, TransactionId,
    };
    use proptest::prelude::*;
    use rust_decimal::Decimal;

    use super::*;
    use crate::order::TriggerKind;
    use crate::points::transaction::RegistrationKind;

    /// Times of four digits in whole milliseconds, as nearly all are, and all that there are, in a leap second too.
    fn times() -> impl Strategy<Value = DateTime<Utc>> {
        let any_second =
            DateTime::<Utc>::MIN_UTC.timestamp()..DateTime::<Utc>::MAX_UTC.timestamp() - 59;
        let usual = (-100_000_000_000_i64..400_000_000_000, 0_u32..1_000)
            .prop_map(|(seconds, millis)| (seconds, millis * 1_000_000));
        let any = (any_second.clone(), 0_u32..1_000_000_000);
        let leap = (any_second, 1_000_000_000_u32..2_000_000_000)
            .prop_map(|(seconds, nanos)| (seconds - seconds.rem_euclid(60) + 59, nanos));
        prop_oneof![usual, any, leap]
            .prop_map(|(seconds, nanos)| DateTime::from_timestamp(seconds, nanos))
            .prop_map(Option::unwrap)
    }

    /// Amounts of up to 96 bits and 28 decimals, small ones among them.
    fn amounts() -> impl Strategy<Value = Decimal> {
        let largest = Decimal::MAX.mantissa();
        let mantissa = prop_oneof![
            any::<i64>().prop_map(i128::from),
            -1_000..1_000_i128,
            -largest..=largest
        ];
        (mantissa, 0..=Decimal::MAX_SCALE)
            .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
    }

    fn numbers() -> impl Strategy<Value = i64> {
        1..=9_007_199_254_740_991_i64
    }

    prop_compose! {
        pub fn transactions()(
            (id, program, member, definition, period) in
                (prop::option::of(numbers()), numbers(), numbers(), numbers(), prop::option::of(any::<i64>())),
            (reference, event) in (prop::option::of(any::<String>()), any::<String>()),
            amount in amounts(),
            (created_at, valid_from) in (prop::option::of(times()), times()),
            ends in prop::array::uniform3(prop::option::of(times())),
            (order, line) in ("[A-Za-z0-9_:-]{1,64}", "[A-Za-z0-9_:-]{1,64}"),
            trigger in prop::sample::select(&TriggerKind::ALL[..]),
            (is_deferred, program_version, replaces) in (any::<bool>(), any::<u32>(), prop::option::of(numbers())),
        ) -> Transaction {
            let order_id: OrderId = order.parse().unwrap();
            let order_line_id: OrderLineId = line.parse().unwrap();
            Transaction {
                id: id.and_then(TransactionId::new),
                program_id: ProgramId::new(program).unwrap(),
                member_id: MemberId::new(member).unwrap(),
                point_definition_id: PointDefinitionId::new(definition).unwrap(),
                point_definition_reference: reference,
                amount,
                created_at,
                valid_from,
                point_period_id: period,
                expire_at: ends[0],
                cancelled_at: ends[1],
                updated_at: ends[2],
                metadata: TransactionMetadata {
                    order_id,
                    order_line_id,
                    trigger,
                    trigger_event_id: event.into(),
                    program_version,
                    registration: if is_deferred { RegistrationKind::Deferred } else { RegistrationKind::Automatic },
                    replaces: replaces.and_then(TransactionId::new),
                },
            }
        }
    }

    proptest! {
        #[test]
        fn a_transaction_is_written_as_serde_writes_it(transaction in transactions()) {
            let mut written = Vec::new();
            transaction.put_json(&mut written).unwrap();
            let expected = serde_json::to_string(&transaction).unwrap();
            prop_assert_eq!(String::from_utf8(written).unwrap(), expected);
        }
    }
}
