//! The configurations that were accepted: in `config/` of the state directory, the text and what
//! is known of it, each under its number.
//!
//! Each file is replaced as a whole, and read by itself: one that is torn or damaged costs itself
//! and nothing else. The texts may hold secrets, so nobody but the supervisor's user reads them.
//! Nothing is decided here, and the loop never waits for a disk.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::runtime::replace::{Existing, make_file};

/// The directory in the state directory.
const DIRECTORY: &str = "config";
/// The form of the files that is written and understood.
const VERSION: u32 = 1;
/// The supervisor's user alone.
const MODE: u32 = 0o600;
/// How many are kept.
const GENERATIONS_MAX: usize = 50;
/// How many texts are kept that a rollback took out of the way and that were never in force.
const REPLACED_MAX: usize = 10;
/// A longer file is not ours.
const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// Texts that a rollback took out of the way begin so.
const REPLACED: &str = "replaced-";

/// What is known of an accepted configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    version: u32,
    /// Its number.
    pub number: u64,
    /// When it was accepted, in seconds since 1970.
    pub at: u64,
    /// Who or what had it read.
    pub why: String,
    /// The environment that it was read for.
    pub environment: String,
    /// The file that it was read from; several files may share a state directory. Unknown of one
    /// whose entry does not say it, and of one whose name is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// What it changed, in the words of the file.
    pub changes: Vec<String>,
    /// The number under which the text lies: that of the first one with this text.
    text: u64,
    checksum: String,
}

impl Generation {
    /// Whether it was, or may have been, read from this file.
    #[must_use]
    pub fn is_of(&self, file: &Path) -> bool {
        self.file.as_ref().is_none_or(|own| is_same_file(own, file))
    }
}

/// Whether two names mean one file, be it over symbolic links.
#[must_use]
pub fn is_same_file(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().ok();
    one == other || found(one).is_some_and(|one| found(other) == Some(one))
}

/// What is kept, and what of it cannot be used.
#[derive(Debug, Default)]
pub struct Kept {
    /// In the order of their numbers.
    pub generations: Vec<Generation>,
    /// Why others cannot be used.
    pub problems: Vec<String>,
    /// Texts that a rollback took out of the way and that were never in force.
    pub replaced: Vec<PathBuf>,
    /// The highest number that was ever given.
    pub highest: u64,
}

/// Reads what is kept in this state directory. Nothing is kept where there is no such directory.
#[must_use]
pub fn kept(state: &Path) -> Kept {
    let directory = state.join(DIRECTORY);
    let mut kept = Kept::default();
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return kept,
        Err(error) => {
            kept.problems.push(format!("cannot read `{}`: {error}", directory.display()));
            return kept;
        }
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(REPLACED) && name.ends_with(".toml") {
            kept.replaced.push(path);
            continue;
        }
        let Some((number, kind)) = name.split_once('.') else { continue };
        let Ok(number) = number.parse() else { continue };
        kept.highest = kept.highest.max(number);
        if kind == "json" {
            match read(&path, number) {
                Ok(generation) => kept.generations.push(generation),
                Err(why) => {
                    kept.problems.push(format!("cannot use `{}`: {why}", path.display()));
                }
            }
        }
    }
    kept.generations.sort_by_key(|generation| generation.number);
    kept.replaced.sort();
    kept
}

/// The text of a generation.
///
/// # Errors
/// In words, when it cannot be read or is not what was kept.
pub fn text_of(state: &Path, generation: &Generation) -> Result<String, String> {
    let path = text_file(&state.join(DIRECTORY), generation.text);
    let refuse = |why: &dyn std::fmt::Display| format!("cannot use `{}`: {why}", path.display());
    let text = read_text(&path).map_err(|error| refuse(&error))?;
    match checksum(text.as_bytes()) == generation.checksum {
        true => Ok(text),
        false => Err(refuse(&"it was damaged, or changed by hand")),
    }
}

/// Keeps a text that a rollback is about to take out of the way, unless it is kept already; the
/// new file, if there is one.
///
/// # Errors
/// When it cannot be written.
pub fn keep_replaced(state: &Path, text: &str, at: Duration) -> io::Result<Option<PathBuf>> {
    let kept = kept(state);
    let sum = checksum(text.as_bytes());
    let known = |generation: &Generation| {
        generation.checksum == sum && text_of(state, generation).as_deref() == Ok(text)
    };
    if kept.generations.iter().any(known) {
        return Ok(None);
    }
    let directory = state.join(DIRECTORY);
    make(&directory)?;
    let file = directory.join(format!("{REPLACED}{}.toml", at.as_millis()));
    make_file(&file, text.as_bytes(), MODE, Existing::Replaced)?;
    for old in kept.replaced.iter().rev().skip(REPLACED_MAX - 1) {
        let _ = fs::remove_file(old);
    }
    Ok(Some(file))
}

/// What is to be kept of a configuration that was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) number: u64,
    pub(crate) at: Duration,
    pub(crate) why: String,
    pub(crate) environment: String,
    pub(crate) file: PathBuf,
    pub(crate) changes: Vec<String>,
    pub(crate) text: Vec<u8>,
}

/// The way to the task that keeps them.
#[derive(Debug)]
pub(crate) struct History {
    highest: u64,
    ordered: u64,
    orders: mpsc::UnboundedSender<Accepted>,
    written: watch::Receiver<u64>,
}

impl History {
    /// Looks at what earlier supervisors kept. The number of the newest one comes along when it
    /// holds this text of this file for this environment: then it is in force again.
    pub(crate) fn open(
        state: &Path,
        text: &[u8],
        file: &Path,
        environment: &str,
    ) -> (History, Option<u64>) {
        let kept = kept(state);
        for problem in &kept.problems {
            tracing::warn!("{problem}; it is left out of the history of the configuration");
        }
        let newest = kept.generations.last().filter(|newest| {
            newest.number == kept.highest
                && newest.environment == environment
                && newest.is_of(file)
                && text_of(state, newest).is_ok_and(|kept| kept.as_bytes() == text)
        });
        let (orders, ordered) = mpsc::unbounded_channel();
        let (report, written) = watch::channel(0);
        tokio::spawn(write_on(state.to_owned(), ordered, report));
        let history = History { highest: kept.highest, ordered: 0, orders, written };
        (history, newest.map(|newest| newest.number))
    }

    /// A number that no configuration had before.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.highest += 1;
        self.highest
    }

    /// Keeps a configuration, soon.
    pub(crate) fn keep(&mut self, accepted: Accepted) {
        self.ordered += 1;
        let _ = self.orders.send(accepted);
    }

    /// Waits until everything is kept, or cannot be.
    pub(crate) fn kept(&self) -> impl Future<Output = ()> + Send + use<> {
        let (ordered, mut written) = (self.ordered, self.written.clone());
        async move {
            let _ = written.wait_for(|written| *written >= ordered).await;
        }
    }
}

async fn write_on(
    state: PathBuf,
    mut ordered: mpsc::UnboundedReceiver<Accepted>,
    report: watch::Sender<u64>,
) {
    while let Some(accepted) = ordered.recv().await {
        let (state, number) = (state.clone(), accepted.number);
        let outcome = tokio::task::spawn_blocking(move || write(&state, accepted)).await;
        let problem = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = problem {
            tracing::warn!(
                why,
                "generation {number} is in force, but `config rollback` will not know it"
            );
        }
        report.send_modify(|written| *written += 1);
    }
}

fn write(state: &Path, accepted: Accepted) -> io::Result<()> {
    let directory = state.join(DIRECTORY);
    make(&directory)?;
    let kept = kept(state);
    let sum = checksum(&accepted.text);
    let same = |one: &&Generation| {
        one.checksum == sum
            && text_of(state, one).is_ok_and(|text| text.as_bytes() == accepted.text)
    };
    let text = match kept.generations.iter().find(same) {
        Some(first) => first.text,
        None => {
            let file = text_file(&directory, accepted.number);
            make_file(&file, &accepted.text, MODE, Existing::Replaced)?;
            accepted.number
        }
    };
    let Accepted { number, at, why, environment, file, changes, text: _ } = accepted;
    let (at, file) = (at.as_secs(), file.to_str().is_some().then_some(file));
    let generation = Generation {
        version: VERSION,
        number,
        at,
        why,
        environment,
        file,
        changes,
        text,
        checksum: sum,
    };
    let mut json = serde_json::to_vec_pretty(&generation).map_err(io::Error::other)?;
    json.push(b'\n');
    make_file(&entry_file(&directory, number), &json, MODE, Existing::Replaced)?;
    prune(&directory, kept.generations, &generation);
    Ok(())
}

/// Removes the oldest, and texts that nobody needs any more. What cannot be removed stays.
fn prune(directory: &Path, mut generations: Vec<Generation>, newest: &Generation) {
    let surplus = (generations.len() + 1).saturating_sub(GENERATIONS_MAX);
    let gone: Vec<Generation> = generations.drain(..surplus).collect();
    let needed: BTreeSet<u64> =
        generations.iter().chain([newest]).map(|generation| generation.text).collect();
    for old in gone {
        let _ = fs::remove_file(entry_file(directory, old.number));
        if !needed.contains(&old.text) {
            let _ = fs::remove_file(text_file(directory, old.text));
        }
    }
}

fn read(path: &Path, number: u64) -> Result<Generation, String> {
    let text = read_text(path).map_err(|error| error.to_string())?;
    let generation: Generation = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if generation.version != VERSION {
        return Err(format!("its version is {}, and {VERSION} is understood", generation.version));
    }
    match generation.number == number {
        true => Ok(generation),
        false => Err(format!("it says that it is number {}", generation.number)),
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(state) = directory.parent() {
        DirBuilder::new().recursive(true).mode(0o750).create(state)?;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn checksum(text: &[u8]) -> String {
    format!("{:016x}", crate::config::fnv_1a(text))
}

fn entry_file(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.json"))
}

fn text_file(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;

    fn accepted(number: u64, text: &str) -> Accepted {
        Accepted {
            number,
            at: Duration::from_secs(1_000 + number),
            why: "reload".to_owned(),
            environment: "development".to_owned(),
            file: "/srv/ecosystem.toml".into(),
            changes: vec!["apps.query.instances 4 → 6".to_owned()],
            text: text.as_bytes().to_vec(),
        }
    }

    fn numbers(state: &Path) -> Vec<u64> {
        kept(state).generations.iter().map(|generation| generation.number).collect()
    }

    #[test]
    fn what_was_accepted_comes_back_and_an_equal_text_is_kept_once() {
        let state = tempfile::tempdir().unwrap();
        for (number, text) in [(1, "one"), (2, "two"), (3, "one")] {
            write(state.path(), accepted(number, text)).unwrap();
        }
        let kept = kept(state.path());
        assert_eq!((kept.highest, kept.problems), (3, Vec::<String>::new()));
        let texts: Vec<_> =
            kept.generations.iter().map(|one| text_of(state.path(), one).unwrap()).collect();
        assert_eq!(texts, ["one", "two", "one"]);
        let directory = state.path().join(DIRECTORY);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 5, "three entries and two texts");
        for entry in fs::read_dir(&directory).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn the_newest_are_kept_and_the_texts_that_they_need() {
        let state = tempfile::tempdir().unwrap();
        let count = GENERATIONS_MAX as u64 + 5;
        for number in 1..=count {
            let text = if number % 2 == 0 { "even".to_owned() } else { format!("odd {number}") };
            write(state.path(), accepted(number, &text)).unwrap();
        }
        assert_eq!(numbers(state.path()), (6..=count).collect::<Vec<_>>());
        for generation in kept(state.path()).generations {
            let text = text_of(state.path(), &generation).unwrap();
            assert_eq!(text == "even", generation.number % 2 == 0);
        }
        let files = fs::read_dir(state.path().join(DIRECTORY)).unwrap().count();
        assert_eq!(files, GENERATIONS_MAX + GENERATIONS_MAX / 2 + 1);
    }

    #[tokio::test]
    async fn a_number_is_never_given_twice_and_the_same_text_is_in_force_again() {
        let state = tempfile::tempdir().unwrap();
        let file = Path::new("/srv/ecosystem.toml");
        let (mut history, number) = History::open(state.path(), b"one", file, "development");
        assert_eq!((number, history.next_number()), (None, 1));
        history.keep(accepted(1, "one"));
        history.kept().await;
        let of = |file: &str, text: &[u8], environment| {
            let (mut history, number) =
                History::open(state.path(), text, Path::new(file), environment);
            number.unwrap_or_else(|| history.next_number())
        };
        let again = |text: &[u8], environment| of("/srv/ecosystem.toml", text, environment);
        assert_eq!(again(b"one", "development"), 1);
        assert_eq!(of("/srv/other.toml", b"one", "development"), 2);
        assert_eq!(again(b"two", "development"), 2);
        assert_eq!(again(b"one", "production"), 2);
        fs::write(state.path().join("config/00000007.json"), "{").unwrap();
        assert_eq!(again(b"one", "development"), 8, "a damaged one had its number too");
    }

    #[test]
    fn what_is_torn_or_damaged_costs_itself_alone() {
        let state = tempfile::tempdir().unwrap();
        for (number, text) in [(1, "one"), (2, "two"), (3, "three")] {
            write(state.path(), accepted(number, text)).unwrap();
        }
        let entry = state.path().join("config/00000002.json");
        let whole = fs::read(&entry).unwrap();
        for length in 0..whole.len() - 2 {
            fs::write(&entry, &whole[..length]).unwrap();
            assert_eq!(numbers(state.path()), [1, 3], "{length}");
            assert_eq!(kept(state.path()).problems.len(), 1);
        }
        fs::write(&entry, &whole).unwrap();
        fs::write(state.path().join("config/00000002.toml"), "twO").unwrap();
        let kept = kept(state.path());
        assert!(text_of(state.path(), &kept.generations[1]).unwrap_err().contains("damaged"));
        assert_eq!(text_of(state.path(), &kept.generations[2]).as_deref(), Ok("three"));
    }

    #[test]
    fn it_is_known_of_which_file_each_one_is() {
        let state = tempfile::tempdir().unwrap();
        let file = state.path().join("ecosystem.toml");
        let link = state.path().join("link.toml");
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(state.path(), Accepted { file: file.clone(), ..accepted(1, "one") }).unwrap();
        // An entry that does not say it, and a name that is no text.
        write(state.path(), accepted(2, "two")).unwrap();
        let entry = state.path().join("config/00000002.json");
        let whole = fs::read_to_string(&entry).unwrap();
        let without = whole.replace("  \"file\": \"/srv/ecosystem.toml\",\n", "");
        assert_ne!(whole, without);
        fs::write(&entry, without).unwrap();
        let odd: &OsStr = OsStrExt::from_bytes(b"/srv/\xFF.toml");
        write(state.path(), Accepted { file: odd.into(), ..accepted(3, "three") }).unwrap();
        let kept = kept(state.path());
        assert_eq!(kept.problems, Vec::<String>::new());
        let of =
            |file: &Path| kept.generations.iter().map(|one| one.is_of(file)).collect::<Vec<_>>();
        assert_eq!(of(&file), [true; 3]);
        assert_eq!(of(&link), [true; 3], "by another name");
        assert_eq!(of(&state.path().join("other.toml")), [false, true, true]);
    }

    #[test]
    fn a_text_that_a_rollback_takes_out_of_the_way_is_kept() {
        let state = tempfile::tempdir().unwrap();
        write(state.path(), accepted(1, "one")).unwrap();
        let moment = Duration::from_secs;
        assert_eq!(keep_replaced(state.path(), "one", moment(1)).unwrap(), None);
        for second in 1..=12 {
            let file = keep_replaced(state.path(), "broken", moment(1_000 + second)).unwrap();
            assert_eq!(fs::read_to_string(file.unwrap()).unwrap(), "broken");
        }
        assert_eq!(kept(state.path()).replaced.len(), REPLACED_MAX);
        assert_eq!(numbers(state.path()), [1]);
    }
}
