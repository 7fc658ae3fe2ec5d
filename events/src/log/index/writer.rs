//! Adding to the index.

use super::entry::{Candidate, Entry, candidate_digest, subject_digest};
use super::{CHECKPOINT_KEY, Index, IndexCheckpoint, full_key, newest_key};
use crate::log::{LogError, Record};
use crate::tree::TreeWriter;

/// What a record counts beside its data.
const REPLAY_BYTES_PER_RECORD: u64 = 200;

/// What a batch changes in the index.
pub(crate) struct Changes {
    /// Full entries stand before the newest of their subject.
    entries: Vec<(Key, Vec<u8>)>,
    checkpoint: IndexCheckpoint,
    replay_bytes: u64,
}

enum Key {
    Newest(u64),
    Full(u64, u32),
}

impl Changes {
    /// The changes that `records` make, which end where the checkpoint says. `newest` gives the newest entry of a subject.
    ///
    /// # Errors
    /// What `newest` says; [`LogError::IndexDamaged`] where the index has something of a record already.
    pub(crate) fn of(
        index: &Index,
        records: &[Record],
        checkpoint: IndexCheckpoint,
        mut newest: impl FnMut(u64) -> Result<Entry, LogError>,
    ) -> Result<Self, LogError> {
        let mut replay_bytes = 0;
        let mut candidates: Vec<(u64, Candidate)> = Vec::with_capacity(records.len());
        for record in records {
            replay_bytes += record.data.get().len() as u64 + REPLAY_BYTES_PER_RECORD;
            let subject = subject_digest(&record.about, &record.source, &record.id);
            let candidate = Candidate {
                position: record.position,
                digest: candidate_digest(&record.source, &record.id),
            };
            candidates.push((subject, candidate));
        }
        candidates.sort_unstable();
        let mut entries = Vec::new();
        for of_one_subject in candidates.chunk_by(|a, b| a.0 == b.0) {
            let (subject, first) = of_one_subject[0];
            let mut entry = newest(subject)?;
            if entry
                .candidates
                .last()
                .is_some_and(|last| last.position >= first.position)
            {
                return Err(index.damaged("an entry has a record that is only now to be added"));
            }
            for (_, candidate) in of_one_subject {
                if entry.is_full() {
                    entries.push((Key::Full(subject, entry.number), entry.to_bytes(subject)));
                    entry = entry.next();
                }
                entry.candidates.push(*candidate);
            }
            entries.push((Key::Newest(subject), entry.to_bytes(subject)));
        }
        Ok(Self {
            entries,
            checkpoint,
            replay_bytes,
        })
    }
}

/// The one who adds to the index. Dropped, it brings to the disk what was gathered.
pub(crate) struct IndexWriter(pub(super) TreeWriter);

impl IndexWriter {
    /// Sees to it that there is room for the next batch, and waits for it. To be called before each.
    ///
    /// # Errors
    /// The index can't be brought to the disk, or nothing of it gets there any more.
    pub(crate) fn make_room(&mut self) -> Result<(), LogError> {
        Ok(self.0.make_room()?)
    }

    /// Adds what a batch changes. To be called when the batch is durable, and before anybody is told of it.
    pub(crate) fn apply(&mut self, changes: Changes) {
        let checkpoint = (CHECKPOINT_KEY.into(), changes.checkpoint.to_bytes());
        let entries = changes.entries.into_iter().map(|(key, value)| match key {
            Key::Newest(subject) => (newest_key(subject).into(), value),
            Key::Full(subject, number) => (full_key(subject, number).into(), value),
        });
        let entries = entries.chain([checkpoint]);
        self.0.apply(
            entries.map(|(key, value)| (key, Some(value.into()))),
            changes.replay_bytes,
        );
    }

    /// Leaves what was gathered in memory: the log has failed, and nothing more is to be written.
    pub(crate) fn abandon(&self) {
        self.0.abandon();
    }
}
