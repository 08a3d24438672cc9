//! The one socket for workers and operators: bound under a lock, found by its path.
//!
//! The lock decides who is the supervisor of a directory. A socket file without a lock is what an
//! earlier supervisor left behind, and is replaced; one with a lock is never touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use interprocess::local_socket::tokio::{Listener, Stream, prelude::*};
use interprocess::local_socket::{GenericFilePath, ListenerOptions};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollTimeout, poll};

use crate::runtime::proc::Stat;

/// The name of the lock in the run directory; it holds the process id of whoever has it.
const LOCK_NAME: &str = "supervisor.lock";

/// How long, and how often, to look whether a supervisor that has ended let go of the lock.
const ENDING_LOOKS: u32 = 200;
const ENDING_LOOK_EVERY_MS: u16 = 10;

/// Why the socket is not ours.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another supervisor has this directory.
    #[error(
        "it already runs as pid {pid}; `mcp-supervisor reload` takes changes in, `stop` ends it"
    )]
    AlreadyRuns {
        /// Its process id.
        pid: String,
    },
    /// Somebody else may put files of theirs in the place of ours.
    #[error(
        "others can write in the run directory `{path}` ({how}), and so pass themselves off as \
         this supervisor; {remedy}, or name another one in supervisor.run_directory"
    )]
    Shared {
        /// The directory.
        path: PathBuf,
        /// What lets them.
        how: String,
        /// What ends that.
        remedy: String,
    },
    /// The directory, the lock or the socket cannot be made.
    #[error("cannot {operation} `{path}`")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// The right to be the supervisor of a run directory.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: Flock<File>,
}

/// Makes the run directory, if need be, and takes its lock.
pub(crate) fn lock(run_directory: &Path) -> Result<Lock, SocketError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(run_directory)
        .map_err(failed("make the directory", run_directory))?;
    let about = fs::metadata(run_directory).map_err(failed("look at", run_directory))?;
    let own = nix::unistd::geteuid().as_raw();
    is_ours(run_directory, (about.uid(), about.mode()), own)?;
    let path = run_directory.join(LOCK_NAME);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match lock_soon(file) {
        Ok(mut locked) => {
            let note = locked.set_len(0).and_then(|()| writeln!(locked, "{}", std::process::id()));
            note.map_err(failed("write", &path))?;
            Ok(Lock { _file: locked })
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
            let pid = if pid.trim().is_empty() { "unknown" } else { pid.trim() };
            Err(SocketError::AlreadyRuns { pid: pid.to_owned() })
        }
        Err((_, errno)) => Err(failed("lock", &path)(errno.into())),
    }
}

/// Whether nobody else can write in a directory of this owner and mode; root always can.
fn is_ours(directory: &Path, (owner, mode): (u32, u32), own: u32) -> Result<(), SocketError> {
    let (path, shown) = (directory.to_owned(), directory.display());
    if ![0, own].contains(&owner) {
        let how = format!("it belongs to user {owner}, and this is user {own}");
        return Err(SocketError::Shared { path, how, remedy: format!("`chown {own} {shown}`") });
    }
    if mode & 0o022 != 0 {
        let how = format!("its mode is {:04o}", mode & 0o7777);
        return Err(SocketError::Shared { path, how, remedy: format!("`chmod go-w {shown}`") });
    }
    Ok(())
}

/// Takes the lock, and waits a little for a holder who has ended already: one that was killed lets
/// go of its files an instant later than it is seen to be gone.
fn lock_soon(mut file: File) -> Result<Flock<File>, (File, Errno)> {
    for _ in 0..ENDING_LOOKS {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((held, Errno::EWOULDBLOCK)) if has_ended(&held) => file = held,
            outcome => return outcome,
        }
        // Nothing to poll for: a wait, before there is an executor that could wait.
        let _ = poll(&mut [], PollTimeout::from(ENDING_LOOK_EVERY_MS));
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

/// Whether the process that wrote its id into the lock is gone, or as good as gone.
fn has_ended(mut file: &File) -> bool {
    let mut pid = String::new();
    let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    let pid: Option<i32> = read.ok().and_then(|_| pid.trim().parse().ok());
    pid.is_some_and(|pid| Stat::of(pid).is_none_or(|stat| stat.ended))
}

/// Who has the lock of a run directory: a supervisor that runs, starts or ends.
pub(crate) fn holder(run_directory: &Path) -> Option<String> {
    let mut file = File::open(run_directory.join(LOCK_NAME)).ok()?;
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Ok(_) => None,
        Err(_) => Some(pid.trim().to_owned()),
    }
}

/// Binds the socket. Whoever has the lock may replace what an earlier supervisor left behind.
pub(crate) fn bind(path: &Path, _lock: &Lock) -> Result<Listener, SocketError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("replace", path)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let name = path.to_fs_name::<GenericFilePath>().map_err(failed("name the socket", path))?;
    ListenerOptions::new()
        .name(name)
        .mode(0o600)
        .create_tokio()
        .map_err(failed("bind the socket", path))
}

/// Connects to the socket of a running supervisor.
///
/// # Errors
/// When nobody listens there, which the caller puts into words.
pub(crate) async fn connect(path: &Path) -> io::Result<Stream> {
    Stream::connect(path.to_fs_name::<GenericFilePath>()?).await
}

fn failed<'a>(operation: &'static str, path: &'a Path) -> impl Fn(io::Error) -> SocketError + 'a {
    move |source| SocketError::Io { operation, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_has_one_supervisor() {
        let directory = tempfile::tempdir().unwrap();
        let first = lock(directory.path()).unwrap();
        let error = lock(directory.path()).unwrap_err();
        let words = format!("it already runs as pid {}", std::process::id());
        assert!(error.to_string().starts_with(&words), "{error}");
        drop(first);
        lock(directory.path()).unwrap();
    }

    #[test]
    fn a_directory_that_others_can_write_in_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let run = directory.path().join("run");
        drop(lock(&run).unwrap());
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            fs::set_permissions(&run, fs::Permissions::from_mode(mode)).unwrap();
            let error = lock(&run).unwrap_err().to_string();
            let words = format!("the run directory `{}` (its mode is {mode:04o})", run.display());
            assert!(error.contains(&words) && error.contains("`chmod go-w /"), "{error}");
        }
        fs::set_permissions(&run, fs::Permissions::from_mode(0o755)).unwrap();
        lock(&run).unwrap();
        let of = |owner, own| is_ours(&run, (owner, 0o700), own).map_err(|why| why.to_string());
        assert_eq!((of(0, 7), of(7, 7)), (Ok(()), Ok(())));
        let error = of(8, 7).unwrap_err();
        assert!(error.contains("belongs to user 8, and this is user 7"), "{error}");
        assert!(error.contains("`chown 7 /"), "{error}");
    }

    #[test]
    fn a_holder_who_has_ended_is_told_from_one_who_runs() {
        let note = |pid: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(pid.as_bytes()).unwrap();
            has_ended(&file)
        };
        assert!(!note(&std::process::id().to_string()), "we run");
        assert!(note(&i32::MAX.to_string()), "no process has this number");
        assert!(!note(""), "who has not written yet is about to run");
    }
}
