//! What an exit code or a signal means: clean, failed, or hopeless.

use std::fmt;

/// How a process ended, as the kernel tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// This signal ended it once it had used up the processor time that it may use.
    CpuTime(i32),
}

/// What an exit means for the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// It was done.
    Clean,
    /// It was done, and by its exit code it asks not to be started again.
    Done,
    /// It may work the next time.
    Failed,
    /// Trying again cannot help: the configuration is wrong (78) or the program says so (125).
    Hopeless,
}

/// `EX_CONFIG` of sysexits: the configuration is wrong.
const CONFIG: i32 = 78;
/// s6's word for "do not start me again".
const PERMANENT: i32 = 125;
/// The signal that nobody can catch.
const SIGKILL: i32 = 9;

impl Exit {
    /// What this exit means.
    #[must_use]
    pub fn meaning(self) -> Meaning {
        match self {
            Exit::Code(0) => Meaning::Clean,
            Exit::Code(CONFIG | PERMANENT) => Meaning::Hopeless,
            Exit::Code(_) | Exit::Signal(_) | Exit::CpuTime(_) => Meaning::Failed,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(CONFIG) => write!(out, "exit code 78 (configuration refused)"),
            Exit::Code(PERMANENT) => write!(out, "exit code 125 (do not start again)"),
            Exit::Code(code) => write!(out, "exit code {code}"),
            Exit::Signal(SIGKILL) => write!(out, "killed by SIGKILL, perhaps out of memory"),
            Exit::Signal(number) => write_signal(out, number),
            Exit::CpuTime(number) => {
                write_signal(out, number)?;
                write!(out, ", perhaps its cpu_time limit")
            }
        }
    }
}

fn write_signal(out: &mut fmt::Formatter<'_>, number: i32) -> fmt::Result {
    match signal_name(number) {
        Some(name) => write!(out, "killed by {name}"),
        None => write!(out, "killed by signal {number}"),
    }
}

/// The name of a signal that ends processes, as on Linux.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meanings() {
        assert_eq!(Exit::Code(0).meaning(), Meaning::Clean);
        assert_eq!(Exit::Code(1).meaning(), Meaning::Failed);
        assert_eq!(Exit::Code(78).meaning(), Meaning::Hopeless);
        assert_eq!(Exit::Code(125).meaning(), Meaning::Hopeless);
        assert_eq!(Exit::Signal(11).meaning(), Meaning::Failed);
    }

    #[test]
    fn words() {
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
        assert_eq!(Exit::Signal(9).to_string(), "killed by SIGKILL, perhaps out of memory");
        let limit = "killed by SIGKILL, perhaps its cpu_time limit";
        assert_eq!(Exit::CpuTime(9).to_string(), limit);
        assert_eq!(Exit::CpuTime(9).meaning(), Meaning::Failed);
        assert_eq!(Exit::Signal(11).to_string(), "killed by SIGSEGV");
        assert_eq!(Exit::Signal(64).to_string(), "killed by signal 64");
        assert_eq!(Exit::Code(78).to_string(), "exit code 78 (configuration refused)");
        assert_eq!(Exit::Code(125).to_string(), "exit code 125 (do not start again)");
    }

    /// Every signal that ends a process by itself has its name, as `kill -l` has it.
    #[test]
    fn signals() {
        let names = "1 HUP 2 INT 3 QUIT 4 ILL 6 ABRT 7 BUS 8 FPE 10 USR1 12 USR2 13 PIPE 14 ALRM \
                     15 TERM 24 XCPU 25 XFSZ 31 SYS";
        let words: Vec<&str> = names.split_whitespace().collect();
        for pair in words.chunks(2) {
            let number = pair[0].parse().unwrap();
            assert_eq!(Exit::Signal(number).to_string(), format!("killed by SIG{}", pair[1]));
        }
    }
}
