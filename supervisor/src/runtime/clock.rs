//! The one place of the supervisor that reads a clock.
//!
//! The machine's time stands still while we cannot hear: a supervisor that was stopped for a
//! minute finds a minute of heartbeats in its sockets, and must read them before it judges anyone
//! by the time that passed. [`Clock::forgive`] takes such a gap out of the machine's time.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::machine::Moment;

/// A deadline that is noticed this much too late was slept through.
const OVERSLEPT_AFTER: Duration = Duration::from_millis(500);
/// How long the workers then have to be heard before the deadline counts.
const HEARING_TIME: Duration = Duration::from_secs(1);

/// Monotonic time since the supervisor began, without the gaps in which it could not hear.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    gaps: Cell<Duration>,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Clock {
        Clock { start: read(), gaps: Cell::new(Duration::ZERO) }
    }

    /// The machine's time.
    pub(crate) fn now(&self) -> Moment {
        Moment::after_start(self.elapsed().saturating_sub(self.gaps.get()))
    }

    /// How long the supervisor has run, gaps included.
    pub(crate) fn elapsed(&self) -> Duration {
        read().duration_since(self.start)
    }

    /// Waits until the deadline; for ever without one.
    pub(crate) async fn until(&self, deadline: Option<Moment>) {
        match deadline {
            Some(deadline) => {
                let instant = self.start + self.gaps.get() + deadline.since_start();
                tokio::time::sleep_until(instant.into()).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Takes the time since `deadline` out of the machine's time, if it was slept through.
    pub(crate) fn forgive(&self, deadline: Option<Moment>) -> Option<Duration> {
        let late = self.now().since(deadline?);
        if late < OVERSLEPT_AFTER {
            return None;
        }
        self.gaps.set(self.gaps.get() + late + HEARING_TIME);
        Some(late)
    }
}

#[expect(clippy::disallowed_methods, reason = "this file is where the clock is read")]
fn read() -> Instant {
    Instant::now()
}

/// A deadline for waits at the edge (an operator's connection, a test of a condition).
pub(crate) fn in_time(wait: Duration) -> tokio::time::Instant {
    tokio::time::Instant::from_std(read() + wait)
}

/// A breath between two looks at a condition that nothing announces; every such wait has a
/// deadline beside it.
pub(crate) async fn pause(wait: Duration) {
    tokio::time::sleep_until(in_time(wait)).await;
}

/// Seconds and nanoseconds since 1970, for names of files, seeds of chance and the calendar;
/// never for deadlines.
#[must_use]
pub fn since_epoch() -> Duration {
    #[expect(clippy::disallowed_methods, reason = "this file is where the clock is read")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// What really passed since the machine was started, its sleep included. It never jumps, and can be
/// held against the wall clock to see whether that was set.
pub(crate) fn since_boot() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map(Duration::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slept_through_deadline_leaves_time_to_hear() {
        let clock = Clock::start();
        let deadline = clock.now();
        assert_eq!(clock.forgive(Some(deadline + Duration::from_secs(1))), None);
        let clock = Clock { start: read() - Duration::from_secs(60), gaps: Cell::default() };
        let deadline = Moment::after_start(Duration::from_secs(10));
        let late = clock.forgive(Some(deadline)).unwrap();
        assert!(late >= Duration::from_secs(50), "{late:?}");
        assert!(clock.now() < deadline, "the deadline must lie ahead again");
        assert_eq!(clock.forgive(Some(deadline)), None);
    }
}
