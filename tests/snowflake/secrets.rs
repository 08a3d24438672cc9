//! No secret is in any log or error: not of the worker, and not of the libraries under it.
//!
//! What this process logs is caught from the first test that asks for it, at the finest level,
//! through `tracing` and `log` both; kept are only lines with a canary in them.

use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::house::{ENDED_WITHIN, House};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};

/// Pieces of every secret that the test server gives or is given. Statements are no secret of the
/// worker, but clients' business.
const CANARIES: [&str; 5] =
    ["canary-password", "session-token-", "master-token-", "canary-signature", SQL];
/// A piece of a statement. Events about statements carry it to the room of the logs, which writes
/// down no more of it than the operator wants; its own tests look at the files.
const SQL: &str = "canary-sql";
/// How such an event is known.
const ABOUT_STATEMENTS: &str = " database: ";

#[derive(Default)]
struct Caught {
    lines: usize,
    telling: Vec<String>,
}

fn caught() -> &'static Mutex<Caught> {
    static CAUGHT: OnceLock<Mutex<Caught>> = OnceLock::new();
    CAUGHT.get_or_init(Mutex::default)
}

fn catch(line: &str) {
    let mut caught = caught().lock().unwrap_or_else(PoisonError::into_inner);
    caught.lines += 1;
    let may_tell = |canary: &str| canary == SQL && line.contains(ABOUT_STATEMENTS);
    if CANARIES.iter().any(|canary| line.contains(canary) && !may_tell(canary)) {
        caught.telling.push(line.chars().take(400).collect());
    }
}

struct Net;

impl io::Write for Net {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        catch(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl log::Log for Net {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        // The library writes every statement into its log; the worker's log does not take it.
        let text = record.args().to_string();
        if !text.starts_with("Executing: ") {
            catch(&format!("{} {text}", record.target()));
        }
    }

    fn flush(&self) {}
}

fn spread_the_net() {
    static NET: Net = Net;
    let _ = log::set_logger(&NET);
    log::set_max_level(log::LevelFilter::Trace);
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(|| Net);
    let _ = lines.try_init();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_a_log_or_an_error() {
    spread_the_net();
    let config = Config { long_after: Duration::from_millis(50), ..Config::default() };
    let mut errors = Vec::new();
    for (endpoint, statement, fault) in [
        (Endpoint::Query, "SELECT 'canary-sql'", Fault::TokenExpired),
        (Endpoint::Query, "SELECT 'canary-sql'", Fault::MasterExpired),
        (Endpoint::Query, "SELECT 'canary-sql'", Fault::Status { status: 403, retry_after: None }),
        (Endpoint::Query, "SELECT 'canary-sql'", Fault::Garbage),
        (Endpoint::Query, "INSERT INTO t VALUES ('canary-sql')", Fault::ResetAfter),
        (Endpoint::Chunk, "SELECT ROWS(100, 3)", Fault::Status { status: 403, retry_after: None }),
        (Endpoint::Chunk, "SELECT ROWS(100, 3)", Fault::Truncated),
        (Endpoint::Result, "SELECT SLEEP(0.2)", Fault::TokenExpired),
        (Endpoint::Renew, "SELECT 1", Fault::Garbage),
        (Endpoint::Login, "SELECT 1", Fault::Garbage),
        (Endpoint::Login, "SELECT 1", Fault::Refused { code: "390100", message: "Incorrect." }),
    ] {
        let house = House::before(endpoint, config.clone()).await;
        house.server.fail(endpoint, usize::MAX, fault);
        if let Err(error) = house.query_within(statement, Duration::from_secs(2)).await {
            errors.push(format!("{error} {error:?}"));
        }
        house.server.heal();
        house.pool.close(ENDED_WITHIN).await;
    }
    assert!(errors.len() > 4, "some of them failed");
    let telling = errors.iter().find(|error| CANARIES.iter().any(|one| error.contains(one)));
    assert_eq!(telling, None);
    let caught = caught().lock().unwrap_or_else(PoisonError::into_inner);
    assert!(caught.lines > 100, "{} lines were caught", caught.lines);
    let some = caught.telling.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(caught.telling.is_empty(), "{} lines tell:\n{some}", caught.telling.len());
}
