//! How far a walk over the log is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of so many records on stderr; nothing where that is no terminal. It is gone when it is dropped.
pub struct Records(ProgressBar);

impl Records {
    /// A bar whose length is not known yet.
    pub fn new(doing: &'static str) -> Self {
        let bar = ProgressBar::no_length().with_message(doing);
        let template = "{msg} {wide_bar} {human_pos}/{human_len} records ({per_sec}, {eta} left)";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self(bar)
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

impl Drop for Records {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
