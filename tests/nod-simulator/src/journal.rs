//! The journal: one JSON object a line, appended and synced, never rewritten.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::books::Books;
use crate::fact::{Fact, TicketId};
use crate::temper::Temper;

/// Something that the system was told, did or said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Entry {
    /// The journal was begun: the first entry.
    Begun(Temper),
    /// A message came that had not come before.
    Told {
        /// The message's id.
        message_id: String,
        /// When.
        at: DateTime<Utc>,
        /// What it said.
        fact: Fact,
    },
    /// The system did with a ticket what it had in mind.
    Acted {
        /// The ticket.
        ticket: TicketId,
        /// When.
        at: DateTime<Utc>,
    },
    /// The broker has an answer, or its repetition.
    Said {
        /// The answer.
        answer_id: String,
        /// 0, or 1 for the repetition.
        copy: u8,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// Opens the journal, or begins one, and reads the books from it. The end of an entry that a kill cut off is removed: it
    /// was not acknowledged.
    ///
    /// # Errors
    /// What can't be read or written, and a journal that was begun with another temper.
    pub fn open(path: &Path, temper: Temper) -> anyhow::Result<(Self, Books)> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .with_context(|| format!("the journal {} can't be opened", path.display()))?;
        let (found, whole_bytes) = read_from(&file)?;
        file.set_len(whole_bytes)?;
        let mut journal = Self { file };
        let books = if let Some(books) = found {
            ensure!(
                *books.temper() == temper,
                "the journal {} was begun with another seed or fault: give it the same, or another file",
                path.display()
            );
            books
        } else {
            journal.append(&[Entry::Begun(temper)])?;
            Books::new(temper)
        };
        Ok((journal, books))
    }

    /// Appends entries; they are durable when it returns.
    ///
    /// # Errors
    /// What the disk says. The journal must not be used any more then.
    pub fn append(&mut self, entries: &[Entry]) -> anyhow::Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines)?;
        self.file.sync_data()?;
        Ok(())
    }
}

/// The books of a journal that another process may be writing.
///
/// # Errors
/// What can't be read, and a file that is no journal.
pub fn read(path: &Path) -> anyhow::Result<Books> {
    let file = File::open(path)
        .with_context(|| format!("the journal {} can't be opened", path.display()))?;
    let (books, _) = read_from(&file)?;
    books.with_context(|| format!("{} is no journal: it is empty", path.display()))
}

/// The books, if the journal was begun, and how many bytes its whole entries take.
fn read_from(mut file: &File) -> anyhow::Result<(Option<Books>, u64)> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut books: Option<Books> = None;
    let mut whole_bytes = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") {
            break;
        }
        let entry = serde_json::from_slice(line)
            .with_context(|| format!("the entry at byte {whole_bytes} can't be read"))?;
        whole_bytes += line.len() as u64;
        match (&mut books, entry) {
            (None, Entry::Begun(temper)) => books = Some(Books::new(temper)),
            (Some(books), entry) => books.take_in(&entry),
            (None, _) => anyhow::bail!("the first entry does not say how the journal was begun"),
        }
    }
    Ok((books, whole_bytes))
}
