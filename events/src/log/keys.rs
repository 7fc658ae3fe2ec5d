//! The keys of the store. One tree with a letter before each kind, so that one batch is atomic over all of them.
//! Numbers are big-endian: the store's order is log order.

use super::Position;

/// The log's identity.
pub(super) const META: &[u8] = b"mlog";
/// How far the stream was read.
pub(super) const CHECKPOINT: &[u8] = b"mcheckpoint";

const CHUNK: u8 = b'c';
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
