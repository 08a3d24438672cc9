//! As whom a program runs and what it may use: user, group, umask, nice and resource limits.
//!
//! Names become numbers here, so that a child between fork and exec has nothing to look up. Every
//! key has the word "inherit": as the supervisor has it, which is the default, and lets one
//! environment take back what the file says for all.

use std::ffi::CString;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};
use serde::Serialize;

use super::file::{Node, Value};
use super::keys::{Key, Kind};
use super::problem::Report;
use super::section::Section;
use super::value::{self, found, quoted};

/// As the supervisor has it.
const INHERIT: &str = "inherit";
/// As much as the kernel has.
const UNLIMITED: &str = "unlimited";
/// The highest bits that a umask may have.
const UMASK_MAX: u32 = 0o777;

/// What a program has of its own beside its arguments; what is absent it has from us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProcessConfig {
    /// Whose variables (HOME, USER, LOGNAME) it gets.
    pub account: Option<Account>,
    /// What the child becomes; absent where it is what we are.
    pub credentials: Option<Credentials>,
    /// The bits that new files do not get.
    pub umask: Option<u32>,
    /// From -20, which others wait for, to 19, which waits for others.
    pub nice: Option<i32>,
    /// At most one for each resource.
    pub limits: Vec<ResourceLimit>,
}

/// A user, for the environment and for words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The name, or the number of a user without a name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

/// What decides what a process may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Credentials {
    /// The user.
    pub uid: u32,
    /// The main group.
    pub gid: u32,
    /// All groups.
    pub groups: Vec<u32>,
}

/// How much a process may have of a resource; it cannot raise this itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ResourceLimit {
    /// Of what.
    pub resource: Resource,
    /// Bytes, seconds or a number; the largest number means unlimited.
    pub max: u64,
}

/// What a process can be kept from using up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Resource {
    /// Descriptors.
    OpenFiles,
    /// Processes and threads of its user.
    Processes,
    /// Virtual memory.
    AddressSpace,
    /// The size of a core dump.
    Core,
    /// Seconds on a processor.
    CpuTime,
    /// The size of a file that it writes.
    FileSize,
    /// The stack of its first thread.
    Stack,
    /// Memory that is never swapped.
    LockedMemory,
}

/// What a limit is written in.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unit {
    Number,
    Bytes,
    Time,
}

const RESOURCES: [Resource; 8] = [
    Resource::OpenFiles,
    Resource::Processes,
    Resource::AddressSpace,
    Resource::Core,
    Resource::CpuTime,
    Resource::FileSize,
    Resource::Stack,
    Resource::LockedMemory,
];

impl Resource {
    /// Its key below `resources`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Resource::OpenFiles => "open_files",
            Resource::Processes => "processes",
            Resource::AddressSpace => "address_space",
            Resource::Core => "core",
            Resource::CpuTime => "cpu_time",
            Resource::FileSize => "file_size",
            Resource::Stack => "stack",
            Resource::LockedMemory => "locked_memory",
        }
    }

    /// Its number for the kernel.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Resource::OpenFiles => libc::RLIMIT_NOFILE,
            Resource::Processes => libc::RLIMIT_NPROC,
            Resource::AddressSpace => libc::RLIMIT_AS,
            Resource::Core => libc::RLIMIT_CORE,
            Resource::CpuTime => libc::RLIMIT_CPU,
            Resource::FileSize => libc::RLIMIT_FSIZE,
            Resource::Stack => libc::RLIMIT_STACK,
            Resource::LockedMemory => libc::RLIMIT_MEMLOCK,
        }
    }
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, example: r#""inherit""# }
}

pub(super) const USER: Key = key("user", Kind::Account);
pub(super) const GROUP: Key = key("group", Kind::Account);
pub(super) const UMASK: Key = key("umask", Kind::Umask);
pub(super) const NICE: Key = key("nice", Kind::Nice);

/// `[apps.NAME.resources]`.
pub(super) const RESOURCE_KEYS: &[Key] = &[
    key("open_files", Kind::Limit(Unit::Number)),
    key("processes", Kind::Limit(Unit::Number)),
    key("address_space", Kind::Limit(Unit::Bytes)),
    key("core", Kind::Limit(Unit::Bytes)),
    key("cpu_time", Kind::Limit(Unit::Time)),
    key("file_size", Kind::Limit(Unit::Bytes)),
    key("stack", Kind::Limit(Unit::Bytes)),
    key("locked_memory", Kind::Limit(Unit::Bytes)),
];

/// A user or a group as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written<'a> {
    Inherit,
    Name(&'a str),
    Number(u32),
}

pub(super) fn account(node: &Node) -> Result<Written<'_>, String> {
    match &node.value {
        Value::Text(word) if word == INHERIT => Ok(Written::Inherit),
        Value::Text(number) if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
            Err(format!("{} is in quotes; write the number {number} without them", quoted(number)))
        }
        Value::Text(_) => value::text(node).map(Written::Name),
        Value::Integer(number) => u32::try_from(*number)
            .ok()
            .filter(|number| *number != u32::MAX)
            .map(Written::Number)
            .ok_or_else(|| format!("{number} is no id; write a name or a number from 0")),
        other => Err(format!("{} is neither a name nor a number", found(other))),
    }
}

pub(super) fn umask(node: &Node) -> Result<Option<u32>, String> {
    match &node.value {
        Value::Text(word) if word == INHERIT => Ok(None),
        Value::Text(digits) => u32::from_str_radix(digits, 8)
            .ok()
            .filter(|mask| *mask <= UMASK_MAX)
            .map(Some)
            .ok_or_else(|| {
                format!("{} is not a umask; write octal digits, such as \"027\"", quoted(digits))
            }),
        other => Err(format!("{} is not a umask; write it in quotes: \"027\"", found(other))),
    }
}

pub(super) fn nice(node: &Node) -> Result<Option<i32>, String> {
    match &node.value {
        Value::Text(word) if word == INHERIT => Ok(None),
        Value::Integer(number @ -20..=19) => Ok(i32::try_from(*number).ok()),
        other => Err(match value::meant_number(other) {
            Some(_) => value::no_number(other, "a niceness"),
            None => format!("{} is not a niceness; write a number from -20 to 19", found(other)),
        }),
    }
}

pub(super) fn limit(node: &Node, unit: Unit) -> Result<Option<u64>, String> {
    match &node.value {
        Value::Text(word) if word == INHERIT => return Ok(None),
        Value::Text(word) if word == UNLIMITED => return Ok(Some(u64::MAX)),
        _other => {}
    }
    let read = match unit {
        Unit::Number => value::count(node, 1, 1 << 30, "a limit").map(u64::from),
        Unit::Bytes => value::size(node, "0B", "1000TB"),
        Unit::Time => value::duration(node, "1s", "8760h").map(|time| time.as_secs()),
    };
    read.map(Some).map_err(|words| {
        if words.ends_with('?') {
            return words;
        }
        let remedy = if words.contains("; ") { "" } else { "; write a limit" };
        format!("{words}{remedy}, \"{UNLIMITED}\" or \"{INHERIT}\"")
    })
}

/// What was written for an app. A worker with a link must run as we do, for it has to reach our
/// socket and the log.
pub(super) fn read(section: Section<'_>, linked: bool, report: &mut Report) -> ProcessConfig {
    let ours = Ours { uid: geteuid(), gid: getegid() };
    let mut process = ProcessConfig {
        umask: section.node("umask").and_then(|node| umask(node).ok()).flatten(),
        nice: section.node("nice").and_then(|node| nice(node).ok()).flatten(),
        ..ProcessConfig::default()
    };
    let resources = section.section("resources");
    for resource in RESOURCES {
        let kind = RESOURCE_KEYS.iter().find(|key| key.name == resource.key());
        let (Some(Key { kind: Kind::Limit(unit), .. }), Some(node)) =
            (kind, resources.node(resource.key()))
        else {
            continue;
        };
        if let Ok(Some(max)) = limit(node, *unit) {
            process.limits.push(ResourceLimit { resource, max });
        }
    }
    let user = user(section, report);
    let group = group(section, report);
    let culprit = section.node("user").or(section.node("group"));
    let wants = user.is_some() || group.is_some();
    match (culprit, ours.allow(user.as_ref(), group)) {
        (Some(node), _) if linked && wants => {
            let words = "a worker with a link runs as the supervisor does, for it has to reach its \
                         socket; remove this key";
            report.add(&node.key, node.place, words);
        }
        (Some(node), Err(words)) => report.add(&node.key, node.place, words),
        (_, Ok(credentials)) => process.credentials = credentials,
        (None, Err(_)) => {}
    }
    process.account = user.map(|user| Account { name: user.name, home: user.home });
    process
}

/// A user that was found, or a bare number.
struct Wanted {
    name: String,
    home: PathBuf,
    uid: Uid,
    gid: Option<Gid>,
}

fn user(section: Section<'_>, report: &mut Report) -> Option<Wanted> {
    let node = section.node("user")?;
    let (shown, user) = match account(node).ok()? {
        Written::Inherit => return None,
        Written::Name(name) => (quoted(name), User::from_name(name)),
        Written::Number(uid) => (uid.to_string(), User::from_uid(Uid::from_raw(uid))),
    };
    match (user, account(node)) {
        (Ok(Some(user)), _) => {
            Some(Wanted { name: user.name, home: user.dir, uid: user.uid, gid: Some(user.gid) })
        }
        (Ok(None), Ok(Written::Number(uid))) => {
            if !matches!(
                section.node("group").map(account),
                Some(Ok(Written::Number(_) | Written::Name(_)))
            ) {
                let words = format!(
                    "there is no user {uid} here, so its group is unknown; write `group` as well"
                );
                report.add(&node.key, node.place, words);
            }
            let uid = Uid::from_raw(uid);
            Some(Wanted { name: shown, home: "/".into(), uid, gid: None })
        }
        (Ok(None), _) => {
            let words = format!("there is no user {shown} here; create it, or write another");
            report.add(&node.key, node.place, words);
            None
        }
        (Err(errno), _) => {
            let words = format!("the user {shown} cannot be looked up: {errno}; try again");
            report.add(&node.key, node.place, words);
            None
        }
    }
}

fn group(section: Section<'_>, report: &mut Report) -> Option<Gid> {
    let node = section.node("group")?;
    let name = match account(node).ok()? {
        Written::Inherit => return None,
        Written::Number(gid) => return Some(Gid::from_raw(gid)),
        Written::Name(name) => name,
    };
    let words = match Group::from_name(name) {
        Ok(Some(group)) => return Some(group.gid),
        Ok(None) => {
            format!("there is no group {} here; create it, or write another", quoted(name))
        }
        Err(errno) => format!("the group {} cannot be looked up: {errno}; try again", quoted(name)),
    };
    report.add(&node.key, node.place, words);
    None
}

/// As whom we run ourselves.
#[derive(Debug, Clone, Copy)]
struct Ours {
    uid: Uid,
    gid: Gid,
}

impl Ours {
    /// What a child of ours becomes; nothing where it is what we are already.
    fn allow(
        self,
        user: Option<&Wanted>,
        group: Option<Gid>,
    ) -> Result<Option<Credentials>, String> {
        let uid = user.map_or(self.uid, |user| user.uid);
        let gid = group.or(user.and_then(|user| user.gid)).unwrap_or(self.gid);
        if user.is_none() && group.is_none() {
            return Ok(None);
        }
        if !self.uid.is_root() {
            return match uid == self.uid && (group.is_none() || gid == self.gid) {
                true => Ok(None),
                false => Err(format!(
                    "only root can start a program as another user or group, and this is user {}; \
                     remove this key, or be root",
                    self.uid
                )),
            };
        }
        let named = user.filter(|user| user.gid.is_some()).map(|user| &user.name);
        let groups = named
            .and_then(|name| getgrouplist(&CString::new(name.as_str()).ok()?, gid).ok())
            .unwrap_or_else(|| vec![gid]);
        let groups = groups.into_iter().map(Gid::as_raw).collect();
        Ok(Some(Credentials { uid: uid.as_raw(), gid: gid.as_raw(), groups }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(uid: u32) -> Wanted {
        let (name, home) = ("x".to_owned(), PathBuf::from("/"));
        Wanted { name, home, uid: Uid::from_raw(uid), gid: None }
    }

    #[test]
    fn only_root_becomes_somebody_else() {
        let alice = Ours { uid: Uid::from_raw(1000), gid: Gid::from_raw(100) };
        assert_eq!(alice.allow(None, None), Ok(None));
        assert_eq!(alice.allow(Some(&wanted(1000)), None), Ok(None));
        assert_eq!(alice.allow(None, Some(Gid::from_raw(100))), Ok(None));
        assert!(alice.allow(Some(&wanted(1001)), None).unwrap_err().contains("this is user 1000"));
        assert!(alice.allow(None, Some(Gid::from_raw(101))).is_err());
        let root = Ours { uid: Uid::from_raw(0), gid: Gid::from_raw(0) };
        let expected = Credentials { uid: 1001, gid: 7, groups: vec![7] };
        assert_eq!(root.allow(Some(&wanted(1001)), Some(Gid::from_raw(7))), Ok(Some(expected)));
        let expected = Credentials { uid: 0, gid: 7, groups: vec![7] };
        assert_eq!(root.allow(None, Some(Gid::from_raw(7))), Ok(Some(expected)));
    }
}
