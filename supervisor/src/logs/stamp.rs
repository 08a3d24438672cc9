//! Times at the beginning of lines, as programs write them. Pure; never a guess: what is not a
//! whole date with a time of day is no time.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

/// Numbers below these bounds count seconds, milliseconds, microseconds since 1970.
const SECONDS_MAX: i64 = 100_000_000_000;
const MILLIS_MAX: i64 = SECONDS_MAX * 1000;
const MICROS_MAX: i64 = MILLIS_MAX * 1000;

/// The time at the beginning of a line, and how many bytes it takes there, brackets around it and
/// the space behind it included. A time without an offset is of this zone.
///
/// Known are ISO 8601 and what is near to it: `2026-11-21T10:00:00.123Z`, `2026-11-21 10:00:00,123
/// +0100`, `[2026/11/21 10:00:00]`.
pub(super) fn leading(line: &[u8], zone: &TimeZone) -> Option<(Timestamp, usize)> {
    let mut scan = Scan { bytes: line, at: 0 };
    let bracket = scan.take(b'[');
    let (year, separator) = (scan.number(4)?, scan.one_of(b"-/")?);
    let month = scan.number(2)?;
    scan.one_of(&[separator])?;
    let day = scan.number(2)?;
    scan.one_of(b"Tt ")?;
    let hour = scan.number(2)?;
    scan.one_of(b":")?;
    let minute = scan.number(2)?;
    scan.one_of(b":")?;
    let second = scan.number(2)?.min(59);
    let nanosecond = scan.fraction();
    let narrow = |number: i32| i8::try_from(number).ok();
    let year = i16::try_from(year).ok()?;
    let (month, day) = (narrow(month)?, narrow(day)?);
    let (hour, minute, second) = (narrow(hour)?, narrow(minute)?, narrow(second)?);
    let civil = DateTime::new(year, month, day, hour, minute, second, nanosecond).ok()?;
    let time = match scan.offset() {
        Some(offset) => offset.to_timestamp(civil).ok()?,
        None => zone.to_timestamp(civil).ok()?,
    };
    if bracket {
        scan.one_of(b"]")?;
    }
    let ends = scan.peek().is_none_or(|next| !next.is_ascii_alphanumeric());
    while scan.one_of(b" \t").is_some() {}
    ends.then_some((time, scan.at))
}

/// A time that is a number: seconds, milliseconds, microseconds or nanoseconds since 1970, by its
/// magnitude.
pub(super) fn of_number(number: f64) -> Option<Timestamp> {
    let exact = |scale: f64| {
        // More than a timestamp holds becomes the largest number, which is refused below.
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let nanos = (number * scale) as i128;
        Timestamp::from_nanosecond(nanos).ok()
    };
    #[expect(clippy::cast_precision_loss, reason = "bounds of magnitudes need no precision")]
    let below = |bound: i64| number < bound as f64;
    match number {
        _ if !number.is_finite() || number <= 0.0 => None,
        _ if below(SECONDS_MAX) => exact(1e9),
        _ if below(MILLIS_MAX) => exact(1e6),
        _ if below(MICROS_MAX) => exact(1e3),
        _ => exact(1.0),
    }
}

/// Reads a line from its beginning.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let next = self.peek().filter(|next| wanted.contains(next))?;
        self.at += 1;
        Some(next)
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.one_of(&[wanted]).is_some()
    }

    /// Exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<i32> {
        let text = self.bytes.get(self.at..self.at + digits)?;
        let number = text.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i32::from(digit - b'0'))
        })?;
        self.at += digits;
        Some(number)
    }

    /// Nanoseconds behind a point or a comma; none is zero.
    fn fraction(&mut self) -> i32 {
        let before = self.at;
        if self.one_of(b".,").is_none() {
            return 0;
        }
        let (mut nanos, mut digits) = (0, 0);
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if digits < 9 {
                nanos = nanos * 10 + i32::from(digit - b'0');
                digits += 1;
            }
            self.at += 1;
        }
        if digits == 0 {
            self.at = before;
        }
        nanos * 10_i32.pow(9 - digits)
    }

    /// `Z`, `+01:00`, `+0100`, also behind a space.
    fn offset(&mut self) -> Option<Offset> {
        let before = self.at;
        let found = self.try_offset();
        if found.is_none() {
            self.at = before;
        }
        found
    }

    fn try_offset(&mut self) -> Option<Offset> {
        self.take(b' ');
        let sign = match self.one_of(b"Zz+-")? {
            b'Z' | b'z' => return Some(Offset::UTC),
            b'-' => -1,
            _plus => 1,
        };
        let hours = self.number(2)?;
        self.take(b':');
        let minutes = self.number(2)?;
        Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> TimeZone {
        TimeZone::fixed(Offset::constant(2))
    }

    #[test]
    fn times_are_known_as_programs_write_them() {
        for (line, time, rest) in [
            ("2026-11-21T10:00:00.123456Z  INFO x", "2026-11-21T10:00:00.123456Z", "INFO x"),
            ("2026-11-21 10:00:00,5 x", "2026-11-21T08:00:00.5Z", "x"),
            ("[2026-11-21T10:00:00+01:00] x", "2026-11-21T09:00:00Z", "x"),
            ("2026/11/21 10:00:00 [error]", "2026-11-21T08:00:00Z", "[error]"),
            ("2026-11-21 10:00:00 -0130 x", "2026-11-21T11:30:00Z", "x"),
            ("2026-11-21 10:00:00 - name", "2026-11-21T08:00:00Z", "- name"),
            ("2026-11-21 10:00:00: x", "2026-11-21T08:00:00Z", ": x"),
            ("2026-11-21T10:00:00", "2026-11-21T08:00:00Z", ""),
        ] {
            let (found, length) =
                leading(line.as_bytes(), &zone()).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(found, time.parse().unwrap(), "{line}");
            assert_eq!(&line[length..], rest, "{line}");
        }
    }

    #[test]
    fn what_is_no_whole_time_is_none() {
        for line in [
            "",
            "2026",
            "2026-11-21",
            "2026-11-21 tick",
            "2026-13-21T10:00:00Z",
            "2026-11-21T25:00:00Z",
            "2026-11/21 10:00:00",
            "2026-11-21T10:00:00abc",
            "x 2026-11-21T10:00:00Z",
            "[2026-11-21T10:00:00Z x",
        ] {
            assert_eq!(leading(line.as_bytes(), &zone()), None, "{line}");
        }
    }

    #[test]
    fn numbers_are_times_by_their_magnitude() {
        let time: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        for number in [1_795_255_200.0, 1_795_255_200e3, 1_795_255_200e6, 1_795_255_200e9] {
            assert_eq!(of_number(number), Some(time), "{number}");
        }
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert_eq!(of_number(wrong), None, "{wrong}");
        }
    }
}
