//! Times as they stand in JSON: the bytes that chrono writes, in a tenth of its time. A transaction has up to five of them,
//! and is written again and again.

use chrono::{DateTime, Datelike, Timelike, Utc};
use serde::{Serialize, Serializer};
use serde_json::{Error, to_writer};

/// Of the longest, `9999-12-31T23:59:59.999999999Z`.
const BYTES_MAX: usize = 30;

/// Appends a time as JSON.
pub fn put(out: &mut Vec<u8>, time: DateTime<Utc>) -> Result<(), Error> {
    let Some(text) = Text::of(time) else {
        return to_writer(out, &time);
    };
    out.push(b'"');
    out.extend(text.as_str().as_bytes());
    out.push(b'"');
    Ok(())
}

/// Writes a time.
pub fn serialize<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    match Text::of(*time) {
        Some(text) => serializer.serialize_str(text.as_str()),
        None => time.serialize(serializer),
    }
}

/// The same, for a time that there may not be.
pub mod option {
    use super::{DateTime, Serializer, Utc};

    /// Writes a time, or null.
    #[expect(clippy::ref_option, reason = "serde gives it so")]
    pub fn serialize<S: Serializer>(
        time: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// The text of a time.
struct Text {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl Text {
    /// `None` for a leap second and for a year that has not four digits: they are left to chrono.
    fn of(time: DateTime<Utc>) -> Option<Self> {
        let time = time.naive_utc();
        let year = u32::try_from(time.year()).ok().filter(|it| *it <= 9_999)?;
        let nanoseconds = Some(time.nanosecond()).filter(|it| *it < 1_000_000_000)?;
        let mut text = Self {
            bytes: [0; BYTES_MAX],
            length: 0,
        };
        text.number(year, 4);
        for (before, number) in [
            (b'-', time.month()),
            (b'-', time.day()),
            (b'T', time.hour()),
            (b':', time.minute()),
            (b':', time.second()),
        ] {
            text.push(before);
            text.number(number, 2);
        }
        // As many digits as it takes, three at a time.
        let (fraction, digits) = match nanoseconds {
            0 => (0, 0),
            it if it.is_multiple_of(1_000_000) => (it / 1_000_000, 3),
            it if it.is_multiple_of(1_000) => (it / 1_000, 6),
            it => (it, 9),
        };
        if digits > 0 {
            text.push(b'.');
            text.number(fraction, digits);
        }
        text.push(b'Z');
        Some(text)
    }

    fn push(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    /// The last digits of a number.
    fn number(&mut self, mut number: u32, digits: usize) {
        for digit in self.bytes[self.length..self.length + digits]
            .iter_mut()
            .rev()
        {
            // Below ten, so that nothing is cut off.
            *digit = b'0' + (number % 10).to_le_bytes()[0];
            number /= 10;
        }
        self.length += digits;
    }

    fn as_str(&self) -> &str {
        // Digits and signs, all of them.
        str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::to_string;

    use super::*;

    #[derive(Serialize)]
    struct Holder {
        #[serde(with = "super")]
        time: DateTime<Utc>,
        #[serde(serialize_with = "option::serialize")]
        perhaps: Option<DateTime<Utc>>,
    }

    #[derive(Serialize)]
    struct Plain {
        time: DateTime<Utc>,
        perhaps: Option<DateTime<Utc>>,
    }

    fn assert_as_chrono_writes_it(time: DateTime<Utc>) {
        for perhaps in [None, Some(time)] {
            let written = to_string(&Holder { time, perhaps }).unwrap();
            assert_eq!(written, to_string(&Plain { time, perhaps }).unwrap());
        }
    }

    proptest! {
        #[test]
        fn a_time_is_written_as_chrono_writes_it(
            seconds in prop_oneof![-100_000_000_000_i64..400_000_000_000, 1_500_000_000_i64..2_000_000_000],
            nanoseconds in 0_u32..1_000_000_000,
            unit in prop::sample::select(vec![1_u32, 1_000, 1_000_000, 1_000_000_000]),
        ) {
            let time = DateTime::from_timestamp(seconds, nanoseconds / unit * unit);
            assert_as_chrono_writes_it(time.unwrap());
        }
    }

    #[test]
    fn so_are_a_leap_second_and_the_ends_of_all_times() {
        let leap_second = DateTime::from_timestamp(1_483_228_799, 1_500_000_000);
        for time in [
            leap_second.unwrap(),
            DateTime::<Utc>::MIN_UTC,
            DateTime::<Utc>::MAX_UTC,
        ] {
            assert_as_chrono_writes_it(time);
        }
    }
}
