//! What an administrator may have this worker and its colleagues do: see sessions and statements,
//! end a statement, replace the pool's sessions, test a connection, turn calls away for a while.
//!
//! A wish that comes to one worker's door is for all workers of the app: the [`Office`] asks the
//! supervisor, which asks every worker and gathers what they say. Without a supervisor it asks
//! whoever was made from it by [`Office::sibling`]. HTTP is spoken elsewhere; who may wish is
//! decided there.

mod acts;
mod visitors;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use mcp_protocol::access::AccessSettings;
use mcp_protocol::admin::{Gathered, Maintenance, Outcome, Part, Wish};
use mcp_protocol::message::FromWorker;
use tokio::sync::{oneshot, watch};

pub(crate) use self::acts::circuit;
pub use self::visitors::{Visit, Visitors};
use crate::clock::Clock;
use crate::link::Speaker;
use crate::settings::Identity;
use crate::warehouse::connections::Connections;

/// How much longer than the workers the supervisor may take to gather what they say.
const GATHERING: Duration = Duration::from_secs(3);

/// A worker's place among its colleagues. Clones are the same worker.
#[derive(Clone)]
pub struct Office(Arc<Desk>);

struct Desk {
    identity: Arc<Identity>,
    /// There are none while it boots.
    connections: OnceLock<Connections>,
    visitors: Visitors,
    maintenance: watch::Sender<Option<Maintenance>>,
    access: watch::Receiver<Arc<AccessSettings>>,
    way: Way,
    /// Wishes that the supervisor has not answered yet, by ticket.
    asked: Mutex<HashMap<u64, oneshot::Sender<Vec<Part>>>>,
    tickets: AtomicU64,
    clock: Clock,
}

/// The way to the colleagues.
enum Way {
    Link(Speaker),
    House(Arc<Mutex<Vec<Weak<Desk>>>>),
}

/// Why there is no answer at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// There is nobody to ask.
    #[error("the supervisor cannot be asked now; try again, or use `mcp-supervisor` itself")]
    Unreachable,
    /// It took too long.
    #[error("the supervisor did not answer in time")]
    TooSlow,
}

impl Office {
    /// The office of a worker under a supervisor.
    #[must_use]
    pub fn linked(
        speaker: Speaker,
        identity: Arc<Identity>,
        access: watch::Receiver<Arc<AccessSettings>>,
        clock: Clock,
    ) -> Office {
        Office(Arc::new(Desk::new(Way::Link(speaker), identity, access, clock)))
    }

    /// The office of a worker that has no supervisor.
    #[must_use]
    pub fn alone(
        identity: Arc<Identity>,
        access: watch::Receiver<Arc<AccessSettings>>,
        clock: Clock,
    ) -> Office {
        Office::in_house(Arc::default(), identity, access, clock)
    }

    /// The office of another worker of the same app.
    ///
    /// # Panics
    /// Under a supervisor, whose workers are processes of their own.
    #[must_use]
    pub fn sibling(&self, identity: Arc<Identity>) -> Office {
        match &self.0.way {
            Way::House(house) => {
                let access = self.0.access.clone();
                Office::in_house(Arc::clone(house), identity, access, self.0.clock)
            }
            Way::Link(_) => panic!("only workers of one process can be joined"),
        }
    }

    fn in_house(
        house: Arc<Mutex<Vec<Weak<Desk>>>>,
        identity: Arc<Identity>,
        access: watch::Receiver<Arc<AccessSettings>>,
        clock: Clock,
    ) -> Office {
        let desk = Arc::new(Desk::new(Way::House(Arc::clone(&house)), identity, access, clock));
        lock(&house).push(Arc::downgrade(&desk));
        Office(desk)
    }

    /// From now on there are sessions with the warehouse.
    pub fn opens(&self, connections: &Connections) {
        // A worker opens once.
        let _ = self.0.connections.set(connections.clone());
    }

    /// Who came lately.
    #[must_use]
    pub fn visitors(&self) -> &Visitors {
        &self.0.visitors
    }

    /// Whether calls are turned away, as of now.
    #[must_use]
    pub fn maintenance(&self) -> watch::Receiver<Option<Maintenance>> {
        self.0.maintenance.subscribe()
    }

    /// Turns calls away from now on, or takes them again.
    pub fn maintain(&self, maintenance: Option<Maintenance>) {
        self.0.maintenance.send_if_modified(|known| {
            let differs = *known != maintenance;
            if differs {
                tracing::info!(on = maintenance.is_some(), "maintenance");
                *known = maintenance;
            }
            differs
        });
    }

    /// Does what the supervisor wishes, and tells it what came of it.
    pub fn begin(&self, ticket: u64, wish: Wish) {
        let office = self.clone();
        tokio::spawn(async move {
            let outcome = Box::new(office.carry_out(wish).await);
            if let Way::Link(speaker) = &office.0.way {
                speaker.say(&FromWorker::Did { ticket, outcome });
            }
        });
    }

    /// Takes in what all workers said to our wish.
    pub fn gathered(&self, ticket: u64, parts: Vec<Part>) {
        if let Some(answer) = lock(&self.0.asked).remove(&ticket) {
            // Whoever asked may have gone.
            let _ = answer.send(parts);
        }
    }

    /// Has every worker of the app do this.
    ///
    /// # Errors
    /// When they cannot be asked.
    pub async fn ask(&self, wish: Wish) -> Result<Gathered, AskError> {
        let app = self.0.identity.app.clone();
        let parts = match &self.0.way {
            Way::Link(speaker) => {
                let ticket = self.0.tickets.fetch_add(1, Ordering::Relaxed);
                let (answer, answered) = oneshot::channel();
                lock(&self.0.asked).insert(ticket, answer);
                // Forgotten as well when whoever asks goes away.
                let _forgets = Ticket { desk: &self.0, ticket };
                let patience = wish.patience() + GATHERING;
                if !speaker.say(&FromWorker::Ask { ticket, wish: Box::new(wish) }) {
                    return Err(AskError::Unreachable);
                }
                let answered = self.0.clock.within(patience, answered).await;
                answered.ok_or(AskError::TooSlow)?.map_err(|_| AskError::Unreachable)?
            }
            Way::House(house) => {
                let desks: Vec<_> = lock(house).iter().filter_map(Weak::upgrade).collect();
                let parts = desks.into_iter().map(|desk| Office(desk).part(wish.clone()));
                futures::future::join_all(parts).await
            }
        };
        Ok(Gathered { app, parts })
    }

    async fn part(self, wish: Wish) -> Part {
        let patience = wish.patience();
        let outcome = self.0.clock.within(patience, self.carry_out(wish)).await;
        let Identity { slot, run, pid, .. } = &*self.0.identity;
        Part { slot: *slot, run: *run, pid: *pid, outcome }
    }

    /// Does this here.
    pub async fn carry_out(&self, wish: Wish) -> Outcome {
        let desk = &*self.0;
        match (wish, desk.connections.get()) {
            (Wish::Maintain(maintenance), _) => {
                self.maintain(maintenance);
                acts::maintained(desk)
            }
            (Wish::Maintained, _) => acts::maintained(desk),
            // The supervisor has told that already, with all else that may change.
            (Wish::LogLevel(_), _) => Outcome::Done,
            (Wish::Sessions, _) => Outcome::Sessions(desk.visitors.list()),
            (_, None) => Outcome::Refused("it is still starting".to_owned()),
            (Wish::ResetPools { wait_seconds }, Some(connections)) => {
                acts::reset_all(connections, Duration::from_secs(wait_seconds)).await
            }
            (Wish::Queries, Some(connections)) => acts::queries(desk, connections),
            (Wish::CancelQuery { id }, Some(connections)) => acts::cancel(desk, connections, &id),
            (Wish::TestConnections { connection }, Some(connections)) => {
                acts::test_all(desk, connections, connection.as_deref()).await
            }
            (Wish::Circuits, Some(connections)) => acts::circuits(desk, connections),
            (Wish::ResetCircuits { connection }, Some(connections)) => {
                acts::forgive(desk, connections, connection.as_deref())
            }
            (Wish::State, Some(connections)) => acts::state(desk, connections),
        }
    }
}

impl Desk {
    fn new(
        way: Way,
        identity: Arc<Identity>,
        access: watch::Receiver<Arc<AccessSettings>>,
        clock: Clock,
    ) -> Desk {
        Desk {
            identity,
            connections: OnceLock::new(),
            visitors: Visitors::default(),
            maintenance: watch::channel(None).0,
            access,
            way,
            asked: Mutex::default(),
            tickets: AtomicU64::default(),
            clock,
        }
    }
}

/// A wish that is forgotten when its asker goes.
struct Ticket<'a> {
    desk: &'a Desk,
    ticket: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        lock(&self.desk.asked).remove(&self.ticket);
    }
}

/// What is locked here is never left half changed, whatever panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
