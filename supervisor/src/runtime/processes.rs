//! The children: who they are, how they are told to leave, and how they are reaped.
//!
//! Killing and reaping happen in the loop's task alone. Until we reap it, a dead child's id and
//! its group's cannot be given to anyone else, so a signal can never hit a stranger.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use mcp_protocol::message::{ToWorker, Vitals};
use mcp_protocol::settings::Settings;
use nix::sys::signal::{Signal as UnixSignal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::machine::{Exit, RunId, SlotId};
use crate::runtime::news::News;
use crate::runtime::readiness::Health;
use crate::runtime::spawn::{Spawned, exec_failure, watchable};

/// One child.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) slot: SlotId,
    /// Where it serves.
    pub(crate) listen: Option<SocketAddr>,
    /// What it is handed when it connects; `None` for a program that is not our worker.
    pub(crate) settings: Option<Box<Settings>>,
    /// The signal that asks it to leave when there is no link.
    pub(crate) stop_signal: UnixSignal,
    /// The way to it, while it is connected.
    pub(crate) link: Option<mpsc::Sender<ToWorker>>,
    /// What it counted so far.
    pub(crate) vitals: Vitals,
    /// How it is found to be ready and well.
    pub(crate) health: Health,
    /// It never became the program; its end is no news.
    pub(crate) exec_failed: bool,
    pidfd: Arc<AsyncFd<std::os::fd::OwnedFd>>,
}

/// All children, by run.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    by_run: BTreeMap<RunId, Process>,
}

/// What is known of a child before it is born.
#[derive(Debug)]
pub(crate) struct Birth {
    pub(crate) run: RunId,
    pub(crate) slot: SlotId,
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) settings: Option<Box<Settings>>,
    pub(crate) stop_signal: UnixSignal,
    pub(crate) health: Health,
    pub(crate) program: CString,
    pub(crate) working_directory: CString,
}

impl Processes {
    /// Takes a new child in and watches for its end.
    pub(crate) fn adopt_newborn(
        &mut self,
        birth: Birth,
        spawned: Spawned,
        inbox: &mpsc::Sender<News>,
    ) -> io::Result<()> {
        let pidfd = Arc::new(watchable(spawned.pidfd)?);
        let report = pipe::Receiver::from_owned_fd(spawned.report)?;
        tokio::spawn(watch(
            birth.run,
            report,
            Arc::clone(&pidfd),
            inbox.clone(),
            (birth.program, birth.working_directory),
        ));
        let process = Process {
            pid: spawned.pid,
            slot: birth.slot,
            listen: birth.listen,
            settings: birth.settings,
            stop_signal: birth.stop_signal,
            link: None,
            vitals: Vitals::default(),
            health: birth.health,
            exec_failed: false,
            pidfd,
        };
        self.by_run.insert(birth.run, process);
        Ok(())
    }

    pub(crate) fn get(&self, run: RunId) -> Option<&Process> {
        self.by_run.get(&run)
    }

    pub(crate) fn get_mut(&mut self, run: RunId) -> Option<&mut Process> {
        self.by_run.get_mut(&run)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RunId, &Process)> {
        self.by_run.iter().map(|(run, process)| (*run, process))
    }

    /// Reaps a child that ended. Whoever is left of its process group goes with it.
    pub(crate) fn reap(&mut self, run: RunId) -> Option<(Process, Exit)> {
        let process = self.by_run.get(&run)?;
        // The child is a zombie still, so its group's id is its own.
        let _ = killpg(process.pid, UnixSignal::SIGKILL);
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        let exit = match waitid(Id::PIDFd(process.pidfd.get_ref().as_fd()), flags) {
            Ok(WaitStatus::Exited(_, code)) => Exit::Code(code),
            Ok(WaitStatus::Signaled(_, signal, _)) => Exit::Signal(signal as i32),
            Ok(WaitStatus::StillAlive) => return None,
            // It was reaped behind our back, which nobody else may do: count it as a failure.
            Ok(_) | Err(_) => Exit::Code(-1),
        };
        let process = self.by_run.remove(&run)?;
        Some((process, exit))
    }
}

impl Process {
    /// Asks it to finish and leave: over its link, or by its stop signal to its whole group.
    pub(crate) fn ask_to_leave(&self, grace: std::time::Duration) {
        let told =
            self.link.as_ref().is_some_and(|link| link.try_send(ToWorker::Drain { grace }).is_ok());
        if !told {
            let _ = killpg(self.pid, self.stop_signal);
        }
    }

    /// SIGKILL for it and its group.
    pub(crate) fn kill(&self) {
        let _ = killpg(self.pid, UnixSignal::SIGKILL);
    }

    /// Any signal, for the process alone.
    pub(crate) fn signal(&self, number: i32) {
        if let Ok(signal) = UnixSignal::try_from(number) {
            // It is ours and not reaped yet, so the id is its own.
            let _ = nix::sys::signal::kill(self.pid, signal);
        }
    }

    /// Resident memory in bytes.
    pub(crate) fn rss_bytes(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.pid)).ok()?;
        let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()??;
        Some(pages * u64::try_from(page).ok()?)
    }
}

/// Tells first whether the program began, then when it ended.
async fn watch(
    run: RunId,
    mut report: pipe::Receiver,
    pidfd: Arc<AsyncFd<std::os::fd::OwnedFd>>,
    inbox: mpsc::Sender<News>,
    (program, directory): (CString, CString),
) {
    let mut bytes = Vec::new();
    let _ = report.read_to_end(&mut bytes).await;
    drop(report);
    let failure = exec_failure(&bytes, &program.to_string_lossy(), &directory.to_string_lossy());
    if let Some(why) = failure {
        let _ = inbox.send(News::ExecFailed { run, why }).await;
    }
    let _ = pidfd.readable().await;
    let _ = inbox.send(News::Ended { run }).await;
}
