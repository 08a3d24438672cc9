//! Clients of an MCP server: over HTTP, each with a kept-alive connection and a session of its own;
//! or over the standard streams of a program, all of them at once.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

/// The version of the protocol that all servers here know.
const PROTOCOL: &str = "2025-06-18";

/// A tool that runs a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) argument: &'static str,
}

impl Tool {
    fn call(self, id: u64, statement: &str) -> Value {
        let arguments = json!({ self.argument: statement });
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call",
               "params": {"name": self.name, "arguments": arguments}})
    }
}

fn initialize() -> Value {
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize",
           "params": {"protocolVersion": PROTOCOL, "capabilities": {},
                      "clientInfo": {"name": "benchmark", "version": "1"}}})
}

fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

fn refuse(words: impl Into<String>) -> io::Error {
    io::Error::other(words.into())
}

/// Whether this is the answer of a tool that did what it should.
fn check(body: &str) -> io::Result<()> {
    let failed = body.contains("\"isError\":true") || body.contains("\"isError\": true");
    if body.contains("\"result\"") && !failed {
        return Ok(());
    }
    Err(refuse(format!("no answer: {}", body.chars().take(300).collect::<String>())))
}

/// A client over HTTP.
pub(crate) struct HttpClient {
    stream: TcpStream,
    /// The head of each request up to the length.
    head: String,
    buffer: Vec<u8>,
    /// It asks the account itself.
    direct: bool,
}

impl HttpClient {
    /// Connects and begins a session.
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> io::Result<HttpClient> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n"
        );
        let mut client = HttpClient { stream, head, buffer: Vec::new(), direct: false };
        let (head, body) = client.ask(&initialize()).await?;
        check(&body)?;
        let session = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("mcp-session-id").then(|| value.trim().to_owned())
        });
        client.head.push_str(&format!("MCP-Protocol-Version: {PROTOCOL}\r\n"));
        if let Some(session) = session {
            client.head.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        }
        client.ask(&initialized()).await?;
        Ok(client)
    }

    /// Connects to the account itself, which asks nobody who they are.
    pub(crate) async fn of_account(address: SocketAddr) -> io::Result<HttpClient> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /queries/v1/query-request?requestId=00000000-0000-4000-8000-000000000000 \
             HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n"
        );
        Ok(HttpClient { stream, head, buffer: Vec::new(), direct: true })
    }

    /// Runs a statement.
    pub(crate) async fn call(&mut self, tool: Tool, id: u64, statement: &str) -> io::Result<()> {
        if self.direct {
            let (_, body) = self.ask(&json!({ "sqlText": statement, "sequenceId": id })).await?;
            return match body.contains("\"rowset\"") {
                true => Ok(()),
                false => Err(refuse(format!("no answer: {body}"))),
            };
        }
        let (_, body) = self.ask(&tool.call(id, statement)).await?;
        check(&body)
    }

    /// Sends a statement and does not wait for its answer.
    pub(crate) async fn send(&mut self, tool: Tool, statement: &str) -> io::Result<()> {
        self.write(&tool.call(1, statement)).await
    }

    async fn write(&mut self, message: &Value) -> io::Result<()> {
        let body = message.to_string();
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes()).await
    }

    async fn ask(&mut self, message: &Value) -> io::Result<(String, String)> {
        self.write(message).await?;
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        if !head.starts_with("HTTP/1.1 20") {
            return Err(refuse(head));
        }
        let lower = head.to_ascii_lowercase();
        let header = |name: &str| lower.lines().find_map(|line| line.strip_prefix(name));
        let body = if header("transfer-encoding:").is_some_and(|how| how.contains("chunked")) {
            self.chunks().await?
        } else {
            let length = header("content-length:").and_then(|text| text.trim().parse().ok());
            self.take(length.unwrap_or(0)).await?
        };
        Ok((head, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                    break at;
                }
                self.more().await?;
            };
            let digits = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
            let length = usize::from_str_radix(digits.trim(), 16).map_err(io::Error::other)?;
            self.buffer.drain(..end + 2);
            let chunk = self.take(length + 2).await?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// A program that is spoken to over its standard streams, for any number of callers.
#[derive(Clone)]
pub(crate) struct StdioClient(Arc<Streams>);

struct Streams {
    input: Mutex<ChildStdin>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<String>>>>,
    ids: AtomicU64,
}

impl StdioClient {
    /// Starts the program and begins the one session.
    pub(crate) async fn start(mut command: Command) -> io::Result<(StdioClient, Child)> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (Some(input), Some(output)) = (input, output) else { return Err(refuse("no pipes")) };
        let waiting = Arc::new(Mutex::new(HashMap::<u64, oneshot::Sender<String>>::new()));
        let answered = Arc::clone(&waiting);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                let Some(id) = message["id"].as_u64() else { continue };
                if let Some(caller) = answered.lock().unwrap().remove(&id) {
                    let _ = caller.send(line);
                }
            }
            // Whoever waits is told by the end of the channel.
            answered.lock().unwrap().clear();
        });
        let streams = Streams { input: Mutex::new(input), waiting, ids: AtomicU64::new(1) };
        let client = StdioClient(Arc::new(streams));
        client.ask(0, &initialize()).await?;
        client.write(&initialized())?;
        Ok((client, child))
    }

    /// Runs a statement.
    pub(crate) async fn call(&self, tool: Tool, statement: &str) -> io::Result<()> {
        let id = self.0.ids.fetch_add(1, Ordering::Relaxed);
        self.ask(id, &tool.call(id, statement)).await
    }

    async fn ask(&self, id: u64, message: &Value) -> io::Result<()> {
        let (caller, answer) = oneshot::channel();
        self.0.waiting.lock().unwrap().insert(id, caller);
        self.write(message)?;
        check(&answer.await.map_err(|_| refuse("the program ended"))?)
    }

    fn write(&self, message: &Value) -> io::Result<()> {
        self.0.input.lock().unwrap().write_all(format!("{message}\n").as_bytes())
    }
}
