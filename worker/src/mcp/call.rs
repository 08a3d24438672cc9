//! A tool's call, which is counted however it ends, also when it is dropped.

use mcp_protocol::measure::TraceId;
use mcp_protocol::message::CallOutcome;

use super::tools::{Reply, ToolError};
use crate::access::Caller;
use crate::clock::{Clock, Moment};
use crate::metrics::{Called, Ending, Metrics};
use crate::warehouse::Origin;

/// A call under way.
pub(super) struct Call<'a> {
    metrics: &'a Metrics,
    clock: Clock,
    tool: &'static str,
    caller: &'a Caller,
    trace: Option<TraceId>,
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
        Call { metrics, clock, tool, caller, trace, started, outcome, ending }
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
        tracing::debug!(tool, ?outcome, ?took, "tool call");
    }
}
