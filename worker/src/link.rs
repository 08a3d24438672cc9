//! Our end of the supervisor's socket: hello, settings, then news in both directions.
//!
//! Reading belongs to whoever holds the [`Link`]; writing goes through a bounded queue and a task
//! of its own, so that a supervisor that does not read cannot hold up the service.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::tokio::prelude::*;
use interprocess::local_socket::{GenericFilePath, ToFsName};
use mcp_protocol::frame::{self, Decoder, FrameError};
use mcp_protocol::handshake::{Hello, Peer, Welcome};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::settings::Settings;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::clock::Clock;
use crate::settings::Identity;

/// How long the supervisor may take to answer and to hand the settings over.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long the last words may take.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
/// Messages that may wait to be written; more are dropped.
const QUEUE_MAX: usize = 1024;
/// Places in the queue that a [`Speaker`] leaves free, so that news of the worker itself, of which
/// there is little, always finds one.
const QUEUE_RESERVED: usize = 16;
/// Bytes read at once.
const READ_BYTES: usize = 4 * 1024;

/// The conversation with the supervisor.
#[derive(Debug)]
pub struct Link {
    incoming: Incoming,
    outgoing: mpsc::Sender<Vec<u8>>,
    writer: JoinHandle<()>,
    unknown_frames: u64,
}

/// Why there is no conversation.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens there, or we may not enter.
    #[error("cannot connect to the supervisor's socket `{socket}`")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("cannot talk to the supervisor")]
    Broken(#[source] std::io::Error),
    /// The supervisor closed the connection.
    #[error("the supervisor closed the connection during the handshake")]
    Closed,
    /// The bytes make no sense.
    #[error("cannot read what the supervisor says")]
    Frame(#[source] FrameError),
    /// The supervisor does not want to talk.
    #[error("the supervisor refused this worker: {0}")]
    Refused(String),
    /// Something else came where the settings should have come.
    #[error("the supervisor did not hand over the settings first")]
    NoSettings,
    /// It took too long.
    #[error("the supervisor did not finish the handshake within {HANDSHAKE_LIMIT:?}")]
    TooSlow,
}

impl Link {
    /// Connects, introduces the worker and gets its settings.
    ///
    /// # Errors
    /// When there is nobody, or no agreement.
    pub async fn open(
        socket: &Path,
        identity: &Identity,
        clock: Clock,
    ) -> Result<(Link, Settings), LinkError> {
        let opening = open(socket, identity);
        clock.within(HANDSHAKE_LIMIT, opening).await.unwrap_or(Err(LinkError::TooSlow))
    }

    /// The next news from the supervisor; `None` when the connection is gone.
    ///
    /// May be dropped and asked again without losing anything.
    pub async fn next(&mut self) -> Option<ToWorker> {
        loop {
            match self.incoming.message::<ToWorker>().await {
                Ok(message) => return Some(message),
                Err(LinkError::Frame(error @ FrameError::Body(_))) => {
                    self.unknown_frames += 1;
                    let total = self.unknown_frames;
                    tracing::warn!(%error, total, "dropped a frame from the supervisor");
                }
                Err(error) => {
                    tracing::warn!(%error, "the link to the supervisor is broken");
                    return None;
                }
            }
        }
    }

    /// Tells the supervisor; false when the message was dropped, for too many wait already.
    pub fn say(&self, message: &FromWorker) -> bool {
        match frame::encode(message) {
            Ok(frame) => {
                let told = self.outgoing.try_send(frame).is_ok();
                if !told {
                    tracing::debug!("a message to the supervisor was dropped");
                }
                told
            }
            Err(error) => {
                tracing::error!(%error, "cannot tell the supervisor");
                false
            }
        }
    }

    /// Somebody who tells the supervisor as long as this link lives.
    #[must_use]
    pub fn speaker(&self) -> Speaker {
        Speaker { outgoing: self.outgoing.downgrade() }
    }

    /// Says a last word and waits until it is written.
    pub async fn farewell(self, message: &FromWorker, clock: Clock) {
        let last_words = async {
            if let Ok(frame) = frame::encode(message) {
                // An error means that the connection is gone, and with it the need to say it.
                let _ = self.outgoing.send(frame).await;
            }
            drop(self.outgoing);
            let _ = self.writer.await;
        };
        clock.within(FAREWELL_LIMIT, last_words).await;
    }
}

/// Tells the supervisor from anywhere, and keeps no link alive by that.
#[derive(Debug, Clone)]
pub struct Speaker {
    outgoing: mpsc::WeakSender<Vec<u8>>,
}

impl Speaker {
    /// Tells the supervisor; false when the link is gone or too much waits already.
    pub fn say(&self, message: &FromWorker) -> bool {
        let Some(outgoing) = self.outgoing.upgrade() else { return false };
        match frame::encode(message) {
            Ok(frame) if outgoing.capacity() > QUEUE_RESERVED => outgoing.try_send(frame).is_ok(),
            Ok(_) => false,
            Err(error) => {
                tracing::error!(%error, "cannot tell the supervisor");
                false
            }
        }
    }
}

async fn open(socket: &Path, identity: &Identity) -> Result<(Link, Settings), LinkError> {
    let refuse = |source| LinkError::Connect { socket: socket.to_owned(), source };
    let name = socket.to_fs_name::<GenericFilePath>().map_err(refuse)?;
    let stream = Stream::connect(name).await.map_err(refuse)?;
    let stream = Arc::new(stream);
    let mut incoming = Incoming { stream: Arc::clone(&stream), decoder: Decoder::default() };
    let Identity { app, slot, run, pid: _ } = identity.clone();
    let hello = Hello::new(Peer::Worker { app, slot, run });
    let frame = frame::encode(&hello).map_err(LinkError::Frame)?;
    (&*stream).write_all(&frame).await.map_err(LinkError::Broken)?;
    match incoming.message::<Welcome>().await? {
        Welcome::Speak { version: _ } => {}
        Welcome::Refused { reason } => return Err(LinkError::Refused(reason)),
    }
    let settings = match incoming.message::<ToWorker>().await? {
        ToWorker::Settings(settings) => *settings,
        ToWorker::Drain { .. }
        | ToWorker::ReopenLogs
        | ToWorker::Adjust(_)
        | ToWorker::Told(_)
        | ToWorker::Sought { .. }
        | ToWorker::Revoked(_)
        | ToWorker::Do { .. }
        | ToWorker::Gathered { .. } => return Err(LinkError::NoSettings),
    };
    let (outgoing, queue) = mpsc::channel(QUEUE_MAX);
    let writer = tokio::spawn(write_all(stream, queue));
    Ok((Link { incoming, outgoing, writer, unknown_frames: 0 }, settings))
}

async fn write_all(stream: Arc<Stream>, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = queue.recv().await {
        if (&*stream).write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The receiving side with what it has read so far.
#[derive(Debug)]
struct Incoming {
    stream: Arc<Stream>,
    decoder: Decoder,
}

impl Incoming {
    /// The next message. Nothing is lost when the future is dropped.
    async fn message<M: DeserializeOwned>(&mut self) -> Result<M, LinkError> {
        loop {
            if let Some(body) = self.decoder.next_body().map_err(LinkError::Frame)? {
                return frame::decode(&body).map_err(LinkError::Frame);
            }
            let mut bytes = [0; READ_BYTES];
            match (&*self.stream).read(&mut bytes).await.map_err(LinkError::Broken)? {
                0 => return Err(LinkError::Closed),
                read => self.decoder.push(&bytes[..read]),
            }
        }
    }
}
