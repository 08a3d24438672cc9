//! Times and sizes of other programs, as the new file writes them, within what it accepts.

use crate::config::ranges;
use crate::config::units::written_duration;

pub(super) use crate::config::units::written_size as size;

/// Milliseconds in the largest unit that keeps them whole, within what most keys accept.
pub(super) fn duration(ms: u64) -> String {
    let accepted = ranges::waits_ms();
    written_duration(ms.clamp(*accepted.start(), *accepted.end()))
}

/// The nearest count that a key of an app accepts.
pub(super) fn count(key: &str, wanted: i64) -> i64 {
    let accepted = ranges::counts(key);
    wanted.clamp(*accepted.start(), *accepted.end())
}

/// A number and the unit behind it, the unit one of these with what it stands for.
pub(super) fn with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let (_, factor) = units.iter().find(|(unit, _)| *unit == text[digits..].trim())?;
    number.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_whole_and_within_bounds() {
        let times =
            [(0, "1ms"), (1500, "1500ms"), (4000, "4s"), (120_000, "2m"), (3_600_000, "1h")];
        for (ms, text) in times {
            assert_eq!(duration(ms), text);
        }
        assert_eq!(duration(u64::MAX), "24h");
        let sizes = [(500 << 20, "500MiB"), (1 << 30, "1GiB"), (1000, "1000B"), (0, "0B")];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        let units = [("", 1), ("k", 1024), ("kb", 1024)];
        assert_eq!(with_unit("3K", &units), Some(3072));
        assert_eq!(with_unit("3 kb", &units), Some(3072));
        assert_eq!(with_unit("7", &units), Some(7));
        assert_eq!(with_unit("-7", &units), None);
        assert_eq!(with_unit("7x", &units), None);
    }
}
