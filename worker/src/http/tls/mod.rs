//! The certificate at the door, and who shows one of their own.
//!
//! The files are looked at every two seconds and read again when they changed, so that a renewed
//! certificate is shown without a new worker; connections that are open stay as they are, unless
//! the certificate that their client showed was revoked since. Files that cannot be used change
//! nothing: the old certificate is shown on, and that is said. The key
//! is read here and not handed over by the supervisor: whoever renews it writes files, and nobody
//! has to reload anything then.

mod files;
mod revoked;

use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::message::{CertificateVitals, RevocationListVitals};
use mcp_protocol::settings::TlsSettings;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Stage;
use crate::access::Peer;
use crate::clock::{self, Clock};
use crate::metrics::Metrics;
use crate::words::chain;
pub use files::TlsError;
use files::{Loaded, Mark, load, marks};
use revoked::Revoked;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// So long before its end a certificate is warned of, once a day.
const WARN_BEFORE_SECONDS: u64 = 14 * 24 * 60 * 60;
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// The certificate that is shown.
#[derive(Clone)]
pub(super) struct Certificate {
    current: watch::Receiver<Arc<Current>>,
}

/// What the door goes by.
struct Current {
    config: Arc<ServerConfig>,
    revoked: Revoked,
}

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
        let Loaded { config, expires_at, revoked } = loaded;
        let (sender, current) = watch::channel(Arc::new(Current { config, revoked }));
        let mut keeper = Keeper {
            settings: settings.clone(),
            marks,
            expires_at,
            fails: false,
            warned_on: 0,
            warned_of_lists_on: 0,
            shown: sender,
            metrics,
        };
        keeper.tell();
        tokio::spawn(async move { keeper.keep(stage, clock).await });
        Ok(Certificate { current })
    }

    /// Agrees on secrets with a client.
    pub(super) async fn greet(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let config = Arc::clone(&self.current.borrow().config);
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Who is at the other end, by the certificate that was shown, which was checked already.
    pub(super) fn peer(&self, stream: &TlsStream<TcpStream>) -> Option<Peer> {
        let shown = stream.get_ref().1.peer_certificates()?;
        let names = names_in(shown.first()?);
        let numbers: Vec<_> = shown.iter().filter_map(revoked::number).collect();
        let current = self.current.clone();
        let is_revoked = move || current.borrow().revoked.has_any(&numbers);
        Some(Peer { names, is_revoked: Arc::new(is_revoked) })
    }
}

/// Keeps the shown certificate as the files are.
struct Keeper {
    settings: TlsSettings,
    marks: Vec<Mark>,
    expires_at: u64,
    fails: bool,
    warned_on: u64,
    warned_of_lists_on: u64,
    shown: watch::Sender<Arc<Current>>,
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

    fn take(&mut self, loaded: Result<Loaded, TlsError>, marks: Vec<Mark>) {
        match loaded {
            Ok(loaded) => {
                tracing::info!(
                    expires_at = loaded.expires_at,
                    "the files of TLS changed and are in use"
                );
                let Loaded { config, expires_at, revoked } = loaded;
                self.expires_at = expires_at;
                self.fails = false;
                self.shown.send_replace(Arc::new(Current { config, revoked }));
            }
            Err(error) => {
                if marks != self.marks || !self.fails {
                    let reason = chain(&error);
                    tracing::error!(%reason, "the files of TLS cannot be used; what they held before is used on");
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
        let due_at = self.shown.borrow().revoked.due_at();
        self.metrics.revocation_lists(due_at.map(|due_at| RevocationListVitals { due_at }));
        let now = clock::unix_seconds();
        let today = now / DAY_SECONDS;
        let is_overdue = due_at.is_some_and(|due_at| due_at <= now);
        if is_overdue && self.warned_of_lists_on != today {
            tracing::warn!(
                "a list in tls.client_crl should have been replaced by now; it holds on, but \
                 certificates that were revoked since are let in"
            );
            self.warned_of_lists_on = today;
        }
        if expires_at.saturating_sub(now) < WARN_BEFORE_SECONDS && self.warned_on != today {
            let days = expires_at.saturating_sub(now) / DAY_SECONDS;
            let file = self.settings.certificate_file.display();
            tracing::warn!(%file, days, "the certificate ends soon; renew it");
            self.warned_on = today;
        }
    }
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
