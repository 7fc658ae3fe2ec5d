//! What is refused, and in which words.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::wording::sentence;
use super::{JsonFault, read};
use crate::id::{OrderId, ProgramId};
use crate::money::Money;

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Everything {
    #[serde(default)]
    text: String,
    #[serde(default)]
    count: u32,
    #[serde(default)]
    small: i8,
    #[serde(default)]
    share: f64,
    #[serde(default)]
    on: bool,
    time: Option<DateTime<Utc>>,
    order: Option<OrderId>,
    program: Option<ProgramId>,
    price: Option<Money>,
    #[serde(default)]
    prices: Vec<Money>,
    #[serde(default)]
    named: BTreeMap<String, Money>,
    free: Option<Map<String, Value>>,
    kind: Option<Kind>,
    wrapped: Option<Wrapped>,
    inner: Option<Box<Inner>>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Wrapped(Money);

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Inner {
    must: bool,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Kind {
    Paper,
    Phone,
    Priced(Money),
}

fn said(json: &str) -> String {
    read::<Everything>(json).unwrap_err().to_string()
}

#[test]
fn what_is_right_is_read() {
    let everything: Everything = read(
        r#" {"text":"a\"b","count":1,"small":-1,"share":0.5,"on":true,"time":"2026-01-31T12:00:00Z","order":"o",
            "program":"7","price":{"amount":"1","currency":"NOK"},"prices":[],"named":{},"free":{"a":[1]},
            "kind":{"PRICED":{"amount":"1","currency":"NOK"}},"wrapped":{"amount":"1","currency":"NOK"},
            "inner":{"must":true}} "#,
    )
    .unwrap();
    assert_eq!(everything.kind, everything.price.map(Kind::Priced));
    assert_eq!(
        read::<Everything>(r#"{"kind":"PHONE","price":null}"#)
            .unwrap()
            .kind,
        Some(Kind::Phone)
    );
}

#[test]
fn a_list_is_no_object_wherever_one_stands() {
    const LIST: &str = r#"["5.00","NOK"]"#;
    assert_eq!(said("[]"), "must be an object");
    for (json, field) in [
        (format!(r#"{{"price":{LIST}}}"#), "price"),
        (format!(r#"{{"prices":[{LIST}]}}"#), "prices[0]"),
        (format!(r#"{{"named":{{"a":{LIST}}}}}"#), "named.a"),
        (format!(r#"{{"wrapped":{LIST}}}"#), "wrapped"),
        (format!(r#"{{"kind":{{"PRICED":{LIST}}}}}"#), "kind.PRICED"),
        (r#"{"free":[]}"#.to_owned(), "free"),
        (r#"{"inner":[true]}"#.to_owned(), "inner"),
    ] {
        assert_eq!(said(&json), format!("{field}: must be an object"), "{json}");
    }
}

#[test]
fn what_is_wrong_is_said_in_our_own_words() {
    const KINDS: &str = "kind: must be one of PAPER, PHONE, PRICED";
    for (json, expected) in [
        ("", "is no JSON: it ends too early"),
        ("{", "is no JSON: it ends too early"),
        (
            "{} x",
            "is no JSON: something follows its end at line 1, column 4",
        ),
        ("{\"on\":\nyes}", "is no JSON: line 2, column 1"),
        (
            r#"{"share":1e999}"#,
            "is no JSON: a number is too large at line 1, column 14",
        ),
        ("7", "must be an object"),
        (r#"{"text":1}"#, "text: must be a string"),
        (r#"{"count":"1"}"#, "count: must be a whole number"),
        (r#"{"count":1.5}"#, "count: must be a whole number"),
        (
            r#"{"count":-1}"#,
            "count: must be a whole number from 0 to 4294967295",
        ),
        (r#"{"small":1000}"#, "small: must be a whole number"),
        (r#"{"share":"a"}"#, "share: must be a number"),
        (r#"{"on":"yes"}"#, "on: must be true or false"),
        (
            r#"{"time":1}"#,
            "time: must be a time like 2026-01-31T12:00:00Z",
        ),
        (
            r#"{"time":"soon"}"#,
            "time: must be a time like 2026-01-31T12:00:00Z",
        ),
        (
            r#"{"time":"2026-01-31"}"#,
            "time: must be a time like 2026-01-31T12:00:00Z",
        ),
        (r#"{"order":1}"#, "order: must be a string"),
        (
            r#"{"order":"a b"}"#,
            "order: an id is made of A-Z a-z 0-9 _ : -, this one has ' '",
        ),
        (
            r#"{"program":1.5}"#,
            "program: must be a whole number from 1 to 9007199254740991",
        ),
        (
            r#"{"program":0}"#,
            "program: a numeric id is a whole number from 1 to 9007199254740991",
        ),
        (r#"{"prices":{}}"#, "prices: must be a list"),
        (r#"{"kind":"PAPYRUS"}"#, KINDS),
        (r#"{"kind":5}"#, KINDS),
        (r#"{"kind":[]}"#, KINDS),
        (r#"{"kind":"a`, expected `b`, x"}"#, KINDS),
        (r#"{"text":"a","text":"b"}"#, "text: stands twice"),
        (r#"{"inner":{}}"#, "inner.must: is missing"),
        (r#"{"inner":{"might":1}}"#, "inner.might: is not known here"),
        (
            r#"{"a`, expected b":1}"#,
            "a`, expected b: is not known here",
        ),
    ] {
        assert_eq!(said(json), expected, "{json}");
    }
}

#[test]
fn a_fault_says_of_what_kind_it_is() {
    let fault = |json| read::<Inner>(json).unwrap_err().fault;
    assert_eq!(fault("{}"), JsonFault::Missing);
    assert_eq!(fault(r#"{"a":1}"#), JsonFault::Unknown);
    assert!(matches!(fault("{"), JsonFault::NotJson(_)));
    assert!(matches!(fault("[]"), JsonFault::Malformed(_)));
}

#[test]
fn what_a_text_fails_with_is_said_in_our_own_words() {
    let of = |error: &dyn std::fmt::Display| sentence(&error.to_string());
    for number in ["", "x", "-1", "99999999999999999999999"] {
        assert_eq!(
            of(&number.parse::<u64>().unwrap_err()),
            "must be a whole number"
        );
    }
    for time in [
        "",
        "x",
        "2026",
        "2026-02-31T00:00:00Z",
        "2026-01-31T12:00:00Zx",
        "2026-13-01T00:00:00Z",
    ] {
        assert_eq!(
            of(&time.parse::<DateTime<Utc>>().unwrap_err()),
            "must be a time like 2026-01-31T12:00:00Z",
            "{time}"
        );
    }
    assert_eq!(
        of(&"".parse::<OrderId>().unwrap_err()),
        "an id must not be empty"
    );
    let number = serde_json::from_str::<serde_json::Number>(r#""2.5""#);
    assert_eq!(of(&number.unwrap_err()), "must be a number");
    assert_eq!(sentence("No such file: /etc/passwd"), "is malformed");
}

proptest! {
    /// Whatever stands where something else is expected, no word of a parser or of Rust is passed on.
    #[test]
    fn no_library_speaks(
        field in prop::sample::select(vec![
            "text", "count", "small", "share", "on", "time", "order", "program", "price", "prices", "named", "free",
            "kind", "wrapped", "inner", "other",
        ]),
        value in prop_oneof![
            Just("null".to_owned()), Just("true".to_owned()), Just("[]".to_owned()), Just("{}".to_owned()),
            Just("[null]".to_owned()), Just("[1,2]".to_owned()), Just(r#"{"PAPER":1}"#.to_owned()),
            "-?[0-9]{1,25}(\\.[0-9]{1,3})?(e[0-9]{1,3})?", "\"[ -!#-\\[\\]-~]{0,12}\"", "[\\[\\]{}\":,0-9a-z]{0,6}",
        ],
    ) {
        let json = format!("{{\"{field}\":{value}}}");
        if let Err(error) = read::<Everything>(&json) {
            let said = match &error.fault {
                JsonFault::Malformed(said) | JsonFault::NotJson(said) => said,
                JsonFault::Missing | JsonFault::Unknown => "",
            };
            for words in ["expected", "invalid", "struct ", "EOF", "parsing", "variant", "u32", "at line 0"] {
                prop_assert!(!said.contains(words) || field == "order", "{json}: {said}");
            }
        }
    }
}
