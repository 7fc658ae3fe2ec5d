//! Whether two JSON texts have the same value.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::JsonText;

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
pub fn is_same_value(one: &JsonText, other: &JsonText) -> bool {
    one.get() == other.get()
        || match (Content::of(one), Content::of(other)) {
            (Some(one), Some(other)) => one == other,
            _ => false,
        }
}

/// What a JSON text says, whatever way it is written.
#[derive(PartialEq, Eq)]
enum Content<'a> {
    Object(BTreeMap<Cow<'a, str>, Content<'a>>),
    List(Vec<Content<'a>>),
    Text(Cow<'a, str>),
    Number(ExactNumber),
    /// What has one spelling, or is only known by the one that it has.
    Spelling(&'a str),
}

impl<'a> Content<'a> {
    /// `None`: it is nested too deep.
    fn of(json: &'a JsonText) -> Option<Self> {
        Reader { rest: json.get() }.value(DEPTH_MAX)
    }
}

/// Reads a text that is known to be JSON. A parser would do, but for numbers: it has made machine numbers of them.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Content<'a>> {
        let depth = depth.checked_sub(1)?;
        self.skip_space();
        match self.rest.as_bytes().first()? {
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b'"' => self.text().map(Content::Text),
            _ => {
                let end = self.rest.find([',', ']', '}', ' ', '\n', '\r', '\t']);
                let spelling = self.cut(end.unwrap_or(self.rest.len()));
                let number = ExactNumber::of(spelling).map(Content::Number);
                // Only what is no JSON has nothing here.
                (!spelling.is_empty()).then(|| number.unwrap_or(Content::Spelling(spelling)))
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Content<'a>> {
        let mut fields = BTreeMap::new();
        self.take('{');
        while !self.take('}') {
            self.take(',');
            let name = self.text()?;
            self.take(':');
            fields.insert(name, self.value(depth)?);
        }
        Some(Content::Object(fields))
    }

    fn list(&mut self, depth: usize) -> Option<Content<'a>> {
        let mut items = Vec::new();
        self.take('[');
        while !self.take(']') {
            self.take(',');
            items.push(self.value(depth)?);
        }
        Some(Content::List(items))
    }

    /// A string without its escapes, borrowed where it has none.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

        self.skip_space();
        let mut bytes = self.rest.bytes().enumerate().skip(1);
        let end = loop {
            match bytes.next()? {
                (_, b'\\') => drop(bytes.next()),
                (end, b'"') => break end,
                _ => {}
            }
        };
        let text: Text<'a> = serde_json::from_str(self.cut(end + 1)).ok()?;
        Some(text.0)
    }

    /// Whether this comes next; then it is behind.
    fn take(&mut self, mark: char) -> bool {
        self.skip_space();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn cut(&mut self, bytes: usize) -> &'a str {
        let (text, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        text
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }
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
    /// `None`: it is no number, or its power of ten is out of range.
    fn of(json: &str) -> Option<Self> {
        if !json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
            return None;
        }
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
    use serde_json::Value;

    use super::*;

    fn same(one: &str, other: &str) -> bool {
        let (one, other) = (JsonText::new(one).unwrap(), JsonText::new(other).unwrap());
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

    /// Any JSON of whole numbers that a machine number holds, which the parser compares well.
    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-2..3_i64).prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[a\"\\\\{},:\n é]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[ab\"]{0,1}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn values_are_the_same_as_the_parser_finds_them(one in any_value(), other in any_value()) {
            let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
            prop_assert!(same(&one.to_string(), &pretty(&one)));
            prop_assert_eq!(same(&one.to_string(), &pretty(&other)), one == other);
        }

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
