//! The supervisor's own log as entries of systemd's journal, in its native protocol, so that
//! `journalctl APP=query SLOT=2` finds lines by what they are about.
//!
//! A datagram an entry, and never a wait: what the journal does not take at once is dropped and
//! counted. What programs and workers write does not go there.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, UnixAddr, sendmsg};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";
/// Under which name the entries are found.
const IDENTIFIER: &str = "mcp-supervisor";
/// The longest name of a field that the journal takes.
const NAME_BYTES_MAX: usize = 64;

/// Sends every event to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    place: PathBuf,
    dropped: Arc<AtomicU64>,
}

impl Journal {
    /// The journal that listens here; entries that it does not take are added to `dropped`.
    pub(super) fn at(place: &Path, dropped: &Arc<AtomicU64>) -> io::Result<Journal> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        let journal = Journal { socket, place: place.to_owned(), dropped: Arc::clone(dropped) };
        // An empty entry is ignored; it tells whether anybody is there.
        journal.send(b"")?;
        Ok(journal)
    }

    fn send(&self, entry: &[u8]) -> io::Result<()> {
        match self.socket.send_to(entry, &self.place) {
            Ok(_) => Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EMSGSIZE) => self.send_as_file(entry),
            Err(error) => Err(error),
        }
    }

    /// An entry that is too long for a datagram goes as a sealed file in memory.
    fn send_as_file(&self, entry: &[u8]) -> io::Result<()> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create("journal-entry", flags)?);
        file.write_all(entry)?;
        let seals = SealFlag::F_SEAL_SHRINK
            | SealFlag::F_SEAL_GROW
            | SealFlag::F_SEAL_WRITE
            | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let descriptors = [file.as_raw_fd()];
        let message = [ControlMessage::ScmRights(&descriptors)];
        let to = UnixAddr::new(&self.place)?;
        let nothing = [IoSlice::new(&[])];
        let socket = self.socket.as_raw_fd();
        sendmsg(socket, &nothing, &message, MsgFlags::MSG_DONTWAIT, Some(&to))?;
        Ok(())
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        if self.send(&entry.bytes(*event.metadata().level())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// An entry in the making.
#[derive(Default)]
struct Entry {
    message: String,
    /// The other fields as the log file has them, behind the message.
    rest: String,
    fields: Vec<u8>,
}

impl Entry {
    /// The numbers are those of syslog.
    fn bytes(mut self, level: Level) -> Vec<u8> {
        let priority = match level {
            Level::ERROR => "3",
            Level::WARN => "4",
            Level::INFO => "6",
            Level::DEBUG | Level::TRACE => "7",
        };
        self.add("PRIORITY", priority);
        self.add("SYSLOG_IDENTIFIER", IDENTIFIER);
        let line = format!("{}{}", self.message, self.rest);
        self.add("MESSAGE", &line);
        self.fields
    }

    fn add(&mut self, name: &str, value: &str) {
        self.fields.extend_from_slice(name.as_bytes());
        if value.contains('\n') {
            // A value of several lines has its length before it.
            self.fields.push(b'\n');
            self.fields.extend_from_slice(&(value.len() as u64).to_le_bytes());
        } else {
            self.fields.push(b'=');
        }
        self.fields.extend_from_slice(value.as_bytes());
        self.fields.push(b'\n');
    }

    fn note(&mut self, field: &Field, value: &str, shown: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
            return;
        }
        // Writing into a string does not fail.
        let _ = write!(self.rest, " {}={shown}", field.name());
        if let Some(name) = name_of(field.name()) {
            self.add(&name, value);
        }
    }
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value, &format!("{value:?}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let value = format!("{value:?}");
        self.note(field, &value, &value);
    }
}

/// The journal's form of a name: capitals, digits and underscores, beginning with a letter. What
/// the journal itself says of an entry begins with an underscore and cannot be said by us.
fn name_of(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name: String = name.trim_start_matches('_').chars().map(plain).collect();
    let begins = name.starts_with(|c: char| c.is_ascii_uppercase());
    (begins && name.len() <= NAME_BYTES_MAX).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read;

    use nix::sys::socket::{ControlMessageOwned, recvmsg};
    use tracing_subscriber::layer::SubscriberExt;

    /// The fields of an entry, as the journal reads them.
    fn fields(entry: &[u8]) -> BTreeMap<String, String> {
        let mut rest = entry;
        let mut found = BTreeMap::new();
        while !rest.is_empty() {
            let mark = rest.iter().position(|byte| matches!(byte, b'=' | b'\n')).unwrap();
            let name = String::from_utf8(rest[..mark].to_vec()).unwrap();
            let (value, behind) = if rest[mark] == b'=' {
                let end = rest.iter().position(|byte| *byte == b'\n').unwrap();
                (&rest[mark + 1..end], &rest[end + 1..])
            } else {
                let (length, value) = rest[mark + 1..].split_at(8);
                let length =
                    usize::try_from(u64::from_le_bytes(length.try_into().unwrap())).unwrap();
                assert_eq!(value[length], b'\n');
                (&value[..length], &value[length + 1..])
            };
            found.insert(name, String::from_utf8(value.to_vec()).unwrap());
            rest = behind;
        }
        found
    }

    fn journal() -> (tempfile::TempDir, UnixDatagram, Journal, Arc<AtomicU64>) {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("socket");
        let listener = UnixDatagram::bind(&place).unwrap();
        let dropped = Arc::new(AtomicU64::new(0));
        let journal = Journal::at(&place, &dropped).unwrap();
        assert_eq!(listener.recv(&mut [0]).unwrap(), 0);
        (directory, listener, journal, dropped)
    }

    fn log(journal: Journal, work: impl FnOnce()) {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), work);
    }

    #[test]
    fn an_entry_says_whom_it_is_about() {
        let (_directory, listener, journal, dropped) = journal();
        log(journal, || {
            let app = "query";
            tracing::warn!(%app, slot = 2, run = 57, why = "exit\ncode 3", _hidden = 1, "worker ended");
        });
        let mut entry = vec![0; 4096];
        let length = listener.recv(&mut entry).unwrap();
        let fields = fields(&entry[..length]);
        for (name, value) in [
            ("PRIORITY", "4"),
            ("SYSLOG_IDENTIFIER", "mcp-supervisor"),
            ("APP", "query"),
            ("SLOT", "2"),
            ("RUN", "57"),
            ("WHY", "exit\ncode 3"),
            ("HIDDEN", "1"),
            ("MESSAGE", "worker ended app=query slot=2 run=57 why=\"exit\\ncode 3\" _hidden=1"),
        ] {
            assert_eq!(fields.get(name).map(String::as_str), Some(value), "{fields:?}");
        }
        assert_eq!(fields.len(), 8, "{fields:?}");
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_long_entry_goes_as_a_file() {
        let (_directory, listener, journal, _) = journal();
        let long = "x".repeat(4 * 1024 * 1024);
        log(journal, || tracing::info!(long, "much"));
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
        let mut nothing = [0];
        let mut into = [std::io::IoSliceMut::new(&mut nothing)];
        let socket = listener.as_raw_fd();
        let message =
            recvmsg::<UnixAddr>(socket, &mut into, Some(&mut space), MsgFlags::empty()).unwrap();
        let Some(ControlMessageOwned::ScmRights(descriptors)) = message.cmsgs().unwrap().next()
        else {
            panic!("no file came")
        };
        let mut file = File::open(format!("/proc/self/fd/{}", descriptors[0])).unwrap();
        nix::unistd::close(descriptors[0]).unwrap();
        let mut entry = Vec::new();
        file.read_to_end(&mut entry).unwrap();
        assert_eq!(fields(&entry)["LONG"].len(), long.len());
    }

    #[test]
    fn nobody_waits_for_a_journal_that_does_not_read() {
        let (directory, listener, journal, dropped) = journal();
        log(journal, || {
            while dropped.load(Ordering::Relaxed) == 0 {
                tracing::info!("again");
            }
        });
        drop(listener);
        assert!(Journal::at(&directory.path().join("nowhere"), &dropped).is_err());
    }
}
