//! What a program wrote last, for the words of a failure and for `describe`.
//!
//! What it wrote just before its end may still be on its way to the file, so the pump is told to
//! flush first. All of this happens outside of the loop and within a bound: a slow disk makes an
//! answer poorer, not later.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::control::LogTail;
use tokio::sync::oneshot;

use crate::logs::last_lines;
use crate::runtime::clock::in_time;
use crate::runtime::output::log_files;

/// How many of the last lines are told.
const LINES: usize = 10;
/// How much is told of a line.
const LINE_CHARS_MAX: usize = 400;
/// How long the pump may take to flush.
const FLUSH_TIME: Duration = Duration::from_secs(1);
/// The kernel stamps files by a coarser clock than ours, which lags behind.
const STAMP_LAG: Duration = Duration::from_millis(20);

/// The log files of an app, soon to be complete.
#[derive(Debug)]
pub(crate) struct LastOutput {
    errors: Vec<PathBuf>,
    output: Vec<PathBuf>,
    flushed: oneshot::Receiver<()>,
}

impl LastOutput {
    /// Of an app, or of slots that have files of their own; `flushed` tells when the files are
    /// complete.
    pub(crate) fn of(owners: &[String], logs: &Path, flushed: oneshot::Receiver<()>) -> LastOutput {
        let files = |owner: &String| log_files(owner).map(|name| logs.join(name));
        let (output, errors) = owners.iter().map(files).map(<(PathBuf, PathBuf)>::from).unzip();
        LastOutput { errors, output, flushed }
    }

    /// What explains a failure that happened after `since` (time since 1970): its errors, else its
    /// output, if one of them was written since; else its last errors.
    pub(crate) async fn since(self, since: Duration) -> Vec<String> {
        let _ = tokio::time::timeout_at(in_time(FLUSH_TIME), self.flushed).await;
        let (mut errors, mut output) = (self.errors, self.output);
        let read = tokio::task::spawn_blocking(move || {
            // Whoever wrote last is most likely to be the one.
            for files in [&mut errors, &mut output] {
                files.sort_by_key(|file| std::cmp::Reverse(written_at(file)));
            }
            let files = [errors, output].concat();
            let fresh = files.iter().find(|file| written_at(file) + STAMP_LAG >= since);
            let lines = fresh.map_or(Vec::new(), |file| lines(file));
            match lines.is_empty() {
                true => files.iter().map(|file| self::lines(file)).find(|one| !one.is_empty()),
                false => Some(lines),
            }
        });
        read.await.ok().flatten().unwrap_or_default()
    }

    /// The end of each file.
    pub(crate) async fn both(self) -> Vec<LogTail> {
        let _ = tokio::time::timeout_at(in_time(FLUSH_TIME), self.flushed).await;
        let files = self.output.into_iter().zip(self.errors).flat_map(<[PathBuf; 2]>::from);
        let tail = |file: PathBuf| LogTail { lines: lines(&file), file };
        let read = tokio::task::spawn_blocking(move || files.map(tail).collect());
        read.await.unwrap_or_default()
    }
}

/// When a file was last written, since 1970; never, when it is empty or not there.
fn written_at(file: &Path) -> Duration {
    let about = std::fs::metadata(file).ok().filter(|about| about.len() > 0);
    about
        .and_then(|about| about.modified().ok())
        .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
        .unwrap_or_default()
}

/// The last lines of a log, those before its last rotation included.
fn lines(file: &Path) -> Vec<String> {
    let lines = last_lines(file, LINES).unwrap_or_default();
    let shown =
        |line: &Vec<u8>| String::from_utf8_lossy(line).chars().take(LINE_CHARS_MAX).collect();
    lines.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Duration {
        crate::runtime::clock::since_epoch()
    }

    fn last(directory: &Path) -> LastOutput {
        let (done, flushed) = oneshot::channel();
        done.send(()).unwrap();
        LastOutput::of(&["q".to_owned()], directory, flushed)
    }

    #[tokio::test]
    async fn errors_come_first_then_output_then_what_is_old() {
        let begun = now();
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        assert!(last(directory.path()).since(begun).await.is_empty());
        std::fs::write(file("q.out.log"), "out\n").unwrap();
        assert_eq!(last(directory.path()).since(begun).await, ["out"]);
        std::fs::write(file("q.err.log"), "err\n").unwrap();
        assert_eq!(last(directory.path()).since(begun).await, ["err"]);
        let old = std::time::UNIX_EPOCH + Duration::from_secs(1);
        let errors = std::fs::File::options().append(true).open(file("q.err.log")).unwrap();
        errors.set_modified(old).unwrap();
        assert_eq!(last(directory.path()).since(begun).await, ["out"]);
        let output = std::fs::File::options().append(true).open(file("q.out.log")).unwrap();
        output.set_modified(old).unwrap();
        assert_eq!(last(directory.path()).since(begun).await, ["err"]);
    }

    #[tokio::test]
    async fn a_rotation_does_not_hide_the_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        std::fs::write(file("q.err.log"), "").unwrap();
        let many: String = (0..30).map(|number| format!("line {number}\n")).collect();
        std::fs::write(file("q.err.log.1"), many).unwrap();
        std::fs::write(file("q.out.log"), "").unwrap();
        let lines = last(directory.path()).since(now()).await;
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.last().unwrap(), "line 29");
    }
}
