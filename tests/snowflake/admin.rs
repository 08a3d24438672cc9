//! What an administrator has a worker do, seen from the account: sessions replaced, a statement
//! ended, a connection tested, a login tried once more.

use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::AccessSettings;
use mcp_protocol::admin::{CircuitWord, Outcome, Wish};
use mcp_worker::admin::Office;
use mcp_worker::clock::Clock;
use mcp_worker::settings::Identity;
use mcp_worker::warehouse::Warehouse;
use mcp_worker::warehouse::connections::Connections;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use tokio::sync::watch;

use crate::house::{ENDED_WITHIN, House, PATIENCE, limits, pool_settings, settings, warehouse};
use crate::server::record::End;
use crate::server::{Config, Server};

fn office(pool: &Pool, clock: Clock) -> Office {
    let identity = Identity { app: "query".to_owned(), slot: 0, run: 7, pid: std::process::id() };
    let (_, access) = watch::channel(Arc::new(AccessSettings::default()));
    let office = Office::alone(Arc::new(identity), access, clock);
    office.opens(&Connections::single(pool.clone()));
    office
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_says_goodbye_in_every_session_and_cuts_off_no_statement() {
    let house = House::warm(Config::default(), 2).await;
    let office = office(&house.pool, house.clock);
    let asked = house.query("SELECT SLEEP(0.5)");
    let reset = async {
        assert!(house.server.wait(PATIENCE, |seen| seen.running == 1).await, "it runs");
        office.carry_out(Wish::ResetPools { wait_seconds: 20 }).await
    };
    let (answer, outcome) = futures::join!(asked, reset);
    answer.expect("the statement has its answer");
    let Outcome::Reset(pools) = outcome else { panic!("{outcome:?}") };
    assert_eq!((pools[0].before.active, pools[0].closed, pools[0].still_busy), (1, 1, 0));
    assert_eq!(pools[0].after.total, 0, "{pools:?}");
    let logins = house.logins();
    house.query("SELECT 1").await.expect("a new session is opened");
    assert_eq!(house.logins(), logins + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_ended_at_the_account_by_the_accounts_own_name_for_it() {
    let quick = Config { long_after: Duration::from_millis(100), ..Config::default() };
    let house = House::warm(quick, 1).await;
    let office = office(&house.pool, house.clock);
    let ends = async {
        loop {
            let outcome = office.carry_out(Wish::Queries).await;
            let Outcome::Queries(queries) = outcome else { panic!("{outcome:?}") };
            let named = queries.into_iter().find_map(|query| query.query_id);
            if let Some(id) = named {
                break office.carry_out(Wish::CancelQuery { id }).await;
            }
            tokio::task::yield_now().await;
        }
    };
    let limits = limits(PATIENCE);
    let cancel = tokio_util::sync::CancellationToken::new();
    let asked = house.query_with("SELECT SLEEP(600)", &limits, &cancel);
    let (result, outcome) = futures::join!(asked, ends);
    assert!(matches!(outcome, Outcome::Cancelled(Some(_))), "{outcome:?}");
    assert!(result.is_err(), "{result:?}");
    house.assert_nothing_runs(ENDED_WITHIN).await;
    let seen = house.seen();
    let run = seen.executions.iter().find(|run| run.sql.contains("SLEEP(600)")).expect("it ran");
    assert_eq!(run.ended.map(|(_, end)| end), Some(End::Aborted));
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_tells_how_long_in_which_role_and_why_not() {
    let house = House::new(1);
    let office = office(&house.pool, house.clock);
    let test = || office.carry_out(Wish::TestConnections { connection: None });
    let Outcome::Tested(tests) = test().await else { panic!("tests") };
    assert_eq!((tests.len(), &tests[0].error, tests[0].role.is_some()), (1, &None, true));
    house.server.outage();
    let Outcome::Tested(tests) = test().await else { panic!("tests") };
    assert!(tests[0].error.is_some() && tests[0].role.is_none(), "{tests:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_circuit_tries_at_once_and_refused_credentials_once_more() {
    let server = Server::with(Config { password: Some("right".to_owned()), ..Config::default() });
    let (directory, clock) = (tempfile::tempdir().expect("a directory"), Clock::start());
    let account: Arc<dyn Warehouse> =
        Arc::new(warehouse(&settings(&server.url(), "wrong"), Some(directory.path()), clock));
    let pool = Pool::new(account, &pool_settings(1), clock);
    let office = office(&pool, clock);
    let tried = || server.look(|seen| seen.logins.len());
    let ask = || async {
        let (context, cancel) = (Default::default(), Default::default());
        let error = pool.query("SELECT 1", &context, &limits(PATIENCE), &cancel).await;
        matches!(error.expect_err("it is wrong"), PoolError::Refused { .. })
    };
    assert!(ask().await && ask().await);
    assert_eq!(tried(), 1, "a refused login is not repeated");
    let Outcome::Circuits(circuits) = office.carry_out(Wish::Circuits).await else { panic!() };
    assert_eq!(circuits[0].state, CircuitWord::Refused);
    assert!(circuits[0].reason.as_ref().is_some_and(|why| why.contains("does not let us in")));
    let outcome = office.carry_out(Wish::ResetCircuits { connection: None }).await;
    let Outcome::Circuits(circuits) = outcome else { panic!("{outcome:?}") };
    assert_eq!(circuits[0].state, CircuitWord::Closed);
    assert!(ask().await && ask().await);
    assert_eq!(tried(), 2, "once more, and once only");
}
