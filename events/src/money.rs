//! Money: an exact decimal amount with its currency. Never a binary float.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::text;

/// Most digits after the decimal point that an amount of money may have.
pub const MONEY_SCALE_MAX: u32 = 9;
/// Amounts of money stay below this, so that exact arithmetic on them can't overflow.
pub const MONEY_AMOUNT_LIMIT: i64 = 1_000_000_000_000;

/// Why something is no amount of money or no currency.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MoneyError {
    /// Not a plain decimal number.
    #[error("an amount is a decimal number in a string, like \"39.00\"")]
    NotADecimal,
    /// Below zero.
    #[error("an amount must not be negative")]
    Negative,
    /// Too large or too fine.
    #[error("an amount is below {MONEY_AMOUNT_LIMIT} with at most {MONEY_SCALE_MAX} decimals")]
    OutOfRange,
    /// Not three capital letters.
    #[error("a currency is an ISO 4217 code, like \"NOK\"")]
    Currency,
}

/// An amount and its currency, in JSON `{"amount": "39.00", "currency": "NOK"}`.
///
/// The amount is never negative; its scale is kept as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// The amount, in units of the currency.
    #[serde(with = "amount")]
    pub amount: Decimal,
    /// The currency.
    pub currency: Currency,
}

/// A currency by its ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency([u8; 3]);

impl Currency {
    /// The code, three capital letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }

    /// How many decimals the currency's minor unit has (ISO 4217): 2 for NOK (øre), 0 for JPY. 2 for a code
    /// that the standard does not list.
    pub fn minor_unit_decimals(&self) -> u32 {
        iso_currency::Currency::from_code(self.as_str())
            .and_then(iso_currency::Currency::exponent)
            .map_or(2, u32::from)
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        match text.as_bytes() {
            &[a, b, c] if [a, b, c].iter().all(u8::is_ascii_uppercase) => Ok(Self([a, b, c])),
            _ => Err(MoneyError::Currency),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::parse(deserializer)
    }
}

impl Money {
    /// The amount in whole minor units of the currency (3990 for 39.90 NOK), or `None` where it is finer than one.
    pub fn minor_units(&self) -> Option<i64> {
        let factor = Decimal::from(10_u64.pow(self.currency.minor_unit_decimals()));
        let units = self.amount.checked_mul(factor)?;
        if units.fract().is_zero() {
            i64::try_from(units.trunc()).ok()
        } else {
            None
        }
    }
}

/// Reads an amount of money from its text.
pub fn parse_amount(text: &str) -> Result<Decimal, MoneyError> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && digits.bytes().filter(|b| *b == b'.').count() <= 1
        && digits.bytes().any(|b| b.is_ascii_digit());
    if !is_plain {
        return Err(MoneyError::NotADecimal);
    }
    // What is left to be wrong is that it has more digits than the type holds.
    let amount = Decimal::from_str_exact(text).map_err(|_| MoneyError::OutOfRange)?;
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(MoneyError::Negative);
    }
    if amount.scale() > MONEY_SCALE_MAX || amount >= Decimal::from(MONEY_AMOUNT_LIMIT) {
        return Err(MoneyError::OutOfRange);
    }
    Ok(amount)
}

mod amount {
    use std::str::FromStr;

    use super::{Decimal, Deserializer, MoneyError, Serializer, parse_amount, text};

    struct Amount(Decimal);

    impl FromStr for Amount {
        type Err = MoneyError;

        fn from_str(text: &str) -> Result<Self, MoneyError> {
            parse_amount(text).map(Self)
        }
    }

    pub fn serialize<S: Serializer>(amount: &Decimal, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Decimal, D::Error> {
        text::parse(deserializer).map(|Amount(amount)| amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_its_scale_and_is_never_negative() {
        let money: Money = serde_json::from_str(r#"{"amount":"39.00","currency":"NOK"}"#).unwrap();
        assert_eq!(
            serde_json::to_string(&money).unwrap(),
            r#"{"amount":"39.00","currency":"NOK"}"#
        );
        assert_eq!(parse_amount("-1"), Err(MoneyError::Negative));
        assert_eq!(parse_amount("1e3"), Err(MoneyError::NotADecimal));
        assert_eq!(parse_amount("1_000"), Err(MoneyError::NotADecimal));
        assert_eq!(parse_amount(""), Err(MoneyError::NotADecimal));
        for no_number in [".", "-", "1.2.3"] {
            assert_eq!(parse_amount(no_number), Err(MoneyError::NotADecimal));
        }
        let more_digits_than_the_type_has = format!("39.{}", "1".repeat(30));
        for beyond in ["1000000000000", &more_digits_than_the_type_has] {
            assert_eq!(
                parse_amount(beyond),
                Err(MoneyError::OutOfRange),
                "{beyond}"
            );
        }
        assert!(serde_json::from_str::<Money>(r#"{"amount":39.0,"currency":"NOK"}"#).is_err());
        assert!(serde_json::from_str::<Money>(r#"{"amount":"39.0","currency":"nok"}"#).is_err());
    }

    #[test]
    fn minor_units_follow_the_currency() {
        let money = |amount: &str, currency: &str| Money {
            amount: parse_amount(amount).unwrap(),
            currency: currency.parse().unwrap(),
        };
        assert_eq!(money("39.90", "NOK").minor_units(), Some(3990));
        assert_eq!(money("39", "JPY").minor_units(), Some(39));
        assert_eq!(money("39.905", "NOK").minor_units(), None);
    }
}
