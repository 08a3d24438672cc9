//! What is not as it should be with workers of ours that serve, in words for a person.
//!
//! `status` says of each worker what it tells of itself, `/health` of each app what any of its
//! workers tells and what only all of them together show. From when on something is told is the
//! protocol's: workers say the same of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_protocol::health::CertificateState;
use mcp_protocol::message::{Logins, Vitals};
use mcp_protocol::settings::DEFAULT_CONNECTION;

use crate::machine::AppName;
use crate::runtime::clock;
use crate::runtime::hands::Hands;
use crate::runtime::processes::Process;
use crate::runtime::totals::{AppTotals, pools};

/// What a worker of ours has to say about itself, where that is not as it should be.
pub(crate) fn in_words(vitals: &Vitals, now: u64) -> Option<String> {
    let words = words_of(vitals, now);
    (!words.is_empty()).then(|| words.join("; "))
}

fn words_of(vitals: &Vitals, now: u64) -> Vec<String> {
    let certificate = vitals.certificate.map(|shown| shown.state(now));
    let certificate = certificate.and_then(certificate_in_words);
    let lists = vitals.revocation_lists.filter(|lists| lists.due_at <= now);
    let lists =
        lists.map(|_| "a list in tls.client_crl should have been replaced by now".to_owned());
    logins_in_words(vitals).chain(certificate).chain(lists).collect()
}

/// What is to be said of the certificate at a door.
fn certificate_in_words(state: CertificateState) -> Option<String> {
    match state {
        CertificateState::Fine => None,
        CertificateState::EndsSoon { days } => Some(format!("its certificate ends in {days} days")),
        CertificateState::RenewalFails => {
            Some("its renewed certificate cannot be used; see its log".to_owned())
        }
        CertificateState::Ended => Some("its certificate has ended; clients refuse it".to_owned()),
    }
}

/// What a worker of ours is doing about its warehouses, where that is not what it should.
fn logins_in_words(vitals: &Vitals) -> impl Iterator<Item = String> {
    pools(vitals).filter_map(|(connection, pool)| {
        let words = match pool.logins {
            Logins::Fine => return None,
            Logins::Failing => "cannot reach its warehouse; tries again",
            Logins::Refused => {
                "its warehouse refuses the credentials; not tried again until they change"
            }
            Logins::LoggedOut => "nobody is logged in; run `mcp-supervisor login`",
        };
        Some(of_connection(connection, words))
    })
}

fn of_connection(connection: &str, words: &str) -> String {
    match connection {
        DEFAULT_CONNECTION => words.to_owned(),
        named => format!("connection {named}: {words}"),
    }
}

/// What the workers of an app show together.
fn together(totals: &AppTotals, now: Duration) -> impl Iterator<Item = String> {
    let short = totals.pools.iter().filter(move |(_, pool)| pool.is_short(now));
    let words = "its sessions are nearly all in use, or callers waited for one in vain";
    let pools = short.map(move |(connection, _)| of_connection(connection, words));
    let lost = totals.loses_lines(now).then(|| "lines of its workers' logs were lost".to_owned());
    pools.chain(lost)
}

impl Hands {
    /// Looks how full the pools of an app's workers are together.
    pub(crate) fn look_at_pools(&mut self, app: &AppName) {
        let mut sums: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        let processes = self.processes.iter().filter(|(_, one)| one.slot.app == *app);
        for (connection, pool) in processes.flat_map(|(_, one)| pools(&one.vitals)) {
            let (active, max) = sums.entry(connection).or_default();
            *active = active.saturating_add(pool.active());
            *max = max.saturating_add(pool.max);
        }
        let now = clock::since_boot();
        let totals = &mut self.totals;
        for (connection, sessions) in sums {
            totals.look_at_pool((app, connection), sessions, now);
        }
    }

    /// Looks whether logs of our own, or output, were lost.
    pub(crate) fn look_at_own_logs(&mut self) {
        let dropped = self.dropped_total();
        self.totals.own_logs.look(dropped, clock::since_boot());
    }

    /// What is not as it should be with each app beyond the phases of its slots.
    pub(crate) fn ailments(&self) -> BTreeMap<String, Vec<String>> {
        let (now, epoch) = (clock::since_boot(), clock::since_epoch().as_secs());
        let mut ailments: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut tell = |app: &AppName, words: String| {
            let told = ailments.entry(app.to_string()).or_default();
            if !told.contains(&words) {
                told.push(words);
            }
        };
        let ours = |process: &&Process| process.settings.is_some();
        for process in self.processes.iter().map(|(_, process)| process).filter(ours) {
            for words in words_of(&process.vitals, epoch) {
                tell(&process.slot.app, words);
            }
        }
        let runs = |app: &AppName| self.processes.iter().any(|(_, one)| one.slot.app == *app);
        for (app, totals) in self.totals.iter().filter(|(app, _)| runs(app)) {
            for words in together(totals, now) {
                tell(app, words);
            }
        }
        ailments
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::message::RevocationListVitals;

    use super::*;
    use crate::runtime::totals::Totals;
    use mcp_protocol::health::{EXHAUSTED_FOR, LOGS_LOST_FOR, POOL_FULL_FOR};
    use mcp_protocol::message::{CertificateVitals, PoolVitals};

    const DAY_SECONDS: u64 = 24 * 60 * 60;

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

    #[test]
    fn an_app_is_told_of_while_sessions_are_short_or_lines_are_lost() {
        let (app, now) = (AppName::new("query"), Duration::from_secs(1_000));
        let mut totals = Totals::default();
        let said = |totals: &Totals, now| -> Vec<String> {
            totals.iter().flat_map(|(_, app)| together(app, now)).collect()
        };
        totals.add(&app, (&Vitals::default(), &Vitals::default()), now);
        totals.look_at_pool((&app, "finance"), (10, 10), now);
        assert_eq!(said(&totals, now), [""; 0], "a burst is no trouble");
        let long = said(&totals, now + POOL_FULL_FOR);
        assert!(long[0].starts_with("connection finance: its sessions are nearly all"), "{long:?}");
        totals.look_at_pool((&app, "finance"), (1, 10), now);
        let pool = PoolVitals { timeouts_total: 1, ..PoolVitals::default() };
        let vain = Vitals { pool, ..Vitals::default() };
        totals.add(&app, (&Vitals::default(), &vain), now);
        assert!(said(&totals, now)[0].starts_with("its sessions are nearly all"));
        assert_eq!(said(&totals, now + EXHAUSTED_FOR), [""; 0]);
        let lost = Vitals { log_lines_dropped_total: 1, ..Vitals::default() };
        totals.add(&app, (&Vitals::default(), &lost), now + EXHAUSTED_FOR);
        assert_eq!(said(&totals, now + EXHAUSTED_FOR), ["lines of its workers' logs were lost"]);
        assert_eq!(said(&totals, now + EXHAUSTED_FOR + LOGS_LOST_FOR), [""; 0]);
    }
}
