//! One cgroup for each run, where cgroup v2 may be written: who is born in it cannot leave it by
//! forking, changing its session or closing descriptors, and one write kills them all.
//!
//! They lie below our own cgroup, as `mcp-supervisor.PID.START/run-N`, so that a service manager which
//! delegated that one to us finds all of ours in it. No controller is switched on, so nothing is
//! limited here. Which process is in which run is decided elsewhere.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::unistd::{AccessFlags, access};

use crate::config;
use crate::machine::RunId;
use crate::runtime::clock::{in_time, pause};
use crate::runtime::proc::{self, Known};

/// What the directory of a supervisor begins with; its process id and start time follow, which
/// together are never given again.
const HOME_PREFIX: &str = "mcp-supervisor.";
/// Writing to this file kills everyone in a cgroup and below it, those who are just forking too.
const KILL: &str = "cgroup.kill";
/// How long the last cgroups may take to become empty when we end.
const CLOSING_TIME: Duration = Duration::from_secs(1);
const CLOSING_LOOK: Duration = Duration::from_millis(2);

/// The cgroups of a supervisor.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    /// Where they are made; absent where they cannot be.
    home: Option<PathBuf>,
    /// Those whose run ended and that were not empty yet.
    emptying: Vec<PathBuf>,
}

/// The cgroup of one run.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroups {
    /// Finds where ours can be made, and removes what supervisors that died left empty.
    pub(crate) fn open(wanted: config::Cgroups) -> Cgroups {
        let home = match wanted {
            config::Cgroups::Off => Err("supervisor.cgroups is \"off\"".to_owned()),
            config::Cgroups::Auto => home(),
        };
        match home {
            Ok(home) => Cgroups { home: Some(home), emptying: Vec::new() },
            Err(why) => {
                tracing::info!(
                    why,
                    "no cgroups: a program's tree is found by its process group, its parents and \
                     its environment"
                );
                Cgroups::default()
            }
        }
    }

    /// A new cgroup for a run, and a descriptor of it to be born into.
    pub(crate) fn make(&self, run: RunId) -> Option<(Cgroup, File)> {
        let path = self.home.as_ref()?.join(run.to_string());
        let made = fs::create_dir(&path).and_then(|()| {
            let flags = (OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).bits();
            OpenOptions::new().read(true).custom_flags(flags).open(&path)
        });
        match made {
            Ok(directory) => Some((Cgroup { path }, directory)),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot make a cgroup");
                None
            }
        }
    }

    /// The kernel lets nobody be born into one of ours: from now on there are none.
    pub(crate) fn give_up(&mut self, why: &io::Error) {
        tracing::warn!(%why, "no process can be born into a cgroup of ours; there will be none");
        if let Some(home) = self.home.take() {
            self.emptying.push(home);
        }
    }

    /// The run of this cgroup ended: the next `sweep` removes it.
    pub(crate) fn retire(&mut self, cgroup: Cgroup) {
        self.emptying.push(cgroup.path);
    }

    /// Removes those of ended runs in which nobody is left; the others stay for the next time.
    pub(crate) fn sweep(&mut self) {
        self.emptying.retain(|path| matches!(remove(path), Err(error) if is_busy(&error)));
    }

    /// Kills whoever is left in any of ours, and removes them all.
    pub(crate) async fn close(mut self) {
        let Some(home) = self.home.take() else { return };
        let _ = kill(&home);
        let deadline = in_time(CLOSING_TIME);
        while remove(&home).is_err_and(|error| is_busy(&error)) {
            if in_time(Duration::ZERO) > deadline {
                tracing::warn!(path = %home.display(), "somebody in this cgroup does not die");
                return;
            }
            pause(CLOSING_LOOK).await;
        }
    }
}

impl Cgroup {
    pub(crate) fn at(path: &Path) -> Cgroup {
        Cgroup { path: path.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// SIGKILL for everyone in it.
    pub(crate) fn kill(&self) -> io::Result<()> {
        kill(&self.path)
    }

    /// Whether anybody lives in it; one that is gone is empty.
    pub(crate) fn is_populated(&self) -> bool {
        is_populated(&self.path)
    }

    /// Who lives in it.
    pub(crate) fn members(&self) -> Vec<i32> {
        let list = fs::read_to_string(self.path.join("cgroup.procs")).unwrap_or_default();
        list.lines().filter_map(|pid| pid.parse().ok()).collect()
    }

    /// Removes it, and the directory of its dead supervisor when it was the last one.
    pub(crate) fn remove_with_home(&self) {
        let _ = remove(&self.path);
        if let Some(home) = self.path.parent() {
            let _ = fs::remove_dir(home);
        }
    }
}

fn kill(cgroup: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(cgroup.join(KILL))?;
    file.write_all(b"1")
}

fn is_populated(cgroup: &Path) -> bool {
    fs::read_to_string(cgroup.join("cgroup.events"))
        .is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// Removes a cgroup, with those that a program made in it, once nobody lives in any of them.
fn remove(cgroup: &Path) -> io::Result<()> {
    let removed = fs::remove_dir(cgroup);
    if !matches!(&removed, Err(error) if is_busy(error)) || is_populated(cgroup) {
        return removed;
    }
    for below in fs::read_dir(cgroup)?.flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&below.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

/// Somebody lives in it, or another cgroup lies in it.
fn is_busy(error: &io::Error) -> bool {
    [Some(libc::EBUSY), Some(libc::ENOTEMPTY)].contains(&error.raw_os_error())
}

/// Our own directory, fresh; or why we cannot have one.
fn home() -> Result<PathBuf, String> {
    let own = own_cgroup()?;
    remove_leftovers(&own);
    let told = |error: io::Error| format!("cannot write in {}: {error}", own.display());
    // Being born into another cgroup is moving there: the common parent must be ours as well.
    access(&own.join("cgroup.procs"), AccessFlags::W_OK).map_err(|errno| told(errno.into()))?;
    let ourselves = proc::Stat::of(std::process::id().cast_signed());
    let Known { pid, started } = ourselves.ok_or("cannot read /proc/self/stat")?.known;
    let home = own.join(format!("{HOME_PREFIX}{pid}.{started}"));
    fs::create_dir(&home).map_err(told)?;
    if home.join(KILL).exists() {
        return Ok(home);
    }
    let _ = fs::remove_dir(&home);
    Err(format!("{} has no {KILL}; Linux 5.14 has it", own.display()))
}

/// The directory of the cgroup in which we run.
pub(crate) fn own_cgroup() -> Result<PathBuf, String> {
    let read =
        |path: &str| fs::read_to_string(path).map_err(|why| format!("cannot read {path}: {why}"));
    let mounts = read("/proc/self/mountinfo")?;
    let ours = read("/proc/self/cgroup")?;
    directory_of(&mounts, &ours).ok_or_else(|| "cgroup v2 is not mounted here".to_owned())
}

/// Where cgroup v2 is mounted, and our path in it. A hybrid system has version 1 beside it.
fn directory_of(mounts: &str, ours: &str) -> Option<PathBuf> {
    let path = Path::new(ours.lines().find_map(|line| line.strip_prefix("0::"))?);
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut fields = mount.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        Some(Path::new(&place.replace("\\040", " ")).join(path.strip_prefix(root).ok()?))
    })
}

/// Removes the empty cgroups of supervisors that are no more. Whoever still lives in one is
/// looked after by its lock, or belongs to a house that is not ours.
fn remove_leftovers(own: &Path) {
    for entry in fs::read_dir(own).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(supervisor) = name.to_str().and_then(supervisor_of) else { continue };
        if !supervisor.is_alive() {
            // Fails while somebody lives there, which is as it should be.
            let _ = remove(&entry.path());
        }
    }
}

/// Whether a cgroup, as it was written down, can be one of a run of a supervisor in our place:
/// whoever wrote anything else does not decide where we write and kill.
pub(crate) fn is_of_a_run(path: &Path, own: &Path) -> bool {
    let Ok(below) = path.strip_prefix(own) else { return false };
    let plain = below.components().all(|part| matches!(part, Component::Normal(_)));
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_str()?.to_owned());
    let home = name(below.parent()).is_some_and(|name| supervisor_of(&name).is_some());
    let number = name(Some(below)).and_then(|name| name.strip_prefix("run-")?.parse::<u64>().ok());
    plain && home && number.is_some()
}

/// Whose directory this is.
fn supervisor_of(name: &str) -> Option<Known> {
    let (pid, started) = name.strip_prefix(HOME_PREFIX)?.split_once('.')?;
    Some(Known { pid: pid.parse().ok()?, started: started.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_made_in_its_cgroup_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let cgroup = |name: &str| Cgroup::at(&directory.path().join(name));
        let (run, inhabited) = (cgroup("run-1"), cgroup("run-2"));
        for below in ["run-1/a/b", "run-1/c", "run-2/d"] {
            fs::create_dir_all(directory.path().join(below)).unwrap();
        }
        fs::write(inhabited.path().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        let mut cgroups = Cgroups::default();
        cgroups.retire(run.clone());
        cgroups.retire(inhabited.clone());
        cgroups.sweep();
        assert!(!run.path().exists());
        assert!(inhabited.path().join("d").exists(), "somebody lives there");
        assert_eq!(cgroups.emptying, [inhabited.path()]);
    }

    #[test]
    fn only_a_run_s_cgroup_below_our_own_is_believed() {
        let believed = |path| is_of_a_run(Path::new(path), Path::new("/sys/fs/cgroup/a.service/"));
        assert!(believed("/sys/fs/cgroup/a.service/mcp-supervisor.7.99/run-3"));
        assert!(believed("/sys/fs/cgroup/a.service/sub/mcp-supervisor.7.99/run-3"));
        for wrong in [
            "/sys/fs/cgroup/b.service/mcp-supervisor.7.99/run-3",
            "/sys/fs/cgroup/a.service",
            "/sys/fs/cgroup/a.service/run-3",
            "/sys/fs/cgroup/a.service/mcp-supervisor.7.99",
            "/sys/fs/cgroup/a.service/mcp-supervisor.7.99/run-x",
            "/sys/fs/cgroup/a.service/mcp-supervisor.7.99/3",
            "/sys/fs/cgroup/a.service/mcp-supervisor.7/run-3",
            "/sys/fs/cgroup/a.service/../b/mcp-supervisor.7.99/run-3",
            "/tmp/mcp-supervisor.7.99/run-3",
            "mcp-supervisor.7.99/run-3",
            "",
        ] {
            assert!(!believed(wrong), "{wrong}");
        }
    }

    #[test]
    fn our_cgroup_is_found_on_plain_and_hybrid_systems_and_in_a_container() {
        let plain =
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
        let hybrid = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";
        let bound = "41 31 0:38 /pod/7 /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw";
        let service = "1:cpu:/x\n0::/system.slice/a.service\n";
        let found =
            |mounts, ours| directory_of(mounts, ours).map(|path| path.display().to_string());
        let expected = Some("/sys/fs/cgroup/system.slice/a.service".to_owned());
        assert_eq!(found(plain, service), expected);
        let expected = Some("/sys/fs/cgroup/unified/".to_owned());
        assert_eq!(found(hybrid, "0::/\n"), expected);
        assert_eq!(found(bound, "0::/pod/7/app\n"), Some("/sys/fs/cgroup/app".to_owned()));
        assert_eq!(found(bound, "0::/elsewhere\n"), None, "not visible from here");
        assert_eq!(found("1 2 0:3 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw", "0::/\n"), None);
        assert_eq!(found(plain, "3:cpu:/\n"), None);
    }
}
