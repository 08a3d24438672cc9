//! A supervisor that a test plays: its end of a worker's link, and the socket where it waits.

use std::path::PathBuf;
use std::time::Duration;

use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use mcp_protocol::frame::{self, Decoder};
use mcp_protocol::handshake::{Hello, Peer, Welcome};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::settings::Settings;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a test waits for anything before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// The supervisor's end of a link.
pub(crate) struct Supervisor {
    stream: Stream,
    decoder: Decoder,
}

impl Supervisor {
    pub(crate) async fn say<M: Serialize>(&mut self, message: &M) {
        let frame = frame::encode(message).expect("a frame");
        (&self.stream).write_all(&frame).await.expect("the worker reads");
    }

    pub(crate) async fn hear<M: DeserializeOwned>(&mut self) -> M {
        loop {
            if let Some(body) = self.decoder.next_body().expect("frames") {
                return frame::decode(&body).expect("a message");
            }
            let mut bytes = [0; 4096];
            let mut stream = &self.stream;
            let reading = tokio::time::timeout(PATIENCE, stream.read(&mut bytes));
            let read = reading.await.expect("in time").expect("the worker writes");
            assert_ne!(read, 0, "the worker hung up");
            self.decoder.push(&bytes[..read]);
        }
    }

    /// The next message that is no heartbeat, and how many heartbeats came before it.
    pub(crate) async fn hear_news(&mut self) -> (FromWorker, u32) {
        let mut heartbeats = 0;
        loop {
            match self.hear().await {
                FromWorker::Heartbeat(_) => heartbeats += 1,
                news @ (FromWorker::Ready
                | FromWorker::Failed { .. }
                | FromWorker::Drained
                | FromWorker::Tell(_)
                | FromWorker::StatementBegan(_)
                | FromWorker::StatementEnded { .. }
                | FromWorker::Seek { .. }
                | FromWorker::Ask { .. }
                | FromWorker::Did { .. }) => return (news, heartbeats),
            }
        }
    }
}

/// A socket at which a supervisor waits for its worker.
pub(crate) struct Waiting {
    directory: tempfile::TempDir,
    accepting: Listener,
}

impl Waiting {
    pub(crate) fn new() -> Waiting {
        let directory = tempfile::tempdir().expect("a directory");
        let socket = directory.path().join("control.sock");
        let name = socket.to_fs_name::<GenericFilePath>().expect("a name");
        let accepting = ListenerOptions::new().name(name).create_tokio().expect("a local socket");
        Waiting { directory, accepting }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    /// Plays the handshake up to the settings.
    pub(crate) async fn hand_over(&self, settings: Settings) -> Supervisor {
        let accepting = tokio::time::timeout(PATIENCE, self.accepting.accept());
        let stream = accepting.await.expect("in time").expect("the worker connects");
        let mut supervisor = Supervisor { stream, decoder: Decoder::default() };
        let hello: Hello = supervisor.hear().await;
        let expected = Peer::Worker { app: "query".to_owned(), slot: 2, run: 57 };
        assert_eq!(hello.peer, expected);
        supervisor.say(&Welcome::Speak { version: 1 }).await;
        supervisor.say(&ToWorker::Settings(Box::new(settings))).await;
        supervisor
    }
}
