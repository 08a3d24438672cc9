//! One FIFO: what waits in it is moved to its file, and dropped when the disk refuses it for long.
//!
//! A FIFO that several runs share is moved as it comes. One that a run has for itself is looked
//! at: only whole lines are moved, so that those of two runs are never mixed within a line, and
//! until its run is ready the line that says so is looked for.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::log_file::LogFile;
use super::lost::{Gap, Lost};
use super::window::{Sight, Window};
use super::{HOLD_MAX, Key, RETRY_EVERY, TURN_CHUNKS};
use crate::machine::RunId;

/// How much is dropped at once, while others wait for their turn.
const DROP_BYTES_MAX: usize = 1024 * 1024;

/// One FIFO.
pub(super) struct Channel {
    pub(super) key: Key,
    pub(super) fifo: OwnedFd,
    /// Since when the disk refuses, and when it is tried again; both since boot.
    refused: Option<(Duration, Duration)>,
    /// What was dropped since, and is not told in the file yet.
    gap: Option<Gap>,
    /// The same, kept over our end.
    lost: Lost,
    /// The gap is of an earlier supervisor, which may have told it already.
    is_earlier: bool,
    pub(super) own: Option<Own>,
}

/// What a turn of any channel needs.
pub(super) struct Turn<'a> {
    pub(super) window: &'a mut Window,
    /// Bytes that were moved in it.
    pub(super) moved: u64,
    /// Since boot.
    pub(super) now: Duration,
}

/// Whether there is a gap still.
#[derive(Debug, PartialEq, Eq)]
enum Mended {
    /// There is none, or it is told in the file.
    Yes,
    /// The rest of a line that was dropped in part is still to come.
    NotYet,
}

/// What a FIFO that a run has for itself is looked at for.
pub(super) struct Own {
    /// Of an earlier supervisor's runs we know no number.
    pub(super) run: Option<RunId>,
    /// The text of the line that says that it is ready, until it was seen.
    pub(super) line: Option<String>,
    /// Something was written since we looked.
    pub(super) due: bool,
    /// The run has ended: what is left is moved, and then it is closed.
    pub(super) ended: bool,
    /// The last that was moved was the beginning of a line.
    pub(super) open_line: bool,
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

impl Channel {
    /// `path` is that of the FIFO.
    pub(super) fn new(key: Key, fifo: OwnedFd, path: &Path, own: Option<Own>) -> Channel {
        let mut lost = Lost::beside(path);
        let gap = lost.earlier();
        Channel { key, fifo, refused: None, gap, lost, is_earlier: gap.is_some(), own }
    }

    /// True while the disk refuses.
    pub(super) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// True while the disk refuses and we have not begun to drop: only time can help.
    pub(super) fn is_held_back(&self) -> bool {
        self.refused.is_some() && self.gap.is_none()
    }

    /// What is being dropped.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.gap
    }

    /// True when its run has ended and nothing is left.
    pub(super) fn is_done(&self) -> bool {
        self.refused.is_none() && self.own.as_ref().is_some_and(|own| own.ended && !own.due)
    }

    /// Moves what is there, up to its turn, and tells whose line was seen.
    pub(super) fn carry(
        &mut self,
        file: &mut LogFile,
        turn: &mut Turn<'_>,
    ) -> (Carried, Option<RunId>) {
        let waits = self.refused.is_some_and(|(_, again)| turn.now < again);
        let is_due = self.own.as_ref().is_none_or(|own| own.due) || self.is_refused();
        if !is_due || (waits && self.is_held_back()) {
            return (Carried::All, None);
        }
        let mut ready = None;
        for _ in 0..TURN_CHUNKS {
            let carried = match self.own {
                Some(_) => self.carry_lines(file, turn),
                None => self.carry_chunk(file, turn).map(|carried| (carried, None)),
            };
            match carried {
                Ok((Carried::Part, seen)) => ready = ready.or(seen),
                Ok((Carried::All, seen)) => return (Carried::All, ready.or(seen)),
                // Time may help, or what waits is dropped: to look again at once would never end.
                Err(why) => {
                    self.refuse(why, file, turn.now);
                    return (Carried::All, ready);
                }
            }
        }
        (Carried::Part, ready)
    }

    /// One chunk; `All` when there is nothing more.
    fn carry_chunk(&mut self, file: &mut LogFile, turn: &mut Turn<'_>) -> nix::Result<Carried> {
        if self.mend(file, turn)? == Mended::NotYet {
            return Ok(Carried::All);
        }
        match file.take_from(&self.fifo, turn.window) {
            Ok(0) | Err(Errno::EAGAIN) => Ok(Carried::All),
            Err(Errno::EINTR) => Ok(Carried::Part),
            Ok(moved) => {
                turn.moved += moved as u64;
                self.refused = None;
                Ok(Carried::Part)
            }
            Err(why) => Err(why),
        }
    }

    /// The whole lines that can be seen at once, and whose line was among them; `All` when there
    /// is nothing more.
    fn carry_lines(
        &mut self,
        file: &mut LogFile,
        turn: &mut Turn<'_>,
    ) -> nix::Result<(Carried, Option<RunId>)> {
        let mended = self.mend(file, turn)?;
        let Some(own) = &mut self.own else { return Ok((Carried::All, None)) };
        if mended == Mended::NotYet {
            own.due = false;
            return Ok((Carried::All, None));
        }
        let Sight { bytes, full } = turn.window.look(&self.fifo)?;
        let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if full || own.ended => bytes.len(),
            None => 0,
        };
        let seen = own.line.as_ref().is_some_and(|text| says(&bytes[..whole], text));
        let ready = own.run.filter(|_| seen);
        if seen {
            own.line = None;
        }
        if whole == 0 {
            own.due = false;
            if own.ended && std::mem::take(&mut own.open_line) {
                let _ = file.end_line();
            }
            self.refused = None;
            return Ok((Carried::All, ready));
        }
        own.open_line = bytes[whole - 1] != b'\n';
        file.make_room();
        self.move_exactly(whole, file)?;
        turn.moved += whole as u64;
        self.refused = None;
        Ok((Carried::Part, ready))
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

    /// Tells in the file what was dropped, once the disk takes it. What follows begins with a line.
    fn mend(&mut self, file: &mut LogFile, turn: &mut Turn<'_>) -> nix::Result<Mended> {
        let Some(mut gap) = self.gap else { return Ok(Mended::Yes) };
        let ended = self.own.as_ref().is_some_and(|own| own.ended);
        let is_told =
            std::mem::take(&mut self.is_earlier) && file.ends_with(gap.words().as_bytes());
        for _ in 0..TURN_CHUNKS {
            if !gap.in_line || is_told {
                break;
            }
            let rest = turn.window.first_line(&self.fifo).unwrap_or(0);
            let lost = self.drop_up_to(rest, &mut gap, file);
            if lost == 0 && ended {
                break;
            }
            if lost == 0 {
                return Ok(Mended::NotYet);
            }
        }
        let failed = |error: io::Error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
        if !is_told {
            file.mark_gap(gap).map_err(failed)?;
        }
        self.lost.forget();
        (self.gap, self.refused) = (None, None);
        Ok(Mended::Yes)
    }

    /// The disk refused: soon we try again, and after a while what waits is dropped.
    fn refuse(&mut self, why: Errno, file: &LogFile, now: Duration) {
        let since = self.refused.map_or(now, |(since, _)| since);
        self.refused = Some((since, now + RETRY_EVERY));
        if now.saturating_sub(since) < HOLD_MAX {
            return;
        }
        let mut gap = self.gap.unwrap_or(Gap::new(why));
        let lost = self.drop_up_to(DROP_BYTES_MAX, &mut gap, file);
        if let Some(own) = &mut self.own {
            own.due = lost == DROP_BYTES_MAX as u64;
        }
    }

    /// Throws away what waits in the FIFO, and tells how much that was.
    fn drop_up_to(&mut self, bytes_max: usize, gap: &mut Gap, file: &LogFile) -> u64 {
        let mut left = bytes_max;
        let mut bytes = vec![0u8; left.min(64 * 1024)];
        while left > 0 {
            let room = left.min(bytes.len());
            self.lost.keep(Gap { perhaps: gap.perhaps + room as u64, ..*gap });
            let Ok(count @ 1..) = nix::unistd::read(&self.fifo, &mut bytes[..room]) else { break };
            gap.in_line = bytes[count - 1] != b'\n';
            gap.bytes += count as u64;
            left -= count;
        }
        self.lost.keep(*gap);
        self.gap = Some(*gap);
        let lost = (bytes_max - left) as u64;
        file.count().dropped_bytes.add(lost);
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
    use crate::machine::{AppName, SlotId};
    use crate::runtime::output::Stream;
    use crate::runtime::rotation::Tidy;
    use nix::fcntl::OFlag;
    use std::fs::File;
    use std::path::Path;

    fn key() -> Key {
        let slot = SlotId { app: AppName::new("a"), index: 0 };
        Key::new(&slot, Stream::Output, true)
    }

    fn file(directory: &Path) -> LogFile {
        let (tidy, _) = Tidy::for_nobody();
        LogFile::open(directory.join("a.log"), OutputConfig::default(), tidy).unwrap()
    }

    /// A turn so long after the first.
    fn carry_at(
        milliseconds: u64,
        channel: &mut Channel,
        file: &mut LogFile,
    ) -> (Carried, Option<RunId>) {
        let mut window = Window::open().unwrap();
        let now = Duration::from_millis(milliseconds);
        channel.carry(file, &mut Turn { window: &mut window, moved: 0, now })
    }

    #[test]
    fn what_a_full_disk_refuses_is_counted_and_marked_and_lines_stay_whole() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file(directory.path());
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let say = |text: &str| nix::unistd::write(&writer, text.as_bytes()).unwrap();
        let mut channel = Channel::new(key(), fifo, &directory.path().join("a.out"), None);
        let count = std::sync::Arc::clone(file.count());
        let mut at = |time, file: &mut LogFile| carry_at(time, &mut channel, file);
        let lost = || count.dropped_bytes.get();
        say("kept\n");
        at(0, &mut file);
        file.refuse_all();
        say("lost\nlost in pa");
        // Others have turns meanwhile, many of them.
        for time in 0..u64::try_from(HOLD_MAX.as_millis()).unwrap() {
            at(time, &mut file);
            assert_eq!(lost(), 0, "after {time} ms it is only held back");
        }
        at(800, &mut file);
        assert_eq!(lost(), 15);
        file.reopen().unwrap();
        say("rt");
        at(801, &mut file);
        assert_eq!(lost(), 17, "the rest of the line goes with its beginning");
        say("\nkept too\n");
        at(802, &mut file);
        let content = std::fs::read_to_string(directory.path().join("a.log")).unwrap();
        let mark = "[mcp-supervisor: 18 bytes of output were dropped here, the disk refused them]";
        assert_eq!(content, format!("kept\n{mark}\nkept too\n"));
        assert_eq!(lost(), 18);
        assert!(!channel.is_refused());
        assert!(!directory.path().join("a.out.lost").exists());
    }

    #[test]
    fn what_was_dropped_before_a_kill_is_marked_by_whoever_comes_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file(directory.path());
        let (fifo, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let say = |text: &str| nix::unistd::write(&writer, text.as_bytes()).unwrap();
        let path = directory.path().join("a.out");
        let channel = || Channel::new(key(), fifo.try_clone().unwrap(), &path, None);
        let content = || std::fs::read_to_string(directory.path().join("a.log")).unwrap();
        say("kept\n");
        let mut first = channel();
        carry_at(0, &mut first, &mut file);
        file.refuse_all();
        say("lost\nlost in pa");
        carry_at(1, &mut first, &mut file);
        carry_at(900, &mut first, &mut file);
        // It ends here, without another word.
        drop(first);
        file.reopen().unwrap();
        say("rt\nkept too\n");
        let kept = std::fs::read(directory.path().join("a.out.lost")).unwrap();
        carry_at(0, &mut channel(), &mut file);
        let mark = "[mcp-supervisor: 18 bytes of output were dropped here, the disk refused them]";
        let expected = format!("kept\n{mark}\nkept too\n");
        assert_eq!(content(), expected);
        assert!(!directory.path().join("a.out.lost").exists());
        // Another one ends in the middle of throwing away up to 100 bytes.
        let gap = Gap { bytes: 7, perhaps: 100, in_line: false, why: Errno::ENOSPC };
        std::fs::write(directory.path().join("a.out.lost"), gap.kept()).unwrap();
        assert_eq!(gap.kept().len(), kept.len(), "it is written over in place");
        carry_at(0, &mut channel(), &mut file);
        let mark =
            "[mcp-supervisor: 7 to 107 bytes of output were dropped here, the disk refused them]";
        let expected = format!("{expected}{mark}\n");
        assert_eq!(content(), expected);
        // And one right after the mark: it is not told twice.
        std::fs::write(directory.path().join("a.out.lost"), gap.kept()).unwrap();
        carry_at(0, &mut channel(), &mut file);
        assert_eq!(content(), expected);
        assert!(!directory.path().join("a.out.lost").exists());
    }

    #[test]
    fn what_cannot_be_looked_at_waits_for_its_time_and_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = file(directory.path());
        // Nothing can be doubled out of a file that is no pipe.
        let odd = directory.path().join("odd");
        std::fs::write(&odd, "lost\n").unwrap();
        let own = Own::new(Some(RunId(1)), Some("up".to_owned()));
        let mut channel = Channel::new(key(), File::open(&odd).unwrap().into(), &odd, Some(own));
        for time in [0, 200, 400, 600, 800] {
            let told = carry_at(time, &mut channel, &mut file);
            assert_eq!(told, (Carried::All, None));
            assert_eq!(channel.is_held_back(), time < 800, "{time}");
        }
        assert_eq!(file.count().dropped_bytes.get(), 5);
    }

    #[test]
    fn a_line_is_what_stands_between_two_ends() {
        assert!(says(b"one\nnow listening on 80\n", "listening on"));
        assert!(!says(b"listening\non", "listening on"));
        assert!(!says(b"", "listening on"));
    }
}
