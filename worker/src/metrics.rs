//! What the worker counts; sent to the supervisor as [`Vitals`] with each heartbeat.
//!
//! Plain counters: the supervisor keeps the registry and the text form. Labels are bounded: tools
//! are counted by their own static names, never by what a client sent.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_protocol::message::{
    CallOutcome, CertificateVitals, Limit, PoolVitals, Refusals, ToolCalls, Vitals,
};

/// The counters of one worker.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: AtomicU64,
    request_errors: AtomicU64,
    in_flight: AtomicU32,
    connections: AtomicU32,
    tool_calls: Mutex<BTreeMap<(&'static str, CallOutcome), Tally>>,
    refusals: Mutex<BTreeMap<(Option<String>, Limit), u64>>,
    unshared_limits: AtomicU64,
    certificate: Mutex<Option<CertificateVitals>>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    count: u64,
    duration: Duration,
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

    /// A tool call came to its end.
    pub fn tool_called(&self, tool: &'static str, outcome: CallOutcome, took: Duration) {
        let mut calls = self.tool_calls.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = calls.entry((tool, outcome)).or_default();
        tally.count += 1;
        tally.duration += took;
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

    /// All the counters at this moment; of pools only that of the default connection, and without
    /// what the logs know.
    #[must_use]
    pub fn vitals(&self, pool: PoolVitals) -> Vitals {
        let calls = self.tool_calls.lock().unwrap_or_else(PoisonError::into_inner);
        Vitals {
            requests_total: self.requests.load(Ordering::Relaxed),
            request_errors_total: self.request_errors.load(Ordering::Relaxed),
            requests_in_flight: self.in_flight.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            tool_calls: calls
                .iter()
                .map(|((tool, outcome), tally)| ToolCalls {
                    tool: (*tool).to_owned(),
                    outcome: *outcome,
                    count_total: tally.count,
                    duration_total: tally.duration,
                })
                .collect(),
            pool,
            refusals: self.refusals(),
            unshared_limits_total: self.unshared_limits.load(Ordering::Relaxed),
            certificate: *self.certificate.lock().unwrap_or_else(PoisonError::into_inner),
            named_pools: Vec::new(),
            log_lines_dropped_total: 0,
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

    #[test]
    fn counters_reach_the_vitals_and_gauges_fall_back() {
        let metrics = Arc::new(Metrics::default());
        let gauge = metrics.request_started();
        assert_eq!(metrics.vitals(PoolVitals::default()).requests_in_flight, 1);
        drop(gauge);
        metrics.request_answered(http::StatusCode::OK);
        metrics.request_answered(http::StatusCode::BAD_GATEWAY);
        let second = Duration::from_secs(1);
        metrics.tool_called("query_view", CallOutcome::Ok, second);
        metrics.tool_called("query_view", CallOutcome::Ok, second);
        let vitals = metrics.vitals(PoolVitals::default());
        assert_eq!(vitals.requests_in_flight, 0);
        assert_eq!((vitals.requests_total, vitals.request_errors_total), (2, 1));
        assert_eq!(vitals.tool_calls.len(), 1);
        assert_eq!(vitals.tool_calls[0].count_total, 2);
        assert_eq!(vitals.tool_calls[0].duration_total, second * 2);
    }
}
