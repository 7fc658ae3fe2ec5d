//! A chain as bytes, but for its transactions.

use farelog_events::bytes::{Malformed, Reader, put_text, put_time, put_varint};
use farelog_events::id::{MemberId, PointDefinitionId, ProgramId};
use rust_decimal::Decimal;

use super::{Chain, Cut, Wish};
use crate::document::{read_id, read_number};
use crate::order::TriggerKind;
use crate::points::entitlement::Slot;
use crate::points::transaction::RegistrationKind;

/// What a wish has, in a byte before it. Where no bit is set there is none.
const IS_WISH: u8 = 0b0000_0001;
const IS_DEFERRED: u8 = 0b0000_0010;
const HAS_TIMES: u8 = 0b0000_0100;
const HAS_END: u8 = 0b0000_1000;
const KNOWN: u8 = IS_WISH | IS_DEFERRED | HAS_TIMES | HAS_END;

impl Chain {
    /// Appends the stored form.
    pub(in crate::points) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.slot.program_id.get().cast_unsigned());
        put_varint(out, self.slot.point_definition_id.get().cast_unsigned());
        put_text(out, self.slot.order_line_id.as_str());
        self.slot.trigger.put(out);
        put_varint(out, self.cancelled_by.len() as u64);
        for position in &self.cancelled_by {
            put_varint(out, *position);
        }
        match &self.standing {
            None => out.push(0),
            Some(wish) => wish.put(out),
        }
        put_varint(out, self.cuts.len() as u64);
        for cut in &self.cuts {
            put_varint(out, cut.member_id.get().cast_unsigned());
            out.extend(cut.amount.serialize());
        }
    }

    /// Reads a stored form. The transactions are to be put back, see [`take_back`](Self::take_back).
    pub(in crate::points) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let slot = Slot {
            program_id: read_number(reader, ProgramId::new)?,
            point_definition_id: read_number(reader, PointDefinitionId::new)?,
            order_line_id: read_id(reader)?,
            trigger: TriggerKind::read(reader)?,
        };
        let mut chain = Self::new(slot);
        for _ in 0..reader.varint()? {
            chain.cancelled_by.push(reader.varint()?);
        }
        chain.standing = Wish::read(reader)?;
        for _ in 0..reader.varint()? {
            chain.cuts.push(Cut {
                member_id: read_number(reader, MemberId::new)?,
                amount: Decimal::deserialize(reader.array()?),
            });
        }
        Ok(chain)
    }
}

impl Wish {
    fn put(&self, out: &mut Vec<u8>) {
        let end = self.times.and_then(|(_, end)| end);
        let has = |bit: u8, has: bool| if has { bit } else { 0 };
        out.push(
            IS_WISH
                | has(IS_DEFERRED, self.registration == RegistrationKind::Deferred)
                | has(HAS_TIMES, self.times.is_some())
                | has(HAS_END, end.is_some()),
        );
        put_varint(out, self.member_id.get().cast_unsigned());
        out.extend(self.amount.serialize());
        for time in self.times.map(|(from, _)| from).into_iter().chain(end) {
            put_time(out, time);
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Malformed> {
        let has = reader.byte()?;
        if has == 0 {
            return Ok(None);
        }
        if has & !KNOWN != 0 || has & IS_WISH == 0 {
            return Err(Malformed("a wish has parts that are not known"));
        }
        let member_id = read_number(reader, MemberId::new)?;
        let amount = Decimal::deserialize(reader.array()?);
        let mut time = |bit| (has & bit != 0).then(|| reader.time()).transpose();
        let (from, end) = (time(HAS_TIMES)?, time(HAS_END)?);
        Ok(Some(Self {
            member_id,
            amount,
            registration: if has & IS_DEFERRED == 0 {
                RegistrationKind::Automatic
            } else {
                RegistrationKind::Deferred
            },
            times: from.map(|from| (from, end)),
        }))
    }
}
