//! The deaths of one slot, counted again from outside.

use std::time::Duration;

use mcp_supervisor::machine::{Moment, RestartPolicy};

/// The deaths of one slot since it was last forgiven.
#[derive(Debug, Default)]
pub(crate) struct Deaths {
    moments: Vec<Moment>,
    /// Deaths in a row before the last one.
    streak: u32,
    until: Option<Moment>,
}

impl Deaths {
    /// A worker died that had been ready for so long.
    pub(crate) fn died(
        &mut self,
        now: Moment,
        ready_for: Option<Duration>,
        policy: &RestartPolicy,
    ) {
        let stable = ready_for.is_some_and(|time| time >= policy.stable_after);
        // A worker that had proved itself is replaced at once.
        self.streak = if stable { 0 } else { self.streak + 1 };
        // What the window of that time forgot stays forgotten when a longer one is configured.
        self.moments.retain(|death| now.since(*death) <= policy.window);
        self.moments.push(now);
    }

    /// The last death was one that is not counted.
    pub(crate) fn uncount(&mut self) {
        self.moments.pop();
        self.streak = self.streak.saturating_sub(1);
    }

    /// The slot will try again after this wait.
    pub(crate) fn waits(
        &mut self,
        now: Moment,
        wait: Duration,
        policy: &RestartPolicy,
    ) -> Result<(), String> {
        let whole = match self.streak {
            0 => Duration::ZERO,
            streak => {
                let factor = 2u32.saturating_pow(streak - 1);
                policy.backoff_min.saturating_mul(factor).min(policy.backoff_max)
            }
        };
        if wait > whole || wait < whole * 3 / 4 {
            return Err(format!("waits {wait:?} after {} deaths, not {whole:?}", self.streak));
        }
        let inside = self.inside(now, policy.window);
        if inside > policy.max_restarts as usize {
            return Err(format!("goes on after {inside} deaths in {:?}", policy.window));
        }
        self.until = Some(now + wait);
        Ok(())
    }

    /// The slot gave up.
    pub(crate) fn gives_up(&mut self, now: Moment, policy: &RestartPolicy) -> Result<(), String> {
        let inside = self.inside(now, policy.window);
        if inside <= policy.max_restarts as usize {
            return Err(format!("gives up after {inside} deaths in {:?}", policy.window));
        }
        Ok(())
    }

    /// A worker is started.
    pub(crate) fn spawned(&mut self, now: Moment) -> Result<(), String> {
        match self.until.take() {
            Some(until) if now < until => Err("tries again before the wait is over".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    /// The longest wait has changed.
    pub(crate) fn rearm(&mut self, now: Moment, longest: Duration) {
        self.until = self.until.map(|until| until.min(now + longest));
    }

    fn inside(&self, now: Moment, window: Duration) -> usize {
        self.moments.iter().filter(|death| now.since(**death) <= window).count()
    }
}
