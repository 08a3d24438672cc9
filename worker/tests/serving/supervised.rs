//! The whole worker against a supervisor that the test plays.

use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{Allowed, Grant, Level};
use mcp_protocol::measure::{Measure, More};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::offered::{StatementPlace, StatementTool};
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{Settings, SnowflakeLogin, SnowflakeSettings, WarehouseSettings};
use mcp_worker::clock::Clock;
use mcp_worker::settings::{Identity, Inherited};
use mcp_worker::supervised::{ServeError, serve};
use mcp_worker::warehouse::WarehouseError;
use mcp_worker::warehouse::connections::OpenWarehouse;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::played::{Supervisor, Waiting};
use crate::support::{Client, FakeWarehouse, PATIENCE, call, listener};

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
async fn new_tools_are_there_at_once_for_the_same_worker_and_go_as_soon() {
    let mut begun = settings();
    let toolsets = vec!["custom".to_owned()];
    begun.access.anonymous = Some(Grant { toolsets, ..Grant::default() });
    let mut stage = stage(begun.clone(), fake()).await;
    assert_eq!(stage.supervisor.hear_news().await.0, FromWorker::Ready);
    let mut client = Client::connect(stage.address).await.expect("connects");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let listed = client.mcp(&list).await.expect("an answer").json();
    assert_eq!(listed["result"]["tools"], json!([]), "{listed}");
    let mut adjusted = begun.adjustable();
    adjusted.offered.tools.push(StatementTool {
        name: "orders_of".to_owned(),
        description: "Orders.".to_owned(),
        statement: "select two rows".to_owned(),
        parameters: Vec::new(),
        place: StatementPlace::default(),
        level: Level::Read,
        rows_max: None,
        clients: Allowed::Any,
    });
    stage.supervisor.say(&ToWorker::Adjust(Box::new(adjusted))).await;
    let until_listed =
        async { while !client.mcp(&list).await.expect("an answer").body.contains("orders_of") {} };
    tokio::time::timeout(PATIENCE, until_listed).await.expect("the tool comes");
    let answer = client.mcp(&call("orders_of", json!({}))).await.expect("an answer");
    assert!(answer.body.contains("2.50"), "{}", answer.body);
    stage.supervisor.say(&ToWorker::Adjust(Box::new(begun.adjustable()))).await;
    let until_gone =
        async { while client.mcp(&list).await.expect("an answer").body.contains("orders_of") {} };
    tokio::time::timeout(PATIENCE, until_gone).await.expect("the tool goes");
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
