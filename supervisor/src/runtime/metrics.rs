//! The metrics of the whole fleet, in Prometheus' text form.
//!
//! They are drawn from the one picture that the loop has; nothing is counted twice. Labels are
//! bounded: app, slot, phase, tool, outcome, configured client, limit; never a run or a process id.

use std::collections::BTreeMap;

use mcp_protocol::control::{SlotPhase, Status};
use mcp_protocol::message::{CertificateVitals, Logins};
use prometheus::core::Collector;
use prometheus::{CounterVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::machine::{AppName, RunId};
use crate::runtime::configuration::Counts;
use crate::runtime::hands::Hands;
use crate::runtime::totals::pools;
use crate::runtime::vitals;

/// The name of the text form, for whoever asks over HTTP.
pub(crate) const FORM: &str = prometheus::TEXT_FORMAT;

/// The picture in Prometheus' text form.
pub(crate) fn text(status: &Status, hands: &Hands) -> String {
    draw(status, hands).unwrap_or_else(|error| {
        // Names and labels are constants of this file: only a mistake in it can bring us here.
        tracing::error!(%error, "cannot draw the metrics");
        String::new()
    })
}

fn draw(status: &Status, hands: &Hands) -> prometheus::Result<String> {
    let registry = Registry::new();
    draw_supervisor(&registry, status)?;
    draw_configuration(&registry, status, hands)?;
    draw_slots(&registry, status)?;
    draw_processes(&registry, status, hands)?;
    draw_vitals(&registry, hands)?;
    draw_pools(&registry, hands)?;
    draw_totals(&registry, hands)?;
    draw_refusals(&registry, hands)?;
    draw_relay(&registry, status, hands)?;
    prometheus::TextEncoder::new().encode_to_string(&registry.gather())
}

fn draw_supervisor(registry: &Registry, status: &Status) -> prometheus::Result<()> {
    let gauge = |name: &str, help: &str, value: u64| {
        let gauge = IntGauge::new(name, help)?;
        gauge.set(value.cast_signed());
        registry.register(Box::new(gauge))
    };
    gauge(
        "supervisor_uptime_seconds",
        "How long the supervisor has run.",
        status.uptime.as_secs(),
    )?;
    let dropped = prometheus::IntCounter::new(
        "supervisor_log_dropped_total",
        "Lines of logs and bytes of output that could not be kept.",
    )?;
    dropped.inc_by(status.dropped_total);
    registry.register(Box::new(dropped))
}

/// What is in force, and what became of the files that were read.
fn draw_configuration(
    registry: &Registry,
    status: &Status,
    hands: &Hands,
) -> prometheus::Result<()> {
    let ledger = &hands.ledger;
    let gauge = |name: &str, help: &str, value: u64| {
        registered(registry, IntGauge::new(name, help)?).map(|one| one.set(value.cast_signed()))
    };
    gauge(
        "supervisor_config_generation",
        "Number of the accepted configuration.",
        status.generation,
    )?;
    gauge(
        "supervisor_config_rejected",
        "1 while the configuration file as it is now was refused.",
        u64::from(status.config_problem.is_some()),
    )?;
    gauge(
        "supervisor_config_accepted_timestamp_seconds",
        "When the configuration in force was accepted, since 1970.",
        ledger.accepted_at.as_secs(),
    )?;
    let reloads = counters(
        registry,
        "supervisor_config_reloads_total",
        "How often a configuration that had changed was read, by what became of it.",
        &["result"],
    )?;
    let Counts { accepted, unchanged, refused } = ledger.counts;
    for (result, count) in [("accepted", accepted), ("unchanged", unchanged), ("refused", refused)]
    {
        reloads.with_label_values(&[result]).inc_by(count);
    }
    Ok(())
}

fn draw_slots(registry: &Registry, status: &Status) -> prometheus::Result<()> {
    let slot = &["app", "slot"];
    let up = gauges(registry, "supervisor_worker_up", "1 while the slot's worker is ready.", slot)?;
    let phase = gauges(
        registry,
        "supervisor_worker_phase",
        "1 for the phase that the slot is in.",
        &["app", "slot", "phase"],
    )?;
    let memory = gauges(
        registry,
        "supervisor_worker_resident_memory_bytes",
        "Resident memory of the slot's worker.",
        slot,
    )?;
    let restarts = counters(
        registry,
        "supervisor_worker_restarts_total",
        "How often a worker of the slot was started again after it died.",
        slot,
    )?;
    for app in &status.apps {
        for one in &app.slots {
            let index = one.index.to_string();
            let labels = &[app.name.as_str(), index.as_str()];
            up.with_label_values(labels).set(i64::from(one.phase == SlotPhase::Ready));
            let word = phase_word(one.phase);
            phase.with_label_values(&[app.name.as_str(), index.as_str(), word]).set(1);
            restarts.with_label_values(labels).inc_by(one.restarts);
            if let Some(bytes) = one.rss_bytes {
                memory.with_label_values(labels).set(bytes.cast_signed());
            }
        }
    }
    Ok(())
}

/// What each slot's process takes of the machine.
fn draw_processes(registry: &Registry, status: &Status, hands: &Hands) -> prometheus::Result<()> {
    let slot = &["app", "slot"];
    let threads = gauges(registry, "supervisor_worker_threads", "Threads of the worker.", slot)?;
    let descriptors = gauges(
        registry,
        "supervisor_worker_open_descriptors",
        "Open files, sockets and pipes of the slot's worker.",
        slot,
    )?;
    let seconds = CounterVec::new(
        Opts::new("supervisor_worker_cpu_seconds_total", "Processor time of the slot's workers."),
        slot,
    )?;
    registry.register(Box::new(seconds.clone()))?;
    for app in &status.apps {
        for one in &app.slots {
            let index = one.index.to_string();
            let labels = &[app.name.as_str(), index.as_str()];
            if let Some(count) = one.threads {
                threads.with_label_values(labels).set(count.into());
            }
            let process = one.run.and_then(|run| hands.processes.get(RunId(run)));
            if let Some(count) = process.and_then(|process| vitals::descriptors(process.pid)) {
                descriptors.with_label_values(labels).set(count.cast_signed());
            }
        }
    }
    for (slot, time) in hands.totals.cpu() {
        let index = slot.index.to_string();
        let labels = &[slot.app.as_str(), index.as_str()];
        seconds.with_label_values(labels).inc_by(time.as_secs_f64());
    }
    Ok(())
}

fn draw_vitals(registry: &Registry, hands: &Hands) -> prometheus::Result<()> {
    let slot = &["app", "slot"];
    let in_flight =
        gauges(registry, "mcp_concurrent_requests", "HTTP requests being answered now.", slot)?;
    let connections = gauges(registry, "mcp_active_connections", "Open client connections.", slot)?;
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        let index = process.slot.index.to_string();
        let labels = &[process.slot.app.as_str(), index.as_str()];
        // While a slot is being replaced it has two workers: they add up.
        in_flight.with_label_values(labels).add(process.vitals.requests_in_flight.into());
        connections.with_label_values(labels).add(process.vitals.connections.into());
    }
    Ok(())
}

fn draw_pools(registry: &Registry, hands: &Hands) -> prometheus::Result<()> {
    let labels = &["app", "slot", "connection"];
    let describe = |name: &str, help: &str| gauges(registry, name, help, labels);
    let active = describe("pool_connections_active", "Warehouse sessions in use.")?;
    let total = describe("pool_connections_total", "Open warehouse sessions.")?;
    let max = describe("pool_connections_max", "The most warehouse sessions allowed.")?;
    let waiting = describe("pool_callers_waiting", "Callers that wait for a session.")?;
    let failing = describe("pool_logins_failing", "1 while the warehouse cannot be reached.")?;
    let refused = describe("pool_logins_refused", "1 while it refuses the credentials.")?;
    for (_, process) in hands.processes.iter().filter(|(_, one)| one.settings.is_some()) {
        let index = process.slot.index.to_string();
        for (connection, pool) in pools(&process.vitals) {
            let labels = &[process.slot.app.as_str(), index.as_str(), connection];
            active.with_label_values(labels).add(pool.total.saturating_sub(pool.idle).into());
            total.with_label_values(labels).add(pool.total.into());
            max.with_label_values(labels).add(pool.max.into());
            waiting.with_label_values(labels).add(pool.waiting.into());
            let is = |state: Logins| i64::from(pool.logins == state);
            failing.with_label_values(labels).add(is(Logins::Failing));
            refused.with_label_values(labels).add(is(Logins::Refused));
        }
    }
    draw_certificates(registry, hands)
}

/// The certificates at the doors; of several workers the one that ends first.
fn draw_certificates(registry: &Registry, hands: &Hands) -> prometheus::Result<()> {
    let describe = |name: &str, help: &str| gauges(registry, name, help, &["app"]);
    let expiry = describe("tls_certificate_expiry_seconds", "When it ends, since 1970.")?;
    let failing = describe("tls_certificate_renewal_failing", "1 while the old one is shown.")?;
    let mut first: BTreeMap<&str, CertificateVitals> = BTreeMap::new();
    for (_, process) in hands.processes.iter() {
        let Some(shown) = process.vitals.certificate else { continue };
        let one = first.entry(process.slot.app.as_str()).or_insert(shown);
        one.expires_at = one.expires_at.min(shown.expires_at);
        one.renewal_fails |= shown.renewal_fails;
    }
    for (name, CertificateVitals { expires_at, renewal_fails }) in first {
        expiry.with_label_values(&[name]).set(expires_at.cast_signed());
        failing.with_label_values(&[name]).set(i64::from(renewal_fails));
    }
    Ok(())
}

/// What clients were refused because there was too much of it.
fn draw_refusals(registry: &Registry, hands: &Hands) -> prometheus::Result<()> {
    let help = "What was refused because there was too much of it.";
    let labels = &["app", "client", "limit"];
    let exceeded = counters(registry, "rate_limit_exceeded_total", help, labels)?;
    let help = "Limits that a worker decided without the others.";
    let unshared = counters(registry, "rate_limit_unshared_total", help, &["app"])?;
    for (name, totals) in hands.totals.iter() {
        for ((client, limit), count) in &totals.refusals {
            // Names of clients are not empty.
            let client = client.as_deref().unwrap_or_default();
            exceeded.with_label_values(&[name.as_str(), client, limit.name()]).inc_by(*count);
        }
        unshared.with_label_values(&[name.as_str()]).inc_by(totals.unshared_limits);
    }
    Ok(())
}

fn draw_totals(registry: &Registry, hands: &Hands) -> prometheus::Result<()> {
    let app = &["app"];
    let requests = counters(registry, "mcp_http_requests_total", "HTTP requests answered.", app)?;
    let errors = counters(
        registry,
        "mcp_http_request_errors_total",
        "HTTP requests answered with a status of 500 or more.",
        app,
    )?;
    let by_pool = &["app", "connection"];
    let timeouts = counters(
        registry,
        "pool_acquire_timeouts_total",
        "Callers that waited for a warehouse session in vain.",
        by_pool,
    )?;
    let opened = counters(registry, "pool_opened_total", "Warehouse sessions opened.", by_pool)?;
    let open_failures = counters(
        registry,
        "pool_open_failures_total",
        "Warehouse sessions that could not be opened.",
        by_pool,
    )?;
    let by_call = &["app", "tool", "outcome"];
    let calls = counters(registry, "mcp_requests_total", "Tool calls finished.", by_call)?;
    let seconds = CounterVec::new(
        Opts::new("mcp_request_duration_seconds_sum", "Time that tool calls took altogether."),
        by_call,
    )?;
    registry.register(Box::new(seconds.clone()))?;
    for (name, totals) in hands.totals.iter() {
        let labels = &[name.as_str()];
        requests.with_label_values(labels).inc_by(totals.requests);
        errors.with_label_values(labels).inc_by(totals.request_errors);
        for (connection, pool) in &totals.pools {
            let labels = &[name.as_str(), connection.as_str()];
            timeouts.with_label_values(labels).inc_by(pool.timeouts);
            opened.with_label_values(labels).inc_by(pool.opened);
            open_failures.with_label_values(labels).inc_by(pool.open_failures);
        }
        for ((tool, outcome), (count, time)) in &totals.tool_calls {
            let labels = &[name.as_str(), tool.as_str(), outcome.name()];
            calls.with_label_values(labels).inc_by(*count);
            seconds.with_label_values(labels).inc_by(time.as_secs_f64());
        }
    }
    Ok(())
}

/// What workers tell each other, and what is kept of it.
fn draw_relay(registry: &Registry, status: &Status, hands: &Hands) -> prometheus::Result<()> {
    let app = &["app"];
    let relayed = counters(
        registry,
        "supervisor_circulars_relayed_total",
        "What one worker told the others of its app, once for each of them.",
        app,
    )?;
    let dropped = counters(
        registry,
        "supervisor_circulars_dropped_total",
        "The same where it could not be passed on.",
        app,
    )?;
    let revoked = gauges(
        registry,
        "supervisor_revoked_sessions",
        "Sessions that clients ended and that have not expired.",
        app,
    )?;
    let forgotten = counters(
        registry,
        "supervisor_revoked_sessions_forgotten_total",
        "Ended sessions that were forgotten before they expired.",
        app,
    )?;
    let statements = gauges(
        registry,
        "supervisor_resumable_statements",
        "Statements for whose answer a client may come back.",
        app,
    )?;
    for one in &status.apps {
        let (name, labels) = (AppName::new(&one.name), &[one.name.as_str()]);
        let relay = &hands.relay;
        let counts = relay.counts(&name);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        relayed.with_label_values(labels).inc_by(counts.relayed);
        dropped.with_label_values(labels).inc_by(counts.dropped);
        revoked.with_label_values(labels).set(number(relay.tombstones.count(&name)));
        forgotten.with_label_values(labels).inc_by(relay.tombstones.forgotten(&name));
        statements.with_label_values(labels).set(number(relay.statements(&name)));
    }
    Ok(())
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn registered<M: Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn phase_word(phase: SlotPhase) -> &'static str {
    match phase {
        SlotPhase::Stopped => "stopped",
        SlotPhase::Starting => "starting",
        SlotPhase::Ready => "ready",
        SlotPhase::Draining => "draining",
        SlotPhase::Killing => "killing",
        SlotPhase::Backoff => "backoff",
        SlotPhase::Failed => "failed",
    }
}
