//! What clients of the older protocol versions need from workers that keep nothing for them:
//! sessions, cancels that find their request, streams that can be continued.
//!
//! A session lives in its id, which its client keeps ([`session`], sealed by [`ring`]); only what
//! runs is known here ([`calls`]); what ran elsewhere can be taken up ([`resume`]). What one worker hears and another must know goes over the
//! [`Bus`]. HTTP is spoken elsewhere; no header, status or body is known here.

pub mod calls;
pub mod resume;
pub mod ring;
pub mod session;

use std::sync::{Arc, PoisonError, RwLock};

use mcp_protocol::relay::{Circular, REQUEST_BYTES_MAX, SealingKeys, Statement};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::calls::{Call, CallKey, Calls, Found, Seat};
use self::resume::Resumable;
use self::ring::{Purpose, Ring};
use self::session::{Client, Session};
use crate::access::Caller;
use crate::bus::{Bus, Subscription};
use crate::clock::{Clock, unix_seconds};

/// The worker's edge towards its clients.
#[derive(Debug)]
pub struct Edge {
    ring: RwLock<Arc<Ring>>,
    calls: Arc<Calls>,
    bus: Bus,
    clock: Clock,
}

/// The request that a client comes back for.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    /// Which one.
    pub key: CallKey,
    /// What was asked, if that was short enough to be kept.
    pub message: Option<Vec<u8>>,
    serial: u64,
}

impl Edge {
    /// An edge with these keys, joined to the other workers by the bus. Must be called inside a
    /// runtime: it listens as long as it lives.
    #[must_use]
    pub fn new(mut keys: watch::Receiver<SealingKeys>, bus: Bus, clock: Clock) -> Arc<Edge> {
        let ring = Arc::new(Ring::new(&keys.borrow_and_update()));
        let others = bus.subscribe();
        let edge = Edge { ring: RwLock::new(ring), calls: Arc::default(), bus, clock };
        let edge = Arc::new(edge);
        tokio::spawn(follow_keys(Arc::downgrade(&edge), keys));
        tokio::spawn(follow_others(Arc::downgrade(&edge), others));
        edge
    }

    /// Begins a session; the text is its id.
    #[must_use]
    pub fn begin(&self, client: Client, caller: &Caller) -> (Session, String) {
        Session::begin(client, caller, (&self.ring(), unix_seconds()))
    }

    /// The session of this id, if it is the caller's and has neither expired nor been ended.
    #[must_use]
    pub fn open(&self, id: &str, caller: &Caller) -> Option<Session> {
        let session = Session::open(id, caller, (&self.ring(), unix_seconds()))?;
        (!self.bus.is_revoked(session.tag)).then_some(session)
    }

    /// Ends a session everywhere, and what runs for it.
    pub fn end(&self, session: &Session) {
        self.calls.end(session.tag);
        self.bus.tell(Circular::Revoke { session: session.tag, until: session.expires });
    }

    /// A request of a session begins to run. `None` when its id is too long to be remembered: then
    /// it can neither be cancelled nor come back to.
    #[must_use]
    pub fn call(&self, session: &Session, id: &Value) -> Option<Call> {
        Some(self.calls.begin(key(session, id)?, self.clock.now()))
    }

    /// A client wants no answer to a request any more, wherever it runs.
    pub fn cancel(&self, session: &Session, id: &Value) {
        let Some(key) = key(session, id) else { return };
        let request = key.request.to_string();
        self.calls.cancel(key, self.clock.now());
        self.bus.tell(Circular::Cancel { session: session.tag, request });
    }

    /// What runs at the warehouse for a request of this caller's, in whichever worker or in none.
    pub async fn statement(
        &self,
        session: &Session,
        id: &Value,
        caller: &Caller,
    ) -> Option<Statement> {
        let CallKey { session, request } = key(session, id)?;
        let statement = self.bus.seek(session, &request).await?;
        (statement.principal.as_deref() == caller.name.as_deref()).then_some(statement)
    }

    /// The id of the event that the stream of this message begins with.
    #[must_use]
    pub fn event_id(&self, call: &Call, message: &[u8]) -> String {
        let CallKey { session, request } = &call.key;
        let length = u16::try_from(request.len()).expect("a longer one is no call of ours");
        let mut content = session.0.to_vec();
        content.extend_from_slice(&call.serial.to_be_bytes());
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(request.as_bytes());
        content.extend_from_slice(&resume::packed(message));
        self.ring().seal(Purpose::Event, &content)
    }

    /// The request whose stream began with this event, if it is one of the session's.
    #[must_use]
    pub fn lost(&self, session: &Session, event_id: &str) -> Option<Lost> {
        let content = self.ring().open(Purpose::Event, event_id)?;
        let (tag, content) = content.split_first_chunk()?;
        let (serial, content) = content.split_first_chunk()?;
        let (length, content) = content.split_first_chunk()?;
        let (request, message) = content.split_at_checked(u16::from_be_bytes(*length).into())?;
        let request = std::str::from_utf8(request).ok()?.into();
        let key = CallKey { session: session.tag, request };
        let (serial, message) = (u64::from_be_bytes(*serial), resume::unpacked(message));
        (*tag == session.tag.0).then_some(Lost { key, message, serial })
    }

    /// What lets other workers take up a call of this caller's.
    #[must_use]
    pub fn resumable(&self, call: &Call, caller: &Caller) -> Resumable {
        let (bus, key) = (self.bus.clone(), call.key.clone());
        let principal = caller.name.clone();
        let leave = call.leave.clone();
        Resumable { bus, key, principal, taken_up: None, statement: None, leave }
    }

    /// The call of this caller's that another worker has begun at the warehouse. From now on it is
    /// this one's: the other, if it lives, lets the statement run.
    pub async fn take_up(&self, lost: &Lost, caller: &Caller) -> Option<Resumable> {
        let CallKey { session, request } = &lost.key;
        let statement = self.bus.seek(*session, request).await?;
        let is_the_callers = statement.principal.as_deref() == caller.name.as_deref();
        let (bus, key, principal) = (self.bus.clone(), lost.key.clone(), caller.name.clone());
        if !statement.reads || !is_the_callers {
            return None;
        }
        let request = request.to_string();
        self.bus.tell(Circular::TakenUp { session: *session, request, serial: lost.serial });
        let (taken_up, leave) = (Some(statement.query_id), CancellationToken::new());
        Some(Resumable { bus, key, principal, taken_up, statement: None, leave })
    }

    /// Gives a client that comes back its seat, if what it comes back for runs here.
    #[must_use]
    pub fn rejoin(&self, lost: &Lost, seat: Seat) -> Found {
        self.calls.rejoin(&lost.key, lost.serial, seat, self.clock.now())
    }

    fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn heard(&self, circular: Circular) {
        match circular {
            Circular::Cancel { session, request } => {
                let key = CallKey { session, request: request.into() };
                self.calls.cancel(key, self.clock.now());
            }
            Circular::Revoke { session, until: _ } => self.calls.end(session),
            Circular::TakenUp { session, request, serial } => {
                self.calls.leave(&CallKey { session, request: request.into() }, serial);
            }
        }
    }
}

/// How the request is known, if its id is short enough.
fn key(session: &Session, id: &Value) -> Option<CallKey> {
    let request = id.to_string();
    let short = request.len() <= REQUEST_BYTES_MAX;
    short.then(|| CallKey { session: session.tag, request: request.into() })
}

/// Takes on new keys as long as there are an edge and somebody who hands keys out.
async fn follow_keys(edge: std::sync::Weak<Edge>, mut keys: watch::Receiver<SealingKeys>) {
    while keys.changed().await.is_ok() {
        let Some(edge) = edge.upgrade() else { return };
        let ring = Arc::new(Ring::new(&keys.borrow_and_update()));
        *edge.ring.write().unwrap_or_else(PoisonError::into_inner) = ring;
    }
}

/// Takes in what other workers tell.
async fn follow_others(edge: std::sync::Weak<Edge>, mut others: Subscription) {
    while let Some(circular) = others.next().await {
        let Some(edge) = edge.upgrade() else { return };
        edge.heard(circular);
    }
}
