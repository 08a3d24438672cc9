//! What the tests share: a warehouse that does as it is told, and a small HTTP client.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mcp_protocol::access::AccessSettings;
use mcp_protocol::settings::Settings;
use mcp_worker::access::{Caller, Reception};
use mcp_worker::admin::Office;
use mcp_worker::audit::{Audit, AuditFile};
use mcp_worker::bus::Bus;
use mcp_worker::clock::Clock;
use mcp_worker::http::{Door, Health, Serving};
use mcp_worker::mcp::configured::ready;
use mcp_worker::mcp::edge::Edge;
use mcp_worker::mcp::server::{Served, Server};
use mcp_worker::mcp::tools::Desk;
use mcp_worker::mcp::tools::shelf::Configured;
use mcp_worker::metrics::Metrics;
use mcp_worker::quota::Quotas;
use mcp_worker::settings::Identity;
use mcp_worker::warehouse::connections::Connections;
use mcp_worker::warehouse::pool::Pool;
use mcp_worker::warehouse::{
    Answer, Cell, Column, Context, Limits, Origin, Session, Warehouse, WarehouseError,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What became of the statements of a [`FakeWarehouse`].
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) opened: AtomicU32,
    pub(crate) closed: AtomicU32,
    pub(crate) logins_tried: AtomicU32,
    pub(crate) begun: AtomicU32,
    pub(crate) finished: AtomicU32,
    pub(crate) cancelled: AtomicU32,
    /// Who asked, in the order of asking.
    pub(crate) origins: Mutex<Vec<Origin>>,
    /// Lets the statements go on that wait for it.
    pub(crate) gate: Notify,
}

/// A warehouse whose statements say what is to happen: `select hang`, `select broken`, ….
#[derive(Debug, Default)]
pub(crate) struct FakeWarehouse {
    pub(crate) counts: Arc<Counts>,
    /// Why nobody is let in.
    pub(crate) locked: Option<String>,
}

struct FakeSession {
    counts: Arc<Counts>,
    broken: bool,
}

#[async_trait]
impl Warehouse for FakeWarehouse {
    fn name(&self) -> &str {
        "the fake account"
    }

    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError> {
        self.counts.logins_tried.fetch_add(1, Ordering::SeqCst);
        if let Some(reason) = &self.locked {
            let warehouse = self.name().to_owned();
            return Err(WarehouseError::Refused { warehouse, reason: reason.clone() });
        }
        self.counts.opened.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeSession { counts: Arc::clone(&self.counts), broken: false }))
    }
}

#[async_trait]
impl Session for FakeSession {
    async fn query(
        &mut self,
        statement: &str,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, WarehouseError> {
        self.counts.origins.lock().expect("no panic").push(context.origin.clone());
        self.counts.begun.fetch_add(1, Ordering::SeqCst);
        let told = statement.split_whitespace().nth(1).unwrap_or_default();
        if told == "hang" {
            cancel.cancelled().await;
            self.counts.cancelled.fetch_add(1, Ordering::SeqCst);
            return Err(WarehouseError::Cancelled);
        }
        if told == "gated" {
            self.counts.gate.notified().await;
        }
        if told == "deaf" {
            std::future::pending::<()>().await;
        }
        if told == "slow" {
            until_passed(Duration::from_millis(300)).await;
        }
        if told == "broken" {
            self.broken = true;
        }
        if told == "ordres" {
            let message = "SQL compilation error:\nObject 'ORDRES' does not exist or not \
                           authorized (Snowflake's code 002003)";
            return Err(WarehouseError::Statement { message: message.to_owned() });
        }
        if told == "secret" {
            let message = "SQL access control error:\nInsufficient privileges to operate on table \
                           'SECRETS' (Snowflake's code 003001)";
            return Err(WarehouseError::Statement { message: message.to_owned() });
        }
        if told == "suspended" {
            let message = "No active warehouse selected in the current session (Snowflake's code \
                           000606)";
            return Err(WarehouseError::Statement { message: message.to_owned() });
        }
        if told == "unreachable" {
            let (warehouse, reason) =
                ("the fake account".to_owned(), "no route (Snowflake's code 390318)");
            return Err(WarehouseError::Connect { warehouse, reason: reason.to_owned() });
        }
        if told == "wrong" {
            return Err(WarehouseError::Statement { message: "no such column: WRONG".to_owned() });
        }
        self.counts.finished.fetch_add(1, Ordering::SeqCst);
        Ok(answer(statement, context, limits))
    }

    fn is_broken(&self) -> bool {
        self.broken
    }

    async fn close(self: Box<Self>) {
        self.counts.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A statement that takes its time.
async fn until_passed(duration: Duration) {
    let clock = Clock::start();
    clock.until(clock.now() + duration).await;
}

fn column(name: &str) -> Column {
    Column { name: name.to_owned(), type_name: "VARCHAR".to_owned(), nullable: true }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// Rows that are a number each: `select rows 5`.
fn numbered(statement: &str, context: &Context) -> Option<Vec<Vec<Cell>>> {
    let count: u64 = statement.strip_prefix("select rows ")?.parse().ok()?;
    let before = context.page.as_ref().map_or(0, |page| page.offset);
    let kept = context.rows_kept.map_or(count, |kept| count.min(kept as u64 + 1));
    Some((before..kept).map(|n| vec![Cell::Number(n.to_string()), text("x")]).collect())
}

/// Where a statement was to stand, and with which values: `select context`.
fn seen(context: &Context) -> Vec<Cell> {
    let shown = |value: &dyn std::fmt::Debug| text(&format!("{value:?}"));
    let Context { role, warehouse, database, schema, origin, bindings, .. } = context;
    vec![
        shown(&(role, warehouse, database, schema)),
        shown(&(&origin.caller, &origin.reason, bindings)),
    ]
}

/// What a plan says that scans 5 GiB.
const PLAN: &str = r#"{"GlobalStats":{"partitionsTotal":100,"partitionsAssigned":40,
    "bytesAssigned":5368709120},"Operations":[[{"id":0,"operation":"Result"},
    {"id":1,"operation":"TableScan","objects":["SALES.PUBLIC.ORDERS"]}]]}"#;

/// Names of columns, and rows.
type Table = (&'static [&'static str], Vec<Vec<Cell>>);

/// What the account says of its objects and warehouses.
fn listed(statement: &str) -> Option<Table> {
    Some(match statement {
        "SHOW TERSE OBJECTS" => (
            &["created_on", "name", "kind", "database_name", "schema_name"],
            ["ORDERS", "CUSTOMERS", "order lines"]
                .map(|name| {
                    vec![text("today"), text(name), text("TABLE"), text("SALES"), text("PUBLIC")]
                })
                .to_vec(),
        ),
        _ if statement.starts_with("SHOW TABLES LIKE") => (
            &["created_on", "name", "database_name", "schema_name", "rows", "comment"],
            ["SALES", "SECRET"]
                .map(|database| {
                    let rows = Cell::Number("7".to_owned());
                    vec![
                        text("today"),
                        text("ORDERS"),
                        text(database),
                        text("PUBLIC"),
                        rows,
                        text(statement),
                    ]
                })
                .to_vec(),
        ),
        "SHOW WAREHOUSES" => (
            &["name", "state", "size", "running", "queued", "is_current"],
            ["COMPUTE_WH", "HUGE_WH"]
                .map(|name| {
                    let current = if name == "COMPUTE_WH" { "Y" } else { "N" };
                    vec![
                        text(name),
                        text("STARTED"),
                        text("X-Small"),
                        text("1"),
                        text("0"),
                        text(current),
                    ]
                })
                .to_vec(),
        ),
        _ => return None,
    })
}

/// What the account says of its databases, schemas, tables and views.
fn catalogue(statement: &str) -> Option<Table> {
    Some(match statement {
        _ if statement.starts_with("SHOW DATABASES") => {
            (&["created_on", "name"], vec![vec![text("today"), text("SALES")]])
        }
        _ if statement.starts_with("SHOW SCHEMAS") => (
            &["created_on", "name", "comment"],
            vec![vec![text("today"), text("PUBLIC"), text(statement)]],
        ),
        _ if statement.starts_with("SHOW OBJECTS") => (
            &["created_on", "name", "kind", "rows"],
            vec![
                vec![text("today"), text("ORDERS"), text("VIEW"), Cell::Null],
                vec![text("today"), text("My orders"), text("TABLE"), Cell::Number("7".to_owned())],
            ],
        ),
        _ if statement.starts_with("SHOW VIEWS") => (
            &["created_on", "name", "schema_name"],
            vec![vec![text("2024-01-01"), text("ORDERS"), text("PUBLIC")]],
        ),
        _ if statement.starts_with("DESCRIBE ") => (
            &["name", "type", "kind", "null?", "comment"],
            vec![vec![text("ID"), text("NUMBER(38,0)"), text("COLUMN"), text("N"), Cell::Null]],
        ),
        _ => return None,
    })
}

fn answer(statement: &str, context: &Context, limits: &Limits) -> Answer {
    let numbered = numbered(statement, context);
    let total = numbered.as_ref().map(|rows| rows.len() as u64);
    let listed = listed(statement).or_else(|| catalogue(statement));
    let (names, rows): Table = match statement {
        _ if numbered.is_some() => (&["N", "S"], numbered.unwrap_or_default()),
        _ if statement.starts_with("select context") => (&["PLACE", "WHO"], vec![seen(context)]),
        _ if statement.starts_with("select wide") => {
            (&["S"], vec![vec![text(&"w".repeat(1000))]; 5])
        }
        _ if statement.starts_with("EXPLAIN USING JSON") => (&["plan"], vec![vec![text(PLAN)]]),
        "SELECT CURRENT_ROLE()" => (&["R"], vec![vec![text("ANALYST")]]),
        _ if listed.is_some() => listed.unwrap_or_default(),
        _ if statement.contains("QUERY_HISTORY_BY_USER") => {
            let is_running = format!("{:?}", context.bindings).contains("running-id");
            let rows = vec![vec![text("running-id"), text("RUNNING"), text("select hang")]];
            (
                &["QUERY_ID", "EXECUTION_STATUS", "QUERY_TEXT"],
                if is_running { rows } else { Vec::new() },
            )
        }
        _ if statement.contains("CANCEL_QUERY") => {
            (&["R"], vec![vec![text(&format!("query terminated {:?}", context.bindings))]])
        }
        _ => (
            &["STATEMENT", "N"],
            vec![
                vec![text(statement), Cell::Number("1".to_owned())],
                vec![text(statement), Cell::Number("2.50".to_owned())],
            ],
        ),
    };
    let is_more = rows.len() > limits.rows_max;
    let rows: Vec<_> = rows.into_iter().take(limits.rows_max).collect();
    Answer {
        query_id: "01b2-fake".to_owned(),
        columns: names.iter().map(|name| column(name)).collect(),
        truncated: is_more,
        total: total.filter(|_| context.page.is_none()),
        is_kept: true,
        bytes: rows.iter().flatten().map(Cell::weight).sum(),
        rows,
        database: context.database.clone(),
        schema: context.schema.clone(),
    }
}

/// Waits until the condition holds, or fails after [`PATIENCE`].
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            until_passed(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "did not happen: {what}");
}

/// A client with one connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct HttpAnswer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl HttpAnswer {
    /// The one message of the body, or the last one of a stream.
    pub(crate) fn json(&self) -> Value {
        let mut events = self.body.lines().rev().filter_map(|line| line.strip_prefix("data: "));
        let message = events.next().unwrap_or(&self.body);
        serde_json::from_str(message).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A header, by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (named, value) = line.split_once(": ")?;
            named.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn says_close(&self) -> bool {
        self.head.to_ascii_lowercase().contains("connection: close")
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> std::io::Result<Client> {
        Ok(Client { stream: TcpStream::connect(address).await?, buffer: Vec::new() })
    }

    pub(crate) async fn send(&mut self, head: &str, body: &str) -> std::io::Result<()> {
        let length = body.len();
        let request = format!("{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        self.stream.write_all(request.as_bytes()).await
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer; an error when the connection ends before it is whole.
    pub(crate) async fn answer(&mut self) -> std::io::Result<HttpAnswer> {
        let mut answer = self.head().await?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(event) = self.event().await? {
                answer.body.push_str(&event);
            }
            return Ok(answer);
        }
        let length = answer.header("content-length").map_or(Ok(0), str::parse::<usize>);
        let length = length.expect("a number");
        while self.buffer.len() < length {
            self.read().await?;
        }
        let body: Vec<u8> = self.buffer.drain(..length).collect();
        answer.body = String::from_utf8_lossy(&body).into_owned();
        Ok(answer)
    }

    /// The head of the next answer; its body is read by [`Client::event`].
    pub(crate) async fn head(&mut self) -> std::io::Result<HttpAnswer> {
        let head = self.through("\r\n\r\n").await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok(HttpAnswer { status: status.expect("a status"), head, body: String::new() })
    }

    /// The next event of a stream; none when it ends.
    pub(crate) async fn event(&mut self) -> std::io::Result<Option<String>> {
        let length = self.through("\r\n").await?;
        let length = usize::from_str_radix(length.trim_end(), 16).expect("a chunk");
        while self.buffer.len() < length + 2 {
            self.read().await?;
        }
        let chunk: Vec<u8> = self.buffer.drain(..length + 2).take(length).collect();
        Ok((length > 0).then(|| String::from_utf8_lossy(&chunk).into_owned()))
    }

    /// Everything up to this mark, and the mark.
    async fn through(&mut self, mark: &str) -> std::io::Result<String> {
        loop {
            let found = self.buffer.windows(mark.len()).position(|at| at == mark.as_bytes());
            if let Some(at) = found {
                let read: Vec<u8> = self.buffer.drain(..at + mark.len()).collect();
                return Ok(String::from_utf8_lossy(&read).into_owned());
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> std::io::Result<()> {
        let mut bytes = [0; 8192];
        let reading = tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes));
        match reading.await.map_err(|_| std::io::ErrorKind::TimedOut)?? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.buffer.extend_from_slice(&bytes[..read]);
                Ok(())
            }
        }
    }

    /// Whether the other side closes the connection without another byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        let mut bytes = [0; 16];
        matches!(
            tokio::time::timeout(PATIENCE, self.stream.read(&mut bytes)).await,
            Ok(Ok(0) | Err(_))
        )
    }

    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<HttpAnswer> {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: localhost"), "").await?;
        self.answer().await
    }

    pub(crate) async fn send_mcp(&mut self, message: &Value) -> std::io::Result<()> {
        self.send(&mcp_head(""), &message.to_string()).await
    }

    pub(crate) async fn mcp(&mut self, message: &Value) -> std::io::Result<HttpAnswer> {
        self.send_mcp(message).await?;
        self.answer().await
    }
}

/// The head of an MCP request of the sessionful era, with more header lines.
pub(crate) fn mcp_head(more: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream{more}"
    )
}

/// A call of a tool.
pub(crate) fn call(tool: &str, arguments: Value) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments }
    })
}

/// A door on a listener of its own, before a fake warehouse.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    pub(crate) door: Door,
    pub(crate) pool: Pool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) serving: tokio::sync::watch::Sender<Serving>,
    pub(crate) access: tokio::sync::watch::Sender<Arc<AccessSettings>>,
    pub(crate) audit: AuditFile,
    pub(crate) configured: tokio::sync::watch::Sender<Configured>,
    pub(crate) office: Office,
}

/// The other workers that a house is to know.
pub(crate) struct Colleagues {
    pub(crate) bus: Bus,
    /// Its place among them, where it has one already.
    pub(crate) office: Option<Office>,
}

/// A listener on a free port.
pub(crate) fn listener() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    listener
}

/// Opens a house on a free port.
pub(crate) async fn house(settings: &Settings) -> House {
    house_at(listener(), settings).await
}

/// Opens a house on this listener.
pub(crate) async fn house_at(listener: std::net::TcpListener, settings: &Settings) -> House {
    house_among(listener, settings, Bus::alone()).await
}

/// Opens a house on this listener, among the others of this bus.
pub(crate) async fn house_among(
    listener: std::net::TcpListener,
    settings: &Settings,
    bus: Bus,
) -> House {
    house_with(listener, settings, Colleagues { bus, office: None }).await
}

/// Opens a house on this listener that knows these others.
pub(crate) async fn house_with(
    listener: std::net::TcpListener,
    settings: &Settings,
    colleagues: Colleagues,
) -> House {
    house_serving(listener, settings, colleagues, |server| server).await
}

/// Opens a house on this listener whose door serves what is made of its server.
pub(crate) async fn house_serving<S: Served>(
    listener: std::net::TcpListener,
    settings: &Settings,
    colleagues: Colleagues,
    make: impl FnOnce(Server) -> S,
) -> House {
    let warehouse = FakeWarehouse::default();
    let counts = Arc::clone(&warehouse.counts);
    let account = (Arc::new(warehouse) as Arc<dyn Warehouse>, counts);
    house_before(account, (listener, colleagues), settings, make).await
}

/// Opens a house before this account.
pub(crate) async fn house_before<S: Served>(
    (warehouse, counts): (Arc<dyn Warehouse>, Arc<Counts>),
    (listener, Colleagues { bus, office }): (std::net::TcpListener, Colleagues),
    settings: &Settings,
    make: impl FnOnce(Server) -> S,
) -> House {
    let clock = Clock::start();
    let pool = Pool::new(warehouse, &settings.pool, clock);
    pool.open_min().await.expect("the pool opens");
    let metrics = Arc::new(Metrics::default());
    let (_, limits) = tokio::sync::watch::channel(settings.limits.clone());
    let connections = Connections::single(pool.clone());
    let desk = Desk::new(connections.clone(), limits);
    let desk = desk.with_quotas(Quotas::own(Arc::clone(&metrics)));
    let (configured, declared) = tokio::sync::watch::channel(ready(&settings.offered));
    let desk = desk.with_configured(declared);
    let identity = Identity { app: "query".to_owned(), slot: 1, run: 7, pid: std::process::id() };
    let (access, _) = tokio::sync::watch::channel(Arc::new(settings.access.clone()));
    let (audit, file) =
        Audit::open(&settings.logs, &identity, access.subscribe()).expect("an audit log");
    let server = Server::new(desk, Caller::nobody(), (Arc::clone(&metrics), clock));
    let server = server.with_audit(audit.clone());
    let (serving, _) = tokio::sync::watch::channel(Serving::Ready);
    let identity = Arc::new(identity);
    let office =
        office.unwrap_or_else(|| Office::alone(Arc::clone(&identity), access.subscribe(), clock));
    office.opens(&connections);
    let health = Health {
        identity,
        environment: settings.environment.clone(),
        connections,
        serving: serving.subscribe(),
        metrics: Arc::clone(&metrics),
        office: office.clone(),
    };
    let (stage, watched) = Door::stage();
    let reception = Reception::new(access.subscribe()).with_audit(audit);
    let (_, keys) = tokio::sync::watch::channel(settings.sessions.clone());
    let entrance = (make(server), reception, Edge::new(keys, bus, clock));
    let router = mcp_worker::http::router(settings, entrance, health, watched, clock);
    let address = listener.local_addr().expect("an address");
    let counted = (Arc::clone(&metrics), clock);
    let door = Door::open(listener, settings, router, stage, counted).expect("a door");
    House { address, door, pool, metrics, counts, serving, access, audit: file, configured, office }
}
