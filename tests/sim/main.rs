//! Thousands of seeded schedules of faults: what always holds, holds.
//!
//! Each seed plays a storm, then (mostly) good weather, in which everything must come to rest,
//! then a shutdown, which must end. `SIM_SEED=n` plays one seed and, with `--nocapture`, prints
//! all that happened; `SIM_SEEDS=n` sets how many are played. A seed that fails is shrunk to a
//! story, which can be saved in `tests/scenarios/`.

mod deaths;
mod goals;
mod life;
mod model;
mod operator;
mod pen;
mod picture;
mod plans;
#[path = "../scenarios/play.rs"]
mod play;
mod properties;
mod requests;
mod rolls;
mod rules;
#[path = "../scenarios/script.rs"]
mod script;
mod shrink;
mod sights;
mod stage;
mod weather;
#[path = "../scenarios/words.rs"]
mod words;
mod world;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use stage::{Keep, Stage};
use world::World;

/// How many seeds are played where nobody says otherwise.
const SEEDS: u64 = 10_000;
/// How a failed seed is played again.
const REPLAY: &str = "cargo test -p mcp-supervisor --test sim -- --nocapture";
/// Every seed that this divides is played twice, to see that it goes the same way.
const TWICE: u64 = 64;
/// What was seen in all seeds together.
#[derive(Default)]
struct Sweep {
    sights: BTreeSet<&'static str>,
    events: Vec<u32>,
    failed: BTreeSet<u64>,
}

#[test]
fn what_always_holds_holds() {
    if let Some(seed) = number("SIM_SEED") {
        return replay(seed);
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let sweep = sweep(seeds);
    if let Some(seed) = sweep.failed.first() {
        panic!("{}", failure(*seed));
    }
    let seen = &sweep.sights;
    let missed: Vec<&str> = sights::ALL.into_iter().filter(|sight| !seen.contains(sight)).collect();
    assert!(missed.is_empty() || seeds < SEEDS, "never seen in {seeds} seeds: {missed:?}");
    let fewest = sweep.events.iter().min().copied().unwrap_or(0);
    assert!(fewest >= world::EVENTS_MIN, "only {fewest} events in one of {seeds} seeds");
}

/// Plays so many seeds, on every processor.
fn sweep(seeds: u64) -> Sweep {
    let next = AtomicU64::new(0);
    let sweep = Mutex::new(Sweep::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut own = Sweep::default();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        break;
                    }
                    play(seed, &mut own);
                    if !own.failed.is_empty() {
                        next.store(seeds, Ordering::Relaxed);
                    }
                }
                let mut all = sweep.lock().expect("nobody panics with the sweep in hand");
                all.sights.extend(own.sights);
                all.events.extend(own.events);
                all.failed.extend(own.failed);
            });
        }
    });
    sweep.into_inner().expect("nobody panics with the sweep in hand")
}

fn play(seed: u64, sweep: &mut Sweep) {
    let twice = seed.is_multiple_of(TWICE);
    let keep = if twice { Keep::Digest } else { Keep::Nothing };
    let story = World::play(Stage::new(seed, keep));
    if twice {
        let again = World::play(Stage::new(seed, keep)).stage.digest;
        assert_eq!(story.stage.digest, again, "seed {seed} went another way the second time");
    }
    if story.broken.is_some() {
        sweep.failed.insert(seed);
    }
    sweep.events.push(story.stage.events);
    sweep.sights.extend(story.stage.watch.sights);
}

#[expect(clippy::print_stdout, reason = "asked for by the person who runs the test")]
fn replay(seed: u64) {
    let story = World::play(Stage::new(seed, Keep::All));
    println!("{}", story.stage.log);
    assert!(story.broken.is_none(), "{}", failure(seed));
}

/// What went wrong in a seed, as the shortest story that shows it.
fn failure(seed: u64) -> String {
    let broken = World::play(Stage::new(seed, Keep::Nothing)).broken;
    let story = shrink::tell(seed, None).map(|(story, _)| story).unwrap_or_default();
    format!(
        "seed {seed}: {broken:?}\nreplay with SIM_SEED={seed} {REPLAY}\n\
         or save this below tests/scenarios/:\n\n{story}"
    )
}

#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
