//! Two accounts behind one worker: each call reaches the one it asks, and what is wrong with one
//! touches nobody who asks the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{Allowed, Grant};
use mcp_protocol::message::Logins;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{Settings, SnowflakeLogin, WarehouseSettings};
use mcp_worker::access::Caller;
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::Context;
use mcp_worker::warehouse::connections::{Connections, Opened};
use mcp_worker::warehouse::open::open;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::snowflake::House as Surroundings;
use mcp_worker::warehouse::snowflake::platform::Variables;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::house::{
    self, ENDED_WITHIN, PATIENCE, TIMEOUT, limits, numbers, pool_settings, settings,
};
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::Seen;
use crate::server::{Config, Server};

/// Two accounts, and the worker's pools before them: `default` and `finance`.
struct Two {
    main: Server,
    finance: Server,
    connections: Connections,
    clock: Clock,
    _directory: TempDir,
}

fn guarded(password: &str) -> Server {
    Server::with(Config { password: Some(password.to_owned()), ..Config::default() })
}

impl Two {
    async fn with(login: SnowflakeLogin) -> Two {
        let (main, finance) = (guarded("canary-password-main"), guarded("canary-password-finance"));
        let clock = Clock::start();
        let directory = tempfile::tempdir().expect("a directory can be made");
        let mut named = settings(&finance.url(), "");
        (named.account, named.login) = ("TESTORG-FINANCE".to_owned(), login);
        let default = settings(&main.url(), "canary-password-main");
        let settings = Settings {
            warehouse: WarehouseSettings::Snowflake(Box::new(default)),
            connections: BTreeMap::from([("finance".to_owned(), named)]),
            pool: mcp_protocol::settings::PoolSettings { min: 1, ..pool_settings(4) },
            ..Settings::default()
        };
        let refusals = Some(directory.path().to_owned());
        let worker = "query[0]".to_owned();
        let surroundings = Surroundings {
            worker,
            refusals,
            kept_logins: None,
            clock,
            variables: Variables::new(),
        };
        let opened = Opened::open(&settings, &surroundings, open).expect("the default is well");
        let connections = Connections::new(opened, &settings, clock);
        connections.default_pool().open_min().await.expect("the default lets us in");
        Two { main, finance, connections, clock, _directory: directory }
    }

    async fn new() -> Two {
        Two::with(login("canary-password-finance")).await
    }

    fn pool(&self, name: Option<&str>) -> &Pool {
        self.connections.of(name, &Caller::local()).expect("it is there")
    }

    async fn ask(&self, name: Option<&str>, statement: &str) -> house::Result {
        let cancel = CancellationToken::new();
        let limits = limits(TIMEOUT);
        self.pool(name).query(statement, &Context::default(), &limits, &cancel).await
    }

    fn logins(&self) -> [Logins; 2] {
        let vitals = self.connections.vitals();
        assert_eq!(vitals.len(), 1);
        assert_eq!(vitals[0].name, "finance");
        [self.connections.default_pool().vitals().logins, vitals[0].pool.logins]
    }
}

fn login(password: &str) -> SnowflakeLogin {
    SnowflakeLogin::Password { password: Secret::new(password.to_owned()) }
}

fn statements(server: &Server, begin: &str) -> usize {
    server.look(|seen| seen.sent.iter().filter(|sent| sent.sql.starts_with(begin)).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_reaches_the_account_that_it_names_and_none_another() {
    let two = Two::new().await;
    assert_eq!(two.finance.look(|seen| seen.logins.len()), 0, "opened when somebody asks");
    let asked = (0..200_u64).map(|number| {
        let (name, rows) = if number % 2 == 0 { (None, 3) } else { (Some("finance"), 5) };
        let two = &two;
        async move {
            let answer = two.ask(name, &format!("SELECT ROWS({rows})")).await.expect("rows");
            assert_eq!(numbers(&answer).len(), rows);
        }
    });
    futures::future::join_all(asked).await;
    assert_eq!(statements(&two.main, "SELECT ROWS(3)"), 100);
    assert_eq!(statements(&two.finance, "SELECT ROWS(5)"), 100);
    assert_eq!(statements(&two.main, "SELECT ROWS(5)"), 0);
    assert_eq!(statements(&two.finance, "SELECT ROWS(3)"), 0);
    for (server, account, word) in
        [(&two.main, "TESTORG-TEST", "main"), (&two.finance, "TESTORG-FINANCE", "finance")]
    {
        let logins = server.look(|seen| seen.logins.clone());
        assert!(!logins.is_empty() && logins.len() <= 4, "{}", logins.len());
        for login in logins {
            assert_eq!(login.data["ACCOUNT_NAME"], account);
            assert_eq!(login.data["PASSWORD"], format!("canary-password-{word}"));
        }
    }
    assert_eq!(two.logins(), [Logins::Fine, Logins::Fine]);
    two.connections.close(ENDED_WITHIN).await;
    for server in [&two.main, &two.finance] {
        assert_eq!(server.seen().open_sessions, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_of_one_are_tried_once_and_the_other_serves_on() {
    let two = Two::with(login("wrong")).await;
    for _ in 0..10 {
        let error = two.ask(Some("finance"), "SELECT 1").await.expect_err("it is wrong");
        assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("TESTORG-FINANCE"), "{error}");
        two.ask(None, "SELECT 1").await.expect("the default is well");
    }
    assert_eq!(two.finance.look(|seen| seen.logins.len()), 1);
    assert_eq!(two.logins(), [Logins::Fine, Logins::Refused]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_hangs_or_is_away_holds_up_nobody_who_asks_the_other() {
    let two = Two::new().await;
    two.ask(Some("finance"), "SELECT 1").await.expect("it is well");
    let cancel = CancellationToken::new();
    let (context, limits) = (Context::default(), limits(TIMEOUT));
    let busy = (0..8)
        .map(|_| two.pool(Some("finance")).query("SELECT SLEEP(600)", &context, &limits, &cancel));
    let busy = futures::future::join_all(busy);
    let meanwhile = async {
        assert!(two.finance.wait(PATIENCE, |seen| seen.running == 4).await, "all are busy");
        for _ in 0..20 {
            two.ask(None, "SELECT 1").await.expect("the default is free");
        }
        let waiting = two.connections.vitals()[0].pool.waiting;
        assert_eq!((waiting, two.connections.default_pool().vitals().waiting), (4, 0));
        cancel.cancel();
    };
    futures::join!(busy, meanwhile);

    // A login that never ends.
    two.finance.forget_sessions();
    two.finance.fail(Endpoint::Login, 100, Fault::Hang);
    let tried = |seen: &Seen| seen.requests[&Endpoint::Login];
    let before = two.finance.look(tried);
    let hung = two.ask(Some("finance"), "SELECT 1");
    tokio::select! {
        answer = hung => panic!("nothing was to come of it: {answer:?}"),
        () = async {
            assert!(two.finance.wait(PATIENCE, |seen| tried(seen) > before).await);
            for _ in 0..20 {
                two.ask(None, "SELECT 1").await.expect("the default is well");
            }
        } => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_was_away_is_found_again_and_the_other_never_noticed() {
    let two = Two::new().await;
    two.finance.outage();
    let error = two.ask(Some("finance"), "SELECT 1").await.expect_err("it is away");
    assert!(matches!(error, PoolError::Open { .. }), "{error:?}");
    two.ask(None, "SELECT 1").await.expect("the default is well");
    assert_eq!(two.logins(), [Logins::Fine, Logins::Failing]);
    two.finance.back();
    let until = two.clock.now() + PATIENCE;
    while let Err(error) = two.ask(Some("finance"), "SELECT 1").await {
        assert!(two.clock.now() < until, "{error}");
        two.clock.until(two.clock.now() + Duration::from_millis(20)).await;
    }
    assert_eq!(two.logins(), [Logins::Fine, Logins::Fine]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_whose_settings_cannot_be_used_is_told_to_those_who_ask_it() {
    let private_key = Secret::new("canary-password no key".to_owned());
    let two = Two::with(SnowflakeLogin::KeyPair { private_key, passphrase: None }).await;
    let error = two.ask(Some("finance"), "SELECT 1").await.expect_err("it cannot be used");
    assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("TESTORG-FINANCE"), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");
    two.ask(None, "SELECT 1").await.expect("the default is well");
    assert_eq!(two.logins(), [Logins::Fine, Logins::Refused]);
    assert_eq!(two.finance.look(|seen| seen.logins.len()), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_names_only_what_it_was_granted_and_learns_of_nothing_else() {
    let two = Two::new().await;
    let granted = |connections| Caller {
        name: Some(Arc::from("team")),
        grant: Arc::new(Grant { connections, ..Grant::default() }),
        ..Caller::nobody()
    };
    let refused = |name: &str, caller: &Caller| {
        two.connections
            .of(Some(name), caller)
            .map(|_| ())
            .expect_err("not for this one")
            .to_string()
    };
    let nothing = granted(Allowed::Only(Vec::new()));
    assert!(two.connections.of(None, &nothing).is_ok());
    assert!(two.connections.of(Some("default"), &nothing).is_ok());
    let told = "there is no connection `finance` for this client; use one of: default";
    assert_eq!(refused("finance", &nothing), told);
    let finance = granted(Allowed::Only(vec!["finance".to_owned()]));
    assert!(two.connections.of(Some("finance"), &finance).is_ok());
    let told = "there is no connection `FINANCE` for this client; use one of: default, finance";
    assert_eq!(refused("FINANCE", &finance), told);
    let listed = two.connections.listed(&granted(Allowed::Any));
    let listed: Vec<_> =
        listed.iter().map(|one| (one.name.as_str(), one.account.as_deref())).collect();
    assert_eq!(listed, [("default", Some("TESTORG-TEST")), ("finance", Some("TESTORG-FINANCE"))]);
}
