//! What is written of requests, statements and calls, and what never is, through the real door.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use mcp_protocol::access::{AccessSettings, AuditLevel, Grant};
use mcp_protocol::log_line::LogFormat;
use mcp_protocol::logs::Channel;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{LogLevel, LogSettings, Settings, TraceSettings};
use mcp_worker::logs::{Logs, prepared};
use mcp_worker::settings::Identity;
use serde_json::{Value, json};
use tempfile::TempDir;
use tracing::Dispatch;
use tracing::dispatcher::DefaultGuard;
use tracing::subscriber::NoSubscriber;

use crate::access::{client, key, only};
use crate::support::{Client, House, HttpAnswer, call, eventually, house, mcp_head};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A house whose logs are kept.
pub(crate) struct Logged {
    pub(crate) house: House,
    directory: TempDir,
    logs: Logs,
    /// This test's thread logs there, and no other.
    _here: DefaultGuard,
}

/// While there is but one who listens, `tracing` asks only the thread that comes first to a line
/// whether anybody wants it, and that may be another test's.
fn never_alone() {
    static OTHER: OnceLock<Dispatch> = OnceLock::new();
    OTHER.get_or_init(|| Dispatch::new(NoSubscriber::default()));
}

async fn logged(logs: LogSettings, audit: AuditLevel) -> Logged {
    logged_by(Settings { logs, ..Settings::default() }, audit).await
}

/// A house of these settings that knows one client, and whose logs are kept.
pub(crate) async fn logged_by(settings: Settings, audit: AuditLevel) -> Logged {
    never_alone();
    let directory = tempfile::tempdir().expect("a directory");
    let one = client("one", Some(&key(1)), Grant::default());
    let settings = Settings {
        access: AccessSettings { audit, ..only(vec![one]) },
        logs: LogSettings { directory: Some(directory.path().to_owned()), ..settings.logs.clone() },
        ..settings
    };
    let identity = Identity { app: "query".to_owned(), slot: 1, run: 7, pid: std::process::id() };
    let (logs, dispatch) = prepared(&settings.logs, &identity).expect("the files can be opened");
    let here = tracing::dispatcher::set_default(&dispatch);
    let house = house(&settings).await;
    Logged { house, directory, logs, _here: here }
}

impl Logged {
    pub(crate) async fn ask(&self, message: &Value, more: &str) -> HttpAnswer {
        let mut client = Client::connect(self.house.address).await.expect("connects");
        let head = mcp_head(&format!("\r\nAuthorization: Bearer {}{more}", key(1)));
        client.send(&head, &message.to_string()).await.expect("sent");
        client.answer().await.expect("an answer")
    }

    /// The lines of a channel, as soon as there are so many.
    pub(crate) async fn lines(&self, channel: Channel, count: usize) -> Vec<Value> {
        let enough = || text(self.directory.path(), channel).lines().count() >= count;
        eventually(&format!("{count} lines in {}", channel.file()), enough).await;
        let text = text(self.directory.path(), channel);
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }
}

fn text(directory: &Path, channel: Channel) -> String {
    std::fs::read_to_string(directory.join(channel.file())).unwrap_or_default()
}

fn query(statement: &str) -> Value {
    call("execute_query", json!({ "query": statement }))
}

#[tokio::test]
async fn a_request_is_known_by_its_id_and_trace_in_every_file() {
    let logged = logged(LogSettings::default(), AuditLevel::Hash).await;
    let more = format!(
        "\r\nX-Request-Id: req-42\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01\r\n\
         User-Agent: desk/1"
    );
    let answer = logged.ask(&query("select 1"), &more).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (200, Some("req-42")));
    let channels = [Channel::Access, Channel::Database, Channel::Performance, Channel::Audit];
    for channel in channels {
        let lines = logged.lines(channel, 1).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        for (name, value) in [
            ("request_id", json!("req-42")),
            ("client", json!("one")),
            ("trace_id", json!(TRACE)),
            ("span_id", json!("b7ad6b7169203331")),
            ("worker", json!("query[1]")),
            ("run", json!(7)),
            ("logger", json!(channel.name())),
            ("level", json!("info")),
        ] {
            assert_eq!(lines[0][name], value, "{name} of {}", lines[0]);
        }
    }
    let line = |channel| logged.lines(channel, 1);
    let access = &line(Channel::Access).await[0];
    let told = ["method", "path", "status", "user_agent", "finished"].map(|name| &access[name]);
    assert_eq!(json!(told), json!(["POST", "/mcp", 200, "desk/1", true]), "{access}");
    assert_eq!(access["bytes_out"], answer.body.len(), "{access}");
    assert!(access["bytes_in"].as_u64() > Some(50) && access["duration_ms"].is_f64(), "{access}");
    assert!(access["remote"].as_str().is_some_and(|at| at.starts_with("127.0.0.1:")), "{access}");
    let database = &line(Channel::Database).await[0];
    let names = ["message", "outcome", "class", "query_id", "rows", "connection", "tool"];
    let told = names.map(|name| &database[name]);
    let expected = json!(["query", "ok", "read", "01b2-fake", 2, "default", "execute_query"]);
    assert_eq!(json!(told), expected, "{database}");
    assert_eq!(database["statement_sha256"].as_str().map(str::len), Some(64), "{database}");
    assert!(database["query_duration_ms"].is_f64() && database["bytes"].is_u64(), "{database}");
    let performance = &line(Channel::Performance).await[0];
    assert_eq!(
        (&performance["message"], &performance["outcome"]),
        (&json!("tool_call"), &json!("ok"))
    );
    let part = |name: &str| performance[name].as_f64().expect("a time");
    let parts = ["wait_ms", "query_duration_ms", "fetch_ms", "render_ms"].map(part);
    assert!((part("total_ms") - parts.iter().sum::<f64>()).abs() < 0.01, "{performance}");
    let origin = logged.house.counts.origins.lock().expect("no panic").pop().expect("one");
    assert_eq!(origin.traceparent, Some(format!("00-{TRACE}-b7ad6b7169203331-01")));
}

#[tokio::test]
async fn a_request_without_an_id_is_given_one_and_a_strange_one_is_not_taken() {
    let logged = logged(LogSettings::default(), AuditLevel::Hash).await;
    let ids: BTreeSet<String> = {
        let mut ids = BTreeSet::new();
        for more in ["", "", "\r\nX-Request-Id: two words", "\r\nX-Request-Id: eyJh.eyJi.c"] {
            let answer = logged.ask(&query("select 1"), more).await;
            ids.insert(answer.header("x-request-id").expect("an id").to_owned());
        }
        ids
    };
    assert!(ids.len() == 4 && ids.iter().all(|id| id.len() == 36), "{ids:?}");
    let lines = logged.lines(Channel::Access, 4).await;
    let written: BTreeSet<_> =
        lines.iter().map(|line| line["request_id"].as_str().unwrap_or("-").to_owned()).collect();
    assert_eq!(written, ids);
    assert!(lines.iter().all(|line| line.get("trace_id").is_none()), "{lines:?}");
}

#[tokio::test]
async fn how_a_statement_ended_is_told_without_its_words() {
    let logged = logged(LogSettings::default(), AuditLevel::Hash).await;
    logged.ask(&query("select ordres"), "").await;
    logged.ask(&query("select wrong"), "").await;
    // A client that goes away.
    let mut client = Client::connect(logged.house.address).await.expect("connects");
    let head = mcp_head(&format!("\r\nAuthorization: Bearer {}", key(1)));
    client.send(&head, &query("select hang").to_string()).await.expect("sent");
    eventually("it runs", || {
        let begun = &logged.house.counts.begun;
        begun.load(std::sync::atomic::Ordering::SeqCst) >= 3
    })
    .await;
    drop(client);
    let file = || text(logged.directory.path(), Channel::Database);
    eventually("the cancelled one is told", || file().contains("\"cancelled\"")).await;
    let lines = logged.lines(Channel::Database, 1).await;
    let of = |outcome: &str| {
        let told = |line: &&Value| line["outcome"] == outcome;
        lines.iter().filter(told).map(|line| line["error_code"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("error")[..1], [json!("002003")], "{lines:?}");
    assert!(of("error").contains(&Value::Null) && of("cancelled").len() == 1, "{lines:?}");
    for words in ["ORDRES", "ordres", "no such column", "hang"] {
        assert!(!file().contains(words), "{words}: {}", file());
    }
    let access = || text(logged.directory.path(), Channel::Access);
    eventually("a stream that broke off is told", || access().contains("\"finished\":false")).await;
}

#[tokio::test]
async fn no_secret_is_in_any_file_however_much_is_logged() {
    let statements = AuditLevel::Text;
    let settings = LogSettings { level: LogLevel::Trace, statements, ..LogSettings::default() };
    let logged = logged(settings, AuditLevel::Text).await;
    let stranger = key(2);
    for more in [
        "\r\nX-Request-Id: eyJjYW5hcnk.eyJjYW5hcnk.Y2FuYXJ5",
        "\r\nUser-Agent: curl password=canary-1 Bearer canary-2",
        "\r\nCookie: session=canary-3",
    ] {
        logged.ask(&query("select 'password=canary-4', 1 as told"), more).await;
    }
    logged.ask(&query("select ordres password=canary-5"), "").await;
    logged.ask(&call("execute_query", json!({ "query": 1, "token": "canary-6" })), "").await;
    let mut client = Client::connect(logged.house.address).await.expect("connects");
    let head = mcp_head("").replace("/mcp", "/mcp?token=canary-7");
    client.send(&format!("{head}\r\nX-Api-Key: {stranger}"), "{}").await.expect("sent");
    assert_eq!(client.answer().await.expect("an answer").status, 401);
    tracing::error!(password = "canary-8", error = "sent Authorization: Bearer canary-9", "failed");
    tracing::warn!("https://me:canary-10@example.com and {stranger}");
    logged.lines(Channel::Access, 6).await;
    logged.lines(Channel::Audit, 6).await;
    let directory = logged.directory.path().to_owned();
    assert_eq!(logged.logs.dropped_total(), 0);
    drop(logged.logs);
    for channel in Channel::ALL {
        let text = text(&directory, channel);
        assert!(!text.is_empty(), "{}", channel.file());
        for canary in ["canary-", "Y2FuYXJ5", "eyJjYW5hcnk", &stranger[16..], &key(1)[16..]] {
            let line = text.lines().find(|line| line.contains(canary));
            assert_eq!(line, None, "{canary} in {}", channel.file());
        }
    }
    let database = text(&directory, Channel::Database);
    assert!(database.contains("1 as told") && database.contains("(secret)"), "{database}");
}

#[tokio::test]
async fn people_can_have_it_in_words() {
    let settings = LogSettings { format: LogFormat::Text, ..LogSettings::default() };
    let logged = logged(settings, AuditLevel::Hash).await;
    logged.ask(&query("select 1"), "\r\nX-Request-Id: req-42").await;
    let said = |channel| text(logged.directory.path(), channel);
    eventually("a line", || said(Channel::Access).ends_with('\n')).await;
    let access = said(Channel::Access);
    let begins = " INFO query[1] [req-42] request method=POST path=/mcp status=200 ";
    assert!(access.contains(begins) && access.ends_with(" client=one\n"), "{access}");
    eventually("a line", || said(Channel::Audit).contains("[req-42] call ok")).await;
}

/// A field of a protobuf message: its number, and its bytes or its number.
#[derive(Debug, Clone, PartialEq)]
enum Wire {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The fields of a message, as any reader of protobuf sees them.
fn decoded(mut bytes: &[u8]) -> Vec<(u64, Wire)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return value;
            }
            shift += 7;
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_at(8);
                bytes = rest;
                Wire::Number(u64::from_le_bytes(number.try_into().expect("eight bytes")))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("a length");
                let (value, rest) = bytes.split_at(length);
                bytes = rest;
                Wire::Bytes(value.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

/// The bytes under a number, of which there may be several.
fn all(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    let of_number = |(of, value): (u64, Wire)| match value {
        Wire::Bytes(bytes) if of == number => Some(bytes),
        _other => None,
    };
    decoded(message).into_iter().filter_map(of_number).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A span as the collector got it: trace, id, parent, name, attributes.
type Span = (String, String, String, String, String);

fn spans(request: &[u8]) -> Vec<Span> {
    let below = |messages: Vec<Vec<u8>>, number| {
        messages.iter().flat_map(|message| all(message, number)).collect::<Vec<_>>()
    };
    let spans = below(below(all(request, 1), 2), 2);
    let text = |span: &[u8], number| hexadecimal(&all(span, number).concat());
    let words = |bytes: Vec<Vec<u8>>| String::from_utf8_lossy(&bytes.concat()).into_owned();
    let read = |span: &Vec<u8>| {
        let name = words(all(span, 5));
        (text(span, 1), text(span, 2), text(span, 4), name, words(all(span, 9)))
    };
    spans.iter().map(read).collect()
}

/// A collector that keeps what it is sent.
async fn collector() -> (String, std::sync::Arc<std::sync::Mutex<Vec<Vec<u8>>>>) {
    use axum::body::Bytes;
    let kept = std::sync::Arc::<std::sync::Mutex<Vec<Vec<u8>>>>::default();
    let takes = std::sync::Arc::clone(&kept);
    let take = move |headers: http::HeaderMap, body: Bytes| async move {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["x-key"], "canary of a header");
        takes.lock().expect("no panic").push(body.to_vec());
    };
    let routes = axum::Router::new().route("/v1/traces", axum::routing::post(take));
    let listener = tokio::net::TcpListener::from_std(crate::support::listener()).expect("listens");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (format!("http://{address}"), kept)
}

/// A collector there, that is told of such a share.
fn traces(to: String, sample: f64) -> TraceSettings {
    let key = Secret::new("canary of a header".to_owned());
    TraceSettings { to, sample, headers: [("x-key".to_owned(), key)].into() }
}

#[tokio::test]
async fn of_traces_that_begin_here_a_share_is_told_and_of_others_what_their_caller_says() {
    let (address, kept) = collector().await;
    let settings = LogSettings { traces: Some(traces(address, 0.0)), ..LogSettings::default() };
    let logged = logged(settings, AuditLevel::Hash).await;
    logged.ask(&query("select 1"), "").await;
    logged
        .ask(&query("select 2"), &format!("\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01"))
        .await;
    logged.lines(Channel::Access, 2).await;
    let clock = mcp_worker::clock::Clock::start();
    let told =
        || kept.lock().expect("no panic").iter().flat_map(|one| spans(one)).collect::<Vec<_>>();
    let by_now = async {
        while told().len() < 3 {
            logged.logs.flush_traces(crate::support::PATIENCE, clock).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, by_now).await.expect("it is told");
    assert!(told().iter().all(|span| span.0 == TRACE), "{:?}", told());
    let origins = logged.house.counts.origins.lock().expect("no panic").clone();
    let flags: Vec<String> = origins
        .iter()
        .map(|origin| origin.traceparent.as_deref().expect("a trace")[53..].to_owned())
        .collect();
    assert_eq!(flags, ["00", "01"], "Snowflake is told the same");
}

#[tokio::test]
async fn a_collector_is_told_of_request_call_and_statement_in_the_callers_trace() {
    let (address, kept) = collector().await;
    let settings = LogSettings { traces: Some(traces(address, 1.0)), ..LogSettings::default() };
    let logged = logged(settings, AuditLevel::Hash).await;
    let more = format!("\r\ntraceparent: 00-{TRACE}-b7ad6b7169203331-01");
    logged.ask(&query("select canary"), &more).await;
    logged
        .ask(&query("select 1"), &format!("\r\ntraceparent: 00-{TRACE}-b7ad6b7169203332-00"))
        .await;
    logged.lines(Channel::Access, 2).await;
    let clock = mcp_worker::clock::Clock::start();
    let told =
        || kept.lock().expect("no panic").iter().flat_map(|one| spans(one)).collect::<Vec<_>>();
    let by_now = async {
        while told().len() < 3 {
            logged.logs.flush_traces(crate::support::PATIENCE, clock).await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, by_now).await.expect("it is told");
    let told = told();
    let named = |name: &str| told.iter().find(|span| span.3 == name).expect("a span").clone();
    let (request, call, statement) = (named("request"), named("tool_call"), named("statement"));
    assert!(told.iter().all(|span| span.0 == TRACE), "{told:?}");
    assert_eq!(request.2, "b7ad6b7169203331");
    assert_eq!((&call.2, &statement.2), (&request.1, &call.1), "{told:?}");
    for (span, words) in [
        (&request, "http.request.method"),
        (&request, "/mcp"),
        (&request, "one"),
        (&call, "execute_query"),
        (&statement, "01b2-fake"),
    ] {
        assert!(span.4.contains(words), "{words} in {span:?}");
    }
    assert!(told.iter().all(|span| !span.4.contains("canary")), "{told:?}");
    assert_eq!(told.len(), 3, "one whose caller does not record it is not told: {told:?}");
    let line = &logged.lines(Channel::Performance, 1).await[0];
    assert_eq!((&line["trace_id"], &line["span_id"]), (&json!(TRACE), &json!(call.1)), "{line}");
    let origin = logged.house.counts.origins.lock().expect("no panic").first().cloned();
    let parent = origin.expect("one").traceparent.expect("a trace");
    assert_eq!(parent, format!("00-{TRACE}-{}-01", request.1));
}
