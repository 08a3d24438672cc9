//! What the process was born with: its place under the supervisor and the inherited listener.
//!
//! The supervisor's [`mcp_protocol::settings::Settings`] come later, over the socket.

use std::net::TcpListener;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;

use mcp_protocol::env;
use mcp_protocol::secret::Secret;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::warehouse::snowflake::browser::Screen;
use crate::warehouse::snowflake::platform::{VARIABLES, Variables};

/// Who this worker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its app.
    pub app: String,
    /// Its slot.
    pub slot: u32,
    /// Its run.
    pub run: u64,
    /// Its process.
    pub pid: u32,
}

/// What the supervisor left for us in the environment.
#[derive(Debug)]
pub struct Inherited {
    /// The supervisor's socket.
    pub socket: PathBuf,
    /// Who we are.
    pub identity: Identity,
    /// The listener that all workers of the app share; non-blocking.
    pub listener: TcpListener,
}

/// Why the environment does not make a worker.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// Nobody prepared anything: the program was started by hand.
    #[error("{} is not set", env::SOCKET)]
    NotSupervised,
    /// A variable is absent or makes no sense.
    #[error("{name} {problem}")]
    Variable {
        /// Which one.
        name: &'static str,
        /// What is the matter with it.
        problem: String,
    },
    /// The descriptor is not a socket that can be used.
    #[error("cannot use descriptor {descriptor} as the listener")]
    Listener {
        /// Which one.
        descriptor: RawFd,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Inherited {
    /// Reads the environment and takes the listener over. To be called once, first thing.
    ///
    /// # Errors
    /// When the program was not started by a supervisor, or the environment is incomplete.
    pub fn take() -> Result<Inherited, InheritError> {
        let socket = variable(env::SOCKET).ok_or(InheritError::NotSupervised)?;
        let identity = Identity {
            app: variable(env::APP).ok_or_else(|| absent(env::APP))?,
            slot: number(env::SLOT)?,
            run: number(env::RUN)?,
            pid: std::process::id(),
        };
        check_listeners(&identity)?;
        let listener = adopt(env::LISTEN_FDS_START)?;
        Ok(Inherited { socket: PathBuf::from(socket), identity, listener })
    }
}

/// What the platform that this process runs on told it, for logins that show who it is by that.
#[must_use]
pub fn of_platform() -> Variables {
    let set = |name: &&'static str| Some((*name, Secret::new(variable(name)?)));
    VARIABLES.iter().filter_map(set).collect()
}

/// What can show a page to the one who typed the command.
#[must_use]
pub fn screen() -> Screen {
    let has_display =
        ["DISPLAY", "WAYLAND_DISPLAY"].into_iter().any(|name| variable(name).is_some());
    Screen::new(variable("BROWSER").as_deref(), has_display)
}

fn check_listeners(identity: &Identity) -> Result<(), InheritError> {
    let meant_for: u32 = number(env::LISTEN_PID)?;
    if meant_for != identity.pid {
        return Err(InheritError::Variable {
            name: env::LISTEN_PID,
            problem: format!("is {meant_for}, but this process is {}", identity.pid),
        });
    }
    let count: u32 = number(env::LISTEN_FDS)?;
    if count == 1 {
        return Ok(());
    }
    Err(InheritError::Variable {
        name: env::LISTEN_FDS,
        problem: format!("is {count}; a worker needs one listener: give the app a `listen`"),
    })
}

/// Takes a descriptor over, keeps it from our children, and makes it fit for the event loop.
fn adopt(descriptor: RawFd) -> Result<TcpListener, InheritError> {
    let refuse = |source: std::io::Error| InheritError::Listener { descriptor, source };
    // Asked before the descriptor is owned: closing one that is not open aborts the process.
    let flags = nix::sys::stat::fstat(
        // SAFETY: borrowed for this one call; a closed number gives EBADF, which is reported.
        #[expect(unsafe_code, reason = "an inherited descriptor is known by its number alone")]
        unsafe {
            std::os::fd::BorrowedFd::borrow_raw(descriptor)
        },
    );
    flags.map_err(|errno| refuse(errno.into()))?;
    // SAFETY: the descriptor is open (just asked), LISTEN_PID says it was left for this process,
    // and this function runs once, before anything else opens or takes descriptors.
    #[expect(unsafe_code, reason = "an inherited descriptor is known by its number alone")]
    let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
    fcntl(&owned, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|errno| refuse(errno.into()))?;
    let listener = TcpListener::from(owned);
    listener.local_addr().map_err(refuse)?;
    listener.set_nonblocking(true).map_err(refuse)?;
    Ok(listener)
}

fn number<N: std::str::FromStr>(name: &'static str) -> Result<N, InheritError> {
    let text = variable(name).ok_or_else(|| absent(name))?;
    text.parse().map_err(|_| InheritError::Variable {
        name,
        problem: format!("is `{text}`, which is not a number"),
    })
}

fn absent(name: &'static str) -> InheritError {
    InheritError::Variable { name, problem: "is not set".to_owned() }
}

#[expect(clippy::disallowed_methods, reason = "this is the room where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
