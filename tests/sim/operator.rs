//! What a simulated operator wants, and what they do at bad moments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    AppGoal, AppName, Command, Desired, Event, Fingerprint, Readiness, RequestId, RestartPolicy,
    RestartWhen, Rng, Rollout, Scope,
};

use crate::weather::one_of;

/// The apps that may be wanted.
const NAMES: [&str; 3] = ["admin", "mail", "query"];

/// An operator, and what they wrote last.
#[derive(Debug)]
pub(crate) struct Operator {
    desired: Desired,
    next_request: u64,
}

impl Operator {
    /// An operator who wants something.
    pub(crate) fn new(rng: &mut Rng) -> Operator {
        let mut apps = BTreeMap::new();
        for name in NAMES {
            if apps.is_empty() || rng.below(2) == 0 {
                apps.insert(AppName::new(name), goal(rng));
            }
        }
        Operator { desired: Desired { generation: 1, apps }, next_request: 1 }
    }

    /// The configuration as it is written now.
    pub(crate) fn configuration(&self) -> Event {
        Event::Configured(self.desired.clone())
    }

    /// Something an operator may do at any moment.
    pub(crate) fn act(&mut self, rng: &mut Rng) -> Event {
        match rng.below(12) {
            0..=4 => {
                self.edit(rng);
                self.configuration()
            }
            5 => Event::ConfigRejected { problem: "line 1".to_owned() },
            6..=8 => {
                let scope = scope(rng);
                self.ask(Command::Reload(scope))
            }
            9 | 10 => {
                let scope = scope(rng);
                self.ask(Command::Restart(scope))
            }
            _ => self.ask(Command::Settle),
        }
    }

    /// A wish under a number of its own.
    pub(crate) fn ask(&mut self, command: Command) -> Event {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        Event::Asked { request, command }
    }

    fn edit(&mut self, rng: &mut Rng) {
        self.desired.generation += 1;
        let name = AppName::new(one_of(rng, &NAMES));
        let Some(old) = self.desired.apps.get_mut(&name) else {
            self.desired.apps.insert(name, goal(rng));
            return;
        };
        match rng.below(10) {
            0..=4 => old.fingerprint = Fingerprint(rng.below(4)),
            5 | 6 => old.instances = instances(rng),
            7 | 8 => {
                let (instances, fingerprint) = (old.instances, old.fingerprint);
                *old = AppGoal { instances, fingerprint, ..goal(rng) };
            }
            _ => {
                self.desired.apps.remove(&name);
            }
        }
    }
}

fn scope(rng: &mut Rng) -> Scope {
    match rng.below(5) {
        0 => Scope::All,
        1 if rng.below(4) == 0 => Scope::App(AppName::new("nobody")),
        _ => Scope::App(AppName::new(one_of(rng, &NAMES))),
    }
}

fn instances(rng: &mut Rng) -> u32 {
    one_of(rng, &[1, 2, 3])
}

fn goal(rng: &mut Rng) -> AppGoal {
    const ALWAYS: RestartWhen = RestartWhen::Always;
    let limit = one_of(rng, &[1, 1, 2]);
    let restart = RestartPolicy {
        when: one_of(rng, &[ALWAYS, ALWAYS, ALWAYS, RestartWhen::OnFailure, RestartWhen::Never]),
        backoff_min: Duration::from_millis(100),
        backoff_max: Duration::from_secs(one_of(rng, &[1, 5])),
        stable_after: Duration::from_secs(one_of(rng, &[2, 10])),
        max_restarts: one_of(rng, &[2, 5, 10]),
        window: Duration::from_secs(one_of(rng, &[10, 60])),
        stop_exit_codes: BTreeSet::new(),
    };
    AppGoal {
        instances: instances(rng),
        fingerprint: Fingerprint(rng.below(4)),
        readiness: match rng.below(3) {
            0 => Readiness::AliveFor(Duration::from_secs(1)),
            _ => Readiness::Told,
        },
        start_timeout: Duration::from_secs(one_of(rng, &[5, 10])),
        heartbeat_timeout: one_of(rng, &[None, Some(6), Some(9)]).map(Duration::from_secs),
        drain_timeout: Duration::from_secs(one_of(rng, &[2, 5])),
        restart,
        rollout: match rng.below(3) {
            0 => Rollout { max_surge: 0, max_unavailable: limit, pause_between: None },
            _ => Rollout { max_surge: limit, max_unavailable: 0, pause_between: None },
        },
        probe_failures_max: 3,
        memory_bytes_max: None,
        max_age: None,
        depends_on: BTreeSet::new(),
    }
}
