//! The health script of the runbook, as it is written there, against our own answers.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use mcp_protocol::admin::Maintenance;
use mcp_protocol::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::skipping::skip;
use crate::support::{House, house};

/// As in the operations runbook; only the two addresses are others.
const SCRIPT: &str = include_str!("health_check.sh");

/// A page of metrics as the supervisor serves it, as far as the script reads it.
const METRICS: &str =
    "pool_connections_active{app=\"query\"} 1\npool_connections_max{app=\"query\"} 4\n";

/// Serves that page to whoever asks, until the test ends.
async fn metrics() -> std::net::SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            // One request a connection, whose head comes in one piece.
            let _ = stream.read(&mut head).await;
            let length = METRICS.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close");
            let _ = stream.write_all(format!("{head}\r\n\r\n{METRICS}").as_bytes()).await;
        }
    });
    address
}

async fn checked(house: &House, metrics: std::net::SocketAddr) -> Output {
    let directory = tempfile::tempdir().expect("a directory");
    let script = SCRIPT
        .replace("http://localhost:8000/health", &format!("http://{}/health", house.address))
        .replace("http://localhost:8001/metrics", &format!("http://{metrics}/metrics"));
    let path = directory.path().join("health_check.sh");
    std::fs::write(&path, script).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("a mode");
    #[expect(clippy::disallowed_methods, reason = "the script is what is tested")]
    let command = std::process::Command::new("bash").arg(&path).env_remove("http_proxy").output();
    let ended = tokio::task::block_in_place(|| command);
    drop(directory);
    ended.expect("it can be run")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runbooks_health_script_passes_and_tells_a_maintenance() {
    for program in ["bash", "curl", "jq", "bc", "awk"] {
        let path = std::env::split_paths("/usr/local/bin:/usr/bin:/bin");
        if !path.into_iter().any(|directory| Path::new(&directory).join(program).exists()) {
            return skip("runbook_health_script", &format!("{program} is not installed"));
        }
    }
    let (house, metrics) = (house(&Settings::default()).await, metrics().await);
    let passed = checked(&house, metrics).await;
    assert!(passed.status.success(), "{passed:?}");
    assert!(String::from_utf8_lossy(&passed.stdout).contains("All health checks passed"));
    let by = "user 0".to_owned();
    house.office.maintain(Some(Maintenance {
        since: 1,
        reason: None,
        retry_after_seconds: 60,
        by,
    }));
    let warned = checked(&house, metrics).await;
    assert_eq!(warned.status.code(), Some(1), "{warned:?}");
    assert!(String::from_utf8_lossy(&warned.stdout).contains("Service unhealthy: maintenance"));
}
