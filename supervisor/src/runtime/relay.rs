//! What the workers of an app tell each other passes here, and is kept as long as it is of use.
//!
//! A worker reaches the workers of its own app and nobody else. Nothing here waits: what a worker
//! cannot take at once is dropped and counted. The machine knows nothing of it, for nothing that
//! is told here starts or ends a process.

use std::collections::BTreeMap;

use mcp_protocol::message::ToWorker;
use mcp_protocol::relay::{
    Circular, REVOCATIONS_MAX, Revocation, SealingKeys, SessionTag, Statement,
};
use tokio::sync::mpsc;

use crate::machine::{AppName, RunId};
use crate::runtime::clock::since_boot;
use crate::runtime::hands::Hands;
use crate::runtime::in_flight::InFlight;
use crate::runtime::tombstones::Tombstones;

/// Places in a worker's outbox that are not for what other workers tell it, so that a flood of that
/// never keeps out a word of our own.
const OUTBOX_RESERVED: usize = 16;

/// What workers share.
#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) keys: SealingKeys,
    pub(crate) tombstones: Tombstones,
    in_flight: BTreeMap<AppName, InFlight>,
    counts: BTreeMap<AppName, Counts>,
}

/// How the circulars of an app fared since the supervisor began, once for each worker that was to
/// have them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) relayed: u64,
    pub(crate) dropped: u64,
}

/// What a worker wants of the others.
#[derive(Debug, PartialEq)]
pub(crate) enum Errand {
    Tell(Circular),
    Began(Statement),
    Ended { session: SessionTag, request: String },
    Seek { ticket: u64, session: SessionTag, request: String },
}

impl Relay {
    pub(crate) fn new(keys: SealingKeys, tombstones: Tombstones) -> Relay {
        Relay { keys, tombstones, in_flight: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// How the circulars of an app fared.
    pub(crate) fn counts(&self, app: &AppName) -> Counts {
        self.counts.get(app).copied().unwrap_or_default()
    }

    /// How many statements of an app a client may come back for.
    pub(crate) fn statements(&self, app: &AppName) -> usize {
        self.in_flight.get(app).map_or(0, InFlight::len)
    }

    /// A run is over.
    pub(crate) fn left(&mut self, app: &AppName, run: RunId) {
        if let Some(in_flight) = self.in_flight.get_mut(app) {
            in_flight.left(run, since_boot());
        }
    }

    /// Lets go of what belongs to no app.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&AppName) -> bool) {
        self.in_flight.retain(|app, _| is_there(app));
    }

    /// What a new worker has to know of ended sessions, in messages that fit.
    pub(crate) fn revoked(&mut self, app: &AppName) -> Vec<ToWorker> {
        let all: Vec<Revocation> = self.tombstones.of(app);
        all.chunks(REVOCATIONS_MAX).map(|some| ToWorker::Revoked(some.to_vec())).collect()
    }
}

impl Hands {
    /// Carries an errand of a worker out.
    pub(crate) fn run_errand(&mut self, run: RunId, errand: Errand) {
        let Some(process) = self.processes.get(run) else { return };
        let app = process.slot.app.clone();
        match errand {
            Errand::Tell(circular) => self.pass_on(run, &app, &circular),
            Errand::Began(statement) if statement.is_passable() => {
                let in_flight = self.relay.in_flight.entry(app).or_default();
                in_flight.began(run, statement, since_boot());
            }
            Errand::Began(_) => {}
            Errand::Ended { session, request } => {
                if let Some(in_flight) = self.relay.in_flight.get_mut(&app) {
                    in_flight.ended(run, &(session, request));
                }
            }
            Errand::Seek { ticket, session, request } => {
                let in_flight = self.relay.in_flight.get_mut(&app);
                let found = in_flight.and_then(|all| all.find(&(session, request), since_boot()));
                if let Some(link) = &process.link {
                    offer(link, ToWorker::Sought { ticket, statement: found.map(Box::new) });
                }
            }
        }
    }

    /// Tells all other workers of an app, and keeps what later ones have to know.
    fn pass_on(&mut self, run: RunId, app: &AppName, circular: &Circular) {
        let counts = self.relay.counts.entry(app.clone()).or_default();
        if !circular.is_passable() {
            counts.dropped += 1;
            return;
        }
        if let Circular::Revoke { session, until } = circular {
            self.relay.tombstones.add(app, Revocation { session: *session, until: *until });
        }
        let is_sibling = |other: RunId| other != run;
        for (_, process) in self.processes.iter().filter(|(other, _)| is_sibling(*other)) {
            let Some(link) = process.link.as_ref().filter(|_| process.slot.app == *app) else {
                continue;
            };
            if offer(link, ToWorker::Told(circular.clone())) {
                counts.relayed += 1;
            } else {
                counts.dropped += 1;
            }
        }
    }

    /// Session ids are sealed with these keys from now on.
    pub(crate) fn take_keys(&mut self, keys: SealingKeys) {
        self.relay.keys = keys;
        self.adjust_workers();
    }
}

/// Puts a message into a worker's outbox, if there is room for one of its kind.
fn offer(link: &mpsc::Sender<ToWorker>, message: ToWorker) -> bool {
    link.capacity() > OUTBOX_RESERVED && link.try_send(message).is_ok()
}
