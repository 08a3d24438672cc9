//! Why a newborn process never became its program, in words that name the object.
//!
//! The child reports a step and an error number through a pipe; here they are put together with
//! what was to be started.

use std::ffi::CString;
use std::io;

use crate::config::ProcessConfig;

/// The steps in the child, for words when one fails.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(super) enum Step {
    Group = 1,
    Directory = 2,
    Descriptors = 3,
    Program = 4,
    Nice = 5,
    Limit = 6,
    Groups = 7,
    User = 8,
}

/// What a birth is about, and what the words name when it fails.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) program: CString,
    pub(crate) working_directory: CString,
    pub(crate) process: ProcessConfig,
}

/// What the bytes of a report mean, in words that name the object.
pub(crate) fn exec_failure(report: &[u8], named: &Named) -> Option<String> {
    let (step, rest) = report.split_first()?;
    let errno = rest.first_chunk::<4>().map_or(0, |bytes| i32::from_le_bytes(*bytes));
    let cause = io::Error::from_raw_os_error(errno);
    let program = named.program.to_string_lossy();
    let user = named
        .process
        .account
        .as_ref()
        .map_or_else(String::new, |account| format!(" as user `{}`", account.name));
    let is = |wanted: Step| *step == wanted as u8;
    Some(if is(Step::Group) {
        format!("cannot make a process group: {cause}")
    } else if is(Step::Directory) {
        format!("cannot enter `{}`{user}: {cause}", named.working_directory.to_string_lossy())
    } else if is(Step::Descriptors) {
        format!("cannot pass descriptors: {cause}")
    } else if is(Step::Nice) {
        let nice = named.process.nice.unwrap_or_default();
        format!("cannot set nice to {nice}: {cause}; only root may go below its own")
    } else if is(Step::Limit) {
        let limits = &named.process.limits;
        let limit = rest.get(4).and_then(|index| limits.get(usize::from(*index)));
        let name = limit.map_or("a limit", |limit| limit.resource.key());
        format!("cannot set resources.{name}: {cause}; only root may go above its own hard limit")
    } else if is(Step::Groups) {
        format!("cannot take on the groups of the program{user}: {cause}")
    } else if is(Step::User) {
        format!("cannot become the user of the program{user}: {cause}")
    } else {
        match errno {
            libc::ENOENT => format!(
                "cannot execute `{program}`: the file, or the interpreter in its first line, does not exist"
            ),
            libc::ENOEXEC => {
                format!("cannot execute `{program}`: neither a binary nor a script with `#!`")
            }
            libc::EAGAIN => format!(
                "cannot execute `{program}`{user}: that user has as many processes as resources.processes allows"
            ),
            _ => format!("cannot execute `{program}`{user}: {cause}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Account, Resource, ResourceLimit};

    fn words(step: Step, errno: i32, detail: u8) -> String {
        let account = Account { name: "alice".to_owned(), home: "/".into() };
        let limit = ResourceLimit { resource: Resource::OpenFiles, max: 7 };
        let process = ProcessConfig {
            account: Some(account),
            nice: Some(-5),
            limits: vec![limit],
            ..ProcessConfig::default()
        };
        let named =
            Named { program: c"/bin/x".into(), working_directory: c"/gone".into(), process };
        let mut bytes = vec![step as u8];
        bytes.extend(errno.to_le_bytes());
        bytes.push(detail);
        assert_eq!(exec_failure(&[], &named), None);
        exec_failure(&bytes, &named).unwrap()
    }

    #[test]
    fn reports_become_words() {
        assert_eq!(
            words(Step::Directory, libc::ENOENT, 0),
            "cannot enter `/gone` as user `alice`: No such file or directory (os error 2)"
        );
        assert_eq!(
            words(Step::Program, libc::EACCES, 0),
            "cannot execute `/bin/x` as user `alice`: Permission denied (os error 13)"
        );
        assert!(words(Step::Program, libc::ENOENT, 0).contains("interpreter"));
        assert!(words(Step::Program, libc::EAGAIN, 0).contains("resources.processes"));
        assert!(words(Step::Nice, libc::EACCES, 0).contains("nice to -5"));
        assert!(words(Step::Limit, libc::EPERM, 0).contains("resources.open_files"));
        assert!(words(Step::Groups, libc::EPERM, 0).contains("groups"));
        assert!(words(Step::User, libc::EPERM, 0).contains("`alice`"));
    }
}
