//! Certificates of clients that their authority has revoked: refused at the handshake, and on
//! connections that were open before.
//!
//! The authority of these certificates signed its lists beforehand, and its key was thrown away.

use std::path::PathBuf;

use mcp_protocol::message::PoolVitals;
use mcp_protocol::settings::{ClientCertificates, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{House, PATIENCE, call, eventually, house};
use crate::tls::{asked, data, greet, settings};

/// Files that can be replaced.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a directory"))
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, from: &str, to: &str) {
        std::fs::copy(data(from), self.place("new")).expect("is copied");
        std::fs::rename(self.place("new"), self.place(to)).expect("is put in its place");
    }

    /// A door that asks for certificates of an authority that has a list.
    fn settings(&self) -> Settings {
        self.put("revoking.pem", "authorities.pem");
        let mut settings = settings(ClientCertificates::Required);
        let tls = settings.tls.as_mut().expect("it is there");
        tls.client_ca_file = Some(self.place("authorities.pem"));
        tls.client_crl_files = vec![self.place("revoked.pem")];
        settings
    }
}

/// Asks on a connection that stays open; the status, the head and the body.
async fn ask(stream: &mut TlsStream<TcpStream>, head: &str, body: &str) -> (u16, String) {
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8_lossy(&answer).into_owned();
        let length = head.to_lowercase();
        let length = length.split("content-length: ").nth(1).expect("a length");
        let length = length.split("\r\n").next().and_then(|n| n.parse().ok()).expect("a number");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("a body");
        let status = head.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a status");
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("in time")
}

async fn health(stream: &mut TlsStream<TcpStream>, path: &str) -> Value {
    let (_, body) = ask(stream, &format!("GET {path}"), "").await;
    serde_json::from_str(&body).expect("JSON")
}

fn due_at(house: &House) -> Option<u64> {
    house.metrics.vitals(PoolVitals::default()).revocation_lists.map(|lists| lists.due_at)
}

#[tokio::test]
async fn a_certificate_is_refused_from_the_moment_its_authority_says_so() {
    let files = Files::new();
    files.put("overdue.crl.pem", "revoked.pem");
    let house = house(&files.settings()).await;
    let mut open = greet(house.address, Some("another")).await.expect("it is good");
    let query = call("execute_query", json!({ "query": "select 1" })).to_string();
    assert_eq!(ask(&mut open, "POST /mcp", &query).await.0, 200);
    let mut good = greet(house.address, Some("one")).await.expect("it is good");
    // The list that is there holds, and that it is old is said.
    assert_eq!(health(&mut good, "/health").await["status"], "degraded");
    let told = health(&mut good, "/health/detailed").await;
    assert_eq!(told["components"]["client_crl"]["status"], "degraded", "{told}");
    let overdue = due_at(&house).expect("there is a list");
    files.put("another-revoked.crl.pem", "revoked.pem");
    eventually("the new list is taken", || due_at(&house) > Some(overdue)).await;
    assert!(asked(&house, Some("another")).await.is_err());
    assert!(asked(&house, Some("one")).await.expect("an answer").starts_with("HTTP/1.1 200"));
    let (status, body) = ask(&mut open, "POST /mcp", &query).await;
    assert!(status == 401 && body.contains("the certificate was revoked"), "{status} {body}");
    assert_eq!(ask(&mut good, "POST /mcp", &query).await.0, 200);
    assert_eq!(health(&mut good, "/health").await["status"], "healthy");
    let told = health(&mut good, "/health/detailed").await;
    assert_eq!(told["components"]["client_crl"]["status"], "healthy", "{told}");
    assert_eq!(told["components"]["client_crl"]["due_at"], json!(due_at(&house)), "{told}");
}

#[tokio::test]
async fn lists_that_cannot_be_used_change_nothing() {
    let files = Files::new();
    files.put("another-revoked.crl.pem", "revoked.pem");
    let house = house(&files.settings()).await;
    let fails = || {
        let shown = house.metrics.vitals(PoolVitals::default()).certificate;
        shown.expect("there is a certificate").renewal_fails
    };
    let still_holds = async || {
        assert!(asked(&house, Some("another")).await.is_err());
        assert!(asked(&house, Some("one")).await.is_ok());
    };
    assert!(!fails());
    still_holds().await;
    std::fs::write(files.place("revoked.pem"), "nonsense").expect("is damaged");
    eventually("nonsense is noticed", fails).await;
    still_holds().await;
    files.put("another-revoked.crl.pem", "revoked.pem");
    eventually("it is mended", || !fails()).await;
    // An authority without a list: all its clients would be refused, and nobody told why.
    let both =
        ["revoking.pem", "authority.pem"].map(|name| std::fs::read(data(name)).expect("is read"));
    std::fs::write(files.place("authorities.pem"), both.concat()).expect("is written");
    eventually("that a list is missing is noticed", fails).await;
    still_holds().await;
}
