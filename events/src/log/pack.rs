//! Packs: up to 16 records compressed into one value of the store (docs/log-format.md, "Pack").
//!
//! The cost of the store is per key, and records of one batch resemble each other, so packing makes appending
//! about twice as fast and the log half as large (docs/decisions/0001-packs.md).

#[cfg(test)]
mod tests;

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zstd::bulk::Compressor;

use super::codec::{chain_digest, put_record};
use super::record::{RECORD_BYTES_MAX, Record};
use super::{LogError, Position};
use crate::bytes::put_varint;

/// The version of a pack's layout, its first byte.
pub(super) const PACK_FORMAT: u8 = 1;

/// Records in a pack at most. 64 would be a third faster, but such values land where the store never syncs.
pub(super) const PACK_RECORDS_MAX: usize = 16;

/// Largest value that the store is given. A leaf of sled holds 17 entries before it splits; one over 131,052 bytes is
/// written to a file of its own, which sled never syncs.
pub(super) const VALUE_BYTES_MAX: usize = 7_000;

/// Uncompressed bytes at which a pack of several records is closed.
const PACK_RAW_BYTES_MAX: usize = 48 * 1024;

/// One record of the largest size and its length: the most that a body decompresses to.
pub(super) const RAW_BYTES_MAX: usize = RECORD_BYTES_MAX + 5;

/// Format, count, two varints and two digests before the body, the check after it.
const FRAME_BYTES_MAX: usize = 1 + 1 + 5 + 5 + 8 + 8 + 8;

pub(super) const CHECK_BYTES: usize = 8;

/// zstd's first fast level. Records of one batch share nearly all their text, which is most of the gain; level 1 makes the log
/// a tenth smaller for a twentieth of all the time that an event takes (docs/decisions/0148-packs-are-compressed-fast.md).
const COMPRESSION_LEVEL: i32 = -1;

/// Buffers that a large record has grown past this are given back.
pub(super) const BUFFER_BYTES_KEPT: usize = 4 * 1024 * 1024;

/// What a pack becomes in the store.
pub(super) trait PackSink {
    /// The pack whose first record is at `first`.
    fn pack(&mut self, first: Position, value: &[u8]);
    /// A part of the body of the pack at `first`, where it does not fit one value.
    fn chunk(&mut self, first: Position, number: u32, value: &[u8]);
}

struct Encoded {
    end: usize,
    digest: u64,
}

/// Makes packs.
pub(super) struct Packer {
    compressor: Compressor<'static>,
    record: Vec<u8>,
    raw: Vec<u8>,
    encoded: Vec<Encoded>,
    body: Vec<u8>,
    value: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Result<Self, LogError> {
        let compressor = Compressor::new(COMPRESSION_LEVEL).map_err(zstd_failed)?;
        Ok(Self {
            compressor,
            record: Vec::new(),
            raw: Vec::new(),
            encoded: Vec::new(),
            body: Vec::new(),
            value: Vec::new(),
        })
    }

    /// Packs a batch's records; `before` is the digest of the record before them. Gives the last one's digest.
    ///
    /// # Errors
    /// [`LogError::RecordTooLarge`].
    pub(super) fn pack(
        &mut self,
        records: &[Record],
        before: u64,
        sink: &mut impl PackSink,
    ) -> Result<u64, LogError> {
        let mut rest = records;
        let mut digest = before;
        while let Some(first) = rest.first() {
            self.encode_group(rest, digest)?;
            let count = self.encoded.len();
            self.put(first.position, 0..count, digest, sink)?;
            digest = self.encoded.last().map_or(digest, |last| last.digest);
            rest = &rest[count..];
        }
        for buffer in [
            &mut self.record,
            &mut self.raw,
            &mut self.body,
            &mut self.value,
        ] {
            if buffer.capacity() > BUFFER_BYTES_KEPT {
                *buffer = Vec::new();
            }
        }
        Ok(digest)
    }

    /// Encodes as many records as a pack may hold: at least one.
    fn encode_group(&mut self, records: &[Record], before: u64) -> Result<(), LogError> {
        self.raw.clear();
        self.encoded.clear();
        let mut digest = before;
        for record in records.iter().take(PACK_RECORDS_MAX) {
            self.record.clear();
            put_record(&mut self.record, record);
            let bytes = self.record.len();
            if bytes > RECORD_BYTES_MAX {
                return Err(LogError::RecordTooLarge {
                    bytes,
                    max: RECORD_BYTES_MAX,
                });
            }
            if !self.raw.is_empty() && self.raw.len() + bytes > PACK_RAW_BYTES_MAX {
                break;
            }
            put_varint(&mut self.raw, bytes as u64);
            self.raw.extend_from_slice(&self.record);
            digest = chain_digest(digest, &self.record);
            self.encoded.push(Encoded {
                end: self.raw.len(),
                digest,
            });
        }
        Ok(())
    }

    /// Puts the encoded records of `range` as one pack, or, where that is too large a value, as two, or in chunks.
    fn put(
        &mut self,
        first: Position,
        range: Range<usize>,
        before: u64,
        sink: &mut impl PackSink,
    ) -> Result<(), LogError> {
        let start = match range.start {
            0 => 0,
            n => self.encoded[n - 1].end,
        };
        let last = &self.encoded[range.end - 1];
        let raw = &self.raw[start..last.end];
        let after = last.digest;

        self.body.clear();
        self.body
            .reserve(zstd::zstd_safe::compress_bound(raw.len()));
        self.compressor
            .compress_to_buffer(raw, &mut self.body)
            .map_err(zstd_failed)?;
        let fits = self.body.len() + FRAME_BYTES_MAX <= VALUE_BYTES_MAX;
        if !fits && range.len() > 1 {
            let middle = range.start + range.len() / 2;
            self.put(first, range.start..middle, before, sink)?;
            let middle_first = first + (middle - range.start) as u64;
            let middle_before = self.encoded[middle - 1].digest;
            return self.put(middle_first, middle..range.end, middle_before, sink);
        }

        let chunk_count = if fits {
            0
        } else {
            self.body.len().div_ceil(VALUE_BYTES_MAX)
        };
        self.value.clear();
        self.value.push(PACK_FORMAT);
        // At most PACK_RECORDS_MAX.
        self.value.push(range.len().to_le_bytes()[0]);
        put_varint(&mut self.value, chunk_count as u64);
        put_varint(&mut self.value, raw.len() as u64);
        self.value.extend_from_slice(&before.to_le_bytes());
        self.value.extend_from_slice(&after.to_le_bytes());
        let frame_len = self.value.len();
        self.value.extend_from_slice(&self.body);
        let check = xxh3_64_with_seed(&self.value, first);
        if !fits {
            self.value.truncate(frame_len);
            for (number, chunk) in (0..).zip(self.body.chunks(VALUE_BYTES_MAX)) {
                sink.chunk(first, number, chunk);
            }
        }
        self.value.extend_from_slice(&check.to_le_bytes());
        sink.pack(first, &self.value);
        Ok(())
    }
}

fn zstd_failed(source: std::io::Error) -> LogError {
    LogError::Io {
        action: "compress",
        place: "memory".to_owned(),
        source,
    }
}
