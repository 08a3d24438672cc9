//! Ports that are no service at all: for what goes wrong before HTTP begins.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

/// A port with somebody strange behind it, until it is dropped.
pub(crate) struct Strange {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    came: AtomicUsize,
}

impl Strange {
    /// Answers whatever comes with bytes that are neither TLS nor HTTP.
    pub(crate) fn babbler() -> Strange {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(Shared::default());
        let inside = Arc::clone(&shared);
        let thread = std::thread::spawn(move || babble(&listener, &inside));
        Strange { address, shared, thread: Some(thread) }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// How many came.
    pub(crate) fn came(&self) -> usize {
        self.shared.came.load(Ordering::SeqCst)
    }
}

fn babble(listener: &TcpListener, shared: &Shared) {
    for stream in listener.incoming() {
        if shared.ended.load(Ordering::SeqCst) {
            return;
        }
        shared.came.fetch_add(1, Ordering::SeqCst);
        let Ok(mut stream) = stream else { continue };
        let mut heard = [0; 4096];
        if matches!(stream.read(&mut heard), Ok(read) if read > 0) {
            let _ = stream.write_all(b"220 mail.example ESMTP ready\r\n");
        }
    }
}

impl Drop for Strange {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
