//! The worker as a process of its own, for what it takes from its environment: a proxy, a
//! company's certificates, an account at a private link.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use mcp_protocol::frame::{self, Decoder};
use mcp_protocol::handshake::{Hello, Welcome};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::settings::{Settings, SnowflakeSettings, WarehouseSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::house::{PATIENCE, settings};
use crate::server::Server;

/// The account at a private link, for whose name the certificate is.
const PRIVATE_LINK: &str = "testorg-test.privatelink.snowflakecomputing.com";

fn certificates(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/snowflake/certificates").join(name)
}

/// A worker's process, and the supervisor's end of its link.
struct Worker {
    child: Child,
    link: UnixStream,
    decoder: Decoder,
    address: SocketAddr,
    _directory: TempDir,
}

impl Worker {
    /// Starts one with these variables, and returns when it is ready.
    fn start(account: SnowflakeSettings, variables: &[(&str, &str)]) -> Worker {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let socket = directory.path().join("control.sock");
        let accepting = UnixListener::bind(&socket).expect("a socket is bound");
        let door = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = door.local_addr().expect("a listener has an address");
        let child = spawn(&socket, door, variables);
        let (link, _) = accepting.accept().expect("the worker connects");
        link.set_read_timeout(Some(PATIENCE)).expect("a socket has a time limit");
        let mut worker =
            Worker { child, link, decoder: Decoder::default(), address, _directory: directory };
        let _: Hello = worker.hear();
        worker.say(&Welcome::Speak { version: 1 });
        let settings = Settings {
            warehouse: WarehouseSettings::Snowflake(Box::new(account)),
            ..Settings::default()
        };
        worker.say(&ToWorker::Settings(Box::new(settings)));
        while worker.hear::<FromWorker>() != FromWorker::Ready {}
        worker
    }

    fn say<M: Serialize>(&mut self, message: &M) {
        let frame = frame::encode(message).expect("a frame");
        self.link.write_all(&frame).expect("the worker reads");
    }

    fn hear<M: DeserializeOwned>(&mut self) -> M {
        loop {
            if let Some(body) = self.decoder.next_body().expect("frames") {
                return frame::decode(&body).expect("a message");
            }
            let mut bytes = [0; 4096];
            let read = self.link.read(&mut bytes).expect("the worker writes in time");
            assert_ne!(read, 0, "the worker hung up");
            self.decoder.push(&bytes[..read]);
        }
    }

    /// What a tool call comes to, as the client is told.
    async fn ask(&self, query: &str) -> Value {
        let call = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "execute_query", "arguments": { "query": query } }
        });
        let client = reqwest::Client::builder().no_proxy().build().expect("a client is made");
        let request = client.post(format!("http://{}/mcp", self.address)).json(&call);
        let request = request.header("Accept", "application/json, text/event-stream");
        request.send().await.expect("an answer").json().await.expect("JSON")
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "the test starts the program itself")]
fn spawn(socket: &Path, door: std::net::TcpListener, variables: &[(&str, &str)]) -> Child {
    let script = "LISTEN_PID=$$ exec \"$0\" 3<&0 0</dev/null";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_mcp-worker")]).env_clear();
    command.stdin(Stdio::from(OwnedFd::from(door))).stderr(Stdio::null());
    command.env("MCP_SUPERVISOR_SOCKET", socket).env("MCP_SUPERVISOR_APP", "query");
    command.env("MCP_SUPERVISOR_SLOT", "2").env("MCP_SUPERVISOR_RUN", "57").env("LISTEN_FDS", "1");
    command.envs(variables.iter().copied());
    command.spawn().expect("the program runs")
}

/// A proxy that lets connections through to one server, and notes the head of each. What is for
/// the private link it ends TLS of, as the link's far side would.
#[derive(Clone)]
struct Proxy {
    heads: Arc<Mutex<Vec<String>>>,
    server: SocketAddr,
    tls: TlsAcceptor,
    address: SocketAddr,
}

impl Proxy {
    async fn open(server: &Server) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let proxy = Proxy {
            heads: Arc::default(),
            server: server.url().trim_start_matches("http://").parse().expect("an address"),
            tls: acceptor(),
            address: listener.local_addr().expect("a listener has an address"),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().pass(stream));
            }
        });
        proxy
    }

    fn url(&self, who: &str) -> String {
        format!("http://{who}{}", self.address)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panicked").clone()
    }

    async fn pass(self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        self.heads.lock().expect("nobody panicked").push(text.clone());
        let mut server = TcpStream::connect(self.server).await?;
        if text.starts_with(&format!("CONNECT {PRIVATE_LINK}:443 ")) {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            let mut stream = self.tls.accept(stream).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut server).await?;
        } else if text.starts_with("CONNECT") {
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await?;
        } else {
            server.write_all(&head).await?;
            tokio::io::copy_bidirectional(&mut stream, &mut server).await?;
        }
        Ok(())
    }
}

fn acceptor() -> TlsAcceptor {
    let chain = CertificateDer::from_pem_file(certificates("server.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(certificates("server.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![chain], key).expect("they belong together");
    TlsAcceptor::from(Arc::new(config))
}

fn private_link() -> SnowflakeSettings {
    let account = "TESTORG-TEST.privatelink".to_owned();
    SnowflakeSettings { account, host: None, ..settings("", "canary-password") }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_goes_through_the_proxy_that_is_named_and_none_past_no_proxy() {
    let server = Server::start();
    let proxy = Proxy::open(&server).await;
    let account = settings(&server.url(), "canary-password");
    let url = proxy.url("user:word@");
    let through = Worker::start(account.clone(), &[("HTTP_PROXY", &url)]);
    let answer = through.ask("SELECT ROWS(2000)").await;
    assert_eq!(answer["result"]["isError"], json!(false), "{answer}");
    let heads = proxy.heads();
    assert_eq!(heads.len(), server.seen().connections, "nobody came past the proxy");
    for head in &heads {
        assert!(head.to_lowercase().contains("proxy-authorization: basic dxnlcjp3b3jk"), "{head}");
    }
    drop(through);
    let variables = [("HTTP_PROXY", url.as_str()), ("NO_PROXY", "127.0.0.1")];
    let past = Worker::start(account, &variables);
    past.ask("SELECT 1").await;
    assert_eq!(proxy.heads().len(), heads.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_link_is_reached_through_a_proxy_by_a_company_s_certificates() {
    let server = Server::start();
    let proxy = Proxy::open(&server).await;
    let (url, authority) = (proxy.url(""), certificates("authority.pem"));
    let authority = authority.to_str().expect("a path of text");
    let variables = [("HTTPS_PROXY", url.as_str()), ("SSL_CERT_FILE", authority)];
    let worker = Worker::start(private_link(), &variables);
    let answer = worker.ask("SELECT ROWS(3)").await;
    assert_eq!(answer["result"]["isError"], json!(false), "{answer}");
    assert!(!proxy.heads().is_empty());
    assert!(proxy.heads().iter().all(|head| head.starts_with("CONNECT ")), "{:?}", proxy.heads());
    let logins = server.seen().logins;
    assert_eq!(logins[0].data["ACCOUNT_NAME"], "TESTORG-TEST");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_nobody_we_trust_and_a_proxy_that_refuses_are_told_as_such() {
    let server = Server::start();
    let proxy = Proxy::open(&server).await;
    let url = proxy.url("");
    let variables = [("HTTPS_PROXY", url.as_str())];
    let worker = Worker::start(private_link(), &variables);
    let answer = worker.ask("SELECT 1").await.to_string();
    assert!(answer.contains("certificate"), "{answer}");
    drop(worker);
    let elsewhere = SnowflakeSettings { account: "OTHER-ORG".to_owned(), ..private_link() };
    let worker = Worker::start(elsewhere, &variables);
    let answer = worker.ask("SELECT 1").await.to_string();
    assert!(answer.contains("tunnel"), "{answer}");
    assert!(server.seen().logins.is_empty());
}
