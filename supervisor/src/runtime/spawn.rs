//! A decision to start something becomes a process: descriptors, environment, group, program.
//!
//! Everything that needs memory happens before the fork. Between `clone3` and `execve` the child
//! makes raw, async-signal-safe calls only; what goes wrong there comes back as six bytes through
//! a pipe that closes by itself when the new program begins. Names are looked up by `config/`:
//! here are numbers only.
#![expect(unsafe_code, reason = "fork and exec: the one room where the kernel is called by hand")]

use std::ffi::{CString, c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use mcp_protocol::env;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::{Credentials, ProcessConfig};
use crate::runtime::birth_failure::{Named, Step};

/// Where a program finds the lock of its run: above what scripts use by number, and inside the
/// table of descriptors that every process has from its birth.
pub(crate) const LOCK_FD: RawFd = 63;
/// Descriptors that the child copies to others must lie above all of those.
const FIRST_FREE_FD: RawFd = LOCK_FD + 1;
/// The last of the signals that are not real-time ones.
const LAST_STANDARD_SIGNAL: c_int = 31;
/// The child begins in the cgroup that was named: not an instant outside it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
/// Room for the longest process id.
const PID_DIGITS: usize = 10;

/// All that a new process needs, ready to be handed to the kernel.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    /// The program and its directory, absolute; as whom, and under which limits.
    pub(crate) named: &'a Named,
    /// Its arguments, its own name first.
    pub(crate) arguments: Vec<CString>,
    /// `NAME=value`, complete but for those of the child's own process id.
    pub(crate) variables: Vec<CString>,
    /// Names of variables that hold the child's process id, such as `LISTEN_PID`.
    pub(crate) pid_variables: Vec<&'static str>,
    /// The listener that becomes descriptor 3.
    pub(crate) listener: Option<BorrowedFd<'a>>,
    /// What it writes a line to once it is ready: the descriptor after the listener.
    pub(crate) ready_pipe: Option<BorrowedFd<'a>>,
    /// Standard output.
    pub(crate) output: BorrowedFd<'a>,
    /// Standard error.
    pub(crate) errors: BorrowedFd<'a>,
    /// Standard input: nothing.
    pub(crate) input: BorrowedFd<'a>,
    /// Held by the program and all that it starts, until the last of them ended; a command that
    /// only asks about a run has none.
    pub(crate) lock: Option<BorrowedFd<'a>>,
    /// The cgroup in which it is born.
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
}

/// A process that was born.
#[derive(Debug)]
pub(crate) struct Spawned {
    /// Its id, which is its process group's too.
    pub(crate) pid: Pid,
    /// Becomes readable when it ends.
    pub(crate) pidfd: OwnedFd,
    /// Empty at its end when the program began; else what `birth_failure` explains.
    pub(crate) report: OwnedFd,
}

/// Starts a process.
///
/// # Errors
/// When the kernel has no process, descriptor or memory for it. What fails later, in the child,
/// is told through [`Spawned::report`].
pub(crate) fn spawn(launch: &Launch<'_>) -> io::Result<Spawned> {
    let (report, reporter) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    let reporter = above(&reporter)?;
    let input = above(&launch.input)?;
    let output = above(&launch.output)?;
    let errors = above(&launch.errors)?;
    let lock = launch.lock.as_ref().map(above).transpose()?;
    let listener = launch.listener.as_ref().map(above).transpose()?;
    let ready_pipe = launch.ready_pipe.as_ref().map(above).transpose()?;

    // The child writes its own process id into these strings: only it knows the number.
    let mut pid_variables: Vec<Vec<u8>> = launch
        .pid_variables
        .iter()
        .map(|name| [name.as_bytes(), b"=", &[0; PID_DIGITS + 1]].concat())
        .collect();
    let mut variables: Vec<*const c_char> =
        launch.variables.iter().map(|variable| variable.as_ptr()).collect();
    variables.extend(pid_variables.iter().map(|variable| variable.as_ptr().cast()));
    variables.push(ptr::null());
    let pid_digits = pid_variables
        .iter_mut()
        .map(|variable| {
            let digits_at = variable.len() - PID_DIGITS - 1;
            variable[digits_at..].as_mut_ptr()
        })
        .collect();
    let mut arguments: Vec<*const c_char> =
        launch.arguments.iter().map(|argument| argument.as_ptr()).collect();
    arguments.push(ptr::null());

    let standard = [&input, &output, &errors];
    let inherited = standard.into_iter().chain(&listener).chain(&ready_pipe);
    let child = Child {
        program: launch.named.program.as_ptr(),
        arguments: arguments.as_ptr(),
        variables: variables.as_ptr(),
        pid_digits,
        working_directory: launch.named.working_directory.as_ptr(),
        descriptors: inherited.map(AsRawFd::as_raw_fd).collect(),
        lock: lock.as_ref().map(AsRawFd::as_raw_fd),
        reporter: reporter.as_raw_fd(),
        process: &launch.named.process,
    };
    let (pid, pidfd) = fork(&child, launch.cgroup)?;
    Ok(born(pid, pidfd, report))
}

/// The number under which a child finds the descriptor after its listener.
pub(crate) fn ready_pipe_number(listener: Option<BorrowedFd<'_>>) -> RawFd {
    env::LISTEN_FDS_START + RawFd::from(listener.is_some())
}

/// Makes the child; returns in the parent only.
fn fork(child: &Child<'_>, cgroup: Option<BorrowedFd<'_>>) -> io::Result<(Pid, OwnedFd)> {
    let mut pidfd: c_int = -1;
    // SAFETY: `clone_args` is plain data, for which all zeroes is the documented default.
    let mut request: libc::clone_args = unsafe { std::mem::zeroed() };
    request.flags = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    request.pidfd = ptr::from_mut(&mut pidfd) as u64;
    request.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        request.flags |= CLONE_INTO_CGROUP;
        request.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    // A signal that reached the child before it took our handlers off would be told to us as ours.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the request points to a live integer for the pidfd. Without CLONE_VM the child has
    // its own copy of our memory, as after fork, and runs nothing but `Child::become_program`,
    // which never returns and makes only async-signal-safe calls.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, ptr::from_ref(&request), size_of::<libc::clone_args>())
    };
    let failure = io::Error::last_os_error();
    if pid != 0 {
        let _ = mask.thread_set_mask();
    }
    match i32::try_from(pid) {
        // SAFETY: we are the child; the pointers were made above and memory was copied with us.
        Ok(0) => unsafe { child.become_program() },
        Ok(pid) if pid > 0 => {
            // SAFETY: the kernel stored a fresh descriptor there, with close-on-exec set.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok((Pid::from_raw(pid), pidfd))
        }
        _ => Err(failure),
    }
}

/// The parent's side of a birth.
fn born(pid: Pid, pidfd: OwnedFd, report: OwnedFd) -> Spawned {
    // The child does the same; whoever comes first, a signal to the group is never lost. After its
    // exec this fails, and is not needed any more.
    let _ = nix::unistd::setpgid(pid, pid);
    Spawned { pid, pidfd, report }
}

/// A pidfd that tells when its process ended.
pub(crate) fn watchable(pidfd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open and stays the same descriptor until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?)
}

/// A copy of the descriptor that lies above those which the child fills.
fn above<Fd: std::os::fd::AsFd>(fd: &Fd) -> io::Result<OwnedFd> {
    let copy = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(FIRST_FREE_FD))?;
    // SAFETY: the kernel just made this descriptor for us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// The child's orders: plain pointers and numbers, made before the fork.
struct Child<'a> {
    program: *const c_char,
    arguments: *const *const c_char,
    variables: *const *const c_char,
    /// Where its process id is to be written.
    pid_digits: Vec<*mut u8>,
    working_directory: *const c_char,
    /// What becomes descriptor 0, 1, 2 and so on.
    descriptors: Vec<RawFd>,
    lock: Option<RawFd>,
    reporter: RawFd,
    process: &'a ProcessConfig,
}

impl Child<'_> {
    /// Becomes the program, or reports why not and ends.
    ///
    /// # Safety
    /// To be called in the child of a fork only; all pointers must be valid there.
    unsafe fn become_program(&self) -> ! {
        // SAFETY: raw system calls on numbers and on pointers that the caller vouches for.
        unsafe {
            self.reset_signals();
            if libc::setpgid(0, 0) != 0 {
                self.fail(Step::Group, 0);
            }
            let mut first_other: RawFd = 0;
            for source in &self.descriptors {
                if libc::dup2(*source, first_other) < 0 {
                    self.fail(Step::Descriptors, 0);
                }
                first_other += 1;
            }
            match self.lock {
                Some(lock) if libc::dup2(lock, LOCK_FD) < 0 => self.fail(Step::Descriptors, 0),
                Some(_) => {}
                None => close_at_exec(LOCK_FD, LOCK_FD),
            }
            // Whatever we inherited ourselves is nobody else's business.
            close_at_exec(first_other, LOCK_FD - 1);
            close_at_exec(LOCK_FD + 1, c_int::MAX);
            self.take_on_attributes();
            // As the program's own user, who may be allowed less than we are.
            if libc::chdir(self.working_directory) != 0 {
                self.fail(Step::Directory, 0);
            }
            self.write_pid();
            libc::execve(self.program, self.arguments, self.variables);
            self.fail(Step::Program, 0)
        }
    }

    /// Niceness and limits first, for they may need the rights that end with the change of user.
    ///
    /// Raw calls for groups and user: the C library's would first tell threads that the child
    /// does not have.
    unsafe fn take_on_attributes(&self) {
        // SAFETY: raw system calls on numbers and on memory that was copied with us.
        unsafe {
            if let Some(nice) = self.process.nice
                && libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, nice) != 0
            {
                self.fail(Step::Nice, 0);
            }
            for (index, limit) in (0u8..).zip(&self.process.limits) {
                let both = libc::rlimit64 { rlim_cur: limit.max, rlim_max: limit.max };
                let none = ptr::null_mut::<libc::rlimit64>();
                let kind = limit.resource.number();
                if libc::syscall(libc::SYS_prlimit64, 0, kind, &raw const both, none) != 0 {
                    self.fail(Step::Limit, index);
                }
            }
            if let Some(Credentials { uid, gid, groups }) = &self.process.credentials {
                if libc::syscall(libc::SYS_setgroups, groups.len(), groups.as_ptr()) != 0
                    || libc::syscall(libc::SYS_setresgid, *gid, *gid, *gid) != 0
                {
                    self.fail(Step::Groups, 0);
                }
                if libc::syscall(libc::SYS_setresuid, *uid, *uid, *uid) != 0 {
                    self.fail(Step::User, 0);
                }
            }
            if let Some(umask) = self.process.umask {
                libc::umask(umask);
            }
        }
    }

    /// Nothing handled, nothing ignored, nothing blocked, in this order: our handlers must not run
    /// here. Rust ignores SIGPIPE, and whoever started us may ignore more, which programs do not
    /// expect.
    unsafe fn reset_signals(&self) {
        // SAFETY: the set lives on our stack; `signal` takes numbers only.
        unsafe {
            for number in 1..=LAST_STANDARD_SIGNAL {
                // Fails for SIGKILL and SIGSTOP, which cannot be ignored in the first place.
                libc::signal(number, libc::SIG_DFL);
            }
            let mut none: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut none);
            libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        }
    }

    /// Writes our process id after `LISTEN_PID=` and the like, without allocating.
    unsafe fn write_pid(&self) {
        // SAFETY: getpid cannot fail.
        let mut rest = unsafe { libc::getpid() }.unsigned_abs();
        let mut digits = [0u8; PID_DIGITS];
        let mut first = PID_DIGITS;
        loop {
            first -= 1;
            digits[first] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for place in &self.pid_digits {
            // SAFETY: there is room for PID_DIGITS bytes and a zero, which is there already.
            unsafe {
                ptr::copy_nonoverlapping(&raw const digits[first], *place, PID_DIGITS - first);
            }
        }
    }

    /// Tells the parent which step failed, and how, and ends.
    unsafe fn fail(&self, step: Step, detail: u8) -> ! {
        // SAFETY: errno is this thread's own; the buffer lives on our stack.
        unsafe {
            let errno = (*libc::__errno_location()).to_le_bytes();
            let report = [step as u8, errno[0], errno[1], errno[2], errno[3], detail];
            libc::write(self.reporter, report.as_ptr().cast(), report.len());
            libc::_exit(127)
        }
    }
}

/// Marks a range of our descriptors, both ends included, to be closed when the program begins.
///
/// # Safety
/// To be called in the child of a fork only.
unsafe fn close_at_exec(first: c_int, last: c_int) {
    // SAFETY: only flags of descriptors change, and a kernel that refuses changes nothing.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, last, libc::CLOSE_RANGE_CLOEXEC);
    }
}
