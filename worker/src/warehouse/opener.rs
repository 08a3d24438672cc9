//! How the pool's library gets sessions and lets them go.
//!
//! Everything here runs on r2d2's own threads or must not block; what r2d2 keeps is a session with
//! its standing, so that one whose statement was not seen to end is never used again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_protocol::message::Logins;
use r2d2::{CustomizeConnection, ManageConnection};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::circuit::Circuit;
use super::contact::Contact;
use super::pool::PoolError;
use super::{Session, Warehouse, WarehouseError};
use crate::clock::{Clock, Moment, shortened};

/// How opening sessions went so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Openings {
    pub(super) opened: u64,
    pub(super) failed: u64,
}

/// What r2d2 keeps: a session and whether it may be used again.
pub(super) struct Kept {
    pub(super) session: Option<Box<dyn Session>>,
    pub(super) standing: Standing,
    pub(super) used_at: Moment,
    pub(super) alive: Alive,
    /// Which generation of sessions it belongs to.
    generation: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing runs in it.
    Clean,
    /// A statement runs in it, or ran and was not seen to end.
    Busy,
}

/// How many sessions live, from login to goodbye, by their generation.
#[derive(Debug, Default)]
pub(super) struct Census(Mutex<BTreeMap<u64, u64>>);

impl Census {
    pub(super) fn total(&self) -> u64 {
        self.before(u64::MAX)
    }

    /// Those of generations before this one.
    pub(super) fn before(&self, generation: u64) -> u64 {
        self.lock().range(..generation).map(|(_, count)| count).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a session from its login to its goodbye.
pub(super) struct Alive {
    census: Arc<Census>,
    generation: u64,
}

impl Alive {
    fn begin(census: &Arc<Census>, generation: u64) -> Alive {
        *census.lock().entry(generation).or_default() += 1;
        Alive { census: Arc::clone(census), generation }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        let mut counts = self.census.lock();
        if let Some(count) = counts.get_mut(&self.generation) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.generation);
            }
        }
    }
}

/// A session that was borrowed from the pool, and goes back when it is dropped.
pub(super) type Borrowed = r2d2::PooledConnection<Opener>;

/// Opens sessions on r2d2's own threads.
pub(super) struct Opener {
    pub(super) warehouse: Arc<dyn Warehouse>,
    pub(super) runtime: Handle,
    pub(super) circuit: Arc<Circuit>,
    pub(super) told: watch::Sender<Openings>,
    pub(super) alive: Arc<Census>,
    pub(super) contact: Arc<Contact>,
    pub(super) clock: Clock,
    /// The number of the sessions that are wanted; those of an earlier one are let go.
    pub(super) generation: Arc<AtomicU64>,
}

/// Why r2d2 did not get a session.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct OpenError(String);

impl ManageConnection for Opener {
    type Connection = Kept;
    type Error = OpenError;

    fn connect(&self) -> Result<Kept, OpenError> {
        if let Some(why) = self.circuit.refusal(self.clock.now()) {
            return Err(OpenError(PoolError::from(why).to_string()));
        }
        let generation = self.generation.load(Ordering::SeqCst);
        match self.runtime.block_on(self.warehouse.connect()) {
            Ok(session) => {
                let alive = Alive::begin(&self.alive, generation);
                self.contact.answered();
                if self.circuit.is_shut() {
                    self.runtime.block_on(session.close());
                    return Err(OpenError("the pool is closed".to_owned()));
                }
                self.circuit.succeeded();
                self.told.send_modify(|seen| seen.opened += 1);
                let used_at = self.clock.now();
                let (session, standing) = (Some(session), Standing::Clean);
                Ok(Kept { session, standing, used_at, alive, generation })
            }
            Err(error) => {
                match (&error, self.circuit.logins()) {
                    // It was said, and nothing is new before somebody comes.
                    (WarehouseError::LoggedOut { .. }, Logins::LoggedOut) => {}
                    _other => tracing::warn!(%error, "cannot open a warehouse session"),
                }
                self.contact.failed(&error);
                self.circuit.failed(self.clock.now(), &error, shortened);
                self.told.send_modify(|seen| seen.failed += 1);
                Err(OpenError(error.to_string()))
            }
        }
    }

    fn is_valid(&self, _kept: &mut Kept) -> Result<(), OpenError> {
        Ok(())
    }

    fn has_broken(&self, kept: &mut Kept) -> bool {
        match (&kept.session, kept.standing) {
            (None, Standing::Clean | Standing::Busy) | (Some(_), Standing::Busy) => true,
            (Some(session), Standing::Clean) => {
                session.is_broken() || kept.generation != self.generation.load(Ordering::SeqCst)
            }
        }
    }
}

/// Says goodbye in sessions that the pool lets go, without holding anyone up.
#[derive(Debug)]
pub(super) struct Goodbye {
    pub(super) runtime: Handle,
}

impl CustomizeConnection<Kept, OpenError> for Goodbye {
    fn on_release(&self, kept: Kept) {
        let Kept { session, standing: _, used_at: _, alive, generation: _ } = kept;
        if let Some(session) = session {
            self.runtime.spawn(async move {
                session.close().await;
                drop(alive);
            });
        }
    }
}
