//! A canned account: it lets everybody in and answers every statement with one row, after a time
//! that can be set. It counts logins, statements and aborts, and is fast enough not to be what is
//! measured. The one question that a client asks about itself at its start gets a true answer.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// A statement that holds these words runs until it is aborted.
pub(crate) const ENDLESS: &str = "'endless'";
/// A statement that asks which versions of clients are supported; its answer is a list in JSON.
const CLIENT_VERSIONS: &str = "SYSTEM$CLIENT_VERSION_INFO";
/// At most so long, so that nothing waits for ever.
const ENDLESS_MAX: Duration = Duration::from_secs(30);

/// The account. Ends when it is dropped.
pub(crate) struct Account {
    pub(crate) address: SocketAddr,
    counts: Arc<Counts>,
    _runtime: Runtime,
}

#[derive(Default)]
struct Counts {
    latency_ms: AtomicU64,
    logins: AtomicU64,
    statements: AtomicU64,
    running: AtomicU64,
    most_running: AtomicU64,
    /// Endless statements by their request's id.
    endless: Mutex<HashMap<String, oneshot::Sender<()>>>,
    last_abort: Mutex<Option<Instant>>,
}

impl Account {
    pub(crate) fn start() -> io::Result<Account> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let counts = Arc::new(Counts::default());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        runtime.spawn(accept(listener, Arc::clone(&counts)));
        Ok(Account { address, counts, _runtime: runtime })
    }

    /// Every statement takes so long from now on; nothing is in flight yet.
    pub(crate) fn set_latency(&self, latency: Duration) {
        let milliseconds = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.counts.latency_ms.store(milliseconds, Ordering::Relaxed);
        self.counts.most_running.store(0, Ordering::Relaxed);
    }

    /// How many logins there were.
    pub(crate) fn logins(&self) -> u64 {
        self.counts.logins.load(Ordering::Relaxed)
    }

    /// The most statements that ran at once since the latency was set.
    pub(crate) fn most_running(&self) -> u64 {
        self.counts.most_running.load(Ordering::Relaxed)
    }

    /// How many endless statements run.
    pub(crate) fn endless(&self) -> usize {
        self.counts.endless.lock().unwrap().len()
    }

    /// When the last abort came, if one came after this moment.
    pub(crate) fn aborted_after(&self, moment: Instant) -> Option<Instant> {
        self.counts.last_abort.lock().unwrap().filter(|at| *at > moment)
    }
}

async fn accept(listener: TcpListener, counts: Arc<Counts>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let counts = Arc::clone(&counts);
        // Whoever breaks a connection is seen at the other end.
        tokio::spawn(async move { serve(stream, &counts).await.ok() });
    }
}

/// A connection with one request after the other.
async fn serve(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let words = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
        let header = |name: &str| words.lines().find_map(|line| line.strip_prefix(name));
        let length: usize =
            header("content-length:").and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        let packed = header("content-encoding:").is_some_and(|how| how.contains("gzip"));
        let line = String::from_utf8_lossy(&buffer[..head]).lines().next().unwrap_or("").to_owned();
        while buffer.len() < head + length {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
        let mut body = buffer[head..head + length].to_vec();
        buffer.drain(..head + length);
        if packed {
            let mut plain = Vec::new();
            GzDecoder::new(&body[..]).read_to_end(&mut plain)?;
            body = plain;
        }
        let answer = answer(&line, &body, counts).await.to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
    }
}

async fn answer(line: &str, body: &[u8], counts: &Counts) -> Value {
    if line.contains("/login-request") {
        return login(counts.logins.fetch_add(1, Ordering::Relaxed) + 1);
    }
    if line.contains("/query-request") {
        return statement(line, body, counts).await;
    }
    if line.contains("/abort-request") {
        *counts.last_abort.lock().unwrap() = Some(Instant::now());
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let id = body["requestId"].as_str().unwrap_or_default().to_ascii_lowercase();
        if let Some(end) = counts.endless.lock().unwrap().remove(&id) {
            let _ = end.send(());
        }
    }
    json!({"data": null, "code": null, "message": null, "success": true})
}

async fn statement(line: &str, body: &[u8], counts: &Counts) -> Value {
    let number = counts.statements.fetch_add(1, Ordering::Relaxed);
    let running = counts.running.fetch_add(1, Ordering::Relaxed) + 1;
    counts.most_running.fetch_max(running, Ordering::Relaxed);
    let holds = |words: &str| body.windows(words.len()).any(|some| some == words.as_bytes());
    let answer = if holds(ENDLESS) {
        let (end, ended) = oneshot::channel();
        counts.endless.lock().unwrap().insert(request_id(line), end);
        let _ = tokio::time::timeout(ENDLESS_MAX, ended).await;
        counts.endless.lock().unwrap().remove(&request_id(line));
        json!({"data": {"queryId": query_id(number), "errorCode": "000604", "sqlState": "57014"},
               "code": "000604", "message": "SQL execution canceled", "success": false})
    } else {
        let latency = Duration::from_millis(counts.latency_ms.load(Ordering::Relaxed));
        if latency > Duration::ZERO {
            tokio::time::sleep(latency).await;
        }
        match holds(CLIENT_VERSIONS) {
            true => client_versions(number),
            false => one_row(number),
        }
    };
    counts.running.fetch_sub(1, Ordering::Relaxed);
    answer
}

fn request_id(line: &str) -> String {
    let after = line.to_ascii_lowercase();
    let after = after.split("requestid=").nth(1).unwrap_or_default().to_owned();
    after.split(['&', ' ']).next().unwrap_or_default().to_owned()
}

fn query_id(number: u64) -> String {
    format!("01c0ffee-0000-0000-0000-{number:012x}")
}

fn one_row(number: u64) -> Value {
    let column = json!({"name": "1", "database": "", "schema": "", "table": "", "nullable": false,
                        "type": "fixed", "length": null, "byteLength": null, "precision": 1,
                        "scale": 0, "collation": null});
    cell(number, &column, "1")
}

/// Every version of the one driver that asks is supported.
fn client_versions(number: u64) -> Value {
    let column = json!({"name": "SYSTEM$CLIENT_VERSION_INFO()", "database": "", "schema": "",
                        "table": "", "nullable": true, "type": "text", "length": 16_777_216,
                        "byteLength": 16_777_216, "precision": null, "scale": null,
                        "collation": null});
    let versions = json!([{"clientId": "PyCore", "clientAppId": "PyCore",
                           "minimumSupportedVersion": "0.0.0",
                           "minimumNearingEndOfSupportVersion": "0.0.0",
                           "recommendedVersion": "0.0.0", "deprecatedVersions": []}]);
    cell(number, &column, &versions.to_string())
}

fn cell(number: u64, column: &Value, text: &str) -> Value {
    json!({
        "data": {
            "parameters": parameters(), "queryId": query_id(number), "rowtype": [column],
            "rowset": [[text]], "total": 1, "returned": 1, "queryResultFormat": "json",
            "databaseProvider": null, "finalDatabaseName": "DB", "finalSchemaName": "PUBLIC",
            "finalWarehouseName": "WH", "finalRoleName": "SYSADMIN", "numberOfBinds": 0,
            "arrayBindSupported": false, "statementTypeId": 4096, "version": 1,
            "sendResultTime": 1_763_740_800_000_i64
        },
        "code": null, "message": null, "success": true
    })
}

fn login(number: u64) -> Value {
    json!({
        "data": {
            "token": format!("token-{number}"), "masterToken": format!("master-{number}"),
            "validityInSeconds": 3600, "masterValidityInSeconds": 14_400,
            "displayUserName": "MCP", "serverVersion": "10.40.1", "firstLogin": false,
            "remMeToken": null, "remMeValidityInSeconds": 0, "healthCheckInterval": 45,
            "newClientForUpgrade": null, "sessionId": number, "parameters": parameters(),
            "sessionInfo": {"databaseName": "DB", "schemaName": "PUBLIC", "warehouseName": "WH",
                            "roleName": "SYSADMIN"},
            "idToken": null, "idTokenValidityInSeconds": 0, "responseData": null,
            "mfaToken": null, "mfaTokenValidityInSeconds": 0
        },
        "code": null, "message": null, "success": true
    })
}

fn parameters() -> Value {
    json!([
        {"name": "TIMEZONE", "value": "UTC"},
        {"name": "AUTOCOMMIT", "value": true},
        {"name": "CLIENT_SESSION_KEEP_ALIVE", "value": false},
        {"name": "CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", "value": 3600},
        {"name": "CLIENT_TELEMETRY_ENABLED", "value": false},
    ])
}
