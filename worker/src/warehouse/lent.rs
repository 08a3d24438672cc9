//! A session on loan, and the one statement that runs in it.
//!
//! It runs to its end also when nobody waits for it any more. One that does not end when it is told
//! to takes its session with it: nobody else may ever meet what it left there.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::course::Part;
use super::opener::{Borrowed, Standing};
use super::{Answer, Context, Limits, Session, WarehouseError};
use crate::clock::Clock;

/// How long a cancelled or overdue statement may take to end before its session is retired.
const CANCEL_PATIENCE: Duration = Duration::from_secs(5);

/// A session on loan. The session goes back before the permit does.
pub(super) struct Loan {
    pub(super) session: Borrowed,
    pub(super) _permit: OwnedSemaphorePermit,
}

/// One statement on its way through a session.
pub(super) struct Work {
    pub(super) statement: Arc<str>,
    pub(super) context: Context,
    pub(super) cancel: CancellationToken,
}

/// A statement that runs where it is waited for, and to its end: what is left of it when nobody
/// waits any more becomes a task.
pub(super) struct Execution(Option<Pin<Box<dyn Future<Output = Ran> + Send>>>);

/// What a run came to; nothing when it panicked.
type Ran = Option<Result<Answer, WarehouseError>>;

impl Execution {
    pub(super) fn begin(loan: Loan, clock: Clock, work: Work, limits: Limits) -> Execution {
        // Its panic is this statement's alone.
        let run = AssertUnwindSafe(run(loan, clock, work, limits)).catch_unwind();
        Execution(Some(Box::pin(run.map(Result::ok).in_current_span())))
    }
}

impl Future for Execution {
    type Output = Ran;

    fn poll(mut self: Pin<&mut Execution>, context: &mut task::Context<'_>) -> Poll<Ran> {
        let Some(run) = &mut self.0 else { return Poll::Ready(None) };
        let ran = task::ready!(run.as_mut().poll(context));
        self.0 = None;
        Poll::Ready(ran)
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        if let (Some(run), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(run);
        }
    }
}

async fn run(
    mut loan: Loan,
    clock: Clock,
    work: Work,
    limits: Limits,
) -> Result<Answer, WarehouseError> {
    let kept = &mut *loan.session;
    let Some(session) = kept.session.as_mut() else { return Err(WarehouseError::Cancelled) };
    kept.standing = Standing::Busy;
    let (began, course) = (clock.now(), work.context.course.clone());
    let result = tokio::select! {
        result = asked(session.as_mut(), &work, &limits) => {
            kept.standing = Standing::Clean;
            kept.used_at = clock.now();
            result
        }
        error = given_up(clock, &work.cancel, limits.timeout) => Err(error),
    };
    let took = clock.now().since(began);
    course.spent(Part::Statement, took.saturating_sub(course.time(Part::Fetch)));
    result
}

async fn asked(
    session: &mut dyn Session,
    Work { statement, context, cancel }: &Work,
    limits: &Limits,
) -> Result<Answer, WarehouseError> {
    match &context.post {
        None => session.query(statement, context, limits, cancel).await,
        Some(post) => session.post(post, context, limits, cancel).await.map(Answer::of_service),
    }
}

/// Returns when a statement that should have ended, was given time to, and did not.
async fn given_up(clock: Clock, cancel: &CancellationToken, limit: Duration) -> WarehouseError {
    let overdue_at = clock.now() + limit + CANCEL_PATIENCE;
    let error = tokio::select! {
        () = cancel.cancelled() => WarehouseError::Cancelled,
        () = clock.until(overdue_at) => WarehouseError::TimedOut { after: limit },
    };
    cancel.cancel();
    clock.until(clock.now() + CANCEL_PATIENCE).await;
    tracing::warn!("a statement did not end when it was told to; its session is retired");
    error
}
