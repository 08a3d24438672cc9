//! What any program prints goes to files: through FIFOs, moved by `splice`, in a thread of its own.
//!
//! A FIFO that the child holds open for reading and writing never breaks, so a program that prints
//! does not die with its supervisor. `splice` moves bytes inside the kernel: there is no moment at
//! which they exist only in our memory. The thread keeps slow disks away from the loop.
//!
//! When the disk is full, what is printed is dropped after a second, counted, and the gap is
//! marked in the file once there is room again: a program must not stand still for its log.
//!
//! All runs of an app, or of a slot that has files of its own, share a FIFO for each stream. Where
//! a line of output says that a run is ready, each run has FIFOs of its own, for it must be known
//! whose line it was.

mod asked;
mod channel;
mod key;
mod log_file;
mod lost;
mod pump;
mod trouble;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::Mode;

use mcp_protocol::control::Target;
use tokio::sync::{mpsc, oneshot};

use crate::config::OutputConfig;
use crate::machine::{AppName, RunId, SlotId};
use crate::runtime::news::News;
use crate::runtime::rotation::Tidy;
use channel::{Channel, Own};
use key::Key;
use log_file::LogFile;
use lost::Lost;
use pump::Pump;
use trouble::Board;
pub(crate) use trouble::Waiting;

pub(crate) use key::Stream;
pub use key::{app_of_log, log_files};

/// How much a program may print while nobody reads.
const PIPE_BYTES: i32 = 1024 * 1024;
/// How much is moved in one go.
const CHUNK_BYTES: usize = 256 * 1024;
/// How much is moved for one program before the others have their turn.
const TURN_CHUNKS: u32 = 16;
/// A longer line may be cut by a rotation, or by another run's.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// How often a disk that refused is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// After that the program's output is dropped rather than held: less than a second, the pause
/// before the last try included.
const HOLD_MAX: Duration = Duration::from_millis(800);

/// The pump's handle: opens FIFOs for programs and tells what was lost.
#[derive(Debug)]
pub(crate) struct Outputs {
    directory: PathBuf,
    log_directory: PathBuf,
    /// Streams whose file the thread has.
    kept: BTreeSet<Key>,
    /// FIFOs that the runs of an app share.
    shared: BTreeMap<Key, PathBuf>,
    /// FIFOs that a run has for itself.
    own: BTreeMap<RunId, Vec<PathBuf>>,
    /// Streams for which FIFOs of an earlier supervisor's runs were looked for.
    searched: BTreeSet<Key>,
    /// Those that were found.
    found: BTreeSet<PathBuf>,
    orders: Sender<Order>,
    wake: File,
    thread: Option<JoinHandle<()>>,
    board: Board,
    tidy: Tidy,
}

/// What the loop tells the thread.
enum Order {
    Keep(Key, Box<LogFile>),
    Carry(Box<Channel>),
    Release(RunId),
    /// Nobody of this app writes any more.
    Leave(AppName),
    Policy(AppName, OutputConfig),
    Reopen,
    /// Rotate these files; tell those that wait for the end of a line.
    Rotate(Target, oneshot::Sender<io::Result<Vec<Waiting>>>),
    /// Empty these files.
    Empty(Target, oneshot::Sender<io::Result<()>>),
    /// Tell once everything that was written until now is in the files.
    Flush(oneshot::Sender<()>),
    Finish,
}

impl Outputs {
    /// Starts the thread. FIFOs are made in `directory`, files in `log_directory`; `inbox` hears
    /// of runs whose line was seen.
    pub(crate) fn start(
        directory: &Path,
        log_directory: &Path,
        tidy: Tidy,
        inbox: mpsc::Sender<News>,
    ) -> io::Result<Outputs> {
        let (wake_read, wake) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let (orders, received) = channel();
        let board = Board::default();
        let logs = log_directory.to_owned();
        let pump = Pump::new(logs, tidy.clone(), wake_read.into(), board.clone(), inbox)?;
        let thread = std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || pump.run(&received))?;
        Ok(Outputs {
            directory: directory.to_owned(),
            log_directory: log_directory.to_owned(),
            kept: BTreeSet::new(),
            shared: BTreeMap::new(),
            own: BTreeMap::new(),
            searched: BTreeSet::new(),
            found: BTreeSet::new(),
            orders,
            wake: wake.into(),
            thread: Some(thread),
            board,
            tidy,
        })
    }

    /// The writing end of a slot's stream, for one process.
    pub(crate) fn open(
        &mut self,
        slot: &SlotId,
        stream: Stream,
        policy: OutputConfig,
    ) -> io::Result<OwnedFd> {
        let key = Key::new(slot, stream, policy.merge);
        if !self.shared.contains_key(&key) {
            let path = self.directory.join(key.fifo());
            match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            self.carry(&key, policy, &path, None)?;
            self.shared.insert(key.clone(), path);
        }
        writing_end(&self.shared[&key])
    }

    /// The writing end of a run's own stream. The first line in it that contains the text is news
    /// that the run is ready.
    pub(crate) fn open_own(
        &mut self,
        (slot, stream): (&SlotId, Stream),
        policy: OutputConfig,
        (run, line): (RunId, &str),
    ) -> io::Result<OwnedFd> {
        let key = Key::new(slot, stream, policy.merge);
        self.find_earlier(&key, policy)?;
        let path = self.make_own(&key, run)?;
        self.own.entry(run).or_default().push(path.clone());
        self.carry(&key, policy, &path, Some(Own::new(Some(run), Some(line.to_owned()))))?;
        writing_end(&path)
    }

    /// A run has ended: what is left in its own FIFOs is kept, and they go.
    pub(crate) fn release(&mut self, run: RunId) {
        if let Some(paths) = self.own.remove(&run) {
            remove(paths.iter());
            self.tell(Order::Release(run));
        }
    }

    /// Lets go of the FIFOs of apps that are not there any more; what is left in them is kept.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&AppName) -> bool) {
        let mut gone = BTreeSet::new();
        self.shared.retain(|key, path| {
            let stays = is_there(&key.app);
            if !stays {
                remove(std::iter::once(&*path));
                gone.insert(key.app.clone());
            }
            stays
        });
        gone.into_iter().for_each(|app| self.tell(Order::Leave(app)));
    }

    /// A new policy for an app's files.
    pub(crate) fn set_policy(&mut self, app: &AppName, policy: OutputConfig) {
        self.tell(Order::Policy(app.clone(), policy));
    }

    /// Opens all files anew: somebody renamed them.
    pub(crate) fn reopen(&mut self) {
        self.tell(Order::Reopen);
    }

    /// Rotates files, whatever their size; tells those that wait for a line to end.
    pub(crate) fn rotate(&self, target: Target) -> oneshot::Receiver<io::Result<Vec<Waiting>>> {
        let (done, rotated) = oneshot::channel();
        self.tell(Order::Rotate(target, done));
        rotated
    }

    /// Empties files; what was rotated stays.
    pub(crate) fn empty(&self, target: Target) -> oneshot::Receiver<io::Result<()>> {
        let (done, emptied) = oneshot::channel();
        self.tell(Order::Empty(target, done));
        emptied
    }

    /// What an operator should know of an app's output, such as that the disk is full, or that a
    /// file waits to be rotated.
    pub(crate) fn troubles(&self, app: &AppName) -> Vec<String> {
        self.board.words(app)
    }

    /// Tells once everything that programs wrote until now is in their files; of a run's own FIFO,
    /// whole lines. The thread may be held up by a disk: whoever waits needs a bound.
    pub(crate) fn flush(&self) -> oneshot::Receiver<()> {
        let (done, flushed) = oneshot::channel();
        self.tell(Order::Flush(done));
        flushed
    }

    /// Bytes that were dropped because the disk refused them.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.tidy.dropped_bytes()
    }

    /// Moves what is left, ends the thread, removes the FIFOs.
    pub(crate) fn finish(mut self) {
        self.tell(Order::Finish);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        remove(self.shared.values().chain(self.own.values().flatten()).chain(&self.found));
    }

    /// Lets the thread move what comes out of a FIFO.
    fn carry(
        &mut self,
        key: &Key,
        policy: OutputConfig,
        path: &Path,
        own: Option<Own>,
    ) -> io::Result<()> {
        let fifo = open_fifo(path, OFlag::O_NONBLOCK)?;
        // A smaller pipe than we would like still works.
        let _ = fcntl(&fifo, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        if !self.kept.contains(key) {
            std::fs::create_dir_all(&self.log_directory)?;
            let path = self.log_directory.join(key.log_file());
            let file = LogFile::open(path, policy, self.tidy.clone())?;
            self.tell(Order::Keep(key.clone(), Box::new(file)));
            self.kept.insert(key.clone());
        }
        self.tell(Order::Carry(Box::new(Channel::new(key.clone(), fifo.into(), path, own))));
        Ok(())
    }

    /// Makes a FIFO for one run. Its name is its own even if an earlier supervisor's run had the
    /// same number and still writes.
    fn make_own(&self, key: &Key, run: RunId) -> io::Result<PathBuf> {
        let (begin, end) = key.own_fifos();
        for more in 0.. {
            let number = if more == 0 { run.0.to_string() } else { format!("{}-{more}", run.0) };
            let path = self.directory.join(format!("{begin}{number}{end}"));
            match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) => return Ok(path),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(io::Error::other("no name is left"))
    }

    /// Goes on with FIFOs that runs of an earlier supervisor write to, and removes those that
    /// nobody has open.
    fn find_earlier(&mut self, key: &Key, policy: OutputConfig) -> io::Result<()> {
        if !self.searched.insert(key.clone()) {
            return Ok(());
        }
        let (begin, end) = key.own_fifos();
        for entry in std::fs::read_dir(&self.directory)?.flatten() {
            let (name, path) = (entry.file_name(), entry.path());
            let named = name.to_str().is_some_and(|n| n.starts_with(&begin) && n.ends_with(&end));
            let fifo = entry.file_type().is_ok_and(|kind| kind.is_fifo());
            if !named || !fifo {
                continue;
            }
            let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
            match OpenOptions::new().write(true).custom_flags(flags.bits()).open(&path) {
                Ok(_held) => {
                    self.carry(key, policy, &path, Some(Own::new(None, None)))?;
                    self.found.insert(path);
                }
                Err(_) => {
                    if Lost::beside(&path).is_there() {
                        // What is missing is still to be told.
                        let ended = Own { ended: true, ..Own::new(None, None) };
                        self.carry(key, policy, &path, Some(ended))?;
                    }
                    remove(std::iter::once(&path));
                }
            }
        }
        Ok(())
    }

    fn tell(&self, order: Order) {
        // The thread outlives every order but the last; a full wake pipe wakes it as well.
        let _ = self.orders.send(order);
        let _ = (&self.wake).write(&[1]);
    }
}

/// Its own description, so that our O_NONBLOCK does not reach the program.
fn writing_end(path: &Path) -> io::Result<OwnedFd> {
    Ok(open_fifo(path, OFlag::empty())?.into())
}

/// Opens a FIFO for both directions; nothing else that has its name, and nothing that it leads to.
fn open_fifo(path: &Path, flags: OFlag) -> io::Result<File> {
    let flags = (flags | OFlag::O_NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
    match file {
        Ok(file) if file.metadata()?.file_type().is_fifo() => Ok(file),
        Err(error) if error.raw_os_error() != Some(libc::ELOOP) => Err(error),
        Ok(_) | Err(_) => {
            Err(io::Error::other(format!("`{}` is no FIFO; remove it", path.display())))
        }
    }
}

fn remove<'a>(paths: impl Iterator<Item = &'a PathBuf>) {
    for path in paths {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(bytes_max: u64, files_max: u32) -> OutputConfig {
        OutputConfig { bytes_max, files_max, ..OutputConfig::default() }
    }

    fn outputs(directory: &Path) -> (Outputs, mpsc::Receiver<News>) {
        let (inbox, news) = mpsc::channel(8);
        let (tidy, _) = Tidy::for_nobody();
        (Outputs::start(directory, directory, tidy, inbox).unwrap(), news)
    }

    fn slot(app: &str, index: u32) -> SlotId {
        SlotId { app: AppName::new(app), index }
    }

    #[test]
    fn a_burst_over_many_rotations_loses_doubles_and_splits_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let app = slot("query", 0);
        let mut outputs = outputs(directory.path()).0;
        let writer = outputs.open(&app, Stream::Output, policy(64 * 1024, 1000)).unwrap();
        let mut writer = File::from(writer);
        let mut expected = String::new();
        for number in 0..20_000 {
            let line = format!("{number} {}\n", "x".repeat(number % 97));
            writer.write_all(line.as_bytes()).unwrap();
            expected.push_str(&line);
        }
        outputs.finish();

        let mut files: Vec<(u32, PathBuf)> = std::fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| {
                let ending = path.extension().unwrap().to_str().unwrap().parse();
                (ending.unwrap_or(0), path)
            })
            .collect();
        files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        assert!(files.len() > 4, "only {} files: nothing was rotated", files.len());
        let mut found = String::new();
        for (_, path) in &files {
            let content = std::fs::read_to_string(path).unwrap();
            // A file that was begun by the very last rotation is empty.
            let whole = content.is_empty() || content.ends_with('\n');
            assert!(whole, "{} ends in the middle of a line", path.display());
            found.push_str(&content);
        }
        assert!(found == expected, "{} of {} bytes came through", found.len(), expected.len());
        assert!(!directory.path().join("query.out").exists(), "the FIFO is left behind");
    }

    #[test]
    fn after_a_flush_the_last_word_is_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let app = slot("query", 0);
        let (mut outputs, _news) = outputs(directory.path());
        let stream = (&app, Stream::Errors);
        let shared = outputs.open(&app, Stream::Errors, policy(1 << 30, 1)).unwrap();
        let own = outputs.open_own(stream, policy(1 << 30, 1), (RunId(1), "up")).unwrap();
        for writer in [shared, own] {
            let mut writer = File::from(writer);
            for number in 0..500 {
                let line = format!("{}{number}\n", "x".repeat(number * 20));
                writer.write_all(line.as_bytes()).unwrap();
                outputs.flush().blocking_recv().unwrap();
                let text = std::fs::read_to_string(directory.path().join("query.err.log")).unwrap();
                assert!(text.ends_with(&format!("{number}\n")), "{number} is on its way");
            }
        }
        outputs.finish();
    }

    #[test]
    fn the_fifo_of_an_app_that_is_gone_goes_and_its_last_words_are_kept() {
        for moved_before in [false, true] {
            its_last_words_are_kept(moved_before);
        }
    }

    fn its_last_words_are_kept(moved_before: bool) {
        let directory = tempfile::tempdir().unwrap();
        let (app, other) = (slot("query", 0), slot("other", 0));
        let (mut outputs, _news) = outputs(directory.path());
        let mut open = |app| outputs.open(app, Stream::Output, policy(1 << 20, 1)).unwrap();
        let (writer, _other) = (open(&app), open(&other));
        File::from(writer).write_all(b"one\nlast words").unwrap();
        if moved_before {
            outputs.flush().blocking_recv().unwrap();
        }
        outputs.retain(|app| *app == other.app);
        assert!(!directory.path().join("query.out").exists());
        assert!(directory.path().join("other.out").exists());
        outputs.flush().blocking_recv().unwrap();
        assert_eq!(said(directory.path()), "one\nlast words\n", "a line of its own");
        let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let open = open.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        assert_eq!(open.filter(|to| to.starts_with(directory.path().join("query.out"))).count(), 0);
        let again = outputs.open(&app, Stream::Output, policy(1 << 20, 1)).unwrap();
        File::from(again).write_all(b"and more\n").unwrap();
        outputs.finish();
        assert_eq!(said(directory.path()), "one\nlast words\nand more\n");
    }

    #[test]
    fn what_is_not_what_its_name_says_is_not_written_to() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let app = slot("query", 0);
        let (mut outputs, _news) = outputs(directory.path());
        std::fs::write(place("precious"), "kept").unwrap();
        let mut refused = |words: &str| {
            let error = outputs.open(&app, Stream::Output, policy(1 << 20, 1)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        };
        for link_to in ["precious", "other"] {
            std::os::unix::fs::symlink(place(link_to), place("query.out")).unwrap();
            refused("query.out` is no FIFO; remove it");
            std::fs::remove_file(place("query.out")).unwrap();
        }
        std::fs::write(place("query.out"), "").unwrap();
        refused("query.out` is no FIFO; remove it");
        std::fs::remove_file(place("query.out")).unwrap();
        std::os::unix::fs::symlink(place("precious"), place("query.out.log")).unwrap();
        refused("query.out.log` is a symbolic link");
        std::fs::remove_file(place("query.out.log")).unwrap();
        outputs.open(&app, Stream::Output, policy(1 << 20, 1)).unwrap();
        outputs.finish();
        assert_eq!(std::fs::read_to_string(place("precious")).unwrap(), "kept");
    }

    fn said(directory: &Path) -> String {
        std::fs::read_to_string(directory.join("query.out.log")).unwrap()
    }

    #[test]
    fn two_runs_with_fifos_of_their_own_never_share_a_line() {
        let directory = tempfile::tempdir().unwrap();
        let app = slot("query", 0);
        let (mut outputs, mut news) = outputs(directory.path());
        let mut writers: Vec<File> = [RunId(1), RunId(2)]
            .map(|run| {
                let stream = (&app, Stream::Output);
                outputs.open_own(stream, policy(1 << 20, 1), (run, "ready now")).unwrap().into()
            })
            .into();
        // Both are in the middle of a line all the time, and end without an end of it.
        for number in 0..500 {
            for writer in &mut writers {
                write!(writer, "{number} ").unwrap();
            }
            for writer in &mut writers {
                write!(writer, "{}\n{}", "x".repeat(number), &"rea"[..number % 3]).unwrap();
            }
        }
        write!(writers[1], "ready now\nlast words").unwrap();
        assert!(matches!(news.blocking_recv(), Some(News::Ready { run: RunId(2) })));
        drop(writers);
        outputs.release(RunId(2));
        outputs.finish();
        let said = said(directory.path());
        for number in 0..500 {
            let line = format!("{}{number} {}\n", &"rea"[..(number + 2) % 3], "x".repeat(number));
            let line = if number == 0 { "0 \n".to_owned() } else { line };
            let times = said.split_inclusive('\n').filter(|found| **found == line).count();
            assert_eq!(times, 2, "{line}");
        }
        for line in ["\nrready now\n", "\nlast words\n"] {
            assert!(said.contains(line), "{}", &said[said.len() - 99..]);
        }
        assert_eq!(said.lines().count(), 500 * 2 + 3, "the rest of run 1 is a line too");
        let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_line_is_waited_for_unless_it_is_too_long() {
        let directory = tempfile::tempdir().unwrap();
        let app = slot("query", 0);
        let (mut outputs, mut news) = outputs(directory.path());
        let stream = (&app, Stream::Output);
        let writer = outputs.open_own(stream, policy(1 << 30, 1), (RunId(7), "up")).unwrap();
        let mut writer = File::from(writer);
        // More than the FIFO holds: it would stand still if its beginning were not moved.
        writer.write_all(&vec![b'x'; 3 * 1024 * 1024]).unwrap();
        writer.write_all(b"\nup").unwrap();
        assert!(news.try_recv().is_err(), "the line is not whole");
        writer.write_all(b"\n").unwrap();
        assert!(matches!(news.blocking_recv(), Some(News::Ready { run: RunId(7) })));
        outputs.release(RunId(7));
        outputs.finish();
        assert_eq!(said(directory.path()).len(), 3 * 1024 * 1024 + 4);
    }

    #[test]
    fn what_runs_of_an_earlier_supervisor_say_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = |name: &str| {
            let path = directory.path().join(name);
            nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
            path
        };
        let (held, left) = (fifo("query@1.out"), fifo("query@2.out"));
        let mut old = File::from(writing_end(&held).unwrap());
        old.write_all(b"before\nwhile nobody").unwrap();
        let app = slot("query", 0);
        let (mut outputs, mut news) = outputs(directory.path());
        let stream = (&app, Stream::Output);
        let new = outputs.open_own(stream, policy(1 << 20, 1), (RunId(1), "listens")).unwrap();
        assert!(!left.exists(), "nobody has it open");
        old.write_all(b" listens\n").unwrap();
        File::from(new).write_all(b"the new one listens\n").unwrap();
        assert!(matches!(news.blocking_recv(), Some(News::Ready { run: RunId(1) })));
        outputs.finish();
        let mut lines: Vec<_> = said(directory.path()).lines().map(str::to_owned).collect();
        lines.sort_unstable();
        assert_eq!(lines, ["before", "the new one listens", "while nobody listens"]);
        assert!(!held.exists());
    }

    #[test]
    fn slots_have_files_of_their_own_where_that_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, mut news) = outputs(directory.path());
        let apart = OutputConfig { merge: false, ..policy(1 << 20, 1) };
        for index in [0, 1] {
            let slot = slot("query", index);
            let writer = outputs.open(&slot, Stream::Output, apart).unwrap();
            writeln!(File::from(writer), "slot {index}").unwrap();
            let run = (RunId(u64::from(index)), "up");
            let own = outputs.open_own((&slot, Stream::Errors), apart, run).unwrap();
            writeln!(File::from(own), "{index} is up").unwrap();
            assert!(matches!(news.blocking_recv(), Some(News::Ready { .. })));
        }
        outputs.finish();
        let text = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        for index in [0, 1] {
            assert_eq!(text(&format!("query[{index}].out.log")), format!("slot {index}\n"));
            assert_eq!(text(&format!("query[{index}].err.log")), format!("{index} is up\n"));
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4, "a FIFO is left");
    }

    #[test]
    fn a_removed_file_is_made_anew_with_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, _news) = outputs(directory.path());
        let slot = slot("query", 0);
        let writer = outputs.open(&slot, Stream::Output, policy(1 << 20, 1)).unwrap();
        let mut writer = File::from(writer);
        let mut say = |line: &str| {
            writer.write_all(line.as_bytes()).unwrap();
            outputs.flush().blocking_recv().unwrap();
        };
        say("before\n");
        let path = directory.path().join("query.out.log");
        std::fs::remove_file(&path).unwrap();
        say("after\n");
        assert_eq!(said(directory.path()), "after\n");
        // Whoever puts another file in its place wants that one.
        let other = directory.path().join("other");
        std::fs::write(&other, "another\n").unwrap();
        std::fs::rename(&other, &path).unwrap();
        say("and more\n");
        assert_eq!(said(directory.path()), "another\nand more\n");
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        say("emptied\n");
        assert_eq!(said(directory.path()), "emptied\n");
    }

    #[test]
    fn files_are_rotated_and_emptied_when_asked_and_no_line_is_split() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, _news) = outputs(directory.path());
        let text = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        let mut writers: Vec<File> = ["one", "two"]
            .map(|app| {
                outputs.open(&slot(app, 0), Stream::Output, policy(1 << 20, 3)).unwrap().into()
            })
            .into();
        for writer in &mut writers {
            writer.write_all(b"first\n").unwrap();
        }
        writers[1].write_all(b"sec").unwrap();
        std::fs::write(directory.path().join("gone.out.log"), "last\n").unwrap();
        outputs.flush().blocking_recv().unwrap();
        let waiting = outputs.rotate(Target::All).blocking_recv().unwrap().unwrap();
        let words: Vec<String> = waiting.iter().map(Waiting::words).collect();
        assert_eq!(words, ["two.out.log will be rotated when its last line ends"]);
        assert_eq!((text("one.out.log"), text("one.out.log.1")), (String::new(), "first\n".into()));
        assert_eq!(text("gone.out.log.1"), "last\n");
        assert_eq!(text("two.out.log"), "first\nsec");
        writers[1].write_all(b"ond\nthird\n").unwrap();
        outputs.flush().blocking_recv().unwrap();
        assert_eq!(text("two.out.log.1"), "first\nsecond\n");
        assert_eq!(text("two.out.log"), "third\n");
        // Nothing is there to be rotated, and what is not meant is left alone.
        outputs.rotate(Target::App("one".to_owned())).blocking_recv().unwrap().unwrap();
        assert_eq!(text("one.out.log.1"), "first\n");
        let two = Target::Slot { app: "two".to_owned(), slot: 0 };
        std::fs::write(directory.path().join("one.out.log"), "kept\n").unwrap();
        outputs.empty(two).blocking_recv().unwrap().unwrap();
        assert_eq!((text("two.out.log"), text("one.out.log")), (String::new(), "kept\n".into()));
        assert_eq!(text("two.out.log.1"), "first\nsecond\n");
        // What waits for the end of a line that is gone waits no more.
        writers[1].write_all(b"begun").unwrap();
        outputs.flush().blocking_recv().unwrap();
        assert_eq!(outputs.rotate(Target::All).blocking_recv().unwrap().unwrap().len(), 1);
        outputs.empty(Target::All).blocking_recv().unwrap().unwrap();
        writers[1].write_all(b"rest\nlast\n").unwrap();
        outputs.flush().blocking_recv().unwrap();
        assert_eq!(text("two.out.log"), "rest\nlast\n");
        outputs.finish();
    }

    #[test]
    fn a_strangers_file_is_written_to_and_not_rotated() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, _news) = outputs(directory.path());
        let place = |name: &str| directory.path().join(name);
        let writer = outputs.open(&slot("one", 0), Stream::Output, policy(1 << 20, 3)).unwrap();
        let mut writer = File::from(writer);
        writer.write_all(b"first\n").unwrap();
        outputs.flush().blocking_recv().unwrap();
        std::fs::rename(place("one.out.log"), place("moved")).unwrap();
        std::fs::write(place("one.out.log"), "theirs\n").unwrap();
        outputs.rotate(Target::All).blocking_recv().unwrap().unwrap();
        writer.write_all(b"second\n").unwrap();
        outputs.flush().blocking_recv().unwrap();
        assert!(!place("one.out.log.1").exists());
        let text = std::fs::read_to_string(place("one.out.log")).unwrap();
        assert_eq!(text, "theirs\nsecond\n");
        outputs.finish();
    }

    #[test]
    fn a_line_that_is_longer_than_can_be_seen_is_moved_in_parts() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, _news) = outputs(directory.path());
        let stream = (&slot("one", 0), Stream::Output);
        let own = outputs.open_own(stream, policy(1 << 30, 1), (RunId(1), "up")).unwrap();
        File::from(own).write_all(&[b'x'; 3 * LINE_BYTES_MAX]).unwrap();
        outputs.flush().blocking_recv().unwrap();
        let length = std::fs::metadata(directory.path().join("one.out.log")).unwrap().len();
        assert!(length >= LINE_BYTES_MAX as u64, "{length} bytes");
        outputs.finish();
    }

    #[test]
    fn a_file_that_is_too_old_is_rotated_though_nobody_writes() {
        let directory = tempfile::tempdir().unwrap();
        let (mut outputs, _news) = outputs(directory.path());
        let age_max = Some(Duration::from_millis(300));
        let aged = OutputConfig { age_max, ..policy(1 << 20, 3) };
        let writer = outputs.open(&slot("query", 0), Stream::Output, aged).unwrap();
        File::from(writer).write_all(b"old\n").unwrap();
        let deadline = std::time::Duration::from_secs(20);
        let begun = crate::runtime::clock::since_boot();
        let rotated = directory.path().join("query.out.log.1");
        while !rotated.exists() {
            assert!(crate::runtime::clock::since_boot() - begun < deadline, "it is not rotated");
            std::thread::yield_now();
        }
        assert_eq!(std::fs::read_to_string(rotated).unwrap(), "old\n");
        outputs.finish();
        assert_eq!(said(directory.path()), "");
    }
}
