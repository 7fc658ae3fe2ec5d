//! Numbers, texts and times as bytes, for what is stored often: each says its own length, so nothing stands between them.

use chrono::{DateTime, Utc};

/// Bytes that are not what was to be read; says which part. Damage, or a writer with another format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// A varint of 64 bits has at most 10 groups of 7.
const VARINT_BYTES_MAX: usize = 10;

/// Appends a number, least significant 7 bits first; the high bit says that more follow.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a text behind its length in bytes.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a time.
///
/// Seconds since 1970 in zigzag (times before it are negative), then nanoseconds, which pass 10^9 within a leap second.
pub fn put_time(out: &mut Vec<u8>, time: DateTime<Utc>) {
    let seconds = time.timestamp();
    put_varint(out, ((seconds << 1) ^ (seconds >> 63)).cast_unsigned());
    put_varint(out, u64::from(time.timestamp_subsec_nanos()));
}

/// Reads encoded parts off the front of a slice. Every length is checked against what is there before it is used, so that
/// damage never asks for more than that.
///
/// # Errors
/// [`Malformed`]: the bytes end before the part does, or are no such part.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    /// So many bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A number.
    pub fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for group in 0..VARINT_BYTES_MAX {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            let shifted = bits << (7 * group);
            if shifted >> (7 * group) != bits {
                return Err(Malformed("a number passes 64 bits"));
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number passes 64 bits"))
    }

    /// Bytes behind their length.
    pub fn prefixed(&mut self) -> Result<&'a [u8], Malformed> {
        let len = usize::try_from(self.varint()?).map_err(|_| Malformed("it ends too early"))?;
        self.take(len)
    }

    /// A text behind its length.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.prefixed()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    /// A time.
    pub fn time(&mut self) -> Result<DateTime<Utc>, Malformed> {
        let zigzag = self.varint()?;
        let seconds = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let nanoseconds = u32::try_from(self.varint()?).ok();
        nanoseconds
            .and_then(|nanoseconds| DateTime::from_timestamp(seconds, nanoseconds))
            .ok_or(Malformed("a time is out of range"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of all seconds that have a time, but for the last minute.
    const EARLIEST: i64 = DateTime::<Utc>::MIN_UTC.timestamp();
    const LATEST: i64 = DateTime::<Utc>::MAX_UTC.timestamp() - 59;

    proptest! {
        #[test]
        fn a_varint_reads_back(value: u64) {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn a_time_reads_back(seconds in EARLIEST..LATEST, nanoseconds in 0..1_000_000_000_u32, is_leap: bool) {
            // A leap second is the one behind the last of a minute.
            let (seconds, nanoseconds) = if is_leap {
                (seconds - seconds.rem_euclid(60) + 59, nanoseconds + 1_000_000_000)
            } else {
                (seconds, nanoseconds)
            };
            let time = DateTime::from_timestamp(seconds, nanoseconds).unwrap();
            let mut bytes = Vec::new();
            put_time(&mut bytes, time);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.time(), Ok(time));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn a_number_past_64_bits_is_refused() {
        assert!(Reader::new(&[0xFF; 11]).varint().is_err());
        let mut eleven_groups = [0xFF; 10];
        eleven_groups[9] = 0x02;
        assert!(Reader::new(&eleven_groups).varint().is_err());
    }
}
