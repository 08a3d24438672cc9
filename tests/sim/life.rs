//! What simulated processes do: they boot, serve, fall ill, grow, hang, and die.
//!
//! It does what a runtime would do with each action, badly, and brings the news back: late,
//! doubled, or after the fact.

use std::time::Duration;

use mcp_supervisor::machine::{Action, Event, Exit, PhaseName, RunId};

use crate::stage::Broken;
use crate::weather::{between, death, one_of, strikes};
use crate::world::World;

/// How often a healthy worker gives a sign of life.
const BEAT: Duration = Duration::from_secs(2);
/// How much memory a worker takes; the limits are above it.
const BYTES: u64 = 100;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Next {
    /// The machine is told.
    News(Event),
    /// A process ends.
    Dies(RunId, Exit),
    /// A process gives a sign of life, or a probe misses it.
    Beats(RunId),
    /// A process changes for the worse.
    Turns(RunId, Health),
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It serves.
    Well,
    /// Nobody hears of it.
    Hangs,
    /// No probe finds it well.
    Sick,
    /// It takes more memory than it should.
    Large,
}

/// A process as it really is, whatever the machine was told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Process {
    health: Health,
}

impl World {
    /// Lets something happen.
    pub(crate) fn happen(&mut self, next: Next) -> Result<(), Broken> {
        match next {
            Next::News(event) => self.handle(event)?,
            Next::Dies(run, exit) => {
                if self.alive.remove(&run).is_some() {
                    self.bring(Event::Exited { run, exit });
                }
            }
            Next::Beats(run) => self.beat(run),
            Next::Turns(run, health) => {
                if let Some(process) = self.alive.get_mut(&run) {
                    process.health = health;
                }
            }
        }
        Ok(())
    }

    fn beat(&mut self, run: RunId) {
        let Some(process) = self.alive.get(&run).copied() else { return };
        self.later(BEAT, Next::Beats(run));
        let unlucky = strikes(&mut self.rng, self.weather.probe_fails);
        let sick = process.health == Health::Sick || unlucky;
        let bytes = if process.health == Health::Large { 10 * BYTES } else { BYTES };
        match process.health {
            Health::Hangs => {}
            Health::Well | Health::Sick | Health::Large if sick => {
                self.bring(Event::ProbeFailed { run, why: "connection refused".to_owned() });
            }
            Health::Well | Health::Sick | Health::Large => self.bring(Event::Heartbeat { run }),
        }
        if self.rng.below(4) == 0 || process.health == Health::Large {
            self.bring(Event::Measured { run, memory_bytes: bytes });
        }
    }

    /// Does what the machine says.
    pub(crate) fn carry_out(&mut self, action: Action) {
        match action {
            Action::Spawn { run, .. } => self.spawn(run),
            Action::Drain { run, grace, .. } => {
                let fast = u64::try_from(grace.as_millis() / 2).expect("a grace fits");
                if !strikes(&mut self.rng, self.weather.ignores_drain) {
                    let wait = between(&mut self.rng, 1, fast);
                    let exit = one_of(&mut self.rng, &[Exit::Code(0), Exit::Code(1)]);
                    self.later(wait, Next::Dies(run, exit));
                }
            }
            Action::Kill { run, .. } => {
                let lingers = strikes(&mut self.rng, self.weather.lingers);
                let longest = if lingers { 100_000 } else { 50 };
                let wait = between(&mut self.rng, 1, longest);
                self.later(wait, Next::Dies(run, Exit::Signal(9)));
            }
            Action::Signal { .. }
            | Action::Remember(_)
            | Action::Announce(_)
            | Action::Reply { .. }
            | Action::Exit => {}
        }
    }

    fn spawn(&mut self, run: RunId) {
        let weather = self.weather;
        if strikes(&mut self.rng, weather.spawn_fails) {
            let why = "cannot start".to_owned();
            return self.bring(Event::SpawnFailed { run, why });
        }
        self.alive.insert(run, Process { health: Health::Well });
        let boot = between(&mut self.rng, 10, 1500);
        if strikes(&mut self.rng, weather.dies_at_boot) {
            if self.rng.below(2) == 0 {
                self.bring(Event::BootFailed { run, why: "no such table".to_owned() });
            }
            let exit = death(&mut self.rng);
            return self.later(boot, Next::Dies(run, exit));
        }
        if strikes(&mut self.rng, weather.never_ready) {
            return;
        }
        self.later(boot, Next::News(Event::Ready { run }));
        self.later(boot + BEAT, Next::Beats(run));
        if strikes(&mut self.rng, weather.doubled_news) {
            let again = between(&mut self.rng, 1, 20_000);
            self.later(boot + again, Next::News(Event::Ready { run }));
        }
        self.fate(run, boot);
    }

    fn fate(&mut self, run: RunId, boot: Duration) {
        let weather = self.weather;
        let life = boot + between(&mut self.rng, 1, 20_000);
        if strikes(&mut self.rng, weather.dies_later) {
            let exit = death(&mut self.rng);
            self.later(life, Next::Dies(run, exit));
        } else if strikes(&mut self.rng, weather.hangs) {
            self.later(life, Next::Turns(run, Health::Hangs));
        } else if strikes(&mut self.rng, weather.sickens) {
            self.later(life, Next::Turns(run, Health::Sick));
        } else if strikes(&mut self.rng, weather.grows) {
            self.later(life, Next::Turns(run, Health::Large));
        }
    }

    /// Whoever is there goes on as a healthy process would.
    pub(crate) fn take_over(&mut self) {
        let runs: Vec<_> =
            self.stage.watch.runs.iter().map(|(run, known)| (*run, known.phase())).collect();
        for (run, phase) in runs {
            self.alive.insert(run, Process { health: Health::Well });
            let soon = Duration::from_millis(200);
            match phase {
                PhaseName::Draining | PhaseName::Killing => {
                    self.later(soon, Next::Dies(run, Exit::Code(0)));
                }
                PhaseName::Starting => {
                    self.later(soon, Next::News(Event::Ready { run }));
                    self.later(soon, Next::Beats(run));
                }
                PhaseName::Ready | PhaseName::Stopped | PhaseName::Backoff | PhaseName::Failed => {
                    self.later(soon, Next::Beats(run));
                }
            }
        }
    }

    /// Brings news, as fast as the weather allows.
    fn bring(&mut self, event: Event) {
        let late = strikes(&mut self.rng, self.weather.late_news);
        let wait = between(&mut self.rng, 0, if late { 1500 } else { 5 });
        if strikes(&mut self.rng, self.weather.doubled_news) {
            let again = between(&mut self.rng, 0, 8000);
            self.later(wait + again, Next::News(event.clone()));
        }
        self.later(wait, Next::News(event));
    }
}
