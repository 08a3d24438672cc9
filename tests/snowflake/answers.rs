//! Answers: rows in order, up to the limits, in bounded memory; and no files.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use mcp_worker::warehouse::pool::PoolError;
use mcp_worker::warehouse::{Answer, Context, Limits, Origin, WarehouseError};
use nix::sys::stat::Mode;
use tokio_util::sync::CancellationToken;

use crate::house::{ENDED_WITHIN, House, TIMEOUT, numbers, text};
use crate::server::faults::Endpoint;
use crate::server::{ChunkPacking, Config};

async fn up_to(house: &House, statement: &str, rows_max: usize, bytes_max: usize) -> Answer {
    let limits = Limits { rows_max, bytes_max, timeout: TIMEOUT };
    let answer = house.query_with(statement, &limits, &CancellationToken::new()).await;
    answer.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

const BIG: usize = 1 << 30;

fn up_to_number(n: u64) -> Vec<u64> {
    (0..n).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_in_order_however_they_are_packed() {
    for packing in [ChunkPacking::Plain, ChunkPacking::Declared, ChunkPacking::Silent] {
        let house = House::warm(Config { chunk_packing: packing, ..Config::default() }, 1).await;
        for statement in ["SELECT ROWS(5000, 9)", "SELECT JSONROWS(5000, 9)", "SELECT ROWS(10)"] {
            let answer = up_to(&house, statement, BIG, BIG).await;
            let all = if statement.ends_with("(10)") { 10 } else { 5000 };
            assert_eq!(numbers(&answer), up_to_number(all), "{packing:?} {statement}");
            assert!(!answer.truncated, "{packing:?} {statement}");
            let names: Vec<&str> = answer.columns.iter().map(|column| &*column.name).collect();
            assert_eq!(names, ["N", "S"]);
            assert!(text(&answer.rows[7][1]).is_some_and(|text| text.starts_with("7 ")));
        }
        let seen = house.seen();
        assert!(seen.fetches.iter().all(|fetch| fetch.with_key && !fetch.with_token));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_rows_has_its_columns() {
    let house = House::warm(Config::default(), 1).await;
    for statement in ["SELECT ROWS(0)", "SELECT JSONROWS(0)"] {
        let answer = up_to(&house, statement, BIG, BIG).await;
        assert_eq!((answer.rows.len(), answer.columns.len()), (0, 2), "{statement}");
        assert!(!answer.truncated && !answer.query_id.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_that_no_row_is_wanted_of_are_not_fetched() {
    let house = House::warm(Config::default(), 1).await;
    for statement in ["SELECT ROWS(1000, 9)", "SELECT JSONROWS(1000, 9)"] {
        for (rows_max, chunks) in [(50, 0), (100, 0), (150, 1), (350, 3), (1000, 9), (2000, 9)] {
            let before = house.server.look(|seen| seen.fetches.len());
            let answer = up_to(&house, statement, rows_max, BIG).await;
            let fetched = house.server.look(|seen| seen.fetches.len()) - before;
            assert_eq!(numbers(&answer), up_to_number(rows_max.min(1000) as u64), "{statement}");
            assert_eq!(answer.truncated, rows_max < 1000, "{statement} {rows_max}");
            assert_eq!(fetched, chunks, "{statement} {rows_max}");
        }
        let answer = up_to(&house, statement, BIG, 2000).await;
        assert!(answer.truncated && answer.rows.len() < 300, "{}", answer.rows.len());
        assert_eq!(numbers(&answer), up_to_number(answer.rows.len() as u64));
    }
}

/// The service is asked for no more rows than are wanted, and one more to know of more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_the_service_cut_is_told_as_cut() {
    let house = House::warm(Config { cuts_rows: true, ..Config::default() }, 1).await;
    for statement in ["SELECT ROWS(1000, 9)", "SELECT JSONROWS(1000, 9)", "SELECT ROWS(1000)"] {
        for rows_max in [1, 99, 100, 101, 999, 1000, 1001] {
            let answer = up_to(&house, statement, rows_max, BIG).await;
            let all = rows_max.min(1000) as u64;
            assert_eq!(numbers(&answer), up_to_number(all), "{statement} {rows_max}");
            assert_eq!(answer.truncated, rows_max < 1000, "{statement} {rows_max}");
        }
    }
}

/// Each statement tells the account who asks, and how long it may take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_carries_its_tag_and_its_time_limit() {
    let house = House::new(1);
    let origin = Origin {
        client: Some("desk 1.0".to_owned()),
        session: Some("s-1".to_owned()),
        request: Some("7".to_owned()),
        tool: Some("execute_query".to_owned()),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        caller: Some("finance".to_owned()),
        reason: Some("the report of May".to_owned()),
    };
    let context = Context { origin: origin.clone(), ..Context::default() };
    let limits = Limits { rows_max: 10, bytes_max: BIG, timeout: TIMEOUT };
    let cancel = CancellationToken::new();
    house.pool.query("SELECT 1", &context, &limits, &cancel).await.expect("it works");
    house.query("SELECT 2").await.expect("it works");
    let seen = house.seen();
    let sent = seen.sent_of("SELECT 1")[0];
    let tag = sent.parameter("QUERY_TAG").as_str().expect("it has a tag");
    let tag: serde_json::Value = serde_json::from_str(tag).expect("it is JSON");
    for (name, value) in [
        ("client", origin.client),
        ("session", origin.session),
        ("request", origin.request),
        ("tool", origin.tool),
        ("traceparent", origin.traceparent),
        ("caller", origin.caller),
        ("reason", origin.reason),
        ("worker", Some("query[0]".to_owned())),
    ] {
        assert_eq!(tag[name].as_str(), value.as_deref(), "{name}");
    }
    assert!(tag["version"].is_string());
    let limit = sent.parameter("STATEMENT_TIMEOUT_IN_SECONDS").as_u64();
    assert!(limit.is_some_and(|limit| (10..=12).contains(&limit)), "{limit:?}");
    let next = seen.sent_of("SELECT 2")[0].parameter("QUERY_TAG").as_str().unwrap_or_default();
    assert!(!next.contains("desk 1.0"), "the next borrower has a tag of its own");
    assert!(sent.user_agent.starts_with("mcp-supervisor/"), "{}", sent.user_agent);
}

/// The memory that this process has in use, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("it is a number") * 4096
}

/// Ten million rows of a hundred bytes, in few chunks of many megabytes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_answer_costs_little_memory() {
    let plain = Config { chunk_packing: ChunkPacking::Plain, ..Config::default() };
    let house = House::warm(plain, 1).await;
    let before = resident();
    for statement in ["SELECT ROWS(10000000, 9999, 100)", "SELECT ROWS(10000000, 20, 100)"] {
        let limits = Limits { rows_max: BIG, bytes_max: 4 << 20, timeout: TIMEOUT * 6 };
        let cancel = CancellationToken::new();
        let asked = house.query_with(statement, &limits, &cancel);
        let mut most = 0;
        let watched = async {
            loop {
                most = most.max(resident());
                house.clock.until(house.now() + std::time::Duration::from_millis(5)).await;
            }
        };
        let answer = tokio::select! {
            answer = asked => answer.expect("it is cut"),
            () = watched => panic!("it never ends"),
        };
        assert!(answer.truncated && answer.rows.len() > 10_000, "{}", answer.rows.len());
        let more = most.saturating_sub(before) >> 20;
        assert!(more < 300, "{statement}: {more} MiB more");
    }
}

/// A named pipe: whoever opens it for reading is there to be seen.
struct Trap {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Trap {
    fn new() -> Trap {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let path = directory.path().join("secret");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a pipe can be made");
        Trap { _directory: directory, path }
    }

    /// Whether somebody reads it now. Who read it would wait for a writer, so none is missed.
    fn has_reader(&self) -> bool {
        let flags = nix::libc::O_NONBLOCK;
        let opened = std::fs::OpenOptions::new().write(true).custom_flags(flags).open(&self.path);
        opened.is_ok()
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_is_read_or_written_whatever_the_answer_says() {
    let trap = Trap::new();
    let path = trap.path().display();
    for statement in [
        format!("PUT file://{path} @stage"),
        format!("put 'file://{path}' @~ auto_compress = false"),
        format!("/* a read */ PUT file://{path} @stage"),
        format!("-- a read\nPUT file://{path} @stage"),
        format!("GET @stage/file file://{}/", trap.path().parent().expect("it has one").display()),
        format!("SELECT UPLOAD('{path}')"),
    ] {
        let house = House::warm(Config::default(), 1).await;
        let error = house.query(&statement).await.expect_err(&statement);
        let is_typed = matches!(
            error,
            PoolError::Warehouse(
                WarehouseError::Unsupported { .. } | WarehouseError::Statement { .. }
            )
        );
        assert!(is_typed, "{statement}: {error:?}");
        assert!(!trap.has_reader(), "{statement}");
        house.assert_no_leaks().await;
        house.pool.close(ENDED_WITHIN).await;
        let seen = house.seen();
        assert_eq!(seen.requests_to(Endpoint::Other), 0, "{statement}: {:?}", seen.strange);
    }
}
