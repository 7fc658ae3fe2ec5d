//! How far a walk over the log is, on a terminal.

use std::fmt::Write;

use indicatif::{HumanCount, ProgressBar, ProgressState, ProgressStyle};

/// A bar of so many records on stderr; nothing where that is no terminal. It is gone when it is dropped.
pub struct Records(ProgressBar);

impl Records {
    /// A bar whose length is not known yet.
    pub fn new(doing: &'static str) -> Self {
        let bar = ProgressBar::no_length().with_message(doing);
        Self(with_rate(bar, "records"))
    }

    /// Says how many records there are.
    pub fn of(&self, records: u64) {
        self.0.set_length(records);
    }

    /// Says how many records are done.
    pub fn at(&self, records: u64) {
        self.0.set_position(records);
    }
}

/// A bar that shows how many are done of how many there are, how many a second, and how long the rest takes.
pub fn with_rate(bar: ProgressBar, noun: &str) -> ProgressBar {
    let template =
        format!("{{msg}} {{wide_bar}} {{human_pos}}/{{human_len}} {noun} ({{rate}}, {{eta}} left)");
    let Ok(style) = ProgressStyle::with_template(&template) else {
        return bar;
    };
    bar.with_style(
        style.with_key("rate", |state: &ProgressState, text: &mut dyn Write| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a rate is a positive number far below 2^64"
            )]
            let a_second = state.per_sec() as u64;
            // A text that can't be written has nobody who reads it.
            let _ = write!(text, "{}/s", HumanCount(a_second));
        }),
    )
}

impl Drop for Records {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
