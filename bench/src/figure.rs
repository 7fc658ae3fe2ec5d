//! The figures of a run: what was measured, what stands beside it, and what it should reach.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

/// What a figure is counted in. Times are micro- or milliseconds, sizes bytes or MiB, as the unit says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Events a second.
    EventsPerSecond,
    /// Requests a second.
    RequestsPerSecond,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// 1024 x 1024 bytes.
    Mebibytes,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Self::EventsPerSecond => "events/s",
            Self::RequestsPerSecond => "requests/s",
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::Bytes => "bytes",
        }
    }

    fn shown(self, value: f64) -> String {
        match self {
            Self::Microseconds if value < 100.0 => format!("{value:.1} us"),
            Self::Milliseconds if value < 100.0 => format!("{value:.2} ms"),
            unit => format!("{} {}", grouped(value), unit.name()),
        }
    }
}

/// What a figure should be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Aim {
    /// The figure itself, at least.
    AtLeast(f64),
    /// The figure itself, below.
    Below(f64),
    /// The figure divided by what stands beside it, at least.
    RatioAtLeast(f64),
    /// The figure divided by what stands beside it, at most.
    RatioAtMost(f64),
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    unit: Unit,
    /// `None` where it could not be measured; a note says why.
    value: Option<f64>,
    beside: Option<Beside>,
    aims: Vec<Aim>,
}

#[derive(Debug, Clone)]
struct Beside {
    name: String,
    value: Option<f64>,
}

impl Figure {
    /// A figure that was measured.
    pub fn new(name: impl Into<String>, unit: Unit, value: f64) -> Self {
        Self {
            name: name.into(),
            unit,
            value: Some(value),
            beside: None,
            aims: Vec::new(),
        }
    }

    /// Puts another figure, in the same unit and of the same run, beside it; `None` where that could not be measured.
    #[must_use]
    pub fn beside(mut self, name: impl Into<String>, value: Option<f64>) -> Self {
        self.beside = Some(Beside {
            name: name.into(),
            value,
        });
        self
    }

    /// Says what it should be.
    #[must_use]
    pub fn aim(mut self, aim: Aim) -> Self {
        self.aims.push(aim);
        self
    }

    fn beside_value(&self) -> Option<f64> {
        self.beside.as_ref().and_then(|beside| beside.value)
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.value? / self.beside_value().filter(|beside| *beside > 0.0)?)
    }

    /// Whether an aim is met; `None` where there is nothing to compare.
    fn meets(&self, aim: Aim) -> Option<bool> {
        Some(match aim {
            Aim::AtLeast(least) => self.value? >= least,
            Aim::Below(limit) => self.value? < limit,
            Aim::RatioAtLeast(least) => self.ratio()? >= least,
            Aim::RatioAtMost(most) => self.ratio()? <= most,
        })
    }

    fn cells(&self) -> [String; 6] {
        let aims = self.aims.iter().map(|&aim| match aim {
            Aim::AtLeast(least) => format!("≥ {}", self.unit.shown(least)),
            Aim::Below(limit) => format!("< {}", self.unit.shown(limit)),
            Aim::RatioAtLeast(least) => format!("≥ {least} x"),
            Aim::RatioAtMost(most) => format!("≤ {most} x"),
        });
        let met = self.aims.iter().map(|&aim| match self.meets(aim) {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "unknown",
        });
        let shown = |value: Option<f64>| {
            value.map_or_else(|| "not measured".to_owned(), |value| self.unit.shown(value))
        };
        [
            self.name.clone(),
            shown(self.value),
            self.beside.as_ref().map_or_else(String::new, |beside| {
                format!("{}: {}", beside.name, shown(beside.value))
            }),
            self.ratio()
                .map_or_else(String::new, |ratio| format!("{ratio:.2} x")),
            aims.collect::<Vec<_>>().join("\n"),
            met.collect::<Vec<_>>().join("\n"),
        ]
    }

    /// An entry for each aim, so that each is a number with a yes or a no; one without where there is none.
    fn entries(&self) -> Vec<Entry> {
        let plain = Entry {
            figure: self.name.clone(),
            value: self.value,
            unit: self.unit.name(),
            beside: self.beside_value(),
            ratio: self.ratio(),
            aim: None,
            met: None,
        };
        let is_of_value = |aim: &&Aim| matches!(aim, Aim::AtLeast(_) | Aim::Below(_));
        let (of_value, of_ratio): (Vec<_>, Vec<_>) = self.aims.iter().partition(is_of_value);
        let mut entries = Vec::new();
        for &aim in of_value {
            let (Aim::AtLeast(aimed)
            | Aim::Below(aimed)
            | Aim::RatioAtLeast(aimed)
            | Aim::RatioAtMost(aimed)) = aim;
            entries.push(Entry {
                aim: Some(aimed),
                met: self.meets(aim),
                ..plain.clone()
            });
        }
        if entries.is_empty() {
            entries.push(plain);
        }
        for &aim in of_ratio {
            let (Aim::AtLeast(aimed)
            | Aim::Below(aimed)
            | Aim::RatioAtLeast(aimed)
            | Aim::RatioAtMost(aimed)) = aim;
            entries.push(Entry {
                figure: format!("{}, ratio", self.name),
                value: self.ratio(),
                unit: "x",
                beside: None,
                ratio: None,
                aim: Some(aimed),
                met: self.meets(aim),
            });
        }
        entries
    }
}

/// An entry of the file for machines.
#[derive(Debug, Clone, Serialize)]
struct Entry {
    figure: String,
    value: Option<f64>,
    unit: &'static str,
    beside: Option<f64>,
    ratio: Option<f64>,
    aim: Option<f64>,
    met: Option<bool>,
}

/// All figures of a run, and what has to be known to read them.
#[derive(Debug, Default)]
pub struct Report {
    figures: Vec<Figure>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a row.
    pub fn add(&mut self, figure: Figure) {
        eprintln!("  {}", figure.cells()[..3].join("  ").trim_end());
        self.figures.push(figure);
    }

    /// Adds a sentence that stands under the table.
    pub fn note(&mut self, sentence: impl Into<String>) {
        self.notes.push(sentence.into());
    }

    /// The sentences so far.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Prints the table to stdout.
    pub fn print(&self) {
        let mut table = Table::new();
        table
            .load_style(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(["figure", "measured", "beside it", "ratio", "aim", ""]);
        for figure in &self.figures {
            table.add_row(figure.cells());
        }
        for column in [1, 3] {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        println!("{table}");
        for note in &self.notes {
            println!("- {note}");
        }
    }

    /// Writes the figures as JSON: a list of `{figure, value, unit, beside, ratio, aim, met}`, null where there is none.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let entries: Vec<Entry> = self.figures.iter().flat_map(Figure::entries).collect();
        let text = serde_json::to_string_pretty(&entries)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        fs::write(path, text + "\n").with_context(|| format!("{} can't be written", path.display()))
    }
}

/// Something a second.
pub fn rate(count: u64, took: Duration) -> f64 {
    float(count) / took.as_secs_f64()
}

/// A time in milliseconds.
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A count as a figure.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and sizes here stay far below 2^53"
)]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// The middle one; of an even number the higher of the two. `None` of none.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The value that so many of a hundred don't pass. `None` of none.
pub fn percentile(times: &[Duration], percent: usize) -> Option<Duration> {
    let mut times = times.to_vec();
    times.sort_unstable();
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied()
}

/// Digits in groups of three.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_judged_on_the_figure_or_on_the_ratio() {
        let figure = Figure::new("append", Unit::EventsPerSecond, 100.0)
            .beside("plain file", Some(500.0))
            .aim(Aim::AtLeast(90.0))
            .aim(Aim::RatioAtLeast(0.26));
        let entries = figure.entries();
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].aim, entries[0].met), (Some(90.0), Some(true)));
        assert_eq!((entries[1].value, entries[1].met), (Some(0.2), Some(false)));
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let figure = Figure::new("whole way", Unit::EventsPerSecond, 100.0)
            .beside("a peer", None)
            .aim(Aim::RatioAtLeast(10.0));
        assert_eq!(figure.entries()[1].met, None);
        assert_eq!(figure.cells()[5], "unknown");
    }

    #[test]
    fn a_percentile_is_a_value_that_occurred() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 50), Some(Duration::from_millis(100)));
        assert_eq!(percentile(&times, 99), Some(Duration::from_millis(198)));
        assert_eq!(percentile(&[], 99), None);
    }

    #[test]
    fn digits_stand_in_groups() {
        assert_eq!(grouped(1_234_567.4), "1,234,567");
        assert_eq!(grouped(12.0), "12");
    }
}
