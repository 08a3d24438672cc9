//! What the supervisor's own pages are drawn from: the one picture, what of it should serve, and
//! what is not as it should be.

use std::collections::{BTreeMap, BTreeSet};

use mcp_protocol::control::Status;
use mcp_protocol::health::LOGS_LOST_FOR;
use mcp_protocol::message::CertificateVitals;

use super::Supervisor;
use crate::config::Dashboard;
use crate::machine::{AppView, Presence};
use crate::runtime::clock;
use crate::runtime::hands::Hands;
use crate::runtime::totals::pools;

/// How everything is at one moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) status: Status,
    /// The slots that should serve: in the file, not stopped by an operator, not done.
    pub(crate) wanted: BTreeSet<(String, u32)>,
    /// What is not as it should be with each app beyond the phases of its slots, in words.
    pub(crate) ailments: BTreeMap<String, Vec<String>>,
    /// What each app of our workers has, in numbers.
    pub(crate) parts: BTreeMap<String, Parts>,
    /// Whether lines of the supervisor's own log, or output of programs, were lost lately.
    pub(crate) loses_logs: bool,
    /// Whether people may see the dashboard, as the configuration in force says.
    pub(crate) dashboard: Dashboard,
}

/// What the workers of an app have together.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Parts {
    /// By the names of connections.
    pub(crate) pools: BTreeMap<String, PoolSum>,
    /// Of several certificates the one that ends first.
    pub(crate) certificate: Option<CertificateVitals>,
    /// Lines of their logs that could not be kept.
    pub(crate) log_lines_dropped: u64,
}

/// The pools of one connection, added up.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PoolSum {
    pub(crate) active: u32,
    pub(crate) total: u32,
    pub(crate) max: u32,
    pub(crate) waiting: u32,
}

impl Supervisor {
    /// How everything is now.
    pub(super) fn look(&mut self) -> Look {
        let status = self.status();
        self.hands.look_at_own_logs();
        let now = clock::since_boot();
        let loses_logs = self.hands.totals.own_logs.grew_within(LOGS_LOST_FOR, now);
        let wanted = self.machine.snapshot().apps.iter().flat_map(wanted).collect();
        let dashboard = self.hands.config.supervisor.dashboard;
        let (ailments, parts) = (self.hands.ailments(), parts(&self.hands));
        Look { status, wanted, ailments, parts, loses_logs, dashboard }
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

/// What of an app's workers is told in numbers.
fn parts(hands: &Hands) -> BTreeMap<String, Parts> {
    let mut apps: BTreeMap<String, Parts> = BTreeMap::new();
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        let parts = apps.entry(process.slot.app.to_string()).or_default();
        for (connection, pool) in pools(&process.vitals) {
            let sum = parts.pools.entry(connection.to_owned()).or_default();
            sum.active = sum.active.saturating_add(pool.active());
            sum.total = sum.total.saturating_add(pool.total);
            sum.max = sum.max.saturating_add(pool.max);
            sum.waiting = sum.waiting.saturating_add(pool.waiting);
        }
        if let Some(shown) = process.vitals.certificate {
            let first = parts.certificate.get_or_insert(shown);
            first.expires_at = first.expires_at.min(shown.expires_at);
            first.renewal_fails |= shown.renewal_fails;
        }
    }
    for (app, totals) in hands.totals.iter() {
        if let Some(parts) = apps.get_mut(app.as_str()) {
            parts.log_lines_dropped = totals.log_lines_dropped.total();
        }
    }
    apps
}
