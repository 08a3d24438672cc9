//! Numbers with a unit: durations and sizes, and what was probably meant by one that is neither.

use std::time::Duration;

/// The units of durations in milliseconds, each with the words that people have for it.
const TIMES: [Unit; 6] = [
    ("ms", 1, &["msec", "msecs", "millis", "millisecond", "milliseconds"]),
    ("s", 1000, &["sec", "secs", "second", "seconds"]),
    ("m", 60_000, &["min", "mins", "minute", "minutes"]),
    ("h", 3_600_000, &["hr", "hrs", "hour", "hours"]),
    ("d", 86_400_000, &["day", "days"]),
    ("w", 604_800_000, &["week", "weeks"]),
];
/// Days and weeks are understood, not taken: whether a day has 24 hours is another question.
const TIMES_TAKEN: usize = 4;

/// The units of sizes in bytes, each with the words that people have for it.
const SIZES: [Unit; 9] = [
    ("B", 1, &["byte", "bytes"]),
    ("KB", 1000, &["k", "kilobyte", "kilobytes"]),
    ("MB", 1_000_000, &["m", "meg", "megs", "megabyte", "megabytes"]),
    ("GB", 1_000_000_000, &["g", "gig", "gigs", "gigabyte", "gigabytes"]),
    ("TB", 1_000_000_000_000, &["t", "terabyte", "terabytes"]),
    ("KiB", 1 << 10, &["ki", "kibibyte", "kibibytes"]),
    ("MiB", 1 << 20, &["mi", "mebibyte", "mebibytes"]),
    ("GiB", 1 << 30, &["gi", "gibibyte", "gibibytes"]),
    ("TiB", 1 << 40, &["ti", "tebibyte", "tebibytes"]),
];

type Unit = (&'static str, u64, &'static [&'static str]);
type Units = [Unit];

/// A number and the unit behind it.
pub(super) fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, &text[digits..]))
}

fn parse(text: &str, units: &Units) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let (_, factor, _) = units.iter().find(|(name, _, _)| *name == unit)?;
    number.checked_mul(*factor)
}

pub(super) fn duration(text: &str) -> Option<Duration> {
    milliseconds(text).map(Duration::from_millis)
}

/// A duration, in milliseconds.
pub(super) fn milliseconds(text: &str) -> Option<u64> {
    parse(text, &TIMES[..TIMES_TAKEN])
}

/// Bytes.
pub(super) fn size(text: &str) -> Option<u64> {
    parse(text, &SIZES)
}

/// `10 sec`, `1.5h`, `1m30s` or `2 days` as one writes them here.
pub(super) fn meant_duration(text: &str) -> Option<String> {
    meant(text, &TIMES, TIMES_TAKEN)
}

/// `512 mb`, `1g` or `1.5GB` as one writes them here.
pub(super) fn meant_size(text: &str) -> Option<String> {
    meant(text, &SIZES, SIZES.len())
}

/// From here on a number without a unit may well be of milliseconds.
const LIKELY_MS: u64 = 100;
/// From here on a number without a unit is of bytes.
const LIKELY_BYTES: u64 = 100_000;

/// What a number without a unit may stand for between these durations: `1600` for `1600ms` and for
/// `1600s`. None where nothing fits.
pub(super) fn likely_durations(number: u64, min: &str, max: &str) -> Vec<String> {
    let units: &[&str] = if number < LIKELY_MS { &["s", "ms"] } else { &["ms", "s"] };
    let mut fitting = fitting(number, units, (min, max), &TIMES[..TIMES_TAKEN]);
    if number < LIKELY_MS {
        fitting.truncate(1);
    }
    fitting
}

/// The same of sizes: `300` where a megabyte is the least stands for `300MB`.
pub(super) fn likely_sizes(number: u64, min: &str, max: &str) -> Vec<String> {
    let bytes = number == 0 || number >= LIKELY_BYTES;
    let units: &[&str] = if bytes { &["B"] } else { &["B", "KB", "MB"] };
    fitting(number, units, (min, max), &SIZES)
}

fn fitting(number: u64, names: &[&str], (min, max): (&str, &str), units: &Units) -> Vec<String> {
    let bound = |text| parse(text, units).expect("the table of keys has valid bounds");
    let range = bound(min)..=bound(max);
    let texts = names.iter().map(|unit| format!("{number}{unit}"));
    texts.filter(|text| parse(text, units).is_some_and(|value| range.contains(&value))).collect()
}

fn meant(text: &str, units: &Units, taken: usize) -> Option<String> {
    let mut rest = text.trim();
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_')?;
        let (number, behind) = rest.split_at(number_end);
        let behind = behind.trim_start();
        let unit_end = behind.find(|c: char| !c.is_alphabetic()).unwrap_or(behind.len());
        let unit = unit(&behind[..unit_end], units)?;
        parts.push((number.replace('_', ""), unit));
        rest = behind[unit_end..].trim_start();
    }
    let [(number, unit)] = &parts[..] else {
        let sum = parts.iter().try_fold(0u64, |sum, (number, unit)| {
            sum.checked_add(number.parse::<u64>().ok()?.checked_mul(units[*unit].1)?)
        });
        return written(sum.filter(|sum| *sum > 0)?, &units[..taken]);
    };
    if *unit < taken && number.parse::<u64>().is_ok() {
        return Some(format!("{number}{}", units[*unit].0));
    }
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: u64 = format!("{whole}{fraction}").parse().ok()?;
    let divisor = 10u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let total = digits.checked_mul(units[*unit].1)?;
    (total > 0 && total.is_multiple_of(divisor))
        .then(|| written(total / divisor, &units[..taken]))?
}

/// The unit that a word stands for: as we write it, in another case, or written out.
fn unit(word: &str, units: &Units) -> Option<usize> {
    let small = word.to_lowercase();
    let exact = units.iter().position(|(name, _, _)| *name == word);
    exact.or_else(|| {
        units.iter().position(|(name, _, words)| {
            name.to_lowercase() == small || words.contains(&small.as_str())
        })
    })
}

/// Milliseconds in the largest unit that keeps them whole.
pub(crate) fn written_duration(ms: u64) -> String {
    written(ms, &TIMES[..TIMES_TAKEN]).expect("every number is one of milliseconds")
}

/// Bytes in the largest unit of two's powers that keeps them whole.
pub(crate) fn written_size(bytes: u64) -> String {
    let of_two = |(name, factor, _): &&Unit| *factor == 1 || name.ends_with("iB");
    written(bytes, SIZES.iter().filter(of_two)).expect("every number is one of bytes")
}

/// A sum in the largest unit that it is a whole number of.
fn written<'u>(sum: u64, units: impl IntoIterator<Item = &'u Unit>) -> Option<String> {
    // Nothing is nothing in every unit.
    let fits = |(_, factor, _): &&Unit| *factor == 1 || (sum > 0 && sum.is_multiple_of(*factor));
    let (name, factor, _) = units.into_iter().filter(fits).max_by_key(|(_, factor, _)| *factor)?;
    Some(format!("{}{name}", sum / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        let times = [
            ("10 s", "10s"),
            ("10sec", "10s"),
            ("5 minutes", "5m"),
            ("10S", "10s"),
            ("1.5h", "90m"),
            ("1.5s", "1500ms"),
            ("1m30s", "90s"),
            ("1h 30 min", "90m"),
            ("2 days", "48h"),
            ("1_000ms", "1000ms"),
        ];
        for (text, meant) in times {
            assert_eq!(meant_duration(text).as_deref(), Some(meant), "{text}");
            assert!(duration(meant).is_some(), "{meant}");
        }
        let sizes = [
            ("512 mb", "512MB"),
            ("1G", "1GB"),
            ("64k", "64KB"),
            ("1gib", "1GiB"),
            ("1.5GB", "1500MB"),
        ];
        for (text, meant) in sizes {
            assert_eq!(meant_size(text).as_deref(), Some(meant), "{text}");
            assert!(size(meant).is_some(), "{meant}");
        }
        for (number, likely) in [(10, "10s"), (1600, "1600ms 1600s"), (90_000_000, "90000000ms")] {
            assert_eq!(likely_durations(number, "10ms", "48h").join(" "), likely);
        }
        for (number, likely) in
            [(300, "300MB"), (314_572_800, "314572800B"), (2000, "2000KB 2000MB"), (0, "")]
        {
            assert_eq!(likely_sizes(number, "1MB", "1TB").join(" "), likely);
        }
        for text in ["", "s", "ten seconds", "10x", "1..5s", "99999999999999999999 s", "0.0001 ms"]
        {
            assert_eq!(meant_duration(text), None, "{text}");
        }
    }
}
