//! The signals that ask a worker to leave, as something that its one loop can wait for.

use std::io;
use std::os::unix::net::UnixStream;

/// Bytes arrive here, one with each signal that asks us to leave.
pub(crate) type Signals = tokio::net::UnixStream;

/// Listens to SIGTERM and SIGINT from now on.
pub(crate) fn listen() -> io::Result<Signals> {
    let (read, write) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(read)
}

/// Returns when a signal asked us to leave.
pub(crate) async fn asked_to_leave(signals: &Signals) {
    loop {
        if signals.readable().await.is_err() {
            std::future::pending::<()>().await;
        }
        let mut bytes = [0; 16];
        match signals.try_read(&mut bytes) {
            Ok(0) => std::future::pending().await,
            Ok(_) => return,
            Err(_) => {}
        }
    }
}
