//! A wrong credential is tried once, by all pools and restarts together, until it changes.

use std::path::Path;
use std::sync::Arc;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{PoolSettings, SnowflakeLogin, SnowflakeSettings};
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::{Context, Warehouse};
use tokio_util::sync::CancellationToken;

use crate::house::{TIMEOUT, limits, pool_settings, settings, warehouse};
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::Seen;
use crate::server::{Config, Server};

fn guarded() -> Server {
    Server::with(Config { password: Some("right".to_owned()), ..Config::default() })
}

fn pool(server: &Server, password: &str, directory: Option<&Path>) -> Pool {
    let clock = Clock::start();
    let warehouse: Arc<dyn Warehouse> =
        Arc::new(warehouse(&settings(&server.url(), password), directory, clock));
    Pool::new(warehouse, &pool_settings(4), clock)
}

/// Asks a pool ten times at once; what the first error was.
async fn asked(pool: &Pool) -> Result<(), PoolError> {
    let (context, cancel, limits) = (Context::default(), CancellationToken::new(), limits(TIMEOUT));
    let one = || pool.query("SELECT 1", &context, &limits, &cancel);
    let results = futures::future::join_all((0..10).map(|_| one())).await;
    results.into_iter().try_for_each(|result| result.map(drop))
}

fn tried(server: &Server) -> usize {
    server.look(|seen| seen.logins.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_pools_try_a_wrong_password_once() {
    let server = guarded();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let pools: Vec<Pool> = (0..4).map(|_| pool(&server, "wrong", Some(directory.path()))).collect();
    for result in futures::future::join_all(pools.iter().map(asked)).await {
        let error = result.expect_err("it is wrong");
        assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    }
    assert_eq!(tried(&server), 1);
    // A restart.
    let later = pool(&server, "wrong", Some(directory.path()));
    assert!(asked(&later).await.is_err());
    assert_eq!(tried(&server), 1);
    // Another version of the credential.
    let other = pool(&server, "wrong as well", Some(directory.path()));
    assert!(asked(&other).await.is_err());
    assert_eq!(tried(&server), 2);
    let right = pool(&server, "right", Some(directory.path()));
    asked(&right).await.expect("it is right");
    assert!(server.look(|seen| seen.logins.iter().filter(|login| login.granted).count()) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_a_place_to_remember_tries_once_too() {
    let server = guarded();
    let alone = pool(&server, "wrong", None);
    for _ in 0..5 {
        assert!(asked(&alone).await.is_err());
    }
    assert_eq!(tried(&server), 1);
}

/// Sessions that are opened before anybody asks are logins like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_are_kept_open_try_once_too() {
    let server = guarded();
    let clock = Clock::start();
    let settings = settings(&server.url(), "wrong");
    let warehouse: Arc<dyn Warehouse> = Arc::new(warehouse(&settings, None, clock));
    let pool = Pool::new(warehouse, &PoolSettings { min: 4, ..pool_settings(4) }, clock);
    let error = pool.open_min().await.expect_err("it is wrong");
    assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    assert!(asked(&pool).await.is_err());
    assert_eq!(tried(&server), 1);
}

/// Each way to log in says what it is, and sends no password that it has not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_log_in_says_what_it_is() {
    let secret = |text: &str| Secret::new(text.to_owned());
    let key = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/keys/plain.test-only.p8"
    ));
    let private_key = secret(&key.expect("the key of the tests is there"));
    for (login, authenticator) in [
        (SnowflakeLogin::Password { password: secret("right") }, None),
        (SnowflakeLogin::KeyPair { private_key, passphrase: None }, Some("SNOWFLAKE_JWT")),
        (
            SnowflakeLogin::ProgrammaticAccessToken { token: secret("right") },
            Some("PROGRAMMATIC_ACCESS_TOKEN"),
        ),
        (SnowflakeLogin::OAuth { token: secret("right") }, Some("OAUTH")),
    ] {
        let server = Server::start();
        let clock = Clock::start();
        let settings = SnowflakeSettings { login, ..settings(&server.url(), "") };
        let warehouse: Arc<dyn Warehouse> = Arc::new(warehouse(&settings, None, clock));
        asked(&Pool::new(warehouse, &pool_settings(1), clock)).await.expect("it is let in");
        let seen = server.seen();
        let data = &seen.logins[0].data;
        assert_eq!(data["LOGIN_NAME"], "MCP");
        assert_eq!(data.get("PASSWORD").is_some(), authenticator.is_none(), "{authenticator:?}");
        match authenticator {
            Some(name) => assert_eq!(data["AUTHENTICATOR"], name),
            None => assert_eq!(data["PASSWORD"], "right"),
        }
    }
}

/// A role that is not granted says nothing against the password: another role is another try.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_was_refused_is_tried_once_and_another_one_anew() {
    let server = guarded();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let with_role = |password: &str, role: &str| {
        let clock = Clock::start();
        let role = Some(role.to_owned());
        let settings = SnowflakeSettings { role, ..settings(&server.url(), password) };
        let warehouse: Arc<dyn Warehouse> =
            Arc::new(warehouse(&settings, Some(directory.path()), clock));
        Pool::new(warehouse, &pool_settings(4), clock)
    };
    let message = "Role 'TYPO' specified in the connect string is not granted to this user.";
    server.fail(Endpoint::Login, 1, Fault::Refused { code: "390189", message });
    let error = asked(&with_role("right", "TYPO")).await.expect_err("nobody has this role");
    assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("until another one is written or /"), "{error}");
    // A restart.
    let again = asked(&with_role("right", "TYPO")).await.expect_err("it is remembered");
    assert_eq!(again.to_string(), error.to_string());
    assert_eq!(server.look(|seen| seen.requests_to(Endpoint::Login)), 1);
    asked(&with_role("right", "READER")).await.expect("this role is granted");
    // A password stays refused, whatever the role.
    for role in ["READER", "OTHER"] {
        let error = asked(&with_role("wrong", role)).await.expect_err("it is wrong");
        assert!(error.to_string().contains("until the credentials change"), "{error}");
    }
    let wrong =
        |seen: &Seen| seen.logins.iter().filter(|login| login.data["PASSWORD"] == "wrong").count();
    assert_eq!(server.look(wrong), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_remembered_holds_no_secret() {
    let server = guarded();
    let directory = tempfile::tempdir().expect("a directory can be made");
    let wrong = pool(&server, "canary-password", Some(directory.path()));
    let error = asked(&wrong).await.expect_err("it is wrong").to_string();
    assert!(!error.contains("canary"), "{error}");
    let entries = std::fs::read_dir(directory.path()).expect("it can be read");
    let paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    assert!(!paths.is_empty(), "something is remembered");
    for path in paths {
        let kept = std::fs::read(&path).expect("it can be read");
        let kept = format!("{} {}", path.display(), String::from_utf8_lossy(&kept));
        assert!(!kept.contains("canary"), "{kept}");
    }
}
