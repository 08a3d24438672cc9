//! Numbers as people say them: counts with their noun, sizes, lengths of time.
//!
//! Here because every room above speaks of them, and two rooms must not say one number in two
//! ways. Nothing about where such words are shown.

use std::time::Duration;

/// A number and its noun: `1 worker`, `2 workers`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A size: `600 bytes`, `12 kB`, `41.2 MB`, `2 GB`; what is left over is cut off.
#[must_use]
pub fn size(bytes: u64) -> String {
    let in_unit = |unit: u64, name: &str| match bytes / (unit / 10) % 10 {
        0 => format!("{} {name}", bytes / unit),
        tenths => format!("{}.{tenths} {name}", bytes / unit),
    };
    match bytes {
        0..1_000 => counted(bytes, "byte"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => in_unit(1_000_000, "MB"),
        1_000_000_000.. => in_unit(1_000_000_000, "GB"),
    }
}

/// A length of time, exact to the millisecond: `500 milliseconds`, `1.5 seconds`,
/// `1 minute 30 seconds`, `24 hours`.
#[must_use]
pub fn span(time: Duration) -> String {
    let (seconds, milliseconds) = (time.as_secs(), time.subsec_millis());
    if seconds == 0 {
        return counted(u64::from(milliseconds), "millisecond");
    }
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut parts = Vec::new();
    for (count, noun) in [(hours, "hour"), (minutes, "minute")] {
        if count > 0 {
            parts.push(counted(count, noun));
        }
    }
    match (rest, milliseconds) {
        (0, 0) => {}
        (_, 0) => parts.push(counted(rest, "second")),
        (_, _) => {
            let fraction = format!("{milliseconds:03}");
            parts.push(format!("{rest}.{} seconds", fraction.trim_end_matches('0')));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(0, "worker"), "0 workers");
        assert_eq!(counted(1, "worker"), "1 worker");
        assert_eq!(counted(2, "worker"), "2 workers");
    }

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        for (bytes, words) in [
            (1, "1 byte"),
            (600, "600 bytes"),
            (12_345, "12 kB"),
            (50_000_000, "50 MB"),
            (41_299_000, "41.2 MB"),
            (2_500_000_000, "2.5 GB"),
            (3_000_000_000, "3 GB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }

    #[test]
    fn times_are_exact_and_in_words() {
        for (milliseconds, words) in [
            (1, "1 millisecond"),
            (500, "500 milliseconds"),
            (1_000, "1 second"),
            (1_050, "1.05 seconds"),
            (60_000, "1 minute"),
            (90_000, "1 minute 30 seconds"),
            (86_400_000, "24 hours"),
            (3_601_000, "1 hour 1 second"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), words);
        }
    }
}
