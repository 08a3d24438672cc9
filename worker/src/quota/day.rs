//! A count that begins anew each day, in one number, so that processes can share it.
//!
//! The upper 16 bits are the day, the lower 48 the count. A clock that is set back over midnight
//! goes on with the later day, so that nobody gets a day twice; one that was far ahead and is put
//! right begins anew, so that nobody waits for a day that is far away. Days begin at midnight UTC.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const COUNT_BITS: u32 = 48;
const COUNT_MAX: u64 = (1 << COUNT_BITS) - 1;
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How much there is to a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Today {
    day: u64,
    left: Duration,
}

impl Today {
    /// The day that this second since 1970 belongs to.
    pub(super) fn at(unix_seconds: u64) -> Today {
        let left = Duration::from_secs(DAY_SECONDS - unix_seconds % DAY_SECONDS);
        Today { day: (unix_seconds / DAY_SECONDS) & 0xFFFF, left }
    }

    /// How long until midnight.
    pub(super) fn left(&self) -> Duration {
        self.left
    }

    /// The day and the count that hold today.
    fn read(&self, word: u64) -> (u64, u64) {
        let (day, count) = (word >> COUNT_BITS, word & COUNT_MAX);
        let tomorrow = (self.day + 1) & 0xFFFF;
        if day == self.day || day == tomorrow { (day, count) } else { (self.day, 0) }
    }
}

/// What was counted today.
pub(super) fn counted(word: &AtomicU64, today: Today) -> u64 {
    today.read(word.load(Relaxed)).1
}

/// Counts so much more, if the count stays within the limit; what it was before otherwise.
pub(super) fn add(word: &AtomicU64, more: u64, limit: u64, today: Today) -> Result<u64, u64> {
    let mut found = word.load(Relaxed);
    loop {
        let (day, count) = today.read(found);
        let sum = count.saturating_add(more).min(COUNT_MAX);
        if sum > limit {
            return Err(count);
        }
        let next = day << COUNT_BITS | sum;
        match word.compare_exchange_weak(found, next, Relaxed, Relaxed) {
            Ok(_) => return Ok(sum),
            Err(other) => found = other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 20_000 * DAY_SECONDS + DAY_SECONDS / 2;

    fn taken(word: &AtomicU64, limit: u64, at: u64) -> u64 {
        let mut count = 0;
        while add(word, 1, limit, Today::at(at)).is_ok() {
            count += 1;
        }
        count
    }

    #[test]
    fn a_day_gives_its_limit_and_the_next_as_much_again() {
        let word = AtomicU64::new(0);
        assert_eq!(taken(&word, 10, NOON), 10);
        assert_eq!(taken(&word, 12, NOON + 5), 2);
        assert_eq!(taken(&word, 10, NOON + DAY_SECONDS), 10);
        assert_eq!(Today::at(NOON).left(), Duration::from_secs(DAY_SECONDS / 2));
    }

    #[test]
    fn a_clock_that_is_set_back_gives_no_day_twice() {
        let word = AtomicU64::new(0);
        let after_midnight = NOON + DAY_SECONDS / 2 + 1;
        assert_eq!(taken(&word, 10, after_midnight), 10);
        assert_eq!(taken(&word, 10, after_midnight - 2), 0);
        assert_eq!(taken(&word, 10, after_midnight), 0);
    }

    #[test]
    fn a_clock_that_was_far_ahead_stops_nobody_for_long() {
        let word = AtomicU64::new(0);
        assert_eq!(taken(&word, 10, NOON + 400 * DAY_SECONDS), 10);
        assert_eq!(taken(&word, 10, NOON), 10);
    }

    #[test]
    fn a_huge_amount_is_counted_as_the_most_there_is() {
        let word = AtomicU64::new(0);
        assert_eq!(add(&word, u64::MAX, u64::MAX, Today::at(NOON)), Ok(COUNT_MAX));
        assert_eq!(counted(&word, Today::at(NOON)), COUNT_MAX);
        assert_eq!(add(&word, 1, 5, Today::at(NOON)), Err(COUNT_MAX));
    }
}
