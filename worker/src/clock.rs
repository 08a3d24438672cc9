//! The one place of the worker that reads clocks.
//!
//! Everything else is handed a [`Moment`], so that a test can choose the time.

use std::fmt;
use std::ops::Add;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use uuid::Uuid;

/// A point in time, counted from the start of the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// The start of the worker.
    pub const START: Moment = Moment(Duration::ZERO);

    /// How long after `earlier` this is; zero when it is before.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(duration))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} after the start", self.0)
    }
}

/// Seconds since 1970, as the machine has them; for what others compare with their own clock.
#[must_use]
pub fn unix_seconds() -> u64 {
    since_epoch().as_secs()
}

/// The same in milliseconds.
#[must_use]
pub fn unix_millis() -> u64 {
    u64::try_from(since_epoch().as_millis()).unwrap_or(u64::MAX)
}

#[expect(clippy::disallowed_methods, reason = "this is the room where clocks are read")]
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Nanoseconds since 1970, as the machine has them; for what others compare with their own clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the room where clocks are read")]
pub fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the machine has run, the time it slept included: a clock that all its processes share
/// and nobody sets. Zero when the kernel has none.
#[must_use]
pub fn since_boot() -> Duration {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    time.map_or(Duration::ZERO, Duration::from)
}

/// Up to a quarter less, so that many who wait do not come back at once.
#[must_use]
pub fn shortened(wait: Duration) -> Duration {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    let share = u32::try_from(random >> 56).unwrap_or(0);
    wait - wait / 4 * share / 256
}

/// Reads the monotonic clock and waits for moments.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose [`Moment::START`] is now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the room where clocks are read")]
    pub fn start() -> Clock {
        Clock { origin: Instant::now() }
    }

    /// What time it is.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(self.origin.elapsed())
    }

    /// Returns at that moment, or at once when it has passed.
    pub async fn until(&self, moment: Moment) {
        match self.origin.checked_add(moment.0) {
            Some(instant) => tokio::time::sleep_until(instant).await,
            None => std::future::pending().await,
        }
    }

    /// Returns at that moment; never, when there is none.
    pub async fn until_some(&self, moment: Option<Moment>) {
        match moment {
            Some(moment) => self.until(moment).await,
            None => std::future::pending().await,
        }
    }

    /// What the future gives, or `None` when it takes longer than this.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }
}
