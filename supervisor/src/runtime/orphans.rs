//! Programs of a supervisor that died: nothing starts before the last of them is gone.
//!
//! Their locks tell who they are. A worker with a link notices our predecessor's death and leaves
//! by itself; any other program does not, and is asked by its stop signal. Whoever overstays their
//! grace is killed with all that they started.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use crate::runtime::cgroup::{self, Cgroup};
use crate::runtime::clock::{in_time, pause};
use crate::runtime::proc::{self, Known, Stat};
use crate::runtime::run_lock::{self, Note};
use crate::runtime::start::StartError;

/// How often to look whether they have left.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How much longer than its grace a worker may take that leaves by itself: it first has to notice.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a killed process may take to be gone.
const DYING_TIME: Duration = Duration::from_secs(10);

/// A run that outlived its supervisor.
struct Survivor {
    lock: PathBuf,
    note: Note,
    kill_at: Instant,
    give_up_at: Instant,
}

/// Programs that run on although their supervisor does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survivors(Vec<(String, Vec<i32>)>);

impl Survivors {
    /// Those of a run directory. Only looks: what a lock leads to is not judged or touched here.
    pub(crate) fn of(run_directory: &Path) -> Survivors {
        let everyone = proc::everyone();
        let own_cgroup = cgroup::own_cgroup().ok();
        let mut found = Vec::new();
        for lock in run_lock::all_in(&run_lock::place(run_directory)) {
            let mut note = Note::read(&lock);
            let noted = note.terms.cgroup.take().zip(own_cgroup.as_ref());
            let believed = noted.filter(|(noted, own)| cgroup::is_of_a_run(noted, own));
            note.terms.cgroup = believed.map(|(noted, _)| noted);
            if let Some(members) = members(&lock, &note, &everyone) {
                let pids = members.iter().map(|member| member.pid).collect();
                found.push((program_of(&lock), pids));
            }
        }
        found.sort();
        Survivors(found)
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `query[0] (pid 12), ear[1] (pid 13, 14)`.
impl fmt::Display for Survivors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(program, pids): &(String, Vec<i32>)| match &pids[..] {
            [] => format!("{program} (a process that may not be seen from here)"),
            pids => {
                let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
                format!("{program} (pid {})", pids.join(", "))
            }
        };
        out.write_str(&self.0.iter().map(one).collect::<Vec<_>>().join(", "))
    }
}

/// Waits until nobody of an earlier supervisor is left, and helps those who need it.
///
/// # Errors
/// Those who do not even die, and that we are one of them ourselves.
pub(crate) async fn wait_until_gone(locks: &Path) -> Result<(), StartError> {
    let found = find(locks)?.into_iter();
    let mut survivors: Vec<Survivor> =
        found.map(|(lock, note, members)| Survivor::new(lock, note, &members)).collect();
    while !survivors.is_empty() {
        pause(LOOK_EVERY).await;
        let mut stuck = Vec::new();
        let everyone = proc::everyone();
        survivors.retain(|survivor| {
            let Some(members) = members(&survivor.lock, &survivor.note, &everyone) else {
                forget(&survivor.lock, &survivor.note);
                return false;
            };
            let now = in_time(Duration::ZERO);
            if now >= survivor.kill_at || !survivor.note.main.is_some_and(Known::is_alive) {
                survivor.kill(&members);
            }
            if now >= survivor.give_up_at {
                stuck.push(survivor.in_words(&members));
            }
            true
        });
        if !stuck.is_empty() {
            return Err(StartError::Survivors { who: stuck.join(", ") });
        }
    }
    Ok(())
}

/// The runs of which somebody is left; what the others left is removed. Nobody is asked to leave
/// before it is known that we are none of them: whoever ends them would end us.
fn find(locks: &Path) -> Result<Vec<(PathBuf, Note, BTreeSet<Known>)>, StartError> {
    let everyone = proc::everyone();
    let own = std::process::id().cast_signed();
    let own_cgroup = cgroup::own_cgroup().ok();
    let mut found = Vec::new();
    for lock in run_lock::all_in(locks) {
        let mut note = Note::read(&lock);
        let noted = note.terms.cgroup.take().zip(own_cgroup.as_ref());
        let lives_there = noted.as_ref().is_some_and(|(noted, own)| own.starts_with(noted));
        let believed = noted.filter(|(noted, own)| cgroup::is_of_a_run(noted, own));
        note.terms.cgroup = believed.map(|(noted, _)| noted);
        let members = members(&lock, &note, &everyone);
        let is_member = members.iter().flatten().any(|member| member.pid == own);
        if lives_there || is_member || fs::canonicalize(&lock).is_ok_and(|it| is_held_by(own, &it))
        {
            return Err(StartError::Inside { program: program_of(&lock) });
        }
        match members {
            Some(members) => found.push((lock, note, members)),
            None => forget(&lock, &note),
        }
    }
    Ok(found)
}

/// Whose lock this is, such as `query[2]`; its file is called `query.2.17`.
fn program_of(lock: &Path) -> String {
    let name = lock.file_name().unwrap_or_default().display().to_string();
    let mut parts = name.rsplitn(3, '.').skip(1);
    match (parts.next(), parts.next()) {
        (Some(index), Some(app)) => format!("{app}[{index}]"),
        _ => name,
    }
}

impl Survivor {
    fn new(lock: PathBuf, note: Note, members: &BTreeSet<Known>) -> Survivor {
        let name = lock.file_name().unwrap_or_default().display().to_string();
        let pids: Vec<i32> = members.iter().map(|member| member.pid).collect();
        let grace = note.terms.grace;
        let patience = if note.terms.linked {
            tracing::warn!(
                run = name,
                ?pids,
                ?grace,
                "waiting for workers of an earlier supervisor to finish"
            );
            grace + PATIENCE
        } else {
            tracing::warn!(
                run = name, ?pids, ?grace, signal = %note.terms.stop_signal,
                "asking a program of an earlier supervisor to leave"
            );
            ask(&note, members);
            grace
        };
        let kill_at = in_time(patience);
        Survivor { lock, note, kill_at, give_up_at: kill_at + DYING_TIME }
    }

    fn in_words(&self, members: &BTreeSet<Known>) -> String {
        let pids: Vec<i32> = members.iter().map(|member| member.pid).collect();
        format!("processes {pids:?}, who hold `{}`", self.lock.display())
    }

    fn kill(&self, members: &BTreeSet<Known>) {
        let pids: Vec<i32> = members.iter().map(|member| member.pid).collect();
        tracing::warn!(?pids, "killing what is left of an earlier supervisor's run");
        if let Some(cgroup) = &self.note.terms.cgroup {
            let _ = Cgroup::at(cgroup).kill();
        }
        for member in members {
            let _ = member.signal(Signal::SIGKILL);
        }
    }
}

/// Sends the stop signal to the process group, as we would have done ourselves.
fn ask(note: &Note, members: &BTreeSet<Known>) {
    let Some(main) = note.main.filter(|main| main.is_alive()) else { return };
    for member in members {
        let of_group = proc::Stat::of(member.pid).is_some_and(|stat| stat.group == main.pid);
        if of_group {
            let _ = member.signal(note.terms.stop_signal);
        }
    }
}

/// Everyone of a run: its first process, who lives in its cgroup, and all their descendants. When
/// there is nobody, whoever else holds its lock: to look for those takes long. `None`: nobody at
/// all. An empty set: somebody whom we do not see, or not yet.
fn members(lock: &Path, note: &Note, everyone: &BTreeMap<i32, Stat>) -> Option<BTreeSet<Known>> {
    let main = note.main.filter(|main| main.is_alive()).map(|main| main.pid);
    let cgroup = note.terms.cgroup.as_deref().map(Cgroup::at);
    let inside = cgroup.as_ref().map(Cgroup::members).unwrap_or_default();
    let mut roots: Vec<i32> = main.into_iter().chain(inside).collect();
    if roots.is_empty() {
        if run_lock::is_free(lock) {
            return None;
        }
        roots = holders(lock);
    }
    let found = proc::with_descendants(everyone, roots).into_iter();
    let stats = found.filter_map(|pid| everyone.get(&pid)).filter(|stat| !stat.ended);
    Some(stats.map(|stat| stat.known).collect())
}

/// The processes that hold this file open, as far as we may look.
fn holders(file: &Path) -> Vec<i32> {
    let Ok(file) = fs::canonicalize(file) else { return Vec::new() };
    let own = std::process::id().cast_signed();
    proc::pids().filter(|pid| *pid != own && is_held_by(*pid, &file)).collect()
}

fn is_held_by(pid: i32, file: &Path) -> bool {
    proc::holds(pid, |open| open == file)
}

/// Nobody is left of this run.
fn forget(lock: &Path, note: &Note) {
    if let Some(cgroup) = &note.terms.cgroup {
        Cgroup::at(cgroup).remove_with_home();
    }
    run_lock::remove(lock);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_tells_by_its_name_whose_it_is() {
        assert_eq!(program_of(Path::new("/run/locks/a.b.2.17")), "a.b[2]");
        assert_eq!(program_of(Path::new("/run/locks/strange")), "strange");
    }
}
