//! Services beside SQL, asked over the account's REST interface with a session's own token.

use std::time::Duration;

use mcp_worker::warehouse::pool::PoolError;
use mcp_worker::warehouse::{Cell, Context, Post, WarehouseError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::house::{ENDED_WITHIN, House, PATIENCE, TIMEOUT, is_connect, is_timeout, limits};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};

const SEARCH: &str = "/api/v2/databases/DB/schemas/S/cortex-search-services/DOCS:query";

async fn ask_within(
    house: &House,
    path: &str,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Result<Value, PoolError> {
    let post = Post { path: path.to_owned(), body: json!({ "query": "moon" }) };
    let context =
        Context { role: Some("READER".to_owned()), post: Some(post), ..Context::default() };
    let answer = house.pool.query("", &context, &limits(timeout), cancel).await?;
    match answer.rows.into_iter().flatten().next() {
        Some(Cell::Json(answer)) => Ok(answer),
        other => panic!("no JSON: {other:?}"),
    }
}

async fn ask(house: &House, path: &str) -> Result<Value, PoolError> {
    ask_within(house, path, TIMEOUT, &CancellationToken::new()).await
}

#[tokio::test]
async fn a_service_is_asked_where_the_call_stands_and_answers_json() {
    let house = House::new(1);
    let answer = ask(&house, SEARCH).await.expect("an answer");
    assert_eq!(answer["results"][0]["TEXT"], "moon");
    let asked = &house.seen().asked[0];
    assert_eq!((asked.path.as_str(), &asked.body), (SEARCH, &json!({ "query": "moon" })));
    assert_eq!(asked.role.as_deref(), Some("READER"));
    assert_eq!(asked.accept, "application/json, text/event-stream");
    assert_eq!(house.logins(), 1);
    house.assert_no_leaks().await;
}

#[tokio::test]
async fn an_expired_token_is_renewed_and_a_lost_session_opened_anew() {
    let house = House::warm(Config::default(), 1).await;
    house.server.expire_tokens(false);
    ask(&house, SEARCH).await.expect("a token that expired is renewed");
    assert_eq!(house.logins(), 1);
    house.server.forget_sessions();
    ask(&house, SEARCH).await.expect("a session that is gone is opened anew");
    assert_eq!(house.logins(), 2);
}

#[tokio::test]
async fn what_a_service_says_is_wrong_is_told_and_trouble_is_told_apart() {
    let house = House::new(1);
    let error = ask(&house, "/api/v2/databases/DB/schemas/S/agents/MISSING:run").await;
    match error {
        Err(PoolError::Warehouse(WarehouseError::Service { status, message, .. })) => {
            let words = "390404: it does not exist or is not authorized";
            assert_eq!((status, message.as_str()), (404, words));
        }
        other => panic!("{other:?}"),
    }
    for fault in [
        Fault::Status { status: 503, retry_after: None },
        Fault::Garbage,
        Fault::Empty,
        Fault::ResetAfter,
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
    ] {
        house.server.fail(Endpoint::Rest, 1, fault.clone());
        let error = ask(&house, SEARCH).await.expect_err("it fails");
        let said = matches!(&error, PoolError::Warehouse(WarehouseError::Service { .. }));
        let says = matches!(&fault, Fault::Redirect(_) | Fault::Status { .. });
        assert!(said == says && is_connect(&error) != says, "{fault:?}: {error:?}");
        ask(&house, SEARCH).await.expect("the next one is answered");
    }
    let elsewhere = ask(&house, "//127.0.0.1:1/api/v2/x").await.expect_err("another server");
    assert!(is_connect(&elsewhere), "{elsewhere:?}");
}

#[tokio::test]
async fn a_service_has_a_time_limit_and_may_be_cancelled() {
    let house = House::warm(Config::default(), 1).await;
    house.server.fail(Endpoint::Rest, 2, Fault::Hang);
    let none = CancellationToken::new();
    let error = ask_within(&house, SEARCH, Duration::from_millis(300), &none).await;
    assert!(error.as_ref().is_err_and(is_timeout), "{error:?}");
    let cancel = CancellationToken::new();
    let asked = ask_within(&house, SEARCH, PATIENCE, &cancel);
    let cancelled = async {
        let arrived = house.server.wait(PATIENCE, |seen| seen.requests_to(Endpoint::Rest) == 2);
        assert!(arrived.await, "the question arrives");
        cancel.cancel();
        house.now()
    };
    let (result, at) = futures::join!(asked, cancelled);
    assert!(matches!(result, Err(PoolError::Warehouse(WarehouseError::Cancelled))), "{result:?}");
    assert!(house.now().since(at) < ENDED_WITHIN);
    house.assert_no_leaks().await;
}
