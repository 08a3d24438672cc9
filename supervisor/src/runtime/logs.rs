//! All log files of the house together: reopened, rotated and emptied when they are due or when an
//! operator wants it.
//!
//! The supervisor's own file and those of programs are written by threads of ours, which do it
//! themselves. The workers' files are appended to by workers, who are told to open them anew; what
//! they write to a renamed file until then stays in it, and the keeper leaves it alone so long.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::control::{Response, Status, Target};
use mcp_protocol::logs::Channel;
use mcp_protocol::message::ToWorker;
use tokio::sync::mpsc;
use tokio::sync::oneshot::error::RecvError;

use super::Supervisor;
use super::asked::Refusal;
use super::clock::in_time;
use super::hands::Hands;
use super::logging;
use super::output::Waiting;
use super::rotation::{self, open_plain};
use crate::config::OutputConfig;
use crate::machine::Event;

/// How long the thread for output may take: a disk may hold it.
const PATIENCE: Duration = Duration::from_secs(10);

impl Supervisor {
    /// Begins new files; answered when it is done.
    pub(super) fn rotate_logs(
        &mut self,
        target: Option<Target>,
        answers: mpsc::Sender<Response>,
    ) -> Vec<Event> {
        self.with_logs(target, answers, |hands, target, of_house| {
            let own = if of_house { hands.rotate_own() } else { Ok(()) };
            (own, hands.outputs.rotate(target))
        })
    }

    /// Empties files; answered when it is done.
    pub(super) fn flush_logs(
        &mut self,
        target: Option<Target>,
        answers: mpsc::Sender<Response>,
    ) -> Vec<Event> {
        self.with_logs(target, answers, |hands, target, of_house| {
            let own = if of_house { hands.empty_own() } else { Ok(()) };
            let emptied = hands.outputs.empty(target);
            (own, async { emptied.await.map(|done| done.map(|()| Vec::new())) })
        })
    }

    /// Answers when the thread has done its part, with the files that wait.
    fn with_logs<F>(
        &mut self,
        target: Option<Target>,
        answers: mpsc::Sender<Response>,
        work: impl FnOnce(&mut Hands, Target, bool) -> (io::Result<()>, F),
    ) -> Vec<Event>
    where
        F: Future<Output = Result<io::Result<Vec<Waiting>>, RecvError>> + Send + 'static,
    {
        let target = target.unwrap_or(Target::All);
        if let Some(why) = self.unheard_of(&target).filter(|_| !self.hands.has_logs_of(&target)) {
            let _ = answers.try_send(Refusal::Usage(why).answer());
            return Vec::new();
        }
        let of_house = target == Target::All;
        let (own, rest) = work(&mut self.hands, target, of_house);
        let mut status = self.status();
        tokio::spawn(async move {
            let rest = match tokio::time::timeout_at(in_time(PATIENCE), rest).await {
                Ok(Ok(done)) => done,
                Ok(Err(_)) => Err(io::Error::other("the supervisor is ending")),
                Err(_) => Err(io::Error::other("the disk is slow; it is done when it can be")),
            };
            let _ = answers.try_send(match own.and(rest) {
                Ok(waiting) => {
                    note(&mut status, &waiting);
                    Response::Done(Box::new(status))
                }
                Err(error) => {
                    let words = format!("not all log files could be changed: {error}");
                    Refusal::Operation(words).answer()
                }
            });
        });
        Vec::new()
    }
}

impl Hands {
    /// Every log file is opened anew: somebody renamed them.
    pub(crate) fn reopen_logs(&mut self) {
        self.logging.reopen();
        self.outputs.reopen();
        self.reopen_worker_logs();
    }

    /// Lines and bytes that could not be kept.
    pub(crate) fn dropped_total(&self) -> u64 {
        self.outputs.dropped_bytes() + self.logging.dropped_lines()
    }

    /// Rotates those of the workers' files that are due.
    pub(super) fn rotate_channels_due(&self) {
        let policy = self.channel_policy();
        let is_due = |file: &PathBuf| rotation::is_due(file, policy);
        let due: Vec<PathBuf> = self.channels().filter(is_due).collect();
        if !due.is_empty()
            && let Err(error) = self.rotate_channels(due)
        {
            tracing::warn!(%error, "a log of the workers cannot be rotated; it grows on");
        }
    }

    /// Tells the keeper how much is kept of the workers' files.
    pub(super) fn tidy_channels(&self) {
        let (tidy, policy) = (self.keeper.tidy(), self.channel_policy());
        self.channels().for_each(|file| tidy.series(&file, policy));
    }

    fn rotate_channels(&self, files: Vec<PathBuf>) -> io::Result<()> {
        let policy = self.channel_policy();
        let tidy = self.keeper.tidy();
        let outcomes: Vec<_> = files.iter().map(|file| tidy.rotate(file, policy)).collect();
        // Also when one failed: the others were renamed.
        self.reopen_worker_logs();
        outcomes.into_iter().collect()
    }

    /// How much is kept of the workers' files, which all apps share: as much as each of them wants.
    fn channel_policy(&self) -> OutputConfig {
        let apps = self.config.apps.values().filter(|app| app.settings.is_some());
        apps.map(|app| app.output).reduce(OutputConfig::or_more).unwrap_or_default()
    }

    fn channels(&self) -> impl Iterator<Item = PathBuf> {
        let directory = &self.config.supervisor.log_directory;
        Channel::ALL.into_iter().map(|channel| directory.join(channel.file()))
    }

    /// Rotates the files that are of no app.
    fn rotate_own(&self) -> io::Result<()> {
        self.logging.rotate();
        tracing::info!(target: logging::LANDMARK, "log files are rotated, as an operator asked");
        self.rotate_channels(self.channels().filter(|file| length(file) > 0).collect())
    }

    /// Empties the files that are of no app, but the one that tells who did what.
    fn empty_own(&self) -> io::Result<()> {
        let directory = &self.config.supervisor.log_directory;
        let audit = directory.join(Channel::Audit.file());
        let own = directory.join(logging::FILE_NAME);
        for file in self.channels().filter(|file| *file != audit).chain([own]) {
            if length(&file) > 0 {
                open_plain(OpenOptions::new().write(true), &file)?.set_len(0)?;
            }
        }
        tracing::info!(target: logging::LANDMARK, "log files are emptied, as an operator asked");
        Ok(())
    }

    /// Whether an app that is gone has left log files.
    fn has_logs_of(&self, target: &Target) -> bool {
        let Some(app) = target.app() else { return true };
        let entries = std::fs::read_dir(&self.config.supervisor.log_directory);
        let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| {
            name.to_str().and_then(super::output::app_of_log).is_some_and(|found| found == app)
        })
    }

    fn reopen_worker_logs(&self) {
        for (_, process) in self.processes.iter() {
            if let Some(link) = &process.link {
                let _ = link.try_send(ToWorker::ReopenLogs);
            }
        }
    }
}

/// Files that could not be rotated yet, where `status` shows them as well.
fn note(status: &mut Status, waiting: &[Waiting]) {
    for one in waiting {
        let app = status.apps.iter_mut().find(|app| app.name == one.app.as_str());
        let remarks = app.map(|app| &mut app.remarks);
        let words = one.words();
        if let Some(remarks) = remarks.filter(|remarks| !remarks.contains(&words)) {
            remarks.push(words);
        }
    }
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |about| about.len())
}
