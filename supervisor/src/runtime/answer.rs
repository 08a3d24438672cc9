//! The last answer to an operator: at once where that is possible, else from a task that waits
//! for the disk. The loop itself waits for neither.

use std::time::Duration;

use mcp_protocol::control::{FailureCause, Response, Status};
use tokio::sync::mpsc;

use crate::machine::{AppName, Outcome, RequestId};
use crate::runtime::clock::{in_time, since_epoch};
use crate::runtime::hands::Hands;
use crate::runtime::last_output::LastOutput;

/// How long the disk may take to remember what was done.
const KEEPING_TIME: Duration = Duration::from_secs(5);

/// An operator who waits for an answer.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) answers: mpsc::Sender<Response>,
    /// When they asked, since 1970.
    asked_at: Duration,
    /// How often something had been remembered by then.
    kept: u64,
}

impl Hands {
    /// Remembers who awaits the answer to a wish.
    pub(crate) fn await_answer(&mut self, request: RequestId, answers: mpsc::Sender<Response>) {
        let waiter = Waiter { answers, asked_at: since_epoch(), kept: self.memory.number() };
        self.waiting.insert(request, waiter);
    }

    /// Answers an operator, if one waits under this number.
    ///
    /// Returns the channel, which closes once the answer is on its way.
    pub(crate) fn answer(
        &mut self,
        request: RequestId,
        outcome: Outcome,
        status: Status,
    ) -> Option<mpsc::Sender<Response>> {
        let Waiter { answers, asked_at, kept } = self.waiting.remove(&request)?;
        let (late, changed) = (answers.clone(), self.memory.number() > kept);
        // An operator who does not read cannot hold us up: a full queue means no answer.
        match outcome {
            Outcome::Done if changed => {
                let kept = self.memory.kept();
                tokio::spawn(async move {
                    let kept = tokio::time::timeout_at(in_time(KEEPING_TIME), kept).await;
                    let kept = kept.unwrap_or_else(|_| Err("the disk is slow".to_owned()));
                    let _ = late.try_send(match kept {
                        Ok(()) => Response::Done(Box::new(status)),
                        Err(why) => failed(
                            format!(
                                "it was done, but it is not sure to hold after a restart of the \
                                 supervisor: {why}"
                            ),
                            Vec::new(),
                        ),
                    });
                });
            }
            Outcome::Done => {
                let _ = late.try_send(Response::Done(Box::new(status)));
            }
            Outcome::Failed { why, slot: Some(slot) } => {
                let last = self.last_output(&slot.app);
                tokio::spawn(async move {
                    let _ = late.try_send(failed(why, last.since(asked_at).await));
                });
            }
            Outcome::Failed { why, slot: None } => {
                let _ = late.try_send(failed(why, Vec::new()));
            }
        }
        Some(answers)
    }

    /// What the programs of an app wrote last.
    pub(crate) fn last_output(&self, app: &AppName) -> LastOutput {
        LastOutput::of(app, &self.config.supervisor.log_directory, self.outputs.flush())
    }

    /// The line for a roll that stopped, with the last words of the program that is to blame.
    pub(crate) fn log_stopped_roll(&self, app: AppName, why: String) {
        let patience = self.config.apps.get(&app).map(|app| app.goal.start_timeout);
        let since = since_epoch().saturating_sub(patience.unwrap_or_default());
        let last = self.last_output(&app);
        tokio::spawn(async move {
            let last_output = last.since(since).await.join(" | ");
            tracing::error!(%app, why, last_output, "roll stopped, nobody else is replaced");
        });
    }
}

/// The answer to a wish that could not be carried out.
pub(crate) fn failed(reason: String, last_output: Vec<String>) -> Response {
    Response::Failed { reason, cause: FailureCause::Operation, last_output }
}
