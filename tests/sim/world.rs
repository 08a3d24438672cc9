//! A world of simulated processes around a real machine.
//!
//! It does what a runtime would do with each action, badly, and brings the news back: late,
//! doubled, or after the fact. Every event passes the watch, which knows what must hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, Command, Event, Exit, Machine, Moment, PhaseName, Rng, RollView, RunId, Urgency,
};

use crate::operator::Operator;
use crate::properties::Watch;
use crate::weather::{Weather, between, death, one_of, strikes};

/// How long the weather is bad.
const STORM: Duration = Duration::from_secs(60);
/// After so long in good weather everything has come to rest.
const REST: Duration = Duration::from_secs(240);
/// After so long everybody is gone.
const END: Duration = Duration::from_secs(150);
/// More events than any run has: beyond it the machine spins.
const EVENTS_MAX: u32 = 50_000;
/// How often a healthy worker gives a sign of life.
const BEAT: Duration = Duration::from_secs(4);

/// Something that will happen.
#[derive(Debug, Clone)]
enum Next {
    News(Event),
    Dies(RunId, Exit),
    Beats(RunId),
    Hangs(RunId),
}

/// A process as it really is, whatever the machine was told.
#[derive(Debug, Clone, Copy)]
struct Process {
    beating: bool,
}

/// The world.
pub(crate) struct World {
    machine: Machine,
    watch: Watch,
    operator: Operator,
    rng: Rng,
    weather: Weather,
    now: Moment,
    alive: BTreeMap<RunId, Process>,
    agenda: BTreeMap<(Moment, u64), Next>,
    number: u64,
    events: u32,
    /// Everything that happened, when it is to be printed.
    log: Option<String>,
    /// A digest of everything that happened.
    digest: u64,
}

/// Whether what happens is to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// It is.
    Kept,
    /// It is not.
    None,
}

/// What a run left behind.
pub(crate) struct Story {
    /// What went wrong, if anything.
    pub(crate) broken: Option<String>,
    /// What was seen.
    pub(crate) watch: Watch,
    /// Everything that happened, when it was to be written down.
    pub(crate) log: String,
    /// A digest of everything that happened.
    pub(crate) digest: u64,
}

impl World {
    /// Plays one seed to its end.
    pub(crate) fn play(seed: u64, log: Log) -> Story {
        let mut rng = Rng::new(seed);
        let operator = Operator::new(&mut rng);
        let mut world = World {
            machine: Machine::new(seed),
            watch: Watch::default(),
            operator,
            weather: Weather::storm(&mut rng),
            rng,
            now: Moment::ZERO,
            alive: BTreeMap::new(),
            agenda: BTreeMap::new(),
            number: 0,
            events: 0,
            log: (log == Log::Kept).then(String::new),
            digest: 0,
        };
        let broken = world.live().err();
        let log = world.log.unwrap_or_default();
        Story { broken, watch: world.watch, log, digest: world.digest }
    }

    fn live(&mut self) -> Result<(), String> {
        let first = self.operator.configuration();
        self.handle(first)?;
        let settle = self.operator.ask(Command::Settle);
        self.handle(settle)?;
        self.run_until(self.now + STORM, |_| false)?;
        if self.rng.below(4) != 0 {
            self.weather = Weather::calm();
            self.run_until(self.now + REST, World::at_rest)?;
            if !self.at_rest() {
                return Err(format!("no rest after {REST:?} of good weather"));
            }
            self.watch.nothing_pending("at rest")?;
        }
        self.end()
    }

    fn end(&mut self) -> Result<(), String> {
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
        self.run_until(self.now + END, |world| world.watch.over())?;
        if !self.watch.over() {
            return Err(format!("still there {END:?} after the shutdown"));
        }
        if let Some(run) = self.alive.keys().next() {
            return Err(format!("{run} outlived the service"));
        }
        self.handle(Event::Tick)?;
        self.watch.nothing_pending("over")
    }

    /// Every wanted slot has come to an end of its way, and no roll is under way.
    fn at_rest(&self) -> bool {
        let snapshot = self.machine.snapshot();
        snapshot.apps.iter().all(|app| {
            !matches!(app.roll, RollView::Rolling { .. })
                && app.slots.iter().all(|slot| {
                    let still = match slot.phase {
                        PhaseName::Ready | PhaseName::Failed | PhaseName::Stopped => true,
                        PhaseName::Starting
                        | PhaseName::Draining
                        | PhaseName::Killing
                        | PhaseName::Backoff => false,
                    };
                    still && slot.leaving.is_empty() && slot.successor.is_none()
                })
        }) && self.watch.all_wanted_are_shown(&snapshot)
    }

    fn run_until(&mut self, until: Moment, done: impl Fn(&World) -> bool) -> Result<(), String> {
        while !done(self) {
            let agenda = self.agenda.keys().next().map(|(at, _)| *at);
            let deadline = self.machine.next_deadline();
            let Some(at) = agenda.into_iter().chain(deadline).min().filter(|at| *at <= until)
            else {
                self.now = until;
                return Ok(());
            };
            self.now = at.max(self.now);
            if agenda == Some(at) {
                if let Some((_, next)) = self.agenda.pop_first() {
                    self.happen(next)?;
                }
            } else {
                self.handle(Event::Tick)?;
            }
            if strikes(&mut self.rng, self.weather.operator) {
                let event = self.operator.act(&mut self.rng);
                self.handle(event)?;
            }
        }
        Ok(())
    }

    fn happen(&mut self, next: Next) -> Result<(), String> {
        match next {
            Next::News(event) => self.handle(event)?,
            Next::Dies(run, exit) => {
                if self.alive.remove(&run).is_some() {
                    self.bring(Event::Exited { run, exit });
                }
            }
            Next::Beats(run) => {
                if self.alive.get(&run).is_some_and(|process| process.beating) {
                    self.bring(Event::Heartbeat { run });
                    self.later(BEAT, Next::Beats(run));
                }
            }
            Next::Hangs(run) => {
                if let Some(process) = self.alive.get_mut(&run) {
                    process.beating = false;
                }
            }
        }
        Ok(())
    }

    fn handle(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        if self.events > EVENTS_MAX {
            return Err("the machine does not come to rest".to_owned());
        }
        let before = self.machine.snapshot();
        let actions = self.machine.handle(self.now, event.clone());
        self.record(&event, &actions);
        let after = self.machine.snapshot();
        self.watch.check(self.now, &event, &actions, (&before, &after))?;
        if self.machine.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            return Err("a deadline that has passed was kept".to_owned());
        }
        for action in actions {
            self.carry_out(action);
        }
        Ok(())
    }

    fn record(&mut self, event: &Event, actions: &[Action]) {
        let mut line = format!("{:?} {event:?}\n", self.now.since_start());
        for action in actions {
            let _ = writeln!(line, "      -> {action:?}");
        }
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if let Some(log) = &mut self.log {
            log.push_str(&line);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Spawn { run, .. } => self.spawn(run),
            Action::Drain { run, grace } => {
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
        self.alive.insert(run, Process { beating: true });
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
        let life = between(&mut self.rng, 1, 20_000);
        if strikes(&mut self.rng, weather.dies_later) {
            let exit = death(&mut self.rng);
            self.later(boot + life, Next::Dies(run, exit));
        } else if strikes(&mut self.rng, weather.hangs) {
            self.later(boot + life, Next::Hangs(run));
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

    fn later(&mut self, wait: Duration, next: Next) {
        self.number += 1;
        self.agenda.insert((self.now + wait, self.number), next);
    }
}
