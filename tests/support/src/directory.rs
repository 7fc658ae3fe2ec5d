//! Directories: copies of them, and what is in them.

use std::fs;
use std::path::{Path, PathBuf};

/// Copies a directory with all in it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files in a directory and below it, by path.
pub fn files_in(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_in(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// The lengths of all files in a directory and below it, together, in bytes.
pub fn bytes_in(directory: &Path) -> u64 {
    let files = files_in(directory);
    files
        .iter()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum()
}
