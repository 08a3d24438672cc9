//! The whole worker against a supervisor that the test plays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use mcp_protocol::frame::{self, Decoder};
use mcp_protocol::handshake::{Hello, Peer, Welcome};
use mcp_protocol::measure::{Measure, More};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{Settings, SnowflakeLogin, SnowflakeSettings, WarehouseSettings};
use mcp_worker::clock::Clock;
use mcp_worker::settings::{Identity, Inherited};
use mcp_worker::supervised::{ServeError, serve};
use mcp_worker::warehouse::WarehouseError;
use mcp_worker::warehouse::connections::OpenWarehouse;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use crate::support::{Client, FakeWarehouse, PATIENCE, call, listener};

/// The supervisor's end of a link.
pub(crate) struct Supervisor {
    stream: Stream,
    decoder: Decoder,
}

impl Supervisor {
    pub(crate) async fn say<M: Serialize>(&mut self, message: &M) {
        let frame = frame::encode(message).expect("a frame");
        (&self.stream).write_all(&frame).await.expect("the worker reads");
    }

    pub(crate) async fn hear<M: DeserializeOwned>(&mut self) -> M {
        loop {
            if let Some(body) = self.decoder.next_body().expect("frames") {
                return frame::decode(&body).expect("a message");
            }
            let mut bytes = [0; 4096];
            let mut stream = &self.stream;
            let reading = tokio::time::timeout(PATIENCE, stream.read(&mut bytes));
            let read = reading.await.expect("in time").expect("the worker writes");
            assert_ne!(read, 0, "the worker hung up");
            self.decoder.push(&bytes[..read]);
        }
    }

    /// The next message that is no heartbeat, and how many heartbeats came before it.
    pub(crate) async fn hear_news(&mut self) -> (FromWorker, u32) {
        let mut heartbeats = 0;
        loop {
            match self.hear().await {
                FromWorker::Heartbeat(_) => heartbeats += 1,
                news @ (FromWorker::Ready
                | FromWorker::Failed { .. }
                | FromWorker::Drained
                | FromWorker::Tell(_)
                | FromWorker::StatementBegan(_)
                | FromWorker::StatementEnded { .. }
                | FromWorker::Seek { .. }
                | FromWorker::Ask { .. }
                | FromWorker::Did { .. }) => return (news, heartbeats),
            }
        }
    }
}

/// A socket at which a supervisor waits for its worker.
pub(crate) struct Waiting {
    directory: tempfile::TempDir,
    accepting: Listener,
}

impl Waiting {
    pub(crate) fn new() -> Waiting {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("control.sock");
        let name = socket.to_fs_name::<GenericFilePath>().expect("a name");
        let accepting = ListenerOptions::new().name(name).create_tokio().expect("a local socket");
        Waiting { directory, accepting }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// Plays the handshake up to the settings.
    pub(crate) async fn hand_over(&self, settings: Settings) -> Supervisor {
        let accepting = tokio::time::timeout(PATIENCE, self.accepting.accept());
        let stream = accepting.await.expect("in time").expect("the worker connects");
        let mut supervisor = Supervisor { stream, decoder: Decoder::default() };
        let hello: Hello = supervisor.hear().await;
        let expected = Peer::Worker { app: "query".to_owned(), slot: 2, run: 57 };
        assert_eq!(hello.peer, expected);
        supervisor.say(&Welcome::Speak { version: 1 }).await;
        supervisor.say(&ToWorker::Settings(Box::new(settings))).await;
        supervisor
    }
}

struct Stage {
    _waiting: Waiting,
    supervisor: Supervisor,
    address: std::net::SocketAddr,
    worker: JoinHandle<Result<(), ServeError>>,
}

/// Starts a worker and plays the handshake up to the settings.
async fn stage(settings: Settings, open: OpenWarehouse) -> Stage {
    let waiting = Waiting::new();
    let listener = listener();
    let address = listener.local_addr().expect("an address");
    let identity = Identity { app: "query".to_owned(), slot: 2, run: 57, pid: std::process::id() };
    let inherited = Inherited { socket: waiting.socket(), identity, listener };
    let worker = tokio::spawn(serve(inherited, open, Clock::start()));
    let supervisor = waiting.hand_over(settings).await;
    Stage { _waiting: waiting, supervisor, address, worker }
}

pub(crate) fn settings() -> Settings {
    Settings { heartbeat_every: Duration::from_millis(20), ..Settings::default() }
}

fn fake() -> OpenWarehouse {
    |_, _| Ok(Arc::new(FakeWarehouse::default()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_gets_ready_serves_drains_and_leaves() {
    let mut stage = stage(settings(), fake()).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Ready);
    let mut client = Client::connect(stage.address).await.expect("connects");
    let answer = client.mcp(&call("list_databases", json!({}))).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let mut called = Vec::new();
    loop {
        let FromWorker::Heartbeat(vitals) = stage.supervisor.hear().await else { continue };
        called.extend(vitals.series);
        if vitals.requests_total == 1 {
            assert_eq!((vitals.connections, vitals.pool.max), (1, 4));
            break;
        }
    }
    let calls: Vec<_> =
        called.iter().filter(|one| one.measure == Measure::Calls.number()).collect();
    assert_eq!(calls.len(), 1, "a call is told once: {called:?}");
    assert_eq!(calls[0].labels, ["list_databases", "", "ok", "200"]);
    assert_eq!(calls[0].more, More::Count(1));
    stage.supervisor.say(&ToWorker::Drain { grace: Duration::from_secs(10) }).await;
    let last = loop {
        match client.get("/readyz").await {
            Ok(answer) if !answer.says_close() => {}
            other => break other,
        }
    };
    assert_eq!(last.expect("an answer").status, 503);
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Drained);
    assert!(stage.worker.await.expect("no panic").is_ok());
    assert!(Client::connect(stage.address).await.is_err(), "the listener is let go");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_limits_hold_at_once_for_the_same_client_and_the_same_worker() {
    let mut stage = stage(settings(), fake()).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Ready);
    let mut client = Client::connect(stage.address).await.expect("connects");
    let mut adjusted = settings().adjustable();
    adjusted.limits.rows_max = 1;
    stage.supervisor.say(&ToWorker::Adjust(Box::new(adjusted))).await;
    let until_told = async {
        let asked = call("execute_query", json!({ "query": "select two rows" }));
        while client.mcp(&asked).await.expect("an answer").body.contains("2.50") {}
    };
    tokio::time::timeout(PATIENCE, until_told).await.expect("the limit comes");
    stage.supervisor.say(&ToWorker::Drain { grace: Duration::from_secs(10) }).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Drained);
    assert!(stage.worker.await.expect("no panic").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_boot_says_the_whole_chain() {
    let open: OpenWarehouse = |_, _| {
        let reason = "no route to host".to_owned();
        Err(WarehouseError::Connect { warehouse: "the fake account".to_owned(), reason })
    };
    let mut stage = stage(settings(), open).await;
    let FromWorker::Failed { reason } = stage.supervisor.hear_news().await.0 else {
        panic!("the worker did not fail");
    };
    assert_eq!(
        reason,
        "cannot open the warehouse: no answer from the fake account: no route to host"
    );
    let error = stage.worker.await.expect("no panic").expect_err("no data");
    assert!(!error.is_hopeless(), "the way may come back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_not_let_in_says_that_trying_again_cannot_help() {
    let open: OpenWarehouse = |_, _| {
        let locked = Some("wrong password".to_owned());
        Ok(Arc::new(FakeWarehouse { locked, ..FakeWarehouse::default() }))
    };
    let mut stage = stage(settings(), open).await;
    let FromWorker::Failed { reason } = stage.supervisor.hear_news().await.0 else {
        panic!("the worker did not fail");
    };
    assert!(reason.contains("does not let us in: wrong password"), "{reason}");
    let error = stage.worker.await.expect("no panic").expect_err("no session");
    assert!(error.is_hopeless(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_named_connection_ends_no_worker_and_is_reported() {
    let open: OpenWarehouse = |place, _| match place {
        WarehouseSettings::Embedded { .. } => Ok(Arc::new(FakeWarehouse::default())),
        WarehouseSettings::Snowflake(account) => {
            let (warehouse, reason) = (account.account.clone(), "a bad key".to_owned());
            Err(WarehouseError::Settings { warehouse, reason })
        }
    };
    let login = SnowflakeLogin::OAuth { token: Secret::new("x".to_owned()) };
    let account = SnowflakeSettings {
        account: "ORG-FINANCE".to_owned(),
        user: None,
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: None,
        login,
    };
    let connections = [("finance".to_owned(), account)].into();
    let mut stage = stage(Settings { connections, ..settings() }, open).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Ready);
    loop {
        if let FromWorker::Heartbeat(vitals) = stage.supervisor.hear().await {
            assert_eq!(vitals.named_pools.len(), 1);
            assert_eq!((vitals.pool.total, vitals.named_pools[0].pool.max), (1, 4));
            assert_eq!(vitals.named_pools[0].name, "finance");
            break;
        }
    }
    let mut client = Client::connect(stage.address).await.expect("connects");
    let health = client.get("/health/detailed").await.expect("an answer").json();
    let components = &health["components"];
    assert_eq!(components["connection_pool"]["total"], 1, "{health}");
    let finance = &components["connections"]["finance"];
    assert_eq!(finance["connection_pool"]["total"], 0, "{health}");
    assert_eq!(finance["database"]["status"], "unknown", "nobody asked it: {health}");
    stage.supervisor.say(&ToWorker::Drain { grace: Duration::from_secs(10) }).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Drained);
    assert!(stage.worker.await.expect("no panic").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_supervisor_dies_drains_by_itself() {
    let Stage { mut supervisor, address, worker, _waiting } = stage(settings(), fake()).await;
    assert_eq!(supervisor.hear_news().await.0, FromWorker::Ready);
    let mut client = Client::connect(address).await.expect("connects");
    client
        .send_mcp(&call("execute_query", json!({ "query": "select slow" })))
        .await
        .expect("sends");
    drop(supervisor);
    assert_eq!(client.answer().await.expect("an answer").status, 200);
    let ended = tokio::time::timeout(PATIENCE, worker).await.expect("in time");
    assert!(ended.expect("no panic").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_frames_are_dropped_and_a_drain_while_booting_is_obeyed() {
    let open: OpenWarehouse = |_, _| {
        // Longer than the test: opening must not hold up the drain.
        std::thread::park_timeout(Duration::from_secs(2));
        Ok(Arc::new(FakeWarehouse::default()))
    };
    let mut stage = stage(settings(), open).await;
    stage.supervisor.say(&(250_u8, "from the future")).await;
    stage.supervisor.say(&ToWorker::ReopenLogs).await;
    stage.supervisor.say(&ToWorker::Drain { grace: Duration::from_secs(10) }).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Drained);
    assert!(stage.worker.await.expect("no panic").is_ok());
}
