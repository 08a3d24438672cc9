//! TLS at the door: what is shown, who is let in by a certificate, and renewal.
//!
//! The certificates lie in `tests/data/tls`, last a hundred years, and protect nothing. The keys of
//! the two authorities were thrown away.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{AccessSettings, ClientSettings, Grant};
use mcp_protocol::message::{CertificateVitals, PoolVitals};
use mcp_protocol::settings::{ClientCertificates, HttpSettings, Settings, TlsSettings};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsConnector, rustls};

use crate::support::{Client, House, PATIENCE, call, eventually, house};

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

pub(crate) fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(data(name)).expect("a certificate")
}

pub(crate) fn settings(client_certificates: ClientCertificates) -> Settings {
    let asks = client_certificates != ClientCertificates::Off;
    let tls = TlsSettings {
        certificate_file: data("server.pem"),
        key_file: data("server.key"),
        client_ca_file: asks.then(|| data("authority.pem")),
        client_certificates,
        client_crl_files: Vec::new(),
    };
    Settings { tls: Some(tls), ..Settings::default() }
}

/// Agrees on TLS, showing the certificate of this name.
pub(crate) async fn greet(
    address: SocketAddr,
    shown: Option<&str>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate("authority.pem")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let mut config = match shown {
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(data(&format!("{name}.key"))).expect("a key");
            let chain = vec![certificate(&format!("{name}.pem"))];
            config.with_client_auth_cert(chain, key).expect("a pair")
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Asks for something and reads all there is; an error when the other side does not let us in.
async fn ask(stream: &mut TlsStream<TcpStream>, message: &str) -> std::io::Result<String> {
    let length = message.len();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{message}"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = String::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
    reading.await.map_err(|_| std::io::ErrorKind::TimedOut)??;
    Ok(answer)
}

pub(crate) async fn asked(house: &House, shown: Option<&str>) -> std::io::Result<String> {
    let mut stream = greet(house.address, shown).await?;
    ask(&mut stream, &call("execute_query", json!({ "query": "select 1" })).to_string()).await
}

#[tokio::test]
async fn a_client_speaks_http_inside_of_tls_and_is_told_to_go_on_so() {
    let house = house(&settings(ClientCertificates::Off)).await;
    let mut stream = greet(house.address, None).await.expect("TLS");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = ask(&mut stream, "{}").await.expect("an answer");
    assert!(answer.to_lowercase().contains("strict-transport-security: max-age="), "{answer}");
    let answer = asked(&house, None).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("structuredContent"), "{answer}");
    let vitals = house.metrics.vitals(PoolVitals::default());
    let shown = vitals.certificate.expect("it is counted");
    assert!(shown.expires_at > 4_000_000_000 && !shown.renewal_fails, "{shown:?}");
}

#[tokio::test]
async fn whoever_does_not_speak_tls_is_let_go_in_time() {
    let http =
        HttpSettings { header_timeout: Duration::from_millis(100), ..HttpSettings::default() };
    let house = house(&Settings { http, ..settings(ClientCertificates::Off) }).await;
    let mut clear = Client::connect(house.address).await.expect("connects");
    assert!(clear.get("/livez").await.is_err());
    let mut silent = Client::connect(house.address).await.expect("connects");
    assert!(silent.is_closed().await);
    let open = || house.metrics.vitals(PoolVitals::default()).connections;
    eventually("nobody is left", || open() == 0).await;
}

#[tokio::test]
async fn a_certificate_says_whose_a_request_is() {
    let team = ClientSettings {
        name: "team".to_owned(),
        keys: Vec::new(),
        grant: Grant::default(),
        subjects: Vec::new(),
        certificates: vec!["team-a".to_owned()],
    };
    let access = AccessSettings { anonymous: None, clients: vec![team], ..Default::default() };
    let optional = settings(ClientCertificates::Optional);
    let house = house(&Settings { access: access.clone(), ..optional }).await;
    let answer = asked(&house, Some("client")).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = asked(&house, None).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    // It has the right name, but from an authority that is not trusted.
    assert!(asked(&house, Some("stranger")).await.is_err());
    let required = settings(ClientCertificates::Required);
    let house = self::house(&Settings { access, ..required }).await;
    assert!(asked(&house, None).await.is_err());
    assert!(asked(&house, Some("client")).await.is_ok());
}

/// The certificate that is shown to somebody who comes now.
async fn shown(house: &House) -> CertificateDer<'static> {
    let stream = greet(house.address, None).await.expect("TLS");
    let shown = stream.get_ref().1.peer_certificates().expect("a certificate");
    shown[0].clone().into_owned()
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_new_worker_and_a_bad_one_never() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = |name: &str| directory.path().join(name);
    let put = |from: &str, to: &str| {
        // As those who renew do it: a new file in the place of the old one.
        std::fs::copy(data(from), place("new")).expect("is copied");
        std::fs::rename(place("new"), place(to)).expect("is put in its place");
    };
    put("server.pem", "certificate.pem");
    put("server.key", "key.pem");
    let mut settings = settings(ClientCertificates::Off);
    let tls = settings.tls.as_mut().expect("it is there");
    (tls.certificate_file, tls.key_file) = (place("certificate.pem"), place("key.pem"));
    let house = house(&settings).await;
    let counted = || house.metrics.vitals(PoolVitals::default()).certificate.expect("counted");
    assert_eq!(shown(&house).await, certificate("server.pem"));
    let CertificateVitals { expires_at: before, .. } = counted();
    put("renewed.pem", "certificate.pem");
    eventually("half of a pair is noticed", || counted().renewal_fails).await;
    assert_eq!(shown(&house).await, certificate("server.pem"));
    put("renewed.key", "key.pem");
    eventually("the pair is taken", || counted().expires_at < before).await;
    assert!(!counted().renewal_fails);
    assert_eq!(shown(&house).await, certificate("renewed.pem"));
    std::fs::write(place("certificate.pem"), "nonsense").expect("is damaged");
    eventually("nonsense is noticed", || counted().renewal_fails).await;
    assert_eq!(shown(&house).await, certificate("renewed.pem"));
}
