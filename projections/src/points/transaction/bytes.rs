//! A transaction as bytes, as it stands among its member's: a fifth of its JSON, and read in less time. It is JSON where an
//! order's are stored, which are answered as they stand there.

use chrono::{DateTime, Utc};
use farelog_events::bytes::{Malformed, Reader, put_text, put_time, put_varint};
use farelog_events::id::{MemberId, PointDefinitionId, ProgramId, TransactionId};
use rust_decimal::Decimal;

use super::{RegistrationKind, Transaction, TransactionMetadata};
use crate::document::{read_id, read_number};
use crate::order::TriggerKind;

/// What a transaction has of what not all have, in a byte before it.
const HAS_ID: u8 = 0b0000_0001;
const HAS_REFERENCE: u8 = 0b0000_0010;
const HAS_CREATION: u8 = 0b0000_0100;
const HAS_PERIOD: u8 = 0b0000_1000;
const HAS_EXPIRY: u8 = 0b0001_0000;
const HAS_CANCELLATION: u8 = 0b0010_0000;
const HAS_UPDATE: u8 = 0b0100_0000;
const HAS_REPLACED: u8 = 0b1000_0000;

impl Transaction {
    /// Appends the stored form.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let metadata = &self.metadata;
        let has = |bit: u8, has: bool| if has { bit } else { 0 };
        out.push(
            has(HAS_ID, self.id.is_some())
                | has(HAS_REFERENCE, self.point_definition_reference.is_some())
                | has(HAS_CREATION, self.created_at.is_some())
                | has(HAS_PERIOD, self.point_period_id.is_some())
                | has(HAS_EXPIRY, self.expire_at.is_some())
                | has(HAS_CANCELLATION, self.cancelled_at.is_some())
                | has(HAS_UPDATE, self.updated_at.is_some())
                | has(HAS_REPLACED, metadata.replaces.is_some()),
        );
        for id in [self.id, metadata.replaces].into_iter().flatten() {
            put_varint(out, id.get().cast_unsigned());
        }
        put_varint(out, self.program_id.get().cast_unsigned());
        put_varint(out, self.member_id.get().cast_unsigned());
        put_varint(out, self.point_definition_id.get().cast_unsigned());
        if let Some(reference) = &self.point_definition_reference {
            put_text(out, reference);
        }
        out.extend(self.amount.serialize());
        put_time(out, self.valid_from);
        let (created_at, expire_at) = (self.created_at, self.expire_at);
        let times = [created_at, expire_at, self.cancelled_at, self.updated_at];
        for time in times.into_iter().flatten() {
            put_time(out, time);
        }
        if let Some(id) = self.point_period_id {
            put_varint(out, id.cast_unsigned());
        }
        metadata.put(out);
    }

    /// Reads a stored form.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(bytes);
        let has = reader.byte()?;
        let id = id_if(has & HAS_ID != 0, reader)?;
        let replaces = id_if(has & HAS_REPLACED != 0, reader)?;
        let transaction = Self {
            id,
            program_id: read_number(reader, ProgramId::new)?,
            member_id: read_number(reader, MemberId::new)?,
            point_definition_id: read_number(reader, PointDefinitionId::new)?,
            point_definition_reference: if has & HAS_REFERENCE == 0 {
                None
            } else {
                Some(reader.text()?.to_owned())
            },
            amount: Decimal::deserialize(reader.array()?),
            valid_from: reader.time()?,
            created_at: time_if(has & HAS_CREATION != 0, reader)?,
            expire_at: time_if(has & HAS_EXPIRY != 0, reader)?,
            cancelled_at: time_if(has & HAS_CANCELLATION != 0, reader)?,
            updated_at: time_if(has & HAS_UPDATE != 0, reader)?,
            point_period_id: if has & HAS_PERIOD == 0 {
                None
            } else {
                Some(reader.varint()?.cast_signed())
            },
            metadata: TransactionMetadata::read(reader, replaces)?,
        };
        if !reader.is_empty() {
            return Err(Malformed("a transaction has more bytes than it uses"));
        }
        Ok(transaction)
    }
}

impl TransactionMetadata {
    /// Appends all of it but what is replaced.
    fn put(&self, out: &mut Vec<u8>) {
        put_text(out, self.order_id.as_str());
        put_text(out, self.order_line_id.as_str());
        self.trigger.put(out);
        put_text(out, &self.trigger_event_id);
        put_varint(out, self.program_version.into());
        out.push(match self.registration {
            RegistrationKind::Automatic => 0,
            RegistrationKind::Deferred => 1,
        });
    }

    fn read(reader: &mut Reader<'_>, replaces: Option<TransactionId>) -> Result<Self, Malformed> {
        Ok(Self {
            order_id: read_id(reader)?,
            order_line_id: read_id(reader)?,
            trigger: TriggerKind::read(reader)?,
            trigger_event_id: reader.text()?.into(),
            program_version: u32::try_from(reader.varint()?)
                .map_err(|_| Malformed("a version passes 32 bits"))?,
            registration: match reader.byte()? {
                0 => RegistrationKind::Automatic,
                1 => RegistrationKind::Deferred,
                _ => return Err(Malformed("a registration is of no kind that is known")),
            },
            replaces,
        })
    }
}

fn id_if(is_there: bool, reader: &mut Reader<'_>) -> Result<Option<TransactionId>, Malformed> {
    is_there
        .then(|| read_number(reader, TransactionId::new))
        .transpose()
}

fn time_if(is_there: bool, reader: &mut Reader<'_>) -> Result<Option<DateTime<Utc>>, Malformed> {
    is_there.then(|| reader.time()).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::points::transaction::json::tests::transactions;

    proptest! {
        #[test]
        fn a_transaction_is_given_back(transaction in transactions()) {
            let mut stored = Vec::new();
            transaction.put(&mut stored);
            prop_assert_eq!(&Transaction::read(&stored).unwrap(), &transaction);
            for cut in 0..stored.len() {
                prop_assert!(Transaction::read(&stored[..cut]).is_err(), "{}", cut);
            }
            stored.push(0);
            prop_assert!(Transaction::read(&stored).is_err());
        }

        #[test]
        fn damage_is_an_error_or_another_transaction(stored in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Transaction::read(&stored);
        }
    }
}
