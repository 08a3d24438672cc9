//! What the worker counts; sent to the supervisor as [`Vitals`] with each heartbeat.
//!
//! Plain counters: the supervisor adds them up and writes them down. Labels are bounded: tools are
//! counted by their own static names, clients by the operator's, never by what a client sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_protocol::health::{Fullness, Growth, LOGS_LOST_FOR};
use mcp_protocol::measure::{Measure, Series, TraceId};
use mcp_protocol::message::{
    CallOutcome, CertificateVitals, Limit, PoolVitals, Refusals, RevocationListVitals,
    SESSIONS_MAX, Vitals,
};
use mcp_protocol::relay::SessionTag;

use crate::clock::Moment;
use crate::tallies::Tallies;

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: AtomicU64,
    request_errors: AtomicU64,
    in_flight: AtomicU32,
    connections: AtomicU32,
    refusals: Mutex<BTreeMap<(Option<String>, Limit), u64>>,
    unshared_limits: AtomicU64,
    certificate: Mutex<Option<CertificateVitals>>,
    revocation_lists: Mutex<Option<RevocationListVitals>>,
    /// Those that sent a request since the supervisor was told.
    sessions: Mutex<BTreeSet<u64>>,
    /// What is looked at with each heartbeat: lines of logs that were lost, and the pools by the
    /// names of their connections.
    lines_lost: Mutex<Growth>,
    pools: Mutex<BTreeMap<String, Fullness>>,
    /// Numbers under labels.
    pub tallies: Tallies,
}

/// A tool call at its end.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The tool, by its own static name.
    pub tool: &'static str,
    /// The client's name in the configuration.
    pub client: Option<&'a str>,
    /// How it ended.
    pub outcome: CallOutcome,
    /// What was wrong, and the status that HTTP would have for it.
    pub ending: Ending,
    /// How long it took.
    pub took: Duration,
    /// The trace that it is part of.
    pub trace: Option<TraceId>,
}

/// How a call ended, in the words of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// What was wrong, in a word; none when nothing was.
    pub wrong: Option<&'static str>,
    /// The status that HTTP would have for it.
    pub status: &'static str,
}

impl Ending {
    /// With an answer.
    pub const ANSWERED: Ending = Ending { wrong: None, status: "200" };
    /// Nobody wanted the answer any more.
    pub const CANCELLED: Ending = Ending { wrong: None, status: "499" };

    /// Without an answer.
    #[must_use]
    pub const fn wrong(wrong: &'static str, status: &'static str) -> Ending {
        Ending { wrong: Some(wrong), status }
    }
}

/// One more of something, until it is dropped.
#[derive(Debug)]
pub struct Gauge {
    metrics: Arc<Metrics>,
    which: Which,
}

#[derive(Debug, Clone, Copy)]
enum Which {
    InFlight,
    Connections,
}

impl Metrics {
    /// A request is being answered until the gauge is dropped.
    #[must_use]
    pub fn request_started(self: &Arc<Metrics>) -> Gauge {
        Gauge::raise(self, Which::InFlight)
    }

    /// A connection is open until the gauge is dropped.
    #[must_use]
    pub fn connection_opened(self: &Arc<Metrics>) -> Gauge {
        Gauge::raise(self, Which::Connections)
    }

    /// A request was answered with this status.
    pub fn request_answered(&self, status: http::StatusCode) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if status.is_server_error() {
            self.request_errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An HTTP request for this kind of path was answered after so long.
    pub fn responded(
        &self,
        path: &'static str,
        status: http::StatusCode,
        took: Duration,
        trace: Option<TraceId>,
    ) {
        self.request_answered(status);
        let class = match status.as_u16() / 100 {
            1 => "1xx",
            2 => "2xx",
            3 => "3xx",
            4 => "4xx",
            _ => "5xx",
        };
        self.tallies.count(Measure::Responses, &[path, class], 1);
        self.tallies.size(Measure::ResponseSeconds, &[path], took.as_secs_f64(), trace);
    }

    /// A tool call came to its end.
    pub fn tool_called(&self, call: Called<'_>) {
        let Called { tool, client, outcome, ending, took, trace } = call;
        let outcome = outcome.name();
        // Names of clients are not empty.
        let labels = &[tool, client.unwrap_or_default(), outcome, ending.status];
        self.tallies.count(Measure::Calls, labels, 1);
        self.tallies.size(Measure::CallSeconds, &[tool, outcome], took.as_secs_f64(), trace);
        if let Some(wrong) = ending.wrong {
            self.tallies.count(Measure::CallErrors, &[wrong], 1);
        }
    }

    /// A session sent a request.
    pub fn session_seen(&self, SessionTag(tag): SessionTag) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() < SESSIONS_MAX
            && let Some(half) = tag.first_chunk()
        {
            sessions.insert(u64::from_be_bytes(*half));
        }
    }

    /// Takes out the sessions that the supervisor is to be told of now.
    #[must_use]
    pub fn take_sessions(&self) -> Vec<u64> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *sessions).into_iter().collect()
    }

    /// Takes back what the supervisor could not be told.
    pub fn take_back(&self, series: Vec<Series>, sessions: Vec<u64>) {
        self.tallies.take_back(series);
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).extend(sessions);
    }

    /// A client, known by its name in the configuration, was over a limit.
    pub fn refused(&self, client: Option<&str>, limit: Limit) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        *refusals.entry((client.map(str::to_owned), limit)).or_default() += 1;
    }

    /// A limit was decided by this worker alone.
    pub fn limit_unshared(&self) {
        self.unshared_limits.fetch_add(1, Ordering::Relaxed);
    }

    /// The certificate at the door is this one.
    pub fn certificate_shown(&self, certificate: CertificateVitals) {
        *self.certificate.lock().unwrap_or_else(PoisonError::into_inner) = Some(certificate);
    }

    /// The lists of revoked certificates at the door are these.
    pub fn revocation_lists(&self, lists: Option<RevocationListVitals>) {
        *self.revocation_lists.lock().unwrap_or_else(PoisonError::into_inner) = lists;
    }

    /// So many lines of logs were lost by now, since the worker began.
    pub fn lines_lost(&self, total: u64, now: Moment) {
        let mut lost = self.lines_lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.look(total, now.since(Moment::START));
    }

    /// Whether lines of logs were lost lately.
    #[must_use]
    pub fn loses_lines(&self, now: Moment) -> bool {
        let lost = self.lines_lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.grew_within(LOGS_LOST_FOR, now.since(Moment::START))
    }

    /// How the pool of a connection is now.
    pub fn pool_looked_at(&self, connection: &str, pool: &PoolVitals, now: Moment) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.entry(connection.to_owned()).or_default();
        known.look((pool.active(), pool.max), now.since(Moment::START));
    }

    /// Whether the pool of a connection has been nearly full for a while.
    #[must_use]
    pub fn pool_stays_full(&self, connection: &str, now: Moment) -> bool {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.get(connection).is_some_and(|pool| pool.lasts(now.since(Moment::START)))
    }

    /// All the counters at this moment; of pools only that of the default connection, and nothing
    /// that is told only once.
    #[must_use]
    pub fn vitals(&self, pool: PoolVitals) -> Vitals {
        Vitals {
            requests_total: self.requests.load(Ordering::Relaxed),
            request_errors_total: self.request_errors.load(Ordering::Relaxed),
            requests_in_flight: self.in_flight.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            pool,
            refusals: self.refusals(),
            unshared_limits_total: self.unshared_limits.load(Ordering::Relaxed),
            certificate: *self.certificate.lock().unwrap_or_else(PoisonError::into_inner),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revocation_lists: *self.revocation_lists.lock().unwrap_or_else(PoisonError::into_inner),
            log_lines_dropped_total: self
                .lines_lost
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .total(),
            ..Vitals::default()
        }
    }

    fn refusals(&self) -> Vec<Refusals> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |((client, limit), count): (&(Option<String>, Limit), &u64)| Refusals {
            client: client.clone(),
            limit: *limit,
            count_total: *count,
        };
        refusals.iter().map(one).collect()
    }

    fn gauge(&self, which: Which) -> &AtomicU32 {
        match which {
            Which::InFlight => &self.in_flight,
            Which::Connections => &self.connections,
        }
    }
}

impl Gauge {
    fn raise(metrics: &Arc<Metrics>, which: Which) -> Gauge {
        metrics.gauge(which).fetch_add(1, Ordering::Relaxed);
        Gauge { metrics: Arc::clone(metrics), which }
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.metrics.gauge(self.which).fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::health::POOL_FULL_FOR;
    use mcp_protocol::measure::More;

    #[test]
    fn counters_reach_the_vitals_and_gauges_fall_back() {
        let metrics = Arc::new(Metrics::default());
        let gauge = metrics.request_started();
        assert_eq!(metrics.vitals(PoolVitals::default()).requests_in_flight, 1);
        drop(gauge);
        metrics.request_answered(http::StatusCode::OK);
        metrics.request_answered(http::StatusCode::BAD_GATEWAY);
        let vitals = metrics.vitals(PoolVitals::default());
        assert_eq!(vitals.requests_in_flight, 0);
        assert_eq!((vitals.requests_total, vitals.request_errors_total), (2, 1));
    }

    #[test]
    fn a_call_is_counted_by_tool_client_outcome_and_what_was_wrong() {
        let metrics = Metrics::default();
        let call = Called {
            tool: "query_view",
            client: Some("team"),
            outcome: CallOutcome::Error,
            ending: Ending::wrong("timeout", "504"),
            took: Duration::from_secs(1),
            trace: None,
        };
        metrics.tool_called(call);
        metrics.tool_called(Called { client: None, ..call });
        let untold = metrics.tallies.untold();
        let count = |measure, labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
            untold.get(&(measure, labels)).cloned()
        };
        let one = Some(More::Count(1));
        assert_eq!(count(Measure::Calls, &["query_view", "team", "error", "504"]), one);
        assert_eq!(count(Measure::Calls, &["query_view", "", "error", "504"]), one);
        assert_eq!(count(Measure::CallErrors, &["timeout"]), Some(More::Count(2)));
        let Some(More::Sizes(sizes)) = count(Measure::CallSeconds, &["query_view", "error"]) else {
            panic!("no sizes")
        };
        assert!((sizes.sum - 2.0).abs() < 1e-9, "{sizes:?}");
    }

    #[test]
    fn a_pool_that_stays_full_is_known_by_its_connection() {
        let metrics = Metrics::default();
        let pool = PoolVitals { max: 4, total: 4, ..PoolVitals::default() };
        let later = Moment::START + POOL_FULL_FOR;
        metrics.pool_looked_at("finance", &pool, Moment::START);
        assert!(!metrics.pool_stays_full("finance", Moment::START));
        assert!(metrics.pool_stays_full("finance", later));
        assert!(!metrics.pool_stays_full("default", later));
        metrics.pool_looked_at("finance", &PoolVitals { idle: 1, ..pool }, later);
        assert!(!metrics.pool_stays_full("finance", later));
    }

    #[test]
    fn a_session_is_told_once() {
        let metrics = Metrics::default();
        metrics.session_seen(SessionTag([1; 16]));
        metrics.session_seen(SessionTag([1; 16]));
        metrics.session_seen(SessionTag([2; 16]));
        let told = metrics.take_sessions();
        assert_eq!((told.len(), metrics.take_sessions().len()), (2, 0));
        metrics.take_back(Vec::new(), told);
        assert_eq!(metrics.take_sessions().len(), 2);
    }
}
