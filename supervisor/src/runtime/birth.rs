//! From the decision to start a run to a process that is watched: its output, its cgroup, its lock.
//!
//! Everything that a run has is made here before the fork, and put away again when there is no
//! process after all. How a process is made is `spawn`'s business.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use mcp_protocol::env;
use nix::sys::signal::Signal as UnixSignal;
use nix::sys::stat::fstat;
use nix::unistd::{Gid, Uid, fchown};

use crate::config::AppConfig;
use crate::machine::{RunId, SlotId};
use crate::runtime::birth_failure::Named;
use crate::runtime::cgroup::Cgroup;
use crate::runtime::hands::{Hands, c_string};
use crate::runtime::output::Stream;
use crate::runtime::processes::Birth;
use crate::runtime::readiness::Handed;
use crate::runtime::run_lock::{Place, RunLock, Terms};
use crate::runtime::spawn::{Launch, Spawned, ready_pipe_number, spawn};
use crate::runtime::tree::Tree;

impl Hands {
    /// Starts a process for a run, or says in words why there is none.
    pub(super) fn start(&mut self, run: RunId, slot: SlotId) -> Result<(), String> {
        let config = Arc::clone(&self.config);
        let app = config
            .apps
            .get(&slot.app)
            .ok_or_else(|| format!("app `{}` is not in the configuration", slot.app))?;
        let program = c_string(app.program.as_os_str().as_bytes())?;
        let working_directory = c_string(app.working_directory.as_os_str().as_bytes())?;
        let named = Named { program, working_directory, process: app.process.clone() };
        let (cgroup, directory) = self.processes.cgroups.make(run).unzip();
        let lock = self.lock(run, &slot, app, cgroup.as_ref());
        let born =
            lock.and_then(|lock| match self.bear((run, &slot, app), &named, (&lock, directory)) {
                Ok((spawned, handed, place)) => {
                    Ok((lock.hand_over(spawned.pid.as_raw(), place), spawned, handed, place))
                }
                Err(why) => {
                    lock.discard();
                    Err(why)
                }
            });
        let (lock, spawned, handed, place) = match born {
            Ok(born) => born,
            Err(why) => {
                cgroup.into_iter().for_each(|cgroup| self.processes.cgroups.retire(cgroup));
                return Err(why);
            }
        };
        let tree = match (cgroup, place) {
            (Some(cgroup), Place::Cgroup) => Tree::in_cgroup(spawned.pid, cgroup),
            (unused, Place::Cgroup | Place::Ours) => {
                unused.into_iter().for_each(|cgroup| self.processes.cgroups.retire(cgroup));
                Tree::to_walk(spawned.pid, run, self.config.socket(), &lock)
            }
        };
        let health = handed.watch((run, spawned.pid), app.health.ready.clone(), &self.inbox);
        let birth = Birth {
            run,
            listen: self.listeners.address(&slot.app),
            slot,
            settings: app.settings.clone(),
            stop_signal: stop_signal(app.stop_signal),
            health,
            named,
            tree,
            lock,
        };
        self.processes
            .adopt_newborn(birth, spawned, &self.inbox)
            .map_err(|error| format!("cannot watch the new process: {error}"))?;
        self.begin_probing(run);
        Ok(())
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
    ) -> Result<(Spawned, Handed, Place), String> {
        let output = self.open_output((run, slot), Stream::Output, app)?;
        let errors = self.open_output((run, slot), Stream::Errors, app)?;
        give(app, &[&output, &errors])?;
        let listener = self.listeners.of(&slot.app);
        let directory_of_sockets = &self.config.supervisor.run_directory;
        let number = ready_pipe_number(listener);
        let handed = Handed::prepare(run, app, directory_of_sockets, number)?;
        let mut arguments = vec![named.program.clone()];
        for argument in &app.arguments {
            arguments.push(c_string(handed.fill(argument).as_bytes())?);
        }
        let listen_pid = listener.map(|_| env::LISTEN_PID);
        let mut launch = Launch {
            named,
            arguments,
            variables: self.variables(run, slot, app, &handed)?,
            pid_variables: listen_pid.into_iter().chain(handed.pid_variable()).collect(),
            listener,
            ready_pipe: handed.ready_pipe(),
            output: output.as_fd(),
            errors: errors.as_fd(),
            input: self.nothing.as_fd(),
            lock: Some(lock.file().as_fd()),
            cgroup: directory.as_ref().map(AsFd::as_fd),
        };
        let cgroup = launch.cgroup;
        let (spawned, refused) = with_or_without(cgroup.is_some(), |place| {
            launch.cgroup = cgroup.filter(|_| place == Place::Cgroup);
            spawn(&launch)
        });
        refused.iter().for_each(|why| self.processes.cgroups.give_up(why));
        let failed = |error| format!("cannot start a process: {}", in_words(&error));
        spawned.map(|(spawned, place)| (spawned, handed, place)).map_err(failed)
    }

    fn open_output(
        &mut self,
        (run, slot): (RunId, &SlotId),
        stream: Stream,
        app: &AppConfig,
    ) -> Result<OwnedFd, String> {
        let opened = match app.health.ready.line() {
            Some(line) => self.outputs.open_own((slot, stream), app.output, (run, line)),
            None => self.outputs.open(slot, stream, app.output),
        };
        opened.map_err(|error| format!("cannot open the log of {slot}: {error}"))
    }

    /// The environment of a new process: what its probe has too, and what it alone is handed.
    fn variables(
        &self,
        run: RunId,
        slot: &SlotId,
        app: &AppConfig,
        handed: &Handed,
    ) -> Result<Vec<CString>, String> {
        let mut all = self.common_variables(run, slot, app);
        if self.listeners.of(&slot.app).is_some() {
            all.insert(env::LISTEN_FDS.into(), "1".into());
            all.insert(env::LISTEN_FDNAMES.into(), slot.app.to_string().into());
        }
        for (name, value) in handed.variables() {
            all.insert(name.into(), value);
        }
        c_strings(all)
    }

    /// A few inherited variables, the app's own, and where its place is. Never the operator's
    /// whole environment, which may hold secrets.
    pub(crate) fn common_variables(
        &self,
        run: RunId,
        slot: &SlotId,
        app: &AppConfig,
    ) -> BTreeMap<OsString, OsString> {
        let inherited = self.inherited.iter().cloned();
        let account = app.process.account.iter().flat_map(|account| {
            let name = OsString::from(&account.name);
            let home = account.home.clone().into_os_string();
            [("HOME", home), ("USER", name.clone()), ("LOGNAME", name)]
                .map(|(name, value)| (name.into(), value))
        });
        let own = app.variables.iter().map(|(name, value)| (name.into(), value.into()));
        let place = [
            (env::APP, slot.app.to_string().into()),
            (env::SLOT, slot.index.to_string().into()),
            (env::RUN, run.0.to_string().into()),
            (env::SOCKET, self.config.socket().into_os_string()),
        ];
        let place = place.map(|(name, value)| (name.into(), value));
        inherited.chain(account).chain(own).chain(place).collect()
    }
}

/// An environment as the kernel takes it.
pub(crate) fn c_strings(variables: BTreeMap<OsString, OsString>) -> Result<Vec<CString>, String> {
    let line = |(name, value): (OsString, OsString)| {
        c_string(&[name.as_bytes(), b"=", value.as_bytes()].concat())
    };
    variables.into_iter().map(line).collect()
}

fn stop_signal(number: i32) -> UnixSignal {
    UnixSignal::try_from(number).unwrap_or(UnixSignal::SIGTERM)
}

/// A program may open its own output a second time, as `/dev/stdout`: then it must be its user's,
/// and no longer that of a user whom the app had before.
fn give(app: &AppConfig, streams: &[&OwnedFd]) -> Result<(), String> {
    let (user, group) = match &app.process.credentials {
        Some(to) => (Uid::from_raw(to.uid), Gid::from_raw(to.gid)),
        None => (Uid::effective(), Gid::effective()),
    };
    for stream in streams {
        let has = fstat(stream).map(|about| (about.st_uid, about.st_gid));
        if has != Ok((user.as_raw(), group.as_raw())) {
            fchown(stream, Some(user), Some(group))
                .map_err(|errno| format!("cannot give its output to user {user}: {errno}"))?;
        }
    }
    Ok(())
}

/// Makes a process in its cgroup, or without when the kernel will not have it there. That it was
/// the cgroup's fault is known only when there is a process without: then it is told as well.
fn with_or_without<Process>(
    has_cgroup: bool,
    mut make: impl FnMut(Place) -> io::Result<Process>,
) -> (io::Result<(Process, Place)>, Option<io::Error>) {
    let mut make_in = |place| make(place).map(|process| (process, place));
    if !has_cgroup {
        return (make_in(Place::Ours), None);
    }
    match make_in(Place::Cgroup) {
        Err(why) if !is_shortage(&why) => match make_in(Place::Ours) {
            Ok(made) => (Ok(made), Some(why)),
            Err(why) => (Err(why), None),
        },
        decided => (decided, None),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What was tried, what came of it, and whether cgroups are given up.
    fn tried(has_cgroup: bool, errors: [i32; 2]) -> (Vec<Place>, Option<Place>, bool) {
        let mut tried = Vec::new();
        let (made, refused) = with_or_without(has_cgroup, |place| {
            tried.push(place);
            match errors[usize::from(place == Place::Ours)] {
                0 => Ok(()),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        });
        (tried, made.ok().map(|((), place)| place), refused.is_some())
    }

    #[test]
    fn cgroups_are_given_up_only_when_a_process_could_be_made_without() {
        let (cgroup, ours) = (Place::Cgroup, Place::Ours);
        assert_eq!(tried(true, [0, 0]), (vec![cgroup], Some(cgroup), false));
        assert_eq!(tried(true, [libc::EOPNOTSUPP, 0]), (vec![cgroup, ours], Some(ours), true));
        let neither = tried(true, [libc::EPERM, libc::EPERM]);
        assert_eq!(neither, (vec![cgroup, ours], None, false), "another fault than the cgroup's");
        assert_eq!(tried(true, [libc::EMFILE, 0]), (vec![cgroup], None, false));
        assert_eq!(tried(false, [0, 0]), (vec![ours], Some(ours), false));
    }
}
