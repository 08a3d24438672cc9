//! Times and sizes of other programs, as the new file writes them, within what it accepts.

/// The longest time that most keys accept, in milliseconds: a day.
const TIME_MAX_MS: u64 = 24 * 60 * 60 * 1000;
const SIZE_MIN_BYTES: u64 = 1000 * 1000;
const SIZE_MAX_BYTES: u64 = 1000 * 1000 * 1000 * 1000;

/// Milliseconds in the largest unit that keeps them whole, at most a day, at least one.
pub(super) fn duration(ms: u64) -> String {
    let ms = ms.clamp(1, TIME_MAX_MS);
    let units = [("h", 60 * 60 * 1000), ("m", 60 * 1000), ("s", 1000)];
    let unit = units.into_iter().find(|(_, size)| ms.is_multiple_of(*size));
    let (name, size) = unit.unwrap_or(("ms", 1));
    format!("{}{name}", ms / size)
}

/// Bytes in the largest unit that keeps them whole.
pub(super) fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, size)| bytes > 0 && bytes.is_multiple_of(*size));
    let (name, size) = unit.unwrap_or(("B", 1));
    format!("{}{name}", bytes / size)
}

/// Whether a worker's memory can be held below so many bytes.
pub(super) fn is_memory_limit(bytes: u64) -> bool {
    (SIZE_MIN_BYTES..=SIZE_MAX_BYTES).contains(&bytes)
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
