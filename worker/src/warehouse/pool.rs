//! The pool of warehouse sessions: r2d2 behind a fair semaphore.
//!
//! A caller waits for a permit without holding a thread, first come first served; with a permit a
//! session is there or may be opened. Only opening one enters a blocking thread. A statement
//! whose client goes away is cancelled and comes to its end as a task of its own, so that the session
//! still comes back clean; a session whose statement does not end after that is retired.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use mcp_protocol::message::PoolVitals;
use mcp_protocol::settings::PoolSettings;
use r2d2::NopErrorHandler;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::circuit::Circuit;
use super::contact::{Contact, Known};
use super::course::{Part, Stage};
use super::journal::Entry;
use super::lent::{Execution, Loan, Work};
use super::opener::{Borrowed, Census, Goodbye, Opener, Openings};
use super::running::Running;
use super::timing::Timing;
use super::{Answer, Context, Limits, Warehouse, WarehouseError, care};
use crate::clock::{Clock, Moment};
use crate::quota::Refusal;
use crate::tallies::Tallies;

/// How long to wait before looking again for a session that is being opened.
const OPENING_SLICE: Duration = Duration::from_millis(10);
/// How often r2d2 is asked to open one for a caller that waits.
const OPENING_ASKED_EVERY: Duration = Duration::from_secs(5);
/// How long to wait before looking for sessions that are still on their way.
const CLOSING_SLICE: Duration = Duration::from_millis(2);

/// Why there is no answer, or no session to ask for one.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// All sessions are busy, and stayed so.
    #[error(
        "no warehouse session became free within {waited:?}: all {max} are busy; try again in a \
         moment, ask for less at once, or raise `pool.max`"
    )]
    Exhausted {
        /// How long the caller waited.
        waited: Duration,
        /// How many sessions there may be.
        max: u32,
    },
    /// No session could be opened.
    #[error("no warehouse session could be opened: {reason}")]
    Open {
        /// The warehouse's words.
        reason: String,
    },
    /// The warehouse does not let us in, and trying again cannot help.
    #[error("{reason}")]
    Refused {
        /// The warehouse's words, and the remedy.
        reason: String,
    },
    /// The worker is leaving.
    #[error("this worker is leaving; try again, another one will answer")]
    Closed,
    /// The warehouse was asked and gave no answer.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// Whoever asks, asks too much; the warehouse was not asked.
    #[error(transparent)]
    Quota(#[from] Refusal),
}

/// The pool. Cheap to clone.
#[derive(Clone)]
pub struct Pool {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) warehouse: Arc<dyn Warehouse>,
    pub(super) sessions: r2d2::Pool<Opener>,
    pub(super) permits: Arc<Semaphore>,
    circuit: Arc<Circuit>,
    pub(super) contact: Arc<Contact>,
    running: Arc<Running>,
    openings: watch::Receiver<Openings>,
    pub(super) settings: PoolSettings,
    pub(super) clock: Clock,
    pub(super) alive: Arc<Census>,
    pub(super) generation: Arc<AtomicU64>,
    waiting: AtomicU64,
    timeouts: AtomicU64,
    /// The most permits that were out at once.
    peak: AtomicU32,
    tallies: Tallies,
}

impl Pool {
    /// A pool that begins to open its sessions; see [`Pool::open_min`].
    ///
    /// To be called inside the runtime that will run the sessions.
    #[must_use]
    pub fn new(warehouse: Arc<dyn Warehouse>, settings: &PoolSettings, clock: Clock) -> Pool {
        let max = settings.max.max(1);
        let circuit = Arc::new(Circuit::default());
        let (told, openings) = watch::channel(Openings::default());
        let runtime = Handle::current();
        let (alive, contact) = (Arc::new(Census::default()), Arc::new(Contact::default()));
        let generation = Arc::new(AtomicU64::new(0));
        let goodbye = Goodbye { runtime: runtime.clone() };
        let opener = Opener {
            warehouse: Arc::clone(&warehouse),
            runtime,
            circuit: Arc::clone(&circuit),
            told,
            alive: Arc::clone(&alive),
            contact: Arc::clone(&contact),
            clock,
            generation: Arc::clone(&generation),
        };
        let shortest = Duration::from_millis(1);
        let sessions = r2d2::Pool::builder()
            .max_size(max)
            .min_idle(Some(settings.min.min(max)))
            .test_on_check_out(false)
            .idle_timeout(Some(settings.idle_timeout.max(shortest)))
            .max_lifetime(Some(settings.max_lifetime.max(shortest)))
            .connection_timeout(settings.acquire_timeout.max(shortest))
            .error_handler(Box::new(NopErrorHandler))
            .connection_customizer(Box::new(goodbye))
            .build_unchecked(opener);
        let inner = Arc::new(Inner {
            warehouse,
            sessions,
            permits: Arc::new(Semaphore::new(max as usize)),
            circuit,
            contact,
            running: Arc::default(),
            openings,
            settings: PoolSettings { max, ..settings.clone() },
            clock,
            alive,
            generation,
            waiting: AtomicU64::new(0),
            timeouts: AtomicU64::new(0),
            peak: AtomicU32::new(0),
            tallies: Tallies::default(),
        });
        if let Some(every) = inner.settings.health_check_interval {
            tokio::spawn(care::check_idle_sessions(Arc::downgrade(&inner), every, clock));
        }
        Pool { inner }
    }

    /// Returns when the smallest number of sessions is open.
    ///
    /// # Errors
    /// At the first session that cannot be opened.
    pub async fn open_min(&self) -> Result<(), PoolError> {
        let wanted = u64::from(self.inner.settings.min.min(self.inner.settings.max));
        let mut openings = self.inner.openings.clone();
        let settled = openings.wait_for(|seen| seen.opened >= wanted || seen.failed > 0);
        settled.await.map_err(|_| PoolError::Closed)?;
        match self.inner.circuit.refusal(self.inner.clock.now()) {
            Some(why) => Err(why.into()),
            None => Ok(()),
        }
    }

    /// Runs one statement on a session of the pool.
    ///
    /// When `cancel` fires, or the future is dropped, the statement is cancelled and its session
    /// goes back.
    ///
    /// # Errors
    /// When there is no session, or the statement gives no answer.
    pub async fn query(
        &self,
        statement: &str,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, PoolError> {
        let mut entry = Entry::begin(statement, context, self.inner.clock);
        let context = Context { course: entry.course(), ..context.clone() };
        let (statement, cancel) = (Arc::from(statement), cancel.child_token());
        let work = Work { statement, context, cancel };
        let result = self.worked(work, limits).instrument(entry.span()).await;
        entry.ended(&result);
        result
    }

    async fn worked(&self, mut work: Work, limits: &Limits) -> Result<Answer, PoolError> {
        let inner = &self.inner;
        let (course, stage) = work.context.course.clone().watched();
        work.context.course = course.clone();
        let _cancel_when_dropped = work.cancel.clone().drop_guard();
        let asked = (&work.statement, &work.context.origin);
        let _place = inner.running.begin(asked, stage, &work.cancel, inner.clock.now());
        let measured = (&inner.tallies, inner.clock);
        let mut timing = Timing::begin(measured, &work.statement, &work.context);
        course.tell(Stage::Waiting);
        let began = inner.clock.now();
        let loan = tokio::select! {
            loan = self.borrow() => loan,
            () = work.cancel.cancelled() => Err(WarehouseError::Cancelled.into()),
        };
        course.spent(Part::Wait, inner.clock.now().since(began));
        let loan = loan?;
        timing.running();
        course.tell(Stage::Running { query_id: None });
        let ended = Execution::begin(loan, inner.clock, work, *limits).await;
        // Of one that runs on, its session tells the end.
        if !matches!(ended, Some(Err(WarehouseError::Left { .. }))) {
            course.tell(Stage::Ended);
        }
        match ended {
            Some(result) => {
                timing.ended(&result);
                match &result {
                    Ok(_) => inner.contact.answered(),
                    Err(error) => inner.contact.failed(error),
                }
                Ok(result?)
            }
            None => Err(PoolError::Closed),
        }
    }

    /// The statements on their way.
    #[must_use]
    pub fn running(&self) -> &Running {
        &self.inner.running
    }

    /// How the last contact with the warehouse went.
    #[must_use]
    pub fn contact(&self) -> Known {
        self.inner.contact.known()
    }

    /// Whether sessions are opened.
    #[must_use]
    pub fn circuit(&self) -> &Circuit {
        &self.inner.circuit
    }

    /// Lets sessions be opened at once, whatever went wrong before; credentials that were refused
    /// are tried once more.
    pub fn forgive(&self) {
        self.inner.warehouse.forgive();
        self.inner.circuit.reset();
    }

    /// The pool at this moment.
    #[must_use]
    pub fn vitals(&self) -> PoolVitals {
        let state = self.inner.sessions.state();
        let openings = *self.inner.openings.borrow();
        PoolVitals {
            max: self.inner.settings.max,
            total: state.connections,
            idle: state.idle_connections,
            waiting: u32::try_from(self.inner.waiting.load(Ordering::Relaxed)).unwrap_or(u32::MAX),
            timeouts_total: self.inner.timeouts.load(Ordering::Relaxed),
            opened_total: openings.opened,
            open_failures_total: openings.failed,
            logins: self.inner.circuit.logins(),
            peak: self.inner.peak.load(Ordering::Relaxed),
            circuit: self.inner.circuit.position(self.inner.clock.now()),
        }
    }

    /// What was counted of its statements, and of the waits for its sessions.
    #[must_use]
    pub fn tallies(&self) -> &Tallies {
        &self.inner.tallies
    }

    /// Replaces every session, without a call that fails: idle ones are closed now, busy ones when
    /// what runs in them has ended, and new ones are opened when they are needed.
    pub fn reset(&self) {
        care::replace_all(&self.inner);
    }

    /// The same, and waits until the sessions of before are gone and the smallest number of new
    /// ones is open; tells how many are gone, and how many still had a statement at the limit.
    pub async fn reset_within(&self, limit: Duration) -> (u64, u64) {
        care::replaced_within(self, &self.inner, limit).await
    }

    /// Waits for what runs, then says goodbye in every session; gives up after `limit`.
    pub async fn close(&self, limit: Duration) {
        self.inner.circuit.shut();
        self.inner.clock.within(limit, self.close_all()).await;
        self.inner.permits.close();
    }

    async fn close_all(&self) {
        let Ok(_all) = self.inner.permits.acquire_many(self.inner.settings.max).await else {
            return;
        };
        while self.inner.alive.total() > 0 {
            match self.inner.sessions.try_get() {
                Some(mut kept) => {
                    if let Some(session) = kept.session.take() {
                        session.close().await;
                    }
                }
                // The last ones are on their way into the pool, or saying goodbye elsewhere.
                None => self.inner.clock.until(self.inner.clock.now() + CLOSING_SLICE).await,
            }
        }
    }

    async fn borrow(&self) -> Result<Loan, PoolError> {
        let inner = &self.inner;
        let started = inner.clock.now();
        let permit = {
            let _waiting = Waiting::begin(&inner.waiting);
            let permit = Arc::clone(&inner.permits).acquire_owned();
            inner.clock.within(inner.settings.acquire_timeout, permit).await
        };
        let permit = permit.ok_or_else(|| self.exhausted())?.map_err(|_| PoolError::Closed)?;
        let free = u32::try_from(inner.permits.available_permits()).unwrap_or(u32::MAX);
        inner.peak.fetch_max(inner.settings.max.saturating_sub(free), Ordering::Relaxed);
        if let Some(session) = inner.sessions.try_get() {
            return Ok(Loan { session, _permit: permit });
        }
        let session = self.opened(started + inner.settings.acquire_timeout).await?;
        Ok(Loan { session, _permit: permit })
    }

    /// A session that has to be opened first.
    ///
    /// r2d2 begins to open another one whenever it is asked to wait, so it is asked seldom, and
    /// what came meanwhile is looked for: a slow login is no reason for more of them.
    async fn opened(&self, until: Moment) -> Result<Borrowed, PoolError> {
        let inner = &self.inner;
        let mut openings = inner.openings.clone();
        openings.mark_unchanged();
        let mut ask_at = inner.clock.now();
        loop {
            if let Some(session) = inner.sessions.try_get() {
                return Ok(session);
            }
            let now = inner.clock.now();
            if let Some(why) = inner.circuit.refusal(now) {
                return Err(why.into());
            }
            if now >= until {
                return Err(self.exhausted());
            }
            if now >= ask_at {
                ask_at = now + OPENING_ASKED_EVERY;
                let sessions = inner.sessions.clone();
                let asked = move || sessions.get_timeout(Duration::ZERO).ok();
                let asked = tokio::task::spawn_blocking(asked).await;
                if let Some(session) = asked.map_err(|_| PoolError::Closed)? {
                    return Ok(session);
                }
            }
            tokio::select! {
                _ = openings.changed() => {}
                () = inner.clock.until(until.min(now + OPENING_SLICE)) => {}
            }
        }
    }

    fn exhausted(&self) -> PoolError {
        self.inner.timeouts.fetch_add(1, Ordering::Relaxed);
        self.inner.contact.exhausted(self.inner.clock.now());
        let settings = &self.inner.settings;
        PoolError::Exhausted { waited: settings.acquire_timeout, max: settings.max }
    }
}

/// Counts a caller that waits, until it is dropped.
struct Waiting<'a>(&'a AtomicU64);

impl Waiting<'_> {
    fn begin(count: &AtomicU64) -> Waiting<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Waiting(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
