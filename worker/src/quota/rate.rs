//! A token bucket in one number, so that processes can share it with one compare-and-swap.
//!
//! The number is the moment at which the bucket is full again (the generic cell rate algorithm). A
//! permit moves it one interval on; a permit that would move it further than the bucket is deep is
//! refused. Pure: the time is handed in, on a clock that all processes share and nobody sets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// So many permits in a window; so many may be taken at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rate {
    permits: u64,
    /// Ticks until one permit comes back.
    interval: u64,
    /// Ticks in a second.
    second: u64,
}

/// How things stand after a permit was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// So many permits may be taken at once.
    pub limit: u64,
    /// So many are left.
    pub remaining: u64,
    /// When all of them are there again.
    pub reset_in: Duration,
}

impl Rate {
    /// Permits in a second, on a clock that counts nanoseconds.
    pub(super) fn per_second(permits: u32) -> Rate {
        Rate::new(permits, 1, 1_000_000_000)
    }

    /// Permits in a minute, on a clock that counts milliseconds.
    pub(super) fn per_minute(permits: u32) -> Rate {
        Rate::new(permits, 60, 1_000)
    }

    fn new(permits: u32, seconds: u64, second: u64) -> Rate {
        let permits = u64::from(permits.max(1));
        // Rounded up: never more than the limit.
        Rate { permits, interval: (seconds * second).div_ceil(permits), second }
    }

    /// Ticks until an empty bucket is full.
    fn depth(&self) -> u64 {
        self.permits * self.interval
    }

    /// What a bucket that is full at this moment is after one permit more; of one that has none,
    /// how long until it has.
    pub(super) fn step(&self, full_at: u64, now: u64) -> Result<u64, Duration> {
        let empty = now.saturating_add(self.depth());
        let next = full_at.max(now).saturating_add(self.interval);
        if next > empty { Err(self.duration(next - empty)) } else { Ok(next) }
    }

    pub(super) fn standing(&self, full_at: u64, now: u64) -> Standing {
        let missing = full_at.saturating_sub(now).min(self.depth());
        Standing {
            limit: self.permits,
            remaining: (self.depth() - missing) / self.interval,
            reset_in: self.duration(missing),
        }
    }

    fn duration(&self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / self.second))
    }
}

/// Takes one permit out of a bucket.
///
/// # Errors
/// How long until there is one.
pub(super) fn take(bucket: &AtomicU64, rate: Rate, now: u64) -> Result<Standing, Duration> {
    let mut full_at = bucket.load(Relaxed);
    loop {
        let next = rate.step(full_at, now)?;
        match bucket.compare_exchange_weak(full_at, next, Relaxed, Relaxed) {
            Ok(_) => return Ok(rate.standing(next, now)),
            Err(found) => full_at = found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(bucket: &AtomicU64, rate: Rate, now: u64) -> u64 {
        let mut count = 0;
        while take(bucket, rate, now).is_ok() {
            count += 1;
        }
        count
    }

    #[test]
    fn a_window_gives_its_permits_at_once_and_the_next_as_many_again() {
        for permits in [1, 3, 7, 1_000] {
            let (bucket, rate) = (AtomicU64::new(0), Rate::per_second(permits));
            assert_eq!(taken(&bucket, rate, 5 * SECOND), u64::from(permits));
            assert_eq!(taken(&bucket, rate, 5 * SECOND + 1), 0);
            let again = 6 * SECOND + u64::from(permits);
            assert_eq!(taken(&bucket, rate, again), u64::from(permits));
        }
    }

    #[test]
    fn a_limit_that_changes_holds_at_once() {
        let bucket = AtomicU64::new(0);
        assert_eq!(taken(&bucket, Rate::per_second(100), SECOND), 100);
        assert_eq!(taken(&bucket, Rate::per_second(2), SECOND), 0);
        assert_eq!(taken(&bucket, Rate::per_second(2), SECOND + SECOND / 2), 1);
        assert_eq!(taken(&bucket, Rate::per_second(2), 3 * SECOND), 2);
    }

    #[test]
    fn whoever_is_refused_is_told_when_there_is_a_permit() {
        let (bucket, rate) = (AtomicU64::new(0), Rate::per_second(4));
        let standing = take(&bucket, rate, SECOND).unwrap();
        assert_eq!((standing.limit, standing.remaining), (4, 3));
        assert_eq!(standing.reset_in, Duration::from_millis(250));
        taken(&bucket, rate, SECOND);
        let wait = take(&bucket, rate, SECOND).unwrap_err();
        assert_eq!(wait, Duration::from_millis(250));
        assert!(take(&bucket, rate, SECOND + 250_000_000).is_ok());
        assert!(take(&bucket, rate, SECOND + 250_000_001).is_err());
    }
}
