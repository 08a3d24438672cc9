//! What any program prints goes to files: through FIFOs, moved by `splice`, in a thread of its own.
//!
//! A FIFO that the child holds open for reading and writing never breaks, so a program that prints
//! does not die with its supervisor. `splice` moves bytes inside the kernel: there is no moment at
//! which they exist only in our memory. The thread keeps slow disks away from the loop.
//!
//! When the disk is full, what is printed is dropped after a second, counted, and the gap is
//! marked in the file once there is room again: a program must not stand still for its log.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, splice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use tokio::sync::oneshot;

use crate::config::OutputConfig;
use crate::machine::AppName;
use crate::runtime::rotation;

/// How much a program may print while nobody reads.
const PIPE_BYTES: i32 = 1024 * 1024;
/// How much is moved in one go.
const CHUNK_BYTES: usize = 256 * 1024;
/// How much is moved for one program before the others have their turn.
const TURN_CHUNKS: u32 = 16;
/// A longer line may be cut by a rotation.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// How often a disk that refused is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// After so many refusals the program's output is dropped rather than held.
const REFUSALS_MAX: u32 = 5;

/// The two streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Output,
    Errors,
}

/// The pump's handle: opens FIFOs for programs and tells what was lost.
#[derive(Debug)]
pub(crate) struct Outputs {
    directory: PathBuf,
    log_directory: PathBuf,
    fifos: BTreeMap<(AppName, Stream), PathBuf>,
    orders: Sender<Order>,
    wake: File,
    thread: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

/// What the loop tells the thread.
enum Order {
    Carry(Box<Channel>),
    Policy(AppName, OutputConfig),
    Reopen,
    /// Tell once everything that was written until now is in the files.
    Flush(oneshot::Sender<()>),
    Finish,
}

/// One FIFO and the file that it flows into.
struct Channel {
    app: AppName,
    fifo: OwnedFd,
    file: LogFile,
    refusals: u32,
    gap_bytes: u64,
}

/// Whether something is left to be moved at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carried {
    All,
    Part,
}

/// A log file that is written at its end and rotated between two lines.
struct LogFile {
    path: PathBuf,
    file: File,
    end: i64,
    policy: OutputConfig,
}

impl Outputs {
    /// Starts the thread. FIFOs are made in `directory`, files in `log_directory`.
    pub(crate) fn start(directory: &Path, log_directory: &Path) -> io::Result<Outputs> {
        let (wake_read, wake) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let (orders, received) = channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        let thread = std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            Pump { channels: Vec::new(), wake: wake_read.into(), dropped: counter }.run(&received)
        })?;
        Ok(Outputs {
            directory: directory.to_owned(),
            log_directory: log_directory.to_owned(),
            fifos: BTreeMap::new(),
            orders,
            wake: wake.into(),
            thread: Some(thread),
            dropped,
        })
    }

    /// The writing end of an app's stream, for one process.
    pub(crate) fn open(
        &mut self,
        app: &AppName,
        stream: Stream,
        policy: OutputConfig,
    ) -> io::Result<OwnedFd> {
        let key = (app.clone(), stream);
        if !self.fifos.contains_key(&key) {
            let (path, channel) = self.make(app, stream, policy)?;
            self.tell(Order::Carry(Box::new(channel)));
            self.fifos.insert(key.clone(), path);
        }
        // Its own description, so that our O_NONBLOCK does not reach the program.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_CLOEXEC.bits())
            .open(&self.fifos[&key])?;
        Ok(file.into())
    }

    /// A new policy for an app's files.
    pub(crate) fn set_policy(&mut self, app: &AppName, policy: OutputConfig) {
        self.tell(Order::Policy(app.clone(), policy));
    }

    /// Opens all files anew: somebody renamed them.
    pub(crate) fn reopen(&mut self) {
        self.tell(Order::Reopen);
    }

    /// Tells once everything that programs wrote until now is in their files. The thread may be
    /// held up by a disk: whoever waits needs a bound.
    pub(crate) fn flush(&self) -> oneshot::Receiver<()> {
        let (done, flushed) = oneshot::channel();
        self.tell(Order::Flush(done));
        flushed
    }

    /// Bytes that were dropped because the disk refused them.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Moves what is left, ends the thread, removes the FIFOs.
    pub(crate) fn finish(mut self) {
        self.tell(Order::Finish);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        for path in self.fifos.values() {
            let _ = std::fs::remove_file(path);
        }
    }

    fn make(
        &self,
        app: &AppName,
        stream: Stream,
        policy: OutputConfig,
    ) -> io::Result<(PathBuf, Channel)> {
        let ending = match stream {
            Stream::Output => "out",
            Stream::Errors => "err",
        };
        std::fs::create_dir_all(&self.log_directory)?;
        let path = self.directory.join(format!("{app}.{ending}"));
        match nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let fifo: OwnedFd = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).bits())
            .open(&path)?
            .into();
        // A smaller pipe than we would like still works.
        let _ = fcntl(&fifo, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        let file = LogFile::open(self.log_directory.join(format!("{app}.{ending}.log")), policy)?;
        Ok((path, Channel { app: app.clone(), fifo, file, refusals: 0, gap_bytes: 0 }))
    }

    fn tell(&self, order: Order) {
        // The thread outlives every order but the last; a full wake pipe wakes it as well.
        let _ = self.orders.send(order);
        let _ = (&self.wake).write(&[1]);
    }
}

/// The thread's own state.
struct Pump {
    channels: Vec<Channel>,
    wake: File,
    dropped: Arc<AtomicU64>,
}

impl Pump {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut finished = false;
        loop {
            if !finished {
                self.wait();
            }
            let mut finishing = false;
            let mut flushes = Vec::new();
            while let Ok(order) = orders.try_recv() {
                match order {
                    Order::Carry(channel) => self.channels.push(*channel),
                    Order::Policy(app, policy) => {
                        for channel in self.channels.iter_mut().filter(|one| one.app == app) {
                            channel.file.policy = policy;
                        }
                    }
                    Order::Reopen => {
                        for channel in &mut self.channels {
                            let _ = channel.file.reopen();
                        }
                    }
                    Order::Flush(done) => flushes.push(done),
                    Order::Finish => finishing = true,
                }
            }
            let mut left = Carried::All;
            for channel in &mut self.channels {
                if channel.carry(&self.dropped) == Carried::Part {
                    left = Carried::Part;
                }
            }
            // A turn moves more than a FIFO holds: what was written before the order is in place.
            for done in flushes {
                let _ = done.send(());
            }
            finished |= finishing;
            if finished && left == Carried::All {
                return;
            }
        }
    }

    /// Until there is something to do: output, an order, or a disk to be tried again.
    fn wait(&mut self) {
        let refused = self.channels.iter().any(|channel| channel.refusals > 0);
        let timeout = if refused {
            PollTimeout::try_from(RETRY_EVERY).unwrap_or(PollTimeout::NONE)
        } else {
            PollTimeout::NONE
        };
        let mut watched = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        for channel in self.channels.iter().filter(|channel| !channel.is_held_back()) {
            watched.push(PollFd::new(channel.fifo.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut watched, timeout);
        let mut bytes = [0u8; 64];
        let _ = self.wake.read(&mut bytes);
    }
}

impl Channel {
    /// True while the disk refuses and we have not begun to drop: only time can help.
    fn is_held_back(&self) -> bool {
        (1..REFUSALS_MAX).contains(&self.refusals)
    }

    /// Moves what is there, up to its turn.
    fn carry(&mut self, dropped: &AtomicU64) -> Carried {
        for _ in 0..TURN_CHUNKS {
            if self.gap_bytes > 0 && self.file.mark_gap(self.gap_bytes).is_ok() {
                self.gap_bytes = 0;
                self.refusals = 0;
            }
            match self.file.splice_from(&self.fifo) {
                Ok(0) | Err(Errno::EAGAIN) => return Carried::All,
                Ok(_) => self.refusals = 0,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.refusals = self.refusals.saturating_add(1);
                    if self.refusals < REFUSALS_MAX {
                        return Carried::All;
                    }
                    let lost = self.drop_what_waits();
                    self.gap_bytes += lost;
                    dropped.fetch_add(lost, Ordering::Relaxed);
                    return Carried::All;
                }
            }
        }
        Carried::Part
    }

    /// Throws away what waits in the FIFO and tells how much that was.
    fn drop_what_waits(&self) -> u64 {
        let mut lost = 0;
        let mut bytes = vec![0u8; 64 * 1024];
        while let Ok(count @ 1..) = nix::unistd::read(&self.fifo, &mut bytes) {
            lost += count as u64;
        }
        lost
    }
}

impl LogFile {
    fn open(path: PathBuf, policy: OutputConfig) -> io::Result<LogFile> {
        // Not for appending: splice does not go there. The position is ours alone.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o640)
            .open(&path)?;
        let end = file.seek(SeekFrom::End(0))?.cast_signed();
        Ok(LogFile { path, file, end, policy })
    }

    fn reopen(&mut self) -> io::Result<()> {
        *self = LogFile::open(self.path.clone(), self.policy)?;
        Ok(())
    }

    fn splice_from(&mut self, fifo: &OwnedFd) -> nix::Result<usize> {
        self.follow_truncation();
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = splice(fifo, None, &self.file, Some(&mut self.end), CHUNK_BYTES, flags)?;
        if self.end.cast_unsigned() > self.policy.bytes_max {
            // A rotation that fails leaves everything where it is; the next chunk tries again.
            let _ = self.rotate();
        }
        Ok(moved)
    }

    /// Begins a new file between two lines: the unfinished one moves over.
    fn rotate(&mut self) -> io::Result<()> {
        if !self.is_in_place() {
            return self.reopen();
        }
        let tail = self.unfinished_line()?;
        rotation::rotate(&self.path, self.policy.files_max)?;
        let old = std::mem::replace(self, LogFile::open(self.path.clone(), self.policy)?);
        self.file.write_all_at(&tail, 0)?;
        self.end = i64::try_from(tail.len()).unwrap_or(0);
        old.file.set_len(old.end.cast_unsigned() - tail.len() as u64)
    }

    /// What stands after the last line's end. Nothing when the line is too long to be kept whole,
    /// such as a progress bar's: then the file is cut in its middle.
    fn unfinished_line(&self) -> io::Result<Vec<u8>> {
        let end = self.end.cast_unsigned();
        let length = end.min(LINE_BYTES_MAX);
        let mut block = vec![0u8; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut block, end - length)?;
        let line_end = block.iter().rposition(|byte| *byte == b'\n');
        Ok(line_end.map_or_else(Vec::new, |at| block.split_off(at + 1)))
    }

    /// Somebody emptied the file: go on at its end, not behind a hole.
    fn follow_truncation(&mut self) {
        if let Ok(about) = self.file.metadata() {
            self.end = self.end.min(about.len().cast_signed());
        }
    }

    /// False when somebody renamed or removed the file under us.
    fn is_in_place(&self) -> bool {
        let ours = self.file.metadata().map(|about| about.ino());
        let named = std::fs::metadata(&self.path).map(|about| about.ino());
        matches!((ours, named), (Ok(ours), Ok(named)) if ours == named)
    }

    fn mark_gap(&mut self, bytes: u64) -> io::Result<()> {
        self.follow_truncation();
        let line = format!(
            "\n[mcp-supervisor: {bytes} bytes of output were dropped here, the disk refused them]\n"
        );
        self.file.write_all_at(line.as_bytes(), self.end.cast_unsigned())?;
        self.end += i64::try_from(line.len()).unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(bytes_max: u64, files_max: u32) -> OutputConfig {
        OutputConfig { bytes_max, files_max }
    }

    #[test]
    fn a_burst_over_many_rotations_loses_doubles_and_splits_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let app = AppName::new("query");
        let mut outputs = Outputs::start(directory.path(), directory.path()).unwrap();
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
        let app = AppName::new("query");
        let mut outputs = Outputs::start(directory.path(), directory.path()).unwrap();
        let writer = outputs.open(&app, Stream::Errors, policy(1 << 30, 1)).unwrap();
        let mut writer = File::from(writer);
        for number in 0..500 {
            writer.write_all(format!("{}{number}\n", "x".repeat(number * 20)).as_bytes()).unwrap();
            outputs.flush().blocking_recv().unwrap();
            let text = std::fs::read_to_string(directory.path().join("query.err.log")).unwrap();
            assert!(text.ends_with(&format!("{number}\n")), "{number} is on its way");
        }
        outputs.finish();
    }

    #[test]
    fn what_a_full_disk_refuses_is_counted_and_marked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut file = LogFile::open(path.clone(), policy(1 << 20, 1)).unwrap();
        // A file that is open for reading only refuses like a full disk does.
        file.file = File::open(&path).unwrap();
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        nix::unistd::write(&writer, b"lost\n").unwrap();
        let mut channel = Channel { app: AppName::new("a"), fifo, file, refusals: 0, gap_bytes: 0 };
        let dropped = AtomicU64::new(0);
        for _ in 0..REFUSALS_MAX {
            channel.carry(&dropped);
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
        channel.file.reopen().unwrap();
        nix::unistd::write(&writer, b"kept\n").unwrap();
        channel.carry(&dropped);
        let content = std::fs::read_to_string(&path).unwrap();
        assert!(content.contains("5 bytes of output were dropped"), "{content}");
        assert!(content.ends_with("kept\n"), "{content}");
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
    }
}
