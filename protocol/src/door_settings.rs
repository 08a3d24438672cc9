//! What a worker is told of its door: the limits there, whom it believes, and what it shows to
//! clients that speak TLS.
//!
//! Part of [`Settings`](crate::settings::Settings), from where these are used. Values that were
//! checked already; of files only where they lie, for the worker reads them itself.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::network::Network;

/// Limits at the HTTP door.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpSettings {
    /// How long a client may take to send its request head.
    pub header_timeout: Duration,
    /// How long one request may take altogether.
    pub request_timeout: Duration,
    /// The longest request body, in bytes.
    pub body_bytes_max: u64,
    /// The most connections at once; further ones wait in the kernel's queue.
    pub connections_max: u32,
    /// How long a client may take to send a request's body.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread before its connection is closed.
    pub write_timeout: Duration,
    /// The most connections of one remote address at once; those of this machine do not count.
    pub connections_per_address_max: u32,
    /// Requests in a second of all clients together, over all workers of the app.
    pub requests_per_second: Option<u32>,
    /// Requests of all clients together that are answered at once, over all workers of the app.
    pub concurrent_requests: Option<u32>,
    /// Requests in a minute that a remote address may send without being let in.
    pub failed_logins_per_minute: u32,
    /// Answers in a second, of one worker, to requests for which nobody has to be let in; further
    /// ones wait for their turn.
    pub open_answers_per_second: u32,
    /// Proxies that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<Network>,
    /// Where they say it.
    pub proxy_header: ProxyHeader,
}

/// Where a proxy says for whom it asks. Only one is believed: a proxy that writes one header hands
/// on what a client wrote into the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxyHeader {
    /// In `X-Forwarded-For` and `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// In `Forwarded`, as RFC 7239 has it.
    Forwarded,
}

/// What the door shows to clients that speak TLS. The files are read by the worker, and read again
/// when they change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// The certificate and those that lead to its authority, in PEM.
    pub certificate_file: PathBuf,
    /// The certificate's private key, in PEM.
    pub key_file: PathBuf,
    /// The authorities that sign certificates of clients, in PEM.
    pub client_ca_file: Option<PathBuf>,
    /// Whether clients show certificates.
    pub client_certificates: ClientCertificates,
    /// Lists of the certificates that those authorities have revoked, in PEM; one of each of them,
    /// or none at all.
    pub client_crl_files: Vec<PathBuf>,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClientCertificates {
    /// They are not asked for one.
    #[default]
    Off,
    /// They may show one, which must be good then.
    Optional,
    /// Whoever shows none is not let in.
    Required,
}

impl Default for HttpSettings {
    fn default() -> HttpSettings {
        HttpSettings {
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(300),
            body_bytes_max: 1024 * 1024,
            connections_max: 1024,
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            connections_per_address_max: 256,
            requests_per_second: None,
            concurrent_requests: None,
            failed_logins_per_minute: 60,
            open_answers_per_second: 1000,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
        }
    }
}
