//! Thousands of seeded schedules of faults: what always holds, holds.
//!
//! Each seed plays a storm, then (mostly) good weather, in which everything must come to rest,
//! then a shutdown, which must end. `SIM_SEED=n` plays one seed and, with `--nocapture`, prints
//! all that happened; `SIM_SEEDS=n` sets how many are played.

mod deaths;
mod operator;
mod properties;
mod rules;
mod sights;
mod weather;
mod world;

use std::collections::BTreeSet;

use world::{Log, World};

/// How many seeds are played where nobody says otherwise.
const SEEDS: u64 = 2_000;
/// How a failed seed is played again.
const REPLAY: &str = "cargo test -p mcp-supervisor --test sim -- --nocapture";
/// Every seed that this divides is played twice, to see that it goes the same way.
const TWICE: u64 = 16;

#[test]
fn what_always_holds_holds() {
    if let Some(seed) = number("SIM_SEED") {
        return replay(seed);
    }
    let seeds = number("SIM_SEEDS").unwrap_or(SEEDS);
    let mut seen = BTreeSet::new();
    for seed in 0..seeds {
        let story = World::play(seed, Log::None);
        if let Some(why) = story.broken {
            panic!("seed {seed}: {why}\nreplay with SIM_SEED={seed} {REPLAY}");
        }
        if seed % TWICE == 0 {
            let again = World::play(seed, Log::None).digest;
            assert_eq!(story.digest, again, "seed {seed} went another way the second time");
        }
        seen.extend(story.watch.sights);
    }
    let missed: Vec<&str> = sights::ALL.into_iter().filter(|sight| !seen.contains(sight)).collect();
    assert!(missed.is_empty() || seeds < SEEDS, "never seen in {seeds} seeds: {missed:?}");
}

#[expect(clippy::print_stdout, reason = "asked for by the person who runs the test")]
fn replay(seed: u64) {
    let story = World::play(seed, Log::Kept);
    println!("{}", story.log);
    assert!(story.broken.is_none(), "seed {seed}: {}", story.broken.unwrap_or_default());
}

#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}
