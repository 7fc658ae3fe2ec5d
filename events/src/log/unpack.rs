//! Reading packs, and finding damage in them (docs/log-format.md, "Pack").

use std::borrow::Cow;
use std::cell::RefCell;

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zstd::bulk::Decompressor;

use super::codec::{RecordReader, chain_digest};
use super::pack::{BUFFER_BYTES_KEPT, CHECK_BYTES, PACK_FORMAT, RAW_BYTES_MAX};
use super::{LogError, Position, Record};
use crate::bytes::{Malformed, Reader};

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
            let positions = (first..).take(frame.record_count.into());
            let mut records = Vec::with_capacity(positions.filter(|&it| wanted(it)).count());
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
