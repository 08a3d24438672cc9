//! The public keys of the one who gives access tokens: fetched when needed, kept, fetched again.
//!
//! A key that is not known has them fetched anew, for an issuer changes its keys without telling;
//! so seldom that nobody can have us flood it with made-up names of keys. While it cannot be
//! reached, the keys that are known stay good.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use mcp_protocol::access::OAuthSettings;
use reqwest::{Client, Url};
use serde_json::Value;

use crate::clock::{Clock, Moment};
use crate::words::chain;

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Keys older than this are fetched again, while they go on to be used.
const FRESH_FOR: Duration = Duration::from_secs(10 * 60);
/// In so long a time the issuer is asked so often at most.
const WINDOW: Duration = Duration::from_secs(60);
const TRIES_MAX: u32 = 4;
/// The most keys of one issuer, and the most that one token is tried with.
const KEYS_MAX: usize = 100;
const TRIED_MAX: usize = 4;

/// Where an issuer says where its keys are: RFC 8414, and OpenID Connect's older way.
const WELL_KNOWN: [&str; 2] =
    ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/// An issuer and what is known of it.
pub(super) struct Provider {
    settings: OAuthSettings,
    http: OnceLock<Result<Client, String>>,
    known: Mutex<Known>,
    /// Held by the one who asks.
    asking: tokio::sync::Mutex<()>,
    clock: Clock,
}

#[derive(Default)]
struct Known {
    keys: Vec<Key>,
    fetched_at: Option<Moment>,
    /// Since when tries are counted, and how many there were.
    tries: Option<(Moment, u32)>,
    /// Why the last try brought nothing.
    trouble: Option<String>,
}

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

impl Provider {
    pub(super) fn new(settings: OAuthSettings, clock: Clock) -> Provider {
        Provider {
            settings,
            http: OnceLock::new(),
            known: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            clock,
        }
    }

    pub(super) fn settings(&self) -> &OAuthSettings {
        &self.settings
    }

    /// Whether what is known of it holds for these settings.
    pub(super) fn is_of(&self, settings: &OAuthSettings) -> bool {
        self.settings == *settings
    }

    /// The keys with which a token may be signed that names this one.
    pub(super) async fn keys(
        self: &Arc<Self>,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Vec<DecodingKey>, String> {
        let found = self.find(id, algorithm);
        if found.is_empty() {
            self.ask().await;
            let found = self.find(id, algorithm);
            let known = self.known();
            return match (&known.fetched_at, &known.trouble) {
                (None, Some(trouble)) => Err(format!("tokens cannot be checked now: {trouble}")),
                (None, None) => Err("tokens cannot be checked now; try again".to_owned()),
                (Some(_), _) => Ok(found),
            };
        }
        if self.is_stale() && self.asking.try_lock().is_ok() {
            let provider = Arc::clone(self);
            tokio::spawn(async move { provider.ask().await });
        }
        Ok(found)
    }

    fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Vec<DecodingKey> {
        let known = self.known();
        let fits = |key: &&Key| {
            key.algorithms.contains(&algorithm)
                && id.is_none_or(|id| key.id.as_deref().is_none_or(|known| known == id))
        };
        known.keys.iter().filter(fits).take(TRIED_MAX).map(|key| key.key.clone()).collect()
    }

    fn is_stale(&self) -> bool {
        let now = self.clock.now();
        self.known().fetched_at.is_some_and(|at| now.since(at) > FRESH_FOR)
    }

    /// Fetches the keys, unless somebody just did; whoever comes meanwhile waits for the same.
    async fn ask(&self) {
        let begun = self.clock.now();
        let _one = self.asking.lock().await;
        {
            let mut known = self.known();
            if known.fetched_at.is_some_and(|at| at >= begun) || !known.may_try(begun) {
                return;
            }
        }
        let fetched = self.clock.within(REQUEST_LIMIT * 2, self.fetch()).await;
        let fetched = fetched.unwrap_or_else(|| Err("its issuer does not answer".to_owned()));
        let mut known = self.known();
        match fetched {
            Ok(keys) => {
                known.keys = keys;
                known.fetched_at = Some(self.clock.now());
                known.trouble = None;
            }
            Err(trouble) => {
                tracing::warn!(issuer = self.settings.issuer, %trouble, "no keys of the issuer");
                known.trouble = Some("the issuer's keys are not to be had".to_owned());
            }
        }
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let url = match &self.settings.jwks_url {
            Some(url) => url.clone(),
            None => self.discover().await?,
        };
        let answer = self.get(&url).await?;
        let list = answer["keys"].as_array().ok_or_else(|| format!("{url} has no `keys`"))?;
        let keys: Vec<Key> = list.iter().take(KEYS_MAX).filter_map(key).collect();
        if keys.is_empty() { Err(format!("{url} has no key of use")) } else { Ok(keys) }
    }

    async fn discover(&self) -> Result<String, String> {
        let mut trouble = String::new();
        for url in places(&self.settings.issuer) {
            match self.get(&url).await {
                Ok(answer) if answer["issuer"].as_str() != Some(&self.settings.issuer) => {
                    trouble = format!("{url} is of another issuer");
                }
                Ok(answer) => match answer["jwks_uri"].as_str() {
                    Some(found) => return Ok(found.to_owned()),
                    None => trouble = format!("{url} has no `jwks_uri`"),
                },
                Err(why) => trouble = why,
            }
        }
        Err(trouble)
    }

    async fn get(&self, url: &str) -> Result<Value, String> {
        let parsed: Url = url.parse().map_err(|_| format!("`{url}` is no address"))?;
        let loopback = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        if parsed.scheme() != "https" && !(parsed.scheme() == "http" && loopback) {
            return Err(format!("{url} is not encrypted"));
        }
        let http = self.http.get_or_init(client).as_ref().map_err(Clone::clone)?;
        let answer = http.get(parsed).send().await.map_err(|error| chain(&error.without_url()))?;
        if !answer.status().is_success() {
            return Err(format!("{url} answers with {}", answer.status()));
        }
        let mut body = Vec::new();
        let mut parts = answer.bytes_stream();
        while let Some(part) = parts.next().await {
            body.extend_from_slice(&part.map_err(|error| chain(&error.without_url()))?);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(format!("the answer of {url} is too long"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| format!("{url} is no JSON"))
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Whether the issuer may be asked once more, which is counted.
    fn may_try(&mut self, now: Moment) -> bool {
        let (since, count) = match self.tries {
            Some((since, count)) if now.since(since) < WINDOW => (since, count),
            Some(_) | None => (now, 0),
        };
        self.tries = Some((since, count + 1));
        count < TRIES_MAX
    }
}

fn client() -> Result<Client, String> {
    let builder = Client::builder()
        .timeout(REQUEST_LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("mcp-supervisor/", env!("CARGO_PKG_VERSION")));
    builder.build().map_err(|error| chain(&error))
}

/// Where to ask. What is well known stands before the issuer's own path by RFC 8414, and behind it
/// in OpenID Connect.
fn places(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim_end_matches('/');
    let scheme_end = issuer.find("://").map_or(0, |at| at + 3);
    let path_at = issuer[scheme_end..].find('/').map_or(issuer.len(), |at| scheme_end + at);
    let (origin, path) = issuer.split_at(path_at);
    let [oauth, openid] = WELL_KNOWN;
    let mut places = vec![format!("{origin}{oauth}{path}"), format!("{issuer}{openid}")];
    if !path.is_empty() {
        places.push(format!("{origin}{openid}{path}"));
    }
    places
}

/// A key that checks signatures; `None` for any other, one with a shared secret above all.
fn key(value: &Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    if jwk.common.public_key_use.as_ref().is_some_and(|to| *to != PublicKeyUse::Signature) {
        return None;
    }
    let mut algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => vec![
            Algorithm::RS256,
            Algorithm::RS384,
            Algorithm::RS512,
            Algorithm::PS256,
            Algorithm::PS384,
            Algorithm::PS512,
        ],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            EllipticCurve::P521 | EllipticCurve::Ed25519 => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) => return None,
    };
    if let Some(only) = jwk.common.key_algorithm {
        let only: Algorithm = only.to_string().parse().ok()?;
        algorithms.retain(|algorithm| *algorithm == only);
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { id: jwk.common.key_id, algorithms, key })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_where_both_standards_say() {
        assert_eq!(
            places("https://idp.example.com"),
            [
                "https://idp.example.com/.well-known/oauth-authorization-server",
                "https://idp.example.com/.well-known/openid-configuration"
            ]
        );
        assert_eq!(
            places("https://idp.example.com/realms/one/"),
            [
                "https://idp.example.com/.well-known/oauth-authorization-server/realms/one",
                "https://idp.example.com/realms/one/.well-known/openid-configuration",
                "https://idp.example.com/.well-known/openid-configuration/realms/one"
            ]
        );
    }

    #[test]
    fn so_many_tries_and_no_more_until_time_has_passed() {
        let (mut known, start) = (Known::default(), Moment::START);
        let tries = (0..10).filter(|_| known.may_try(start)).count();
        assert_eq!(tries, 4);
        assert!(known.may_try(start + WINDOW));
    }

    #[test]
    fn a_shared_secret_is_no_key() {
        let secret = serde_json::json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" });
        assert!(key(&secret).is_none());
    }
}
