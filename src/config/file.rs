//! The file with settings.

use std::path::Path;

use super::settings::Settings;
use crate::cli::exit::Failure;

/// Largest file that is taken for settings.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Reads the settings of a TOML file. A key that is no setting is an error, with its place.
pub fn read(path: &Path) -> Result<Settings, Failure> {
    let place = path.display();
    let bytes = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    if bytes > FILE_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "the configuration file {place} has {bytes} bytes, more than the {FILE_BYTES_MAX} that settings take; is it \
             the right file?"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!(
            "the configuration file {place} can't be read: {error}"
        ))
    })?;
    toml::from_str(&text).map_err(|error| {
        let (line, column) = error
            .span()
            .map_or((1, 1), |span| line_and_column(&text, span.start));
        let message = error.message().lines().collect::<Vec<_>>().join(" ");
        Failure::Usage(format!(
            "the configuration file {place} is wrong at line {line}, column {column}: {message}"
        ))
    })
}

fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
