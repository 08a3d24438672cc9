//! The certificate at the door, and who shows one of their own.
//!
//! The files are looked at every two seconds and read again when they changed, so that a renewed
//! certificate is shown without a new worker; connections that are open stay as they are. Files
//! that cannot be used change nothing: the old certificate is shown on, and that is said. The key
//! is read here and not handed over by the supervisor: whoever renews it writes files, and nobody
//! has to reload anything then.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::message::CertificateVitals;
use mcp_protocol::settings::{ClientCertificates, TlsSettings};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Stage;
use crate::access::PeerNames;
use crate::clock::{self, Clock};
use crate::metrics::Metrics;
use crate::words::chain;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So long before its end a certificate is warned of, once a day.
const WARN_BEFORE_SECONDS: u64 = 14 * 24 * 60 * 60;
const DAY_SECONDS: u64 = 24 * 60 * 60;
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
}

/// The certificate that is shown.
#[derive(Clone)]
pub(super) struct Certificate {
    current: watch::Receiver<Arc<ServerConfig>>,
}

/// What the files gave.
struct Loaded {
    config: Arc<ServerConfig>,
    /// When the first certificate of the file ends, in seconds since 1970.
    expires_at: u64,
}

/// What tells whether a file was written.
type Mark = Option<(u64, i64, i64, u64)>;

impl Certificate {
    /// Shows what the files hold, and keeps looking at them until the door is closed.
    ///
    /// # Errors
    /// When the files cannot be used now.
    pub(super) fn shown(
        settings: &TlsSettings,
        stage: watch::Receiver<Stage>,
        (metrics, clock): (Arc<Metrics>, Clock),
    ) -> Result<Certificate, TlsError> {
        let marks = marks(settings);
        let loaded = load(settings)?;
        let (sender, current) = watch::channel(Arc::clone(&loaded.config));
        let mut keeper = Keeper {
            settings: settings.clone(),
            marks,
            expires_at: loaded.expires_at,
            fails: false,
            warned_on: 0,
            shown: sender,
            metrics,
        };
        keeper.tell();
        tokio::spawn(async move { keeper.keep(stage, clock).await });
        Ok(Certificate { current })
    }

    /// Agrees on secrets with a client.
    pub(super) async fn greet(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.borrow());
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Keeps the shown certificate as the files are.
struct Keeper {
    settings: TlsSettings,
    marks: [Mark; 3],
    expires_at: u64,
    fails: bool,
    warned_on: u64,
    shown: watch::Sender<Arc<ServerConfig>>,
    metrics: Arc<Metrics>,
}

impl Keeper {
    async fn keep(&mut self, mut stage: watch::Receiver<Stage>, clock: Clock) {
        loop {
            tokio::select! {
                _ = stage.wait_for(|stage| *stage > Stage::Serving) => return,
                () = clock.until(clock.now() + LOOK_EVERY) => {}
            }
            let marks = marks(&self.settings);
            // Files that could not be used are tried again at each look: the key may have been
            // written after the certificate.
            if marks != self.marks || self.fails {
                let settings = self.settings.clone();
                let loaded = tokio::task::spawn_blocking(move || load(&settings)).await;
                if let Ok(loaded) = loaded {
                    self.take(loaded, marks);
                }
            }
            self.tell();
        }
    }

    fn take(&mut self, loaded: Result<Loaded, TlsError>, marks: [Mark; 3]) {
        match loaded {
            Ok(loaded) => {
                tracing::info!(expires_at = loaded.expires_at, "a renewed certificate is shown");
                self.expires_at = loaded.expires_at;
                self.fails = false;
                self.shown.send_replace(loaded.config);
            }
            Err(error) => {
                if marks != self.marks || !self.fails {
                    let reason = chain(&error);
                    tracing::error!(%reason, "the certificate cannot be renewed; the old one is shown");
                }
                self.fails = true;
            }
        }
        self.marks = marks;
    }

    /// Says how long the certificate lasts, where it is counted and, near the end, in the log.
    fn tell(&mut self) {
        let (expires_at, renewal_fails) = (self.expires_at, self.fails);
        self.metrics.certificate_shown(CertificateVitals { expires_at, renewal_fails });
        let now = clock::unix_seconds();
        let today = now / DAY_SECONDS;
        if expires_at.saturating_sub(now) < WARN_BEFORE_SECONDS && self.warned_on != today {
            let days = expires_at.saturating_sub(now) / DAY_SECONDS;
            let file = self.settings.certificate_file.display();
            tracing::warn!(%file, days, "the certificate ends soon; renew it");
            self.warned_on = today;
        }
    }
}

fn marks(settings: &TlsSettings) -> [Mark; 3] {
    let mark = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.ino(), about.mtime(), about.mtime_nsec(), about.len()))
    };
    [
        mark(&settings.certificate_file),
        mark(&settings.key_file),
        settings.client_ca_file.as_deref().and_then(mark),
    ]
}

fn load(settings: &TlsSettings) -> Result<Loaded, TlsError> {
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
    let builder = match settings.client_certificates {
        ClientCertificates::Off => builder.with_no_client_auth(),
        ClientCertificates::Optional | ClientCertificates::Required => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(authorities(settings)?),
                Arc::new(ring::default_provider()),
            );
            let verifier = match settings.client_certificates {
                ClientCertificates::Optional => verifier.allow_unauthenticated(),
                ClientCertificates::Required | ClientCertificates::Off => verifier,
            };
            let verifier = verifier.build();
            builder.with_client_cert_verifier(
                verifier.map_err(|error| TlsError::Authorities(error.to_string()))?,
            )
        }
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Loaded { config: Arc::new(config), expires_at })
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unusable = |what: String| TlsError::File { key, path: path.to_owned(), what };
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?
        .collect();
    let found = found.map_err(|error| unusable(format!("is not PEM: {error}")))?;
    if found.is_empty() {
        return Err(unusable("holds no certificate in PEM; name the one that does".to_owned()));
    }
    Ok(found)
}

fn authorities(settings: &TlsSettings) -> Result<RootCertStore, TlsError> {
    let missing = || TlsError::Authorities("it is not written".to_owned());
    let path = settings.client_ca_file.as_ref().ok_or_else(missing)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.client_ca_file", path)? {
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

/// The names in the certificate that a client showed, which was checked already.
pub(super) fn names_of(stream: &TlsStream<TcpStream>) -> Option<PeerNames> {
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    shown.map(|certificate| PeerNames(names_in(certificate)))
}

/// Its alternative names first, for they are meant for this, then its common name.
fn names_in(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, parsed)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let mut names: Vec<String> = Vec::new();
    if let Ok(Some(alternative)) = parsed.subject_alternative_name() {
        for name in &alternative.value.general_names {
            match name {
                GeneralName::DNSName(text)
                | GeneralName::URI(text)
                | GeneralName::RFC822Name(text) => names.push((*text).to_owned()),
                _not_a_text => {}
            }
        }
    }
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    names.extend(common.map(str::to_owned));
    names.dedup();
    names
}
