//! That there was too much of something, in words and in the headers of HTTP.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use mcp_protocol::message::Limit;

use super::Standing;

/// Why a client has to come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.words())]
pub struct Refusal {
    /// Which limit.
    pub limit: Limit,
    /// Its number.
    pub most: u64,
    /// After that it makes sense to try again.
    pub retry_in: Duration,
}

impl Refusal {
    /// Whole seconds after which it makes sense to try again, 1 or more.
    #[must_use]
    pub fn retry_seconds(&self) -> u64 {
        let rest = u64::from(self.retry_in.subsec_nanos() > 0);
        (self.retry_in.as_secs() + rest).max(1)
    }

    fn words(&self) -> String {
        let most = self.most;
        let what = match self.limit {
            Limit::Requests => format!("you may send {most} requests in a second"),
            Limit::TotalRequests => {
                format!("all clients together may send {most} requests in a second")
            }
            Limit::ConcurrentRequests => {
                format!("{most} requests of all clients are answered at once")
            }
            Limit::Statements => format!("you may run {most} statements in a second"),
            Limit::ConcurrentStatements => format!("you may run {most} statements at once"),
            Limit::StatementsOfDay => format!("you may run {most} statements in a day (UTC)"),
            Limit::BytesOfDay => format!("you may read {most} bytes in a day (UTC)"),
            Limit::CreditsOfDay => format!(
                "you may use {} credits in a day (UTC), as this server estimates them",
                in_credits(most)
            ),
            Limit::FailedLogins => {
                format!("{most} requests in a minute were not let in from your address")
            }
            Limit::Connections => format!("your address may have {most} connections"),
        };
        format!("{what}; try again in {}", spoken(self.retry_seconds()))
    }

    /// How long the limit's window is, in seconds.
    fn window(&self) -> u64 {
        match self.limit {
            Limit::StatementsOfDay | Limit::BytesOfDay | Limit::CreditsOfDay => 24 * 60 * 60,
            Limit::FailedLogins => 60,
            Limit::Requests
            | Limit::TotalRequests
            | Limit::ConcurrentRequests
            | Limit::Statements
            | Limit::ConcurrentStatements
            | Limit::Connections => 1,
        }
    }

    /// Tells a client in headers, by the names of today's draft and of the drafts before it.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let standing = Standing { limit: self.most, remaining: 0, reset_in: self.retry_in };
        headers.insert(header::RETRY_AFTER, HeaderValue::from(self.retry_seconds()));
        write(headers, (self.limit, self.window()), standing, self.retry_seconds());
    }
}

/// Tells a client in headers how its requests stand.
pub fn tell(standing: Standing, headers: &mut HeaderMap) {
    let seconds = standing.reset_in.as_secs() + u64::from(standing.reset_in.subsec_nanos() > 0);
    write(headers, (Limit::Requests, 1), standing, seconds);
}

fn write(headers: &mut HeaderMap, (limit, window): (Limit, u64), standing: Standing, seconds: u64) {
    let name = limit.name();
    let Standing { limit: most, remaining, reset_in: _ } = standing;
    let texts = [
        ("ratelimit-policy", format!("\"{name}\";q={most};w={window}")),
        ("ratelimit", format!("\"{name}\";r={remaining};t={seconds}")),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    let numbers = [
        ("ratelimit-limit", most),
        ("ratelimit-remaining", remaining),
        ("ratelimit-reset", seconds),
    ];
    for (name, number) in numbers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from(number));
    }
}

/// Millionths of a credit as credits, without needless zeros.
#[must_use]
pub fn in_credits(microcredits: u64) -> String {
    let text = format!("{}.{:06}", microcredits / 1_000_000, microcredits % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn spoken(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_what_the_limit_is_and_when_to_come_back() {
        let retry_in = Duration::from_millis(1_200);
        let refusal = Refusal { limit: Limit::Requests, most: 5, retry_in };
        assert_eq!(refusal.to_string(), "you may send 5 requests in a second; try again in 2 s");
        let mut headers = HeaderMap::new();
        refusal.tell(&mut headers);
        let said = |name: &str| headers[name].to_str().unwrap().to_owned();
        assert_eq!(said("retry-after"), "2");
        assert_eq!(said("ratelimit-policy"), "\"requests\";q=5;w=1");
        assert_eq!(said("ratelimit"), "\"requests\";r=0;t=2");
        assert_eq!((said("ratelimit-limit"), said("ratelimit-reset")), ("5".into(), "2".into()));
        assert_eq!([0, 250_000, 1_000_000].map(in_credits), ["0", "0.25", "1"]);
        assert_eq!(spoken(5 * 3600 + 61), "5 h 1 min");
    }
}
