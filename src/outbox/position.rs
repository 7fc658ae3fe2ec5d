//! How far the outbox has come, kept in a file beside the log.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use farelog_events::log::Position;
use farelog_projections::answer::Answer;
use farelog_projections::outbox::FactPlace;
use farelog_projections::{ProjectionError, Projections};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The file's name in the data directory.
const FILE_NAME: &str = "outbox.json";

/// How far the facts of a log were sent. What is sent is in the stream before it stands here, so that this may be
/// behind the stream by what was sent last, and never ahead of what the stream took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OutboxPosition {
    /// The log whose facts they are.
    pub log_id: Uuid,
    /// The last fact that was sent.
    pub place: FactPlace,
    /// When its record was recorded; `None` before the first fact, or where only its place is known.
    pub recorded_at: Option<DateTime<Utc>>,
    /// Where in which stream that was so; `None` before a stream was found.
    pub stream: Option<StreamMark>,
}

impl OutboxPosition {
    /// Behind a place, in no stream yet.
    pub fn at(log_id: Uuid, place: FactPlace) -> Self {
        Self {
            log_id,
            place,
            recorded_at: None,
            stream: None,
        }
    }

    /// The log position up to which it says that every fact was sent: short of the next fact's record, or where there is
    /// none, as far as the projections are.
    ///
    /// # Errors
    /// The projections can't be read.
    pub fn sent_to(&self, projections: &Projections) -> Result<Position, ProjectionError> {
        match projections.facts_after(self.place, 1) {
            Ok(Answer { position, value }) => Ok(value.first().map_or(position, |next| {
                // The last one sent may have been one of several of its record.
                next.place.position.saturating_sub(1)
            })),
            // Whether its record had more is no longer known.
            Err(ProjectionError::FactsForgotten { .. }) => Ok(surely_sent_to(self.place)),
            Err(error) => Err(error),
        }
    }
}

/// The log position up to which every fact was surely sent when this is the place of the last one: short of its record,
/// which may have more.
pub fn surely_sent_to(place: FactPlace) -> Position {
    if place == FactPlace::after_record(place.position) {
        place.position
    } else {
        place.position.saturating_sub(1)
    }
}

/// A place in a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamMark {
    /// The stream's name.
    pub name: String,
    /// When it was created: two streams of one name differ in it.
    pub created_at: DateTime<Utc>,
    /// The sequence of its last message.
    pub sequence: u64,
    /// When the stream took that message; `None` where it is the last fact that was sent, which tells itself by its id, or
    /// had been removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<DateTime<Utc>>,
}

/// The file could not be read or written.
#[derive(Debug, Error)]
#[error(
    "the outbox's position in {path} can't be {action}: {source}; see to it that the file can be read and written, or, \
     if it is damaged, delete it: the stream tells how far the outbox has come"
)]
pub struct PositionError {
    path: PathBuf,
    action: &'static str,
    source: io::Error,
}

/// The file. Written whole, so that after a crash it has the old position or the new one.
#[derive(Debug, Clone)]
pub struct PositionFile {
    directory: PathBuf,
}

impl PositionFile {
    /// The file in a data directory, which exists.
    pub fn of(data_dir: &Path) -> Self {
        Self {
            directory: data_dir.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    /// The position that was saved last, if there is one.
    pub fn load(&self) -> Result<Option<OutboxPosition>, PositionError> {
        let bytes = match fs::read(self.path()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        let position = serde_json::from_slice(&bytes);
        position
            .map(Some)
            .map_err(|e| self.failed("read", e.into()))
    }

    /// Saves a position. Once this returns it survives a power cut.
    pub fn save(&self, position: &OutboxPosition) -> Result<(), PositionError> {
        self.replace(position)
            .map_err(|error| self.failed("written", error))
    }

    fn replace(&self, position: &OutboxPosition) -> io::Result<()> {
        let unfinished = self.path().with_extension("json.new");
        let mut file = File::create(&unfinished)?;
        file.write_all(&serde_json::to_vec(position)?)?;
        file.sync_all()?;
        fs::rename(&unfinished, self.path())?;
        File::open(&self.directory)?.sync_all()
    }

    fn failed(&self, action: &'static str, source: io::Error) -> PositionError {
        PositionError {
            path: self.path(),
            action,
            source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_saved_position_is_loaded_and_an_unfinished_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = PositionFile::of(directory.path());
        assert_eq!(file.load().unwrap(), None);

        let mut position = OutboxPosition::at(Uuid::new_v4(), FactPlace::START);
        file.save(&position).unwrap();
        position.place = FactPlace {
            position: 12,
            number: 3,
        };
        position.recorded_at = Some("2026-01-15T08:00:00.123456Z".parse().unwrap());
        position.stream = Some(StreamMark {
            name: "FARELOG".into(),
            created_at: "2026-01-15T07:00:00.123456789Z".parse().unwrap(),
            sequence: 40,
            published_at: Some("2026-01-15T08:00:00.123456789Z".parse().unwrap()),
        });
        file.save(&position).unwrap();
        fs::write(directory.path().join("outbox.json.new"), "{\"logId\":").unwrap();
        assert_eq!(file.load().unwrap(), Some(position));
    }

    #[test]
    fn a_file_of_before_messages_had_their_time_in_it_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        let saved = r#"{"logId":"00000000-0000-0000-0000-000000000001","place":{"position":12,"number":3},
            "recordedAt":null,
            "stream":{"name":"FARELOG","createdAt":"2026-01-15T07:00:00Z","sequence":40}}"#;
        fs::write(file, saved).unwrap();
        let position = PositionFile::of(directory.path()).load().unwrap().unwrap();
        let mark = position.stream.unwrap();
        assert_eq!((mark.sequence, mark.published_at), (40, None));
    }

    #[test]
    fn a_damaged_file_is_named_with_a_way_on() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE_NAME), "{}").unwrap();
        let said = PositionFile::of(directory.path())
            .load()
            .unwrap_err()
            .to_string();
        assert!(said.contains("outbox.json can't be read"), "{said}");
        assert!(said.contains("delete it"), "{said}");
    }
}
