//! The fault matrix: what each fault does to a statement, how long that takes, and what it costs.

use std::time::Duration;

use mcp_worker::warehouse::WarehouseError;
use mcp_worker::warehouse::pool::PoolError;

use crate::house::{ENDED_WITHIN, House, Result, is_connect, is_timeout, numbers, pool_settings};
use crate::server::faults::{Endpoint, Fault};
use crate::server::strange::Strange;
use crate::server::{Config, Server};

/// Whether an error is of the right kind.
type Judge = fn(&PoolError) -> bool;

/// What is to come of it.
enum Expect {
    /// The right answer, as if nothing had been.
    Right,
    /// An error of this kind.
    Error(Judge),
}

use Expect::{Error, Right};

const CONNECT: Expect = Error(is_connect);
const TIMED_OUT: Expect = Error(is_timeout);
const STATEMENT: Expect =
    Error(|error| matches!(error, PoolError::Warehouse(WarehouseError::Statement { .. })));

/// Which requests go wrong, and how.
struct Row {
    name: &'static str,
    statement: &'static str,
    at: Endpoint,
    times: usize,
    fault: Fault,
    expect: Expect,
    /// How long it may take at most, in seconds.
    within_s: u64,
    /// The most logins in all, the first one included.
    logins_max: usize,
    /// The most executions of the statement.
    runs_max: usize,
}

const ALWAYS: usize = usize::MAX;
const READ: &str = "SELECT ROWS(100)";
const LONG: &str = "SELECT SLEEP(0.4)";
const CHUNKS: &str = "SELECT ROWS(100, 3)";
/// The time limit of a statement here.
const LIMIT: Duration = Duration::from_secs(2);

fn row(name: &'static str, at: Endpoint, times: usize, fault: Fault, expect: Expect) -> Row {
    let statement = match at {
        Endpoint::Result => LONG,
        Endpoint::Chunk => CHUNKS,
        Endpoint::Query
        | Endpoint::Login
        | Endpoint::Page
        | Endpoint::Person
        | Endpoint::Renew
        | Endpoint::Heartbeat
        | Endpoint::Close
        | Endpoint::Abort
        | Endpoint::Monitor
        | Endpoint::Rest
        | Endpoint::Other => READ,
    };
    Row { name, statement, at, times, fault, expect, within_s: 5, logins_max: 1, runs_max: 1 }
}

const fn status(status: u16) -> Fault {
    Fault::Status { status, retry_after: None }
}

/// Faults of a session that is open.
fn in_a_session() -> Vec<Row> {
    use Endpoint::{Chunk, Query, Result as Poll};
    let drip = |bytes| Fault::Drip { bytes, every: Duration::from_millis(20) };
    let late = Fault::Status { status: 429, retry_after: Some(1) };
    let much_later = Fault::Status { status: 429, retry_after: Some(3600) };
    let gone = |code| Fault::SessionGone(code);
    let refused = Fault::Refused { code: "000606", message: "No active warehouse selected." };
    let relogin = |row: Row| Row { logins_max: 2, ..row };
    let again = |row: Row| Row { logins_max: 2, runs_max: 2, ..row };
    vec![
        row("token expired", Query, 1, Fault::TokenExpired, Right),
        row("token expired, told by 401", Query, 1, Fault::TokenExpired401, Right),
        row("token expired mid-statement", Query, 1, Fault::TokenExpiredMeanwhile, Right),
        relogin(row("master token expired", Query, 1, Fault::MasterExpired, Right)),
        relogin(row("session gone", Query, 1, gone("390111"), Right)),
        relogin(row("session gone, 390114", Query, 1, gone("390114"), Right)),
        row("token expired while polled", Poll, 1, Fault::TokenExpired, Right),
        again(row("session gone while polled", Poll, 1, gone("390111"), Right)),
        row("429", Query, 2, status(429), Right),
        row("429 with Retry-After", Query, 1, late, Right),
        row("429 with an hour's Retry-After", Query, ALWAYS, much_later, CONNECT),
        row("503", Query, 2, status(503), Right),
        row("503 while polled", Poll, 2, status(503), Right),
        relogin(row("503 for ever", Query, ALWAYS, status(503), TIMED_OUT)),
        row("403", Query, 1, status(403), CONNECT),
        row("reset before", Query, 1, Fault::ResetBefore, Right),
        row("reset after", Query, 1, Fault::ResetAfter, Right),
        row("reset mid-body", Query, 1, Fault::ResetHalfway, Right),
        row("truncated", Query, 1, Fault::Truncated, Right),
        row("reset while polled", Poll, 1, Fault::ResetBefore, Right),
        row("slow drip", Query, 1, drip(100), Right),
        relogin(row("slower drip", Query, 1, drip(1), TIMED_OUT)),
        relogin(row("hang", Query, ALWAYS, Fault::Hang, TIMED_OUT)),
        relogin(row("hang after", Query, ALWAYS, Fault::HangAfter, TIMED_OUT)),
        row("garbage JSON", Query, ALWAYS, Fault::Garbage, CONNECT),
        row("cut short", Query, ALWAYS, Fault::CutShort, CONNECT),
        row("empty body", Query, ALWAYS, Fault::Empty, CONNECT),
        row("wrong content type", Query, 1, Fault::WrongType, Right),
        row("unknown column type", Query, 1, Fault::UnknownColumnType, Right),
        row("without optional fields", Query, 1, Fault::Sparse, Right),
        row("refused statement", Query, 1, refused, STATEMENT),
        row("chunk 403", Chunk, ALWAYS, status(403), CONNECT),
        row("chunk 503", Chunk, 2, status(503), Right),
        row("chunk reset", Chunk, 1, Fault::ResetBefore, Right),
        row("chunk reset mid-body", Chunk, 1, Fault::ResetHalfway, Right),
        row("truncated chunk", Chunk, 1, Fault::Truncated, Right),
        row("chunk cut short", Chunk, 1, Fault::CutShort, Right),
        row("chunk cut short for ever", Chunk, ALWAYS, Fault::CutShort, CONNECT),
        row("garbage chunk", Chunk, ALWAYS, Fault::Garbage, CONNECT),
        row("chunk drips", Chunk, 1, drip(100), Right),
        relogin(row("chunk hangs", Chunk, ALWAYS, Fault::Hang, TIMED_OUT)),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_session_has_its_typed_end() {
    let mut wrong = Vec::new();
    for group in in_a_session().chunks(12) {
        let tried = futures::future::join_all(group.iter().map(tried)).await;
        wrong.extend(tried.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{} rows went wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What was wrong in a row of the matrix.
async fn tried(row: &Row) -> Option<String> {
    let config = Config { long_after: Duration::from_millis(100), ..Config::default() };
    let house = House::warm(config, 2).await;
    house.server.fail(row.at, row.times, row.fault.clone());
    let began = house.now();
    let result = house.query_within(row.statement, LIMIT).await;
    let took = house.now().since(began);
    house.server.heal();
    let problem = judged(row, &house, &result, took).await;
    house.assert_no_leaks().await;
    house.pool.close(ENDED_WITHIN).await;
    problem.map(|problem| format!("{}: {problem} (took {took:?}, {:?})", row.name, short(&result)))
}

fn short(result: &Result) -> std::result::Result<usize, &PoolError> {
    result.as_ref().map(|answer| answer.rows.len())
}

async fn judged(row: &Row, house: &House, result: &Result, took: Duration) -> Option<String> {
    match (&row.expect, result) {
        (Right, Ok(answer)) if row.statement == LONG => {
            if answer.rows.len() != 1 {
                return Some(format!("{} rows", answer.rows.len()));
            }
        }
        (Right, Ok(answer)) => {
            if numbers(answer) != (0..100).collect::<Vec<_>>() || answer.truncated {
                return Some("the rows are wrong".to_owned());
            }
        }
        (Error(is), Err(error)) if is(error) => {}
        (Right, Err(_)) => return Some("it was to go well".to_owned()),
        (Error(_), _) => return Some("it was to fail in another way".to_owned()),
    }
    if took > Duration::from_secs(row.within_s) {
        return Some(format!("took longer than {} s", row.within_s));
    }
    if !house.server.wait(ENDED_WITHIN, |seen| seen.running == 0).await {
        return Some("a statement still runs".to_owned());
    }
    let next = house.query("SELECT 1").await;
    if let Err(error) = next {
        return Some(format!("the next statement: {error}"));
    }
    let seen = house.seen();
    let runs = seen.executions_of(row.statement).len();
    if runs > row.runs_max {
        return Some(format!("{runs} executions"));
    }
    let logins = seen.logins.len();
    (logins > row.logins_max).then(|| format!("{logins} logins"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_login_has_its_typed_end() {
    let refused: Judge = |error| matches!(error, PoolError::Refused { .. });
    let open: Judge = |error| matches!(error, PoolError::Open { .. });
    let refusal = |code| Fault::Refused { code, message: "Refused in a test." };
    let bare = |code| Fault::RefusedBare { code, message: "Refused in a test." };
    for (name, fault, is_typed, logins) in [
        ("wrong password", refusal("390100"), refused, 1),
        ("wrong password, without data", bare("390100"), refused, 1),
        ("bad login token, without data", bare("390144"), refused, 1),
        ("user locked", bare("390102"), refused, 1),
        ("IP policy", refusal("390422"), refused, 1),
        ("429", status(429), open, 3),
        ("503", status(503), open, 3),
        ("reset before", Fault::ResetBefore, open, 3),
        ("reset after", Fault::ResetAfter, open, 3),
        ("truncated", Fault::Truncated, open, 3),
        ("garbage JSON", Fault::Garbage, open, 3),
        ("empty", Fault::Empty, open, 3),
        ("data null", Fault::Nothing, open, 3),
    ] {
        let house = House::new(4);
        house.server.fail(Endpoint::Login, ALWAYS, fault);
        let began = house.now();
        let error = house.query("SELECT 1").await.expect_err(name);
        let took = house.now().since(began);
        assert!(is_typed(&error), "{name}: {error:?}");
        assert!(took < Duration::from_secs(3), "{name} took {took:?}");
        let tried = house.server.look(|seen| seen.requests_to(Endpoint::Login));
        assert!(tried <= logins, "{name}: {tried} logins");
        house.server.heal();
        house.pool.close(ENDED_WITHIN).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_hangs_holds_nobody_longer_than_they_wait() {
    let server = Server::start();
    let url = server.url();
    let acquire_timeout = Duration::from_secs(1);
    let pool = mcp_protocol::settings::PoolSettings { acquire_timeout, ..pool_settings(2) };
    let house = House::at(server, &url, &pool);
    house.server.fail(Endpoint::Login, ALWAYS, Fault::Hang);
    let began = house.now();
    let error = house.query("SELECT 1").await.expect_err("nobody answers the login");
    let took = house.now().since(began);
    assert!(matches!(error, PoolError::Open { .. } | PoolError::Exhausted { .. }), "{error:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_name_no_tls_and_nobody_there_are_told_as_what_they_are() {
    let strange = Strange::babbler();
    let gone = Server::start();
    gone.outage();
    for (name, url) in [
        ("no such name", "no-such-account.invalid".to_owned()),
        ("no TLS", strange.address()),
        ("no HTTP", format!("http://{}", strange.address())),
        ("nobody listens", gone.url()),
    ] {
        let house = House::at(Server::start(), &url, &pool_settings(2));
        let began = house.now();
        let error = house.query("SELECT 1").await.expect_err(name);
        let took = house.now().since(began);
        assert!(matches!(error, PoolError::Open { .. }), "{name}: {error:?}");
        assert!(took < Duration::from_secs(5), "{name} took {took:?}");
    }
}

/// A server that sends us elsewhere is not followed there with a token or a password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_follows_a_redirect() {
    let elsewhere = Server::start();
    for (endpoint, path) in [
        (Endpoint::Query, "queries/v1/query-request"),
        (Endpoint::Login, "session/v1/login-request"),
        (Endpoint::Renew, "session/token-request"),
        (Endpoint::Chunk, "chunks/a/1"),
    ] {
        let house = House::before(endpoint, Config::default()).await;
        let address = format!("{}/{path}", elsewhere.url());
        house.server.fail(endpoint, ALWAYS, Fault::Redirect(address));
        let result = house.query_within(CHUNKS, LIMIT).await;
        assert!(result.is_err() || endpoint == Endpoint::Renew, "{endpoint:?}");
        let seen = elsewhere.seen();
        assert!(
            seen.logins.is_empty() && seen.sent.is_empty(),
            "{endpoint:?}: {:?}",
            seen.requests
        );
        assert_eq!(seen.requests_to(Endpoint::Renew), 0);
        assert!(seen.fetches.iter().all(|fetch| !fetch.with_token && !fetch.with_key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_is_named_when_a_login_token_is_refused() {
    let house = House::new(1);
    house.server.skew_date(3);
    assert!(house.query("SELECT 1").await.is_ok(), "the date alone is no reason");
    let house = House::new(1);
    house.server.skew_date(3);
    let refusal = Fault::RefusedBare { code: "390144", message: "JWT token is invalid." };
    house.server.fail(Endpoint::Login, ALWAYS, refusal);
    let error = house.query("SELECT 1").await.expect_err("it is refused").to_string();
    assert!(error.contains("clock") && error.contains("behind"), "{error}");
}
