//! What workers counted, added up so that it never goes back: a new run starts from zero, the
//! app's total does not.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_protocol::message::{CallOutcome, Limit, Refusals, Vitals};

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
    pub(crate) pool_timeouts: u64,
    pub(crate) pool_opened: u64,
    pub(crate) pool_open_failures: u64,
    /// Count and time of tool calls.
    pub(crate) tool_calls: BTreeMap<(String, CallOutcome), (u64, Duration)>,
    /// How often each client was over each limit.
    pub(crate) refusals: BTreeMap<(Option<String>, Limit), u64>,
    pub(crate) unshared_limits: u64,
}

impl Totals {
    /// Adds what a run counted between two of its heartbeats.
    pub(crate) fn add(&mut self, app: &AppName, before: &Vitals, now: &Vitals) {
        let totals = self.by_app.entry(app.clone()).or_default();
        totals.requests += now.requests_total.saturating_sub(before.requests_total);
        totals.request_errors +=
            now.request_errors_total.saturating_sub(before.request_errors_total);
        totals.pool_timeouts += now.pool.timeouts_total.saturating_sub(before.pool.timeouts_total);
        totals.pool_opened += now.pool.opened_total.saturating_sub(before.pool.opened_total);
        totals.pool_open_failures +=
            now.pool.open_failures_total.saturating_sub(before.pool.open_failures_total);
        totals.unshared_limits +=
            now.unshared_limits_total.saturating_sub(before.unshared_limits_total);
        for refused in &now.refusals {
            let same = |old: &&Refusals| old.client == refused.client && old.limit == refused.limit;
            let old = before.refusals.iter().find(same).map_or(0, |old| old.count_total);
            let sum = totals.refusals.entry((refused.client.clone(), refused.limit)).or_default();
            *sum += refused.count_total.saturating_sub(old);
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
    use mcp_protocol::message::ToolCalls;

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
