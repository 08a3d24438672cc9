//! Lines on their way into files that all workers share: a bounded queue, a thread, one `write` a
//! line.
//!
//! The one who logs never waits. What does not fit into the queue, and what the disk does not take,
//! is lost: it is counted, and a line that says how many are missing is written as soon as one can
//! be. A line is one `write` to a file opened for appending, so lines of several workers do not mix.
//! A file that was renamed, deleted or replaced from outside is opened anew. What a line says is
//! not known here.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mcp_protocol::logs::Channel;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

use super::LogError;

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 8192;
/// After so many lines without a pause the files are looked for.
const LOOKED_FOR_EVERY: u32 = 256;
/// For so long lines are gathered behind one that was written: to wake the thread for each of them
/// costs several times what writing them does.
const GATHERED_FOR: Duration = Duration::from_millis(2);

/// Makes the line that says that so many are missing, and why.
pub(crate) type Missing = Box<dyn Fn(u64, &str) -> String + Send>;

/// Takes lines and never waits; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct LineWriter(NonBlocking);

/// What steers where lines go. It keeps the writing thread alive; what is queued is written when
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    reopen: Arc<AtomicBool>,
    dropped: ErrorCounter,
    lost: Arc<AtomicU64>,
    _guard: WorkerGuard,
}

impl LineWriter {
    /// Has a line written to each of these files, of which there are one or two.
    pub(crate) fn send(&self, to: &[Channel], line: &str) {
        self.send_to(mask(to), line);
    }

    /// The same, with the files as their mask.
    pub(super) fn send_to(&self, mask: u8, line: &str) {
        let mut message = Vec::with_capacity(line.len() + 1);
        message.push(mask);
        message.extend_from_slice(line.as_bytes());
        // What does not fit is dropped and counted there.
        let _ = self.0.clone().write_all(&message);
    }
}

impl Lines {
    /// Looks for the files before the next line: they were renamed.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Lines that were lost: no room in the queue, or on the disk.
    pub(crate) fn dropped_total(&self) -> u64 {
        self.dropped.dropped_lines() as u64 + self.lost.load(Ordering::Relaxed)
    }
}

/// Begins to write lines to the files of these channels, which others append to as well.
pub(crate) fn to_files(
    directory: &Path,
    channels: &[Channel],
    missing: Missing,
) -> Result<(LineWriter, Lines), LogError> {
    let opened = channels.iter().map(|channel| {
        let path = directory.join(channel.file());
        let file = SharedFile::open(path.clone());
        let file = file.map_err(|source| LogError { path, source })?;
        Ok((bit(*channel), file))
    });
    let files = opened.collect::<Result<Vec<_>, LogError>>()?;
    Ok(begin(|state| Sink::Files(Files { files, missing, state, told: 0, since_look: 0 })))
}

/// Begins to write lines to standard error.
pub(crate) fn to_stderr() -> (LineWriter, Lines) {
    begin(|_| Sink::Stderr(io::stderr()))
}

/// What the writing thread shares with those who steer it.
#[derive(Default)]
struct State {
    reopen: Arc<AtomicBool>,
    lost: Arc<AtomicU64>,
    /// Known as soon as there is a queue.
    dropped: Arc<OnceLock<ErrorCounter>>,
}

fn begin(sink: impl FnOnce(State) -> Sink) -> (LineWriter, Lines) {
    let (reopen, lost, dropped) = (Arc::default(), Arc::default(), Arc::default());
    let state = State {
        reopen: Arc::clone(&reopen),
        lost: Arc::clone(&lost),
        dropped: Arc::clone(&dropped),
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE_LINES_MAX)
        .thread_name("logs")
        .finish(sink(state));
    let counter = dropped.get_or_init(|| writer.error_counter()).clone();
    (LineWriter(writer), Lines { reopen, dropped: counter, lost, _guard: guard })
}

/// Several files as one number.
pub(super) fn mask<'a>(channels: impl IntoIterator<Item = &'a Channel>) -> u8 {
    channels.into_iter().fold(0, |mask, channel| mask | bit(*channel))
}

fn bit(channel: Channel) -> u8 {
    match channel {
        Channel::Application => 1,
        Channel::Error => 2,
        Channel::Access => 4,
        Channel::Database => 8,
        Channel::Performance => 16,
        Channel::Audit => 32,
    }
}

/// Where the thread writes.
enum Sink {
    Stderr(io::Stderr),
    Files(Files),
}

impl Write for Sink {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        if let Some((mask, line)) = message.split_first() {
            match self {
                Sink::Stderr(stderr) => stderr.write_all(line)?,
                Sink::Files(files) => files.write(*mask, line),
            }
        }
        Ok(message.len())
    }

    /// The queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        if let Sink::Files(files) = self {
            files.since_look = LOOKED_FOR_EVERY;
            Files::gather();
        }
        Ok(())
    }
}

struct Files {
    files: Vec<(u8, SharedFile)>,
    missing: Missing,
    state: State,
    /// Lines that did not fit into the queue, as far as it was told.
    told: u64,
    since_look: u32,
}

impl Files {
    fn write(&mut self, mask: u8, line: &[u8]) {
        self.since_look += 1;
        let asked = self.state.reopen.swap(false, Ordering::Relaxed);
        if asked || self.since_look > LOOKED_FOR_EVERY {
            self.since_look = 0;
            self.files.iter_mut().for_each(|(_, file)| file.look());
            self.tell_dropped();
        }
        for (_, file) in self.files.iter_mut().filter(|(bit, _)| bit & mask != 0) {
            if !file.write_line(line, &self.missing) {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Lets lines come together before the next are written; nobody waits for this thread.
    fn gather() {
        std::thread::park_timeout(GATHERED_FOR);
    }

    /// Says how many lines did not fit into the queue; nobody knows for which file they were.
    fn tell_dropped(&mut self) {
        let dropped = self.state.dropped.get().map_or(0, |dropped| dropped.dropped_lines() as u64);
        let news = dropped - self.told;
        if let (1.., Some((_, first))) = (news, self.files.first_mut())
            && first.write_line((self.missing)(news, QUEUE_FULL).as_bytes(), &self.missing)
        {
            self.told = dropped;
        }
    }
}

const QUEUE_FULL: &str = "they came faster than they could be written";

/// A file that others append to as well, and that may be renamed or deleted at any time.
struct SharedFile {
    path: PathBuf,
    file: File,
    /// Device and inode.
    identity: (u64, u64),
    /// It has no name any more, and another one cannot be opened: why.
    gone: Option<String>,
    /// Lines that it did not take since the last one that it took, and why.
    lost: Option<(u64, String)>,
    /// The last line broke off: the disk had room for its beginning.
    torn: bool,
}

impl SharedFile {
    fn open(path: PathBuf) -> io::Result<SharedFile> {
        let file = open(&path)?;
        let identity = identity(&file.metadata()?);
        Ok(SharedFile { path, file, identity, gone: None, lost: None, torn: false })
    }

    /// Opens the file anew when another one, or none, has its name.
    fn look(&mut self) {
        let named = std::fs::metadata(&self.path);
        if self.gone.is_none() && named.is_ok_and(|named| identity(&named) == self.identity) {
            return;
        }
        match SharedFile::open(self.path.clone()) {
            Ok(anew) => *self = SharedFile { lost: self.lost.take(), ..anew },
            // One that was renamed can be written to; one that was deleted nobody would read.
            Err(error) if self.file.metadata().is_ok_and(|file| file.nlink() == 0) => {
                self.gone = Some(error.to_string());
            }
            Err(_) => {}
        }
    }

    /// Writes a line, after one that says what is missing before it; false when it is lost.
    fn write_line(&mut self, line: &[u8], missing: &Missing) -> bool {
        let told = match &self.lost {
            None => Ok(()),
            Some((count, why)) => {
                let notice = missing(*count, why);
                self.append(notice.as_bytes())
            }
        };
        if told.is_ok() {
            self.lost = None;
        }
        let Err(error) = told.and_then(|()| self.append(line)) else { return true };
        let (count, _) = self.lost.take().unwrap_or_default();
        self.lost = Some((count + 1, error));
        false
    }

    /// One system call. What the disk took in part is lost: completing it later would mix it with
    /// the lines of other workers.
    fn append(&mut self, line: &[u8]) -> Result<(), String> {
        if let Some(why) = &self.gone {
            return Err(why.clone());
        }
        let ended = self.torn.then(|| [b"\n", line].concat());
        let line = ended.as_deref().unwrap_or(line);
        let written = loop {
            match self.file.write(line) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => break written.map_err(|error| error.to_string())?,
            }
        };
        if written == line.len() {
            self.torn = false;
            return Ok(());
        }
        self.torn |= written > 0;
        Err("the disk took a part of a line".to_owned())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

fn identity(of: &std::fs::Metadata) -> (u64, u64) {
    (of.dev(), of.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, Moment};

    fn begun(directory: &Path) -> (LineWriter, Lines) {
        let missing: Missing = Box::new(|count, why| format!("[{count} missing: {why}]\n"));
        to_files(directory, &[Channel::Application, Channel::Error], missing).unwrap()
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// Waits until it is so.
    fn until(what: &str, mut so: impl FnMut() -> bool) {
        let clock = Clock::start();
        while !so() {
            assert!(clock.now() < Moment::START + Duration::from_secs(20), "not so: {what}");
            std::thread::yield_now();
        }
    }

    /// Waits until a file says so.
    fn says(path: &Path, words: &str) -> String {
        until(words, || read(path).contains(words));
        read(path)
    }

    #[test]
    fn a_line_is_in_the_files_that_it_was_sent_to() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, lines) = begun(directory.path());
        writer.send(&[Channel::Application], "one\n");
        writer.send(&[Channel::Application, Channel::Error], "two\n");
        drop(lines);
        assert_eq!(read(&directory.path().join("application.log")), "one\ntwo\n");
        assert_eq!(read(&directory.path().join("error.log")), "two\n");
    }

    #[test]
    fn a_file_that_is_renamed_deleted_or_truncated_goes_on_under_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let (writer, lines) = begun(directory.path());
        let (path, old) =
            (directory.path().join("application.log"), directory.path().join("application.log.1"));
        let say = |line: &str| writer.send(&[Channel::Application], line);
        say("one\n");
        says(&path, "one");
        std::fs::rename(&path, &old).unwrap();
        lines.reopen();
        say("two\n");
        says(&path, "two");
        // Without a word from anybody, too.
        std::fs::remove_file(&path).unwrap();
        until("it is there again", || {
            say("three\n");
            path.exists()
        });
        std::fs::rename(&path, directory.path().join("elsewhere")).unwrap();
        until("it has its name again", || {
            say("four\n");
            path.exists()
        });
        says(&path, "four");
        std::fs::write(&path, "").unwrap();
        say("five\n");
        let text = says(&path, "five");
        assert!(text.ends_with("five\n") && !text.contains('\0'), "{text:?}");
        assert_eq!((read(&old).as_str(), lines.dropped_total()), ("one\n", 0));
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_counted_and_told_when_there_is_room() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("application.log");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let (writer, lines) = begun(directory.path());
        for _ in 0..7 {
            writer.send(&[Channel::Application], "lost\n");
        }
        // In the other file there is room.
        writer.send(&[Channel::Error], "kept\n");
        says(&directory.path().join("error.log"), "kept");
        assert_eq!(lines.dropped_total(), 7);
        std::fs::remove_file(&path).unwrap();
        lines.reopen();
        writer.send(&[Channel::Application], "written\n");
        let text = says(&path, "written");
        assert_eq!(text, "[7 missing: No space left on device (os error 28)]\nwritten\n");
        drop(lines);
        assert_eq!(read(&path), text);
    }

    #[test]
    fn a_line_that_broke_off_ends_before_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("application.log");
        let mut file = SharedFile::open(path.clone()).unwrap();
        let missing: Missing = Box::new(|count, why| format!("[{count} missing: {why}]\n"));
        file.file.write_all(b"half of a li").unwrap();
        file.torn = true;
        file.lost = Some((3, "full".to_owned()));
        assert!(file.write_line(b"whole\n", &missing));
        assert_eq!(read(&path), "half of a li\n[3 missing: full]\nwhole\n");
    }

    #[test]
    fn a_deleted_file_whose_directory_is_gone_too_is_missed() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("logs");
        std::fs::create_dir(&below).unwrap();
        let mut file = SharedFile::open(below.join("application.log")).unwrap();
        let missing: Missing = Box::new(|count, _| format!("[{count}]\n"));
        std::fs::remove_dir_all(&below).unwrap();
        file.look();
        assert!(!file.write_line(b"one\n", &missing) && !file.write_line(b"two\n", &missing));
        std::fs::create_dir(&below).unwrap();
        file.look();
        assert!(file.write_line(b"three\n", &missing));
        assert_eq!(read(&below.join("application.log")), "[2]\nthree\n");
    }
}
