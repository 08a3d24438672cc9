//! What the supervisor's own pages are drawn from: the one picture, and what of it should serve.

use std::collections::{BTreeMap, BTreeSet};

use mcp_protocol::control::Status;
use mcp_protocol::message::Logins;

use super::Supervisor;
use crate::config::Dashboard;
use crate::machine::{AppView, Presence};
use crate::runtime::hands::Hands;
use crate::runtime::totals::pools;

/// How everything is at one moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) status: Status,
    /// The slots that should serve: in the file, not stopped by an operator, not done.
    pub(crate) wanted: BTreeSet<(String, u32)>,
    /// How the workers of each app fare with its warehouses; the worst counts.
    pub(crate) logins: BTreeMap<String, Logins>,
    /// Whether people may see the dashboard, as the configuration in force says.
    pub(crate) dashboard: Dashboard,
}

impl Supervisor {
    /// How everything is now.
    pub(super) fn look(&mut self) -> Look {
        let status = self.status();
        let wanted = self.machine.snapshot().apps.iter().flat_map(wanted).collect();
        let dashboard = self.hands.config.supervisor.dashboard;
        Look { status, wanted, logins: logins(&self.hands), dashboard }
    }
}

fn wanted(app: &AppView) -> Vec<(String, u32)> {
    let change = app.change.as_ref();
    let presence = change.map_or(Presence::Wanted, |change| change.presence);
    let Some(in_file) = app.instances_in_file.filter(|_| presence == Presence::Wanted) else {
        return Vec::new();
    };
    let count = change.and_then(|change| change.instances).unwrap_or(in_file);
    let is_stopped =
        |index: u32| change.is_some_and(|change| change.stopped_slots.contains(&index));
    let slots = app.slots.iter().filter(|slot| slot.index < count && slot.finished.is_none());
    let slots = slots.filter(|slot| !is_stopped(slot.index));
    slots.map(|slot| (app.name.to_string(), slot.index)).collect()
}

fn logins(hands: &Hands) -> BTreeMap<String, Logins> {
    let mut worst = BTreeMap::new();
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        let known = worst.entry(process.slot.app.to_string()).or_insert(Logins::Fine);
        for (_, pool) in pools(&process.vitals) {
            if badness(pool.logins) > badness(*known) {
                *known = pool.logins;
            }
        }
    }
    worst
}

/// Which of two troubles is told: the one that needs a person sooner.
fn badness(logins: Logins) -> u8 {
    match logins {
        Logins::Fine => 0,
        Logins::Failing => 1,
        Logins::LoggedOut => 2,
        Logins::Refused => 3,
    }
}
