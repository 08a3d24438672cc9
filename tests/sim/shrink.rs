//! Makes a schedule that breaks a rule as short and plain as it can be, and tells it as a story.
//!
//! What came in is taken away, piece by piece, as long as the same rule breaks; then the settings
//! that do not matter go, and the odd times.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_supervisor::machine::{AppGoal, Event, Moment};

use crate::stage::{Broken, Clock, Keep, Rule, Stage, Step};
use crate::world::{LASTING, World};
use crate::{pen, play, script};

/// A rule that breaks, and on what it is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// The machine's seed.
    pub(crate) seed: u64,
    /// A rule that is only there to be broken.
    pub(crate) planted: Option<Rule>,
    /// The rule.
    pub(crate) rule: &'static str,
}

/// Shrinks what happens in a seed that fails, and tells it.
pub(crate) fn tell(seed: u64, planted: Option<Rule>) -> Option<(String, usize)> {
    let mut stage = Stage::new(seed, Keep::All);
    stage.planted = planted;
    let failed = World::play(stage);
    let broken = failed.broken?;
    let mut steps = failed.stage.schedule;
    // What breaks while a deadline passes needs somebody who looks at the clock.
    if steps.last().is_none_or(|last| last.at < failed.stage.now) {
        steps.push(Step { at: failed.stage.now, clock: Clock::Runs, event: Event::Tick });
    }
    let case = Case { seed, planted, rule: broken.rule };
    let (case, steps) = silently(|| case.shrink(steps));
    let why = silently(|| case.breaks(&steps)).map(|broken| broken.why).unwrap_or(broken.why);
    let story = pen::story(case.seed, &steps);
    let told = play::play(&story).unwrap_or(story);
    Some((format!("# Broken: {}.\n# {}\n{told}", case.rule, why.replace('\n', " ")), steps.len()))
}

/// A panic is one of the answers here, and tried a thousand times.
fn silently<T>(what: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = what();
    std::panic::set_hook(hook);
    result
}

impl Case {
    /// Plays a schedule; what breaks, if it is the rule that is meant.
    pub(crate) fn breaks(&self, steps: &[Step]) -> Option<Broken> {
        let mut stage = Stage::new(self.seed, Keep::Nothing);
        stage.planted = self.planted;
        let mut broken = None;
        for step in steps {
            broken = stage.play(step.clone()).err();
            if broken.is_some() {
                break;
            }
        }
        // What must happen at last shows only when nothing goes wrong any more.
        if broken.is_none() && LASTING.contains(&self.rule) {
            broken = World::calm_down(stage).err();
        }
        broken.filter(|broken| broken.rule == self.rule)
    }

    fn shrink(self, steps: Vec<Step>) -> (Case, Vec<Step>) {
        let plain = Case { seed: 1, ..self };
        let case = if plain.breaks(&steps).is_some() { plain } else { self };
        if case.breaks(&steps).is_none() {
            return (case, steps);
        }
        let mut steps = case.fewer(steps);
        steps = case.plainer(steps);
        steps = case.fewer(steps);
        let plain = Case { seed: 1, ..case };
        (if plain.breaks(&steps).is_some() { plain } else { case }, steps)
    }

    /// Takes pieces away: first large ones, at last single steps.
    fn fewer(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let mut piece = steps.len() / 2;
        while piece > 0 {
            let (before, mut from) = (steps.len(), 0);
            while from < steps.len() {
                let to = (from + piece).min(steps.len());
                let without = [&steps[..from], &steps[to..]].concat();
                if self.breaks(&without).is_some() {
                    steps = without;
                } else {
                    from = to;
                }
            }
            if piece > 1 || steps.len() == before {
                piece /= 2;
            }
        }
        steps
    }

    /// Takes settings away, and the odd times.
    fn plainer(&self, mut steps: Vec<Step>) -> Vec<Step> {
        let start = steps.first().map(|first| first.at).unwrap_or_default();
        let early =
            |step: &Step| Step { at: Moment::after_start(step.at.since(start)), ..step.clone() };
        let rounded = |step: &Step| {
            let ms = u64::try_from(step.at.since_start().as_nanos().div_ceil(1_000_000));
            let at = Duration::from_millis(ms.unwrap_or(u64::MAX));
            Step { at: Moment::after_start(at), ..step.clone() }
        };
        for times in [&early as &dyn Fn(&Step) -> Step, &rounded] {
            let tried: Vec<Step> = steps.iter().map(times).collect();
            if self.breaks(&tried).is_some() {
                steps = tried;
            }
        }
        for place in 0..steps.len() {
            let mut choices = 0;
            while let Some(event) = simpler(&steps[place].event, choices) {
                let mut tried = steps.clone();
                tried[place].event = event.clone();
                if event != steps[place].event && self.breaks(&tried).is_some() {
                    steps = tried;
                } else {
                    choices += 1;
                }
            }
        }
        steps
    }
}

/// The same event, but plainer, in one of several ways; none when there is no such way.
fn simpler(event: &Event, choice: usize) -> Option<Event> {
    let Event::Configured(desired) = event else { return None };
    let mut desired = desired.clone();
    let ways = SETTINGS.len() + 1;
    let name = desired.apps.keys().nth(choice / ways)?.clone();
    match choice % ways {
        0 => {
            desired.apps.remove(&name);
            for goal in desired.apps.values_mut() {
                goal.depends_on.remove(&name);
            }
        }
        way => {
            if let Some(goal) = desired.apps.get_mut(&name) {
                let plain = script::goal(goal.instances, goal.fingerprint.0);
                SETTINGS[way - 1](goal, plain);
            }
        }
    }
    Some(Event::Configured(desired))
}

/// Makes one setting what a story has by itself.
type Setting = fn(&mut AppGoal, AppGoal);

const SETTINGS: [Setting; 17] = [
    |goal, _| goal.instances = goal.instances.min(2),
    |goal, _| goal.instances = goal.instances.min(1),
    |goal, plain| goal.readiness = plain.readiness,
    |goal, plain| goal.start_timeout = plain.start_timeout,
    |goal, plain| goal.heartbeat_timeout = plain.heartbeat_timeout,
    |goal, plain| goal.probe_failures_max = plain.probe_failures_max,
    |goal, plain| goal.drain_timeout = plain.drain_timeout,
    |goal, plain| goal.restart = plain.restart,
    |goal, plain| goal.restart.when = plain.restart.when,
    |goal, plain| goal.restart.stable_after = plain.restart.stable_after,
    |goal, plain| goal.restart.max_restarts = plain.restart.max_restarts,
    |goal, plain| goal.rollout = plain.rollout,
    |goal, plain| goal.rollout.pause_between = plain.rollout.pause_between,
    |goal, _| goal.memory_bytes_max = None,
    |goal, _| goal.max_age = None,
    |goal, _| goal.depends_on = BTreeSet::new(),
    |goal, plain| {
        goal.restart.backoff_max = plain.restart.backoff_max;
        goal.restart.window = plain.restart.window;
    },
];

#[cfg(test)]
mod tests {
    use mcp_supervisor::machine::{Action, KillCause};

    use super::*;
    use crate::stage::holds;

    /// A rule that storms break soon.
    fn nobody_is_lost(actions: &[Action]) -> Result<(), Broken> {
        let lost =
            |action: &&Action| matches!(action, Action::Kill { why: KillCause::HeartbeatLost, .. });
        let lost = actions.iter().find(lost);
        holds("nobody is lost", lost.is_none(), || format!("{lost:?}"))
    }

    #[test]
    fn a_seed_that_fails_is_shrunk_to_a_story() {
        let (story, steps) = (0..200)
            .find_map(|seed| tell(seed, Some(nobody_is_lost)))
            .expect("a storm in which a worker hangs");
        assert!(steps <= 3, "{steps} steps are too many:\n{story}");
        assert!(story.starts_with("# Broken: nobody is lost."), "{story}");
        assert!(story.contains("heartbeat="), "{story}");
        assert!(story.contains("HeartbeatLost"), "{story}");
        assert_eq!(play::play(&story).unwrap(), story, "the story can be saved as it is");
    }

    #[test]
    fn a_schedule_goes_the_same_way_when_it_is_played_again() {
        for seed in 0..100 {
            let story = World::play(Stage::new(seed, Keep::All));
            let mut stage = Stage::new(seed, Keep::All);
            for step in story.stage.schedule {
                assert_eq!(stage.play(step), Ok(()), "seed {seed}");
            }
            assert_eq!(stage.digest, story.stage.digest, "seed {seed} went another way");
        }
    }

    #[test]
    fn every_step_can_be_written_and_read_again() {
        for seed in 0..40 {
            let schedule = World::play(Stage::new(seed, Keep::All)).stage.schedule;
            for step in schedule {
                let story = pen::story(1, std::slice::from_ref(&step));
                let line = story.lines().last().unwrap_or_default();
                let (at, read) = script::line(line).unwrap().expect("a line that says something");
                let script::Line::Event(mut read) = read else { panic!("{line} is no event") };
                if let (Event::Configured(read), Event::Configured(desired)) =
                    (read.as_mut(), &step.event)
                {
                    read.generation = desired.generation;
                }
                assert_eq!((at, *read), (step.at.since_start(), step.event), "{line}");
            }
        }
    }
}
