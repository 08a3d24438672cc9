//! When changed files may be read, and what is done with what they then say.
//!
//! A file is written at once, in pieces with pauses, or beside its place and renamed. Half of a
//! file may read as a whole one that names fewer apps, so the later a look, the more it may do: the
//! first one takes in what harms nobody, and only the last one takes workers away.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Nothing happened for so long, and nobody is writing: worth a first look.
const SETTLING: Duration = Duration::from_millis(500);
/// Nothing happened for so long: written as a whole, unless somebody still has it open.
const QUIET: Duration = Duration::from_millis(1500);
/// The same where nobody tells who has it open, or somebody has and does nothing.
const QUIET_UNTOLD: Duration = Duration::from_secs(10);
/// Changes that go on for so long are not waited out.
const BURST_MAX: Duration = Duration::from_secs(30);

/// What was noticed of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Somebody writes to it and has it open.
    Written,
    /// Whoever wrote has closed it, or it came, went or was replaced under its name.
    Complete,
    /// Its rights or times were set.
    Touched,
    /// It is not what it was, and nobody told how that came.
    Differs,
}

/// How sure it is that files are as their writer wants them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Complete as it seems, but more may follow.
    Settling,
    /// Nothing has happened for a while, but somebody has it open and may only be slow.
    Unsure,
    /// As sure as it can be, or asked for by a person.
    Whole,
}

/// Collects what was noticed of files, until it is time to look at them.
#[derive(Debug, Default)]
pub struct Calm {
    burst: Option<Burst>,
    /// Files that a writer has open.
    open: BTreeSet<PathBuf>,
}

/// Changes that are too close to be told apart. Times are since an arbitrary start.
#[derive(Debug)]
struct Burst {
    first: Duration,
    last: Duration,
    /// The last look that was taken since then.
    looked: Option<Trust>,
    /// Nobody tells who has the files open.
    untold: bool,
}

impl Calm {
    /// Notes what was noticed of a file.
    pub fn note(&mut self, file: &Path, sign: Sign, now: Duration) {
        match sign {
            Sign::Written => drop(self.open.insert(file.to_owned())),
            Sign::Complete => drop(self.open.remove(file)),
            // Whoever closed a file meanwhile was not heard of.
            Sign::Differs => self.open.clear(),
            Sign::Touched => {}
        }
        let fresh = Burst { first: now, last: now, looked: None, untold: sign == Sign::Differs };
        let burst = self.burst.get_or_insert(fresh);
        burst.last = now;
        burst.looked = None;
        burst.untold &= sign == Sign::Differs;
    }

    /// Forgets who has files open of which nothing is heard any more.
    pub fn heed_only(&mut self, is_heard: impl Fn(&Path) -> bool) {
        self.open.retain(|file| is_heard(file));
    }

    /// When to look; never, when nothing changed or a writer is waited for.
    #[must_use]
    pub fn due_at(&self) -> Option<Duration> {
        let burst = self.burst.as_ref()?;
        let (due, _) = self.next(burst)?;
        Some(due.min(burst.first + BURST_MAX))
    }

    /// Whether a change was noticed that nobody told of.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.burst.as_ref().is_none_or(|burst| burst.untold)
    }

    /// How far to trust what the files say, when it is time to look at them.
    pub fn take_due(&mut self, now: Duration) -> Option<Trust> {
        self.due_at().filter(|due| *due <= now)?;
        let (due, trust) = self.next(self.burst.as_ref()?)?;
        let burst = self.burst.as_mut()?;
        if due > now {
            burst.first = now;
            let is_open = !self.open.is_empty();
            return Some(if is_open { Trust::Unsure } else { Trust::Settling });
        }
        burst.looked = Some(trust);
        if trust == Trust::Whole {
            self.burst = None;
        }
        Some(trust)
    }

    fn next(&self, burst: &Burst) -> Option<(Duration, Trust)> {
        let is_open = !self.open.is_empty();
        match burst.looked {
            None if is_open => Some((burst.last + QUIET, Trust::Unsure)),
            None if burst.untold => Some((burst.last + QUIET, Trust::Settling)),
            None => Some((burst.last + SETTLING, Trust::Settling)),
            // A writer may hold for ever a file that it is done with.
            Some(Trust::Unsure) if is_open => Some((burst.last + QUIET_UNTOLD, Trust::Settling)),
            // One that ends closes its files, so that we shall hear of it.
            Some(_) if is_open => None,
            Some(_) if burst.untold => Some((burst.last + QUIET_UNTOLD, Trust::Whole)),
            Some(_) => Some((burst.last + QUIET, Trust::Whole)),
        }
    }
}

/// What a configuration says that was just read, beside the one in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// It cannot be used.
    Refused,
    /// It means what is in force.
    Same,
    /// It means something else.
    Different,
    /// It names fewer apps, or fewer workers of one.
    Fewer,
}

/// What is done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing yet: it is looked at again when it is surer.
    Wait,
    /// Nothing, and the operator is told why.
    Refuse,
    /// It is right, and nobody is touched.
    Confirm,
    /// It takes the place of the one in force.
    Take,
}

/// What is done with a reading that is trusted so far.
#[must_use]
pub fn judge(trust: Trust, reading: Reading) -> Verdict {
    match (trust, reading) {
        (Trust::Settling, Reading::Refused)
        | (Trust::Unsure, Reading::Different)
        | (Trust::Settling | Trust::Unsure, Reading::Fewer) => Verdict::Wait,
        (Trust::Unsure | Trust::Whole, Reading::Refused) => Verdict::Refuse,
        (Trust::Settling | Trust::Unsure | Trust::Whole, Reading::Same) => Verdict::Confirm,
        (Trust::Settling | Trust::Whole, Reading::Different) | (Trust::Whole, Reading::Fewer) => {
            Verdict::Take
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notices signs at moments in milliseconds, and tells each look with its moment.
    fn looks(signs: &[(u64, &str, Sign)], until: u64) -> Vec<(u64, Trust)> {
        let mut calm = Calm::default();
        let mut looks = Vec::new();
        let mut signs = signs.iter().peekable();
        for millis in 0..=until {
            let now = Duration::from_millis(millis);
            while let Some((_, file, sign)) = signs.next_if(|(at, ..)| *at == millis) {
                calm.note(Path::new(file), *sign, now);
            }
            let due = calm.due_at();
            let trust = calm.take_due(now);
            assert_eq!(trust.is_some(), due.is_some_and(|due| due <= now), "at {millis}");
            looks.extend(trust.map(|trust| (millis, trust)));
        }
        looks
    }

    #[test]
    fn a_file_that_was_written_at_once_or_renamed_is_looked_at_twice() {
        let at_once = [(0, "a", Sign::Written), (2, "a", Sign::Complete)];
        let expected = [(502, Trust::Settling), (1502, Trust::Whole)];
        assert_eq!(looks(&at_once, 20_000), expected);
        assert_eq!(looks(&[(2, "a", Sign::Complete)], 20_000), expected);
        assert_eq!(looks(&[], 20_000), []);
    }

    #[test]
    fn a_slow_writer_is_waited_for_until_it_closes() {
        let mut signs: Vec<_> = (0..10).map(|n| (n * 1000, "a", Sign::Written)).collect();
        let open = [(10_500, Trust::Unsure), (19_000, Trust::Settling)];
        assert_eq!(looks(&signs, 60_000), open, "it is never taken for whole");
        signs.push((9_900, "a", Sign::Complete));
        assert_eq!(looks(&signs, 60_000), [(10_400, Trust::Settling), (11_400, Trust::Whole)]);
    }

    #[test]
    fn one_file_that_is_open_holds_up_the_others() {
        let signs =
            [(0, "a", Sign::Written), (100, "b", Sign::Complete), (800, "a", Sign::Complete)];
        assert_eq!(looks(&signs, 9_000), [(1_300, Trust::Settling), (2_300, Trust::Whole)]);
    }

    #[test]
    fn what_nobody_tells_of_is_trusted_late() {
        let signs = [(0, "a", Sign::Differs), (1_000, "a", Sign::Differs)];
        assert_eq!(looks(&signs, 30_000), [(2_500, Trust::Settling), (11_000, Trust::Whole)]);
        let told = [(0, "a", Sign::Differs), (1_000, "a", Sign::Complete)];
        assert_eq!(looks(&told, 30_000), [(1_500, Trust::Settling), (2_500, Trust::Whole)]);
    }

    #[test]
    fn changes_without_an_end_are_not_waited_out() {
        let signs: Vec<_> = (0..700).map(|n| (n * 100, "a", Sign::Touched)).collect();
        assert_eq!(looks(&signs, 69_999), [(30_000, Trust::Settling), (60_000, Trust::Settling)]);
    }

    #[test]
    fn who_was_not_heard_to_close_a_file_holds_up_nobody() {
        let signs = [(0, "a", Sign::Written), (100, "b", Sign::Differs)];
        assert_eq!(looks(&signs, 9_000), [(600, Trust::Settling), (1_600, Trust::Whole)]);
        let mut calm = Calm::default();
        assert!(calm.is_untold(), "nothing was told");
        calm.note(Path::new("a"), Sign::Written, Duration::ZERO);
        calm.heed_only(|file| file == Path::new("a"));
        assert_eq!(calm.due_at(), Some(QUIET));
        assert!(!calm.is_untold());
        calm.heed_only(|_| false);
        assert_eq!(calm.due_at(), Some(SETTLING));
    }

    #[test]
    fn a_file_of_which_nothing_is_heard_any_more_holds_up_nobody_after_an_unsure_look_either() {
        let mut calm = Calm::default();
        calm.note(Path::new("a"), Sign::Written, Duration::ZERO);
        assert_eq!(calm.take_due(QUIET), Some(Trust::Unsure));
        calm.heed_only(|_| false);
        assert_eq!(calm.take_due(QUIET), Some(Trust::Whole));
    }

    #[test]
    fn workers_are_taken_away_only_when_it_is_sure() {
        for trust in [Trust::Settling, Trust::Unsure, Trust::Whole] {
            let sure = trust == Trust::Whole;
            let early = trust == Trust::Settling;
            let fewer = if sure { Verdict::Take } else { Verdict::Wait };
            assert_eq!(judge(trust, Reading::Fewer), fewer, "{trust:?}");
            let refused = if early { Verdict::Wait } else { Verdict::Refuse };
            assert_eq!(judge(trust, Reading::Refused), refused, "{trust:?}");
            assert_eq!(judge(trust, Reading::Same), Verdict::Confirm);
            let open = trust == Trust::Unsure;
            let different = if open { Verdict::Wait } else { Verdict::Take };
            assert_eq!(judge(trust, Reading::Different), different, "{trust:?}");
        }
    }
}
