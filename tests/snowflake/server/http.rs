//! HTTP/1.1 by hand: requests from a socket, replies onto it, whole or damaged.
//!
//! A library would not let a reply end in the middle, so the bytes are written here. Nothing in
//! this file knows what Snowflake is.

use std::fmt::Write as _;
use std::io::{self, Read, Write as _};
use std::time::Duration;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use mcp_worker::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request, read to its end.
pub(crate) struct Request {
    pub(crate) method: String,
    /// Without the query, and with one slash where a client wrote several.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        first(&self.headers, name)
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        first(&self.query, name)
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The token of `Authorization: Snowflake Token="…"`.
    pub(crate) fn token(&self) -> Option<&str> {
        let quoted = self.header("authorization")?.strip_prefix("Snowflake Token=\"")?;
        quoted.strip_suffix('"')
    }
}

fn first<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// The pieces of a body, made while they are sent.
pub(crate) type Pieces = Box<dyn Iterator<Item = Vec<u8>> + Send>;

pub(crate) enum Body {
    Json(Value),
    Bytes(Vec<u8>),
    Stream(Pieces),
}

impl Reply {
    pub(crate) fn json(value: Value) -> Reply {
        Reply { status: 200, headers: Vec::new(), body: Body::Json(value) }
    }

    pub(crate) fn page(status: u16, kind: &str, text: &str) -> Reply {
        let headers = vec![("Content-Type", kind.to_owned())];
        Reply { status, headers, body: Body::Bytes(text.as_bytes().to_vec()) }
    }
}

/// How much of a reply arrives, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    Whole,
    /// The head and half of the body, then a reset.
    ResetHalfway,
    /// The head promises the whole body, half of it comes, then the end.
    Truncated,
    /// So many bytes of the body at a time.
    Drip {
        bytes: usize,
        every: Duration,
    },
}

/// What every reply of a connection needs.
pub(crate) struct Wire<'a> {
    pub(crate) stream: &'a mut TcpStream,
    pub(crate) clock: Clock,
    /// The value of `Date`.
    pub(crate) date: String,
    /// Whether the client reads gzip.
    pub(crate) gzip: bool,
}

/// The next request, or `None` when the client is done.
pub(crate) async fn read(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> io::Result<Option<Request>> {
    let head_end = loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(stream, buffer).await? {
            return Ok(None);
        }
    };
    let head: Vec<u8> = buffer.drain(..head_end).collect();
    let mut request = parse_head(&String::from_utf8_lossy(&head));
    let chunked = request.header("transfer-encoding").is_some_and(|how| how.contains("chunked"));
    let body = if chunked {
        read_chunked(stream, buffer).await?
    } else {
        let length = request.header("content-length").and_then(|length| length.parse().ok());
        read_exactly(stream, buffer, length.unwrap_or(0)).await?
    };
    let packed = request.header("content-encoding").is_some_and(|how| how.contains("gzip"));
    request.body = if packed { gunzip(&body)? } else { body };
    Ok(Some(request))
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<bool> {
    Ok(stream.read_buf(buffer).await? > 0)
}

async fn read_exactly(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    length: usize,
) -> io::Result<Vec<u8>> {
    while buffer.len() < length {
        if !more(stream, buffer).await? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buffer.drain(..length).collect())
}

async fn read_chunked(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = loop {
            if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
                break at;
            }
            if !more(stream, buffer).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        let line: Vec<u8> = buffer.drain(..line_end + 2).collect();
        let text = String::from_utf8_lossy(&line);
        let length = usize::from_str_radix(text.trim(), 16).map_err(io::Error::other)?;
        let piece = read_exactly(stream, buffer, length + 2).await?;
        if length == 0 {
            return Ok(body);
        }
        body.extend_from_slice(&piece[..length]);
    }
}

fn parse_head(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().unwrap_or_default();
    // What a proxy passes on names the server as well.
    let target = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
        None => target,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pair = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decoded(name), decoded(value))
    };
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    Request {
        method,
        path: format!("/{}", parts.join("/")),
        query: query.split('&').filter(|part| !part.is_empty()).map(pair).collect(),
        headers: lines.filter_map(header).collect(),
        body: Vec::new(),
    }
}

/// A part of a query without `%20` and `+`.
fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        plain.push(match byte {
            b'+' => b' ',
            b'%' => {
                let (high, low) = (digit(bytes.next()), digit(bytes.next()));
                let both = high.unwrap_or(0) * 16 + low.unwrap_or(0);
                u8::try_from(both).unwrap_or(b'?')
            }
            other => other,
        });
    }
    String::from_utf8_lossy(&plain).into_owned()
}

pub(crate) fn gunzip(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut plain)?;
    Ok(plain)
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).expect("memory takes all bytes");
    encoder.finish().expect("memory takes all bytes")
}

impl Wire<'_> {
    /// Sends the reply. True when the connection can be used again.
    pub(crate) async fn send(&mut self, reply: Reply, how: Sending) -> io::Result<bool> {
        let Reply { status, mut headers, body } = reply;
        let bytes = match body {
            Body::Stream(pieces) if how == Sending::Whole => {
                return self.stream(status, &headers, pieces).await;
            }
            Body::Stream(pieces) => pieces.flatten().collect(),
            Body::Bytes(bytes) => bytes,
            Body::Json(value) => {
                if !headers.iter().any(|(name, _)| *name == "Content-Type") {
                    headers.push(("Content-Type", "application/json".to_owned()));
                }
                self.packed(value.to_string().into_bytes(), &mut headers)
            }
        };
        let half = bytes.len() / 2;
        let promised = bytes.len();
        let sent = match how {
            Sending::Whole | Sending::Drip { .. } => promised,
            Sending::ResetHalfway | Sending::Truncated => half,
        };
        let mut head = self.head(status, &headers);
        let _ = write!(head, "Content-Length: {promised}\r\n\r\n");
        if let Sending::Drip { bytes: size, every } = how {
            self.stream.write_all(head.as_bytes()).await?;
            for piece in bytes.chunks(size.max(1)) {
                self.clock.until(self.clock.now() + every).await;
                self.stream.write_all(piece).await?;
            }
            return Ok(true);
        }
        let mut all = head.into_bytes();
        all.extend_from_slice(&bytes[..sent]);
        self.stream.write_all(&all).await?;
        self.stream.flush().await?;
        if how == Sending::ResetHalfway {
            self.stream.set_zero_linger()?;
        }
        Ok(how == Sending::Whole)
    }

    /// Long JSON travels packed, as the service does it.
    fn packed(&self, plain: Vec<u8>, headers: &mut Vec<(&'static str, String)>) -> Vec<u8> {
        if !self.gzip || plain.len() < 1024 {
            return plain;
        }
        headers.push(("Content-Encoding", "gzip".to_owned()));
        gzip(&plain)
    }

    fn head(&self, status: u16, headers: &[(&'static str, String)]) -> String {
        let mut head = format!("HTTP/1.1 {status} {}\r\nDate: {}\r\n", reason(status), self.date);
        for (name, value) in headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head
    }

    async fn stream(
        &mut self,
        status: u16,
        headers: &[(&'static str, String)],
        pieces: Pieces,
    ) -> io::Result<bool> {
        let mut head = self.head(status, headers);
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        self.stream.write_all(head.as_bytes()).await?;
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            self.stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            self.stream.write_all(&piece).await?;
            self.stream.write_all(b"\r\n").await?;
        }
        self.stream.write_all(b"0\r\n\r\n").await?;
        Ok(true)
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// Waits until the client has gone.
pub(crate) async fn until_gone(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while matches!(stream.read(&mut ignored).await, Ok(read) if read > 0) {}
}
