//! What the end of a run means for its slot: nothing, a death, or a reason to give up.
//!
//! The end of a worker that was asked to leave is planned. Everything else is a death, which is
//! counted and decides when, and whether, the next worker is started.

use std::time::Duration;

use crate::machine::action::KillCause;
use crate::machine::backoff::Verdict;
use crate::machine::desired::{AppGoal, RestartWhen, RunId, SlotId};
use crate::machine::exit::{Exit, Meaning};
use crate::machine::moment::Moment;
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::snapshot::PhaseName;
use crate::machine::turn::{Move, Setback, Turn};
use crate::machine::words::counted;
use crate::machine::worker::{Stage, Worker};

/// How a run ended.
#[derive(Debug)]
pub(super) struct End {
    /// Whether to try again, as far as the exit alone tells.
    meaning: Meaning,
    /// The exit code, where there is one.
    code: Option<i32>,
    /// How it reads.
    words: String,
}

impl End {
    /// The end of a process.
    pub(super) fn exited(exit: Exit) -> End {
        let code = match exit {
            Exit::Code(code) => Some(code),
            Exit::Signal(_) | Exit::CpuTime(_) => None,
        };
        End { meaning: exit.meaning(), code, words: exit.to_string() }
    }

    /// The end of a run that never had a process.
    pub(super) fn not_spawned(why: String) -> End {
        End { meaning: Meaning::Failed, code: None, words: why }
    }

    /// Whether to try again, as the app's policy sees it.
    fn meaning(&self, goal: &AppGoal) -> Meaning {
        let stops = |code: i32| goal.restart.stop_exit_codes.contains(&code);
        if self.code.is_some_and(stops) { Meaning::Done } else { self.meaning }
    }
}

impl Slot {
    /// Takes the news that a run ended.
    pub(super) fn ended(&mut self, turn: &mut Turn, run: RunId, end: End, app: (&AppGoal, Wanted)) {
        if self.seated().is_some_and(|worker| worker.run == run) {
            if let Seat::Taken(worker) = std::mem::replace(&mut self.seat, Seat::Vacant) {
                self.seat_ended(turn, &worker, end, app);
            }
        } else if let Some(worker) = self.successor.take_if(|worker| worker.run == run) {
            let why = worker.end_words(&end.words);
            self.last_exit = Some(why.clone());
            self.gone(turn, &worker, &why);
            worker.set_back(turn, &self.id, why);
        } else if let Some(place) = self.leaving.iter().position(|worker| worker.run == run) {
            let worker = self.leaving.remove(place);
            let why = worker.end_words(&end.words);
            self.gone(turn, &worker, &why);
            self.last_exit = Some(why);
        }
    }

    /// Decides what the end of the run in the seat means.
    fn seat_ended(
        &mut self,
        turn: &mut Turn,
        worker: &Worker,
        end: End,
        (goal, wanted): (&AppGoal, Wanted),
    ) {
        let words = worker.end_words(&end.words);
        self.last_exit = Some(words.clone());
        let meaning = match (&worker.stage, wanted) {
            (_, Wanted::No) | (Stage::Draining { .. }, Wanted::Yes) => None,
            (Stage::Starting { .. }, Wanted::Yes) => {
                let meaning = end.meaning(goal);
                if is_bad(goal.restart.when, meaning) {
                    worker.set_back(turn, &self.id, words.clone());
                }
                Some(meaning)
            }
            (Stage::Ready { .. }, Wanted::Yes) => Some(end.meaning(goal)),
            (Stage::Killing { why, .. }, Wanted::Yes) => match (why, end.meaning(goal)) {
                (KillCause::DrainOverrun | KillCause::NoLongerWanted, _) => None,
                (_, Meaning::Hopeless) => Some(Meaning::Hopeless),
                (_, Meaning::Clean | Meaning::Done | Meaning::Failed) => Some(Meaning::Failed),
            },
        };
        if meaning.is_some_and(|meaning| is_bad(goal.restart.when, meaning)) {
            worker.relapse(turn, &self.id, goal, words.clone());
        }
        match (meaning, self.successor.take()) {
            (died, Some(successor)) => {
                if died.is_some_and(|meaning| !is_over(goal.restart.when, meaning)) {
                    // Counted, but there is nothing to decide: the next worker starts already.
                    let _next = self.count(turn, worker, goal);
                }
                self.vacate(turn.now);
                self.gone(turn, worker, &words);
                self.seat = Seat::Taken(successor);
            }
            (Some(meaning), None) => self.died(turn, worker, (meaning, words), goal),
            (None, None) => {
                self.vacate(turn.now);
                self.gone(turn, worker, &words);
            }
        }
    }

    /// Decides what follows from a death in the seat.
    fn died(
        &mut self,
        turn: &mut Turn,
        worker: &Worker,
        (meaning, words): (Meaning, String),
        goal: &AppGoal,
    ) {
        self.empty_since = turn.now;
        let run = Some(worker.run);
        if meaning == Meaning::Hopeless {
            self.fail(turn, run, words);
        } else if is_over(goal.restart.when, meaning) {
            self.seat = Seat::Finished { how: meaning };
            self.moved(turn, PhaseName::Stopped, run, Some(&words));
            self.why = Some(words);
        } else {
            match self.count(turn, worker, goal) {
                Verdict::GiveUp(deaths) => {
                    let window = goal.restart.window;
                    let deaths = counted(u64::try_from(deaths).unwrap_or(u64::MAX), "death");
                    let why = format!("gave up after {deaths} in {window:?}; last: {words}");
                    self.fail(turn, run, why);
                }
                Verdict::AtOnce => {
                    let (slot, to) = (&self.id, PhaseName::Backoff);
                    let why = Some(words.as_str());
                    turn.moved(Move { slot, run, to, why, next_in: Some(Duration::ZERO) });
                    self.retry(turn.now);
                }
                Verdict::Retry(wait) => {
                    self.seat = Seat::Backoff { until: turn.after(wait) };
                    let to = PhaseName::Backoff;
                    let (slot, why) = (&self.id, Some(words.as_str()));
                    turn.moved(Move { slot, run, to, why, next_in: Some(wait) });
                    self.why = Some(words);
                }
            }
        }
    }

    fn count(&mut self, turn: &mut Turn, worker: &Worker, goal: &AppGoal) -> Verdict {
        let ready_for = worker.ready_for(turn.now);
        self.tally.death(turn.now, ready_for, &goal.restart, &mut turn.rng)
    }

    fn fail(&mut self, turn: &mut Turn, run: Option<RunId>, why: String) {
        self.seat = Seat::Failed;
        self.moved(turn, PhaseName::Failed, run, Some(&why));
        self.why = Some(why);
        turn.given_up.push(self.complaint());
    }

    fn gone(&self, turn: &mut Turn, worker: &Worker, words: &str) {
        self.moved(turn, PhaseName::Stopped, Some(worker.run), Some(words));
    }
}

impl Worker {
    /// Reports that it died although it was ready, before it was stable.
    fn relapse(&self, turn: &mut Turn, slot: &SlotId, goal: &AppGoal, why: String) {
        let ready_for = self.ready_for(turn.now);
        let watched = goal.rollout.pause_between.unwrap_or_default().max(goal.restart.stable_after);
        if ready_for.is_some_and(|time| time < watched) {
            turn.relapses.push(Setback { slot: slot.clone(), run: self.run, kind: self.kind, why });
        }
    }

    /// How long it served, if it ever did. The time in which it hung is no service.
    fn ready_for(&self, now: Moment) -> Option<Duration> {
        let until = match self.stage {
            Stage::Killing { why: KillCause::HeartbeatLost | KillCause::Unhealthy, .. } => {
                self.well_at
            }
            Stage::Starting { .. }
            | Stage::Ready { .. }
            | Stage::Draining { .. }
            | Stage::Killing { .. } => now,
        };
        self.ready_at.map(|at| until.since(at))
    }
}

/// True when the end of a worker that was not asked to leave is bad news: it failed, or was to go on.
fn is_bad(when: RestartWhen, meaning: Meaning) -> bool {
    match meaning {
        Meaning::Failed | Meaning::Hopeless => true,
        Meaning::Clean | Meaning::Done => !is_over(when, meaning),
    }
}

/// True when the policy leaves it at that.
fn is_over(when: RestartWhen, meaning: Meaning) -> bool {
    match (when, meaning) {
        (_, Meaning::Done) | (RestartWhen::Never, _) => true,
        (RestartWhen::OnFailure, meaning) => meaning == Meaning::Clean,
        (RestartWhen::Always, _) => false,
    }
}
