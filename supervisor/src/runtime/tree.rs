//! Everyone whom a run started, however far they went: asked, killed and waited for as one.
//!
//! With a cgroup the kernel knows them. Without one they are found by walking: descendants by
//! parent, the process group, and orphans, who come to us because we are their subreaper, by the
//! lock that they hold or the run that stands in their environment. The walk sees everyone who
//! does not hide from all of that at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use mcp_protocol::env;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::oneshot;

use crate::machine::RunId;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::clock::{in_time, pause};
use crate::runtime::proc::{self, Known};
use crate::runtime::spawn::LOCK_FD;

/// How long those whom a dead program left may take to die before its death is told anyway.
const CLEARING_TIME: Duration = Duration::from_secs(1);
const CLEARING_LOOK: Duration = Duration::from_millis(1);

/// The tree of one run. Its first process is our child, and is not reaped while this is used.
#[derive(Debug)]
pub(crate) struct Tree {
    main: Pid,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Cgroup(Cgroup),
    Walk {
        run: RunId,
        socket: PathBuf,
        lock: PathBuf,
        /// Whom a walk has seen: an orphan may not be recognised later.
        seen: Mutex<BTreeSet<Known>>,
    },
}

impl Tree {
    /// The tree that this process begins, whose members are born in a cgroup.
    pub(crate) fn in_cgroup(main: Pid, cgroup: Cgroup) -> Tree {
        Tree { main, kind: Kind::Cgroup(cgroup) }
    }

    /// The tree that this process begins, without a cgroup; `socket` tells our runs from another
    /// supervisor's.
    pub(crate) fn to_walk(main: Pid, run: RunId, socket: PathBuf, lock: &Path) -> Tree {
        let lock = std::fs::canonicalize(lock).unwrap_or_else(|_| lock.to_owned());
        Tree { main, kind: Kind::Walk { run, socket, lock, seen: Mutex::default() } }
    }

    /// Sends a signal to the process group: who left it is not asked, only killed in the end.
    pub(crate) fn ask(&self, signal: Signal) {
        let _ = killpg(self.main, signal);
    }

    /// SIGKILL for everyone.
    pub(crate) fn kill(&self) {
        match &self.kind {
            Kind::Cgroup(cgroup) => {
                let _ = cgroup.kill();
            }
            Kind::Walk { .. } => {
                self.kill_others();
            }
        }
        // Whoever moved to another cgroup, as containers do, may still be of the group.
        let _ = killpg(self.main, Signal::SIGKILL);
    }

    /// After the death of the first process: kills who is left until nobody is.
    pub(crate) async fn clear(self: Arc<Self>) {
        // The first one is a zombie still, so the group's id is its own.
        let _ = killpg(self.main, Signal::SIGKILL);
        let deadline = in_time(CLEARING_TIME);
        while self.kill_rest().await == Rest::Some {
            if in_time(Duration::ZERO) > deadline {
                tracing::error!(
                    pid = self.main.as_raw(),
                    "somebody whom this program started does not die"
                );
                return;
            }
            pause(CLEARING_LOOK).await;
        }
    }

    /// Its cgroup, if it has one.
    pub(crate) fn cgroup(&self) -> Option<&Cgroup> {
        match &self.kind {
            Kind::Cgroup(cgroup) => Some(cgroup),
            Kind::Walk { .. } => None,
        }
    }

    async fn kill_rest(self: &Arc<Self>) -> Rest {
        match &self.kind {
            Kind::Cgroup(cgroup) => {
                if !cgroup.is_populated() {
                    return Rest::Nobody;
                }
                let _ = cgroup.kill();
                Rest::Some
            }
            Kind::Walk { .. } => self.walk_aside().await,
        }
    }

    /// A walk opens files of every process there is: not in the thread that keeps workers. Nothing
    /// depends on its order there, for the first process is reaped when no walk is left.
    async fn walk_aside(self: &Arc<Self>) -> Rest {
        let (tell, told) = oneshot::channel();
        let tree = Arc::clone(self);
        let walk = move || {
            let _ = tell.send(tree.kill_others());
        };
        match thread::Builder::new().name("walk".to_owned()).spawn(walk) {
            Ok(_) => told.await.unwrap_or(Rest::Some),
            // Whoever has to be killed may have taken every thread there was.
            Err(_) => self.kill_others(),
        }
    }

    /// Kills everyone of the tree but its first process, as far as a walk finds them.
    fn kill_others(&self) -> Rest {
        let Kind::Walk { run, socket, lock, seen } = &self.kind else { return Rest::Nobody };
        let everyone = proc::everyone();
        let (main, own) = (self.main.as_raw(), std::process::id().cast_signed());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Who their parent is may change while we look; who holds the lock does not.
        let orphans = everyone.values().filter(|stat| {
            let pid = stat.known.pid;
            if proc::target_of(pid, LOCK_FD).is_some_and(|target| target == *lock) {
                return true;
            }
            if stat.parent != own {
                return false;
            }
            stat.group == main
                || seen.contains(&stat.known)
                || (proc::variable_of(pid, env::RUN) == Some(run.0.to_string())
                    && proc::variable_of(pid, env::SOCKET).is_some_and(|it| *socket == *it))
        });
        let roots: Vec<i32> = orphans.map(|stat| stat.known.pid).chain([main]).collect();
        let mut rest = Rest::Nobody;
        for pid in proc::with_descendants(&everyone, roots) {
            let stat = everyone.get(&pid).filter(|stat| pid != main && !stat.ended);
            if let Some(stat) = stat {
                seen.insert(stat.known);
                let _ = stat.known.signal(Signal::SIGKILL);
                rest = Rest::Some;
            }
        }
        rest
    }
}

/// Who was found beside the first process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Some,
    Nobody,
}
