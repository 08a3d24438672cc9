//! What the misbehaving worker says of itself every so often.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use mcp_protocol::measure::{Exemplar, Kind, Measure, More, Series, Sizes, TraceId};
use mcp_protocol::message::{
    CertificateVitals, FromWorker, Limit, Logins, NamedPool, PoolVitals, Refusals, Vitals,
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
        let mut told = 0;
        loop {
            let requests_total = requests.load(Ordering::Relaxed);
            let mut vitals = Vitals { requests_total, ..Vitals::default() };
            if faults.refused_when.as_ref().is_some_and(|file| file.exists()) {
                vitals.pool.logins = Logins::Refused;
                let pool = PoolVitals { logins: Logins::Failing, ..PoolVitals::default() };
                vitals.named_pools.push(NamedPool { name: "finance".to_owned(), pool });
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
}
