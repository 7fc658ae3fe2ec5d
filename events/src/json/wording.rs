//! What is said to the one who sent something that can't be read: sentences of farelog's own, made from what a parser
//! said. A message that is not recognised is not passed on.

/// Openings of the sentences in which farelog's own types say what is wrong with a value: ids, versions, money, times, and
/// what requests refuse. A type whose sentence is not listed is not heard.
const OWN_OPENINGS: &[&str] = &[
    "an id ",
    "a numeric id ",
    "a version ",
    "an amount ",
    "a currency ",
    "a status ",
    "can't be cleared ",
    "must be a time ",
    WHOLE_NUMBER,
];

/// What is said where nothing better is known.
const MALFORMED: &str = "is malformed";

const WHOLE_NUMBER: &str = "must be a whole number";
const TIME: &str = "must be a time like 2026-01-31T12:00:00Z";

/// How chrono says that a text is no time.
const OF_TIMES: &[&str] = &[
    "input contains invalid characters",
    "input is not enough for unique date and time",
    "input is out of range",
    "no possible date and time matching input",
    "premature end of input",
    "trailing input",
];

/// How Rust says that a text is no whole number.
const OF_INTEGERS: &[&str] = &[
    "cannot parse integer from empty string",
    "invalid digit found in string",
    "number too large to fit in target type",
    "number too small to fit in target type",
];

/// The name between backticks after `prefix`. It came from outside and may have backticks of its own, which the
/// list of expected names behind it has too, but not with this before them.
pub fn quoted<'a>(said: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = said.strip_prefix(prefix)?;
    let end = ["`, expected ", "`, there are no "]
        .iter()
        .find_map(|follows| rest.rfind(follows))
        .or_else(|| rest.strip_suffix('`').map(str::len));
    rest.get(..end?)
}

/// The sentence for what a parser said of a value, to stand after the field's name: `must be a string`.
///
/// What farelog's own values say of themselves stays as it is.
pub fn sentence(said: &str) -> String {
    let said = without_place(said);
    if OWN_OPENINGS.iter().any(|own| said.starts_with(own)) {
        return said.to_owned();
    }
    if OF_TIMES.contains(&said) {
        return TIME.to_owned();
    }
    if OF_INTEGERS.contains(&said) {
        return WHOLE_NUMBER.to_owned();
    }
    // The value itself stands before it and may have anything in it; what was expected never has this in it.
    let Some((found, expected)) = said.rsplit_once(", expected ") else {
        return MALFORMED.to_owned();
    };
    if found.starts_with("unknown variant `") {
        one_of(expected)
    } else if found.starts_with("invalid value: integer `") {
        within_limits(expected)
    } else if found.starts_with("invalid type: ") || found.starts_with("invalid value: ") {
        must_be(expected)
    } else {
        MALFORMED.to_owned()
    }
}

/// Why a text is no JSON, to stand after that statement: `it ends too early`, `line 1, column 5`.
pub fn not_json(error: &serde_json::Error) -> String {
    let place = format!("line {}, column {}", error.line(), error.column());
    match why_not_json(error) {
        Some(why) if error.is_eof() => why.to_owned(),
        Some(why) => format!("{why} at {place}"),
        None => place,
    }
}

/// The same without the place; `None` where the place says it all.
pub fn why_not_json(error: &serde_json::Error) -> Option<&'static str> {
    if error.is_eof() {
        return Some("it ends too early");
    }
    match without_place(&error.to_string()) {
        "recursion limit exceeded" => Some("it is nested too deep"),
        "number out of range" => Some("a number is too large"),
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            Some("a string has half of a surrogate pair")
        }
        "trailing characters" => Some("something follows its end"),
        _ => None,
    }
}

/// A message of serde_json without the line and column at its end: the field's path says it better, and the text may
/// be a part of one that the sender knows.
pub(super) fn without_place(said: &str) -> &str {
    let numbers = |place: &str| {
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        place
            .split_once(" column ")
            .is_some_and(|(line, column)| all_digits(line) && all_digits(column))
    };
    match said.rsplit_once(" at line ") {
        Some((message, place)) if numbers(place) => message,
        _ => said,
    }
}

fn must_be(expected: &str) -> String {
    match expected {
        // The last is how a name of an enum is asked for where the names are not told.
        "a string" | "a borrowed string" | "string or map" => "must be a string".to_owned(),
        "a boolean" => "must be true or false".to_owned(),
        "f32" | "f64" | "a JSON number" => "must be a number".to_owned(),
        "a sequence" => "must be a list".to_owned(),
        "a map" | "map" => "must be an object".to_owned(),
        "an RFC 3339 formatted date and time string" => TIME.to_owned(),
        _ if expected.starts_with("struct ") => "must be an object".to_owned(),
        _ if expected.starts_with("one of `") => one_of(expected),
        _ if expected.starts_with("a whole number ") => format!("must be {expected}"),
        _ if is_integer(expected) => WHOLE_NUMBER.to_owned(),
        _ => MALFORMED.to_owned(),
    }
}

fn is_integer(name: &str) -> bool {
    matches!(
        name,
        "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize"
    )
}

/// For a whole number that its type does not hold.
fn within_limits(expected: &str) -> String {
    let largest = match expected {
        "u8" => u64::from(u8::MAX),
        "u16" => u64::from(u16::MAX),
        "u32" => u64::from(u32::MAX),
        "u64" | "usize" => u64::MAX,
        _ => return must_be(expected),
    };
    format!("{WHOLE_NUMBER} from 0 to {largest}")
}

/// The names that a list of serde's has between backticks.
fn one_of(expected: &str) -> String {
    let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    match names.as_slice() {
        [] => MALFORMED.to_owned(),
        [name] => format!("must be {name}"),
        names => format!("must be one of {}", names.join(", ")),
    }
}
