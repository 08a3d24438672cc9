//! From when on something is not as it should be: one table for the `/health` of a worker, that of
//! the supervisor, and `status`; the alert rules in `deploy/prometheus` are held equal to it.
//!
//! Numbers and comparisons only: the words are of those who say them, and no clock is read here.

use std::time::Duration;

use crate::message::{CertificateVitals, PoolVitals};

/// A certificate that ends sooner than this is told of.
pub const CERTIFICATE_WARNING: Duration = Duration::from_secs(14 * DAY_SECONDS);
/// A pool of which more than this share is in use is nearly full.
pub const POOL_FULL_SHARE: f64 = 0.9;
/// A pool that has been nearly full for so long is told of: a burst is no trouble.
pub const POOL_FULL_FOR: Duration = Duration::from_secs(120);
/// A caller that waited for a session in vain counts for so long.
pub const EXHAUSTED_FOR: Duration = Duration::from_secs(60);
/// Lines of logs that were lost count for so long.
pub const LOGS_LOST_FOR: Duration = Duration::from_secs(300);

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How a certificate at a door is. The worst comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateState {
    /// As it should be.
    Fine,
    /// It ends in so many whole days.
    EndsSoon {
        /// Days.
        days: u64,
    },
    /// The renewed one cannot be used; the old one is shown.
    RenewalFails,
    /// It has ended; clients refuse it.
    Ended,
}

impl CertificateVitals {
    /// How it is now, in seconds since 1970.
    #[must_use]
    pub fn state(&self, now: u64) -> CertificateState {
        let left = self.expires_at.saturating_sub(now);
        match (left, self.renewal_fails) {
            (0, _) => CertificateState::Ended,
            (_, true) => CertificateState::RenewalFails,
            (left, false) if left < CERTIFICATE_WARNING.as_secs() => {
                CertificateState::EndsSoon { days: left / DAY_SECONDS }
            }
            (_, false) => CertificateState::Fine,
        }
    }
}

impl PoolVitals {
    /// Sessions in use.
    #[must_use]
    pub fn active(&self) -> u32 {
        self.total.saturating_sub(self.idle)
    }
}

/// Whether so many sessions in use of so many allowed are nearly all.
#[must_use]
pub fn is_nearly_full(active: u32, max: u32) -> bool {
    max > 0 && f64::from(active) > f64::from(max) * POOL_FULL_SHARE
}

/// How a pool fares, looked at now and then. Times are since any moment that stays the same.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Fullness {
    full_since: Option<Duration>,
}

impl Fullness {
    /// So many sessions are in use now, of so many allowed.
    pub fn look(&mut self, (active, max): (u32, u32), now: Duration) {
        self.full_since = is_nearly_full(active, max).then_some(self.full_since.unwrap_or(now));
    }

    /// Whether it has been nearly full for so long that somebody should know.
    #[must_use]
    pub fn lasts(&self, now: Duration) -> bool {
        self.full_since.is_some_and(|since| now.saturating_sub(since) >= POOL_FULL_FOR)
    }
}

/// A count that never goes back, looked at now and then, and when it grew last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    total: u64,
    grew_at: Option<Duration>,
}

impl Growth {
    /// It is this much now.
    pub fn look(&mut self, total: u64, now: Duration) {
        if total > self.total {
            self.grew_at = Some(now);
        }
        self.total = total;
    }

    /// What it was at the last look.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Whether it grew within this time.
    #[must_use]
    pub fn grew_within(&self, time: Duration, now: Duration) -> bool {
        self.grew_at.is_some_and(|at| now.saturating_sub(at) < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_before_it_ends() {
        let now = 1_000 * DAY_SECONDS;
        let state = |seconds_left: u64, renewal_fails| {
            CertificateVitals { expires_at: now + seconds_left, renewal_fails }.state(now)
        };
        let fortnight = CERTIFICATE_WARNING.as_secs();
        assert_eq!(state(fortnight, false), CertificateState::Fine);
        assert_eq!(state(fortnight - 1, false), CertificateState::EndsSoon { days: 13 });
        assert_eq!(state(fortnight, true), CertificateState::RenewalFails);
        assert_eq!(state(0, true), CertificateState::Ended);
    }

    #[test]
    fn a_pool_is_full_when_it_stays_so() {
        let at = Duration::from_secs;
        let mut pool = Fullness::default();
        pool.look((10, 10), at(100));
        assert!(!pool.lasts(at(100)));
        pool.look((10, 10), at(200));
        assert!(!pool.lasts(at(219)) && pool.lasts(at(220)));
        pool.look((9, 10), at(230));
        assert!(!pool.lasts(at(500)), "nine of ten are not more than 90%");
        assert!(!is_nearly_full(0, 0) && is_nearly_full(1, 1));
    }

    #[test]
    fn what_grew_lately_is_known_for_a_while() {
        let at = Duration::from_secs;
        let mut lost = Growth::default();
        lost.look(0, at(1));
        assert!(!lost.grew_within(LOGS_LOST_FOR, at(1)));
        lost.look(3, at(10));
        lost.look(3, at(20));
        assert_eq!(lost.total(), 3);
        assert!(lost.grew_within(LOGS_LOST_FOR, at(309)));
        assert!(!lost.grew_within(LOGS_LOST_FOR, at(310)));
    }
}
