//! A world of simulated processes around a real machine: a storm, good weather, and the end.
//!
//! What a process does is in `life.rs`. Every event passes the stage, which judges the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, Command, Event, Moment, PhaseName, Rng, RollView, RunId, Urgency,
};

use crate::life::{Next, Process};
use crate::operator::{self, Operator};
use crate::stage::{Broken, Clock, Stage, Step, holds};
use crate::weather::{Weather, between, strikes};
use crate::{plans, weather};

/// How long the weather is bad.
const STORM: Duration = Duration::from_secs(120);
/// A storm in which less happens goes on, and an operator does something every few seconds.
pub(crate) const EVENTS_MIN: u32 = 200;
const IDLE: Duration = Duration::from_secs(5);
/// After so long in good weather everything has come to rest.
const REST: Duration = Duration::from_secs(900);
/// After so long everybody is gone.
const END: Duration = Duration::from_secs(500);

/// The rules about what must happen at last.
pub(crate) const LASTING: [&str; 4] =
    ["all comes to rest", "all that is wanted serves", "every wish is answered", "the end comes"];

/// The world.
pub(crate) struct World {
    /// The machine, and who watches it.
    pub(crate) stage: Stage,
    operator: Operator,
    pub(crate) rng: Rng,
    pub(crate) weather: Weather,
    now: Moment,
    /// Who is really alive, whatever the machine was told.
    pub(crate) alive: BTreeMap<RunId, Process>,
    agenda: BTreeMap<(Moment, u64), Next>,
    number: u64,
    /// How the time before the next event went by.
    clock: Clock,
}

/// What a run left behind.
pub(crate) struct Story {
    /// What went wrong, if anything.
    pub(crate) broken: Option<Broken>,
    /// The stage on which it happened.
    pub(crate) stage: Stage,
}

impl World {
    /// Plays one seed to its end.
    pub(crate) fn play(stage: Stage) -> Story {
        let mut rng = Rng::new(stage.seed);
        let operator = Operator::new(&mut rng);
        let mut world = World::around(stage, operator, rng);
        let broken = world.live().err();
        Story { broken, stage: world.stage }
    }

    /// Lets the weather be good from now on: what has begun must come to its end.
    pub(crate) fn calm_down(stage: Stage) -> Result<(), Broken> {
        let mut rng = Rng::new(1);
        let operator = Operator::new(&mut rng);
        let mut world = World::around(stage, operator, rng);
        world.take_over();
        if world.stage.watch.ending.is_some() { world.all_leave() } else { world.rest() }
    }

    fn around(stage: Stage, operator: Operator, rng: Rng) -> World {
        World {
            now: stage.now,
            stage,
            operator,
            rng,
            weather: Weather::calm(),
            alive: BTreeMap::new(),
            agenda: BTreeMap::new(),
            number: 0,
            clock: Clock::Runs,
        }
    }

    fn live(&mut self) -> Result<(), Broken> {
        self.weather = Weather::storm(&mut self.rng);
        if self.rng.below(4) == 0 {
            let changes = operator::remembered(&mut self.rng);
            self.handle(Event::Remembered(changes))?;
        }
        self.handle(self.operator.configuration())?;
        let settle = self.operator.ask(Command::Settle);
        self.handle(settle)?;
        self.run_until(self.now + STORM, |_| false)?;
        while self.stage.events < EVENTS_MIN {
            let event = self.operator.act(&mut self.rng);
            self.handle(event)?;
            self.run_until(self.now + IDLE, |_| false)?;
        }
        if self.rng.below(4) != 0 {
            self.weather = Weather::calm();
            if self.rng.below(2) == 0 {
                let start = self.operator.start_all();
                self.handle(start)?;
            }
            self.rest()?;
        }
        let draft = self.operator.draft(&mut self.rng);
        let scope = operator::scope(&mut self.rng);
        // A plan is for now: what is overdue happens first.
        let overdue = self.stage.machine.next_deadline().is_some_and(|at| at <= self.now);
        if !overdue {
            plans::come_true(&self.stage, self.now, &draft, &scope)?;
        }
        self.end()
    }

    fn rest(&mut self) -> Result<(), Broken> {
        self.run_until(self.now + REST, World::at_rest)?;
        holds("all comes to rest", self.at_rest(), || format!("{:?}", self.stage.picture))?;
        self.stage.watch.all_serve(&self.stage.picture)?;
        self.stage.watch.nothing_pending("at rest")
    }

    fn end(&mut self) -> Result<(), Broken> {
        let last = match self.rng.below(4) {
            0 => Event::Shutdown(Urgency::Now),
            1 => self.operator.ask(Command::Shutdown),
            _ => Event::Shutdown(Urgency::Drain),
        };
        self.handle(last)?;
        if self.rng.below(3) == 0 {
            let wait = between(&mut self.rng, 0, 3000);
            self.later(wait, Next::News(Event::Shutdown(Urgency::Now)));
        }
        for _ in 0..self.rng.below(4) {
            let late = self.operator.act(&mut self.rng);
            let wait = between(&mut self.rng, 0, 2000);
            self.later(wait, Next::News(late));
        }
        self.all_leave()
    }

    fn all_leave(&mut self) -> Result<(), Broken> {
        self.run_until(self.now + END, |world| world.stage.watch.over())?;
        let over = self.stage.watch.over() && self.alive.is_empty();
        holds("the end comes", over, || format!("{:?}, {:?}", self.stage.picture, self.alive))?;
        self.handle(Event::Tick)?;
        self.stage.watch.nothing_pending("over")
    }

    /// Every slot has come to an end of its way, and no roll is under way.
    fn at_rest(&self) -> bool {
        self.stage.picture.apps.iter().all(|app| {
            let rolls = matches!(app.roll, RollView::Rolling { .. });
            let still = app.slots.iter().all(|slot| {
                let still = match slot.phase {
                    PhaseName::Ready | PhaseName::Failed | PhaseName::Stopped => true,
                    PhaseName::Starting
                    | PhaseName::Draining
                    | PhaseName::Killing
                    | PhaseName::Backoff => false,
                };
                still && slot.leaving.is_empty() && slot.successor.is_none()
            });
            still && !rolls
        })
    }

    fn run_until(&mut self, until: Moment, done: impl Fn(&World) -> bool) -> Result<(), Broken> {
        while !done(self) {
            let agenda = self.agenda.keys().next().map(|(at, _)| *at);
            let deadline = self.stage.machine.next_deadline();
            let Some(at) = agenda.into_iter().chain(deadline).min().filter(|at| *at <= until)
            else {
                self.now = until.max(self.now);
                return Ok(());
            };
            self.now = at.max(self.now);
            if agenda == Some(at) {
                if let Some((_, next)) = self.agenda.pop_first() {
                    self.happen(next)?;
                }
            } else {
                self.tick()?;
            }
            self.chance()?;
        }
        Ok(())
    }

    /// What may happen between any two events.
    fn chance(&mut self) -> Result<(), Broken> {
        if strikes(&mut self.rng, self.weather.operator) {
            let event = self.operator.act(&mut self.rng);
            self.handle(event)?;
        }
        if strikes(&mut self.rng, self.weather.refreshes) {
            let event = operator::refresh(&mut self.rng);
            self.handle(event)?;
        }
        if strikes(&mut self.rng, self.weather.leaps) {
            let minutes = [2_000, 20_000, 200_000];
            self.now = self.now + Duration::from_millis(weather::one_of(&mut self.rng, &minutes));
            self.clock = Clock::Leaps;
        }
        Ok(())
    }

    /// Takes an event to the machine, and does what it says.
    pub(crate) fn handle(&mut self, event: Event) -> Result<(), Broken> {
        let clock = std::mem::replace(&mut self.clock, Clock::Runs);
        let actions = self.stage.step(Step { at: self.now, clock, event })?;
        self.act(actions);
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Broken> {
        if self.clock == Clock::Leaps {
            return self.handle(Event::Tick);
        }
        let actions = self.stage.tick(self.now)?;
        self.act(actions);
        Ok(())
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.carry_out(action);
        }
    }

    /// Puts something on the agenda.
    pub(crate) fn later(&mut self, wait: Duration, next: Next) {
        self.number += 1;
        self.agenda.insert((self.now + wait, self.number), next);
    }
}
