//! The thread that moves output from FIFOs to files, a turn for each, and sleeps in between.
//!
//! How one FIFO is moved is `channel`'s business. Here is whose turn it is, what was ordered, and
//! what the others are told.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::channel::{Carried, Channel, Own, Turn};
use super::log_file::LogFile;
use super::trouble::Board;
use super::window::Window;
use super::{CHUNK_BYTES, Key, Order, RETRY_EVERY};
use crate::machine::{AppName, RunId};
use crate::runtime::clock::since_boot;
use crate::runtime::news::News;
use crate::runtime::rotation::Tidy;

/// A turn of whole lines moves half of what a FIFO holds, at the worst.
const FLUSH_TURNS: u32 = 3;
/// How many FIFOs of single runs are heard of in one call.
const EDGES: usize = 64;
/// Output that comes so soon after other output is let come for as long, and moved together. A FIFO
/// holds more than a program prints meanwhile.
const MOMENT: Duration = Duration::from_millis(1);
/// The longest sleep before the age of files is looked at again.
const NAP_MAX: Duration = Duration::from_hours(1);

/// The thread's own state.
pub(super) struct Pump {
    pub(super) log_directory: PathBuf,
    pub(super) tidy: Tidy,
    pub(super) files: BTreeMap<Key, LogFile>,
    channels: Vec<Channel>,
    window: Window,
    /// Tells when something was written to a run's own FIFO. Not when something waits there: the
    /// beginning of a line does, for as long as its end is not written.
    edges: Epoll,
    wake: File,
    /// When something was moved last, since boot, and how much.
    moved: (Duration, u64),
    /// What status tells of output that cannot be written.
    board: Board,
    /// Runs whose line was seen and that the loop was not told of yet.
    ready: Vec<RunId>,
    /// Those who wait until what was written is in the files.
    flushes: Vec<oneshot::Sender<()>>,
    inbox: mpsc::Sender<News>,
}

impl Pump {
    pub(super) fn new(
        log_directory: PathBuf,
        tidy: Tidy,
        wake: File,
        board: Board,
        inbox: mpsc::Sender<News>,
    ) -> nix::Result<Pump> {
        Ok(Pump {
            log_directory,
            tidy,
            files: BTreeMap::new(),
            channels: Vec::new(),
            window: Window::open()?,
            edges: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            wake,
            moved: (Duration::ZERO, 0),
            board,
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
            self.files.values_mut().filter(|file| file.has_age()).for_each(LogFile::make_room);
            self.board.show(&self.channels, &self.files);
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
            Order::Leave(app) => self.leave(&app),
            Order::Policy(app, policy) => {
                let of_app = self.files.iter_mut().filter(|(key, _)| key.app == app);
                of_app.for_each(|(_, file)| file.set_policy(policy));
            }
            Order::Rotate(target, done) => {
                let _ = done.send(self.rotate(&target));
            }
            Order::Empty(target, done) => {
                let _ = done.send(self.empty(&target));
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

    /// Nobody of this app writes any more: what is left of its shared FIFOs is their end.
    fn leave(&mut self, app: &AppName) {
        let shared = |one: &&mut Channel| one.own.is_none() && one.key.app == *app;
        for channel in self.channels.iter_mut().filter(shared) {
            let open_line = self.files.get(&channel.key).is_some_and(LogFile::is_in_line);
            channel.own = Some(Own { ended: true, open_line, ..Own::new(None, None) });
        }
    }

    /// One turn for every FIFO.
    fn carry(&mut self) -> Carried {
        let mut left = Carried::All;
        let mut turn = Turn { window: &mut self.window, moved: 0, now: since_boot() };
        for channel in &mut self.channels {
            let Some(file) = self.files.get_mut(&channel.key) else { continue };
            let (carried, ready) = channel.carry(file, &mut turn);
            self.ready.extend(ready);
            if carried == Carried::Part {
                left = Carried::Part;
            }
        }
        if turn.moved > 0 {
            self.moved = (turn.now, turn.moved);
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

    /// Whoever prints line by line, one right after the other, would wake us for each of them. A
    /// moment later many are moved at once. Orders are not kept waiting, nor is the first line.
    fn let_more_come(&self) {
        let (at, bytes) = self.moved;
        let is_trickle = bytes < CHUNK_BYTES as u64 && since_boot().saturating_sub(at) < MOMENT;
        if is_trickle {
            let mut orders = [PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut orders, PollTimeout::try_from(MOMENT).unwrap_or(PollTimeout::ZERO));
        }
    }

    /// Until there is something to do: output, an order, or something to be tried again.
    fn wait(&mut self) {
        let refused = self.channels.iter().any(Channel::is_refused);
        let due = |channel: &Channel| {
            !channel.is_held_back() && channel.own.as_ref().is_some_and(|own| own.due)
        };
        let timeout = if self.channels.iter().any(due) {
            PollTimeout::ZERO
        } else if refused || !self.ready.is_empty() {
            PollTimeout::try_from(RETRY_EVERY).unwrap_or(PollTimeout::NONE)
        } else {
            // One that is due already waits for the end of its line, or could not be rotated.
            let naps = self.files.values().filter_map(LogFile::due_in).filter(|nap| !nap.is_zero());
            let nap = naps.min().map(|nap| nap.min(NAP_MAX) + Duration::from_millis(1));
            nap.and_then(|nap| PollTimeout::try_from(nap).ok()).unwrap_or(PollTimeout::NONE)
        };
        let mut watched = vec![PollFd::new(self.wake.as_fd(), PollFlags::POLLIN)];
        watched.push(PollFd::new(self.edges.0.as_fd(), PollFlags::POLLIN));
        let shared = |channel: &&Channel| channel.own.is_none() && !channel.is_held_back();
        for channel in self.channels.iter().filter(shared) {
            watched.push(PollFd::new(channel.fifo.as_fd(), PollFlags::POLLIN));
        }
        let has_come = poll(&mut watched, timeout).is_ok_and(|count| count > 0);
        let is_ordered = watched[0].any().unwrap_or(false);
        if has_come && !is_ordered {
            self.let_more_come();
        }
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
