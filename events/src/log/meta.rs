//! What the log keeps about itself: its identity and how far the stream was read (docs/log-format.md, "Meta").

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_64;

use super::{LogError, StreamCheckpoint};
use crate::bytes::{Malformed, Reader, put_text, put_time, put_varint};

/// The newest format that this version reads, and the one that it writes.
pub(super) const FORMAT_VERSION: u32 = 2;

const CHECK_BYTES: usize = 8;

/// The value that makes a directory a log: format and id.
pub(super) fn identity_value(id: Uuid) -> Vec<u8> {
    let mut value = FORMAT_VERSION.to_le_bytes().to_vec();
    value.extend_from_slice(id.as_bytes());
    with_check(value)
}

/// What makes a directory a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    /// [`FORMAT_VERSION`], or an older one.
    pub(super) format: u32,
    pub(super) id: Uuid,
}

/// Reads the format and the log's id.
///
/// # Errors
/// [`LogError::NewerFormat`]; [`LogError::Corrupt`]. Every format begins with its number and ends with the check, so
/// that damage is not taken for a newer format.
pub(super) fn read_identity(value: &[u8]) -> Result<Identity, LogError> {
    let mut reader = checked(value).map_err(damaged)?;
    let found = u32::from_le_bytes(reader.array().map_err(damaged)?);
    if found > FORMAT_VERSION {
        return Err(LogError::NewerFormat {
            found,
            known: FORMAT_VERSION,
        });
    }
    Ok(Identity {
        format: found,
        id: Uuid::from_bytes(reader.array().map_err(damaged)?),
    })
}

/// The value that keeps a checkpoint.
pub(super) fn checkpoint_value(checkpoint: &StreamCheckpoint) -> Vec<u8> {
    let mut value = Vec::new();
    put_text(&mut value, &checkpoint.stream);
    put_time(&mut value, checkpoint.stream_created_at);
    put_varint(&mut value, checkpoint.sequence);
    put_time(&mut value, checkpoint.published_at);
    with_check(value)
}

/// Reads a checkpoint.
pub(super) fn read_checkpoint(value: &[u8]) -> Result<StreamCheckpoint, LogError> {
    let read = |value| -> Result<StreamCheckpoint, Malformed> {
        let mut reader = checked(value)?;
        Ok(StreamCheckpoint {
            stream: reader.text()?.to_owned(),
            stream_created_at: reader.time()?,
            sequence: reader.varint()?,
            published_at: reader.time()?,
        })
    };
    read(value).map_err(damaged)
}

/// Ends a value with its check, as every format does.
pub(super) fn with_check(mut value: Vec<u8>) -> Vec<u8> {
    let check = xxh3_64(&value);
    value.extend_from_slice(&check.to_le_bytes());
    value
}

/// What stands before a value's check, where that is right.
pub(super) fn checked(value: &[u8]) -> Result<Reader<'_>, Malformed> {
    let (value, check) = value
        .split_last_chunk::<CHECK_BYTES>()
        .ok_or(Malformed("it ends too early"))?;
    if xxh3_64(value) != u64::from_le_bytes(*check) {
        return Err(Malformed("its check does not match its bytes"));
    }
    Ok(Reader::new(value))
}

fn damaged(Malformed(problem): Malformed) -> LogError {
    LogError::Corrupt {
        position: 0,
        problem: format!("what the log keeps about itself is malformed, {problem}"),
    }
}
