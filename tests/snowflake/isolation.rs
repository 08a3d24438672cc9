//! Nothing of one borrower's session reaches the next.

use std::time::Duration;

use mcp_worker::warehouse::pool::PoolError;
use mcp_worker::warehouse::{Answer, Context, WarehouseError};
use tokio_util::sync::CancellationToken;

use crate::house::{House, PATIENCE, TIMEOUT, limits, text};
use crate::server::Config;
use crate::server::faults::Fault;

/// What an answer says, in one line; an error by its kind.
fn said(result: &Result<Answer, PoolError>) -> String {
    match result {
        Ok(answer) => {
            let cells = answer.rows.iter().flatten().map(|cell| text(cell).unwrap_or_default());
            cells.collect::<Vec<_>>().join(",")
        }
        Err(PoolError::Warehouse(WarehouseError::Statement { .. })) => "refused".to_owned(),
        Err(other) => panic!("{other:?}"),
    }
}

/// One borrower leaves something; the next one, in the same slot, looks for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_borrower_leaves_is_not_there_for_the_next() {
    let cases = [
        ("role", "USE ROLE auditor", "SELECT CURRENT_ROLE()"),
        ("warehouse", "USE WAREHOUSE big", "SELECT CURRENT_WAREHOUSE()"),
        ("database", "USE DATABASE secrets", "SELECT CURRENT_DATABASE()"),
        ("schema", "USE SCHEMA secrets.hidden", "SELECT CURRENT_SCHEMA()"),
        (
            "parameter",
            "ALTER SESSION SET TIMEZONE = 'Asia/Tokyo'",
            "SHOW PARAMETERS LIKE 'TIMEZONE'",
        ),
        (
            "time limit",
            "ALTER SESSION SET STATEMENT_TIMEOUT_IN_SECONDS = 7",
            "SHOW PARAMETERS LIKE 'STATEMENT_TIMEOUT_IN_SECONDS'",
        ),
        ("variable", "SET whose = 'left behind'", "SELECT $whose"),
        ("variables", "SET whose = 'left behind'", "SHOW VARIABLES"),
        ("temporary table", "CREATE TEMP TABLE leftover (s TEXT)", "SELECT * FROM leftover"),
        ("transaction", "BEGIN", "SELECT CURRENT_TRANSACTION()"),
        ("last query", "SELECT 1", "SELECT LAST_QUERY_ID()"),
        ("last query of a change", "INSERT INTO t VALUES (1)", "SELECT LAST_QUERY_ID()"),
    ];
    let looked = cases.map(async |(what, left, question)| {
        let fresh = House::new(1);
        let clean = said(&fresh.query(question).await);
        let house = House::new(1);
        house.query("SELECT 2").await.expect("the session is open");
        house.query(left).await.expect("something is left");
        let found = said(&house.query(question).await);
        assert_eq!(found, clean, "{what} reached the next borrower");
        house.assert_no_leaks().await;
    });
    futures::future::join_all(looked).await;
}

/// The same, when the first borrower's statement was ended or failed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_borrower_leaves_is_not_there_either() {
    let house = House::new(1);
    house.query("SELECT 2").await.expect("the session is open");
    let failed = house.query("USE WAREHOUSE NO_SUCH_WAREHOUSE").await;
    assert!(failed.is_err(), "the server moves there, and says no all the same");
    let found = said(&house.query("SELECT CURRENT_WAREHOUSE()").await);
    assert_eq!(found, "COMPUTE_WH");
}

/// A move that was carried out although its answer was lost must not be forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_whose_answer_was_lost_is_not_where_the_next_one_stands() {
    let answer_lost = [
        Fault::Garbage,
        Fault::Empty,
        Fault::CutShort,
        Fault::HangAfter,
        Fault::SessionGone("390111"),
    ];
    for fault in answer_lost {
        let house = House::warm(Config::default(), 1).await;
        house.server.fail_statement("USE ROLE", 0, usize::MAX, fault.clone());
        let role = Some("AUDITOR".to_owned());
        let context = Context { role, ..Context::default() };
        let cancel = CancellationToken::new();
        let limits = limits(Duration::from_secs(1));
        let moved = house.pool.query("SELECT 1", &context, &limits, &cancel).await;
        assert!(moved.is_err(), "{fault:?}");
        house.server.heal();
        assert_eq!(said(&house.query("SELECT CURRENT_ROLE()").await), "ANALYST", "{fault:?}");
    }
}

/// Many who hang up at any moment, each with a place of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_leaves_nobody_in_the_wrong_place() {
    let house = House::warm(Config::default(), 3).await;
    for round in 0..30 {
        let asked = (0..3).map(|client| {
            let role = (client > 0).then(|| format!("ROLE_{client}_{}", round % 7));
            let database = usize::is_multiple_of(round, 2).then(|| format!("DB_{client}"));
            let context = Context { role, database, ..Context::default() };
            let (house, limits) = (&house, limits(TIMEOUT));
            async move {
                let cancel = CancellationToken::new();
                house.pool.query("SELECT SLEEP(0.01)", &context, &limits, &cancel).await
            }
        });
        let asked = futures::future::join_all(asked);
        let sent = house.server.look(|seen| seen.sent.len());
        let moment = house.server.wait(PATIENCE, |seen| seen.sent.len() > sent + round % 6);
        tokio::select! {
            biased;
            _ = moment => {}
            _ = asked => {}
        }
        let places = (0..3).map(|_| house.query("SELECT CURRENT_ROLE(), CURRENT_DATABASE()"));
        for place in futures::future::join_all(places).await {
            assert_eq!(said(&place), "ANALYST,", "round {round}");
        }
    }
    house.assert_no_leaks().await;
}

/// Many who stand in different places share few sessions, and some leave things behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_stands_elsewhere_is_never_answered_from_there() {
    let house = House::new(3);
    let asked = async |client: usize| {
        for turn in 0..25 {
            let role = client.is_multiple_of(2).then(|| format!("ROLE_{client}"));
            let database = client.is_multiple_of(3).then(|| format!("DB_{client}"));
            let context =
                Context { role: role.clone(), database: database.clone(), ..Context::default() };
            let (question, wanted) = match turn % 3 {
                0 => ("SELECT CURRENT_ROLE()", role.or_else(|| Some("ANALYST".to_owned()))),
                1 => ("SELECT CURRENT_DATABASE()", database),
                _ => ("USE ROLE leftover", Some("Statement executed successfully.".to_owned())),
            };
            let cancel = CancellationToken::new();
            let limits = limits(TIMEOUT);
            let answer = house.pool.query(question, &context, &limits, &cancel).await;
            let answer = answer.expect("it works");
            assert_eq!(text(&answer.rows[0][0]), wanted, "client {client}, turn {turn}");
        }
    };
    futures::future::join_all((0..12).map(asked)).await;
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_needs_one_login_however_often() {
    let house = House::new(2);
    for _ in 0..50 {
        house.query("SELECT 1").await.expect("it works");
    }
    assert!(house.logins() <= 2, "{}", house.logins());
}
