//! What a client hears of a call that takes long, over standard streams and over HTTP.

use std::sync::Arc;

use mcp_protocol::settings::Settings;
use mcp_worker::access::Caller;
use mcp_worker::clock::Clock;
use mcp_worker::mcp::server::Server;
use mcp_worker::mcp::tools::Desk;
use mcp_worker::metrics::Metrics;
use mcp_worker::warehouse::connections::Connections;
use rmcp::ServiceExt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::net::TcpStream;

use crate::support::{House, PATIENCE, house, mcp_head};

/// A call of `execute_query` in the newest version, with these keys in its `_meta`.
fn slow_call(statement: &str, meta: Value) -> Value {
    let mut all = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    for (key, value) in meta.as_object().expect("an object") {
        all[key] = value.clone();
    }
    let arguments = json!({ "query": statement });
    json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "_meta": all, "name": "execute_query", "arguments": arguments }
    })
}

/// A client at the other end of two streams.
struct Piped {
    lines: tokio::io::Lines<BufReader<tokio::io::ReadHalf<DuplexStream>>>,
    write: tokio::io::WriteHalf<DuplexStream>,
}

impl Piped {
    fn open(house: &House) -> Piped {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let (_, limits) = tokio::sync::watch::channel(Settings::default().limits);
        let desk = Desk::new(Connections::single(house.pool.clone()), limits);
        let counted = (Arc::new(Metrics::default()), Clock::start());
        let server = Server::new(desk, Caller::local(), counted);
        tokio::spawn(async move {
            let service = server.serve(tokio::io::split(theirs)).await.expect("a conversation");
            service.waiting().await.expect("an end");
        });
        let (read, write) = tokio::io::split(ours);
        Piped { lines: BufReader::new(read).lines(), write }
    }

    async fn send(&mut self, message: &Value) {
        self.write.write_all(format!("{message}\n").as_bytes()).await.expect("sends");
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.expect("in time").expect("a stream").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }
}

#[tokio::test]
async fn whoever_asks_hears_of_progress_each_second_and_of_the_stages() {
    let house = house(&Settings::default()).await;
    let mut client = Piped::open(&house);
    let meta = json!({ "progressToken": "p1", "io.modelcontextprotocol/logLevel": "info" });
    client.send(&slow_call("select hang", meta)).await;
    let log = client.next().await;
    assert_eq!(log["method"], "notifications/message", "{log}");
    assert_eq!(log["params"]["data"]["stage"], "running", "{log}");
    let (first, second) = (client.next().await, client.next().await);
    for told in [&first, &second] {
        assert_eq!(told["method"], "notifications/progress", "{told}");
        assert_eq!(told["params"]["progressToken"], "p1", "{told}");
    }
    assert_eq!(first["params"]["message"], "running for 1 s", "{first}");
    assert!(first["params"]["progress"].as_f64() < second["params"]["progress"].as_f64());
}

#[tokio::test]
async fn a_call_that_waits_for_a_session_says_so() {
    let mut settings = Settings::default();
    settings.pool.max = 1;
    let house = house(&settings).await;
    let mut first = Piped::open(&house);
    first.send(&slow_call("select hang", json!({}))).await;
    let counts = Arc::clone(&house.counts);
    crate::support::eventually("the first one runs", || {
        counts.begun.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    let mut second = Piped::open(&house);
    second.send(&slow_call("select 1", json!({ "progressToken": 2 }))).await;
    let told = second.next().await;
    assert_eq!(told["params"]["message"], "waiting for a session for 1 s", "{told}");
}

#[tokio::test]
async fn a_fast_call_and_one_that_asks_for_nothing_are_answered_and_nothing_else() {
    let house = house(&Settings::default()).await;
    let mut client = Piped::open(&house);
    for meta in [
        json!({ "progressToken": 1, "io.modelcontextprotocol/logLevel": "debug" }),
        json!({ "io.modelcontextprotocol/logLevel": "warning" }),
    ] {
        client.send(&slow_call("select slow", meta)).await;
        let answer = client.next().await;
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[tokio::test]
async fn over_http_progress_comes_on_the_stream_of_the_answer() {
    let house = house(&Settings::default()).await;
    let mut stream = TcpStream::connect(house.address).await.expect("connects");
    let message = slow_call("select hang", json!({ "progressToken": 3 })).to_string();
    let head = "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\
                \r\nMcp-Name: execute_query";
    let head = mcp_head(head);
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{message}", message.len());
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut read = String::new();
    while !read.contains("running for 1 s") {
        let mut bytes = [0; 4096];
        let reading = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
        let length = reading.expect("in time").expect("reads");
        assert!(length > 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    assert!(read.to_ascii_lowercase().contains("content-type: text/event-stream"), "{read}");
    assert!(read.contains("\"progressToken\":3"), "{read}");
}
