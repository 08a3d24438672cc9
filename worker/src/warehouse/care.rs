//! Looks after sessions that nobody uses: one that ended at the other side is found before a caller
//! meets it.
//!
//! Idle sessions are borrowed like any other, all at once, because the pool lends the one that came
//! back last; a caller that comes meanwhile waits for a moment.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::lent::Loan;
use super::opener::Standing;
use super::pool::{Inner, Pool};
use crate::clock::Clock;

/// How long the answer of one session is waited for.
const CHECK_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait before looking again whether old sessions are gone.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long goodbyes in idle sessions are waited for at least.
const GOODBYES: Duration = Duration::from_millis(500);
/// How long new sessions are waited for, once the old ones are gone.
const OPENED_WITHIN: Duration = Duration::from_secs(3);

/// Checks, every so often, what was not used for so long. Ends with the pool.
pub(super) async fn check_idle_sessions(pool: Weak<Inner>, every: Duration, clock: Clock) {
    loop {
        clock.until(clock.now() + every).await;
        let Some(pool) = pool.upgrade() else { return };
        let idle = borrow_idle(&pool);
        let checks = idle.into_iter().map(|loan| check(&pool, loan, every));
        futures::future::join_all(checks).await;
    }
}

/// All sessions that are neither in use nor about to be.
pub(super) fn borrow_idle(pool: &Arc<Inner>) -> Vec<Loan> {
    let mut loans = Vec::new();
    while let Ok(permit) = Arc::clone(&pool.permits).try_acquire_owned() {
        match pool.sessions.try_get() {
            Some(session) => loans.push(Loan { session, _permit: permit }),
            None => break,
        }
    }
    loans
}

/// Has every session of now replaced; their generation's successor.
pub(super) fn replace_all(pool: &Arc<Inner>) -> u64 {
    let generation = pool.generation.fetch_add(1, Ordering::SeqCst) + 1;
    drop(borrow_idle(pool));
    generation
}

/// The same, and waits; see [`Pool::reset_within`].
pub(super) async fn replaced_within(
    pool: &Pool,
    inner: &Arc<Inner>,
    limit: Duration,
) -> (u64, u64) {
    let clock = inner.clock;
    let before = inner.alive.total();
    let generation = replace_all(inner);
    let old = || inner.alive.before(generation);
    let until = |limit| clock.now() + limit;
    let gone_by = until(limit.max(GOODBYES));
    while old() > 0 && clock.now() < gone_by {
        clock.until(until(LOOK_EVERY)).await;
    }
    let opened_by = until(OPENED_WITHIN);
    let wanted = inner.settings.min.min(inner.settings.max);
    while pool.vitals().total < wanted
        && pool.circuit().trouble().is_none()
        && clock.now() < opened_by
    {
        clock.until(until(LOOK_EVERY)).await;
    }
    let left = old();
    (before.saturating_sub(left), left)
}

async fn check(pool: &Inner, mut loan: Loan, every: Duration) {
    let clock = pool.clock;
    let kept = &mut *loan.session;
    if clock.now().since(kept.used_at) < every {
        return;
    }
    let Some(session) = kept.session.as_mut() else { return };
    kept.standing = Standing::Busy;
    if clock.within(CHECK_LIMIT, session.check()).await.is_some() {
        kept.standing = Standing::Clean;
        if !session.is_broken() {
            pool.contact.answered();
        }
    }
}
