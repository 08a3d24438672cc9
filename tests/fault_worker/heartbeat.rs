//! What the misbehaving worker says of itself every so often.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use mcp_protocol::measure::{Exemplar, Kind, Measure, More, Series, Sizes, TraceId};
use mcp_protocol::message::{
    CertificateVitals, FromWorker, Limit, Logins, NamedPool, PoolVitals, Refusals,
    RevocationListVitals, Vitals,
};
use mcp_protocol::settings::Settings;

use super::{Faults, tell};

/// Sends heartbeats until the process ends.
pub(super) fn beat(
    link: &Arc<UnixStream>,
    settings: &Settings,
    requests: &Arc<AtomicU64>,
    faults: &Faults,
) {
    let (link, requests) = (Arc::clone(link), Arc::clone(requests));
    let (every, faults) = (settings.heartbeat_every, faults.clone());
    let (_never, wait) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _keep = _never;
        let (mut told, mut failures) = (0, 0);
        loop {
            let requests_total = requests.load(Ordering::Relaxed);
            let mut vitals = Vitals { requests_total, ..Vitals::default() };
            if faults.ailing_when.as_ref().is_some_and(|file| file.exists()) {
                failures += 1;
                ail(&mut vitals, failures);
            }
            if faults.refused_when.as_ref().is_some_and(|file| file.exists()) {
                vitals.pool.logins = Logins::Refused;
                let pool = PoolVitals { logins: Logins::Failing, ..PoolVitals::default() };
                vitals.named_pools.push(NamedPool { name: "finance".to_owned(), pool });
                let pool = PoolVitals { logins: Logins::LoggedOut, ..PoolVitals::default() };
                vitals.named_pools.push(NamedPool { name: "people".to_owned(), pool });
            }
            if faults.counts {
                count(&mut vitals, requests_total - told);
                told = requests_total;
            }
            tell(&link, &FromWorker::Heartbeat(vitals));
            let _ = wait.recv_timeout(every);
        }
    });
}

/// All sessions are in use, more cannot be opened and callers wait in vain, a call failed after 20 seconds, log lines were
/// lost, and the certificate ends tomorrow and cannot be renewed.
fn ail(vitals: &mut Vitals, failures: u64) {
    vitals.pool = PoolVitals { total: 10, idle: 0, max: 10, ..PoolVitals::default() };
    vitals.pool.open_failures_total = failures;
    vitals.pool.timeouts_total = failures;
    vitals.log_lines_dropped_total = failures;
    #[expect(clippy::disallowed_methods, reason = "certificates end by the calendar")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let expires_at = now.expect("it is after 1970").as_secs() + 24 * 60 * 60;
    vitals.certificate = Some(CertificateVitals { expires_at, renewal_fails: true });
    let mut failed = |measure: Measure, more: More| {
        let value = |label: &&'static str| match *label {
            "tool" => "execute_query".to_owned(),
            "outcome" => "error".to_owned(),
            "status" => "500".to_owned(),
            _client => String::new(),
        };
        let labels = measure.family().labels[1..].iter().map(value).collect();
        vitals.series.push(Series { measure: measure.number(), labels, more });
    };
    failed(Measure::Calls, More::Count(1));
    if let Kind::Histogram(ends) = Measure::CallSeconds.family().kind {
        let mut sizes = Sizes::default();
        sizes.count(ends, 20.0, None);
        failed(Measure::CallSeconds, More::Sizes(sizes));
    }
}

/// Counts so many more of everything; each label is its own name.
fn count(vitals: &mut Vitals, more: u64) {
    let exemplar = Exemplar { trace: TraceId([0xAB; 16]), size: 0.02, at_ms: 1_800_000_000_000 };
    let sizes = |ends: &[f64]| {
        let mut sizes = Sizes::default();
        (0..more).for_each(|_| sizes.count(ends, 0.02, Some(exemplar)));
        More::Sizes(sizes)
    };
    let measures = Measure::ALL.into_iter().filter(|_| more > 0);
    vitals.series = measures
        .map(|measure| {
            let family = measure.family();
            let labels = family.labels[1..].iter().map(|label| (*label).to_owned()).collect();
            let more = match family.kind {
                Kind::Histogram(ends) => sizes(ends),
                Kind::Counter | Kind::Gauge => More::Count(more),
            };
            Series { measure: measure.number(), labels, more }
        })
        .collect();
    // Two workers of a test serve the same session.
    vitals.sessions = (0..more.min(1)).collect();
    vitals.version = "1.2.3".to_owned();
    vitals.refusals =
        vec![Refusals { client: None, limit: Limit::Requests, count_total: vitals.requests_total }];
    vitals.certificate =
        Some(CertificateVitals { expires_at: 4_000_000_000, renewal_fails: false });
    vitals.revocation_lists = Some(RevocationListVitals { due_at: 4_000_000_000 });
}
