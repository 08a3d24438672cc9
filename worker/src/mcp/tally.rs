//! A call of a tool as it is counted and timed, however it ends, also when it is dropped: in the
//! metrics, and as a line of `performance.log`.

use std::sync::Arc;

use mcp_protocol::message::CallOutcome;

use crate::clock::{Clock, Moment};
use crate::metrics::Metrics;
use crate::warehouse::course::{Part, Spent};
use crate::warehouse::journal::milliseconds;

/// A call that goes on.
pub(super) struct Call<'a> {
    metrics: &'a Metrics,
    clock: Clock,
    /// As it is counted.
    label: &'static str,
    /// As it was called.
    tool: &'a str,
    started: Moment,
    spent: Arc<Spent>,
    pub(super) outcome: CallOutcome,
}

impl<'a> Call<'a> {
    /// It begins.
    pub(super) fn begin(
        metrics: &'a Metrics,
        (label, tool): (&'static str, &'a str),
        clock: Clock,
    ) -> Call<'a> {
        let (started, spent) = (clock.now(), Arc::default());
        Call { metrics, clock, label, tool, started, spent, outcome: CallOutcome::Cancelled }
    }

    /// Where its statements tell what they took.
    pub(super) fn spent(&self) -> Arc<Spent> {
        Arc::clone(&self.spent)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let took = self.clock.now().since(self.started);
        self.metrics.tool_called(self.label, self.outcome, took);
        let parts = [Part::Wait, Part::Statement, Part::Fetch];
        let [wait, statement, fetch] = parts.map(|part| self.spent.on(part));
        // What is left is ours: to judge, to lay out, to write.
        let rest = took.saturating_sub(wait + statement + fetch);
        tracing::info!(
            target: "performance",
            tool = self.tool,
            outcome = self.outcome.name(),
            wait_ms = milliseconds(wait),
            query_duration_ms = milliseconds(statement),
            fetch_ms = milliseconds(fetch),
            render_ms = milliseconds(rest),
            total_ms = milliseconds(took),
            "tool_call"
        );
        tracing::Span::current().record("outcome", self.outcome.name());
    }
}
