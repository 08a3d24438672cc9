//! Looks after sessions that nobody uses: one that ended at the other side is found before a caller
//! meets it.
//!
//! Idle sessions are borrowed like any other, all at once, because the pool lends the one that came
//! back last; a caller that comes meanwhile waits for a moment.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::opener::Standing;
use super::pool::{Inner, Loan};
use crate::clock::Clock;

/// How long the answer of one session is waited for.
const CHECK_LIMIT: Duration = Duration::from_secs(5);

/// Checks, every so often, what was not used for so long. Ends with the pool.
pub(super) async fn check_idle_sessions(pool: Weak<Inner>, every: Duration, clock: Clock) {
    loop {
        clock.until(clock.now() + every).await;
        let Some(pool) = pool.upgrade() else { return };
        let idle = borrow_idle(&pool);
        let checks = idle.into_iter().map(|loan| check(loan, every, clock));
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

async fn check(mut loan: Loan, every: Duration, clock: Clock) {
    let kept = &mut *loan.session;
    if clock.now().since(kept.used_at) < every {
        return;
    }
    let Some(session) = kept.session.as_mut() else { return };
    kept.standing = Standing::Busy;
    if clock.within(CHECK_LIMIT, session.check()).await.is_some() {
        kept.standing = Standing::Clean;
    }
}
