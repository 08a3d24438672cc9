//! When to try again after a death, and when to give up: numbers only.
//!
//! Two questions that look alike and are not: the *streak* says how long to wait, the *window*
//! says when waiting has become pointless. A worker that had proved itself is not waited for: its
//! death is no sign that the next one will die as well, and every wait is time without it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::machine::desired::RestartPolicy;
use crate::machine::moment::Moment;
use crate::machine::rng::Rng;

/// The deaths of one slot, as far as they still matter.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Deaths in a row, none of them after a stable time.
    streak: u32,
    /// When the deaths inside the window were.
    deaths: VecDeque<Moment>,
}

/// What follows from a death.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Try again at once: the worker had proved itself.
    AtOnce,
    /// Try again after so long.
    Retry(Duration),
    /// Too many deaths inside the window: how many there were.
    GiveUp(usize),
}

impl Tally {
    /// Counts a death of a worker that had been ready for so long, or never was.
    pub(super) fn death(
        &mut self,
        now: Moment,
        ready_for: Option<Duration>,
        policy: &RestartPolicy,
        rng: &mut Rng,
    ) -> Verdict {
        self.deaths.retain(|death| now.since(*death) <= policy.window);
        self.deaths.push_back(now);
        let allowed = usize::try_from(policy.max_restarts).unwrap_or(usize::MAX);
        let verdict = if ready_for.is_some_and(|time| time >= policy.stable_after) {
            self.streak = 0;
            Verdict::AtOnce
        } else {
            let wait = delay(self.streak, policy, rng);
            self.streak = self.streak.saturating_add(1);
            Verdict::Retry(wait)
        };
        if self.deaths.len() > allowed { Verdict::GiveUp(self.deaths.len()) } else { verdict }
    }

    /// Forgets every death: a person or a new configuration asked for a fresh start.
    pub(super) fn forgive(&mut self) {
        *self = Tally::default();
    }
}

/// Doubles from `backoff_min` to `backoff_max`, then takes up to a quarter off.
///
/// Jitter only shortens, so `backoff_max` stays a promise that an operator can rely on.
fn delay(streak: u32, policy: &RestartPolicy, rng: &mut Rng) -> Duration {
    let factor = 1u32.checked_shl(streak).unwrap_or(u32::MAX);
    let whole = policy.backoff_min.saturating_mul(factor).min(policy.backoff_max);
    let quarter = u64::try_from(whole.as_nanos() / 4).unwrap_or(u64::MAX);
    whole - Duration::from_nanos(rng.below(quarter.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::desired::RestartWhen;

    fn policy() -> RestartPolicy {
        RestartPolicy {
            when: RestartWhen::Always,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            stable_after: Duration::from_secs(10),
            max_restarts: 3,
            window: Duration::from_secs(60),
            stop_exit_codes: std::collections::BTreeSet::new(),
        }
    }

    fn at(seconds: u64) -> Moment {
        Moment::after_start(Duration::from_secs(seconds))
    }

    #[test]
    fn the_wait_doubles_to_its_limit_and_jitter_only_shortens() {
        let table = [
            (0, 100),
            (1, 200),
            (2, 400),
            (5, 3200),
            (6, 5000),
            (31, 5000),
            (32, 5000),
            (99, 5000),
        ];
        for (streak, whole_ms) in table {
            let whole = Duration::from_millis(whole_ms);
            let waits: Vec<Duration> =
                (0..200).map(|seed| delay(streak, &policy(), &mut Rng::new(seed))).collect();
            for wait in &waits {
                assert!(*wait <= whole && *wait >= whole * 3 / 4, "streak {streak} → {wait:?}");
            }
            let spread = waits.iter().max().unwrap().saturating_sub(*waits.iter().min().unwrap());
            assert!(spread > whole / 5, "streak {streak}: the jitter spreads only {spread:?}");
        }
    }

    #[test]
    fn the_streak_grows_until_a_worker_was_stable() {
        let roomy = RestartPolicy { max_restarts: 100, ..policy() };
        let mut tally = Tally::default();
        let mut rng = Rng::new(1);
        let mut next = |now, ready_for| match tally.death(at(now), ready_for, &roomy, &mut rng) {
            Verdict::AtOnce => 0,
            Verdict::Retry(wait) => wait.as_millis(),
            Verdict::GiveUp(deaths) => panic!("gave up after {deaths}"),
        };
        let ready = |seconds| Some(Duration::from_secs(seconds));
        assert!((75..=100).contains(&next(0, None)));
        assert!((150..=200).contains(&next(1, None)));
        assert!((300..=400).contains(&next(2, ready(9))), "nine seconds are not stable yet");
        assert_eq!(next(3, ready(10)), 0, "ten seconds are, and nobody waits for the next one");
        assert!((75..=100).contains(&next(4, None)), "the streak begins anew");
        assert!((150..=200).contains(&next(5, None)));
    }

    #[test]
    fn gives_up_after_more_deaths_than_allowed_inside_the_window() {
        let mut tally = Tally::default();
        let mut rng = Rng::new(1);
        let mut die = |now| tally.death(at(now), None, &policy(), &mut rng);
        assert!(matches!(die(0), Verdict::Retry(_)));
        assert!(matches!(die(20), Verdict::Retry(_)));
        assert!(matches!(die(40), Verdict::Retry(_)));
        assert!(matches!(die(61), Verdict::Retry(_)), "the first death has left the window");
        assert_eq!(die(62), Verdict::GiveUp(4));
    }

    #[test]
    fn forgiveness_starts_from_nothing() {
        let mut tally = Tally::default();
        let mut rng = Rng::new(1);
        for second in 0..4 {
            tally.death(at(second), None, &policy(), &mut rng);
        }
        tally.forgive();
        assert!(
            matches!(tally.death(at(5), None, &policy(), &mut rng), Verdict::Retry(wait) if wait <= Duration::from_millis(100))
        );
    }
}
