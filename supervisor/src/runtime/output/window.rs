//! Looks at what waits in a FIFO without taking it out.
//!
//! `tee` doubles the head of the FIFO into a pipe of our own, which is read: the bytes themselves
//! stay where a crash of ours cannot lose them, until `splice` moves them to their file.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::{FcntlArg, OFlag, SpliceFFlags, fcntl, tee};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{LINE_BYTES_MAX, PIPE_BYTES};

/// A pipe and room for what is looked at.
pub(super) struct Window {
    reader: OwnedFd,
    writer: OwnedFd,
    bytes: Vec<u8>,
}

/// What stands at the head of a FIFO.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sight<'a> {
    pub(super) bytes: &'a [u8],
    /// More cannot be seen at once, so waiting for the line's end would be in vain.
    pub(super) full: bool,
}

impl Window {
    pub(super) fn open() -> nix::Result<Window> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // As many pieces as a FIFO of ours may have; a smaller pipe shows fewer at once.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        Ok(Window { reader, writer, bytes: vec![0; LINE_BYTES_MAX] })
    }

    /// The head of the FIFO; nothing when it is empty.
    pub(super) fn look(&mut self, fifo: &OwnedFd) -> nix::Result<Sight<'_>> {
        let flags = SpliceFFlags::SPLICE_F_NONBLOCK;
        let there = match tee(fifo, &self.writer, LINE_BYTES_MAX, flags) {
            Err(nix::errno::Errno::EAGAIN) => 0,
            other => other?,
        };
        let mut room = [PollFd::new(self.writer.as_fd(), PollFlags::POLLOUT)];
        let full = there == LINE_BYTES_MAX || poll(&mut room, PollTimeout::ZERO) == Ok(0);
        let mut seen = 0;
        while seen < there {
            seen += nix::unistd::read(&self.reader, &mut self.bytes[seen..there])?;
        }
        Ok(Sight { bytes: &self.bytes[..there], full })
    }

    /// How long the first line is; of one that does not end, how much of it is seen.
    pub(super) fn first_line(&mut self, fifo: &OwnedFd) -> nix::Result<usize> {
        let bytes = self.look(fifo)?.bytes;
        let end = bytes.iter().position(|byte| *byte == b'\n');
        Ok(end.map_or(bytes.len(), |at| at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_at_stays_where_it_is() {
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut window = Window::open().unwrap();
        let empty = Sight { bytes: b"", full: false };
        assert_eq!(window.look(&fifo).unwrap(), empty);
        nix::unistd::write(&writer, b"one\ntw").unwrap();
        for _ in 0..2 {
            assert_eq!(window.look(&fifo).unwrap(), Sight { bytes: b"one\ntw", full: false });
        }
        nix::unistd::write(&writer, b"o").unwrap();
        assert_eq!(window.look(&fifo).unwrap().bytes, b"one\ntwo");
        let mut bytes = [0u8; 64];
        assert_eq!(nix::unistd::read(&fifo, &mut bytes), Ok(7));
        assert_eq!(window.look(&fifo).unwrap(), empty);
    }

    #[test]
    fn a_line_in_many_pieces_is_known_to_be_too_long_to_wait_for() {
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let mut window = Window::open().unwrap();
        // Pieces that the kernel does not put together: it runs out of places before bytes.
        while nix::unistd::write(&writer, &[b'x'; 3000]).is_ok() {}
        fcntl(&window.writer, FcntlArg::F_SETPIPE_SZ(4096 * 4)).unwrap();
        assert!(window.look(&fifo).unwrap().full);
    }
}
