//! Which certificates of clients their authorities have revoked.
//!
//! A handshake asks the verifier of TLS, which knows the same lists. This is for connections that
//! are open already: their certificates were good when they came. A list whose next one is overdue
//! still holds; that it is old is said, for an hour without a list is no reason to turn away
//! everybody.

use std::collections::HashSet;

use tokio_rustls::rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

/// Who signed a certificate and under which number, as both stand in it.
type Number = (Vec<u8>, Vec<u8>);

/// The certificates that are good no more.
#[derive(Debug, Default)]
pub(super) struct Revoked {
    numbers: HashSet<Number>,
    /// When the first of the lists is to be replaced, in seconds since 1970; none without a list.
    due_at: Option<u64>,
}

impl Revoked {
    /// What these lists say of certificates of these authorities; in words, when one has none.
    pub(super) fn of(
        lists: &[CertificateRevocationListDer<'_>],
        authorities: &[CertificateDer<'_>],
    ) -> Result<Revoked, String> {
        let mut revoked = Revoked::default();
        let mut issuers = HashSet::new();
        for list in lists {
            let (_, list) = CertificateRevocationList::from_der(list)
                .map_err(|error| format!("a list cannot be read: {error}"))?;
            let issuer = list.issuer().as_raw().to_vec();
            // One that does not say when the next is due is never overdue.
            let next = list.next_update().map_or(i64::MAX, |next| next.timestamp());
            let next = u64::try_from(next).unwrap_or(0);
            revoked.due_at = Some(revoked.due_at.map_or(next, |due| due.min(next)));
            let numbers = list.iter_revoked_certificates().map(|one| one.raw_serial().to_vec());
            revoked.numbers.extend(numbers.map(|number| (issuer.clone(), number)));
            issuers.insert(issuer);
        }
        for authority in authorities.iter().filter(|_| !lists.is_empty()) {
            let Ok((_, authority)) = X509Certificate::from_der(authority) else { continue };
            if !issuers.contains(authority.subject().as_raw()) {
                return Err(format!(
                    "it has no list of {}, an authority of tls.client_ca_file, so that all its \
                     clients would be refused; add that list, or take the authority away",
                    authority.subject()
                ));
            }
        }
        Ok(revoked)
    }

    /// When the first of the lists is to be replaced, in seconds since 1970.
    pub(super) fn due_at(&self) -> Option<u64> {
        self.due_at
    }

    /// Whether one of these is good no more.
    pub(super) fn has_any(&self, chain: &[Number]) -> bool {
        chain.iter().any(|number| self.numbers.contains(number))
    }
}

/// What tells a certificate apart.
pub(super) fn number(certificate: &CertificateDer<'_>) -> Option<Number> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some((parsed.issuer().as_raw().to_vec(), parsed.raw_serial().to_vec()))
}
