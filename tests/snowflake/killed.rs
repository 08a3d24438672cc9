//! Workers as processes of their own, and one of them killed: what it had begun at the account is
//! gone on with by another, and runs once.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::relay::{SealingKey, SealingKeys, Statement};
use mcp_protocol::settings::{Settings, WarehouseSettings};
use serde_json::{Value, json};

use crate::back::{last, until};
use crate::house::{PATIENCE, settings as account};
use crate::played::{Supervisor, Waiting};
use crate::server::{Config, Server};

const SLOW: &str = "SELECT SLEEP(5)";
const ACCEPTED: &str = "application/json, text/event-stream";

/// A worker that ends with the test, if it has not ended before.
struct Process {
    child: Child,
    supervisor: Supervisor,
    _waiting: Waiting,
}

impl Process {
    /// Starts one as a supervisor does, and waits until it serves.
    #[expect(clippy::disallowed_methods, reason = "the test starts the program itself")]
    async fn start(listener: &TcpListener, settings: &Settings) -> Process {
        let waiting = Waiting::new();
        let inheritable = OwnedFd::from(listener.try_clone().expect("a descriptor"));
        let script = "LISTEN_PID=$$ exec \"$0\" 3<&0 0</dev/null";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_mcp-worker")]).env_clear();
        command.stdin(Stdio::from(inheritable)).stdout(Stdio::null()).stderr(Stdio::null());
        command.env("MCP_SUPERVISOR_SOCKET", waiting.socket()).env("MCP_SUPERVISOR_APP", "query");
        command.env("MCP_SUPERVISOR_SLOT", "2").env("MCP_SUPERVISOR_RUN", "57");
        command.env("LISTEN_FDS", "1");
        let child = command.spawn().expect("the program runs");
        let mut supervisor = waiting.hand_over(settings.clone()).await;
        assert_eq!(supervisor.hear_news().await.0, FromWorker::Ready);
        Process { child, supervisor, _waiting: waiting }
    }

    fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended cannot be killed again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts what all of this needs: the account, the settings for it, and the listener.
fn surroundings() -> (Server, Settings, TcpListener, SocketAddr) {
    let server =
        Server::with(Config { long_after: Duration::from_millis(100), ..Config::default() });
    let current = SealingKey::new(1, &[1; 32], 0);
    let place = account(&server.url(), "canary-password");
    let settings = Settings {
        sessions: SealingKeys { current, previous: None },
        warehouse: WarehouseSettings::Snowflake(Box::new(place)),
        ..Settings::default()
    };
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let address = listener.local_addr().expect("a listener has an address");
    (server, settings, listener, address)
}

fn call() -> Value {
    let params = json!({ "name": "execute_query", "arguments": { "query": SLOW } });
    json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statement_of_a_killed_worker_is_taken_up_by_another() {
    let (server, settings, listener, address) = surroundings();
    let url = format!("http://{address}/mcp");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client is made");
    let mut first = Process::start(&listener, &settings).await;
    let info = json!({ "name": "desk", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let begun = client.post(&url).header("Accept", ACCEPTED).json(&begin).send().await;
    let session = begun.expect("an answer").headers()["mcp-session-id"].clone();
    let asked = client.post(&url).header("Accept", ACCEPTED).json(&call());
    let mut asked = asked.header("Mcp-Session-Id", &session).send().await.expect("a head");
    let event = until(&mut asked, "data: \n\n").await;
    let event = event.strip_prefix("id: ").and_then(|rest| rest.split_once('\n'));
    let event = event.expect("an id").0.to_owned();
    let statement: Statement = match first.supervisor.hear_news().await.0 {
        FromWorker::StatementBegan(statement) => statement,
        other => panic!("{other:?}"),
    };
    first.kill();
    let mut second = Process::start(&listener, &settings).await;
    let back = client.get(&url).header("Accept", ACCEPTED).header("Last-Event-ID", &event);
    let back = back.header("Mcp-Session-Id", &session).send();
    let answered = async {
        let news = second.supervisor.hear_news().await.0;
        let FromWorker::Seek { ticket, request, .. } = news else { panic!("{news:?}") };
        assert_eq!(request, statement.request);
        let statement = Some(Box::new(statement.clone()));
        second.supervisor.say(&ToWorker::Sought { ticket, statement }).await;
    };
    let (back, ()) = futures::join!(back, answered);
    let answer = last(&until(&mut back.expect("a head"), "\"jsonrpc\"").await);
    assert_eq!(answer["id"], 7, "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["rows"], json!([[1]]), "{answer}");
    assert_eq!(server.look(|seen| seen.executions_of(SLOW).len()), 1, "run again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_task_of_a_killed_worker_is_polled_at_another() {
    let (server, settings, listener, address) = surroundings();
    let mut first = Process::start(&listener, &settings).await;
    let task = crate::tasks::begin_at(address, SLOW, None).await;
    first.kill();
    let _second = Process::start(&listener, &settings).await;
    let ended = async {
        loop {
            let params = json!({ "taskId": task });
            let answer = crate::tasks::ask_at(address, "tasks/get", params, None).await;
            if answer["result"]["status"] != "working" {
                break answer;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await.expect("it ends");
    let rows = &ended["result"]["result"]["structuredContent"]["rows"];
    assert_eq!(rows, &json!([[1]]), "{ended}");
    assert_eq!(server.look(|seen| seen.executions_of(SLOW).len()), 1, "run again");
}
