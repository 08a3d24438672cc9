//! Clients that mean harm, all at once, while a good one wants to be served. A program of its own,
//! for it counts its memory and descriptors.

#[allow(dead_code, reason = "what other tests need of it is not needed here")]
#[path = "serving/support.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use mcp_protocol::message::PoolVitals;
use mcp_protocol::settings::{HttpSettings, Settings};
use mcp_worker::clock::{Clock, Moment};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::{Client, House, call, eventually, house, mcp_head};

/// The longest time that a good client waits, on a machine that does all of this at once.
const GOOD_WITHIN: Duration = Duration::from_secs(10);
/// The longest time that a good client waits while others only ask without a pause.
const GOOD_AMONG_FLOODS_WITHIN: Duration = Duration::from_secs(2);
/// What the attacks may leave in memory, in bytes; clients and server are one process here.
const MEMORY_MAX: u64 = 96 * 1024 * 1024;

fn settings() -> Settings {
    let second = Duration::from_secs(1);
    let http = HttpSettings {
        header_timeout: second,
        body_timeout: second,
        write_timeout: second,
        connections_max: 4_096,
        ..HttpSettings::default()
    };
    Settings { http, ..Settings::default() }
}

fn introduction() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "flood", "version": "1" }
        }
    })
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("our own memory");
    let pages: u64 = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

fn sockets() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("our own descriptors");
    let targets = descriptors.flatten().filter_map(|one| std::fs::read_link(one.path()).ok());
    targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
}

/// What a client does that means harm.
#[derive(Debug, Clone, Copy)]
enum Attack {
    HalfHead,
    HalfBody,
    ReadsNothing,
    HugeBody,
    DeepBody,
    Garbage,
}

/// How many there are of each.
const ATTACKS: [(Attack, usize); 6] = [
    (Attack::HalfHead, 500),
    (Attack::HalfBody, 200),
    (Attack::ReadsNothing, 10),
    (Attack::HugeBody, 50),
    (Attack::DeepBody, 50),
    (Attack::Garbage, 50),
];

/// Each attack ends when the server ends it, whatever it says.
async fn attack(house: &House, attack: Attack) {
    let Ok(mut client) = Client::connect(house.address).await else { return };
    let sent = match attack {
        Attack::HalfHead => {
            client.send_bytes(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").await
        }
        Attack::HalfBody => {
            let head = mcp_head("\r\nContent-Length: 900000\r\n\r\n{\"a\":");
            client.send_bytes(head.as_bytes()).await
        }
        Attack::ReadsNothing => {
            // Long answers, so that nothing more fits soon.
            let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
            let head = mcp_head(&format!("\r\nContent-Length: {}\r\n\r\n", list.len()));
            let requests = format!("{head}{list}").repeat(100);
            while client.send_bytes(requests.as_bytes()).await.is_ok() {}
            return;
        }
        Attack::HugeBody => {
            let head = mcp_head("\r\nContent-Length: 99000000\r\n\r\n");
            let _ = client.send_bytes(head.as_bytes()).await;
            client.send_bytes(&vec![b' '; 2_000_000]).await
        }
        Attack::DeepBody => client.send(&mcp_head(""), &"[{\"a\":".repeat(150_000)).await,
        Attack::Garbage => {
            let flood: String = (0..5_000).map(|n| format!("\r\nX-{n}: {n}")).collect();
            client.send(&mcp_head(&flood), "\0\x01garbage\r\n\r\n").await
        }
    };
    while sent.is_ok() && client.answer().await.is_ok() {}
}

async fn flood_of_introductions(house: &House, count: usize) {
    let mut client = Client::connect(house.address).await.expect("connects");
    let introduction = introduction();
    for _ in 0..count {
        let answer = client.mcp(&introduction).await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        if answer.says_close() {
            client = Client::connect(house.address).await.expect("connects");
        }
    }
}

/// A good client's longest wait, in milliseconds, and how often it was served.
async fn be_good(house: &House, stop: &AtomicBool, served: &AtomicU64) -> Duration {
    let clock = Clock::start();
    let mut longest = Duration::ZERO;
    let mut client = Client::connect(house.address).await.expect("connects");
    while !stop.load(SeqCst) {
        let before = clock.now();
        let message = call("execute_query", json!({ "query": "select 1" }));
        let answer = client.mcp(&message).await.expect("a good client is answered");
        assert_eq!(answer.status, 200, "{answer:?}");
        longest = longest.max(clock.now().since(before));
        served.fetch_add(1, SeqCst);
    }
    longest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_client_is_served_whatever_others_do_and_nothing_is_left_of_them() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("our limit");
    setrlimit(Resource::RLIMIT_NOFILE, most.min(8_192), most).expect("room for the clients");
    let house = Arc::new(house(&settings()).await);
    let before = sockets();
    // One round of each before memory is looked at, so that what is kept for good is there.
    for (kind, _) in ATTACKS {
        attack(&house, kind).await;
    }
    flood_of_introductions(&house, 100).await;
    let memory = resident_bytes();
    let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let good = {
        let (house, stop, served) = (Arc::clone(&house), Arc::clone(&stop), Arc::clone(&served));
        tokio::spawn(async move { be_good(&house, &stop, &served).await })
    };
    let attacks = ATTACKS.iter().flat_map(|(kind, count)| std::iter::repeat_n(*kind, *count));
    let attacks = attacks.map(|kind| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { attack(&house, kind).await })
    });
    let floods = (0..4).map(|_| {
        let house = Arc::clone(&house);
        tokio::spawn(async move { flood_of_introductions(&house, 2_500).await })
    });
    let all: Vec<_> = attacks.chain(floods).collect();
    for one in all {
        one.await.expect("an attack ends");
    }
    stop.store(true, SeqCst);
    let longest = good.await.expect("no panic");
    assert!(longest < GOOD_WITHIN, "a good client waited {longest:?}");
    assert!(served.load(SeqCst) > 10, "{served:?}");
    let connections = || house.metrics.vitals(PoolVitals::default()).connections;
    eventually("nobody is left", || connections() == 0).await;
    eventually("their sockets are closed", || sockets() <= before).await;
    let grown = resident_bytes().saturating_sub(memory);
    assert!(grown < MEMORY_MAX, "{} MB more", grown / 1024 / 1024);
}

/// Requests that nobody has to be let in for.
const OPEN: [&str; 6] = [
    "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\
     Access-Control-Request-Method: POST\r\n\r\n",
    "PUT /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
];

/// Asks without a pause and reads every answer, so that nothing makes it wait but the server.
async fn flood(house: &House, request: &str, stop: &AtomicBool) {
    let requests = request.repeat(200);
    while !stop.load(SeqCst) {
        let Ok(stream) = tokio::net::TcpStream::connect(house.address).await else { continue };
        let (mut answers, mut asks) = stream.into_split();
        let asking = async { while asks.write_all(requests.as_bytes()).await.is_ok() {} };
        let reading = async {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(1..) = answers.read(&mut bytes).await {
                if stop.load(SeqCst) {
                    return;
                }
            }
        };
        tokio::select! {
            () = asking => {}
            () = reading => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_client_is_served_among_floods_of_what_nobody_is_let_in_for() {
    let house = Arc::new(house(&settings()).await);
    let stop = Arc::new(AtomicBool::new(false));
    let floods = (0..24).map(|number| {
        let (house, stop) = (Arc::clone(&house), Arc::clone(&stop));
        tokio::spawn(async move { flood(&house, OPEN[number % OPEN.len()], &stop).await })
    });
    let floods: Vec<_> = floods.collect();
    let answered = || house.metrics.vitals(PoolVitals::default()).requests_total;
    eventually("the floods are there", || answered() > 500).await;
    let clock = Clock::start();
    let mut client = Client::connect(house.address).await.expect("connects");
    let message = call("execute_query", json!({ "query": "select 1" }));
    let before = answered();
    for _ in 0..50 {
        let asked_at = clock.now();
        let answer = client.mcp(&message).await.expect("a good client is answered");
        assert_eq!(answer.status, 200, "{answer:?}");
        let waited = clock.now().since(asked_at);
        assert!(waited < GOOD_AMONG_FLOODS_WITHIN, "a good client waited {waited:?}");
    }
    // A probe waits for its turn, and gets it.
    let asked_at = clock.now();
    let mut probe = Client::connect(house.address).await.expect("connects");
    assert_eq!(probe.get("/readyz").await.expect("an answer").status, 200);
    let waited = clock.now().since(asked_at);
    assert!(waited < GOOD_AMONG_FLOODS_WITHIN, "a probe waited {waited:?}");
    let (served, took) = (answered() - before, clock.now().since(Moment::START));
    let most = 1_000 * (took.as_secs() + 1) + 500;
    assert!(served < most, "{served} answers in {took:?}");
    stop.store(true, SeqCst);
    for flood in floods {
        flood.await.expect("a flood ends");
    }
}
