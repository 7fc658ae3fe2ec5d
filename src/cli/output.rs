//! What a command prints: tables for a person, or the server's JSON as it came.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use chrono::{DateTime, Local, Utc};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::value::RawValue;

use super::exit::Failure;

/// How a result is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For a person.
    #[default]
    Table,
    /// For a program: the JSON that the server answered.
    Json,
}

/// How a result is shown that is a list of rows, and can be read by a spreadsheet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum RowsOutput {
    /// For a person.
    #[default]
    Table,
    /// For a program.
    Json,
    /// For a spreadsheet: comma-separated values, with a line of titles.
    Csv,
}

/// The forms in which a command can show its result.
pub trait OutputForm: clap::ValueEnum + Default + Send + Sync + 'static {}

impl OutputForm for Output {}
impl OutputForm for RowsOutput {}

/// Comma-separated values of these rows, without the last line's end.
pub fn csv<R: AsRef<[u8]>>(rows: impl IntoIterator<Item = Vec<R>>) -> Result<String, Failure> {
    let failed = |error: &dyn Display| {
        Failure::Failed(format!("the result could not be written as CSV: {error}"))
    };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    let text = String::from_utf8(bytes).map_err(|error| failed(&error))?;
    Ok(text.trim_end().to_owned())
}

/// Writes a result to stdout. A reader that has seen enough and closed the pipe is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{}", harmless(text)).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Failed(format!(
            "the result could not be written to stdout: {error}"
        ))),
        _ => Ok(()),
    }
}

/// Says something about the work to stderr; it is no part of the result.
pub fn note(text: impl Display) {
    eprintln!("{}", harmless(&text.to_string()));
}

/// Texts from outside can hold what a terminal obeys: colours, titles, the cursor's place, the direction of writing. It is
/// shown as JSON escapes it, so that JSON stays the same.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let is_obeyed = |character: char| match character {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        other => other.is_control(),
    };
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|character| match character {
        obeyed if is_obeyed(obeyed) => format!("\\u{:04x}", u32::from(obeyed)),
        other => other.to_string(),
    });
    Cow::Owned(shown.collect())
}

/// An empty table with these column titles.
pub fn table<const COLUMNS: usize>(titles: [&str; COLUMNS]) -> Table {
    let mut table = bare_table();
    table.set_header(titles);
    table
}

/// A table of one thing: a row for each of its properties that has a value.
pub fn properties<const ROWS: usize>(rows: [(&str, Option<String>); ROWS]) -> Table {
    let mut table = bare_table();
    for (name, value) in rows {
        if let Some(value) = value {
            table.add_row([name.to_owned(), value]);
        }
    }
    table
}

/// As wide as the terminal. Where stdout is none: as wide as `COLUMNS` says, or else as what is in it, which suits
/// programs that look for something in it.
fn bare_table() -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic);
    if !io::stdout().is_terminal()
        && let Some(columns) = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok())
    {
        table.set_width(columns);
    }
    table
}

/// A time as the reader's clock shows it, with the zone: `2026-01-15 06:40:14 +01:00`.
pub fn local_time(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local)
        .format("%Y-%m-%d %H:%M:%S %:z")
        .to_string()
}

/// The same, or a dash where there is none.
pub fn optional_time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(dash, local_time)
}

/// A value, or a dash where there is none.
pub fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(dash, |value| value.to_string())
}

fn dash() -> String {
    "–".to_owned()
}

/// An exact decimal as the server wrote it. It never goes through a binary float.
pub fn decimal(number: &RawValue) -> String {
    number.get().trim_matches('"').to_owned()
}

/// A count with its noun: `1 event`, `1,803 events`.
pub fn counted(count: u64, singular: &str, plural: &str) -> String {
    let noun = if count == 1 { singular } else { plural };
    format!("{} {noun}", grouped(count))
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
        assert_eq!(counted(1, "event", "events"), "1 event");
        assert_eq!(counted(1_803, "event", "events"), "1,803 events");
    }

    #[test]
    fn a_property_without_a_value_has_no_row() {
        let table = properties([("member", Some("7".to_owned())), ("left", None)]).to_string();
        assert!(table.contains("member"), "{table}");
        assert!(!table.contains("left"), "{table}");
    }

    /// The name of a product in an event coloured the terminal of who looked at the order, and gave its window a title.
    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        let name = "A\u{1b}[31mRED\u{1b}]0;title\u{7}\u{202e}\n\tbåt 😀";
        let shown = harmless(name);
        assert_eq!(
            shown,
            "A\\u001b[31mRED\\u001b]0;title\\u0007\\u202e\n\tbåt 😀"
        );
        let as_json = serde_json::to_string("\u{1b}\u{7f}\u{9b}2J").unwrap();
        let read: String = serde_json::from_str(&harmless(&as_json)).unwrap();
        assert_eq!(read, "\u{1b}\u{7f}\u{9b}2J");
        assert!(!harmless(&as_json).contains('\u{9b}'));
    }

    #[test]
    fn a_decimal_is_shown_digit_for_digit() {
        let number: Box<RawValue> = serde_json::from_str("29.225563910").unwrap();
        assert_eq!(decimal(&number), "29.225563910");
    }
}
