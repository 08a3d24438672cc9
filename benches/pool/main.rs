//! What the way to Snowflake costs: our session against a bare HTTP call to the same server, logins
//! after warm-up, and how near 64 statements at once come to the ideal rate.
//!
//! The server is the tests' own, in this process, on threads of its own; `run.sh` builds and runs
//! it. Figures are ratios within one run.
#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "it prints its table")]

#[allow(dead_code, reason = "it can do more than each of its users needs")]
#[path = "../../tests/snowflake/server/mod.rs"]
mod server;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{PoolSettings, SnowflakeLogin, SnowflakeSettings};
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::pool::Pool;
use mcp_worker::warehouse::snowflake::platform::Variables;
use mcp_worker::warehouse::snowflake::{House, SnowflakeWarehouse};
use mcp_worker::warehouse::{Context, Limits};
use serde_json::{Value, json};
use server::{Config, Server};
use tokio_util::sync::CancellationToken;

/// Statements one after the other, in pairs of ours and a bare call.
const PAIRS: usize = 2_000;
/// Statements at once.
const AT_ONCE: u32 = 64;
/// What each of them takes at the server.
const STATEMENT: Duration = Duration::from_millis(100);
/// For how long.
const RUN: Duration = Duration::from_secs(5);

fn main() {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        overhead().await;
        throughput().await;
    });
}

fn pool(server: &Server, max: u32) -> Pool {
    let settings = SnowflakeSettings {
        account: "ORG-BENCH".to_owned(),
        user: Some("MCP".to_owned()),
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: Some(server.url()),
        login: SnowflakeLogin::Password { password: Secret::new("secret".to_owned()) },
    };
    let house = House {
        worker: "bench[0]".to_owned(),
        refusals: None,
        kept_logins: None,
        clock: Clock::start(),
        variables: Variables::new(),
    };
    let warehouse = SnowflakeWarehouse::open(&settings, &house).unwrap();
    let settings =
        PoolSettings { min: max, max, ..mcp_protocol::settings::Settings::default().pool };
    Pool::new(Arc::new(warehouse), &settings, house.clock)
}

fn limits() -> Limits {
    Limits { rows_max: 100, bytes_max: 1 << 20, timeout: Duration::from_secs(30) }
}

async fn ask(pool: &Pool) {
    let cancel = CancellationToken::new();
    let answer = pool.query("SELECT 1", &Context::default(), &limits(), &cancel).await.unwrap();
    assert_eq!(answer.rows.len(), 1);
}

async fn overhead() {
    let server = Server::start();
    let pool = pool(&server, 1);
    pool.open_min().await.unwrap();
    let bare = Bare::log_in(&server).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..PAIRS + 100 {
        let began = Instant::now();
        ask(&pool).await;
        let between = Instant::now();
        bare.ask().await;
        if round >= 100 {
            ours.push(between - began);
            theirs.push(between.elapsed());
        }
    }
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    println!("| one statement after the other, {PAIRS} pairs | p50, µs | p99, µs |");
    println!("|---|---|---|");
    println!("| our pool, session, library, rows | {} | {} |", ours.p50, ours.p99);
    println!("| a bare call of the same client library | {} | {} |", theirs.p50, theirs.p99);
    println!(
        "| ours on top | {} ({:.2}×) | {:.2}× |\n",
        ours.p50.saturating_sub(theirs.p50),
        ours.p50 as f64 / theirs.p50 as f64,
        ours.p99 as f64 / theirs.p99 as f64
    );
    println!(
        "logins for them: {}\n",
        server.seen().logins.iter().filter(|one| one.granted).count()
    );
}

async fn throughput() {
    let server = Server::with(Config { latency: STATEMENT, ..Config::default() });
    let bare = Arc::new(Bare::log_in(&server).await);
    let theirs = rate(move || {
        let bare = Arc::clone(&bare);
        async move { bare.ask().await }
    })
    .await;
    let pool = pool(&server, AT_ONCE);
    pool.open_min().await.unwrap();
    let warm: Vec<_> = (0..AT_ONCE).map(|_| ask(&pool)).collect();
    futures::future::join_all(warm).await;
    let logins = server.seen().logins.len();
    let lent = pool.clone();
    let ours = rate(move || {
        let pool = lent.clone();
        async move { ask(&pool).await }
    })
    .await;
    let ideal = f64::from(AT_ONCE) / STATEMENT.as_secs_f64();
    let share = |rate: f64| format!("{rate:.1} of {ideal:.1} ({:.1}%)", 100.0 * rate / ideal);
    println!("| {AT_ONCE} at once, {STATEMENT:?} each at the server, {RUN:?} | |");
    println!("|---|---|");
    println!("| our statements a second | {} |", share(ours));
    println!("| bare calls a second | {} |", share(theirs));
    println!("| ours of those | {:.1}% |", 100.0 * ours / theirs);
    println!("| logins after warm-up | {} |", server.seen().logins.len() - logins);
    pool.close(Duration::from_secs(5)).await;
    // The bare calls' own session is not the pool's.
    let left = server.seen().open_sessions - 1;
    println!("| sessions left at the server after the pool was closed | {left} |");
}

/// How many a second get through when so many ask all the time.
async fn rate<F>(ask: impl Fn() -> F + Clone + Send + Sync + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let began = Instant::now();
    let done = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (ask, done) = (ask.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                while began.elapsed() < RUN {
                    ask().await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    done.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64()
}

/// The same request, made by hand.
struct Bare {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Bare {
    async fn log_in(server: &Server) -> Bare {
        let http = reqwest::Client::builder().gzip(true).tcp_nodelay(true).build().unwrap();
        let body =
            json!({ "data": { "ACCOUNT_NAME": "BENCH", "LOGIN_NAME": "B", "PASSWORD": "secret" } });
        let url =
            format!("{}/session/v1/login-request?requestId={}", server.url(), uuid::Uuid::new_v4());
        let answer: Value = http.post(url).json(&body).send().await.unwrap().json().await.unwrap();
        let token = answer["data"]["token"].as_str().unwrap().to_owned();
        Bare { http, url: server.url(), token }
    }

    async fn ask(&self) {
        let url =
            format!("{}/queries/v1/query-request?requestId={}", self.url, uuid::Uuid::new_v4());
        let body = json!({ "sqlText": "SELECT 1", "asyncExec": false, "sequenceId": 1 });
        let request = self.http.post(url).json(&body);
        let request =
            request.header("authorization", format!("Snowflake Token=\"{}\"", self.token));
        let answer = request.header("accept", "application/snowflake").send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
    }
}

/// Where times lie, in microseconds.
struct Spread {
    p50: u128,
    p99: u128,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Spread {
        times.sort_unstable();
        let at = |share: usize| times[times.len() * share / 100].as_micros();
        Spread { p50: at(50), p99: at(99) }
    }
}
