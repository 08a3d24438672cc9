//! What operators changed at run time, kept over the supervisor's end: `changes.json`.
//!
//! The file is replaced as a whole and flushed before it takes its name, by a task of its own: the
//! loop never waits for a disk. What cannot be read is put aside and said aloud; the service then
//! starts from the configuration file alone. Nothing is decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::machine::{AppName, Change, Changes, INSTANCES_MAX, Presence};
use crate::runtime::replace::{Existing, make_file};

/// The name of the file in the state directory.
const FILE_NAME: &str = "changes.json";
/// The form of the file that is written and understood.
const VERSION: u32 = 1;
/// A longer file is not ours.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The changes and where they are kept.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) file: PathBuf,
    pub(crate) changes: Changes,
    /// Why what an earlier supervisor kept could not be used.
    pub(crate) problem: Option<String>,
    /// How often something was to be kept.
    number: u64,
    orders: watch::Sender<(u64, Changes)>,
    written: watch::Receiver<Written>,
}

/// How far the file has come.
#[derive(Debug, Default, Clone)]
struct Written {
    number: u64,
    problem: Option<String>,
}

impl Memory {
    /// Reads what an earlier supervisor kept, or says aloud what is wrong with it.
    pub(crate) fn open(directory: &Path) -> Memory {
        let file = directory.join(FILE_NAME);
        let (changes, problem) = match read(&file) {
            Ok(changes) => (changes, None),
            Err(why) => {
                let (place, file) = (put_aside(&file), file.display());
                let held = "only the configuration file holds";
                (Changes::new(), Some(format!("cannot use `{file}`: {why}; {place}, and {held}")))
            }
        };
        if let Some(problem) = &problem {
            tracing::warn!("{problem}");
        }
        let (orders, ordered) = watch::channel((0, changes.clone()));
        let (report, written) = watch::channel(Written::default());
        tokio::spawn(write_on(file.clone(), ordered, report));
        Memory { file, changes, problem, number: 0, orders, written }
    }

    /// Keeps these changes in place of the earlier ones.
    pub(crate) fn remember(&mut self, changes: Changes) {
        if self.changes == changes {
            return;
        }
        self.number += 1;
        self.changes = changes;
        self.orders.send_replace((self.number, self.changes.clone()));
    }

    /// How often something was to be kept so far.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Waits until everything is in the file, or says why it is not. `None` when it is already.
    pub(crate) fn kept(&self) -> impl Future<Output = Result<(), String>> + Send + use<> {
        let (number, mut written) = (self.number, self.written.clone());
        async move {
            match written.wait_for(|written| written.number >= number).await {
                Ok(written) => written.problem.clone().map_or(Ok(()), Err),
                Err(_) => Err("the supervisor is ending".to_owned()),
            }
        }
    }
}

/// Writes the newest changes whenever there are newer ones.
async fn write_on(
    file: PathBuf,
    mut ordered: watch::Receiver<(u64, Changes)>,
    report: watch::Sender<Written>,
) {
    while ordered.changed().await.is_ok() {
        let (number, changes) = ordered.borrow_and_update().clone();
        let path = file.clone();
        let outcome = tokio::task::spawn_blocking(move || write(&path, &changes)).await;
        let problem = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("cannot write `{}`: {error}", file.display())),
            Err(error) => Some(format!("cannot write `{}`: {error}", file.display())),
        };
        if let Some(problem) = &problem {
            tracing::error!(problem, "changes made at run time will not outlive the supervisor");
        }
        report.send_replace(Written { number, problem });
    }
}

/// The file's form. Foreign keys mean a foreign file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// Of the apps, so that a flipped bit does not become another number of workers.
    checksum: String,
    apps: BTreeMap<String, Entry>,
}

fn checksum(apps: &BTreeMap<String, Entry>) -> Result<String, serde_json::Error> {
    Ok(format!("{:016x}", crate::config::fnv_1a(&serde_json::to_vec(apps)?)))
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instances: Option<u32>,
    #[serde(default, skip_serializing_if = "is_wanted")]
    presence: Kept,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    stopped_slots: BTreeSet<u32>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kept {
    #[default]
    Wanted,
    Stopped,
    Deleted,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls it in")]
fn is_wanted(kept: &Kept) -> bool {
    *kept == Kept::Wanted
}

fn read(file: &Path) -> Result<Changes, String> {
    let mut text = String::new();
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Changes::new()),
        Err(error) => return Err(error.to_string()),
    };
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let document: Document = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if document.version != VERSION {
        return Err(format!("its version is {}, and {VERSION} is understood", document.version));
    }
    let sum = checksum(&document.apps).map_err(|error| error.to_string())?;
    if sum != document.checksum {
        return Err("it was damaged, or changed by hand".to_owned());
    }
    let changes = document.apps.into_iter().map(|(name, entry)| {
        if !crate::config::is_name(&name) {
            return Err(format!("`{}` is no name of an app", name.escape_debug()));
        }
        if entry.instances.is_some_and(|count| count > INSTANCES_MAX) {
            return Err(format!("the number of instances of `{name}` is out of range"));
        }
        let presence = match entry.presence {
            Kept::Wanted => Presence::Wanted,
            Kept::Stopped => Presence::Stopped,
            Kept::Deleted => Presence::Deleted,
        };
        let Entry { instances, stopped_slots, .. } = entry;
        Ok((AppName::new(&name), Change { instances, presence, stopped_slots }))
    });
    changes.collect()
}

/// Gives a file that cannot be used another name, so that a person can look at it, and says which.
pub(crate) fn put_aside(file: &Path) -> String {
    let mut aside = file.as_os_str().to_owned();
    aside.push(".broken");
    let aside = PathBuf::from(aside);
    match fs::rename(file, &aside) {
        Ok(()) => format!("it is kept as `{}`", aside.display()),
        Err(error) => format!("it cannot be put aside either: {error}"),
    }
}

/// Makes or replaces a file of the state directory, which is made when it is not there.
pub(crate) fn keep(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let directory = file.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
    make_file(file, content, mode, Existing::Replaced)
}

fn write(file: &Path, changes: &Changes) -> io::Result<()> {
    let apps = changes.iter().map(|(name, change)| {
        let presence = match change.presence {
            Presence::Wanted => Kept::Wanted,
            Presence::Stopped => Kept::Stopped,
            Presence::Deleted => Kept::Deleted,
        };
        let stopped_slots = change.stopped_slots.clone();
        (name.to_string(), Entry { instances: change.instances, presence, stopped_slots })
    });
    let apps = apps.collect();
    let checksum = checksum(&apps).map_err(io::Error::other)?;
    let document = Document { version: VERSION, checksum, apps };
    let mut text = serde_json::to_vec_pretty(&document).map_err(io::Error::other)?;
    text.push(b'\n');
    keep(file, &text, 0o640)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn changes() -> Changes {
        let change = |instances, presence, slots: &[u32]| Change {
            instances,
            presence,
            stopped_slots: slots.iter().copied().collect(),
        };
        Changes::from([
            (AppName::new("query"), change(Some(6), Presence::Wanted, &[1, 4])),
            (AppName::new("old.app"), change(None, Presence::Stopped, &[])),
            (AppName::new("gone"), change(None, Presence::Deleted, &[])),
        ])
    }

    #[test]
    fn what_was_kept_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deep/state/changes.json");
        assert_eq!(read(&file), Ok(Changes::new()));
        write(&file, &changes()).unwrap();
        assert_eq!(read(&file), Ok(changes()));
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !0o640, 0, "{mode:o}");
        write(&file, &Changes::new()).unwrap();
        assert_eq!(read(&file), Ok(Changes::new()));
        let left = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "something unfinished is left");
    }

    #[test]
    fn a_file_that_was_cut_anywhere_is_refused_or_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        write(&file, &changes()).unwrap();
        let whole = fs::read(&file).unwrap();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            let read = read(&file);
            assert!(read.is_err() || read == Ok(changes()), "{length}: {read:?}");
        }
    }

    #[test]
    fn a_file_with_any_bit_flipped_is_refused_or_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        write(&file, &changes()).unwrap();
        let whole = fs::read(&file).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, flipped).unwrap();
            let read = read(&file);
            assert!(read.is_err() || read == Ok(changes()), "{bit}: {read:?}");
        }
    }

    #[test]
    fn what_is_foreign_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        let refused = |text: &str, why: &str| {
            fs::write(&file, text).unwrap();
            let said = read(&file).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        };
        refused("[]", "invalid length");
        refused("{}", "missing field");
        refused(r#"{"version":1,"checksum":"0","apps":{}}"#, "damaged");
        refused(r#"{"version":1,"checksum":"0","apps":{},"more":1}"#, "unknown field");
        refused(r#"{"version":1,"checksum":"0","apps":{"a":{"presence":"hiding"}}}"#, "hiding");
        refused(r#"{"version":1,"checksum":"0","apps":{"a":{"instances":-1}}}"#, "invalid value");
        // What would be ours, but for what it says.
        let signed = |version: u32, apps: &str| {
            let apps: BTreeMap<String, Entry> = serde_json::from_str(apps).unwrap();
            let checksum = checksum(&apps).unwrap();
            serde_json::to_string(&Document { version, checksum, apps }).unwrap()
        };
        refused(&signed(2, "{}"), "its version is 2");
        refused(&signed(1, r#"{"a":{"instances":100000}}"#), "out of range");
        refused(&signed(1, r#"{"../a":{}}"#), "no name of an app");
    }

    #[tokio::test]
    async fn the_answer_waits_for_the_disk_and_tells_when_it_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let mut memory = Memory::open(directory.path());
        assert_eq!(memory.problem, None);
        assert_eq!(memory.kept().await, Ok(()), "nothing is to be kept yet");
        memory.remember(changes());
        memory.kept().await.unwrap();
        assert_eq!(read(&memory.file), Ok(changes()));
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("file"), "").unwrap();
        let mut memory = Memory::open(&other.path().join("file"));
        assert!(memory.problem.is_some());
        memory.remember(changes());
        assert!(memory.kept().await.unwrap_err().starts_with("cannot write"), "no directory");
    }

    #[tokio::test]
    async fn a_broken_file_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        fs::write(&file, "{\"version\":1,").unwrap();
        let memory = Memory::open(directory.path());
        let problem = memory.problem.unwrap();
        assert!(problem.contains(&file.display().to_string()), "{problem}");
        assert!(memory.changes.is_empty());
        assert!(!file.exists());
        assert!(directory.path().join("changes.json.broken").exists());
    }
}
