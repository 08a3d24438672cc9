//! What may go wrong in the simulated world, and how likely it is.
//!
//! Each kind of fault is switched off in half the seeds: where everything fails at once, nothing
//! lives long enough to reach the rarer states.

use std::time::Duration;

use mcp_supervisor::machine::{Exit, Rng};

/// How likely each fault is, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weather {
    /// A process cannot be started.
    pub(crate) spawn_fails: u64,
    /// A worker dies before it is ready.
    pub(crate) dies_at_boot: u64,
    /// A worker never says that it is ready.
    pub(crate) never_ready: u64,
    /// A worker dies some time after it was ready.
    pub(crate) dies_later: u64,
    /// A worker stops giving signs of life.
    pub(crate) hangs: u64,
    /// Probes find a worker unwell from some time on.
    pub(crate) sickens: u64,
    /// A worker takes more and more memory.
    pub(crate) grows: u64,
    /// A probe fails although the worker is well.
    pub(crate) probe_fails: u64,
    /// A worker does not leave when it is asked to.
    pub(crate) ignores_drain: u64,
    /// A killed process is not gone at once.
    pub(crate) lingers: u64,
    /// News arrives late.
    pub(crate) late_news: u64,
    /// News arrives twice.
    pub(crate) doubled_news: u64,
    /// The clock leaps forward between two events.
    pub(crate) leaps: u64,
    /// Files change, or a time table says that it is time.
    pub(crate) refreshes: u64,
    /// The operator does something between two events.
    pub(crate) operator: u64,
}

impl Weather {
    /// A stormy season, different for every seed.
    pub(crate) fn storm(rng: &mut Rng) -> Weather {
        let mut fault = |worst: u64| if rng.below(2) == 0 { 0 } else { 1 + rng.below(worst) };
        Weather {
            spawn_fails: fault(300),
            dies_at_boot: fault(500),
            never_ready: fault(300),
            dies_later: fault(600),
            hangs: fault(400),
            sickens: fault(400),
            grows: fault(500),
            probe_fails: fault(200),
            ignores_drain: fault(500),
            lingers: fault(200),
            late_news: fault(400),
            doubled_news: fault(300),
            leaps: fault(6),
            refreshes: fault(20),
            operator: 5 + fault(150),
        }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm() -> Weather {
        Weather::default()
    }
}

/// True as often as the fault is likely.
pub(crate) fn strikes(rng: &mut Rng, per_mille: u64) -> bool {
    rng.below(1000) < per_mille
}

/// A time between two bounds.
pub(crate) fn between(rng: &mut Rng, from_ms: u64, to_ms: u64) -> Duration {
    Duration::from_millis(from_ms + rng.below(to_ms - from_ms + 1))
}

/// One of these.
pub(crate) fn one_of<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    let index = usize::try_from(rng.below(choices.len() as u64)).expect("an index fits");
    choices[index]
}

/// How a worker dies that was not asked to.
pub(crate) fn death(rng: &mut Rng) -> Exit {
    const DEATHS: [Exit; 12] = [
        Exit::Code(1),
        Exit::Code(1),
        Exit::Code(1),
        Exit::Code(3),
        Exit::Code(3),
        Exit::Code(4),
        Exit::Code(4),
        Exit::Signal(11),
        Exit::Signal(9),
        Exit::Code(0),
        Exit::Code(0),
        Exit::Code(78),
    ];
    one_of(rng, &DEATHS)
}
