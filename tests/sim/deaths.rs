//! The deaths of one slot, counted again from outside.

use std::time::Duration;

use mcp_supervisor::machine::{
    AppGoal, Exit, KillCause, Meaning, Moment, Notice, PhaseName, RestartPolicy, RestartWhen,
    RunId, Snapshot,
};

use crate::properties::{Pictures, Watch, slots};
use crate::stage::{Broken, holds};

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

impl Watch {
    /// A run ended: was that a death, or was the worker done?
    pub(crate) fn ended(&mut self, now: Moment, id: RunId, exit: Option<Exit>, before: &Snapshot) {
        let Some(run) = self.runs.remove(&id) else { return };
        let Some(goal) = self.model.goals.get(&run.slot.app).cloned() else { return };
        if run.planned || !self.model.wants(&run.slot) {
            return;
        }
        let view = slots(before).find(|(slot, _)| *slot == run.slot).map(|(_, view)| view);
        let seated = view.is_some_and(|view| view.run == Some(id));
        let succeeded = view.is_some_and(|view| view.successor == Some(id));
        let meaning = meaning(exit, run.killed, &goal);
        let over = is_over(goal.restart.when, meaning);
        let good = matches!(meaning, Meaning::Clean | Meaning::Done);
        if (seated && !(good && over)) || succeeded {
            self.fell = Some(run.clone());
        }
        let promotes = view.is_some_and(|view| view.successor.is_some());
        if !seated || (meaning == Meaning::Hopeless && !promotes) {
            return;
        }
        if over {
            if !promotes {
                self.finished.insert(run.slot, good);
            }
        } else {
            // The time in which it hung is no service.
            let hung = matches!(run.killed, Some(KillCause::HeartbeatLost | KillCause::Unhealthy));
            let until = if hung { run.heard } else { now };
            let ready_for = run.ready.map(|ready| until.since(ready));
            self.deaths.entry(run.slot).or_default().died(now, ready_for, &goal.restart);
        }
    }

    /// A line was written: what it says of deaths is so.
    pub(crate) fn announced(
        &mut self,
        now: Moment,
        notice: &Notice,
        (before, _): Pictures<'_>,
    ) -> Result<(), Broken> {
        let Notice::Moved { slot, to, why, next_in, .. } = notice else { return Ok(()) };
        let Some(goal) = self.model.goals.get(&slot.app) else { return Ok(()) };
        let deaths = self.deaths.entry(slot.clone()).or_default();
        let right = match to {
            PhaseName::Backoff => {
                let wait = next_in.unwrap_or(Duration::MAX);
                deaths.waits(now, wait, &goal.restart)
            }
            PhaseName::Failed if why.as_ref().is_some_and(|why| why.starts_with("gave up")) => {
                deaths.gives_up(now, &goal.restart)
            }
            PhaseName::Failed
            | PhaseName::Stopped
            | PhaseName::Starting
            | PhaseName::Ready
            | PhaseName::Draining
            | PhaseName::Killing => Ok(()),
        };
        let rule = "deaths are counted";
        right.map_err(|why| Broken { rule, why: format!("{slot}: {why}") })?;
        // Of a slot that serves no more, an operator must read why.
        let known = before.stopping || *to != PhaseName::Failed || why.is_some();
        holds("a failure has its reason", known, || slot.to_string())
    }
}

/// What an end means, by the policy of its app.
fn meaning(exit: Option<Exit>, killed: Option<KillCause>, goal: &AppGoal) -> Meaning {
    let stops = |code: i32| goal.restart.stop_exit_codes.contains(&code);
    let plain = match exit {
        Some(Exit::Code(code)) if stops(code) => Meaning::Done,
        Some(exit) => exit.meaning(),
        None => Meaning::Failed,
    };
    match (killed, plain) {
        (_, Meaning::Hopeless) | (None, _) => plain,
        (Some(_), Meaning::Clean | Meaning::Done | Meaning::Failed) => Meaning::Failed,
    }
}

/// True when nobody is started again after such an end.
fn is_over(when: RestartWhen, meaning: Meaning) -> bool {
    match (when, meaning) {
        (_, Meaning::Done) | (RestartWhen::Never, _) => true,
        (RestartWhen::OnFailure, meaning) => meaning == Meaning::Clean,
        (RestartWhen::Always, _) => false,
    }
}
