//! How often something is asked of Snowflake again, and how long is waited before.
//!
//! Waits double, are shortened a little at random and never shorter than the server asked for.
//! Whether it may be asked again at all is for the caller to know.

use std::time::Duration;

use super::wire::Trouble;
use crate::clock::{Clock, Moment, shortened};

/// The longest something is tried while the server gives no answer.
const TRIED_FOR: Duration = Duration::from_secs(15);
/// The first wait before the next try; it doubles.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// The longest wait before the next try.
const WAIT_MAX: Duration = Duration::from_secs(4);

/// The tries of one request.
pub(super) struct Tries {
    clock: Clock,
    began: Moment,
    made: u32,
    /// How often a token was renewed for it.
    pub(super) renewals: u32,
}

impl Tries {
    pub(super) fn begin(clock: Clock) -> Tries {
        Tries { clock, began: clock.now(), made: 0, renewals: 0 }
    }

    /// How many tries went wrong.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// Waits before another try; false, and at once, when it was tried for long enough.
    pub(super) async fn rest(&mut self, trouble: &Trouble) -> bool {
        let doubled = WAIT_MIN.saturating_mul(1 << self.made.min(10)).min(WAIT_MAX);
        let asked = match trouble {
            Trouble::Busy { after, .. } => after.unwrap_or_default(),
            Trouble::Unreachable(_)
            | Trouble::Lost(_)
            | Trouble::Denied { .. }
            | Trouble::Nonsense(_) => Duration::ZERO,
        };
        self.made += 1;
        let wait = shortened(doubled).max(asked);
        let now = self.clock.now();
        if now.since(self.began) + wait > TRIED_FOR {
            return false;
        }
        tracing::debug!(why = trouble.words(), made = self.made, "a request is sent again");
        self.clock.until(now + wait).await;
        true
    }
}
