//! A tool's call, which is counted and timed however it ends, also when it is dropped: in the
//! metrics, and as a line of `performance.log`.

use std::sync::Arc;

use mcp_protocol::measure::TraceId;
use mcp_protocol::message::CallOutcome;

use super::tools::{Reply, ToolError};
use crate::access::Caller;
use crate::clock::{Clock, Moment};
use crate::metrics::{Called, Ending, Metrics};
use crate::warehouse::Origin;
use crate::warehouse::course::{Part, Spent};
use crate::warehouse::journal::milliseconds;

/// A call under way.
pub(super) struct Call<'a> {
    metrics: &'a Metrics,
    clock: Clock,
    tool: &'static str,
    caller: &'a Caller,
    trace: Option<TraceId>,
    spent: Arc<Spent>,
    started: Moment,
    outcome: CallOutcome,
    ending: Ending,
}

impl<'a> Call<'a> {
    /// Begins to count; until it is said otherwise, nobody wants the answer any more.
    pub(super) fn begin(
        (metrics, clock): (&'a Metrics, Clock),
        (tool, caller): (&'static str, &'a Caller),
        origin: &Origin,
    ) -> Call<'a> {
        let (outcome, ending) = (CallOutcome::Cancelled, Ending::CANCELLED);
        let trace = origin.traceparent.as_deref().and_then(TraceId::of_traceparent);
        let started = clock.now();
        let spent = Arc::default();
        Call { metrics, clock, tool, caller, trace, spent, started, outcome, ending }
    }

    /// Where its statements tell what they took.
    pub(super) fn spent(&self) -> Arc<Spent> {
        Arc::clone(&self.spent)
    }

    /// It came to its end.
    pub(super) fn ended(&mut self, result: &Result<Reply, ToolError>) {
        (self.outcome, self.ending) = match result {
            // One whose statement runs on has done what it was for.
            Ok(_) | Err(ToolError::Left { .. }) => (CallOutcome::Ok, Ending::ANSWERED),
            Err(error) if error.is_cancelled() => (CallOutcome::Cancelled, Ending::CANCELLED),
            Err(error) => (CallOutcome::Error, error.ending()),
        };
    }

    /// There is no such tool.
    pub(super) fn unknown(mut self) {
        self.outcome = CallOutcome::Error;
        self.ending = Ending::wrong("unknown_tool", "404");
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let Call { tool, outcome, ending, trace, .. } = *self;
        let took = self.clock.now().since(self.started);
        let client = self.caller.name.as_deref();
        self.metrics.tool_called(Called { tool, client, outcome, ending, took, trace });
        let parts = [Part::Wait, Part::Statement, Part::Fetch];
        let [wait, statement, fetch] = parts.map(|part| self.spent.on(part));
        // What is left is ours: to judge, to lay out, to write.
        let rest = took.saturating_sub(wait + statement + fetch);
        tracing::info!(
            target: "performance",
            outcome = outcome.name(),
            wait_ms = milliseconds(wait),
            query_duration_ms = milliseconds(statement),
            fetch_ms = milliseconds(fetch),
            render_ms = milliseconds(rest),
            total_ms = milliseconds(took),
            "tool_call"
        );
        tracing::Span::current().record("outcome", outcome.name());
    }
}
