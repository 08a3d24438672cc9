//! What the files of `[apps.NAME.tls]` hold, made into what a handshake needs.
//!
//! Read whole or not at all: a certificate without its key, or a list of revoked certificates that
//! cannot be read, changes nothing of what is shown. Nothing is kept open or remembered here.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_protocol::settings::{ClientCertificates, TlsSettings};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer,
};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::revoked::Revoked;

/// What is spoken inside. Not HTTP/2: a drain ends it otherwise than the requests in it need.
const PROTOCOL: &[u8] = b"http/1.1";

/// Why files make no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read as PEM of its kind.
    #[error("{key}: {} {what}", path.display())]
    File {
        /// The key of the configuration.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is the matter with it, and the remedy.
        what: String,
    },
    /// The certificate and the key, or the authorities, do not go together.
    #[error("tls.certificate_file and tls.key_file cannot be used together: {0}")]
    Pair(#[source] tokio_rustls::rustls::Error),
    /// The authorities of clients cannot be used.
    #[error("tls.client_ca_file cannot be used: {0}")]
    Authorities(String),
    /// The lists of revoked certificates do not fit the authorities.
    #[error("tls.client_crl cannot be used: {0}")]
    Lists(String),
}

/// What the files gave.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// When the first certificate of the file ends, in seconds since 1970.
    pub(super) expires_at: u64,
    pub(super) revoked: Revoked,
}

/// What tells whether a file was written.
pub(super) type Mark = Option<(u64, i64, i64, u64)>;

pub(super) fn marks(settings: &TlsSettings) -> Vec<Mark> {
    let mark = |path: &PathBuf| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
    };
    let files = [&settings.certificate_file, &settings.key_file].into_iter();
    files.chain(&settings.client_ca_file).chain(&settings.client_crl_files).map(mark).collect()
}

pub(super) fn load(settings: &TlsSettings) -> Result<Loaded, TlsError> {
    let certificates = certificates("tls.certificate_file", &settings.certificate_file)?;
    let unusable = |what: String| TlsError::File {
        key: "tls.key_file",
        path: settings.key_file.clone(),
        what,
    };
    let key = PrivateKeyDer::from_pem_file(&settings.key_file)
        .map_err(|error| unusable(format!("holds no private key in PEM: {error}")))?;
    let expires_at = certificates.first().map_or(0, expiry);
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Pair)?;
    let mut revoked = Revoked::default();
    let builder = match settings.client_certificates {
        ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Optional | ClientCertificates::Required => {
            let (authorities, lists) = (authorities(settings)?, lists(settings)?);
            revoked = Revoked::of(&lists, &authorities).map_err(TlsError::Lists)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(roots(authorities)?),
                Arc::new(ring::default_provider()),
            );
            let verifier = match settings.client_certificates {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required | ClientCertificates::Off => verifier,
            };
            let verifier = verifier.with_crls(lists).build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| TlsError::Authorities(error.to_string()))?,
            )
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Loaded { config: Arc::new(config), expires_at, revoked })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    sections((key, "certificate"), path, CertificateDer::pem_file_iter(path))
}

fn lists(settings: &TlsSettings) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let what = ("tls.client_crl", "list of revoked certificates");
    let mut lists = Vec::new();
    for path in &settings.client_crl_files {
        lists.extend(sections(what, path, CertificateRevocationListDer::pem_file_iter(path))?);
    }
    Ok(lists)
}

/// All sections of a kind in a file, which must have one.
fn sections<T, E: std::fmt::Display>(
    (key, kind): (&'static str, &str),
    path: &Path,
    read: Result<impl Iterator<Item = Result<T, E>>, E>,
) -> Result<Vec<T>, TlsError> {
    let unusable = |what: String| TlsError::File { key, path: path.to_owned(), what };
    let found: Result<Vec<_>, _> =
        read.map_err(|error| unusable(format!("cannot be read: {error}")))?.collect();
    let found = found.map_err(|error| unusable(format!("is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(unusable(format!("holds no {kind} in PEM; name the one that does")));
    }
    Ok(found)
}

fn authorities(settings: &TlsSettings) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = || TlsError::Authorities("it is not written".to_owned());
    let path = settings.client_ca_file.as_ref().ok_or_else(missing)?;
    certificates("tls.client_ca_file", path)
}

fn roots(authorities: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in authorities {
        roots.add(certificate).map_err(|error| TlsError::Authorities(error.to_string()))?;
    }
    Ok(roots)
}

/// When a certificate ends, in seconds since 1970.
fn expiry(certificate: &CertificateDer<'_>) -> u64 {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map_or(0, |(_, parsed)| {
        u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0)
    })
}
