//! A machine under watch: events go in one by one, and every answer is judged.
//!
//! The simulated world plays on it, and so does a schedule that is to be played again: what came
//! in, and when. Between two steps every deadline passes in time, unless the clock leaps.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_supervisor::machine::{Action, Event, Machine, Moment, Snapshot};

use crate::properties::Watch;

/// More events than any run has: beyond it the machine spins.
const EVENTS_MAX: u32 = 50_000;

/// After every so many events the machine is asked whether there is more to do.
const TWICE: u32 = 4;

/// A rule over what is done about one event.
pub(crate) type Rule = fn(&[Action]) -> Result<(), Broken>;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Broken {
    /// Which.
    pub(crate) rule: &'static str,
    /// What was the case instead.
    pub(crate) why: String,
}

/// A fact, or what is the case instead.
pub(crate) fn holds(
    rule: &'static str,
    fact: bool,
    otherwise: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if fact { Ok(()) } else { Err(Broken { rule, why: otherwise() }) }
}

/// Something that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// When.
    pub(crate) at: Moment,
    /// Whether every deadline before it passed in time.
    pub(crate) clock: Clock,
    /// What.
    pub(crate) event: Event,
}

/// How the time before a step went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// Moment by moment.
    Runs,
    /// At once: nobody looked at a deadline meanwhile.
    Leaps,
}

/// What is kept of what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing.
    Nothing,
    /// A digest of it.
    Digest,
    /// All that came in, and a line for each event and action.
    All,
}

/// A machine under watch.
pub(crate) struct Stage {
    /// The seed of the machine, and of all that is done to it.
    pub(crate) seed: u64,
    /// The machine.
    pub(crate) machine: Machine,
    /// One more rule than there are.
    pub(crate) planted: Option<Rule>,
    /// What is known of it from outside.
    pub(crate) watch: Watch,
    /// The picture after the last event.
    pub(crate) picture: Snapshot,
    /// When that was.
    pub(crate) now: Moment,
    /// How many events there were.
    pub(crate) events: u32,
    /// What came in.
    pub(crate) schedule: Vec<Step>,
    /// Everything that happened.
    pub(crate) log: String,
    /// A digest of everything that happened.
    pub(crate) digest: u64,
    keep: Keep,
    /// When a deadline passed, if nothing came in since.
    ticked: Option<Moment>,
}

impl Stage {
    /// A machine to which nothing happened yet.
    pub(crate) fn new(seed: u64, keep: Keep) -> Stage {
        let machine = Machine::new(seed);
        Stage {
            seed,
            planted: None,
            picture: machine.snapshot(),
            machine,
            watch: Watch::default(),
            now: Moment::ZERO,
            events: 0,
            schedule: Vec::new(),
            log: String::new(),
            digest: 0,
            keep,
            ticked: None,
        }
    }

    /// Takes a step.
    pub(crate) fn step(&mut self, step: Step) -> Result<Vec<Action>, Broken> {
        let ticked = self.ticked.take();
        if self.keep == Keep::All {
            // What comes in at the moment of a deadline may come before it or behind it, and a leap
            // passes none.
            let behind = ticked
                .filter(|at| *at == step.at || step.clock == Clock::Leaps)
                .map(|at| Step { at, clock: Clock::Runs, event: Event::Tick });
            self.schedule.extend(behind);
            self.schedule.push(step.clone());
        }
        self.handle(step.at, step.event)
    }

    /// Lets a deadline pass.
    pub(crate) fn tick(&mut self, at: Moment) -> Result<Vec<Action>, Broken> {
        self.ticked = Some(at);
        self.handle(at, Event::Tick)
    }

    /// Takes a step, after every deadline before it passed.
    pub(crate) fn play(&mut self, step: Step) -> Result<(), Broken> {
        while step.clock == Clock::Runs
            && let Some(at) = self.machine.next_deadline().filter(|at| *at < step.at)
        {
            self.tick(at)?;
        }
        self.step(step).map(drop)
    }

    fn handle(&mut self, now: Moment, event: Event) -> Result<Vec<Action>, Broken> {
        self.now = now;
        self.events += 1;
        holds("the machine comes to rest", self.events < EVENTS_MAX, || {
            format!("{EVENTS_MAX} events")
        })?;
        let machine = &mut self.machine;
        let actions = catch_unwind(AssertUnwindSafe(|| machine.handle(now, event.clone())));
        let actions = actions.map_err(|panic| Broken {
            rule: "the machine keeps its own invariants",
            why: format!(
                "{event:?}: {}",
                panic.downcast_ref::<String>().cloned().unwrap_or_default()
            ),
        })?;
        self.record(&event, &actions);
        let before = std::mem::replace(&mut self.picture, self.machine.snapshot());
        self.watch.check(now, &event, &actions, (&before, &self.picture))?;
        if let Some(rule) = self.planted {
            rule(&actions)?;
        }
        if self.events.is_multiple_of(TWICE) {
            self.all_was_done()?;
        }
        let deadline = self.machine.next_deadline();
        holds("a deadline lies ahead", deadline.is_none_or(|at| at > now), || {
            format!("{deadline:?} was kept")
        })?;
        Ok(actions)
    }

    /// Whatever could be done about an event was done at once: a second look finds nothing.
    fn all_was_done(&self) -> Result<(), Broken> {
        let mut again = self.machine.clone();
        let more = again.handle(self.now, Event::Tick);
        holds("all is done at once", more.is_empty(), || format!("{more:?}"))
    }

    fn record(&mut self, event: &Event, actions: &[Action]) {
        if self.keep == Keep::Nothing {
            return;
        }
        let mut line = format!("{:?} {event:?}\n", self.now.since_start());
        for action in actions {
            let _ = writeln!(line, "      -> {action:?}");
        }
        for byte in line.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        if self.keep == Keep::All {
            self.log.push_str(&line);
        }
    }
}
