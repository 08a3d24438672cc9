//! Sessions that clients ended, per app: `revoked-sessions` in the state directory.
//!
//! A session id is good wherever its key is, so that one was ended has to be known as long as it
//! would have lived: by workers that come later, and after a restart. Each is a line that is
//! appended by a task of its own, many at once when they come fast; the loop never waits for a
//! disk. Lines that expired go when the file is rewritten, at a start and when it has grown.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use mcp_protocol::relay::{KEY_LIFE, Revocation};
use mcp_protocol::revoked::{Entry, REVOKED_MAX, Revoked};
use tokio::sync::mpsc;

use crate::machine::AppName;
use crate::runtime::clock::since_epoch;
use crate::runtime::state;

/// The name of the file in the state directory.
const FILE_NAME: &str = "revoked-sessions";
/// Lines that may wait for the disk; more hold until the supervisor ends.
const LINES_MAX: usize = 4096;
/// So many lines are appended before the file is rewritten without those that expired.
const APPENDED_MAX: usize = REVOKED_MAX;
/// The form of a line that is written and understood.
const VERSION: &str = "1";

/// Sessions that were ended, and the way to their file.
#[derive(Debug)]
pub(crate) struct Tombstones {
    apps: BTreeMap<AppName, Revoked>,
    lines: mpsc::Sender<String>,
    /// Those that were forgotten before their time, for there were too many.
    forgotten: BTreeMap<AppName, u64>,
}

impl Tombstones {
    /// Those that an earlier supervisor kept. Says aloud what is wrong with the file.
    pub(crate) fn open(directory: &Path) -> Tombstones {
        let file = directory.join(FILE_NAME);
        let apps = restored(&file);
        let (lines, queue) = mpsc::channel(LINES_MAX);
        tokio::spawn(write_on(file, queue));
        Tombstones { apps, lines, forgotten: BTreeMap::new() }
    }

    /// Remembers that a session of an app was ended.
    pub(crate) fn add(&mut self, app: &AppName, revocation: Revocation) {
        let now = since_epoch().as_secs();
        // Nothing that was sealed can be opened longer than two lives of a key.
        let until = revocation.until.min(now + 2 * KEY_LIFE.as_secs());
        let revocation = Revocation { until, ..revocation };
        match self.apps.entry(app.clone()).or_default().insert(revocation, now) {
            Entry::Known => return,
            Entry::New => {}
            Entry::Crowded => *self.forgotten.entry(app.clone()).or_default() += 1,
        }
        if self.lines.try_send(line(app, revocation)).is_err() {
            tracing::error!(
                %app,
                "the disk is too slow for `{FILE_NAME}`: a session that was ended can be used \
                 again after a restart of the supervisor"
            );
        }
    }

    /// Those of an app that have not expired.
    pub(crate) fn of(&mut self, app: &AppName) -> Vec<Revocation> {
        let Some(revoked) = self.apps.get_mut(app) else { return Vec::new() };
        revoked.forget_expired(since_epoch().as_secs());
        revoked.iter().collect()
    }

    /// How many there are of an app.
    pub(crate) fn count(&self, app: &AppName) -> usize {
        self.apps.get(app).map_or(0, Revoked::len)
    }

    /// How many of an app were forgotten before their time.
    pub(crate) fn forgotten(&self, app: &AppName) -> u64 {
        self.forgotten.get(app).copied().unwrap_or_default()
    }
}

/// Appends lines as they come, and rewrites the file when it has grown.
async fn write_on(file: PathBuf, mut queue: mpsc::Receiver<String>) {
    let mut appended = 0;
    let mut lines = Vec::new();
    let mut was_written = true;
    while queue.recv_many(&mut lines, LINES_MAX).await > 0 {
        appended += lines.len();
        let (text, path) = (lines.concat(), file.clone());
        let is_long = appended > APPENDED_MAX;
        lines.clear();
        let writing = tokio::task::spawn_blocking(move || {
            append(&path, &text)?;
            if is_long { rewrite(&path) } else { Ok(()) }
        });
        let written = writing.await.map_err(io::Error::other).and_then(|written| written);
        if is_long {
            appended = 0;
        }
        match &written {
            Err(error) if was_written => tracing::error!(
                "cannot write `{}`: {error}; sessions that are ended now can be used again after \
                 a restart of the supervisor: make room, or mend the rights of \
                 supervisor.state_directory",
                file.display()
            ),
            Err(_) | Ok(()) => {}
        }
        was_written = written.is_ok();
    }
}

fn append(file: &Path, text: &str) -> io::Result<()> {
    if !file.exists() {
        state::keep(file, b"", 0o640)?;
    }
    let mut opened = File::options().append(true).open(file)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_data()
}

/// Writes the file anew with what is still of use in it.
fn rewrite(file: &Path) -> io::Result<()> {
    let (apps, _) = read(file)?;
    let mut text = String::new();
    for (app, revoked) in &apps {
        revoked.iter().for_each(|one| text.push_str(&line(app, one)));
    }
    state::keep(file, text.as_bytes(), 0o640)
}

/// What the file holds at a start. It is written anew if anything in it is of no use.
fn restored(file: &Path) -> BTreeMap<AppName, Revoked> {
    let (apps, damaged) = match read(file) {
        Ok(read) => read,
        Err(error) => {
            let place = state::put_aside(file);
            let file = file.display();
            tracing::error!(
                "cannot use `{file}`: {error}; {place}. Sessions that were ended can be used again"
            );
            return BTreeMap::new();
        }
    };
    if damaged > 0 {
        tracing::error!(
            damaged,
            "lines of `{}` cannot be read; the sessions that they name, which were ended, can be \
             used again",
            file.display()
        );
    }
    if file.exists()
        && let Err(error) = rewrite(file)
    {
        tracing::error!("cannot write `{}`: {error}", file.display());
    }
    apps
}

/// What has not expired in the file, and how many whole lines make no sense. A last line without
/// its end was never finished.
fn read(file: &Path) -> io::Result<(BTreeMap<AppName, Revoked>, usize)> {
    let text = match fs::read(file) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error),
    };
    let now = since_epoch().as_secs();
    let (mut apps, mut damaged) = (BTreeMap::<AppName, Revoked>::new(), 0);
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match understood(line) {
            Some((app, revocation)) => {
                apps.entry(app).or_default().insert(revocation, now);
            }
            None => damaged += 1,
        }
    }
    Ok((apps, damaged))
}

/// Version, checksum of the rest, session, end, app.
fn line(app: &AppName, revocation: Revocation) -> String {
    let rest = format!("{} {} {app}", revocation.session, revocation.until);
    let mut line = String::new();
    let sum = crate::config::fnv_1a(rest.as_bytes());
    writeln!(line, "{VERSION} {sum:016x} {rest}").expect("a text takes everything");
    line
}

fn understood(line: &str) -> Option<(AppName, Revocation)> {
    let rest = line.strip_prefix(VERSION)?.strip_prefix(' ')?;
    let (sum, rest) = rest.split_once(' ')?;
    if sum != format!("{:016x}", crate::config::fnv_1a(rest.as_bytes())) {
        return None;
    }
    let mut words = rest.splitn(3, ' ');
    let session = words.next()?.parse().ok()?;
    let until = words.next()?.parse().ok()?;
    let app = words.next().filter(|name| crate::config::is_name(name))?;
    Some((AppName::new(app), Revocation { session, until }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp_protocol::relay::SessionTag;

    use crate::runtime::clock::{in_time, pause};
    use std::time::Duration;

    fn ends(number: u8, in_seconds: u64) -> Revocation {
        let until = since_epoch().as_secs() + in_seconds;
        Revocation { session: SessionTag([number; 16]), until }
    }

    fn held(apps: &BTreeMap<AppName, Revoked>) -> Vec<(String, Revocation)> {
        let all = apps.iter().flat_map(|(app, revoked)| revoked.iter().map(move |one| (app, one)));
        all.map(|(app, one)| (app.to_string(), one)).collect()
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = in_time(Duration::from_secs(10));
        while !condition() {
            assert!(in_time(Duration::ZERO) < deadline, "waited in vain for {what}");
            pause(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn what_was_ended_stays_ended_for_later_supervisors_and_for_its_app_alone() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let (query, other) = (AppName::new("query"), AppName::new("other.app"));
        let mut tombstones = Tombstones::open(&state);
        tombstones.add(&query, ends(1, 1_000));
        tombstones.add(&query, ends(1, 2_000));
        tombstones.add(&other, ends(2, u64::MAX / 2));
        tombstones.add(&query, Revocation { until: 7, ..ends(3, 0) });
        assert_eq!((tombstones.count(&query), tombstones.count(&other)), (1, 1));
        let file = state.join(FILE_NAME);
        let lines = || fs::read_to_string(&file).unwrap_or_default().lines().count();
        until("both lines", || lines() == 2).await;
        let mut later = Tombstones::open(&state);
        assert_eq!(later.of(&query), tombstones.of(&query));
        let kept = later.of(&other)[0].until - since_epoch().as_secs();
        assert!(kept <= 2 * KEY_LIFE.as_secs(), "{kept}");
        assert_eq!(later.of(&AppName::new("third")), []);
    }

    #[test]
    fn a_line_that_is_damaged_costs_no_other_and_an_unfinished_one_is_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        let app = AppName::new("query");
        let (first, second) = (ends(1, 1_000), ends(2, 1_000));
        let lines = [line(&app, first), line(&app, second)];
        let whole = lines.concat();
        for length in 0..whole.len() {
            fs::write(&file, &whole[..length]).unwrap();
            let (apps, damaged) = read(&file).unwrap();
            assert_eq!((held(&apps).len(), damaged), (length / lines[0].len(), 0), "{length}");
        }
        let ours = |one: Revocation| ("query".to_owned(), one);
        // The end of the first line is what keeps the second one apart.
        for bit in 0..(lines[0].len() - 1) * 8 {
            let mut flipped = whole.clone().into_bytes();
            flipped[bit / 8] ^= 1 << (bit % 8);
            fs::write(&file, &flipped).unwrap();
            let held = held(&read(&file).unwrap().0);
            assert!(held == [ours(second)] || held == [ours(first), ours(second)], "{held:?}");
        }
    }

    #[test]
    fn a_rewritten_file_holds_what_is_of_use_once() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        let app = AppName::new("query");
        let (alive, dead) =
            (line(&app, ends(1, 1_000)), line(&app, Revocation { until: 7, ..ends(2, 0) }));
        append(&file, &format!("{alive}{dead}nonsense\n")).unwrap();
        append(&file, &alive).unwrap();
        rewrite(&file).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), alive);
    }
}
