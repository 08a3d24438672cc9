//! `[apps.NAME.http]` and `[apps.NAME.tls]`: the limits at a worker's door, and what it shows there.
//!
//! A certificate and its key stay in their files, for whoever renews them writes those and tells
//! nobody; here it is only seen to that they are there and that the key is private.

use std::path::{Path, PathBuf};

use mcp_protocol::network::Network;
use mcp_protocol::settings::{ClientCertificates, HttpSettings, ProxyHeader, TlsSettings};

use super::check::Around;
use super::file::child_key;
use super::keys::{Key, Kind, WAIT, key};
use super::policy::CREDENTIALS_DIRECTORY;
use super::problem::Report;
use super::program::absolute;
use super::section::Section;
use super::snowflake::exposed;
use super::value::quoted;

pub(super) const HTTP: &[Key] = &[
    key("header_timeout", WAIT, r#""10s""#),
    key("request_timeout", WAIT, r#""5m""#),
    key("max_body", Kind::Size { min: "1KB", max: "1GB" }, r#""1MiB""#),
    key(
        "max_connections",
        Kind::Count { min: 1, max: 100_000, what: "a number of connections" },
        "1024",
    ),
    key("body_timeout", WAIT, r#""30s""#),
    key("write_timeout", WAIT, r#""30s""#),
    key(
        "max_connections_per_address",
        Kind::Count { min: 1, max: 100_000, what: "a number of connections" },
        "256",
    ),
    key(
        "requests_per_second",
        Kind::Count { min: 1, max: 1_000_000, what: "a number of requests" },
        "1000",
    ),
    key(
        "concurrent_requests",
        Kind::Count { min: 1, max: 1024, what: "a number of requests" },
        "256",
    ),
    key(
        "failed_logins_per_minute",
        Kind::Count { min: 1, max: 1_000_000, what: "a number of requests" },
        "60",
    ),
    key(
        "open_answers_per_second",
        Kind::Count { min: 10, max: 1_000_000, what: "a number of answers" },
        "1000",
    ),
    key("trusted_proxies", Kind::Texts, "[]"),
    key("proxy_header", Kind::Choice(PROXY_HEADER_WORDS), r#""x-forwarded-for""#),
];

/// The words for where proxies say for whom they ask, in the order of what they mean.
const PROXY_HEADER_WORDS: &[&str] = &["x-forwarded-for", "forwarded"];

/// What each word for a header of proxies means, in the order of the table of keys.
const PROXY_HEADERS: [ProxyHeader; 2] = [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded];

/// The words for whether clients show certificates, in the order of what they mean.
const CLIENT_CERTIFICATE_WORDS: &[&str] = &["off", "optional", "required"];

pub(super) const TLS: &[Key] = &[
    key("certificate_file", Kind::Text, r#""certificate.pem""#),
    key("key_file", Kind::Text, r#""key.pem""#),
    key("client_ca_file", Kind::Text, r#""clients.pem""#),
    key("client_certificates", Kind::Choice(CLIENT_CERTIFICATE_WORDS), r#""off""#),
    key("client_crl", Kind::Texts, r#"["revoked.pem"]"#),
];

/// What each word for certificates of clients means, in the order of the table of keys.
const CLIENT_CERTIFICATES: [ClientCertificates; 3] =
    [ClientCertificates::Off, ClientCertificates::Optional, ClientCertificates::Required];

pub(super) fn http(http: Section<'_>, default: HttpSettings, report: &mut Report) -> HttpSettings {
    HttpSettings {
        header_timeout: http.duration("header_timeout").unwrap_or(default.header_timeout),
        request_timeout: http.duration("request_timeout").unwrap_or(default.request_timeout),
        body_bytes_max: http.size("max_body").unwrap_or(default.body_bytes_max),
        connections_max: http.count("max_connections").unwrap_or(default.connections_max),
        body_timeout: http.duration("body_timeout").unwrap_or(default.body_timeout),
        write_timeout: http.duration("write_timeout").unwrap_or(default.write_timeout),
        connections_per_address_max: http
            .count("max_connections_per_address")
            .unwrap_or(default.connections_per_address_max),
        requests_per_second: http.count("requests_per_second"),
        concurrent_requests: http.count("concurrent_requests"),
        failed_logins_per_minute: http
            .count("failed_logins_per_minute")
            .unwrap_or(default.failed_logins_per_minute),
        open_answers_per_second: http
            .count("open_answers_per_second")
            .unwrap_or(default.open_answers_per_second),
        trusted_proxies: trusted_proxies(http, report),
        proxy_header: http.choice("proxy_header", &PROXY_HEADERS).unwrap_or(default.proxy_header),
    }
}

/// The proxies that are believed; what is no network, or means everybody, is noted.
fn trusted_proxies(http: Section<'_>, report: &mut Report) -> Vec<Network> {
    let mut trusted = Vec::new();
    for (text, node) in http.entries("trusted_proxies") {
        let words = match text.parse::<Network>() {
            Ok(network) if !network.is_everybody() => {
                trusted.push(network);
                continue;
            }
            Ok(_) => "believes everybody, so that any client could say it is another one; write \
                      the addresses of the proxies"
                .to_owned(),
            Err(why) => why.to_string(),
        };
        report.add(&node.key, node.place, format!("{} {words}", quoted(&text)));
    }
    trusted
}

/// What a worker shows to clients that speak TLS; `None` without one, or when a problem was noted.
pub(super) fn tls(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> Option<TlsSettings> {
    let section = app.section("tls");
    app.node("tls")?;
    let mut shown = Shown { section, around, report };
    let certificate_file = shown.needed("certificate_file");
    let key_file = shown.needed("key_file");
    let client_ca_file = shown.file("client_ca_file");
    let client_certificates = section
        .choice("client_certificates", &CLIENT_CERTIFICATES)
        .unwrap_or(ClientCertificates::Off);
    let client_crl_files = shown.files("client_crl");
    if client_certificates == ClientCertificates::Off && section.node("client_crl").is_some() {
        let words = "is used for nothing; write client_certificates = \"optional\" or \
                     \"required\", or remove this key";
        shown.blame("client_crl", words.to_owned());
    }
    match (client_certificates, &client_ca_file) {
        (ClientCertificates::Optional | ClientCertificates::Required, None) => {
            let words = "certificates of clients are signed by somebody; name the authorities' \
                         certificates here";
            shown.blame("client_ca_file", words.to_owned());
        }
        (ClientCertificates::Off, Some(_)) => {
            let words = "is used for nothing; write client_certificates = \"optional\" or \
                         \"required\", or remove this key";
            shown.blame("client_ca_file", words.to_owned());
        }
        (ClientCertificates::Optional | ClientCertificates::Required, Some(_))
        | (ClientCertificates::Off, None) => {}
    }
    if let Some(words) = key_file.as_deref().and_then(exposed) {
        match around.in_production() {
            true => shown.blame("key_file", words),
            false => remarks.push(format!("tls.key_file: {words}")),
        }
    }
    Some(TlsSettings {
        certificate_file: certificate_file?,
        key_file: key_file?,
        client_ca_file,
        client_certificates,
        client_crl_files,
    })
}

/// A table of TLS while it is read.
struct Shown<'a, 'r> {
    section: Section<'a>,
    around: &'a Around<'a>,
    report: &'r mut Report,
}

impl Shown<'_, '_> {
    fn needed(&mut self, name: &str) -> Option<PathBuf> {
        if self.section.node(name).is_none() {
            self.blame(
                name,
                "name the file in PEM; TLS needs a certificate and its key".to_owned(),
            );
        }
        self.file(name)
    }

    /// Where a file lies that can be read.
    fn file(&mut self, name: &str) -> Option<PathBuf> {
        self.readable(name, self.section.text(name)?)
    }

    /// Where the files of a list lie that can be read.
    fn files(&mut self, name: &str) -> Vec<PathBuf> {
        let files = self.section.texts(name);
        files.iter().filter_map(|file| self.readable(name, file)).collect()
    }

    fn readable(&mut self, name: &str, file: &str) -> Option<PathBuf> {
        let path = self.place(file);
        match std::fs::File::open(&path).and_then(|file| file.metadata()) {
            Ok(about) if about.is_file() => return Some(path),
            Ok(_) => self.blame(name, format!("{} is not a file; name one", path.display())),
            Err(error) => {
                let words = format!("{} cannot be read: {error}; mend that", path.display());
                self.blame(name, words);
            }
        }
        None
    }

    /// What systemd hands over is found by its name alone.
    fn place(&self, name: &str) -> PathBuf {
        let directory = self.around.surroundings.variable(CREDENTIALS_DIRECTORY);
        let given = directory.map(|directory| Path::new(directory).join(name));
        let given = given.filter(|path| !name.contains('/') && path.is_file());
        given.unwrap_or_else(|| absolute(self.around.directory, Path::new(name)))
    }

    fn blame(&mut self, name: &str, words: String) {
        let (key, place) = match self.section.node(name) {
            Some(node) => (node.key.clone(), node.place),
            None => {
                let table = child_key(&child_key("apps", self.around.app), "tls");
                (child_key(&table, name), self.section.nearest.place)
            }
        };
        if !self.report.blames(&key) {
            self.report.add(&key, place, words);
        }
    }
}
