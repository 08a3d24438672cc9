//! Which requests of which sessions run here, and which were cancelled.
//!
//! JSON-RPC ids are small numbers that every client counts for itself, so a request is known by its
//! session too. A cancel may overtake its request on the way through another worker, and a client
//! may come back for a stream that it cancelled: so cancels are remembered for a while. Both tables
//! are bounded; nothing here waits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_protocol::relay::SessionTag;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ring::random;
use crate::clock::Moment;

/// A request that comes so soon after its cancel was overtaken by it; one that comes later has an
/// id that its client uses again.
const OVERTAKEN: Duration = Duration::from_secs(5);
/// For so long a client that comes back for what it cancelled is told that there is nothing.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Cancels that are remembered; of more the oldest is forgotten.
const REMEMBERED_MAX: usize = 4096;

/// One request of one session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallKey {
    /// The session.
    pub session: SessionTag,
    /// The JSON-RPC id, as JSON text.
    pub request: Arc<str>,
}

/// The way into a stream of a client that came back.
pub type Seat = mpsc::Sender<axum::body::Bytes>;

/// All requests that run here and belong to a session.
#[derive(Debug, Default)]
pub struct Calls(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    running: HashMap<CallKey, Running>,
    cancelled: HashMap<CallKey, Cancelled>,
    /// The keys of `cancelled`, oldest first.
    order: VecDeque<(Moment, CallKey)>,
}

#[derive(Debug)]
struct Running {
    serial: u64,
    cancel: CancellationToken,
    leave: CancellationToken,
    rejoin: mpsc::Sender<Seat>,
}

#[derive(Debug)]
struct Cancelled {
    at: Moment,
    /// Its request has not come yet.
    early: bool,
}

/// A request that runs here until this is dropped.
#[derive(Debug)]
pub struct Call {
    /// Which one.
    pub key: CallKey,
    /// Tells this run from others of the same id, also from those of other workers.
    pub serial: u64,
    /// Fires when the client wants no answer any more.
    pub cancel: CancellationToken,
    /// Fires when another worker has taken its statement up.
    pub leave: CancellationToken,
    /// Where the client comes back in.
    pub rejoined: mpsc::Receiver<Seat>,
    calls: Arc<Calls>,
}

/// What became of a request that a client comes back for.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// It runs here, and the client has its seat.
    Running,
    /// The client cancelled it.
    Cancelled,
    /// It does not run here.
    Lost,
}

impl Calls {
    /// A request begins to run. It may have been cancelled already.
    #[must_use]
    pub fn begin(self: &Arc<Calls>, key: CallKey, now: Moment) -> Call {
        let (rejoin, rejoined) = mpsc::channel(1);
        let (cancel, leave) = (CancellationToken::new(), CancellationToken::new());
        let serial = u64::from_be_bytes(random());
        let mut table = self.lock();
        if let Some(cancelled) = table.cancelled.get_mut(&key) {
            if std::mem::take(&mut cancelled.early) && now.since(cancelled.at) <= OVERTAKEN {
                cancel.cancel();
            } else {
                table.cancelled.remove(&key);
            }
        }
        let running = Running { serial, cancel: cancel.clone(), leave: leave.clone(), rejoin };
        table.running.insert(key.clone(), running);
        drop(table);
        Call { key, serial, cancel, leave, rejoined, calls: Arc::clone(self) }
    }

    /// A client wants no answer to a request any more.
    pub fn cancel(&self, key: CallKey, now: Moment) {
        let mut table = self.lock();
        let running = table.running.get(&key).map(|running| running.cancel.clone());
        let early = running.is_none();
        table.cancelled.insert(key.clone(), Cancelled { at: now, early });
        table.order.push_back((now, key));
        table.forget(now);
        drop(table);
        if let Some(running) = running {
            running.cancel();
        }
    }

    /// Another worker has taken up the statement of this run, which is to be left to it.
    pub fn leave(&self, key: &CallKey, serial: u64) {
        let table = self.lock();
        let running = table.running.get(key).filter(|running| running.serial == serial);
        let leave = running.map(|running| running.leave.clone());
        drop(table);
        if let Some(leave) = leave {
            leave.cancel();
        }
    }

    /// A session has ended, and with it all its requests.
    pub fn end(&self, session: SessionTag) {
        let table = self.lock();
        let ended = table.running.iter().filter(|(key, _)| key.session == session);
        let ended: Vec<_> = ended.map(|(_, running)| running.cancel.clone()).collect();
        drop(table);
        for cancel in ended {
            cancel.cancel();
        }
    }

    /// A client comes back for a run of a request, and is to be answered on this seat.
    #[must_use]
    pub fn rejoin(&self, key: &CallKey, serial: u64, seat: Seat, now: Moment) -> Found {
        let mut table = self.lock();
        table.forget(now);
        let running = table.running.get(key).filter(|running| running.serial == serial);
        match running {
            Some(running) if !running.cancel.is_cancelled() => {
                // A second client that comes back at the same moment finds the place taken.
                match running.rejoin.try_send(seat) {
                    Ok(()) => Found::Running,
                    Err(_) => Found::Lost,
                }
            }
            Some(_) => Found::Cancelled,
            None if table.cancelled.contains_key(key) => Found::Cancelled,
            None => Found::Lost,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // What is locked here is never left half changed, whatever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Lets go of cancels that are too old or too many.
    fn forget(&mut self, now: Moment) {
        while let Some((at, key)) = self.order.front() {
            if self.order.len() <= REMEMBERED_MAX && now.since(*at) <= REMEMBERED {
                return;
            }
            // The same request may have been cancelled again since.
            if self.cancelled.get(key).is_some_and(|cancelled| cancelled.at == *at) {
                self.cancelled.remove(key);
            }
            self.order.pop_front();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let mut table = self.calls.lock();
        // A client may have used the id again while this one ran.
        if table.running.get(&self.key).is_some_and(|running| running.serial == self.serial) {
            table.running.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(session: u8, request: &str) -> CallKey {
        CallKey { session: SessionTag([session; 16]), request: request.into() }
    }

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    fn seat() -> Seat {
        mpsc::channel(1).0
    }

    #[test]
    fn equal_ids_of_two_sessions_never_meet() {
        let calls = Arc::new(Calls::default());
        let (one, other) = (calls.begin(key(1, "7"), at(0)), calls.begin(key(2, "7"), at(0)));
        let text = calls.begin(key(1, "\"7\""), at(0));
        calls.cancel(key(1, "7"), at(1));
        assert!(one.cancel.is_cancelled());
        assert!(!other.cancel.is_cancelled() && !text.cancel.is_cancelled());
        calls.end(SessionTag([2; 16]));
        assert!(other.cancel.is_cancelled() && !text.cancel.is_cancelled());
    }

    #[test]
    fn a_cancel_that_overtook_its_request_is_remembered_for_it_alone_and_not_for_long() {
        let calls = Arc::new(Calls::default());
        calls.cancel(key(1, "7"), at(0));
        assert!(calls.begin(key(1, "7"), at(5)).cancel.is_cancelled());
        assert!(!calls.begin(key(1, "7"), at(5)).cancel.is_cancelled(), "it was meant for one");
        calls.cancel(key(1, "8"), at(0));
        assert!(!calls.begin(key(1, "8"), at(6)).cancel.is_cancelled(), "the id is used again");
        let ran = calls.begin(key(1, "9"), at(0));
        calls.cancel(key(1, "9"), at(0));
        drop(ran);
        assert!(!calls.begin(key(1, "9"), at(1)).cancel.is_cancelled(), "its request had come");
    }

    #[test]
    fn a_client_comes_back_to_the_run_that_it_left_and_to_no_other() {
        let calls = Arc::new(Calls::default());
        let mut call = calls.begin(key(1, "7"), at(0));
        let serial = call.serial;
        assert_eq!(calls.rejoin(&key(1, "7"), serial, seat(), at(1)), Found::Running);
        assert!(call.rejoined.try_recv().is_ok());
        assert_eq!(calls.rejoin(&key(1, "7"), serial ^ 1, seat(), at(1)), Found::Lost);
        assert_eq!(calls.rejoin(&key(2, "7"), serial, seat(), at(1)), Found::Lost);
        drop(call);
        assert_eq!(calls.rejoin(&key(1, "7"), serial, seat(), at(1)), Found::Lost);
        let call = calls.begin(key(1, "7"), at(2));
        calls.cancel(key(1, "7"), at(3));
        assert_eq!(calls.rejoin(&key(1, "7"), call.serial, seat(), at(3)), Found::Cancelled);
        drop(call);
        assert_eq!(calls.rejoin(&key(1, "7"), serial, seat(), at(63)), Found::Cancelled);
        assert_eq!(calls.rejoin(&key(1, "7"), serial, seat(), at(64)), Found::Lost);
    }

    #[test]
    fn the_end_of_an_older_run_leaves_a_newer_one_alone() {
        let calls = Arc::new(Calls::default());
        let older = calls.begin(key(1, "7"), at(0));
        let newer = calls.begin(key(1, "7"), at(0));
        drop(older);
        calls.cancel(key(1, "7"), at(1));
        assert!(newer.cancel.is_cancelled());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let calls = Arc::new(Calls::default());
        for request in 0..3 * REMEMBERED_MAX {
            calls.cancel(key(1, &request.to_string()), at(0));
        }
        let table = calls.lock();
        assert_eq!((table.cancelled.len(), table.order.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
