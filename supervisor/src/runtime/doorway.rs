//! An address that is given up: nobody new is let in, and whoever waits already is served.
//!
//! The kernel accepts connections for a listener before its program does, and resets those that
//! still wait when the last one who has it lets go. So the last worker there is asked to leave
//! only when nobody waits any more. Whoever comes meanwhile is not answered, asks again after a
//! second, and is refused like everybody after the end.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tokio::sync::mpsc;

use crate::machine::RunId;
use crate::runtime::clock::{in_time, pause};
use crate::runtime::news::News;

/// How often to look whether somebody waits.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// So many looks in a row find nobody: by then also those have come who were on their way.
const LOOKS: u32 = 20;
/// Workers that take nobody are not waited for any longer.
const PATIENCE_MAX: Duration = Duration::from_secs(5);

/// Lets nobody new in, and tells the loop when nobody waits, or after half of this grace. What is
/// left of it is told as well.
pub(crate) async fn close(
    listener: Arc<TcpListener>,
    (run, grace): (RunId, Duration),
    inbox: mpsc::Sender<News>,
) {
    let began = in_time(Duration::ZERO);
    if let Err(error) = let_nobody_in(&listener) {
        tracing::debug!(%error, "an address is given up that new clients still find");
    }
    let deadline = in_time(PATIENCE_MAX.min(grace / 2));
    let mut looks = 0;
    while looks < LOOKS && in_time(Duration::ZERO) < deadline {
        looks = if is_waited_for(&listener) { 0 } else { looks + 1 };
        pause(LOOK_EVERY).await;
    }
    drop(listener);
    let grace = grace.saturating_sub(in_time(Duration::ZERO) - began);
    let _ = inbox.send(News::Vacated { run, grace }).await;
}

/// Whether somebody is in the queue.
fn is_waited_for(listener: &TcpListener) -> bool {
    let mut door = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    poll(&mut door, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Has the kernel drop the packets that begin a connection; those who are in the queue, or on
/// their last step to it, go on.
#[expect(unsafe_code, reason = "nix does not wrap this option")]
fn let_nobody_in(listener: &TcpListener) -> io::Result<()> {
    const FLAGS: u32 = 13;
    const SYN: u32 = 2;
    let step = |code: u32, (jt, jf): (u8, u8), k: u32| libc::sock_filter {
        code: u16::try_from(code).expect("codes have 16 bits, their names 32"),
        jt,
        jf,
        k,
    };
    let mut steps = [
        step(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, (0, 0), FLAGS),
        step(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, (0, 1), SYN),
        step(libc::BPF_RET | libc::BPF_K, (0, 0), 0),
        step(libc::BPF_RET | libc::BPF_K, (0, 0), u32::MAX),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    let length = libc::socklen_t::try_from(size_of_val(&program)).expect("a few bytes");
    // SAFETY: the descriptor is open; the option takes a `sock_fprog`, which is given with its own
    // length and names four steps that outlive the call. The kernel copies and checks them.
    let set = unsafe {
        libc::setsockopt(
            listener.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            length,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[tokio::test]
    async fn whoever_waits_is_served_and_nobody_new_comes_in() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = Arc::new(TcpListener::bind(address).unwrap());
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).unwrap();
            client.write_all(b"before").unwrap();
            let (news, mut inbox) = mpsc::channel(1);
            let grace = Duration::from_secs(60);
            tokio::spawn(close(Arc::clone(&listener), (RunId(7), grace), news));
            tokio::task::yield_now().await;
            let late = TcpStream::connect_timeout(&address, Duration::from_millis(200));
            assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut, "{address}");
            assert!(inbox.try_recv().is_err(), "somebody waits");
            let (mut served, _) = listener.accept().unwrap();
            let mut bytes = [0; 11];
            client.write_all(b"after").unwrap();
            served.read_exact(&mut bytes).unwrap();
            assert_eq!(&bytes, b"beforeafter");
            let Some(News::Vacated { run: RunId(7), grace: left }) = inbox.recv().await else {
                panic!("it is not told");
            };
            assert!(left < grace && left > grace / 2, "{left:?}");
        }
    }

    #[tokio::test]
    async fn workers_that_take_nobody_are_waited_for_in_vain_not_for_ever() {
        let listener = Arc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (news, mut inbox) = mpsc::channel(1);
        close(listener, (RunId(7), Duration::from_millis(100)), news).await;
        assert!(matches!(inbox.recv().await, Some(News::Vacated { .. })));
    }
}
