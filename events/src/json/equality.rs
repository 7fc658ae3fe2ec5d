//! Whether two JSON texts have the same value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// How deep a value may be nested to be compared; none that is deeper gets into a log, because no parser would follow
/// it.
const DEPTH_MAX: usize = 128;

/// Whether two JSON texts have the same value: objects whatever the order of their fields (of two fields of one name
/// the last counts), strings whatever their escapes, and numbers by their exact decimal value, however long they are
/// and however they are written. `1`, `1.0` and `10e-1` are one number; two that only the same double stands for are
/// two.
///
/// What can't be compared (nested too deep, a power of ten that no machine integer holds) is the same only where it is
/// written the same.
pub fn is_same_value(one: &RawValue, other: &RawValue) -> bool {
    is_same(one, other, DEPTH_MAX)
}

fn is_same(one: &RawValue, other: &RawValue, depth: usize) -> bool {
    let (one, other) = (one.get(), other.get());
    if one == other {
        return true;
    }
    let Some(depth) = depth.checked_sub(1) else {
        return false;
    };
    match (first_byte(one), first_byte(other)) {
        (b'{', b'{') => is_same_object(one, other, depth).unwrap_or(false),
        (b'[', b'[') => is_same_list(one, other, depth).unwrap_or(false),
        (b'"', b'"') => text(one).is_some_and(|one| text(other) == Some(one)),
        (b'-' | b'0'..=b'9', b'-' | b'0'..=b'9') => {
            ExactNumber::of(one).is_some_and(|one| ExactNumber::of(other) == Some(one))
        }
        // The literals have one spelling each.
        _ => false,
    }
}

fn first_byte(text: &str) -> u8 {
    text.as_bytes().first().copied().unwrap_or_default()
}

/// A string without its escapes, borrowed where it has none.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn text(json: &str) -> Option<Text<'_>> {
    serde_json::from_str(json).ok()
}

/// `None`: one of them can't be read.
fn is_same_object(one: &str, other: &str, depth: usize) -> Option<bool> {
    let fields = |json| serde_json::from_str::<BTreeMap<Text<'_>, &RawValue>>(json).ok();
    let (one, other) = (fields(one)?, fields(other)?);
    let are_same = one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|((name, one), (other_name, other))| {
                name == other_name && is_same(one, other, depth)
            });
    Some(are_same)
}

/// `None`: one of them can't be read.
fn is_same_list(one: &str, other: &str, depth: usize) -> Option<bool> {
    let items = |json| serde_json::from_str::<Vec<&RawValue>>(json).ok();
    let (one, other) = (items(one)?, items(other)?);
    let are_same = one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|(one, other)| is_same(one, other, depth));
    Some(are_same)
}

/// A number of JSON by its exact value: one value has one form.
#[derive(PartialEq, Eq)]
struct ExactNumber {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    /// The power of ten that the digits stand behind the point of: 0.`digits` times ten to this.
    power: i64,
}

impl ExactNumber {
    /// `None` where the power of ten is out of range.
    fn of(json: &str) -> Option<Self> {
        let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
        let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let all = [whole, fraction].concat();
        let from_first = all.trim_start_matches('0');
        let digits = from_first.trim_end_matches('0');
        if digits.is_empty() {
            return Some(Self {
                is_negative: false,
                digits: String::new(),
                power: 0,
            });
        }
        let before_point = i64::try_from(whole.len()).ok()?;
        let leading_zeros = i64::try_from(all.len() - from_first.len()).ok()?;
        let exponent: i64 = exponent.parse().ok()?;
        Some(Self {
            is_negative: mantissa.starts_with('-'),
            digits: digits.to_owned(),
            power: exponent.checked_add(before_point - leading_zeros)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let (one, other) = (raw(one), raw(other));
        let is_same = is_same_value(&one, &other);
        assert_eq!(is_same, is_same_value(&other, &one), "{one} {other}");
        is_same
    }

    #[test]
    fn one_value_may_be_written_in_several_ways() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("100", "1E+2"),
            ("100", "0.001e5"),
            ("0", "-0"),
            ("0", "0.000e99999999999999999999"),
            ("-12.50", "-1250e-2"),
            ("18446744073709551616", "18446744073709551616.0"),
            (r#""\u00e6/""#, r#""æ\/""#),
            (r#"{"a":1,"b":[2]}"#, r#"{ "b": [ 2.0 ], "\u0061": 1 }"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert!(same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn different_values_are_different_however_alike_they_are() {
        for (one, other) in [
            ("18446744073709551616", "18446744073709551617"),
            ("20000000000000000000", "20000000000000000001"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567891",
            ),
            ("0.1", "0.10000000000000000001"),
            ("1e-400", "0"),
            ("1", "-1"),
            ("1", "10"),
            ("1", "\"1\""),
            ("true", "false"),
            ("null", "0"),
            ("[1,2]", "[2,1]"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1.5}}"#),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ] {
            assert!(!same(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_compared_as_it_is_written() {
        let nested =
            |number: &str, depth| format!("{}{number}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(same(&nested("1", 100), &nested("1.0", 100)));
        assert!(same(&nested("1", 100_000), &nested("1", 100_000)));
        assert!(!same(&nested("1", 100_000), &nested("1.0", 100_000)));
    }

    proptest! {
        #[test]
        fn a_number_is_the_same_wherever_its_point_stands(
            digits in "[1-9][0-9]{0,40}",
            shift in 0..60_usize,
            last in 1..=9_u8,
        ) {
            let moved = format!("{digits}{}e-{shift}", "0".repeat(shift));
            let fraction = format!("0.{}{digits}e{}", "0".repeat(shift), digits.len() + shift);
            prop_assert!(same(&digits, &moved));
            prop_assert!(same(&digits, &fraction));
            let more = format!("{digits}.{}{last}", "0".repeat(shift));
            prop_assert!(!same(&digits, &more));
        }
    }
}
