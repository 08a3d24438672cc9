//! What a worker of ours tells of itself that is not as it should be, in words for a person.

use mcp_protocol::message::{CertificateVitals, Logins, Vitals};
use mcp_protocol::settings::DEFAULT_CONNECTION;

use crate::runtime::totals::pools;

const DAY_SECONDS: u64 = 24 * 60 * 60;
/// A certificate that ends sooner than in so many days is told of.
const CERTIFICATE_DAYS: u64 = 14;

/// What a worker of ours has to say about itself, where that is not as it should be.
pub(crate) fn in_words(vitals: &Vitals, now: u64) -> Option<String> {
    let logins = logins_in_words(vitals);
    let certificate = vitals.certificate.and_then(|shown| certificate_in_words(shown, now));
    let lists = vitals.revocation_lists.filter(|lists| lists.due_at <= now);
    let lists =
        lists.map(|_| "a list in tls.client_crl should have been replaced by now".to_owned());
    let words = [logins, certificate, lists];
    let words: Vec<String> = words.into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// What is to be said of the certificate at a door.
fn certificate_in_words(shown: CertificateVitals, now: u64) -> Option<String> {
    let days = shown.expires_at.saturating_sub(now) / DAY_SECONDS;
    match (shown.renewal_fails, shown.expires_at <= now) {
        (_, true) => Some("its certificate has ended; clients refuse it".to_owned()),
        (true, false) => Some("its renewed certificate cannot be used; see its log".to_owned()),
        (false, false) if days < CERTIFICATE_DAYS => {
            Some(format!("its certificate ends in {days} days"))
        }
        (false, false) => None,
    }
}

/// What a worker of ours is doing about its warehouse, where that is not what it should.
fn logins_in_words(vitals: &Vitals) -> Option<String> {
    let ill = pools(vitals).filter_map(|(connection, pool)| {
        let words = match pool.logins {
            Logins::Fine => return None,
            Logins::Failing => "cannot reach its warehouse; tries again",
            Logins::Refused => {
                "its warehouse refuses the credentials; not tried again until they change"
            }
            Logins::LoggedOut => "nobody is logged in; run `mcp-supervisor login`",
        };
        Some(match connection {
            DEFAULT_CONNECTION => words.to_owned(),
            named => format!("connection {named}: {words}"),
        })
    });
    let ill: Vec<String> = ill.collect();
    (!ill.is_empty()).then(|| ill.join("; "))
}

#[cfg(test)]
mod tests {
    use mcp_protocol::message::RevocationListVitals;

    use super::*;

    #[test]
    fn a_worker_says_what_is_not_as_it_should_be() {
        let now = 1_000 * DAY_SECONDS;
        let vitals = |days: u64, renewal_fails| {
            let expires_at = days * DAY_SECONDS;
            let certificate = Some(CertificateVitals { expires_at, renewal_fails });
            Vitals { certificate, ..Vitals::default() }
        };
        let said = |vitals: &Vitals| in_words(vitals, now).unwrap_or_default();
        assert_eq!(said(&Vitals::default()), "");
        assert_eq!(said(&vitals(1_090, false)), "");
        assert_eq!(said(&vitals(1_013, false)), "its certificate ends in 13 days");
        assert!(said(&vitals(1_090, true)).contains("cannot be used"));
        assert!(said(&vitals(999, true)).contains("has ended"));
        let late = Some(RevocationListVitals { due_at: now });
        let late = Vitals { revocation_lists: late, ..Vitals::default() };
        assert!(said(&late).contains("tls.client_crl should have been replaced"));
        let mut nobody = Vitals::default();
        nobody.pool.logins = Logins::LoggedOut;
        assert_eq!(said(&nobody), "nobody is logged in; run `mcp-supervisor login`");
        let mut both = vitals(1_001, false);
        both.pool.logins = Logins::Failing;
        assert!(said(&both).contains("tries again; its certificate ends in 1 days"));
    }
}
