//! What is configured of callers, laid out to be looked up quickly.
//!
//! Made anew at each change and thrown away whole, so that nothing in it outlives a revocation.
//! The public keys of an OAuth issuer are the exception: they stay while the issuer does.

use std::collections::HashMap;
use std::sync::Arc;

use mcp_protocol::access::{AccessSettings, ApiKey, ClientSettings, Grant};
use mcp_protocol::api_key::{self, KeyFault};
use ring::digest;

use super::provider::Provider;
use super::refusal::Refusal;
use super::token::{self, Fault};
use super::{Caller, Shown, metadata};
use crate::clock::{Clock, unix_seconds};

/// The subject that stands for everybody.
const ANYBODY: &str = "*";

/// Everybody who may call.
pub(super) struct Book {
    of: Arc<AccessSettings>,
    anonymous: Option<Caller>,
    /// By the public parts of their keys.
    keys: HashMap<String, (ApiKey, Known)>,
    subjects: HashMap<String, Known>,
    certificates: HashMap<String, Known>,
    provider: Option<Arc<Provider>>,
    metadata_url: Option<String>,
}

/// A client.
#[derive(Clone)]
struct Known {
    name: Arc<str>,
    grant: Arc<Grant>,
}

impl Known {
    fn by(&self, shown: Shown) -> Caller {
        Caller { name: Some(Arc::clone(&self.name)), grant: Arc::clone(&self.grant), shown }
    }
}

impl Book {
    /// What these settings say. `before` is the book until now.
    pub(super) fn of(of: Arc<AccessSettings>, before: Option<&Book>, clock: Clock) -> Book {
        let known = |client: &ClientSettings| Known {
            name: client.name.as_str().into(),
            grant: Arc::new(client.grant.clone()),
        };
        let clients: Vec<(&ClientSettings, Known)> =
            of.clients.iter().map(|client| (client, known(client))).collect();
        let mut keys = HashMap::new();
        let mut subjects = HashMap::new();
        let mut certificates = HashMap::new();
        for (client, known) in &clients {
            for key in &client.keys {
                keys.insert(key.id.clone(), (key.clone(), known.clone()));
            }
            subjects.extend(client.subjects.iter().map(|name| (name.clone(), known.clone())));
            let names = client.certificates.iter();
            certificates.extend(names.map(|name| (name.clone(), known.clone())));
        }
        let anonymous = of.anonymous.as_ref().map(|grant| Caller {
            name: None,
            grant: Arc::new(grant.clone()),
            shown: Shown::Nothing,
        });
        let provider = of.oauth.as_ref().map(|oauth| {
            let before = before.and_then(|book| book.provider.as_ref());
            match before.filter(|provider| provider.is_of(oauth)) {
                Some(provider) => Arc::clone(provider),
                None => Arc::new(Provider::new(oauth.clone(), clock)),
            }
        });
        let metadata_url = of.oauth.as_ref().map(|oauth| metadata::url(&oauth.resource));
        drop(clients);
        Book { of, anonymous, keys, subjects, certificates, provider, metadata_url }
    }

    pub(super) fn is_of(&self, settings: &Arc<AccessSettings>) -> bool {
        Arc::ptr_eq(&self.of, settings)
    }

    /// Whether nobody is known by name, so that what is shown means nothing.
    pub(super) fn knows_nobody(&self) -> bool {
        self.of.clients.is_empty() && self.provider.is_none()
    }

    /// Where a client reads who gives tokens.
    pub(super) fn metadata_url(&self) -> Option<&str> {
        self.metadata_url.as_deref()
    }

    /// Whoever shows nothing.
    pub(super) fn anonymous(&self) -> Result<Caller, Refusal> {
        self.anonymous.clone().ok_or_else(Refusal::nothing_shown)
    }

    /// Whoever shows this API key.
    pub(super) fn by_key(&self, text: &str) -> Result<Caller, Refusal> {
        let id = api_key::id_of(text).map_err(|fault| {
            let words = match fault {
                KeyFault::Foreign => "this is no key of this service",
                KeyFault::Mistyped => "the key is not complete or has a typing error",
            };
            Refusal::invalid(words, Shown::Nothing)
        })?;
        let unknown = || {
            let words = "the key is not known; it may have been revoked";
            Refusal::invalid(words, Shown::Nothing)
        };
        let (key, known) = self.keys.get(id).ok_or_else(unknown)?;
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        if !are_equal(sum.as_ref(), &key.sha256) {
            return Err(unknown());
        }
        let shown = Shown::Key(id.into());
        match key.expires_at {
            Some(end) if end <= unix_seconds() => {
                Err(Refusal::invalid("the key has expired", shown))
            }
            Some(_) | None => Ok(known.by(shown)),
        }
    }

    /// Whoever shows this access token.
    pub(super) async fn by_token(&self, text: &str) -> Result<Caller, Refusal> {
        let Some(provider) = &self.provider else {
            let words = "this is no key of this service, and it takes no access tokens";
            return Err(Refusal::invalid(words, Shown::Nothing));
        };
        let claims = token::check(text, provider).await.map_err(|fault| match fault {
            Fault::Invalid(words) => Refusal::invalid(words, Shown::Nothing),
            Fault::NoKeys(words) => Refusal::unknown(words),
        })?;
        let shown = Shown::Token(claims.subject.as_str().into());
        let scopes = &provider.settings().scopes;
        if !scopes.iter().all(|scope| claims.scopes.contains(scope)) {
            let words = "the token does not allow enough";
            return Err(Refusal::insufficient(words, shown).with_scope(scopes));
        }
        let known = self.subjects.get(&claims.subject).or_else(|| self.subjects.get(ANYBODY));
        match known {
            Some(known) => Ok(known.by(shown)),
            None => Err(Refusal::insufficient("nobody here knows whose token it is", shown)),
        }
    }

    /// Whoever showed a certificate with these names, and nothing else.
    pub(super) fn by_certificate(&self, names: &[String]) -> Result<Caller, Refusal> {
        let found = names.iter().find_map(|name| Some((name, self.certificates.get(name)?)));
        match found {
            Some((name, known)) => Ok(known.by(Shown::Certificate(name.as_str().into()))),
            None => self.anonymous(),
        }
    }
}

/// Whether these are the same, in a time that does not tell where they differ.
fn are_equal(one: &[u8], other: &[u8]) -> bool {
    let differing = one.iter().zip(other).fold(0, |sum, (one, other)| sum | (one ^ other));
    one.len() == other.len() && std::hint::black_box(differing) == 0
}
