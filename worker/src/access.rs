//! Who calls, and what that caller may do.
//!
//! A request is admitted once, at the door; from then on its [`Caller`] travels with it, and every
//! tool asks it alone. Nothing below the door looks at a key or a header again.

use std::sync::Arc;

use http::request::Parts;
use mcp_protocol::access::{AccessSettings, Allowed, Grant, TOOLSETS};
use tokio::sync::watch;

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's name in the configuration; none for whoever showed nothing.
    pub name: Option<Arc<str>>,
    /// What it may do.
    pub grant: Arc<Grant>,
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
        Caller { name: None, grant: Arc::new(grant) }
    }

    /// Somebody who may do nothing: what is left when a request was admitted nowhere.
    #[must_use]
    pub fn nobody() -> Caller {
        let grant = Grant { toolsets: Vec::new(), ..Grant::default() };
        Caller { name: None, grant: Arc::new(grant) }
    }

    /// Whether the caller sees the tools of a set, one of [`TOOLSETS`].
    #[must_use]
    pub fn sees(&self, toolset: &str) -> bool {
        debug_assert!(TOOLSETS.contains(&toolset), "{toolset}");
        self.grant.toolsets.iter().any(|seen| seen == toolset)
    }
}

/// The names in the certificate that a client showed, which was checked already; it travels with
/// each request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerNames(pub Vec<String>);

/// Admits requests, by what is configured at the moment.
#[derive(Debug, Clone)]
pub struct Reception {
    access: watch::Receiver<Arc<AccessSettings>>,
}

impl Reception {
    /// A reception that follows what is configured.
    #[must_use]
    pub fn new(access: watch::Receiver<Arc<AccessSettings>>) -> Reception {
        Reception { access }
    }

    /// Who sends a request with this head.
    ///
    /// # Errors
    /// In words for the client, when it is to be let in nowhere.
    pub fn admit(&self, _head: &Parts) -> Result<Caller, String> {
        let access = Arc::clone(&self.access.borrow());
        match &access.anonymous {
            Some(grant) => Ok(Caller { name: None, grant: Arc::new(grant.clone()) }),
            None => Err("show who you are: Authorization: Bearer KEY".to_owned()),
        }
    }
}
