//! What workers counted, added up so that it never goes back: a new run starts from zero, the
//! app's total does not.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use mcp_protocol::health::{EXHAUSTED_FOR, Fullness, Growth, LOGS_LOST_FOR};
use mcp_protocol::measure::{Measure, More, Series};
use mcp_protocol::message::{Limit, PoolVitals, Refusals, Vitals};
use mcp_protocol::settings::DEFAULT_CONNECTION;

use crate::machine::{AppName, SlotId};

/// The most series of one app; labels are bounded, so that nobody comes near.
const SERIES_MAX: usize = 20_000;
/// A session that sent nothing for so long is not active.
const SESSION_IDLE_MAX: Duration = Duration::from_secs(300);
/// The most active sessions of one app that are told apart.
const SESSIONS_MAX: usize = 100_000;
/// Over this time a rate is taken, from looks that are this far apart.
const RATE_OVER: Duration = Duration::from_secs(60);
const RATE_EVERY: Duration = Duration::from_secs(5);

/// Totals of every app since the supervisor began.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    by_app: BTreeMap<AppName, AppTotals>,
    /// Processor time of the processes of each slot.
    cpu: BTreeMap<SlotId, Duration>,
    /// Lines of our own logs, and bytes of output, that could not be kept.
    pub(crate) own_logs: Growth,
}

/// Totals of one app.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct AppTotals {
    pub(crate) requests: u64,
    pub(crate) request_errors: u64,
    /// By the names of connections.
    pub(crate) pools: BTreeMap<String, PoolTotals>,
    /// How often each client was over each limit.
    pub(crate) refusals: BTreeMap<(Option<String>, Limit), u64>,
    pub(crate) unshared_limits: u64,
    pub(crate) log_lines_dropped: Growth,
    /// By measure, and the values of its labels.
    pub(crate) series: BTreeMap<(Measure, Vec<String>), More>,
    /// When each session was last heard of.
    sessions: HashMap<u64, Duration>,
    /// How many calls there had been, and when that was looked at.
    looks: VecDeque<(Duration, u64)>,
    calls: u64,
}

/// Totals of one connection's pools.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct PoolTotals {
    pub(crate) timeouts: Growth,
    pub(crate) opened: u64,
    pub(crate) open_failures: u64,
    /// How full the pools of all workers are together.
    pub(crate) fullness: Fullness,
}

impl PoolTotals {
    fn add(&mut self, (before, vitals): (&PoolVitals, &PoolVitals), now: Duration) {
        let timeouts = vitals.timeouts_total.saturating_sub(before.timeouts_total);
        self.timeouts.look(self.timeouts.total() + timeouts, now);
        self.opened += vitals.opened_total.saturating_sub(before.opened_total);
        self.open_failures += vitals.open_failures_total.saturating_sub(before.open_failures_total);
    }

    /// Whether callers wait in vain, or are about to.
    pub(crate) fn is_short(&self, now: Duration) -> bool {
        self.fullness.lasts(now) || self.timeouts.grew_within(EXHAUSTED_FOR, now)
    }
}

/// The pools of a worker by the names of their connections, the default one first.
pub(crate) fn pools(vitals: &Vitals) -> impl Iterator<Item = (&str, &PoolVitals)> {
    let named = vitals.named_pools.iter().map(|one| (one.name.as_str(), &one.pool));
    std::iter::once((DEFAULT_CONNECTION, &vitals.pool)).chain(named)
}

impl AppTotals {
    /// Takes in what came to a series; what this side does not know is left out.
    fn count(&mut self, series: &Series) {
        let Some(measure) = Measure::of_number(series.measure) else { return };
        if series.labels.len() + 1 != measure.family().labels.len() {
            return;
        }
        if let (Measure::Calls, More::Count(many)) = (measure, &series.more) {
            self.calls = self.calls.saturating_add(*many);
        }
        let key = (measure, series.labels.clone());
        let has_room = self.series.len() < SERIES_MAX;
        match self.series.get_mut(&key) {
            Some(sum) => sum.add(&series.more),
            None if has_room => drop(self.series.insert(key, series.more.clone())),
            None => {
                let dropped = self.series.entry((Measure::SeriesDropped, Vec::new()));
                dropped.or_insert(More::Count(0)).add(&More::Count(1));
            }
        }
    }

    /// Sessions that sent a request lately, as of now.
    pub(crate) fn sessions(&self, now: Duration) -> usize {
        self.sessions.values().filter(|seen| is_active(**seen, now)).count()
    }

    fn note_sessions(&mut self, sessions: &[u64], now: Duration) {
        if self.sessions.len() + sessions.len() > SESSIONS_MAX || sessions.is_empty() {
            self.sessions.retain(|_, seen| is_active(*seen, now));
        }
        for session in sessions {
            if self.sessions.len() < SESSIONS_MAX || self.sessions.contains_key(session) {
                self.sessions.insert(*session, now);
            }
        }
    }

    /// Whether its workers lost lines of their logs lately.
    pub(crate) fn loses_lines(&self, now: Duration) -> bool {
        self.log_lines_dropped.grew_within(LOGS_LOST_FOR, now)
    }

    /// Calls a second over the last minute, as of now.
    pub(crate) fn calls_per_second(&self, now: Duration) -> f64 {
        let is_recent = |(at, _): &&(Duration, u64)| now.saturating_sub(*at) <= RATE_OVER;
        let Some((at, before)) = self.looks.iter().find(is_recent) else { return 0.0 };
        let time = now.saturating_sub(*at).as_secs_f64();
        if time < 1.0 {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate is no count")]
        let calls = self.calls.saturating_sub(*before) as f64;
        calls / time
    }

    fn look(&mut self, now: Duration) {
        if self.looks.back().is_some_and(|(at, _)| now.saturating_sub(*at) < RATE_EVERY) {
            return;
        }
        self.looks.push_back((now, self.calls));
        while self.looks.front().is_some_and(|(at, _)| now.saturating_sub(*at) > RATE_OVER) {
            self.looks.pop_front();
        }
    }
}

fn is_active(seen: Duration, now: Duration) -> bool {
    now.saturating_sub(seen) <= SESSION_IDLE_MAX
}

impl Totals {
    /// Adds what a run counted between two of its heartbeats, the latter of which came now.
    pub(crate) fn add(
        &mut self,
        app: &AppName,
        (before, vitals): (&Vitals, &Vitals),
        now: Duration,
    ) {
        let totals = self.by_app.entry(app.clone()).or_default();
        totals.look(now);
        totals.requests += vitals.requests_total.saturating_sub(before.requests_total);
        totals.request_errors +=
            vitals.request_errors_total.saturating_sub(before.request_errors_total);
        totals.unshared_limits +=
            vitals.unshared_limits_total.saturating_sub(before.unshared_limits_total);
        let lost = vitals.log_lines_dropped_total.saturating_sub(before.log_lines_dropped_total);
        totals.log_lines_dropped.look(totals.log_lines_dropped.total() + lost, now);
        for refused in &vitals.refusals {
            let same = |old: &&Refusals| old.client == refused.client && old.limit == refused.limit;
            let old = before.refusals.iter().find(same).map_or(0, |old| old.count_total);
            let sum = totals.refusals.entry((refused.client.clone(), refused.limit)).or_default();
            *sum += refused.count_total.saturating_sub(old);
        }
        let old: BTreeMap<&str, &PoolVitals> = pools(before).collect();
        for (name, pool) in pools(vitals) {
            let before = old.get(name).map_or_else(PoolVitals::default, |pool| **pool);
            totals.pools.entry(name.to_owned()).or_default().add((&before, pool), now);
        }
        totals.note_sessions(&vitals.sessions, now);
        vitals.series.iter().for_each(|series| totals.count(series));
    }

    /// So many sessions of all workers of an app are in use, of so many allowed.
    pub(crate) fn look_at_pool(
        &mut self,
        (app, connection): (&AppName, &str),
        sessions: (u32, u32),
        now: Duration,
    ) {
        if let Some(app) = self.by_app.get_mut(app) {
            let pool = app.pools.entry(connection.to_owned()).or_default();
            pool.fullness.look(sessions, now);
        }
    }

    /// Adds what a process of a slot used of the processor.
    pub(crate) fn add_cpu(&mut self, slot: &SlotId, time: Duration) {
        match self.cpu.get_mut(slot) {
            Some(sum) => *sum += time,
            None => drop(self.cpu.insert(slot.clone(), time)),
        }
    }

    /// Forgets the apps that are not there any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&AppName) -> bool) {
        self.by_app.retain(|app, _| is_there(app));
        self.cpu.retain(|slot, _| is_there(&slot.app));
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
    use mcp_protocol::measure::Sizes;
    use mcp_protocol::message::NamedPool;

    const NOW: Duration = Duration::from_secs(1_000);

    fn called(requests: u64, calls: u64) -> Vitals {
        let labels = ["execute_query", "team", "ok", "200"].map(str::to_owned).to_vec();
        let count = More::Count(calls);
        let calls = Series { measure: Measure::Calls.number(), labels, more: count };
        Vitals { requests_total: requests, series: vec![calls], ..Vitals::default() }
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
        totals.add(&app, (&Vitals::default(), &vitals(Some("team"), 3)), NOW);
        totals.add(&app, (&vitals(Some("team"), 3), &vitals(Some("team"), 5)), NOW);
        totals.add(&app, (&Vitals::default(), &vitals(None, 7)), NOW);
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
        totals.add(&app, (&Vitals::default(), &vitals(1, 4)), NOW);
        totals.add(&app, (&vitals(1, 4), &vitals(3, 5)), NOW);
        let (_, sum) = totals.iter().next().unwrap();
        let opened: Vec<_> =
            sum.pools.iter().map(|(name, one)| (name.as_str(), one.opened)).collect();
        assert_eq!(opened, [("default", 3), ("finance", 5)]);
    }

    #[test]
    fn a_new_run_goes_on_where_the_last_one_ended() {
        let mut totals = Totals::default();
        let app = AppName::new("query");
        totals.add(&app, (&Vitals::default(), &called(10, 2)), NOW);
        totals.add(&app, (&called(10, 2), &called(15, 3)), NOW);
        totals.add(&app, (&Vitals::default(), &called(1, 1)), NOW);
        let (_, sum) = totals.iter().next().unwrap();
        assert_eq!(sum.requests, 16);
        assert_eq!(sum.series.values().collect::<Vec<_>>(), [&More::Count(6)]);
    }

    #[test]
    fn histograms_of_one_run_after_another_are_one_and_what_is_unknown_is_left_out() {
        let mut sizes = Sizes::default();
        sizes.count(&[1.0], 0.5, None);
        let labels = || vec!["default".to_owned()];
        let measure = Measure::AcquireSeconds.number();
        let series = vec![
            Series { measure, labels: labels(), more: More::Sizes(sizes) },
            Series { measure, labels: Vec::new(), more: More::Count(1) },
            Series { measure: 9_999, labels: labels(), more: More::Count(1) },
        ];
        let vitals = Vitals { series, ..Vitals::default() };
        let (mut totals, app) = (Totals::default(), AppName::new("query"));
        totals.add(&app, (&Vitals::default(), &vitals), NOW);
        totals.add(&app, (&Vitals::default(), &vitals), NOW);
        let (_, sum) = totals.iter().next().unwrap();
        let kept: Vec<_> = sum.series.iter().collect();
        let [((Measure::AcquireSeconds, _), More::Sizes(sizes))] = kept[..] else {
            panic!("{kept:?}")
        };
        assert_eq!((sizes.of_bucket(0), sizes.sum), (2, 1.0));
    }

    #[test]
    fn a_session_counts_once_however_many_workers_serve_it_and_not_for_ever() {
        let heard = |sessions: &[u64]| Vitals { sessions: sessions.to_vec(), ..Vitals::default() };
        let (mut totals, app) = (Totals::default(), AppName::new("query"));
        let none = Vitals::default();
        totals.add(&app, (&none, &heard(&[1, 2])), NOW);
        let later = NOW + Duration::from_secs(200);
        totals.add(&app, (&none, &heard(&[2, 3])), later);
        let count = |totals: &Totals, now| totals.iter().next().unwrap().1.sessions(now);
        assert_eq!(count(&totals, later), 3);
        assert_eq!(count(&totals, later + Duration::from_secs(200)), 2);
        totals.add(&app, (&none, &none), later + Duration::from_secs(400));
        assert!(totals.by_app[&app].sessions.is_empty(), "who is gone takes no memory");
    }

    #[test]
    fn a_rate_is_of_the_last_minute() {
        let (mut totals, app) = (Totals::default(), AppName::new("query"));
        let rate = |totals: &Totals, now| totals.by_app[&app].calls_per_second(now);
        for second in 0..200 {
            let calls = if second < 100 { 2 } else { 10 };
            let now = NOW + Duration::from_secs(second);
            totals.add(&app, (&Vitals::default(), &called(0, calls)), now);
        }
        let now = NOW + Duration::from_secs(199);
        assert!((rate(&totals, now) - 10.0).abs() < 0.5, "{}", rate(&totals, now));
        assert!(rate(&totals, now + RATE_OVER * 2).abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (mut totals, app) = (Totals::default(), AppName::new("query"));
        totals.add(&app, (&Vitals::default(), &called(1, 1)), NOW);
        totals.add_cpu(&SlotId { app: app.clone(), index: 0 }, NOW);
        totals.retain(|name| *name == app);
        assert_eq!((totals.iter().count(), totals.cpu().count()), (1, 1));
        totals.retain(|_| false);
        assert_eq!((totals.iter().count(), totals.cpu().count()), (0, 0));
    }
}
