//! The last answer to an operator: at once where that is possible, else from a task that waits
//! for the disk. The loop itself waits for neither.

use std::time::Duration;

use mcp_protocol::control::{FailureCause, Response, Status};
use tokio::sync::mpsc;

use crate::machine::{AppName, Command, Outcome, RequestId, Scope};
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
    /// The command that takes back what this one leaves changed, should it fail.
    way_back: Option<String>,
}

impl Hands {
    /// Remembers who awaits the answer to a wish.
    pub(crate) fn await_answer(
        &mut self,
        request: RequestId,
        command: &Command,
        answers: mpsc::Sender<Response>,
    ) {
        let (asked_at, kept) = (since_epoch(), self.memory.number());
        let waiter = Waiter { answers, asked_at, kept, way_back: way_back(command) };
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
        let Waiter { answers, asked_at, kept, way_back } = self.waiting.remove(&request)?;
        let (late, changed) = (answers.clone(), self.memory.number() > kept);
        let way_back = way_back.filter(|_| changed);
        let outcome = match (outcome, way_back) {
            (Outcome::Failed { why, slot }, Some(way_back)) => {
                let why = format!("{why}; the change is kept (`{way_back}` takes it back)");
                Outcome::Failed { why, slot }
            }
            (outcome, _) => outcome,
        };
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
        let apart = self.config.apps.get(app).filter(|config| !config.output.merge);
        let changed = self.memory.changes.get(app).and_then(|change| change.instances);
        let owners = match apart.map(|config| changed.unwrap_or(config.goal.instances)) {
            Some(slots) => (0..slots).map(|slot| format!("{app}[{slot}]")).collect(),
            None => vec![app.to_string()],
        };
        LastOutput::of(&owners, &self.config.supervisor.log_directory, self.outputs.flush())
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

/// The command that takes back what a command changes for good.
fn way_back(command: &Command) -> Option<String> {
    match command {
        Command::Stop(Scope::All) | Command::Delete(Scope::All) => Some("forget".to_owned()),
        Command::Stop(Scope::App(app))
        | Command::Delete(Scope::App(app))
        | Command::Scale { app, .. } => Some(format!("forget {app}")),
        Command::Stop(Scope::Slot(slot)) | Command::Delete(Scope::Slot(slot)) => {
            Some(format!("forget {slot}"))
        }
        Command::Settle
        | Command::SettleApps(_)
        | Command::Reload(_)
        | Command::Restart(_)
        | Command::Start(_)
        | Command::Reset(_)
        | Command::Forget(_)
        | Command::Signal { .. }
        | Command::Shutdown => None,
    }
}

/// The answer to a wish that could not be carried out.
pub(crate) fn failed(reason: String, last_output: Vec<String>) -> Response {
    Response::Failed { reason, cause: FailureCause::Operation, last_output }
}
