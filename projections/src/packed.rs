//! Compression of stored orders and facts. What one order says it has in common with all others: so it is packed with a
//! dictionary of what orders say, to an eighth, where an order packed by itself is a third.
//!
//! Another dictionary can't read what was packed with this one, so with it [`FOLD_VERSION`] goes up. It is made by
//! `cargo run --release -p farelog-projections --example order_dictionary`.
//!
//! [`FOLD_VERSION`]: crate::store::FOLD_VERSION

use std::cell::RefCell;
use std::io;
use std::sync::LazyLock;
use std::thread::LocalKey;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::compress_bound;

const DICTIONARY: &[u8] = include_bytes!("order.dictionary");

/// zstd's lowest ordinary level: what a higher one gains does not pay for its time here.
const LEVEL: i32 = 1;

/// One of zstd's fast levels, for what is read seldom and removed soon: a third of the time for a third more bytes.
const QUICK_LEVEL: i32 = -3;

/// Largest value that is unpacked, in bytes: beyond what any order reaches, so that damage can't ask for more memory.
const UNPACKED_BYTES_MAX: usize = 1 << 30;

static ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static QUICK_ENCODER: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, QUICK_LEVEL));
static DECODER: LazyLock<DecoderDictionary<'static>> =
    LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static QUICK_COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Appends packed bytes: their number, 4 bytes little-endian, and a zstd frame.
pub fn pack(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    pack_with(&COMPRESSOR, &ENCODER, bytes, out)
}

/// The same in less time, to more bytes.
pub fn pack_quickly(bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    pack_with(&QUICK_COMPRESSOR, &QUICK_ENCODER, bytes, out)
}

fn pack_with(
    kept: &'static LocalKey<RefCell<Option<Compressor<'static>>>>,
    dictionary: &'static EncoderDictionary<'static>,
    bytes: &[u8],
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let too_large = || io::Error::other("the value is too large to be stored");
    let length = u32::try_from(bytes.len()).map_err(|_| too_large())?;
    if bytes.len() > UNPACKED_BYTES_MAX {
        return Err(too_large());
    }
    out.extend(length.to_le_bytes());
    let start = out.len();
    out.resize(start + compress_bound(bytes.len()), 0);
    let frame = kept.with_borrow_mut(|kept| {
        let compressor = match kept {
            Some(compressor) => compressor,
            None => kept.insert(Compressor::with_prepared_dictionary(dictionary)?),
        };
        compressor.compress_to_buffer(bytes, &mut out[start..])
    })?;
    out.truncate(start + frame);
    Ok(())
}

/// Gives back what was packed.
pub fn unpack(packed: &[u8]) -> io::Result<Vec<u8>> {
    let damaged = || io::Error::other("the value is damaged");
    let (length, frame) = packed.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| damaged())?;
    if length > UNPACKED_BYTES_MAX {
        return Err(damaged());
    }
    let bytes = DECOMPRESSOR.with_borrow_mut(|kept| {
        let decompressor = match kept {
            Some(decompressor) => decompressor,
            None => kept.insert(Decompressor::with_prepared_dictionary(&DECODER)?),
        };
        decompressor.decompress(frame, length)
    })?;
    if bytes.len() == length {
        Ok(bytes)
    } else {
        Err(damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        pack(bytes, &mut packed).unwrap();
        packed
    }

    #[test]
    fn what_was_packed_is_given_back_and_damage_is_an_error() {
        for bytes in [&b""[..], b"{}", &b"{\"orderId\":\"a\"}".repeat(1_000)] {
            let packed = packed(bytes);
            assert_eq!(unpack(&packed).unwrap(), bytes);
            let mut quickly_packed = Vec::new();
            pack_quickly(bytes, &mut quickly_packed).unwrap();
            assert_eq!(unpack(&quickly_packed).unwrap(), bytes);
        }
        for bytes in [&b"{}"[..], &b"{\"orderId\":\"a\"}".repeat(1_000)] {
            let packed = packed(bytes);
            for cut in 0..packed.len().min(32) {
                assert!(unpack(&packed[..cut]).is_err(), "{cut}");
            }
        }
        assert!(unpack(&[0xff; 64]).is_err());
    }
}
