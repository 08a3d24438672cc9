//! From the decision to start a run to a process that is watched: its output, its cgroup, its lock.
//!
//! Everything that a run has is made here before the fork, and put away again when there is no
//! process after all. How a process is made is `spawn`'s business.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use nix::sys::signal::Signal as UnixSignal;
use nix::unistd::{Gid, Uid, fchown};

use crate::config::AppConfig;
use crate::machine::{RunId, SlotId};
use crate::runtime::cgroup::Cgroup;
use crate::runtime::hands::{Hands, c_string};
use crate::runtime::output::Stream;
use crate::runtime::processes::Birth;
use crate::runtime::run_lock::{RunLock, Terms};
use crate::runtime::spawn::{Launch, Named, Spawned, spawn};
use crate::runtime::tree::Tree;

impl Hands {
    /// Starts a process for a run, or says in words why there is none.
    pub(super) fn start(&mut self, run: RunId, slot: SlotId) -> Result<(), String> {
        let app = self
            .config
            .apps
            .get(&slot.app)
            .ok_or_else(|| format!("app `{}` is not in the configuration", slot.app))?
            .clone();
        let program = c_string(app.program.as_os_str().as_bytes())?;
        let working_directory = c_string(app.working_directory.as_os_str().as_bytes())?;
        let named = Named { program, working_directory, process: app.process.clone() };
        let (cgroup, directory) = self.processes.cgroups.make(run).unzip();
        let lock = self.lock(run, &slot, &app, cgroup.as_ref());
        let born =
            lock.and_then(|lock| match self.bear((run, &slot, &app), &named, (&lock, directory)) {
                Ok(spawned) => Ok((lock.hand_over(spawned.pid.as_raw()), spawned)),
                Err(why) => {
                    lock.discard();
                    Err(why)
                }
            });
        let (lock, spawned) = match born {
            Ok(born) => born,
            Err(why) => {
                cgroup.into_iter().for_each(|cgroup| self.processes.cgroups.retire(cgroup));
                return Err(why);
            }
        };
        let tree = match cgroup {
            Some(cgroup) => Tree::in_cgroup(spawned.pid, cgroup),
            None => Tree::to_walk(spawned.pid, run, self.config.socket(), &lock),
        };
        let birth = Birth {
            run,
            listen: self.listeners.address(&slot.app),
            slot,
            settings: app.settings,
            stop_signal: stop_signal(app.stop_signal),
            named,
            tree,
            lock,
        };
        self.processes
            .adopt_newborn(birth, spawned, &self.inbox)
            .map_err(|error| format!("cannot watch the new process: {error}"))
    }

    fn lock(
        &mut self,
        run: RunId,
        slot: &SlotId,
        app: &AppConfig,
        cgroup: Option<&Cgroup>,
    ) -> Result<RunLock, String> {
        let terms = Terms {
            linked: app.settings.is_some(),
            stop_signal: stop_signal(app.stop_signal),
            grace: app.goal.drain_timeout,
            cgroup: cgroup.map(|cgroup| cgroup.path().to_owned()),
        };
        let spare = self.processes.spare_locks.remove(slot);
        RunLock::take((&self.processes.locks, spare), slot, run, &terms)
            .map_err(|error| format!("cannot take the lock of {run} of {slot}: {error}"))
    }

    /// Makes the process; a kernel that will not have it born into a cgroup has it without one.
    fn bear(
        &mut self,
        (run, slot, app): (RunId, &SlotId, &AppConfig),
        named: &Named,
        (lock, directory): (&RunLock, Option<File>),
    ) -> Result<Spawned, String> {
        let output = self.open_output(&slot.app, Stream::Output, app)?;
        let errors = self.open_output(&slot.app, Stream::Errors, app)?;
        give(app, &[&output, &errors])?;
        let mut arguments = vec![named.program.clone()];
        for argument in &app.arguments {
            arguments.push(c_string(argument.as_bytes())?);
        }
        let mut launch = Launch {
            named,
            arguments,
            variables: self.variables(run, slot, app)?,
            listener: self.listeners.of(&slot.app),
            output: output.as_fd(),
            errors: errors.as_fd(),
            input: self.nothing.as_fd(),
            lock: lock.file().as_fd(),
            cgroup: directory.as_ref().map(AsFd::as_fd),
        };
        let mut spawned = spawn(&launch);
        if let Err(why) = &spawned
            && launch.cgroup.is_some()
            && !is_shortage(why)
        {
            self.processes.cgroups.give_up(why);
            launch.cgroup = None;
            spawned = spawn(&launch);
        }
        spawned.map_err(|error| format!("cannot start a process: {}", in_words(&error)))
    }
}

fn stop_signal(number: i32) -> UnixSignal {
    UnixSignal::try_from(number).unwrap_or(UnixSignal::SIGTERM)
}

/// A program may open its own output a second time, as `/dev/stdout`: then it must be its user's.
fn give(app: &AppConfig, streams: &[&OwnedFd]) -> Result<(), String> {
    let Some(to) = &app.process.credentials else { return Ok(()) };
    for stream in streams {
        fchown(stream, Some(Uid::from_raw(to.uid)), Some(Gid::from_raw(to.gid)))
            .map_err(|errno| format!("cannot give its output to user {}: {errno}", to.uid))?;
    }
    Ok(())
}

/// There is no room for one more process, wherever it is born.
fn is_shortage(error: &io::Error) -> bool {
    [Some(libc::EAGAIN), Some(libc::ENOMEM), Some(libc::EMFILE), Some(libc::ENFILE)]
        .contains(&error.raw_os_error())
}

/// Why the kernel made no process.
fn in_words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => "there are as many processes as the system, this user's limit or \
             this cgroup allows"
            .to_owned(),
        Some(libc::ENOMEM) => "there is no memory for it".to_owned(),
        _ => error.to_string(),
    }
}
