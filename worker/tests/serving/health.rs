//! The health pages: what everybody is told, what only some are, and that nobody waits for them.

use std::time::Duration;

use mcp_protocol::access::{AccessSettings, ClientSettings, Grant};
use mcp_protocol::admin::Maintenance;
use mcp_protocol::message::CertificateVitals;
use mcp_protocol::settings::{PoolSettings, Settings};
use mcp_worker::clock::{Moment, unix_seconds};
use mcp_worker::http::Serving;
use serde_json::{Value, json};

use crate::admin::{ADMIN, keyed, settings_with_clients};
use crate::support::{Client, House, call, eventually, house};

async fn get(house: &House, path: &str) -> (u16, Value) {
    let mut client = Client::connect(house.address).await.expect("connects");
    let answer = client.get(path).await.expect("an answer");
    (answer.status, answer.json())
}

fn maintenance() -> Maintenance {
    let (reason, by) = (Some("an upgrade".to_owned()), "user 0".to_owned());
    Maintenance { since: 1, reason, retry_after_seconds: 7, by }
}

#[tokio::test]
async fn the_brief_answer_has_a_word_for_all_and_one_for_snowflake() {
    let house = house(&Settings::default()).await;
    let (status, health) = get(&house, "/health").await;
    assert_eq!(status, 200);
    assert_eq!(health["status"], "healthy", "{health}");
    assert_eq!(health["snowflake_connection"], "healthy", "{health}");
    assert_eq!(health["worker"]["slot"], 1);
    for key in ["version", "uptime_seconds", "timestamp", "environment"] {
        assert!(!health[key].is_null(), "{key}: {health}");
    }
    for (serving, status, word) in
        [(Serving::Booting, 503, "booting"), (Serving::Draining, 503, "draining")]
    {
        house.serving.send_replace(serving);
        let answer = get(&house, "/health").await;
        assert_eq!((answer.0, &answer.1["status"]), (status, &json!(word)));
    }
    house.serving.send_replace(Serving::Ready);
    house.office.maintain(Some(maintenance()));
    let (status, health) = get(&house, "/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("maintenance")));
    let mut client = Client::connect(house.address).await.expect("connects");
    assert_eq!(client.get("/readyz").await.expect("an answer").status, 200, "it answers calls");
}

#[tokio::test]
async fn trouble_with_the_warehouse_degrades_and_its_words_are_for_those_who_may_see_them() {
    // A login beside the statement would be an answer.
    let pool = PoolSettings { min: 1, max: 1, ..PoolSettings::default() };
    let house = house(&Settings { pool, ..settings_with_clients() }).await;
    let ask = call("execute_query", json!({ "query": "select unreachable" }));
    let mut client = Client::connect(house.address).await.expect("connects");
    let answer = keyed(&mut client, ADMIN, "POST", "/mcp", Some(&ask)).await;
    assert_eq!(answer.status, 200);
    let (status, health) = get(&house, "/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("degraded")), "{health}");
    assert_eq!(health["snowflake_connection"], "degraded");
    assert!(!health.to_string().contains("no route"), "{health}");
    let mut client = Client::connect(house.address).await.expect("connects");
    assert_eq!(client.get("/readyz").await.expect("an answer").status, 200);
    let details = keyed(&mut client, ADMIN, "GET", "/health/detailed", None).await.json();
    let database = &details["components"]["database"];
    assert_eq!(details["overall_status"], "degraded", "{details}");
    assert_eq!(database["last_error"]["kind"], "unreachable", "{details}");
    assert_eq!(database["last_error"]["code"], "390318", "{details}");
    assert!(database["last_success"].is_u64(), "{details}");
    // What answers again is well again.
    let ask = call("execute_query", json!({ "query": "select 1" }));
    keyed(&mut client, ADMIN, "POST", "/mcp", Some(&ask)).await;
    assert_eq!(get(&house, "/health").await.1["status"], "healthy");
}

#[tokio::test]
async fn an_exhausted_pool_holds_up_no_health_answer() {
    let pool = PoolSettings {
        min: 1,
        max: 1,
        acquire_timeout: Duration::from_millis(50),
        ..PoolSettings::default()
    };
    let house = house(&Settings { pool, ..Settings::default() }).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client
        .send_mcp(&call("execute_query", json!({ "query": "select hang" })))
        .await
        .expect("sends");
    eventually("the pool is busy", || house.pool.vitals().idle == 0).await;
    let (_, details) = get(&house, "/health/detailed").await;
    let pool = &details["components"]["connection_pool"];
    assert_eq!((&pool["active"], &pool["idle"], &pool["max"]), (&json!(1), &json!(0), &json!(1)));
    assert_eq!((&pool["utilization"], &pool["status"]), (&json!(1.0), &json!("healthy")));
    // Whoever waits in vain is a reason to look.
    let mut other = Client::connect(house.address).await.expect("connects");
    let waits = call("execute_query", json!({ "query": "select 1" }));
    other.mcp(&waits).await.expect("an answer");
    let (_, health) = get(&house, "/health").await;
    assert_eq!(health["status"], "degraded", "{health}");
    let (_, details) = get(&house, "/health/detailed").await;
    assert_eq!(details["components"]["connection_pool"]["status"], "degraded", "{details}");
}

#[tokio::test]
async fn a_certificate_that_ends_and_lost_lines_of_logs_are_degraded_and_told() {
    let house = house(&Settings::default()).await;
    let (_, details) = get(&house, "/health/detailed").await;
    let logs = json!({ "status": "healthy", "dropped_total": 0 });
    assert_eq!(details["components"]["logs"], logs, "{details}");
    let days = |days: u64| CertificateVitals {
        expires_at: unix_seconds() + days * 24 * 60 * 60,
        renewal_fails: false,
    };
    for (left, word) in [(15, "healthy"), (13, "degraded")] {
        house.metrics.certificate_shown(days(left));
        assert_eq!(get(&house, "/health").await.1["status"], word, "{left} days are left");
        let (_, details) = get(&house, "/health/detailed").await;
        assert_eq!(details["components"]["certificate"]["status"], word, "{details}");
    }
    house.metrics.certificate_shown(days(15));
    house.metrics.lines_lost(3, Moment::START);
    assert_eq!(get(&house, "/health").await.1["status"], "degraded");
    let (_, details) = get(&house, "/health/detailed").await;
    let logs = json!({ "status": "degraded", "dropped_total": 3 });
    assert_eq!(details["components"]["logs"], logs, "{details}");
}

#[tokio::test]
async fn details_are_for_administrators_and_for_this_machine_where_nobody_is_known() {
    let open = house(&Settings::default()).await;
    for path in ["/health/detailed", "/status"] {
        assert_eq!(get(&open, path).await.0, 200, "{path}");
    }
    let plain = ClientSettings {
        grant: Grant::default(),
        ..settings_with_clients().access.clients[1].clone()
    };
    let access = AccessSettings { clients: vec![plain], ..AccessSettings::default() };
    open.access.send_replace(std::sync::Arc::new(access));
    for path in ["/health/detailed", "/status"] {
        let (status, body) = get(&open, path).await;
        assert_eq!((status, &body["error"]["code"]), (401, &json!("not_admitted")), "{path}");
    }
    assert_eq!(get(&open, "/health").await.0, 200);
    let house = house(&settings_with_clients()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let status = keyed(&mut client, ADMIN, "GET", "/status", None).await;
    assert_eq!(status.status, 200);
    let status = status.json();
    for key in ["connection_pool", "active_connections", "total_requests", "sessions"] {
        assert!(!status[key].is_null(), "{key}: {status}");
    }
}
