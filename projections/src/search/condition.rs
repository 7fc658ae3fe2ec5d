//! One filter's condition: an operator and what it compares with (contract, section 1, "Search").

use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;

use farelog_events::json::wording;
use thiserror::Error;

/// Most values in a list.
pub const LIST_VALUES_MAX: usize = 100;

/// Longest text of a condition, in bytes: a list of the longest ids fits.
pub const CONDITION_BYTES_MAX: usize = 16 * 1024;

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConditionError {
    /// There is nothing to compare with.
    #[error("must have a value{0}")]
    Empty(&'static str),
    /// The text is longer than [`CONDITION_BYTES_MAX`].
    #[error("must have at most {CONDITION_BYTES_MAX} bytes")]
    TooLong,
    /// The list is longer than [`LIST_VALUES_MAX`].
    #[error("must list at most {LIST_VALUES_MAX} values")]
    TooMany,
    /// A value can't be read as what the field holds.
    #[error("{value:?} can't be compared with: {problem}")]
    Value {
        /// The value.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The values of the field have no order.
    #[error("takes eq, ne, in and nin only")]
    Unordered,
}

/// What a value has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition<T> {
    /// This (`eq:`).
    Is(T),
    /// Anything but this, or nothing (`ne:`).
    IsNot(T),
    /// Greater (`gt:`).
    Above(T),
    /// Greater or equal (`gte:`).
    From(T),
    /// Less (`lt:`).
    Below(T),
    /// Less or equal (`lte:`).
    To(T),
    /// One of these (`in:`).
    OneOf(Vec<T>),
    /// None of these, or nothing (`nin:`).
    NoneOf(Vec<T>),
}

impl<T> Condition<T> {
    /// Whether the values need an order for it.
    pub fn compares(&self) -> bool {
        matches!(
            self,
            Self::Above(_) | Self::From(_) | Self::Below(_) | Self::To(_)
        )
    }

    /// The same of other values.
    pub fn map<U>(self, value: impl Fn(T) -> U) -> Condition<U> {
        match self {
            Self::Is(wanted) => Condition::Is(value(wanted)),
            Self::IsNot(unwanted) => Condition::IsNot(value(unwanted)),
            Self::Above(limit) => Condition::Above(value(limit)),
            Self::From(limit) => Condition::From(value(limit)),
            Self::Below(limit) => Condition::Below(value(limit)),
            Self::To(limit) => Condition::To(value(limit)),
            Self::OneOf(wanted) => Condition::OneOf(wanted.into_iter().map(value).collect()),
            Self::NoneOf(unwanted) => Condition::NoneOf(unwanted.into_iter().map(value).collect()),
        }
    }

    /// The values that it names, if it names all that it admits.
    pub fn named(&self) -> Option<&[T]> {
        match self {
            Self::Is(value) => Some(std::slice::from_ref(value)),
            Self::OneOf(values) => Some(values),
            _ => None,
        }
    }
}

impl<T: Ord> Condition<T> {
    /// Whether a field with this value, or without one, is as the condition says. A field without a value is no given
    /// value, and neither above nor below one.
    pub fn admits(&self, value: Option<&T>) -> bool {
        let Some(value) = value else {
            return matches!(self, Self::IsNot(_) | Self::NoneOf(_));
        };
        match self {
            Self::Is(wanted) => value == wanted,
            Self::IsNot(unwanted) => value != unwanted,
            Self::Above(limit) => value > limit,
            Self::From(limit) => value >= limit,
            Self::Below(limit) => value < limit,
            Self::To(limit) => value <= limit,
            Self::OneOf(wanted) => wanted.contains(value),
            Self::NoneOf(unwanted) => !unwanted.contains(value),
        }
    }

    /// The least and the greatest value that it can admit.
    pub fn bounds(&self) -> (Bound<&T>, Bound<&T>) {
        use Bound::{Excluded, Included, Unbounded};
        match self {
            Self::Is(value) => (Included(value), Included(value)),
            Self::Above(limit) => (Excluded(limit), Unbounded),
            Self::From(limit) => (Included(limit), Unbounded),
            Self::Below(limit) => (Unbounded, Excluded(limit)),
            Self::To(limit) => (Unbounded, Included(limit)),
            Self::OneOf(values) => match (values.iter().min(), values.iter().max()) {
                (Some(least), Some(greatest)) => (Included(least), Included(greatest)),
                _ => (Unbounded, Unbounded),
            },
            Self::IsNot(_) | Self::NoneOf(_) => (Unbounded, Unbounded),
        }
    }
}

impl<T: FromStr<Err: Display>> FromStr for Condition<T> {
    type Err = ConditionError;

    /// Reads `operator:value`, or a value alone, which means `eq`. What begins like an operator is one, so that a value
    /// that does too is written behind an operator: `eq:gt:1` is the text `gt:1`.
    fn from_str(text: &str) -> Result<Self, ConditionError> {
        if text.len() > CONDITION_BYTES_MAX {
            return Err(ConditionError::TooLong);
        }
        let one = |value: &str| read(value, "");
        let Some((operator, rest)) = text.split_once(':') else {
            return one(text).map(Self::Is);
        };
        Ok(match operator {
            "eq" => Self::Is(one(rest)?),
            "ne" => Self::IsNot(one(rest)?),
            "gt" => Self::Above(one(rest)?),
            "gte" => Self::From(one(rest)?),
            "lt" => Self::Below(one(rest)?),
            "lte" => Self::To(one(rest)?),
            "in" => Self::OneOf(list(rest)?),
            "nin" => Self::NoneOf(list(rest)?),
            _ => Self::Is(one(text)?),
        })
    }
}

fn list<T: FromStr<Err: Display>>(text: &str) -> Result<Vec<T>, ConditionError> {
    let values: Vec<T> = text
        .split(',')
        .take(LIST_VALUES_MAX + 1)
        .map(|value| read(value, " before and after each comma"))
        .collect::<Result<_, _>>()?;
    if values.len() > LIST_VALUES_MAX {
        return Err(ConditionError::TooMany);
    }
    Ok(values)
}

fn read<T: FromStr<Err: Display>>(value: &str, place: &'static str) -> Result<T, ConditionError> {
    if value.is_empty() {
        return Err(ConditionError::Empty(place));
    }
    value
        .parse()
        .map_err(|problem: T::Err| ConditionError::Value {
            value: value.to_owned(),
            problem: wording::sentence(&problem.to_string()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Result<Condition<i64>, ConditionError> {
        text.parse()
    }

    fn text(text: &str) -> Condition<String> {
        text.parse().unwrap()
    }

    #[test]
    fn a_value_may_carry_an_operator() {
        use Condition as C;
        assert_eq!(number("7"), Ok(C::Is(7)));
        assert_eq!(number("eq:7"), Ok(C::Is(7)));
        assert_eq!(number("ne:7"), Ok(C::IsNot(7)));
        assert_eq!(number("gt:7"), Ok(C::Above(7)));
        assert_eq!(number("gte:7"), Ok(C::From(7)));
        assert_eq!(number("lt:7"), Ok(C::Below(7)));
        assert_eq!(number("lte:7"), Ok(C::To(7)));
        assert_eq!(number("in:7,8"), Ok(C::OneOf(vec![7, 8])));
        assert_eq!(number("nin:7"), Ok(C::NoneOf(vec![7])));
    }

    #[test]
    fn what_begins_like_an_operator_is_one() {
        assert_eq!(text("eq:gt:1"), Condition::Is("gt:1".to_owned()));
        assert_eq!(text("gt:1"), Condition::Above("1".to_owned()));
        assert_eq!(text("ENT:Order:1"), Condition::Is("ENT:Order:1".to_owned()));
        assert_eq!(text("EQ:1"), Condition::Is("EQ:1".to_owned()));
    }

    #[test]
    fn what_can_not_be_read_is_refused() {
        for empty in ["", "eq:", "in:", "in:1,", "in:,1", "nin:1,,2"] {
            assert!(
                matches!(number(empty), Err(ConditionError::Empty(_))),
                "{empty}"
            );
        }
        for malformed in ["x", "gt:x", "in:1,x", "foo:1"] {
            assert!(
                matches!(number(malformed), Err(ConditionError::Value { .. })),
                "{malformed}"
            );
        }
        let list = |length| format!("in:{}", vec!["1"; length].join(","));
        assert!(number(&list(LIST_VALUES_MAX)).is_ok());
        assert_eq!(
            number(&list(LIST_VALUES_MAX + 1)),
            Err(ConditionError::TooMany)
        );
        let long = "1".repeat(CONDITION_BYTES_MAX + 1);
        assert_eq!(number(&long), Err(ConditionError::TooLong));
    }

    #[test]
    fn a_field_without_a_value_is_no_given_value() {
        for (condition, admits) in [
            ("7", false),
            ("ne:7", true),
            ("gt:7", false),
            ("lte:7", false),
            ("in:7", false),
            ("nin:7", true),
        ] {
            let condition = number(condition).unwrap();
            assert_eq!(condition.admits(None), admits, "{condition:?}");
        }
    }
}
