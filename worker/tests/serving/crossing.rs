//! Clients that number their requests alike: nobody gets another's answer, and a cancel ends the
//! request of the one who sent it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::sessions::{ask, begin, cancel, connect, of, query, two_doors};
use crate::support::{Client, House, eventually, mcp_head};

/// Calls in all.
const CALLS: u32 = 100_000;
/// Connections of each client, half of them to each door.
const CONNECTIONS: u32 = 4;
/// Clients: two of the older versions, two of the newest.
const CLIENTS: u32 = 4;
/// Each connection has one of so many of its calls cancelled, from the other door.
const CANCELLED_EVERY: u32 = 1_250;

/// A client: how its requests begin, and how they are marked.
#[derive(Clone)]
struct Asker {
    name: &'static str,
    /// The head of its requests.
    head: Arc<str>,
    /// What the newest version wants in each request; none for a session.
    meta: Option<Value>,
}

impl Asker {
    async fn with_session(name: &'static str, house: &House) -> Asker {
        let head = of(&begin(house, "2025-11-25").await).into();
        Asker { name, head, meta: None }
    }

    fn without_session(name: &'static str) -> Asker {
        let head = mcp_head(
            "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: execute_query",
        );
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": name, "version": "1" }
        });
        Asker { name, head: head.into(), meta: Some(meta) }
    }

    fn message(&self, id: u32, statement: &str) -> String {
        let mut message = query(json!(id), statement);
        if let Some(meta) = &self.meta {
            message["params"]["_meta"] = meta.clone();
        }
        message.to_string()
    }

    /// Asks, and gives back whether the answer is the one to this request of this client.
    async fn asks(&self, client: &mut Client, id: u32) -> bool {
        let statement = format!("select '{} {id}'", self.name);
        client.send(&self.head, &self.message(id, &statement)).await.expect("sends");
        let answer = client.answer().await.expect("an answer");
        // Reading a hundred thousand answers as JSON would take longer than giving them.
        let body = answer.body;
        let is_its_own = body.matches("select '").count() == body.matches(&statement).count();
        let numbered = body.contains(&format!("\"id\":{id},"));
        answer.status == 200 && numbered && is_its_own && body.contains(&statement)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_calls_of_clients_with_equal_ids_cross_nowhere() {
    let (one, other) = two_doors().await;
    let doors = Arc::new([one, other]);
    let askers = [
        Asker::with_session("desk", &doors[0]).await,
        Asker::with_session("editor", &doors[1]).await,
        Asker::without_session("robot"),
        Asker::without_session("script"),
    ];
    let crossed = Arc::new(AtomicU32::new(0));
    let mut running = JoinSet::new();
    let each = CALLS / CLIENTS / CONNECTIONS;
    for asker in askers {
        for connection in 0..CONNECTIONS {
            let (asker, doors, crossed) = (asker.clone(), Arc::clone(&doors), Arc::clone(&crossed));
            running.spawn(async move {
                let side = usize::try_from(connection % 2).expect("zero or one");
                let mut client = connect(&doors[side]).await;
                for n in 0..each {
                    // The same numbers for every client, and for those of both doors.
                    let id = connection / 2 * each + n;
                    if !asker.asks(&mut client, id).await {
                        crossed.fetch_add(1, SeqCst);
                    }
                    if asker.meta.is_none() && n % CANCELLED_EVERY == CANCELLED_EVERY - 1 {
                        cancelled_elsewhere(&asker, &doors, side, 1_000_000 + id + connection)
                            .await;
                    }
                }
            });
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("no panic");
    }
    assert_eq!(crossed.load(SeqCst), 0, "answers that were another request's");
    let finished: u32 = doors.iter().map(|door| door.counts.finished.load(SeqCst)).sum();
    assert_eq!(finished, CALLS);
}

/// A call that hangs at one door ends when its own client cancels it at the other.
async fn cancelled_elsewhere(asker: &Asker, doors: &[House; 2], side: usize, id: u32) {
    let mut hanging = connect(&doors[side]).await;
    hanging.send(&asker.head, &asker.message(id, "select hang")).await.expect("sends");
    ask(&doors[1 - side], &asker.head, &cancel(&json!(id))).await;
    let answer = hanging.answer().await.expect("it ends");
    assert!(!answer.body.contains("rows"), "{answer:?}");
}

#[tokio::test]
async fn a_cancel_ends_the_call_of_its_own_client_and_not_that_of_another_with_the_same_id() {
    let (one, other) = two_doors().await;
    let desk = Asker::with_session("desk", &one).await;
    let editor = Asker::with_session("editor", &one).await;
    let mut of_desk = connect(&one).await;
    let mut of_editor = connect(&one).await;
    of_desk.send(&desk.head, &desk.message(7, "select hang")).await.expect("sends");
    of_editor.send(&editor.head, &editor.message(7, "select gated")).await.expect("sends");
    eventually("both run", || one.counts.begun.load(SeqCst) == 2).await;
    ask(&other, &desk.head, &cancel(&json!(7))).await;
    eventually("the desk's ends", || one.counts.cancelled.load(SeqCst) == 1).await;
    assert!(!of_desk.answer().await.expect("it ends").body.contains("rows"));
    one.counts.gate.notify_waiters();
    let told = of_editor.answer().await.expect("an answer").json();
    assert_eq!(told["result"]["structuredContent"]["rows"][0][0], "select gated", "{told}");
}
