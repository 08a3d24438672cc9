//! Ten thousand births and deaths: the supervisor is as it was before.
//!
//! `CYCLES=100000 cargo test -p mcp-supervisor --test e2e cycles` looks further.

use crate::harness::{House, wait_for};
use crate::tree::{cgroup_of, zombies_of};

/// How many programs are started and end at the same time.
const AT_ONCE: u64 = 8;
/// How much more memory the supervisor may have afterwards.
const GROWTH_MAX_KIB: u64 = 5 * 1024;

fn cycles() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "how far to look is the caller's choice")]
    let wanted = std::env::var("CYCLES");
    wanted.map_or(10_000, |wanted| wanted.parse().expect("CYCLES is a number"))
}

const CALM: &str = "[supervisor]\nmetrics = \"off\"\nlog_level = \"error\"\ncgroups = \"WAY\"\n\
     [apps.calm]\nexec = [\"sleep\", \"1000\"]\nready = \"20ms\"\n";

fn restless() -> String {
    format!(
        "[apps.restless]\nexec = [\"true\"]\ninstances = {AT_ONCE}\n[apps.restless.restart]\n\
         backoff_min = \"1ms\"\nbackoff_max = \"1ms\"\nmax_restarts = 10000\nwindow = \"1ms\"\n"
    )
}

/// What a supervisor has when nothing is being born or dying.
#[derive(Debug, PartialEq, Eq)]
struct Possessions {
    descriptors: usize,
    zombies: usize,
    locks: usize,
    /// Of runs; 0 where there are none.
    cgroups: usize,
    memory_kib: u64,
}

fn possessions(house: &House) -> Possessions {
    let pid = house.status()["pid"].as_u64().unwrap();
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    let calm = house.pids()[0];
    let home = cgroup_of(calm).and_then(|path| Some(path.parent()?.to_owned()));
    let home = home.filter(|path| path.display().to_string().contains("/mcp-supervisor."));
    let directories = |path: std::path::PathBuf| {
        let entries = std::fs::read_dir(path).unwrap().flatten();
        entries.filter(|entry| entry.path().is_dir()).count()
    };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    Possessions {
        descriptors: count(&format!("/proc/{pid}/fd")),
        zombies: zombies_of(pid).len(),
        locks: count(&house.path("run/locks").display().to_string()),
        cgroups: home.map_or(0, directories),
        memory_kib: memory.split_whitespace().next().unwrap().parse().unwrap(),
    }
}

/// Lets programs be born and die until so many did, and waits for calm.
fn live_through(house: &House, calm: &str, deaths: u64) -> Possessions {
    house.write(&format!("{calm}{}", restless()));
    // Fails, for a program that exits at once never gets ready.
    house.run(&["reload"]);
    wait_for_deaths(house, deaths);
    house.write(calm);
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?} {}", house.logs());
    house.wait_until("calm", |status| status["apps"].as_array().unwrap().len() == 1);
    wait_for_the_history(house);
    possessions(house)
}

/// The configuration is kept by the way, with descriptors that are not meant here.
fn wait_for_the_history(house: &House) {
    let status = house.status();
    let (pid, number) = (&status["pid"], status["generation"].as_u64().unwrap());
    let newest = house.path(&format!("state/config/{number:08}.json"));
    wait_for("the history to be written", || {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let mut open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        newest.exists() && !open.any(|file| file.starts_with(house.path("state")))
    });
}

/// Many short waits, each with the usual patience: that there is no standstill is what is tested.
fn wait_for_deaths(house: &House, deaths: u64) {
    let so_far = || {
        let status = house.status();
        let slots = status["apps"][1]["slots"].as_array().unwrap().clone();
        slots.iter().map(|slot| slot["restarts"].as_u64().unwrap()).sum::<u64>()
    };
    let mut reached = 0;
    while reached < deaths {
        let next = deaths.min(reached + 500);
        wait_for("five hundred more deaths", || {
            reached = so_far();
            reached >= next
        });
    }
}

fn nothing_is_left_after(way: &str, deaths: u64) {
    let calm = CALM.replace("WAY", way);
    let house = House::new(&calm);
    house.start();
    let before = live_through(&house, &calm, 300);
    let after = live_through(&house, &calm, deaths);
    assert_eq!((after.zombies, after.locks), (0, 1), "{way}: {after:?}");
    assert!(after.cgroups <= 1, "{way}: {after:?}");
    assert_eq!(after.descriptors, before.descriptors, "{way}: {before:?} {after:?}");
    let growth = after.memory_kib.saturating_sub(before.memory_kib);
    assert!(growth <= GROWTH_MAX_KIB, "{way}: {growth} KiB more: {before:?} {after:?}");
}

#[test]
fn ten_thousand_births_and_deaths_leave_nothing() {
    nothing_is_left_after("auto", cycles());
}

#[test]
fn births_and_deaths_without_cgroups_leave_nothing() {
    nothing_is_left_after("off", cycles() / 10);
}
