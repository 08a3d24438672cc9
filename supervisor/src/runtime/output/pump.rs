//! The thread that moves output from FIFOs to files, a turn for each, and sleeps in between.
//!
//! A FIFO that several runs share is moved as it comes. One that a run has for itself is looked
//! at: only whole lines are moved, so that those of two runs are never mixed within a line, and
//! until its run is ready the line that says so is looked for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::log_file::LogFile;
use super::window::{Sight, Window};
use super::{CHUNK_BYTES, Key, Order, REFUSALS_MAX, RETRY_EVERY, TURN_CHUNKS};
use crate::machine::RunId;
use crate::runtime::news::News;

/// A turn of whole lines moves half of what a FIFO holds, at the worst.
const FLUSH_TURNS: u32 = 3;
/// How many FIFOs of single runs are heard of in one call.
const EDGES: usize = 64;

/// The thread's own state.
pub(super) struct Pump {
    files: BTreeMap<Key, LogFile>,
    channels: Vec<Channel>,
    window: Window,
    /// Tells when something was written to a run's own FIFO. Not when something waits there: the
    /// beginning of a line does, for as long as its end is not written.
    edges: Epoll,
    wake: File,
    dropped: Arc<AtomicU64>,
    /// Runs whose line was seen and that the loop was not told of yet.
    ready: Vec<RunId>,
    /// Those who wait until what was written is in the files.
    flushes: Vec<oneshot::Sender<()>>,
    inbox: mpsc::Sender<News>,
}

/// One FIFO.
pub(super) struct Channel {
    pub(super) key: Key,
    fifo: OwnedFd,
    refusals: u32,
    gap_bytes: u64,
    own: Option<Own>,
}

/// What a FIFO that a run has for itself is looked at for.
pub(super) struct Own {
    /// Of an earlier supervisor's runs we know no number.
    pub(super) run: Option<RunId>,
    /// The text of the line that says that it is ready, until it was seen.
    pub(super) line: Option<String>,
    /// Something was written since we looked.
    due: bool,
    /// The run has ended: what is left is moved, and then it is closed.
    ended: bool,
    /// The last that was moved was the beginning of a line.
    open_line: bool,
}

/// Whether something is left to be moved at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    All,
    Part,
}

impl Own {
    pub(super) fn new(run: Option<RunId>, line: Option<String>) -> Own {
        // What was written before we listened is due.
        Own { run, line, due: true, ended: false, open_line: false }
    }
}

impl Pump {
    pub(super) fn new(
        wake: File,
        dropped: Arc<AtomicU64>,
        inbox: mpsc::Sender<News>,
    ) -> nix::Result<Pump> {
        Ok(Pump {
            files: BTreeMap::new(),
            channels: Vec::new(),
            window: Window::open()?,
            edges: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            wake,
            dropped,
            ready: Vec::new(),
            flushes: Vec::new(),
            inbox,
        })
    }

    pub(super) fn run(mut self, orders: &Receiver<Order>) {
        let mut finished = false;
        loop {
            if !finished {
                self.wait();
            }
            while let Ok(order) = orders.try_recv() {
                finished |= matches!(order, Order::Finish);
                self.obey(order);
            }
            let mut left = self.carry();
            // These turns move more than any FIFO holds: what was written before the order is in
            // place, whoever goes on writing.
            for _ in 0..FLUSH_TURNS {
                if self.flushes.is_empty() || left == Carried::All {
                    break;
                }
                left = self.carry();
            }
            for done in self.flushes.drain(..) {
                let _ = done.send(());
            }
            self.tell();
            if finished && left == Carried::All {
                return;
            }
        }
    }

    fn obey(&mut self, order: Order) {
        let end = |channel: &mut Channel, run: Option<RunId>| {
            if let Some(own) = &mut channel.own
                && (run.is_none() || own.run == run)
            {
                (own.due, own.ended) = (true, true);
            }
        };
        match order {
            Order::Keep(key, file) => drop(self.files.insert(key, *file)),
            Order::Carry(channel) => {
                if channel.own.is_some() {
                    let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                    let number = u64::try_from(self.channels.len()).unwrap_or(u64::MAX);
                    // Without it the line would wait until the run's end; nothing would be lost.
                    let _ = self.edges.add(&channel.fifo, EpollEvent::new(edge, number));
                }
                self.channels.push(*channel);
            }
            Order::Release(run) => {
                self.channels.iter_mut().for_each(|channel| end(channel, Some(run)));
            }
            Order::Leave(app) => {
                let shared = |one: &&mut Channel| one.own.is_none() && one.key.0 == app;
                for channel in self.channels.iter_mut().filter(shared) {
                    let open_line =
                        self.files.get_mut(&channel.key).is_some_and(LogFile::is_in_line);
                    channel.own = Some(Own { ended: true, open_line, ..Own::new(None, None) });
                }
            }
            Order::Policy(app, policy) => {
                for (_, file) in self.files.iter_mut().filter(|((name, _), _)| *name == app) {
                    file.policy = policy;
                }
            }
            Order::Reopen => {
                for file in self.files.values_mut() {
                    let _ = file.reopen();
                }
            }
            Order::Flush(done) => {
                // The news of what was written may not have come yet.
                self.channels
                    .iter_mut()
                    .filter_map(|one| one.own.as_mut())
                    .for_each(|own| own.due = true);
                self.flushes.push(done);
            }
            Order::Finish => self.channels.iter_mut().for_each(|channel| end(channel, None)),
        }
    }

    /// One turn for every FIFO.
    fn carry(&mut self) -> Carried {
        let mut left = Carried::All;
        for channel in &mut self.channels {
            let Some(file) = self.files.get_mut(&channel.key) else { continue };
            let (carried, ready) = match &channel.own {
                None => (channel.carry(file, &self.dropped), None),
                Some(own) if own.due || channel.refusals > 0 => {
                    channel.carry_lines(file, &mut self.window, &self.dropped)
                }
                Some(_) => (Carried::All, None),
            };
            self.ready.extend(ready);
            if carried == Carried::Part {
                left = Carried::Part;
            }
        }
        let before = self.channels.len();
        self.channels.retain(|channel| !channel.is_done());
        if self.channels.len() != before {
            self.number_edges();
        }
        left
    }

    /// The edges know each channel by its place, which may have changed.
    fn number_edges(&mut self) {
        for (number, channel) in (0u64..).zip(&self.channels) {
            if channel.own.is_some() {
                let edge = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
                let _ = self.edges.modify(&channel.fifo, &mut EpollEvent::new(edge, number));
            }
        }
    }

    /// Tells the loop who said its line. Never waits for it: it may wait for us at its end.
    fn tell(&mut self) {
        let inbox = &self.inbox;
        self.ready.retain(|run| {
            matches!(inbox.try_send(News::Ready { run: *run }), Err(TrySendError::Full(_)))
        });
    }

    /// Until there is something to do: output, an order, or something to be tried again.
    fn wait(&mut self) {
        let refused = self.channels.iter().any(|channel| channel.refusals > 0);
        let due = |channel: &Channel| {
            !channel.is_held_back() && channel.own.as_ref().is_some_and(|own| own.due)
        };
        let timeout = if self.channels.iter().any(due) {
            PollTimeout::ZERO
        } else if refused || !self.ready.is_empty() {
            PollTimeout::try_from(RETRY_EVERY).unwrap_or(PollTimeout::NONE)
        } else {
            PollTimeout::NONE
        };
        let mut watched = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        watched.push(PollFd::new(self.edges.0.as_fd(), PollFlags::POLLIN));
        let shared = |channel: &&Channel| channel.own.is_none() && !channel.is_held_back();
        for channel in self.channels.iter().filter(shared) {
            watched.push(PollFd::new(channel.fifo.as_fd(), PollFlags::POLLIN));
        }
        let _ = poll(&mut watched, timeout);
        let mut bytes = [0u8; 64];
        let _ = self.wake.read(&mut bytes);
        let mut events = [EpollEvent::empty(); EDGES];
        while let Ok(count @ 1..) = self.edges.wait(&mut events, EpollTimeout::ZERO) {
            for event in &events[..count] {
                let channel = usize::try_from(event.data()).ok();
                let channel = channel.and_then(|number| self.channels.get_mut(number));
                if let Some(own) = channel.and_then(|channel| channel.own.as_mut()) {
                    own.due = true;
                }
            }
        }
    }
}

impl Channel {
    pub(super) fn new(key: Key, fifo: OwnedFd, own: Option<Own>) -> Channel {
        Channel { key, fifo, refusals: 0, gap_bytes: 0, own }
    }

    /// True while the disk refuses and we have not begun to drop: only time can help.
    fn is_held_back(&self) -> bool {
        (1..REFUSALS_MAX).contains(&self.refusals)
    }

    /// True when its run has ended and nothing is left.
    fn is_done(&self) -> bool {
        self.refusals == 0 && self.own.as_ref().is_some_and(|own| own.ended && !own.due)
    }

    /// Moves what is there, up to its turn.
    pub(super) fn carry(&mut self, file: &mut LogFile, dropped: &AtomicU64) -> Carried {
        for _ in 0..TURN_CHUNKS {
            self.close_gap(file);
            match file.splice_from(&self.fifo, CHUNK_BYTES) {
                Ok(0) | Err(Errno::EAGAIN) => return Carried::All,
                Ok(_) => self.refusals = 0,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.refuse(dropped);
                    return Carried::All;
                }
            }
        }
        Carried::Part
    }

    /// Moves the whole lines that are there, up to its turn, and tells whose line was seen.
    fn carry_lines(
        &mut self,
        file: &mut LogFile,
        window: &mut Window,
        dropped: &AtomicU64,
    ) -> (Carried, Option<RunId>) {
        let mut ready = None;
        for _ in 0..TURN_CHUNKS {
            self.close_gap(file);
            let Some(own) = &mut self.own else { break };
            // Time may help, or what waits is dropped: to look again at once would never end.
            let Ok(Sight { bytes, full }) = window.look(&self.fifo) else {
                self.refuse(dropped);
                return (Carried::All, ready);
            };
            let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => at + 1,
                None if full || own.ended => bytes.len(),
                None => 0,
            };
            if own.line.as_ref().is_some_and(|text| says(&bytes[..whole], text)) {
                own.line = None;
                ready = own.run;
            }
            if whole == 0 {
                own.due = false;
                if own.ended && std::mem::take(&mut own.open_line) {
                    let _ = file.end_line();
                }
                if self.gap_bytes == 0 {
                    self.refusals = 0;
                }
                return (Carried::All, ready);
            }
            let ends_open = bytes[whole - 1] != b'\n';
            if self.move_exactly(whole, file).is_err() {
                self.refuse(dropped);
                return (Carried::All, ready);
            }
            self.refusals = 0;
            if let Some(own) = &mut self.own {
                own.open_line = ends_open;
            }
        }
        (Carried::Part, ready)
    }

    fn move_exactly(&self, bytes: usize, file: &mut LogFile) -> nix::Result<()> {
        let mut left = bytes;
        while left > 0 {
            match file.splice_from(&self.fifo, left) {
                Ok(0) => return Err(Errno::EIO),
                Ok(moved) => left -= moved,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    fn close_gap(&mut self, file: &mut LogFile) {
        if self.gap_bytes > 0 && file.mark_gap(self.gap_bytes).is_ok() {
            self.gap_bytes = 0;
            self.refusals = 0;
        }
    }

    /// The disk refused: soon we try again, and after a while what waits is dropped.
    fn refuse(&mut self, dropped: &AtomicU64) {
        self.refusals = self.refusals.saturating_add(1);
        if self.refusals >= REFUSALS_MAX {
            let lost = self.drop_what_waits();
            self.gap_bytes += lost;
            dropped.fetch_add(lost, Ordering::Relaxed);
            if let Some(own) = &mut self.own {
                own.due = false;
            }
        }
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

/// Whether one of the lines contains the text.
fn says(lines: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    let contains = |line: &[u8]| line.windows(text.len().max(1)).any(|part| part == text);
    lines.split(|byte| *byte == b'\n').any(contains)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OutputConfig;
    use crate::machine::AppName;
    use crate::runtime::output::Stream;
    use nix::fcntl::OFlag;

    #[test]
    fn what_a_full_disk_refuses_is_counted_and_marked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut file =
            LogFile::open(path.clone(), OutputConfig { bytes_max: 1 << 20, files_max: 1 }).unwrap();
        file.refuse_all();
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        nix::unistd::write(&writer, b"lost\n").unwrap();
        let mut channel = Channel::new((AppName::new("a"), Stream::Output), fifo, None);
        let dropped = AtomicU64::new(0);
        for _ in 0..REFUSALS_MAX {
            channel.carry(&mut file, &dropped);
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
        file.reopen().unwrap();
        nix::unistd::write(&writer, b"kept\n").unwrap();
        channel.carry(&mut file, &dropped);
        let content = std::fs::read_to_string(&path).unwrap();
        assert!(content.contains("5 bytes of output were dropped"), "{content}");
        assert!(content.ends_with("kept\n"), "{content}");
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn what_cannot_be_looked_at_waits_for_its_time_and_ends() {
        let directory = tempfile::tempdir().unwrap();
        let policy = OutputConfig { bytes_max: 1 << 20, files_max: 1 };
        let mut file = LogFile::open(directory.path().join("a.log"), policy).unwrap();
        // Nothing can be doubled out of a file that is no pipe.
        let odd = directory.path().join("odd");
        std::fs::write(&odd, "lost\n").unwrap();
        let own = Own::new(Some(RunId(1)), Some("up".to_owned()));
        let key = (AppName::new("a"), Stream::Output);
        let mut channel = Channel::new(key, File::open(&odd).unwrap().into(), Some(own));
        let (mut window, dropped) = (Window::open().unwrap(), AtomicU64::new(0));
        for refusals in 1..=REFUSALS_MAX {
            let told = channel.carry_lines(&mut file, &mut window, &dropped);
            assert_eq!(told, (Carried::All, None));
            assert_eq!(channel.is_held_back(), refusals < REFUSALS_MAX, "{refusals}");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 5);
    }

    #[test]
    fn a_line_is_what_stands_between_two_ends() {
        assert!(says(b"one\nnow listening on 80\n", "listening on"));
        assert!(!says(b"listening\non", "listening on"));
        assert!(!says(b"", "listening on"));
    }
}
