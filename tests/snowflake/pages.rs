//! Values beside a statement, and long answers page by page, on the wire.

use mcp_worker::warehouse::{Answer, Binding, Context, Limits, Page, Run};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::house::{House, TIMEOUT, numbers, text};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};

const BIG: usize = 1 << 30;

async fn asked(house: &House, statement: &str, rows_max: usize, context: &Context) -> Answer {
    let limits = Limits { rows_max, bytes_max: BIG, timeout: TIMEOUT };
    let answer = house.pool.query(statement, context, &limits, &CancellationToken::new()).await;
    answer.unwrap_or_else(|error| panic!("{statement}: {error}"))
}

fn keeping(rows: usize) -> Context {
    Context { rows_kept: Some(rows), ..Context::default() }
}

fn page_of(answer: &Answer, offset: u64, context: &Context) -> Context {
    let page = Page { query_id: answer.query_id.clone(), offset, run: Run::Kept };
    Context { page: Some(page), ..context.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_travel_beside_the_text_with_their_types() {
    let house = House::new(1);
    let bindings = vec![
        Binding::Text("it's; DROP TABLE t --".to_owned()),
        Binding::Fixed("-7".to_owned()),
        Binding::Null,
        Binding::Boolean(true),
        Binding::Real("1.5e10".to_owned()),
    ];
    let context = Context { bindings, ..Context::default() };
    let answer = asked(
        &house,
        "SELECT ?, ?, ?, ?",
        10,
        &Context { bindings: context.bindings[..4].to_vec(), ..Context::default() },
    )
    .await;
    let cells: Vec<Option<String>> = answer.rows[0].iter().map(text).collect();
    let shown = |text: &str| Some(text.to_owned());
    assert_eq!(cells, [shown("it's; DROP TABLE t --"), shown("-7"), None, shown("TRUE")]);
    let seen = house.seen();
    let sent = seen.sent_of("SELECT ?")[0];
    assert_eq!(
        sent.body["bindings"],
        json!({
            "1": { "type": "TEXT", "value": "it's; DROP TABLE t --" },
            "2": { "type": "FIXED", "value": "-7" },
            "3": { "type": "ANY", "value": null },
            "4": { "type": "BOOLEAN", "value": "true" },
        })
    );
    assert_eq!(house.logins(), 1, "it is a plain reading");
    asked(&house, "SELECT 1", 10, &Context::default()).await;
    assert!(house.seen().sent_of("SELECT 1")[0].body.get("bindings").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_of_one_execution_and_fit_together() {
    let house = House::warm(Config::default(), 2).await;
    for statement in ["SELECT ROWS(2500, 4)", "SELECT JSONROWS(2500, 4)", "SELECT ROWS(2500)"] {
        let before = house.server.look(|seen| seen.executions.len());
        let context = keeping(10_000);
        let first = asked(&house, statement, 700, &context).await;
        assert_eq!((first.total, first.truncated, first.is_kept), (Some(2500), true, true));
        let mut found = numbers(&first);
        let mut pages = 1;
        loop {
            let context = page_of(&first, found.len() as u64, &context);
            let page = asked(&house, statement, 700, &context).await;
            found.extend(numbers(&page));
            pages += 1;
            if !page.truncated {
                break;
            }
        }
        assert_eq!(pages, 4);
        assert_eq!(found, (0..2500).collect::<Vec<u64>>(), "{statement}");
        let ran = house.server.look(|seen| seen.executions.len()) - before;
        assert_eq!(ran, 1, "{statement} ran once");
    }
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_before_a_page_are_not_fetched() {
    let house = House::warm(Config::default(), 1).await;
    let context = keeping(100_000);
    let first = asked(&house, "SELECT ROWS(50000, 10)", 10, &context).await;
    let fetched = house.server.look(|seen| seen.fetches.len());
    assert_eq!(fetched, 0, "the first rows came with the answer");
    let page = page_of(&first, 40_000, &context);
    let page = asked(&house, "SELECT ROWS(50000, 10)", 10, &page).await;
    assert_eq!(numbers(&page), (40_000..40_010).collect::<Vec<u64>>());
    assert_eq!(house.server.look(|seen| seen.fetches.len()), 1);
    let behind = page_of(&first, 60_000, &context);
    let behind = asked(&house, "SELECT ROWS(50000, 10)", 10, &behind).await;
    assert!(behind.rows.is_empty() && !behind.truncated);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_kept_than_may_be_read_and_no_total_is_made_up() {
    let house = House::warm(Config { cuts_rows: true, ..Config::default() }, 1).await;
    let context = keeping(100);
    let answer = asked(&house, "SELECT ROWS(500)", 10, &context).await;
    assert_eq!((answer.total, answer.truncated), (None, true));
    let sent = house.seen();
    assert_eq!(sent.sent_of("SELECT ROWS")[0].parameter("ROWS_PER_RESULTSET"), 101);
    let last = asked(&house, "SELECT ROWS(500)", 10, &page_of(&answer, 90, &context)).await;
    assert_eq!(numbers(&last), (90..100).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_no_longer_kept_is_told_with_the_remedy() {
    let house = House::warm(Config::default(), 1).await;
    let page = Some(Page { query_id: "01b2-no-such-query".to_owned(), offset: 0, run: Run::Kept });
    let context = Context { page, ..Context::default() };
    let limits = Limits { rows_max: 10, bytes_max: BIG, timeout: TIMEOUT };
    let cancel = CancellationToken::new();
    let error = house.pool.query("SELECT 1", &context, &limits, &cancel).await.expect_err("gone");
    assert!(error.to_string().contains("from its beginning"), "{error}");
    let page =
        Some(Page { query_id: "../session?delete=true".to_owned(), offset: 0, run: Run::Kept });
    let context = Context { page, ..Context::default() };
    let requests = house.server.look(|seen| seen.requests.values().sum::<usize>());
    let error = house.pool.query("SELECT 1", &context, &limits, &cancel).await.expect_err("none");
    assert!(error.to_string().contains("no name of a query"), "{error}");
    assert_eq!(house.server.look(|seen| seen.requests.values().sum::<usize>()), requests);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_asked_for_again_when_it_was_lost() {
    for fault in [Fault::ResetBefore, Fault::TokenExpired, Fault::SessionGone("390111")] {
        let house = House::warm(Config::default(), 1).await;
        let context = keeping(100);
        let first = asked(&house, "SELECT ROWS(50)", 20, &context).await;
        house.server.fail(Endpoint::Result, 1, fault.clone());
        let page = asked(&house, "SELECT ROWS(50)", 20, &page_of(&first, 20, &context)).await;
        assert_eq!(numbers(&page), (20..40).collect::<Vec<u64>>(), "{fault:?}");
        let ran = house.server.look(|seen| seen.executions_of("SELECT ROWS").len());
        assert_eq!(ran, 1, "{fault:?}");
    }
}
