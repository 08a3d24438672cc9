//! The children: who they are, how they are told to leave, and how they are reaped.
//!
//! Killing by number and reaping happen in the loop's thread alone. Until we reap it, a dead child's
//! id and its group's cannot be given to anyone else, so a signal can never hit a stranger. A
//! child's end is told when everyone whom it started has gone as well.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::message::{ToWorker, Vitals};
use mcp_protocol::settings::Settings;
use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::machine::{Exit, RunId, SlotId};
use crate::runtime::birth_failure::{Named, exec_failure};
use crate::runtime::cgroup::Cgroups;
use crate::runtime::clock::{in_time, pause};
use crate::runtime::news::News;
use crate::runtime::probe::Helpers;
use crate::runtime::proc;
use crate::runtime::readiness::Health;
use crate::runtime::run_lock;
use crate::runtime::spawn::{Spawned, watchable};
use crate::runtime::tree::Tree;
use crate::runtime::vitals::Usage;

/// How long whoever is left may take to die when we end.
const CLOSING_TIME: Duration = Duration::from_secs(1);
const CLOSING_LOOK: Duration = Duration::from_millis(2);

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
    /// What it takes of the machine.
    pub(crate) usage: Usage,
    /// It never became the program; its end is no news.
    pub(crate) exec_failed: bool,
    pidfd: Arc<AsyncFd<std::os::fd::OwnedFd>>,
    tree: Arc<Tree>,
    lock: PathBuf,
}

/// All children, by run.
#[derive(Debug)]
pub(crate) struct Processes {
    by_run: BTreeMap<RunId, Process>,
    pub(crate) cgroups: Cgroups,
    /// Where the locks of runs lie.
    pub(crate) locks: PathBuf,
    /// Commands that ask about runs.
    pub(crate) helpers: Helpers,
    /// Those whose run ended in this turn and that nobody holds, for the slot's next run.
    pub(crate) spare_locks: BTreeMap<SlotId, PathBuf>,
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
    pub(crate) named: Named,
    pub(crate) tree: Tree,
    pub(crate) lock: PathBuf,
}

impl Processes {
    /// No child yet; orphans of those to come will be ours to reap.
    pub(crate) fn new(cgroups: Cgroups, locks: PathBuf) -> io::Result<Processes> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let (by_run, spare_locks) = (BTreeMap::new(), BTreeMap::new());
        Ok(Processes { by_run, cgroups, locks, spare_locks, helpers: Helpers::default() })
    }

    /// Takes a new child in and watches for its end.
    pub(crate) fn adopt_newborn(
        &mut self,
        birth: Birth,
        spawned: Spawned,
        inbox: &mpsc::Sender<News>,
    ) -> io::Result<()> {
        let tree = Arc::new(birth.tree);
        let watched = watchable(spawned.pidfd).and_then(|pidfd| {
            Ok((Arc::new(pidfd), pipe::Receiver::from_owned_fd(spawned.report)?))
        });
        let (pidfd, report) = match watched {
            Ok(watched) => watched,
            Err(error) => {
                // Whom nobody watches may not run: it would be started a second time.
                tree.kill();
                tree.cgroup().into_iter().for_each(|cgroup| self.cgroups.retire(cgroup.clone()));
                return Err(error);
            }
        };
        let watched = Watched {
            run: birth.run,
            pidfd: Arc::clone(&pidfd),
            tree: Arc::clone(&tree),
            named: birth.named,
        };
        tokio::spawn(watched.watch(report, inbox.clone()));
        let process = Process {
            pid: spawned.pid,
            slot: birth.slot,
            listen: birth.listen,
            settings: birth.settings,
            stop_signal: birth.stop_signal,
            link: None,
            vitals: Vitals::default(),
            health: birth.health,
            usage: Usage::default(),
            exec_failed: false,
            pidfd,
            tree,
            lock: birth.lock,
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

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.by_run.values_mut()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (RunId, &Process)> {
        self.by_run.iter().map(|(run, process)| (*run, process))
    }

    /// Removes what runs left that ended in this turn and that no new run took.
    pub(crate) fn put_away(&mut self) {
        for lock in std::mem::take(&mut self.spare_locks).into_values() {
            run_lock::remove(&lock);
        }
        self.cgroups.sweep();
    }

    /// Reaps a child that ended; what it had is left for its successor, or for `put_away`.
    pub(crate) fn reap(&mut self, run: RunId) -> Option<(Process, Exit)> {
        let process = self.by_run.get(&run)?;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        let exit = match waitid(Id::PIDFd(process.pidfd.get_ref().as_fd()), flags) {
            Ok(WaitStatus::StillAlive) => return None,
            // It was reaped behind our back, which nobody else may do: count it as a failure.
            waited => waited.ok().and_then(exit_of).unwrap_or(Exit::Code(-1)),
        };
        let process = self.by_run.remove(&run)?;
        if let Some(other) = self.spare_locks.insert(process.slot.clone(), process.lock.clone()) {
            run_lock::remove(&other);
        }
        if let Some(cgroup) = process.tree.cgroup() {
            self.cgroups.retire(cgroup.clone());
        }
        self.reap_strangers();
        Some((process, exit))
    }

    /// Reaps orphans: they became our children when their parents died.
    ///
    /// Our own children are looked at, never taken: `reap` wants their exit. One of them hides
    /// those behind it until then; a program that is neither a run nor a helper would lose its
    /// exit status here.
    pub(crate) fn reap_strangers(&mut self) {
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
        while let Ok(status) = waitid(Id::All, ended | WaitPidFlag::WNOWAIT) {
            let Some(pid) = status.pid() else { return };
            let ours = self.by_run.values().any(|process| process.pid == pid);
            if ours || self.helpers.has(pid) {
                return;
            }
            let _ = waitid(Id::Pid(pid), ended);
        }
    }

    /// Nothing is wanted any more: whoever is still there of anyone's tree is killed.
    pub(crate) async fn close(mut self) {
        let deadline = in_time(CLOSING_TIME);
        let own = std::process::id().cast_signed();
        loop {
            self.reap_strangers();
            let everyone = proc::everyone();
            let children: Vec<i32> = everyone
                .values()
                .filter(|stat| stat.parent == own && !stat.ended)
                .map(|stat| stat.known.pid)
                .collect();
            if children.is_empty() || in_time(Duration::ZERO) > deadline {
                break;
            }
            for child in children {
                let _ = kill(Pid::from_raw(child), UnixSignal::SIGKILL);
            }
            pause(CLOSING_LOOK).await;
        }
        self.cgroups.close().await;
        run_lock::all_in(&self.locks).iter().for_each(|lock| run_lock::remove(lock));
        // Fails while somebody holds a lock, which a later supervisor has to see.
        let _ = std::fs::remove_dir(&self.locks);
    }
}

impl Process {
    /// Asks it to finish and leave: over its link, or by its stop signal to its whole group.
    pub(crate) fn ask_to_leave(&self, grace: std::time::Duration) {
        let told =
            self.link.as_ref().is_some_and(|link| link.try_send(ToWorker::Drain { grace }).is_ok());
        if !told {
            self.tree.ask(self.stop_signal);
        }
    }

    /// SIGKILL for it and everyone whom it started.
    pub(crate) fn kill(&self) {
        self.tree.kill();
    }

    /// Any signal, for the process alone.
    pub(crate) fn signal(&self, number: i32) {
        if let Ok(signal) = UnixSignal::try_from(number) {
            // It is ours and not reaped yet, so the id is its own.
            let _ = nix::sys::signal::kill(self.pid, signal);
        }
    }
}

/// How a process ended, when it did.
pub(crate) fn exit_of(waited: WaitStatus) -> Option<Exit> {
    match waited {
        WaitStatus::Exited(_, code) => Some(Exit::Code(code)),
        WaitStatus::Signaled(_, signal, _) => Some(Exit::Signal(signal as i32)),
        _ => None,
    }
}

/// What it takes to follow a child from its birth to its end.
struct Watched {
    run: RunId,
    pidfd: Arc<AsyncFd<std::os::fd::OwnedFd>>,
    tree: Arc<Tree>,
    named: Named,
}

impl Watched {
    /// Tells first whether the program began, then when it ended and nobody of its tree is left.
    async fn watch(self, mut report: pipe::Receiver, inbox: mpsc::Sender<News>) {
        let run = self.run;
        let mut bytes = Vec::new();
        let _ = report.read_to_end(&mut bytes).await;
        drop(report);
        if let Some(why) = exec_failure(&bytes, &self.named) {
            let _ = inbox.send(News::ExecFailed { run, why }).await;
        }
        let _ = self.pidfd.readable().await;
        self.tree.clear().await;
        let _ = inbox.send(News::Ended { run }).await;
    }
}
