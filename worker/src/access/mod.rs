//! Who calls, and what that caller may do.
//!
//! A request is admitted once, at the door; from then on its [`Caller`] travels with it, and every
//! tool asks it alone. Nothing below the door looks at a key or a header again: what was shown is
//! taken out of the request, so that nobody can pass it on or log it by mistake.

mod book;
mod metadata;
mod provider;
mod refusal;
mod token;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use mcp_protocol::access::{AccessSettings, Allowed, Grant, TOOLSETS};
use mcp_protocol::api_key;
use tokio::sync::watch;

use crate::audit::Audit;
use crate::clock::Clock;
use crate::passage::Passage;
use book::Book;
pub use metadata::router;
pub use refusal::Refusal;

/// The header of those who cannot send `Authorization`.
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's name in the configuration; none for whoever showed nothing.
    pub name: Option<Arc<str>>,
    /// What it may do.
    pub grant: Arc<Grant>,
    /// By what it is known.
    pub shown: Shown,
}

/// What a caller showed. Nothing in it is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Shown {
    /// Nothing.
    #[default]
    Nothing,
    /// An API key, by its public part.
    Key(Arc<str>),
    /// An access token, by its subject.
    Token(Arc<str>),
    /// A certificate, by the name in it that counts.
    Certificate(Arc<str>),
}

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Nothing => out.write_str("nothing"),
            Shown::Key(id) => write!(out, "key {id}"),
            Shown::Token(subject) => write!(out, "token of {subject}"),
            Shown::Certificate(name) => write!(out, "certificate of {name}"),
        }
    }
}

/// The one at the other end of a connection, by the certificate that it showed, which was checked
/// when it came. Put into the extensions of each of its requests.
#[derive(Clone)]
pub struct Peer {
    /// The alternative names in it, and the common name of its subject.
    pub names: Vec<String>,
    /// Whether it was revoked since.
    pub is_revoked: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Caller {
    /// The person who started this program to be served by it: all the toolsets and names there
    /// are, but reading only.
    #[must_use]
    pub fn local() -> Caller {
        let grant = Grant {
            connections: Allowed::Any,
            roles: Allowed::Any,
            warehouses: Allowed::Any,
            ..Grant::default()
        };
        Caller { name: None, grant: Arc::new(grant), shown: Shown::Nothing }
    }

    /// Somebody who may do nothing: what is left when a request was admitted nowhere.
    #[must_use]
    pub fn nobody() -> Caller {
        let grant = Grant { toolsets: Vec::new(), ..Grant::default() };
        Caller { name: None, grant: Arc::new(grant), shown: Shown::Nothing }
    }

    /// Whether the caller sees the tools of a set, one of [`TOOLSETS`].
    #[must_use]
    pub fn sees(&self, toolset: &str) -> bool {
        debug_assert!(TOOLSETS.contains(&toolset), "{toolset}");
        self.grant.toolsets.iter().any(|seen| seen == toolset)
    }
}

/// Admits requests, by what is configured at the moment.
#[derive(Clone)]
pub struct Reception {
    access: watch::Receiver<Arc<AccessSettings>>,
    /// What is configured, laid out to be looked up; made anew when it changed.
    book: Arc<Mutex<Arc<Book>>>,
    clock: Clock,
    audit: Audit,
}

/// What a request brings along.
enum Credential {
    Nothing,
    Key(HeaderValue),
    Token(HeaderValue),
}

impl Reception {
    /// A reception that follows what is configured.
    #[must_use]
    pub fn new(access: watch::Receiver<Arc<AccessSettings>>) -> Reception {
        let clock = Clock::start();
        let book = Arc::new(Book::of(Arc::clone(&access.borrow()), None, clock));
        Reception { access, book: Arc::new(Mutex::new(book)), clock, audit: Audit::none() }
    }

    /// Has those written down who are not let in.
    #[must_use]
    pub fn with_audit(self, audit: Audit) -> Reception {
        Reception { audit, ..self }
    }

    /// Where those are written down who are not let in.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// What is configured, as of now.
    #[must_use]
    pub fn access(&self) -> watch::Receiver<Arc<AccessSettings>> {
        self.access.clone()
    }

    /// Who sends a request with this head. What was shown is not in it any more afterwards,
    /// whatever came of it.
    ///
    /// # Errors
    /// When it is not to be let in; what to answer.
    pub async fn admit(&self, head: &mut Parts) -> Result<Caller, Refusal> {
        let book = self.book();
        let peer = head.extensions.get::<Peer>().cloned();
        let admitted = match credential(&mut head.headers) {
            _ if peer.as_ref().is_some_and(|peer| (peer.is_revoked)()) => Err(revoked(peer)),
            // Nobody here could tell a right one from a wrong one; what is in front of us may.
            Ok(_) | Err(_) if book.knows_nobody() => book.anonymous(),
            Ok(Credential::Key(key)) => book.by_key(key.to_str().unwrap_or_default()),
            Ok(Credential::Token(token)) => book.by_token(token.to_str().unwrap_or_default()).await,
            Ok(Credential::Nothing) => match peer {
                Some(peer) => book.by_certificate(&peer.names),
                None => book.anonymous(),
            },
            Err(words) => Err(Refusal::malformed(words)),
        };
        admitted.map_err(|refusal| {
            let passage = Passage::within(&head.extensions);
            self.audit.refused_at_the_door(&passage, refusal.shown(), refusal.words());
            refusal.with_metadata(book.metadata_url())
        })
    }

    /// What is configured now; a change holds for the next request.
    fn book(&self) -> Arc<Book> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let access = self.access.borrow();
        if !book.is_of(&access) {
            *book = Arc::new(Book::of(Arc::clone(&access), Some(&book), self.clock));
        }
        Arc::clone(&book)
    }
}

/// What somebody is told whose certificate is good no more, whatever else is shown.
fn revoked(peer: Option<Peer>) -> Refusal {
    let name = peer.and_then(|peer| peer.names.into_iter().next());
    let shown = name.map_or(Shown::Nothing, |name| Shown::Certificate(name.into()));
    Refusal::invalid("the certificate was revoked", shown)
}

/// Takes what a request shows out of it.
fn credential(headers: &mut HeaderMap) -> Result<Credential, &'static str> {
    let count = |name: &HeaderName| headers.get_all(name).iter().count();
    let shown = count(&header::AUTHORIZATION) + count(&API_KEY);
    let authorization = headers.remove(header::AUTHORIZATION);
    let api_key = headers.remove(API_KEY);
    if shown > 1 {
        return Err("show one key or token, in one header");
    }
    if let Some(key) = api_key {
        return Ok(Credential::Key(key));
    }
    let Some(mut value) = authorization else { return Ok(Credential::Nothing) };
    let text = value.to_str().map_err(|_| "the header Authorization is no text")?;
    let scheme = "Bearer";
    let (word, rest) = text.trim().split_once(' ').unwrap_or((text, ""));
    if !word.eq_ignore_ascii_case(scheme) || rest.trim().is_empty() {
        return Err("write the header as Authorization: Bearer KEY");
    }
    let is_key = api_key::is_meant(rest.trim());
    value = HeaderValue::from_str(rest.trim()).map_err(|_| "the header is no text")?;
    value.set_sensitive(true);
    Ok(if is_key { Credential::Key(value) } else { Credential::Token(value) })
}
