//! The keys of the store. One tree with a letter before each kind, so that one batch is atomic over all of them.
//! Numbers are big-endian: the store's order is log order.

use super::Position;

/// The log's identity.
pub(super) const META: &[u8] = b"mlog";
/// How far the stream was read.
pub(super) const CHECKPOINT: &[u8] = b"mcheckpoint";

const CHUNK: u8 = b'c';
const INDEX: u8 = b'i';
/// All index entries begin with this.
pub(super) const INDEX_PREFIX: &[u8] = &[INDEX];
/// After every other letter, so that the last key is the last pack's.
const PACK: u8 = b'r';

/// The pack whose first record is at `first`.
pub(super) fn pack(first: Position) -> [u8; 9] {
    let mut key = [PACK; 9];
    key[1..].copy_from_slice(&first.to_be_bytes());
    key
}

/// The position in a pack's key; `None` for a key of another kind.
pub(super) fn pack_position(key: &[u8]) -> Option<Position> {
    let (&letter, number) = key.split_first()?;
    (letter == PACK).then_some(Position::from_be_bytes(number.try_into().ok()?))
}

/// A part of the body of the pack at `first`.
pub(super) fn chunk(first: Position, number: u32) -> [u8; 13] {
    let mut key = [CHUNK; 13];
    key[1..9].copy_from_slice(&first.to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

/// All index entries of a subject begin with this.
pub(super) fn index_prefix(subject: u64) -> [u8; 9] {
    let mut key = [INDEX; 9];
    key[1..].copy_from_slice(&subject.to_be_bytes());
    key
}

/// The index entry of a subject whose first candidate is at `first`.
pub(super) fn index(subject: u64, first: Position) -> [u8; 17] {
    let mut key = [INDEX; 17];
    key[1..9].copy_from_slice(&subject.to_be_bytes());
    key[9..].copy_from_slice(&first.to_be_bytes());
    key
}

/// Subject and first candidate of an index entry's key; `None` for a key of another kind.
pub(super) fn index_parts(key: &[u8]) -> Option<(u64, Position)> {
    let (&letter, numbers) = key.split_first()?;
    let (subject, first) = numbers.split_first_chunk()?;
    let first = Position::from_be_bytes(first.try_into().ok()?);
    (letter == INDEX).then_some((u64::from_be_bytes(*subject), first))
}
