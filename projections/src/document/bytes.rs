//! An order as bytes, but for its transactions, which [`stored_order`](crate::stored_order) stores apart and puts back.
//!
//! What nearly every order has stands there as numbers and texts: an order is written whenever it changes, and as JSON that
//! took five times as long. What few have stands behind it as JSON.

use farelog_events::bytes::{Malformed, Reader, put_text, put_varint};
use serde_json::{Error, from_str, to_string};

use super::{OrderDocument, RuleError, TriggerPlace};
use crate::distribution::Groups;
use crate::order::{OrderEvent, TriggerKind};
use crate::points::ledger::Ledger;
use crate::points::merits::Merits;
use crate::points::registration::Registration;

/// What few orders have: registrations, groups, rule errors, and whether the last step had more to give.
type Seldom = (Vec<Registration>, Groups, Vec<RuleError>, bool);

impl OrderDocument {
    /// Appends the order.
    ///
    /// # Errors
    /// A value that has no JSON.
    pub(crate) fn put(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        put_text(out, self.order_id.as_str());
        put_varint(out, self.events.len() as u64);
        for event in &self.events {
            event.put(out);
        }
        put_varint(out, self.places.len() as u64);
        for place in &self.places {
            put_text(out, place.order_line_id.as_str());
            place.trigger.put(out);
            put_varint(out, place.position);
        }
        self.ledger.put(out);
        let has_seldom = self.is_unsettled
            || !self.registrations.is_empty()
            || !self.groups.is_empty()
            || !self.rule_errors.is_empty();
        if has_seldom {
            let seldom = (
                &self.registrations,
                &self.groups,
                &self.rule_errors,
                self.is_unsettled,
            );
            put_text(out, &to_string(&seldom)?);
        }
        Ok(())
    }

    /// Reads what was appended.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let reader = &mut Reader::new(bytes);
        let order_id = read_id(reader)?;
        let mut events = Vec::new();
        for _ in 0..reader.varint()? {
            events.push(OrderEvent::read(reader)?);
        }
        let mut places = Vec::new();
        for _ in 0..reader.varint()? {
            places.push(TriggerPlace {
                order_line_id: read_id(reader)?,
                trigger: TriggerKind::read(reader)?,
                position: reader.varint()?,
            });
        }
        let ledger = Ledger::read(reader)?;
        let seldom: Seldom = if reader.is_empty() {
            Seldom::default()
        } else {
            let seldom = from_str(reader.text()?);
            seldom.map_err(|_| Malformed("what few orders have can't be read"))?
        };
        if !reader.is_empty() {
            return Err(Malformed("an order has more bytes than it uses"));
        }
        let (registrations, groups, rule_errors, is_unsettled) = seldom;
        Ok(Self {
            order_id,
            events,
            places,
            registrations,
            ledger,
            groups,
            rule_errors,
            is_unsettled,
            merits: Merits::default(),
        })
    }
}

impl TriggerKind {
    /// Appends the trigger.
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::LineConfirmed => 0,
            Self::LineActivated => 1,
            Self::PaymentCaptured => 2,
        });
    }

    /// Reads what was appended.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match reader.byte()? {
            0 => Self::LineConfirmed,
            1 => Self::LineActivated,
            2 => Self::PaymentCaptured,
            _ => return Err(Malformed("a trigger is not known")),
        })
    }
}

/// Reads an id.
pub(crate) fn read_id<T: std::str::FromStr>(reader: &mut Reader<'_>) -> Result<T, Malformed> {
    let id = reader.text()?.parse();
    id.map_err(|_| Malformed("an id is none"))
}

/// Reads a numeric id.
pub(crate) fn read_number<T>(
    reader: &mut Reader<'_>,
    id: impl FnOnce(i64) -> Option<T>,
) -> Result<T, Malformed> {
    let number = i64::try_from(reader.varint()?).ok();
    number.and_then(id).ok_or(Malformed("an id is none"))
}
