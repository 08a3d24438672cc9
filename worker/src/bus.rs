//! What the workers of an app tell each other: cancelled calls, ended sessions, running statements.
//!
//! A [`Bus`] is one worker's way to all others. Under a supervisor it goes over the link; without
//! one it joins whoever was made from it by [`Bus::sibling`], inside this process: nobody for
//! `mcp-worker stdio`, several doors in a test. Nothing here waits but [`Bus::seek`], which has a
//! limit, and nothing is told twice: what the link cannot take at once is dropped.
//!
//! Ended sessions are remembered here, once for the whole worker: ask [`Bus::is_revoked`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mcp_protocol::message::FromWorker;
use mcp_protocol::relay::{Circular, Revocation, SessionTag, Statement};
use mcp_protocol::revoked::Revoked;
use tokio::sync::{broadcast, oneshot};

use crate::clock::{Clock, unix_seconds};
use crate::link::Speaker;

/// How long the supervisor may take to tell which statement runs.
const SEEK_LIMIT: Duration = Duration::from_secs(2);
/// Circulars that may wait for a subscriber; it misses the oldest of more.
const CIRCULARS_MAX: usize = 1024;

/// One worker's way to the others of its app. Clones are the same worker.
#[derive(Debug, Clone)]
pub struct Bus(Arc<Place>);

/// A worker's place on the bus.
#[derive(Debug)]
struct Place {
    way: Way,
    circulars: broadcast::Sender<Circular>,
    revoked: Mutex<Revoked>,
    /// Questions that the supervisor has not answered yet, by ticket.
    sought: Mutex<HashMap<u64, oneshot::Sender<Option<Statement>>>>,
    tickets: AtomicU64,
}

#[derive(Debug)]
enum Way {
    Link(Speaker, Clock),
    House(Arc<House>),
}

/// Workers that are joined inside one process.
#[derive(Debug, Default)]
struct House {
    places: Mutex<Vec<Weak<Place>>>,
    statements: Mutex<HashMap<(SessionTag, String), Statement>>,
}

/// What the others tell, from the moment of the subscription on.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Circular>);

impl Bus {
    /// The bus of a worker under a supervisor.
    #[must_use]
    pub fn linked(speaker: Speaker, clock: Clock) -> Bus {
        Bus(Arc::new(Place::new(Way::Link(speaker, clock))))
    }

    /// The bus of a worker that has no supervisor.
    #[must_use]
    pub fn alone() -> Bus {
        Bus::in_house(Arc::default())
    }

    /// Another worker on the same bus.
    ///
    /// # Panics
    /// Under a supervisor, whose workers are processes of their own.
    #[must_use]
    pub fn sibling(&self) -> Bus {
        match &self.0.way {
            Way::House(house) => Bus::in_house(Arc::clone(house)),
            Way::Link(..) => panic!("only workers of one process can be joined"),
        }
    }

    fn in_house(house: Arc<House>) -> Bus {
        let place = Arc::new(Place::new(Way::House(Arc::clone(&house))));
        lock(&house.places).push(Arc::downgrade(&place));
        Bus(place)
    }

    /// Tells all other workers of the app. Our own subscribers hear nothing of it; a session that
    /// is revoked is revoked here as well.
    pub fn tell(&self, circular: Circular) {
        self.note(&circular);
        if !circular.is_passable() {
            return;
        }
        match &self.0.way {
            Way::Link(speaker, _) => {
                speaker.say(&FromWorker::Tell(circular));
            }
            Way::House(house) => {
                let places: Vec<_> = lock(&house.places).iter().filter_map(Weak::upgrade).collect();
                for place in places.into_iter().filter(|place| !Arc::ptr_eq(place, &self.0)) {
                    Bus(place).heard(circular.clone());
                }
            }
        }
    }

    /// A statement runs whose client may come back for the answer, to any worker. It is worth a
    /// message only where the client was given something to come back with.
    pub fn began(&self, statement: Statement) {
        if !statement.is_passable() {
            return;
        }
        match &self.0.way {
            Way::Link(speaker, _) => {
                speaker.say(&FromWorker::StatementBegan(statement));
            }
            Way::House(house) => {
                let key = (statement.session, statement.request.clone());
                lock(&house.statements).insert(key, statement);
            }
        }
    }

    /// Nobody has to look for that statement any more.
    pub fn ended(&self, session: SessionTag, request: &str) {
        let request = request.to_owned();
        match &self.0.way {
            Way::Link(speaker, _) => {
                speaker.say(&FromWorker::StatementEnded { session, request });
            }
            Way::House(house) => {
                lock(&house.statements).remove(&(session, request));
            }
        }
    }

    /// The statement that runs, or ran in a worker that died, for this request. `None` when nobody
    /// knows one, or the supervisor does not answer within two seconds.
    pub async fn seek(&self, session: SessionTag, request: &str) -> Option<Statement> {
        let request = request.to_owned();
        match &self.0.way {
            Way::Link(speaker, clock) => {
                let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
                let (answer, answered) = oneshot::channel();
                lock(&self.0.sought).insert(ticket, answer);
                // Forgotten as well when whoever asks goes away.
                let _forgets = Ticket { place: &self.0, ticket };
                if !speaker.say(&FromWorker::Seek { ticket, session, request }) {
                    return None;
                }
                clock.within(SEEK_LIMIT, answered).await?.ok().flatten()
            }
            Way::House(house) => lock(&house.statements).get(&(session, request)).cloned(),
        }
    }

    /// What the others tell from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.circulars.subscribe())
    }

    /// Whether a client ended this session, at whichever worker.
    #[must_use]
    pub fn is_revoked(&self, session: SessionTag) -> bool {
        lock(&self.0.revoked).contains(session)
    }

    /// Takes in what another worker told.
    pub fn heard(&self, circular: Circular) {
        self.note(&circular);
        // An error means that nobody listens.
        let _ = self.0.circulars.send(circular);
    }

    /// Takes in which sessions were ended before we came.
    pub fn revoked(&self, revocations: Vec<Revocation>) {
        let mut revoked = lock(&self.0.revoked);
        for revocation in revocations {
            revoked.insert(revocation, unix_seconds());
        }
    }

    /// Takes in the supervisor's answer to [`Bus::seek`].
    pub fn sought(&self, ticket: u64, statement: Option<Statement>) {
        if let Some(answer) = lock(&self.0.sought).remove(&ticket) {
            // Whoever asked may have gone.
            let _ = answer.send(statement);
        }
    }

    fn note(&self, circular: &Circular) {
        match circular {
            Circular::Cancel { .. } | Circular::TakenUp { .. } => {}
            Circular::Revoke { session, until } => {
                self.revoked(vec![Revocation { session: *session, until: *until }]);
            }
        }
    }
}

impl Place {
    fn new(way: Way) -> Place {
        let (circulars, _) = broadcast::channel(CIRCULARS_MAX);
        let (revoked, sought) = (Mutex::default(), Mutex::default());
        Place { way, circulars, revoked, sought, tickets: AtomicU64::default() }
    }
}

impl Subscription {
    /// The next circular; `None` when the worker is ending.
    ///
    /// May be dropped and asked again without losing anything.
    pub async fn next(&mut self) -> Option<Circular> {
        loop {
            match self.0.recv().await {
                Ok(circular) => return Some(circular),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "circulars of other workers came too fast");
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

/// A question that is forgotten when its asker goes.
struct Ticket<'a> {
    place: &'a Place,
    ticket: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        lock(&self.place.sought).remove(&self.ticket);
    }
}

/// What is locked here is never left half changed, whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionTag = SessionTag([7; 16]);

    fn statement(request: &str) -> Statement {
        Statement {
            session: SESSION,
            request: request.to_owned(),
            principal: None,
            connection: None,
            query_id: "01b2".to_owned(),
            reads: true,
        }
    }

    #[tokio::test]
    async fn siblings_hear_a_circular_and_its_sender_does_not() {
        let bus = Bus::alone();
        let (sibling, stranger) = (bus.sibling(), Bus::alone());
        let (mut own, mut siblings) = (bus.subscribe(), sibling.subscribe());
        let mut strangers = stranger.subscribe();
        let circular = Circular::Cancel { session: SESSION, request: "1".to_owned() };
        bus.tell(circular.clone());
        assert_eq!(siblings.next().await, Some(circular));
        drop((bus, sibling, stranger));
        assert_eq!(own.next().await, None);
        assert_eq!(strangers.next().await, None);
    }

    #[tokio::test]
    async fn a_revoked_session_is_revoked_everywhere() {
        let bus = Bus::alone();
        let (sibling, stranger) = (bus.sibling(), Bus::alone());
        bus.tell(Circular::Revoke { session: SESSION, until: u64::MAX });
        assert!(bus.is_revoked(SESSION) && sibling.is_revoked(SESSION));
        assert!(!stranger.is_revoked(SESSION));
        bus.revoked(vec![Revocation { session: SessionTag([1; 16]), until: 1 }]);
        assert!(!bus.is_revoked(SessionTag([1; 16])), "it has expired long ago");
    }

    #[tokio::test]
    async fn a_statement_is_found_by_any_sibling_until_it_ended() {
        let bus = Bus::alone();
        let sibling = bus.sibling();
        bus.began(statement("1"));
        assert_eq!(sibling.seek(SESSION, "1").await, Some(statement("1")));
        assert_eq!(sibling.seek(SESSION, "2").await, None);
        assert_eq!(Bus::alone().seek(SESSION, "1").await, None);
        bus.ended(SESSION, "1");
        assert_eq!(sibling.seek(SESSION, "1").await, None);
    }

    #[tokio::test]
    async fn what_is_too_long_for_the_others_is_not_told() {
        let bus = Bus::alone();
        let sibling = bus.sibling();
        let mut siblings = sibling.subscribe();
        bus.tell(Circular::Cancel { session: SESSION, request: "1".repeat(10_000) });
        bus.began(statement(&"1".repeat(10_000)));
        assert_eq!(sibling.seek(SESSION, &"1".repeat(10_000)).await, None);
        drop((bus, sibling));
        assert_eq!(siblings.next().await, None);
    }
}
