//! Monotonic time as a number, so that the machine can be run faster, slower and again.

use std::ops::Add;
use std::time::Duration;

/// A point in time, counted from an arbitrary start; never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(Duration);

impl Moment {
    /// The start of time.
    pub const ZERO: Moment = Moment(Duration::ZERO);

    /// The moment that lies this long after the start of time.
    #[must_use]
    pub fn after_start(elapsed: Duration) -> Moment {
        Moment(elapsed)
    }

    /// How long after the start of time this is.
    #[must_use]
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// How long after `earlier` this is; nothing when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, wait: Duration) -> Moment {
        Moment(self.0.saturating_add(wait))
    }
}
