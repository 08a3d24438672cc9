//! What may be written in a simulated operator's file.
//!
//! Only what a real file may say: no zero durations, and no app that depends on itself, by however
//! many steps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    AppGoal, AppName, Desired, Fingerprint, Readiness, RestartPolicy, RestartWhen, Rng, Rollout,
};

use crate::weather::one_of;

/// The apps that may be wanted.
pub(crate) const NAMES: [&str; 3] = ["admin", "mail", "query"];
/// The exit code by which a worker may say that it is done.
const DONE: i32 = 4;

/// A whole file.
pub(crate) fn desired(rng: &mut Rng) -> Desired {
    let mut apps = BTreeMap::new();
    for name in NAMES {
        if apps.is_empty() || rng.below(2) == 0 {
            apps.insert(AppName::new(name), goal(rng));
        }
    }
    for name in NAMES {
        depend(rng, &mut apps, &AppName::new(name));
    }
    Desired { generation: 1, apps }
}

/// Changes one thing of a file.
pub(crate) fn edit(rng: &mut Rng, desired: &mut Desired) {
    desired.generation += 1;
    let name = AppName::new(one_of(rng, &NAMES));
    let Some(old) = desired.apps.get_mut(&name) else {
        desired.apps.insert(name.clone(), goal(rng));
        return depend(rng, &mut desired.apps, &name);
    };
    match rng.below(12) {
        0..=4 => old.fingerprint = Fingerprint(rng.below(4)),
        5 | 6 => old.instances = instances(rng),
        7 | 8 => {
            let (instances, fingerprint) = (old.instances, old.fingerprint);
            let depends_on = old.depends_on.clone();
            *old = AppGoal { instances, fingerprint, depends_on, ..goal(rng) };
        }
        9 | 10 => depend(rng, &mut desired.apps, &name),
        _ => {
            desired.apps.remove(&name);
            for goal in desired.apps.values_mut() {
                goal.depends_on.remove(&name);
            }
        }
    }
}

/// Lets an app depend on others, but never in a circle.
fn depend(rng: &mut Rng, apps: &mut BTreeMap<AppName, AppGoal>, name: &AppName) {
    let mut on = BTreeSet::new();
    for other in NAMES.map(AppName::new) {
        if apps.contains_key(&other) && !reaches(apps, &other, name) && rng.below(3) == 0 {
            on.insert(other);
        }
    }
    if let Some(goal) = apps.get_mut(name) {
        goal.depends_on = on;
    }
}

/// True when one app depends on the other, by however many steps.
fn reaches(apps: &BTreeMap<AppName, AppGoal>, from: &AppName, to: &AppName) -> bool {
    let on = |name: &AppName| apps.get(name).map(|goal| goal.depends_on.clone());
    from == to || on(from).unwrap_or_default().iter().any(|next| reaches(apps, next, to))
}

fn instances(rng: &mut Rng) -> u32 {
    one_of(rng, &[1, 2, 3])
}

fn goal(rng: &mut Rng) -> AppGoal {
    const ALWAYS: RestartWhen = RestartWhen::Always;
    let seconds = Duration::from_secs;
    let done = if rng.below(3) == 0 { BTreeSet::from([DONE]) } else { BTreeSet::new() };
    let restart = RestartPolicy {
        when: one_of(rng, &[ALWAYS, ALWAYS, ALWAYS, RestartWhen::OnFailure, RestartWhen::Never]),
        backoff_min: Duration::from_millis(100),
        backoff_max: seconds(one_of(rng, &[1, 5])),
        stable_after: seconds(one_of(rng, &[2, 10])),
        max_restarts: one_of(rng, &[2, 5, 10]),
        window: seconds(one_of(rng, &[10, 60])),
        stop_exit_codes: done,
    };
    let (max_surge, max_unavailable) =
        one_of(rng, &[(1, 0), (1, 0), (2, 0), (0, 1), (0, 2), (1, 1), (2, 1), (1, 2)]);
    AppGoal {
        instances: instances(rng),
        fingerprint: Fingerprint(rng.below(4)),
        readiness: match rng.below(3) {
            0 => Readiness::AliveFor(seconds(1)),
            _ => Readiness::Told,
        },
        start_timeout: seconds(one_of(rng, &[5, 10])),
        heartbeat_timeout: one_of(rng, &[None, Some(6), Some(9)]).map(seconds),
        drain_timeout: seconds(one_of(rng, &[2, 5])),
        restart,
        rollout: Rollout {
            max_surge,
            max_unavailable,
            pause_between: one_of(rng, &[None, None, Some(1), Some(5)]).map(seconds),
        },
        probe_failures_max: one_of(rng, &[1, 2, 3]),
        memory_bytes_max: one_of(rng, &[None, Some(500)]),
        max_age: one_of(rng, &[None, None, Some(30), Some(90)]).map(seconds),
        depends_on: BTreeSet::new(),
    }
}
