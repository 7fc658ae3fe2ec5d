//! Packs: up to 16 records compressed into one value of the store (docs/log-format.md, "Pack").
//!
//! The cost of the store is per key, and records of one batch resemble each other, so packing makes appending
//! about twice as fast and the log half as large (docs/decisions/0001-packs.md).

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zstd::bulk::{Compressor, Decompressor};

use super::codec::{Malformed, Reader, RecordReader, chain_digest, put_record, put_varint};
use super::record::{RECORD_BYTES_MAX, Record};
use super::{LogError, Position};

/// The version of a pack's layout, its first byte.
const PACK_FORMAT: u8 = 1;

/// Records in a pack at most. 64 would be a third faster, but such values land where the store never syncs.
pub(super) const PACK_RECORDS_MAX: usize = 16;

/// Largest value that the store is given. A leaf of sled holds 17 entries before it splits; one over 131,052 bytes is
/// written to a file of its own, which sled never syncs.
pub(super) const VALUE_BYTES_MAX: usize = 7_000;

/// Uncompressed bytes at which a pack of several records is closed.
const PACK_RAW_BYTES_MAX: usize = 48 * 1024;

/// One record of the largest size and its length: the most that a body decompresses to.
const RAW_BYTES_MAX: usize = RECORD_BYTES_MAX + 5;

/// Format, count, two varints and two digests before the body, the check after it.
const FRAME_BYTES_MAX: usize = 1 + 1 + 5 + 5 + 8 + 8 + 8;

const CHECK_BYTES: usize = 8;

/// Fast enough to keep up with the disk, and most of the gain: records of one batch share nearly all their text.
const COMPRESSION_LEVEL: i32 = 1;

/// Buffers that a large record has grown past this are given back.
const BUFFER_BYTES_KEPT: usize = 4 * 1024 * 1024;

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

/// A pack, read and verified.
pub(super) struct Pack {
    /// Those of its records that were wanted, in log order.
    pub(super) records: Vec<Record>,
    /// Position of the first record of the next pack.
    pub(super) next: Position,
    /// Digest of the record before the first.
    pub(super) before: u64,
    /// Digest of the last record.
    pub(super) after: u64,
    /// Bytes of the records, uncompressed.
    pub(super) raw_bytes: usize,
}

/// Reads packs.
#[derive(Default)]
pub(super) struct Unpacker {
    reader: RecordReader,
}

impl Unpacker {
    /// Verifies the pack at `first` and reads the records of it that are wanted. `chunk` gives the chunk of a number, if
    /// the store has it.
    ///
    /// The check over the stored bytes comes before anything in them is believed, so that damage can neither
    /// claim memory nor reach the decompressor.
    ///
    /// # Errors
    /// [`LogError::Corrupt`] with `first`: within a pack, compressed as it is, damage has no narrower place.
    pub(super) fn unpack<C: AsRef<[u8]>>(
        &mut self,
        first: Position,
        value: &[u8],
        chunk: impl FnMut(u32) -> Result<Option<C>, LogError>,
        wanted: impl Fn(Position) -> bool,
    ) -> Result<Pack, LogError> {
        let corrupt = |problem: &str| LogError::Corrupt {
            position: first,
            problem: problem.to_owned(),
        };
        let malformed = |Malformed(problem)| corrupt(&format!("the pack is malformed, {problem}"));

        let frame = Frame::read(value).map_err(malformed)?;
        let checked = if frame.chunk_count == 0 {
            Cow::Borrowed(frame.checked)
        } else {
            Cow::Owned(
                join(frame.checked, frame.chunk_count, chunk)?
                    .ok_or_else(|| corrupt("a chunk of the pack is missing"))?,
            )
        };
        if xxh3_64_with_seed(&checked, first) != frame.check {
            return Err(corrupt("the pack's check does not match its bytes"));
        }
        if frame.raw_len > RAW_BYTES_MAX {
            return Err(corrupt("the pack claims more bytes than a record may have"));
        }
        decompress(&checked[frame.body_at..], frame.raw_len, |raw| {
            let mut reader = Reader::new(raw);
            let mut records = Vec::new();
            let mut digest = frame.before;
            let mut next = first;
            for _ in 0..frame.record_count {
                let bytes = reader.prefixed().map_err(malformed)?;
                digest = chain_digest(digest, bytes);
                if wanted(next) {
                    let record = self.reader.record(bytes).map_err(malformed)?;
                    if record.position != next {
                        return Err(corrupt("the pack holds records of another place"));
                    }
                    records.push(record);
                }
                next += 1;
            }
            if frame.record_count == 0 || !reader.is_empty() {
                return Err(corrupt("the pack holds another number of records"));
            }
            if digest != frame.after {
                return Err(corrupt("the chain of digests is broken"));
            }
            Ok(Pack {
                records,
                next,
                before: frame.before,
                after: frame.after,
                raw_bytes: raw.len(),
            })
        })
        .unwrap_or_else(|| Err(corrupt("the pack can't be decompressed")))
    }
}

/// What stands around a pack's body.
struct Frame<'a> {
    record_count: u8,
    chunk_count: u32,
    raw_len: usize,
    before: u64,
    after: u64,
    /// What the check covers, as far as it is in this value.
    checked: &'a [u8],
    /// Where the body begins in what the check covers.
    body_at: usize,
    check: u64,
}

impl<'a> Frame<'a> {
    fn read(value: &'a [u8]) -> Result<Self, Malformed> {
        let (checked, check) = value
            .split_last_chunk::<CHECK_BYTES>()
            .ok_or(Malformed("it ends too early"))?;
        let mut reader = Reader::new(checked);
        if reader.byte()? != PACK_FORMAT {
            return Err(Malformed("its layout is not known"));
        }
        let record_count = reader.byte()?;
        let chunk_count =
            u32::try_from(reader.varint()?).map_err(|_| Malformed("it has too many chunks"))?;
        let raw_len = usize::try_from(reader.varint()?).map_err(|_| Malformed("it is too long"))?;
        let before = u64::from_le_bytes(reader.array()?);
        let after = u64::from_le_bytes(reader.array()?);
        Ok(Self {
            record_count,
            chunk_count,
            raw_len,
            before,
            after,
            checked,
            body_at: checked.len() - reader.rest().len(),
            check: u64::from_le_bytes(*check),
        })
    }
}

/// The start of a value with its chunks behind it; `None` where one is missing.
fn join<C: AsRef<[u8]>>(
    start: &[u8],
    chunk_count: u32,
    mut chunk: impl FnMut(u32) -> Result<Option<C>, LogError>,
) -> Result<Option<Vec<u8>>, LogError> {
    let mut joined = start.to_vec();
    for number in 0..chunk_count {
        match chunk(number)? {
            Some(bytes) => joined.extend_from_slice(bytes.as_ref()),
            None => return Ok(None),
        }
    }
    Ok(Some(joined))
}

struct Decompression {
    decompressor: Decompressor<'static>,
    raw: Vec<u8>,
}

thread_local! {
    /// A decompressor's working memory (about 150 kB) is worth keeping; any thread may read the log.
    static DECOMPRESSION: RefCell<Option<Decompression>> = const { RefCell::new(None) };
}

/// Hands the decompressed body to `read`; `None` where it does not decompress to exactly `raw_len` bytes.
fn decompress<T>(body: &[u8], raw_len: usize, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
    DECOMPRESSION.with_borrow_mut(|kept| {
        let Decompression { decompressor, raw } = match kept {
            Some(kept) => kept,
            None => kept.insert(Decompression {
                decompressor: Decompressor::new().ok()?,
                raw: Vec::new(),
            }),
        };
        raw.clear();
        raw.reserve(raw_len);
        let decompressed = decompressor.decompress_to_buffer(body, raw).ok()?;
        let result = (decompressed == raw_len).then(|| read(raw));
        if raw.capacity() > BUFFER_BYTES_KEPT {
            *raw = Vec::new();
        }
        result
    })
}

fn zstd_failed(source: std::io::Error) -> LogError {
    LogError::Io {
        action: "compress",
        place: "memory".to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::log::suite;

    #[derive(Default)]
    struct Packs {
        packs: BTreeMap<Position, Vec<u8>>,
        chunks: BTreeMap<(Position, u32), Vec<u8>>,
    }

    impl PackSink for Packs {
        fn pack(&mut self, first: Position, value: &[u8]) {
            assert!(value.len() <= VALUE_BYTES_MAX);
            assert!(self.packs.insert(first, value.to_vec()).is_none());
        }

        fn chunk(&mut self, first: Position, number: u32, value: &[u8]) {
            assert!(value.len() <= VALUE_BYTES_MAX);
            self.chunks.insert((first, number), value.to_vec());
        }
    }

    impl Packs {
        fn of(records: &[Record], before: u64) -> (Self, u64) {
            let mut packs = Self::default();
            let after = Packer::new().unwrap().pack(records, before, &mut packs);
            (packs, after.unwrap())
        }

        fn unpack(&self, first: Position) -> Result<Pack, LogError> {
            let chunk = |number| Ok(self.chunks.get(&(first, number)).cloned());
            Unpacker::default().unpack(first, &self.packs[&first], chunk, |_| true)
        }
    }

    fn records(sizes: &[usize]) -> Vec<Record> {
        (7..)
            .zip(sizes)
            .map(|(position, &size)| {
                let entry = suite::large("o", "1", size);
                Record::from_entry(entry, position, chrono::DateTime::UNIX_EPOCH)
            })
            .collect()
    }

    #[test]
    fn packs_follow_each_other_and_hold_what_was_packed() {
        for sizes in [
            &[10; 40][..],
            &[3_000; 20],
            &[10, 20_000, 10, 100_000, 7_000],
        ] {
            let records = records(sizes);
            let (packs, after) = Packs::of(&records, 42);
            let mut read = Vec::new();
            let mut digest = 42;
            for &first in packs.packs.keys() {
                assert_eq!(first, 7 + read.len() as Position);
                let pack = packs.unpack(first).unwrap();
                assert_eq!(pack.before, digest);
                digest = pack.after;
                read.extend(pack.records);
            }
            assert_eq!(digest, after);
            suite::assert_same(&read, &records);
        }
    }

    #[test]
    fn the_chain_does_not_depend_on_the_packing() {
        let records = records(&[100; 20]);
        let (_, at_once) = Packs::of(&records, 0);
        let one_by_one = records
            .chunks(1)
            .fold(0, |digest, record| Packs::of(record, digest).1);
        assert_eq!(at_once, one_by_one);
    }

    #[test]
    fn any_damaged_byte_is_found() {
        for sizes in [&[100, 100][..], &[9_000]] {
            let (mut packs, _) = Packs::of(&records(sizes), 0);
            let len = packs.packs[&7].len();
            for place in 0..len {
                packs.packs.get_mut(&7).unwrap()[place] ^= 0x10;
                let found = packs.unpack(7).err();
                assert!(matches!(found, Some(LogError::Corrupt { position: 7, .. })));
                packs.packs.get_mut(&7).unwrap()[place] ^= 0x10;
            }
            packs.unpack(7).unwrap();
            for place in (0..packs.chunks.get(&(7, 1)).map_or(0, Vec::len)).step_by(37) {
                packs.chunks.get_mut(&(7, 1)).unwrap()[place] ^= 0x01;
                let found = packs.unpack(7).err();
                assert!(matches!(found, Some(LogError::Corrupt { position: 7, .. })));
                packs.chunks.get_mut(&(7, 1)).unwrap()[place] ^= 0x01;
            }
            for end in 0..len {
                let short = packs.packs[&7][..end].to_vec();
                let whole = packs.packs.insert(7, short).unwrap();
                assert!(packs.unpack(7).is_err());
                packs.packs.insert(7, whole);
            }
        }
    }

    #[test]
    fn a_pack_in_another_place_is_found() {
        let (mut packs, _) = Packs::of(&records(&[100; 20]), 0);
        let moved = packs.packs[&23].clone();
        packs.packs.insert(7, moved);
        assert!(packs.unpack(7).is_err());
    }
}
