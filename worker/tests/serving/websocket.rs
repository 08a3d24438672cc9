//! MCP over a WebSocket: the same answers, limits and good manners as over HTTP.

use std::sync::atomic::Ordering::SeqCst;

use mcp_protocol::access::{AccessSettings, AuditLevel, Grant, Quota};
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::{McpSettings, Settings};
use mcp_worker::http::Stage;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::access::key;
use crate::logs::logged_by;
use crate::support::{Client, House, PATIENCE, call, eventually, house};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;

fn settings() -> Settings {
    let mcp = McpSettings { websocket: true, ..McpSettings::default() };
    Settings { mcp, ..Settings::default() }
}

/// A conversation.
struct Socket {
    stream: TcpStream,
}

impl Socket {
    /// The head of what asks for one, with more header lines.
    fn head(more: &str) -> String {
        format!(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=={more}"
        )
    }

    async fn open(house: &House) -> Socket {
        Socket::open_with(house, "").await
    }

    /// With more header lines in what asks for it.
    async fn open_with(house: &House, more: &str) -> Socket {
        let mut stream = TcpStream::connect(house.address).await.expect("connects");
        let head = Socket::head(&format!("\r\nSec-WebSocket-Protocol: mcp{more}\r\n\r\n"));
        stream.write_all(head.as_bytes()).await.expect("sends");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.to_lowercase().contains("sec-websocket-protocol: mcp"), "{head}");
        let mut socket = Socket { stream };
        let hello = json!({
            "jsonrpc": "2.0", "id": "hello", "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" }
            }
        });
        socket.say(&hello).await;
        let answer = socket.hear().await;
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-supervisor", "{answer}");
        socket.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        socket
    }

    async fn send(&mut self, kind: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | kind];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | u8::try_from(short).expect("short")),
            longer => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(longer).expect("below 64 KB").to_be_bytes());
            }
        }
        // A mask of zeros changes nothing.
        frame.extend([0; 4]);
        frame.extend(payload);
        self.stream.write_all(&frame).await.expect("sends");
    }

    async fn say(&mut self, message: &Value) {
        self.send(TEXT, message.to_string().as_bytes()).await;
    }

    /// The next frame that is no ping.
    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let reading = async {
            loop {
                let kind = self.stream.read_u8().await.expect("a frame") & 0x0F;
                let length = match self.stream.read_u8().await.expect("a length") {
                    126 => u64::from(self.stream.read_u16().await.expect("a length")),
                    127 => self.stream.read_u64().await.expect("a length"),
                    short => u64::from(short),
                };
                let mut payload = vec![0; usize::try_from(length).expect("fits")];
                self.stream.read_exact(&mut payload).await.expect("a payload");
                if kind != PING {
                    return (kind, payload);
                }
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("in time")
    }

    async fn hear(&mut self) -> Value {
        let (kind, payload) = self.frame().await;
        assert_eq!(kind, TEXT, "{payload:?}");
        serde_json::from_slice(&payload).expect("JSON")
    }

    /// The code with which the other side ends it.
    async fn ending(&mut self) -> u16 {
        let (kind, payload) = self.frame().await;
        assert_eq!(kind, CLOSE, "{}", String::from_utf8_lossy(&payload));
        u16::from_be_bytes([payload[0], payload[1]])
    }
}

#[tokio::test]
async fn it_is_served_only_where_that_is_asked_for_and_to_those_who_speak_mcp() {
    let closed = house(&Settings::default()).await;
    let mut client = Client::connect(closed.address).await.expect("connects");
    client.send(&Socket::head("\r\nSec-WebSocket-Protocol: mcp"), "").await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 404);
    let house = house(&settings()).await;
    for (more, status) in [
        ("\r\nSec-WebSocket-Protocol: chat", 400),
        ("\r\nSec-WebSocket-Protocol: mcp\r\nOrigin: https://evil.example", 403),
    ] {
        let mut client = Client::connect(house.address).await.expect("connects");
        client.send(&Socket::head(more), "").await.expect("sends");
        assert_eq!(client.answer().await.expect("an answer").status, status, "{more}");
    }
}

#[tokio::test]
async fn tools_are_called_and_what_is_wrong_is_said() {
    let house = house(&settings()).await;
    let mut socket = Socket::open(&house).await;
    socket.say(&call("execute_query", json!({ "query": "select 1" }))).await;
    let answer = socket.hear().await;
    assert_eq!(answer["id"], 7);
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    socket.send(TEXT, b"{ nonsense").await;
    assert_eq!(socket.hear().await["error"]["code"], -32700);
    socket.send(TEXT, "[".repeat(100).as_bytes()).await;
    assert_eq!(socket.hear().await["error"]["code"], -32600);
    socket.send(2, b"bytes").await;
    assert_eq!(socket.ending().await, 1003);
}

#[tokio::test]
async fn each_message_pays_as_a_request_does() {
    let quota = Quota { statements_per_day: Some(1), ..Quota::default() };
    let anonymous = Some(Grant { quota, ..Grant::default() });
    let access = AccessSettings { anonymous, ..AccessSettings::default() };
    let mut limited = Settings { access, ..settings() };
    limited.http.concurrent_requests = Some(1);
    let house = house(&limited).await;
    let mut socket = Socket::open(&house).await;
    socket.say(&call("execute_query", json!({ "query": "select hang" }))).await;
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    socket.say(&json!({ "jsonrpc": "2.0", "id": 8, "method": "tools/list" })).await;
    let refused = socket.hear().await;
    assert_eq!(refused["id"], 8);
    assert_eq!(refused["error"]["data"]["limit"], "concurrent_requests", "{refused}");
    drop(socket);
    eventually("it is cancelled", || house.counts.cancelled.load(SeqCst) == 1).await;
    let connections = || house.metrics.vitals(house.pool.vitals()).connections;
    eventually("nothing is left of it", || connections() == 0).await;
    let mut socket = Socket::open(&house).await;
    socket.say(&call("execute_query", json!({ "query": "select 1" }))).await;
    let answer = socket.hear().await;
    assert_eq!(answer["result"]["isError"], true, "the day's statement was used: {answer}");
}

#[tokio::test]
async fn a_conversation_is_written_down_at_its_end_and_its_client_is_a_visitor() {
    let logged = logged_by(settings(), AuditLevel::Hash).await;
    let more = format!("\r\nUser-Agent: desk/1\r\nAuthorization: Bearer {}", key(1));
    let mut socket = Socket::open_with(&logged.house, &more).await;
    socket.say(&call("execute_query", json!({ "query": "select 1" }))).await;
    let answer = socket.hear().await;
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    let seen = logged.house.office.visitors().list();
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(
        (seen[0].program.as_deref(), seen[0].protocol.as_str()),
        (Some("test 1"), "2025-11-25")
    );
    assert_eq!((seen[0].client.as_deref(), seen[0].messages), (Some("one"), 3), "{seen:?}");
    assert!(seen[0].tag.is_some(), "{seen:?}");
    let mut other = Socket::open_with(&logged.house, &more).await;
    assert_eq!(logged.house.office.visitors().list().len(), 2, "each conversation is a session");
    let sent = call("execute_query", json!({ "query": "select 1" })).to_string().len();
    other.send(2, b"bytes").await;
    assert_eq!(other.ending().await, 1003);
    drop(other);
    let lines = logged.lines(Channel::Access, 3).await;
    let line = lines.iter().find(|line| line["message"] == "conversation").expect("its line");
    let told = ["client", "path", "user_agent", "code", "messages_in", "messages_out"];
    let told = told.map(|name| &line[name]);
    assert_eq!(json!(told), json!(["one", "/ws", "desk/1", 1003, 2, 1]), "{line}");
    drop(socket);
    let lines = logged.lines(Channel::Access, 4).await;
    let line = lines.last().expect("a line");
    assert_eq!((&line["messages_in"], &line["messages_out"]), (&json!(3), &json!(2)), "{line}");
    assert!(line["bytes_in"].as_u64() > Some(sent as u64) && line["code"].is_null(), "{line}");
    assert!(line["duration_ms"].is_f64() && line["bytes_out"].as_u64() > Some(100), "{line}");
    assert!(line["remote"].as_str().is_some_and(|at| at.starts_with("127.0.0.1:")), "{line}");
}

#[tokio::test]
async fn a_drain_answers_what_runs_and_says_goodbye() {
    let house = house(&settings()).await;
    let mut idle = Socket::open(&house).await;
    let mut busy = Socket::open(&house).await;
    busy.say(&call("execute_query", json!({ "query": "select slow" }))).await;
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    house.door.advance(Stage::ClosingIdle);
    assert_eq!(idle.ending().await, 1001);
    let answer = busy.hear().await;
    assert!(answer["result"]["structuredContent"].is_object(), "{answer}");
    assert_eq!(busy.ending().await, 1001);
    drop((idle, busy));
    tokio::time::timeout(PATIENCE, house.door.emptied()).await.expect("nobody is left");
}
