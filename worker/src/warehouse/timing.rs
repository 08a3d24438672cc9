//! How long a statement waits for a session and runs in it, and what it gives.
//!
//! It is counted however it ends, also when nobody waits for it any more. The pool counts without
//! knowing which connection it is of; whoever tells the supervisor adds that.

use mcp_protocol::measure::{Measure, TraceId};

use super::{Answer, Context, WarehouseError};
use crate::clock::{Clock, Moment};
use crate::sql::verb;
use crate::tallies::Tallies;

/// One statement, from the wait for a session to its end.
pub(super) struct Timing<'a> {
    tallies: &'a Tallies,
    clock: Clock,
    kind: &'static str,
    trace: Option<TraceId>,
    step: Step,
    since: Moment,
    outcome: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Waiting,
    Running,
}

impl<'a> Timing<'a> {
    /// It begins to wait.
    pub(super) fn begin(
        (tallies, clock): (&'a Tallies, Clock),
        statement: &str,
        context: &Context,
    ) -> Timing<'a> {
        let kind = if context.post.is_some() { "service" } else { verb(statement) };
        let traceparent = context.origin.traceparent.as_deref();
        let trace = traceparent.and_then(TraceId::of_traceparent);
        let (step, since, outcome) = (Step::Waiting, clock.now(), "cancelled");
        Timing { tallies, clock, kind, trace, step, since, outcome }
    }

    /// A session has it.
    pub(super) fn running(&mut self) {
        self.step_is_over();
        self.step = Step::Running;
        self.since = self.clock.now();
    }

    /// It ended.
    pub(super) fn ended(&mut self, result: &Result<Answer, WarehouseError>) {
        self.outcome = match result {
            Ok(answer) => {
                self.tallies.count(Measure::StatementRows, &[], answer.rows.len() as u64);
                self.tallies.count(Measure::StatementBytes, &[], answer.bytes as u64);
                "ok"
            }
            Err(WarehouseError::Cancelled) => "cancelled",
            Err(WarehouseError::Left { .. }) => "left",
            Err(WarehouseError::TimedOut { .. }) => "timeout",
            Err(
                WarehouseError::Statement { .. }
                | WarehouseError::Service { .. }
                | WarehouseError::Unsupported { .. }
                | WarehouseError::Connect { .. }
                | WarehouseError::Refused { .. }
                | WarehouseError::LoggedOut { .. }
                | WarehouseError::Settings { .. }
                | WarehouseError::Interrupted { .. },
            ) => "error",
        };
    }

    fn step_is_over(&self) {
        let took = self.clock.now().since(self.since).as_secs_f64();
        match self.step {
            Step::Waiting => {
                self.tallies.size(Measure::AcquireSeconds, &[], took, self.trace);
            }
            Step::Running => {
                self.tallies.count(Measure::Statements, &[self.kind, self.outcome], 1);
                self.tallies.size(Measure::StatementSeconds, &[self.kind], took, self.trace);
            }
        }
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.step_is_over();
    }
}
