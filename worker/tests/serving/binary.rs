//! The real `mcp-worker`, as a person and as a desktop client start it.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};

use mcp_protocol::message::FromWorker;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{Settings, SnowflakeLogin, SnowflakeSettings, WarehouseSettings};

use crate::played::Waiting;
use crate::supervised::settings;
use crate::support::listener;

#[expect(clippy::disallowed_methods, reason = "the test starts the program itself")]
fn worker(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-worker"));
    command.args(arguments).env_clear();
    command
}

fn run(arguments: &[&str]) -> Output {
    worker(arguments).output().expect("the program runs")
}

#[test]
fn it_tells_its_version_and_what_it_is_for() {
    let version = run(&["--version"]);
    assert_eq!(version.status.code(), Some(0));
    let expected = format!("mcp-worker {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&version.stdout), expected);
    let help = run(&["--help"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(text.contains("mcp-supervisor start") && text.contains("stdio"), "{text}");
}

#[test]
fn started_by_hand_it_says_what_to_type() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("mcp-supervisor start") && text.contains("mcp-worker stdio"), "{text}");
}

#[test]
fn an_environment_that_is_not_meant_for_it_is_refused() {
    let mut command = worker(&[]);
    command.env("MCP_SUPERVISOR_SOCKET", "/nonexistent").env("MCP_SUPERVISOR_APP", "query");
    command.env("MCP_SUPERVISOR_SLOT", "0").env("MCP_SUPERVISOR_RUN", "1");
    command.env("LISTEN_PID", "1").env("LISTEN_FDS", "1");
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("error: LISTEN_PID is 1, but this process is "), "{text}");
}

#[test]
fn wrong_usage_is_exit_code_two() {
    assert_eq!(run(&["stdio", "--scale", "0"]).status.code(), Some(2));
    assert_eq!(run(&["serve"]).status.code(), Some(2));
}

#[cfg(not(feature = "embedded"))]
#[test]
fn a_build_without_the_sample_account_says_so() {
    let output = run(&["stdio"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("cargo feature `embedded`"), "{text}");
}

#[cfg(feature = "embedded")]
#[test]
fn a_desktop_client_lists_the_tools_and_queries_the_sample_account() {
    use std::io::{BufRead, BufReader, Write};

    let mut command = worker(&["stdio", "--scale", "0.001"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program runs");
    let mut input = child.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut ask = |message: &str| {
        writeln!(input, "{message}").expect("it reads");
        lines.next().expect("a line").expect("text")
    };
    let hello = ask(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#,
    );
    assert!(hello.contains("mcp-supervisor"), "{hello}");
    let tools = ask(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#);
    assert!(tools.contains("execute_query"), "{tools}");
    let answer = ask(
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"execute_query","arguments":{"query":"select count(*) as n from SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.REGION"}}}"#,
    );
    assert!(answer.contains("\"rows\":[[5]]"), "{answer}");
    drop(input);
    assert!(child.wait().expect("it ends").success());
}

/// Starts the program as a supervisor does: the listener at descriptor 3, meant for its pid.
#[expect(clippy::disallowed_methods, reason = "the test starts the program itself")]
fn under_supervisor(waiting: &Waiting, listener: &std::net::TcpListener) -> Child {
    let inheritable = OwnedFd::from(listener.try_clone().expect("a descriptor"));
    let script = "LISTEN_PID=$$ exec \"$0\" 3<&0 0</dev/null";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_mcp-worker")]).env_clear();
    command.stdin(Stdio::from(inheritable));
    command.env("MCP_SUPERVISOR_SOCKET", waiting.socket()).env("MCP_SUPERVISOR_APP", "query");
    command.env("MCP_SUPERVISOR_SLOT", "2").env("MCP_SUPERVISOR_RUN", "57").env("LISTEN_FDS", "1");
    command.spawn().expect("the program runs")
}

/// Hands settings over that this build cannot serve: what it says, and the exit code.
async fn refusal(settings: Settings) -> (String, Option<i32>) {
    let waiting = Waiting::new();
    let mut child = under_supervisor(&waiting, &listener());
    let mut supervisor = waiting.hand_over(settings).await;
    let FromWorker::Failed { reason } = supervisor.hear_news().await.0 else {
        panic!("the worker did not fail");
    };
    (reason, child.wait().expect("it ends").code())
}

#[cfg(not(feature = "embedded"))]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_sample_account_it_tells_its_supervisor_not_to_try_again() {
    let (reason, code) = refusal(settings()).await;
    assert!(reason.contains("cargo feature `embedded`"), "{reason}");
    assert_eq!(code, Some(78));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn for_a_key_that_is_none_it_tells_its_supervisor_not_to_try_again() {
    let mut settings = settings();
    settings.warehouse = WarehouseSettings::Snowflake(Box::new(SnowflakeSettings {
        account: "ORG-ACCOUNT".to_owned(),
        user: Some("MCP".to_owned()),
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: None,
        login: SnowflakeLogin::KeyPair {
            private_key: Secret::new("canary".to_owned()),
            passphrase: None,
        },
    }));
    let (reason, code) = refusal(settings).await;
    assert!(reason.contains("cannot use the settings of"), "{reason}");
    assert!(reason.contains("ORG-ACCOUNT") && !reason.contains("canary"), "{reason}");
    assert_eq!(code, Some(78));
}

#[cfg(feature = "embedded")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_serves_on_the_inherited_listener_and_leaves_on_sigterm() {
    use nix::sys::signal::{Signal, kill};
    use serde_json::json;

    use crate::support::{Client, call};

    let (waiting, listener) = (Waiting::new(), listener());
    let mut child = under_supervisor(&waiting, &listener);
    let mut settings = settings();
    settings.warehouse = WarehouseSettings::Embedded { scale: 0.001 };
    let mut supervisor = waiting.hand_over(settings).await;
    assert_eq!(supervisor.hear_news().await.0, FromWorker::Ready);
    let address = listener.local_addr().expect("an address");
    let mut client = Client::connect(address).await.expect("connects");
    let count = json!({ "query": "select count(*) from SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.REGION" });
    let answer = client.mcp(&call("execute_query", count)).await.expect("an answer");
    assert_eq!(answer.json()["result"]["structuredContent"]["rows"], json!([[5]]));
    drop(client);
    let pid = i32::try_from(child.id()).expect("a pid");
    kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).expect("it lives");
    assert_eq!(supervisor.hear_news().await.0, FromWorker::Drained);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
