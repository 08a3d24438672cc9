//! Every family of numbers that the supervisor fills by itself: name, kind, labels, meaning.
//!
//! What workers count is in the protocol's table; together they are all that is exported, and
//! `docs/metrics.md` is held equal to both. Labels are bounded: app, slot, connection and words
//! that are known when this is built; never a run, a process id or a session.

#[cfg(test)]
use mcp_protocol::measure::Measure;
use mcp_protocol::measure::{Family, Kind};

/// Upper ends of buckets for a turn of the loop, in seconds.
const TURNS: &[f64] =
    &[0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Upper ends of buckets for what workers take to leave, or a roll takes, in seconds.
const WORKS: &[f64] = &[0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];

macro_rules! families {
    ($($constant:ident: $kind:expr, $name:literal, [$($label:literal),*], $help:literal;)*) => {
        $(pub(super) const $constant: Family =
            Family { name: $name, help: $help, kind: $kind, labels: &[$($label),*] };)*
        /// All of them.
        #[cfg(test)]
        const OWN: &[Family] = &[$($constant),*];
    };
}

families! {
    SERVER_INFO: Kind::Gauge, "mcp_server_info", ["app", "version"],
        "Workers of each version that run.";
    IN_FLIGHT: Kind::Gauge, "mcp_concurrent_requests", ["app", "slot"],
        "HTTP requests being answered now.";
    CONNECTIONS: Kind::Gauge, "mcp_active_connections", ["app", "slot"],
        "Open client connections.";
    SESSIONS: Kind::Gauge, "mcp_active_sessions_total", ["app"],
        "MCP sessions that sent a request in the last five minutes.";
    RATE: Kind::Gauge, "mcp_requests_per_second", ["app"],
        "Tool calls that came to their end, a second, over the last minute.";
    REQUESTS: Kind::Counter, "mcp_http_requests_total", ["app"],
        "HTTP requests answered.";
    REQUEST_ERRORS: Kind::Counter, "mcp_http_request_errors_total", ["app"],
        "HTTP requests answered with a status of 500 or more.";
    WORKER_LOG_DROPPED: Kind::Counter, "mcp_log_lines_dropped_total", ["app"],
        "Lines of workers' own logs that could not be kept.";
    REFUSALS: Kind::Counter, "rate_limit_exceeded_total", ["app", "client", "limit"],
        "What was refused because there was too much of it.";
    UNSHARED: Kind::Counter, "rate_limit_unshared_total", ["app"],
        "Limits that a worker decided without the others.";
    CERTIFICATE_EXPIRY: Kind::Gauge, "tls_certificate_expiry_seconds", ["app"],
        "When the certificate at the door ends, since 1970.";
    CERTIFICATE_FAILING: Kind::Gauge, "tls_certificate_renewal_failing", ["app"],
        "1 while a renewed certificate cannot be used and the old one is shown.";
    CLIENT_CRL_DUE: Kind::Gauge, "tls_client_crl_due_seconds", ["app"],
        "When the next list of revoked client certificates is due, since 1970; the first of several.";

    POOL_ACTIVE: Kind::Gauge, "pool_connections_active", ["app", "slot", "connection"],
        "Warehouse sessions in use.";
    POOL_IDLE: Kind::Gauge, "pool_connections_idle", ["app", "slot", "connection"],
        "Open warehouse sessions that wait for work.";
    POOL_TOTAL: Kind::Gauge, "pool_connections_total", ["app", "slot", "connection"],
        "Open warehouse sessions.";
    POOL_MAX: Kind::Gauge, "pool_connections_max", ["app", "slot", "connection"],
        "The most warehouse sessions allowed.";
    POOL_PEAK: Kind::Gauge, "pool_connections_peak", ["app", "slot", "connection"],
        "The most warehouse sessions in use at once since the worker began.";
    POOL_WAITING: Kind::Gauge, "pool_callers_waiting", ["app", "slot", "connection"],
        "Callers that wait for a session.";
    POOL_CIRCUIT: Kind::Gauge, "pool_circuit_state", ["app", "slot", "connection", "state"],
        "1 for the state of the circuit that guards new warehouse sessions.";
    POOL_FAILING: Kind::Gauge, "pool_logins_failing", ["app", "slot", "connection"],
        "1 while the warehouse cannot be reached.";
    POOL_REFUSED: Kind::Gauge, "pool_logins_refused", ["app", "slot", "connection"],
        "1 while the warehouse refuses the credentials.";
    POOL_LOGGED_OUT: Kind::Gauge, "pool_logins_logged_out", ["app", "slot", "connection"],
        "1 while a person has to log in at a browser first.";
    POOL_TIMEOUTS: Kind::Counter, "pool_acquire_timeouts_total", ["app", "connection"],
        "Callers that waited for a warehouse session in vain.";
    POOL_OPENED: Kind::Counter, "pool_opened_total", ["app", "connection"],
        "Warehouse sessions opened.";
    POOL_OPEN_FAILURES: Kind::Counter, "pool_open_failures_total", ["app", "connection"],
        "Warehouse sessions that could not be opened.";

    UP: Kind::Gauge, "supervisor_worker_up", ["app", "slot"],
        "1 while the slot's worker is ready.";
    PHASE: Kind::Gauge, "supervisor_worker_phase", ["app", "slot", "phase"],
        "1 for the phase that the slot is in.";
    PHASE_FOR: Kind::Gauge, "supervisor_worker_phase_seconds", ["app", "slot"],
        "How long the slot has been in its phase.";
    BACKOFF: Kind::Gauge, "supervisor_worker_backoff_seconds", ["app", "slot"],
        "How long until a dead worker is started again; 0 when none waits.";
    LEAVING: Kind::Gauge, "supervisor_worker_leaving", ["app", "slot"],
        "Earlier workers of the slot that finish what they have.";
    RESTARTS: Kind::Counter, "supervisor_worker_restarts_total", ["app", "slot", "reason"],
        "How often a worker of the slot was started in the place of another, by why.";
    GAVE_UP: Kind::Counter, "supervisor_worker_failed_total", ["app", "slot"],
        "How often the slot was given up.";
    MEMORY: Kind::Gauge, "supervisor_worker_resident_memory_bytes", ["app", "slot"],
        "Resident memory of the slot's worker.";
    MEMORY_LIMIT: Kind::Gauge, "supervisor_worker_memory_limit_bytes", ["app", "slot"],
        "What the worker's memory is held against: max_memory, or else what the machine has.";
    CPU: Kind::Counter, "supervisor_worker_cpu_seconds_total", ["app", "slot"],
        "Processor time of the slot's workers.";
    THREADS: Kind::Gauge, "supervisor_worker_threads", ["app", "slot"],
        "Threads of the worker.";
    DESCRIPTORS: Kind::Gauge, "supervisor_worker_open_descriptors", ["app", "slot"],
        "Open files, sockets and pipes of the slot's worker.";
    LINKS: Kind::Gauge, "supervisor_worker_links", ["app"],
        "Workers that are connected to the supervisor.";
    DRAIN: Kind::Histogram(WORKS), "supervisor_drain_duration_seconds", ["app", "result"],
        "How long workers took to leave once they were asked.";
    RELOAD: Kind::Histogram(WORKS), "supervisor_reload_duration_seconds", ["app", "result"],
        "How long it took to replace the workers of an app.";

    UPTIME: Kind::Gauge, "supervisor_uptime_seconds", [],
        "How long the supervisor has run.";
    GENERATION: Kind::Gauge, "supervisor_config_generation", [],
        "Number of the accepted configuration.";
    REJECTED: Kind::Gauge, "supervisor_config_rejected", [],
        "1 while the configuration file as it is now was refused.";
    ACCEPTED_AT: Kind::Gauge, "supervisor_config_accepted_timestamp_seconds", [],
        "When the configuration in force was accepted, since 1970.";
    READINGS: Kind::Counter, "supervisor_config_reloads_total", ["result"],
        "How often a configuration that had changed was read, by what became of it.";
    CONTROL: Kind::Counter, "supervisor_control_requests_total", ["request"],
        "What operators asked of the supervisor.";
    LAG: Kind::Histogram(TURNS), "supervisor_event_loop_lag_seconds", [],
        "How long a turn of the loop took, or how late it came: so long news may have waited.";
    INBOX: Kind::Gauge, "supervisor_inbox_depth", [],
        "News that waits for the loop.";
    INFO: Kind::Gauge, "supervisor_build_info", ["version"],
        "1 for the version of the supervisor.";
    LOG_DROPPED: Kind::Counter, "supervisor_log_dropped_total", [],
        "Lines of logs and bytes of output that could not be kept.";
    LOG_BYTES: Kind::Counter, "supervisor_log_bytes_total", ["app", "channel"],
        "Bytes that the supervisor wrote to a log.";
    LOG_LOST: Kind::Counter, "supervisor_log_lost_bytes_total", ["app", "channel"],
        "Bytes of output that the disk refused and that are lost.";
    LOG_ROTATIONS: Kind::Counter, "supervisor_log_rotations_total", ["app", "channel"],
        "How often the file of a log was begun anew.";
    LOG_PACKED_FROM: Kind::Counter, "supervisor_log_compressed_bytes_total", ["app", "channel"],
        "Bytes of rotated files that were compressed.";
    LOG_PACKED_TO: Kind::Counter, "supervisor_log_compressed_files_bytes_total", ["app", "channel"],
        "Bytes that the compressed files took in their place.";
    DISK_FREE: Kind::Gauge, "supervisor_log_disk_free_bytes", [],
        "Room on the disk of the logs that the supervisor may use.";
    DISK_SIZE: Kind::Gauge, "supervisor_log_disk_size_bytes", [],
        "Size of the disk of the logs.";
    RELAYED: Kind::Counter, "supervisor_circulars_relayed_total", ["app"],
        "What one worker told the others of its app, once for each of them.";
    RELAY_DROPPED: Kind::Counter, "supervisor_circulars_dropped_total", ["app"],
        "The same where it could not be passed on.";
    REVOKED: Kind::Gauge, "supervisor_revoked_sessions", ["app"],
        "Sessions that clients ended and that have not expired.";
    FORGOTTEN: Kind::Counter, "supervisor_revoked_sessions_forgotten_total", ["app"],
        "Ended sessions that were forgotten before they expired.";
    STATEMENTS: Kind::Gauge, "supervisor_resumable_statements", ["app"],
        "Statements for whose answer a client may come back.";

    PROCESS_CPU: Kind::Counter, "process_cpu_seconds_total", [],
        "Processor time of the supervisor itself.";
    PROCESS_MEMORY: Kind::Gauge, "process_resident_memory_bytes", [],
        "Resident memory of the supervisor itself.";
    PROCESS_FDS: Kind::Gauge, "process_open_fds", [],
        "Open files, sockets and pipes of the supervisor itself.";
    PROCESS_FDS_MAX: Kind::Gauge, "process_max_fds", [],
        "How many the supervisor may have open.";
    PROCESS_START: Kind::Gauge, "process_start_time_seconds", [],
        "When the supervisor began, since 1970.";
}

/// All that can be exported, workers' numbers included.
#[cfg(test)]
pub(crate) fn all() -> impl Iterator<Item = Family> {
    OWN.iter().copied().chain(Measure::ALL.map(Measure::family))
}
