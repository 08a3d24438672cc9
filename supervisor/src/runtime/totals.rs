//! What workers counted, added up so that it never goes back: a new run starts from zero, the
//! app's total does not.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_protocol::message::{CallOutcome, Limit, PoolVitals, Refusals, Vitals};
use mcp_protocol::settings::DEFAULT_CONNECTION;

use crate::machine::{AppName, SlotId};

/// Totals of every app since the supervisor began.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    by_app: BTreeMap<AppName, AppTotals>,
    /// Processor time of the processes of each slot.
    cpu: BTreeMap<SlotId, Duration>,
}

/// Totals of one app.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct AppTotals {
    pub(crate) requests: u64,
    pub(crate) request_errors: u64,
    /// By the names of connections.
    pub(crate) pools: BTreeMap<String, PoolTotals>,
    /// Count and time of tool calls.
    pub(crate) tool_calls: BTreeMap<(String, CallOutcome), (u64, Duration)>,
    /// How often each client was over each limit.
    pub(crate) refusals: BTreeMap<(Option<String>, Limit), u64>,
    pub(crate) unshared_limits: u64,
}

/// Totals of one connection's pools.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct PoolTotals {
    pub(crate) timeouts: u64,
    pub(crate) opened: u64,
    pub(crate) open_failures: u64,
}

impl PoolTotals {
    fn add(&mut self, before: &PoolVitals, now: &PoolVitals) {
        self.timeouts += now.timeouts_total.saturating_sub(before.timeouts_total);
        self.opened += now.opened_total.saturating_sub(before.opened_total);
        self.open_failures += now.open_failures_total.saturating_sub(before.open_failures_total);
    }
}

/// The pools of a worker by the names of their connections, the default one first.
pub(crate) fn pools(vitals: &Vitals) -> impl Iterator<Item = (&str, &PoolVitals)> {
    let named = vitals.named_pools.iter().map(|one| (one.name.as_str(), &one.pool));
    std::iter::once((DEFAULT_CONNECTION, &vitals.pool)).chain(named)
}

impl Totals {
    /// Adds what a run counted between two of its heartbeats.
    pub(crate) fn add(&mut self, app: &AppName, before: &Vitals, now: &Vitals) {
        let totals = self.by_app.entry(app.clone()).or_default();
        totals.requests += now.requests_total.saturating_sub(before.requests_total);
        totals.request_errors +=
            now.request_errors_total.saturating_sub(before.request_errors_total);
        totals.unshared_limits +=
            now.unshared_limits_total.saturating_sub(before.unshared_limits_total);
        for refused in &now.refusals {
            let same = |old: &&Refusals| old.client == refused.client && old.limit == refused.limit;
            let old = before.refusals.iter().find(same).map_or(0, |old| old.count_total);
            let sum = totals.refusals.entry((refused.client.clone(), refused.limit)).or_default();
            *sum += refused.count_total.saturating_sub(old);
        }
        let old: BTreeMap<&str, &PoolVitals> = pools(before).collect();
        for (name, pool) in pools(now) {
            let before = old.get(name).map_or_else(PoolVitals::default, |pool| **pool);
            totals.pools.entry(name.to_owned()).or_default().add(&before, pool);
        }
        for calls in &now.tool_calls {
            let same = |old: &&mcp_protocol::message::ToolCalls| {
                old.tool == calls.tool && old.outcome == calls.outcome
            };
            let old = before.tool_calls.iter().find(same);
            let (count, time) =
                old.map_or((0, Duration::ZERO), |old| (old.count_total, old.duration_total));
            let sum = totals.tool_calls.entry((calls.tool.clone(), calls.outcome)).or_default();
            sum.0 += calls.count_total.saturating_sub(count);
            sum.1 += calls.duration_total.saturating_sub(time);
        }
    }

    /// Adds what a process of a slot used of the processor.
    pub(crate) fn add_cpu(&mut self, slot: &SlotId, time: Duration) {
        match self.cpu.get_mut(slot) {
            Some(sum) => *sum += time,
            None => drop(self.cpu.insert(slot.clone(), time)),
        }
    }

    /// Processor time of the processes of each slot.
    pub(crate) fn cpu(&self) -> impl Iterator<Item = (&SlotId, Duration)> {
        self.cpu.iter().map(|(slot, time)| (slot, *time))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&AppName, &AppTotals)> {
        self.by_app.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::message::{NamedPool, ToolCalls};

    fn vitals(requests: u64, calls: u64) -> Vitals {
        let calls = ToolCalls {
            tool: "execute_query".to_owned(),
            outcome: CallOutcome::Ok,
            count_total: calls,
            duration_total: Duration::from_millis(calls * 10),
        };
        Vitals { requests_total: requests, tool_calls: vec![calls], ..Vitals::default() }
    }

    #[test]
    fn refusals_are_added_up_by_client_and_limit() {
        let mut totals = Totals::default();
        let app = AppName::new("query");
        let vitals = |client: Option<&str>, count_total| {
            let client = client.map(str::to_owned);
            let refused = Refusals { client, limit: Limit::Requests, count_total };
            Vitals { refusals: vec![refused], unshared_limits_total: 1, ..Vitals::default() }
        };
        totals.add(&app, &Vitals::default(), &vitals(Some("team"), 3));
        totals.add(&app, &vitals(Some("team"), 3), &vitals(Some("team"), 5));
        totals.add(&app, &Vitals::default(), &vitals(None, 7));
        let (_, sum) = totals.iter().next().unwrap();
        let counts: Vec<u64> = sum.refusals.values().copied().collect();
        assert_eq!((counts, sum.unshared_limits), (vec![7, 5], 2));
    }

    #[test]
    fn each_connection_is_counted_by_itself() {
        let pool = |opened_total| PoolVitals { opened_total, ..PoolVitals::default() };
        let vitals = |default, finance| Vitals {
            pool: pool(default),
            named_pools: vec![NamedPool { name: "finance".to_owned(), pool: pool(finance) }],
            ..Vitals::default()
        };
        let mut totals = Totals::default();
        let app = AppName::new("query");
        totals.add(&app, &Vitals::default(), &vitals(1, 4));
        totals.add(&app, &vitals(1, 4), &vitals(3, 5));
        let (_, sum) = totals.iter().next().unwrap();
        let opened: Vec<_> =
            sum.pools.iter().map(|(name, one)| (name.as_str(), one.opened)).collect();
        assert_eq!(opened, [("default", 3), ("finance", 5)]);
    }

    #[test]
    fn a_new_run_goes_on_where_the_last_one_ended() {
        let mut totals = Totals::default();
        let app = AppName::new("query");
        totals.add(&app, &Vitals::default(), &vitals(10, 2));
        totals.add(&app, &vitals(10, 2), &vitals(15, 3));
        totals.add(&app, &Vitals::default(), &vitals(1, 1));
        let (_, sum) = totals.iter().next().unwrap();
        assert_eq!(sum.requests, 16);
        let calls = sum.tool_calls.values().next().unwrap();
        assert_eq!(*calls, (4, Duration::from_millis(40)));
    }
}
