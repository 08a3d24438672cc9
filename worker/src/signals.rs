//! Signals that ask a worker to leave, as bytes on a stream: nothing is done while one arrives.

use std::os::unix::net::UnixStream;

/// A stream on which a byte arrives with each signal that asks us to leave.
pub(crate) fn to_leave() -> std::io::Result<tokio::net::UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    read.set_nonblocking(true)?;
    tokio::net::UnixStream::from_std(read)
}

/// Returns when a signal asked us to leave.
pub(crate) async fn arrived(signals: &tokio::net::UnixStream) {
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
