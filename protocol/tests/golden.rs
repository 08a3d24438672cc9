//! The wire, byte for byte: every message of this release against the bytes that were stored.
//!
//! A difference means that a worker or supervisor of the last release would no longer understand
//! us: raise `handshake::NEWEST`, keep the old bytes readable, then store the new ones with
//! `UPDATE=1 cargo test -p mcp-protocol --test golden`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::access::{Allowed, AuditLevel, Level};
use mcp_protocol::admin::{
    ActiveQuery, CircuitState, CircuitWord, ConnectionTest, Gathered, Maintenance, Outcome, Part,
    PoolOf, PoolReset, PoolState, SessionSeen, Wish, WorkerState,
};
use mcp_protocol::control::{
    AppChange, AppDescription, AppFate, AppPlan, AppStatus, ChangesKept, FailingProbe,
    FailureCause, Finished, LogTail, Presence, ProcessDetails, Replaced, Request, Response,
    RollStatus, Scale, SlotPhase, SlotStatus, Status, Target,
};
use mcp_protocol::frame::{self, Decoder};
use mcp_protocol::handshake::{Hello, Peer, Welcome};
use mcp_protocol::log_line::LogFormat;
use mcp_protocol::logs::Channel;
use mcp_protocol::measure::{Exemplar, Measure, More, Series, Sizes, TraceId};
use mcp_protocol::message::{
    CallOutcome, CertificateVitals, Circuit, FromWorker, Limit, NamedPool, PoolVitals, Refusals,
    RevocationListVitals, ToWorker, Vitals,
};
use mcp_protocol::offered::{
    CortexKind, CortexService, Need, Offered, Parameter, ParameterKind, Routine, RoutineKind,
    Scalar, StatementPlace, StatementTool,
};
use mcp_protocol::relay::{Circular, Revocation, SealingKey, SealingKeys, SessionTag, Statement};
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{
    ClientCertificates, CloudPlatform, HttpSettings, LogLevel, LogSettings, McpSettings,
    ProxyHeader, Settings, SnowflakeLogin, SnowflakeSettings, TlsSettings, TraceSettings,
    WarehouseSettings,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The stored lines, and those of this release.
#[derive(Default)]
struct Golden {
    lines: String,
}

impl Golden {
    /// Adds a message, after making sure that it comes back as it went.
    fn add<M: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
        &mut self,
        name: &str,
        message: &M,
    ) {
        let bytes = frame::encode(message).unwrap();
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        let body = decoder.next_body().unwrap().unwrap();
        assert_eq!(&frame::decode::<M>(&body).unwrap(), message, "{name}");
        write!(self.lines, "{name} ").unwrap();
        for byte in bytes {
            write!(self.lines, "{byte:02x}").unwrap();
        }
        self.lines.push('\n');
    }
}

#[test]
fn every_message_has_the_stored_bytes() {
    let mut golden = Golden::default();
    handshake(&mut golden);
    worker_messages(&mut golden);
    control_messages(&mut golden);

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/version-1.txt");
    #[expect(clippy::disallowed_methods, reason = "the person at the test decides to store")]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &golden.lines).unwrap();
    }
    let stored = std::fs::read_to_string(&file).unwrap();
    for (ours, stored) in golden.lines.lines().zip(stored.lines()) {
        assert_eq!(ours, stored, "the wire has changed");
    }
    assert_eq!(golden.lines.lines().count(), stored.lines().count(), "a message is not stored");
}

fn handshake(golden: &mut Golden) {
    let worker = Peer::Worker { app: "query".to_owned(), slot: 2, run: 57 };
    golden.add("hello-worker", &Hello { oldest: 1, newest: 1, peer: worker });
    golden.add("hello-operator", &Hello { oldest: 1, newest: 2, peer: Peer::Operator });
    golden.add("welcome-speak", &Welcome::Speak { version: 1 });
    golden.add("welcome-refused", &Welcome::Refused { reason: "too old".to_owned() });
}

fn worker_messages(golden: &mut Golden) {
    let settings = Settings {
        generation: 7,
        mcp: McpSettings {
            allowed_hosts: vec!["mcp.example.com".to_owned()],
            allowed_origins: vec!["https://example.com".to_owned()],
            websocket: true,
        },
        http: HttpSettings {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()],
            proxy_header: ProxyHeader::Forwarded,
            ..HttpSettings::default()
        },
        tls: Some(TlsSettings {
            certificate_file: PathBuf::from("/etc/mcp/certificate.pem"),
            key_file: PathBuf::from("/etc/mcp/key.pem"),
            client_ca_file: Some(PathBuf::from("/etc/mcp/clients.pem")),
            client_certificates: ClientCertificates::Optional,
            client_crl_files: vec![PathBuf::from("/etc/mcp/revoked.pem")],
        }),
        logs: LogSettings {
            directory: Some(PathBuf::from("/var/log/mcp-supervisor")),
            level: LogLevel::Warn,
            format: LogFormat::Text,
            levels: [("mcp_worker::warehouse".to_owned(), LogLevel::Debug)].into(),
            statements: AuditLevel::Text,
            traces: Some(TraceSettings {
                to: "http://127.0.0.1:4318".to_owned(),
                sample: 0.1,
                headers: [("authorization".to_owned(), Secret::new("Bearer x".to_owned()))].into(),
            }),
            without: [Channel::Access].into(),
        },
        offered: offered(),
        ..Settings::default()
    };
    golden.add("settings", &ToWorker::Settings(Box::new(settings)));
    golden.add("drain", &ToWorker::Drain { grace: Duration::from_millis(30_500) });
    golden.add("reopen-logs", &ToWorker::ReopenLogs);
    golden.add("adjust", &ToWorker::Adjust(Box::new(Settings::default().adjustable())));
    golden.add("ready", &FromWorker::Ready);
    golden.add("failed", &FromWorker::Failed { reason: "no warehouse".to_owned() });
    snowflake_settings(golden);
    golden.add("drained", &FromWorker::Drained);
    let vitals = Vitals {
        requests_total: 1_000_000,
        request_errors_total: 3,
        requests_in_flight: 2,
        connections: 16,
        pool: PoolVitals {
            max: 4,
            total: 2,
            idle: 1,
            waiting: 0,
            timeouts_total: 5,
            peak: 3,
            circuit: Circuit::HalfOpen,
            ..PoolVitals::default()
        },
        refusals: Limit::ALL
            .map(|limit| Refusals { client: Some("team".to_owned()), limit, count_total: 4 })
            .to_vec(),
        unshared_limits_total: 6,
        certificate: Some(CertificateVitals { expires_at: 1_800_000_000, renewal_fails: true }),
        named_pools: vec![NamedPool {
            name: "finance".to_owned(),
            pool: PoolVitals { max: 4, ..PoolVitals::default() },
        }],
        version: "0.1.0".to_owned(),
        log_lines_dropped_total: 7,
        sessions: vec![1, u64::MAX],
        series: counted(),
        revocation_lists: Some(RevocationListVitals { due_at: 1_800_000_000 }),
    };
    golden.add("heartbeat", &FromWorker::Heartbeat(vitals));
    relayed(golden);
    wishes(golden);
}

fn maintenance() -> Maintenance {
    Maintenance {
        since: 1_800_000_000,
        reason: Some("an upgrade".to_owned()),
        retry_after_seconds: 300,
        by: "user 0".to_owned(),
    }
}

fn active_query() -> ActiveQuery {
    let text = str::to_owned;
    ActiveQuery {
        id: text("57.3"),
        query_id: Some(text("01b2")),
        waits: false,
        client: Some(text("team")),
        session: Some(text("00ff")),
        tool: Some(text("execute_query")),
        connection: text("default"),
        started: 1_800_000_000,
        elapsed_ms: 1_500,
        class: text("select"),
        statement_sha256: text("9f86"),
        statement: None,
    }
}

fn outcomes() -> Vec<Outcome> {
    let text = str::to_owned;
    let pool = PoolState { active: 1, idle: 2, total: 3, max: 4, ..PoolState::default() };
    let circuit = |state| CircuitState {
        connection: text("default"),
        state,
        reason: Some(text("no route")),
        failures: 2,
        retry_in_ms: Some(500),
    };
    let session = SessionSeen {
        tag: Some(text("00ff")),
        client: Some(text("team")),
        program: Some(text("desk 1")),
        protocol: text("2025-11-25"),
        first_seen: 1_800_000_000,
        last_seen: 1_800_000_001,
        messages: 3,
    };
    let reset = PoolReset {
        connection: text("default"),
        before: pool,
        after: PoolState::default(),
        closed: 2,
        still_busy: 1,
    };
    let test = ConnectionTest {
        connection: text("default"),
        account: Some(text("ORG-ACCOUNT")),
        latency_ms: 12,
        role: Some(text("ANALYST")),
        warehouse: None,
        error: None,
    };
    let state = WorkerState {
        version: text("0.1.0"),
        uptime_seconds: 60,
        maintenance: Some(maintenance()),
        pools: vec![PoolOf { connection: text("default"), pool }],
        circuits: vec![circuit(CircuitWord::Shut)],
        sessions: vec![session.clone()],
        queries: vec![active_query()],
    };
    vec![
        Outcome::Refused(text("it is still starting")),
        Outcome::Reset(vec![reset]),
        Outcome::Sessions(vec![session]),
        Outcome::Queries(vec![active_query()]),
        Outcome::Cancelled(Some(active_query())),
        Outcome::Tested(vec![test]),
        Outcome::Circuits(vec![circuit(CircuitWord::Open), circuit(CircuitWord::Refused)]),
        Outcome::Maintained { maintenance: Some(maintenance()), running: 2 },
        Outcome::Done,
        Outcome::State(Box::new(state)),
    ]
}

fn wishes(golden: &mut Golden) {
    let connection = || Some("finance".to_owned());
    let wishes = [
        Wish::ResetPools { wait_seconds: 30 },
        Wish::Sessions,
        Wish::Queries,
        Wish::CancelQuery { id: "57.3".to_owned() },
        Wish::TestConnections { connection: connection() },
        Wish::Circuits,
        Wish::ResetCircuits { connection: connection() },
        Wish::Maintain(Some(maintenance())),
        Wish::Maintained,
        Wish::LogLevel(Some(LogLevel::Debug)),
        Wish::State,
    ];
    for wish in wishes {
        golden.add(wish.name(), &ToWorker::Do { ticket: 7, wish: Box::new(wish.clone()) });
    }
    for (number, outcome) in outcomes().into_iter().enumerate() {
        let outcome = Box::new(outcome);
        golden.add(&format!("did-{number}"), &FromWorker::Did { ticket: 7, outcome });
    }
    golden.add("ask", &FromWorker::Ask { ticket: 7, wish: Box::new(Wish::Queries) });
    let part = Part { slot: 2, run: 57, pid: 4121, outcome: None };
    golden.add("gathered", &ToWorker::Gathered { ticket: 7, parts: vec![part.clone()] });
    let settings = Settings { maintenance: Some(maintenance()), ..Settings::default() };
    golden.add("adjust-maintenance", &ToWorker::Adjust(Box::new(settings.adjustable())));
    let app = Some("query".to_owned());
    golden.add("request-admin", &Request::Admin { app, wish: Wish::Maintained });
    let gathered = Gathered { app: "query".to_owned(), parts: vec![part] };
    golden.add("response-gathered", &Response::Gathered(vec![gathered]));
}

/// What a heartbeat carries of what was counted.
fn counted() -> Vec<Series> {
    let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect();
    let exemplar = Exemplar { trace: TraceId([0xAB; 16]), size: 0.02, at_ms: 1_800_000_000_000 };
    let sizes =
        Sizes { buckets: vec![(1, 300), (9, 2)], sum: 12.5, exemplars: vec![(1, exemplar)] };
    vec![
        Series {
            measure: Measure::Calls.number(),
            labels: labels(&["execute_query", "team", CallOutcome::Ok.name(), "200"]),
            more: More::Count(302),
        },
        Series {
            measure: Measure::CallSeconds.number(),
            labels: labels(&["execute_query", CallOutcome::Ok.name()]),
            more: More::Sizes(sizes),
        },
    ]
}

fn relayed(golden: &mut Golden) {
    let session = SessionTag(*b"0123456789abcdef");
    let request = || "\"a-1\"".to_owned();
    let cancel = || Circular::Cancel { session, request: request() };
    let revoke = || Circular::Revoke { session, until: 1_800_000_000 };
    let statement = || Statement {
        session,
        request: request(),
        principal: Some("team".to_owned()),
        connection: None,
        query_id: "01b2".to_owned(),
        reads: true,
    };
    golden.add("told-cancel", &ToWorker::Told(cancel()));
    golden.add("told-revoke", &ToWorker::Told(revoke()));
    let taken_up = || Circular::TakenUp { session, request: request(), serial: 7 };
    golden.add("told-taken-up", &ToWorker::Told(taken_up()));
    golden.add("tell-taken-up", &FromWorker::Tell(taken_up()));
    golden.add("sought", &ToWorker::Sought { ticket: 7, statement: Some(Box::new(statement())) });
    let revoked = Revocation { session, until: 1_800_000_000 };
    golden.add("revoked", &ToWorker::Revoked(vec![revoked]));
    golden.add("tell-cancel", &FromWorker::Tell(cancel()));
    golden.add("tell-revoke", &FromWorker::Tell(revoke()));
    golden.add("statement-began", &FromWorker::StatementBegan(statement()));
    golden.add("statement-ended", &FromWorker::StatementEnded { session, request: request() });
    golden.add("seek", &FromWorker::Seek { ticket: 7, session, request: request() });
    let key = |id| SealingKey::new(id, &[id; 32], 1_800_000_000);
    let sessions = SealingKeys { current: key(2), previous: Some(key(1)) };
    let settings = Settings { sessions, ..Settings::default() };
    golden.add("adjust-sessions", &ToWorker::Adjust(Box::new(settings.adjustable())));
}

fn offered() -> Offered {
    let parameter = |name: &str, kind, need, allowed| Parameter {
        name: name.to_owned(),
        kind,
        description: Some("what".to_owned()),
        need,
        allowed,
    };
    let text = |text: &str| Scalar::Text(text.to_owned());
    let tool = StatementTool {
        name: "orders".to_owned(),
        description: "Orders.".to_owned(),
        statement: "SELECT :a, :b, :c".to_owned(),
        parameters: vec![
            parameter("a", ParameterKind::String, Need::Required, vec![text("x"), text("y")]),
            parameter("b", ParameterKind::Number, Need::Default(Scalar::Number(0.5)), Vec::new()),
            parameter("c", ParameterKind::Timestamp, Need::Optional, vec![Scalar::Boolean(true)]),
        ],
        place: StatementPlace { schema: Some("PUBLIC".to_owned()), ..StatementPlace::default() },
        level: Level::Write,
        rows_max: Some(100),
        clients: Allowed::Only(vec!["team".to_owned()]),
    };
    let service = CortexService {
        name: "docs".to_owned(),
        kind: CortexKind::Search,
        description: "Documents.".to_owned(),
        identifier: Some("DB.S.DOCS".to_owned()),
        columns: vec!["TEXT".to_owned()],
        results_max: Some(5),
        place: StatementPlace::default(),
        clients: Allowed::Any,
        routine: None,
    };
    let routine = Routine {
        kind: RoutineKind::Procedure,
        parameters: vec![parameter("x", ParameterKind::Integer, Need::Required, Vec::new())],
        order: vec!["x".to_owned()],
    };
    let generic =
        CortexService { kind: CortexKind::Generic, routine: Some(routine), ..service.clone() };
    Offered { tools: vec![tool], cortex: vec![service, generic] }
}

fn snowflake_settings(golden: &mut Golden) {
    let secret = || Secret::new("hush".to_owned());
    let logins = [
        SnowflakeLogin::KeyPair { private_key: secret(), passphrase: Some(secret()) },
        SnowflakeLogin::Password { password: secret() },
        SnowflakeLogin::ProgrammaticAccessToken { token: secret() },
        SnowflakeLogin::OAuth { token: secret() },
        SnowflakeLogin::OAuthClientCredentials {
            client_id: "mcp".to_owned(),
            client_secret: secret(),
            token_url: "https://idp.example.com/token".to_owned(),
            scope: Some("session:role:READER".to_owned()),
        },
        SnowflakeLogin::MfaPasscode { password: secret(), passcode: secret() },
        SnowflakeLogin::WorkloadIdentity { token_file: PathBuf::from("/run/secrets/token") },
        SnowflakeLogin::CloudIdentity {
            platform: CloudPlatform::Azure,
            entra_resource: Some("api://snowflake".to_owned()),
        },
        SnowflakeLogin::ExternalBrowser,
    ];
    let names = [
        "key-pair",
        "password",
        "access-token",
        "oauth",
        "client-credentials",
        "mfa-passcode",
        "workload-identity",
        "cloud-identity",
        "external-browser",
    ];
    for (name, login) in names.into_iter().zip(logins) {
        let text = |text: &str| Some(text.to_owned());
        let account = SnowflakeSettings {
            account: "ORG-ACCOUNT".to_owned(),
            user: text("MCP"),
            role: text("READER"),
            warehouse: text("WH"),
            database: text("DB"),
            schema: None,
            host: text("localhost:8085"),
            login,
        };
        let connections = [("finance".to_owned(), account.clone())].into();
        let warehouse = WarehouseSettings::Snowflake(Box::new(account));
        let settings = Settings { warehouse, connections, ..Settings::default() };
        golden.add(&format!("settings-{name}"), &ToWorker::Settings(Box::new(settings)));
    }
}

fn control_messages(golden: &mut Golden) {
    golden.add("status", &Request::Status);
    golden.add("settle", &Request::Settle);
    golden.add("shutdown", &Request::Shutdown);
    golden.add("restart", &Request::Restart { target: Target::All });
    golden.add("reload", &Request::Reload { target: Target::App("query".to_owned()) });
    let slot = || Target::Slot { app: "query".to_owned(), slot: 2 };
    golden.add("start", &Request::Start { target: slot() });
    golden.add("stop", &Request::Stop { target: slot() });
    golden.add("delete", &Request::Delete { target: Target::All });
    golden.add("reset", &Request::Reset { target: Target::All });
    golden.add("forget", &Request::Forget { target: Target::All });
    golden.add("scale", &Request::Scale { app: "query".to_owned(), to: Scale::More(2) });
    golden.add("signal", &Request::Signal { target: Target::All, number: 1 });
    golden.add("plan", &Request::Plan { target: Target::All });
    golden.add("describe", &Request::Describe { target: Target::App("query".to_owned()) });
    golden.add("changes", &Request::Changes);
    golden.add("roll", &Request::Roll { target: Target::All });
    golden.add("rollback", &Request::Rollback { to: 3 });
    golden.add("rotate-logs", &Request::RotateLogs { target: None });
    golden.add("flush-logs", &Request::FlushLogs { target: Some(Target::App("query".to_owned())) });
    golden.add("reopen-all-logs", &Request::ReopenLogs);
    let status = || Box::new(status());
    golden.add("answer-progress", &Response::Progress(status()));
    golden.add("answer-status", &Response::Status(status()));
    golden.add("answer-done", &Response::Done(status()));
    for (name, cause) in [
        ("answer-failed-configuration", FailureCause::Configuration),
        ("answer-failed-operation", FailureCause::Operation),
        ("answer-failed-usage", FailureCause::Usage),
    ] {
        let last_output = vec!["a last word".to_owned()];
        golden.add(name, &Response::Failed { reason: "why".to_owned(), cause, last_output });
    }
    longer_answers(golden);
}

fn longer_answers(golden: &mut Golden) {
    let plan = |fate| AppPlan {
        app: "query".to_owned(),
        fate,
        differences: vec!["instances 4 → 6".to_owned()],
        started: vec![4, 5],
        replaced: vec![0, 1],
        stopped: vec![7],
        instances_now: Some(4),
        instances_then: Some(6),
        max_surge: 1,
        max_unavailable: 0,
    };
    golden.add(
        "answer-plan",
        &Response::Plan(vec![plan(AppFate::Added), plan(AppFate::Kept), plan(AppFate::Removed)]),
    );
    let details = ProcessDetails {
        slot: 2,
        pid: 4_121,
        pss_bytes: Some(1_000_000),
        cpu_time: Some(Duration::from_millis(1_230)),
        descriptors: Some(12),
    };
    let description = AppDescription {
        status: status().apps.remove(0),
        command: vec!["/usr/bin/mcp-worker".to_owned()],
        working_directory: PathBuf::from("/srv"),
        instances_in_file: Some(4),
        rules: vec![("restart".to_owned(), "always".to_owned())],
        settings: vec![("instances".to_owned(), "4".to_owned())],
        processes: vec![details],
        logs: vec![LogTail { file: PathBuf::from("/var/log/q"), lines: vec!["hi".to_owned()] }],
    };
    golden.add("answer-description", &Response::Description(vec![description]));
    let change = |presence| AppChange {
        app: "query".to_owned(),
        instances_in_file: Some(4),
        instances: Some(6),
        presence,
        stopped_slots: vec![1],
    };
    let apps = [Presence::Wanted, Presence::Stopped, Presence::Deleted].map(change).to_vec();
    let file = PathBuf::from("/var/lib/mcp-supervisor/changes.json");
    golden.add("answer-changes", &Response::Changes(ChangesKept { file, apps }));
}

fn status() -> Status {
    let phases = [
        SlotPhase::Stopped,
        SlotPhase::Starting,
        SlotPhase::Ready,
        SlotPhase::Draining,
        SlotPhase::Killing,
        SlotPhase::Backoff,
        SlotPhase::Failed,
    ];
    let slots = (0..).zip(phases).map(|(index, phase)| SlotStatus {
        index,
        phase,
        run: Some(57),
        pid: Some(4_121),
        for_time: Duration::from_secs(90),
        deadline_in: Some(Duration::from_millis(800)),
        restarts: 3,
        last_exit: Some("exit code 3".to_owned()),
        why: None,
        leaving: vec![4_000],
        successor: Some(58),
        message: Some("warm".to_owned()),
        rss_bytes: Some(41_299_968),
        cpu_percent: Some(12.5),
        threads: Some(7),
        requests_total: Some(12),
        failing: Some(FailingProbe { failures: 2, failures_max: 3, why: "no answer".to_owned() }),
        replaced: Some(Replaced {
            times: 4,
            ago: Duration::from_secs(60),
            why: "time table `@daily`".to_owned(),
        }),
        finished: Some(if index == 0 { Finished::ExitCode } else { Finished::Policy }),
    });
    let rolls = [
        RollStatus::Idle,
        RollStatus::Rolling { replaced: 1, total: 4 },
        RollStatus::Stopped { why: "query[0]: exit code 1".to_owned() },
    ];
    let app = |(number, roll)| AppStatus {
        name: format!("app{number}"),
        listen: Some("127.0.0.1:8000".to_owned()),
        roll,
        changes: vec!["4 instances; the file says 2".to_owned()],
        remarks: vec!["a remark".to_owned()],
        depends_on: vec!["db".to_owned()],
        slots: slots.clone().collect(),
    };
    Status {
        pid: 4_000,
        version: "0.1.0".to_owned(),
        environment: "production".to_owned(),
        config_file: PathBuf::from("/etc/mcp-supervisor/ecosystem.toml"),
        log_directory: PathBuf::from("/var/log/mcp-supervisor"),
        metrics: Some("127.0.0.1:8001".to_owned()),
        generation: 7,
        config_problem: Some("apps.query.instances: no".to_owned()),
        config_refused_at: Some(Duration::from_secs(1_800_000_000)),
        uptime: Duration::from_secs(86_400),
        stopping: false,
        dropped_total: 1,
        apps: (0..).zip(rolls).map(app).collect(),
        remarks: vec!["a remark".to_owned()],
    }
}
