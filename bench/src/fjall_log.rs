//! The event log on fjall, behind the same contract as the product's on sled: so that the store can be judged on figures.
//!
//! It does the same work for an append: packs of 16 records, compressed with zstd and checked, chained by digests; the
//! index by what events are about, with what the duplicate check needs; the stream's checkpoint; one atomic batch and one
//! `fdatasync`. The index is laid out as suits an LSM tree: one key a subject, written anew with each batch that adds to it.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use farelog_events::event::About;
use farelog_events::log::{Batch, EventLog, Head, LogError, LogStats, Position, Record};
use fjall::config::CompressionPolicy;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use tokio::sync::watch;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::fjall_record as codec;

/// As the product's packs.
const PACK_RECORDS_MAX: usize = 16;
const ZSTD_LEVEL: i32 = 1;
/// As the product's cache of sled.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
const SETTLE_INTERVAL: Duration = Duration::from_millis(5);
/// Subjects whose index entries are remembered until the next batch.
const RECENT_SUBJECTS_MAX: usize = 8_192;

/// An event log in a directory of its own, on fjall. It is opened new, for one measurement.
pub struct FjallLog {
    id: Uuid,
    directory: PathBuf,
    database: Database,
    packs: Keyspace,
    index: Keyspace,
    meta: Keyspace,
    head: watch::Sender<Head>,
    writer: Mutex<Writer>,
    recent: Mutex<Recent>,
}

struct Writer {
    compressor: zstd::bulk::Compressor<'static>,
    digest: u64,
    last_recorded_at: Option<DateTime<Utc>>,
    poisoned: bool,
}

/// What the index said since the last batch.
#[derive(Default)]
struct Recent {
    head: Position,
    of_subjects: HashMap<u64, Vec<Candidate>>,
}

/// A record that may be the one looked for.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    position: Position,
    digest: u32,
}

impl FjallLog {
    /// Makes a log in a directory.
    ///
    /// # Errors
    /// The directory can't be used.
    pub fn open(directory: &Path) -> Result<Self, LogError> {
        let failed = failed("open", directory);
        let database = Database::builder(directory)
            .cache_size(CACHE_BYTES)
            .open()
            .map_err(&failed)?;
        // Packs are compressed already.
        let plain = || {
            KeyspaceCreateOptions::default()
                .data_block_compression_policy(CompressionPolicy::disabled())
        };
        let packs = database.keyspace("packs", plain).map_err(&failed)?;
        let index = database.keyspace("index", plain).map_err(&failed)?;
        let meta = database.keyspace("meta", plain).map_err(&failed)?;
        let compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)
            .map_err(|error| failed(fjall::Error::Io(error)))?;
        Ok(Self {
            id: Uuid::new_v4(),
            directory: directory.to_owned(),
            database,
            packs,
            index,
            meta,
            head: watch::Sender::new(Head::default()),
            writer: Mutex::new(Writer {
                compressor,
                digest: 0,
                last_recorded_at: None,
                poisoned: false,
            }),
            recent: Mutex::default(),
        })
    }

    /// Waits until it has nothing left to do in the background.
    pub fn settle(&self) {
        while self.database.outstanding_flushes() > 0 || self.database.active_compactions() > 0 {
            thread::sleep(SETTLE_INTERVAL);
        }
    }

    fn commit(&self, writer: &mut Writer, batch: Batch) -> Result<Vec<Record>, LogError> {
        let head = self.head.borrow().clone();
        let recorded_at = writer
            .last_recorded_at
            .map_or(batch.recorded_at, |last| last.max(batch.recorded_at));
        let records: Vec<Record> = (head.position + 1..)
            .zip(batch.entries)
            .map(|(position, entry)| codec::record(position, recorded_at, entry))
            .collect();

        let failed = failed("write", &self.directory);
        let mut changes = self
            .database
            .batch()
            .durability(Some(PersistMode::SyncData));
        for pack in records.chunks(PACK_RECORDS_MAX) {
            let (value, digest) = codec::pack(pack, writer.digest, &mut writer.compressor)
                .map_err(|error| failed(fjall::Error::Io(error)))?;
            writer.digest = digest;
            changes.insert(&self.packs, pack[0].position.to_be_bytes(), value);
        }
        for (subject, added) in by_subject(&records) {
            let mut candidates = self.candidates(head.position, subject)?;
            candidates.extend(added);
            changes.insert(&self.index, subject.to_be_bytes(), index_value(&candidates));
        }
        if let Some(checkpoint) = &batch.checkpoint {
            let value = serde_json::to_vec(checkpoint)
                .map_err(|error| failed(fjall::Error::Io(error.into())))?;
            changes.insert(&self.meta, "checkpoint", value);
        }
        changes.commit().map_err(&failed)?;

        writer.last_recorded_at = Some(recorded_at);
        self.head.send_replace(Head {
            position: head.position + records.len() as Position,
            checkpoint: batch.checkpoint.or(head.checkpoint),
        });
        Ok(records)
    }

    /// What the index has under a subject; remembered while the head stays, since an order's events come together.
    fn candidates(&self, head: Position, subject: u64) -> Result<Vec<Candidate>, LogError> {
        let mut recent = lock(&self.recent);
        if recent.head != head || recent.of_subjects.len() >= RECENT_SUBJECTS_MAX {
            recent.of_subjects.clear();
            recent.head = head;
        }
        if let Some(known) = recent.of_subjects.get(&subject) {
            return Ok(known.clone());
        }
        let value = self
            .index
            .get(subject.to_be_bytes())
            .map_err(failed("read", &self.directory))?;
        let candidates = value.as_deref().map_or_else(Vec::new, read_index_value);
        recent.of_subjects.insert(subject, candidates.clone());
        Ok(candidates)
    }

    /// The records of the pack that has a position.
    fn pack_with(&self, position: Position) -> Result<Vec<Record>, LogError> {
        let failed = failed("read", &self.directory);
        let found = self.packs.range(..=position.to_be_bytes()).next_back();
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let value = found.value().map_err(&failed)?;
        codec::unpack(&value).map_err(|error| failed(fjall::Error::Io(error)))
    }
}

impl EventLog for FjallLog {
    fn id(&self) -> Uuid {
        self.id
    }

    fn append(&self, batch: Batch) -> Result<Vec<Record>, LogError> {
        let mut writer = lock(&self.writer);
        if writer.poisoned {
            return Err(LogError::Poisoned);
        }
        let committed = self.commit(&mut writer, batch);
        writer.poisoned = committed.is_err();
        committed
    }

    fn watch(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    fn read(&self, from: Position, records_max: usize) -> Result<Vec<Record>, LogError> {
        let mut next = from.max(1);
        let last = self.head().position;
        let mut records = Vec::new();
        while next <= last && records.len() < records_max {
            let pack = self.pack_with(next)?;
            records.extend(pack.into_iter().filter(|record| record.position >= next));
            next = records
                .last()
                .map_or(last, |record: &Record| record.position)
                + 1;
        }
        records.truncate(records_max);
        Ok(records)
    }

    fn read_about(&self, about: &About) -> Result<Vec<Record>, LogError> {
        if *about == About::Nothing {
            return Ok(Vec::new());
        }
        let mut records = Vec::new();
        for candidate in self.candidates(self.head().position, subject_digest(about, "", ""))? {
            let pack = self.pack_with(candidate.position)?;
            records.extend(
                pack.into_iter().filter(|record| {
                    record.position == candidate.position && record.about == *about
                }),
            );
        }
        Ok(records)
    }

    fn find(&self, about: &About, source: &str, id: &str) -> Result<Option<Record>, LogError> {
        let digest = event_digest(source, id);
        let subject = subject_digest(about, source, id);
        for candidate in self.candidates(self.head().position, subject)? {
            if candidate.digest != digest {
                continue;
            }
            let found = self
                .pack_with(candidate.position)?
                .into_iter()
                .find(|record| {
                    record.about == *about && *record.source == *source && *record.id == *id
                });
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn stats(&self) -> Result<LogStats, LogError> {
        let head = self.head();
        Ok(LogStats {
            log_id: self.id,
            format_version: 0,
            last_position: head.position,
            last_recorded_at: lock(&self.writer).last_recorded_at,
            disk_bytes: self
                .database
                .disk_space()
                .map_err(failed("read", &self.directory))?,
            checkpoint: head.checkpoint,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(action: &'static str, directory: &Path) -> impl Fn(fjall::Error) -> LogError {
    let place = directory.display().to_string();
    move |error| LogError::Io {
        action,
        place: place.clone(),
        source: io::Error::other(error),
    }
}

fn by_subject(records: &[Record]) -> HashMap<u64, Vec<Candidate>> {
    let mut subjects: HashMap<u64, Vec<Candidate>> = HashMap::new();
    for record in records {
        let subject = subject_digest(&record.about, &record.source, &record.id);
        subjects.entry(subject).or_default().push(Candidate {
            position: record.position,
            digest: event_digest(&record.source, &record.id),
        });
    }
    subjects
}

fn subject_digest(about: &About, source: &str, id: &str) -> u64 {
    match about {
        About::Order(order) => xxh3_64_with_seed(order.as_str().as_bytes(), 1),
        About::Customer(customer) => xxh3_64_with_seed(customer.as_str().as_bytes(), 2),
        About::Program(program) => xxh3_64_with_seed(&program.get().to_be_bytes(), 3),
        About::Nothing => u64::from(event_digest(source, id)),
    }
}

fn event_digest(source: &str, id: &str) -> u32 {
    let [a, b, c, d, ..] =
        xxh3_64_with_seed(id.as_bytes(), xxh3_64(source.as_bytes())).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn index_value(candidates: &[Candidate]) -> Vec<u8> {
    let mut value = Vec::with_capacity(candidates.len() * 12);
    for candidate in candidates {
        value.extend_from_slice(&candidate.position.to_be_bytes());
        value.extend_from_slice(&candidate.digest.to_be_bytes());
    }
    value
}

fn read_index_value(value: &[u8]) -> Vec<Candidate> {
    let (entries, _) = value.as_chunks::<12>();
    let read = |&[a, b, c, d, e, f, g, h, i, j, k, l]: &[u8; 12]| Candidate {
        position: Position::from_be_bytes([a, b, c, d, e, f, g, h]),
        digest: u32::from_be_bytes([i, j, k, l]),
    };
    entries.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use farelog_events::event::NewEvent;
    use farelog_events::json::JsonText;
    use farelog_events::log::{Entry, StreamCheckpoint};

    use super::*;

    fn batch(order: &str, ids: &[&str]) -> Batch {
        let entries = ids.iter().map(|id| Entry {
            event: NewEvent {
                source: "/shop".into(),
                id: (*id).into(),
                event_type: "OrderConfirmed".into(),
                time: DateTime::UNIX_EPOCH,
                correlation_id: None,
                about: About::Order(order.parse().unwrap()),
                data: JsonText::new(&format!(r#"{{"orderId":"{order}"}}"#)).unwrap(),
            },
            origin: None,
        });
        Batch {
            entries: entries.collect(),
            checkpoint: Some(StreamCheckpoint {
                stream: "ORDERS".to_owned(),
                stream_created_at: DateTime::UNIX_EPOCH,
                sequence: 7,
                published_at: DateTime::UNIX_EPOCH,
            }),
            recorded_at: DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_was_appended_is_found_by_position_by_order_and_by_identity() {
        let directory = tempfile::tempdir().unwrap();
        let log = FjallLog::open(directory.path()).unwrap();
        let ids: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        log.append(batch("A", &ids)).unwrap();
        log.append(batch("B", &["b"])).unwrap();
        log.append(batch("A", &["again"])).unwrap();

        assert_eq!(log.head().position, 42);
        assert_eq!(log.head().checkpoint.unwrap().sequence, 7);
        let positions: Vec<Position> = log
            .read(1, 100)
            .unwrap()
            .iter()
            .map(|r| r.position)
            .collect();
        assert_eq!(positions, (1..=42).collect::<Vec<_>>());
        let order = About::Order("A".parse().unwrap());
        assert_eq!(log.read_about(&order).unwrap().len(), 41);
        assert_eq!(
            log.find(&order, "/shop", "again")
                .unwrap()
                .unwrap()
                .position,
            42
        );
        assert!(log.find(&order, "/shop", "b").unwrap().is_none());
    }
}
