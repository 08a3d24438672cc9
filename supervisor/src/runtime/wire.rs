//! Frames over a local socket: whole messages in, whole messages out, each within a time.

use std::io;
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use mcp_protocol::frame::{self, Decoder, FrameError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::runtime::clock::in_time;

/// How long one message may take to go out; a peer that does not read is given up.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a conversation cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side closed the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// The other side said or took nothing for too long.
    #[error("the other side was silent for too long")]
    TimedOut,
    /// The bytes are no frames of ours.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error("the socket failed")]
    Io(#[source] io::Error),
}

/// The receiving side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    decoder: Decoder,
}

impl Inbound {
    /// The next message, whenever it comes.
    pub(crate) async fn receive<M: DeserializeOwned>(
        &mut self,
        stream: &Stream,
    ) -> Result<M, WireError> {
        let mut bytes = [0u8; 4096];
        loop {
            if let Some(body) = self.decoder.next_body()? {
                return Ok(frame::decode(&body)?);
            }
            match (&mut &*stream).read(&mut bytes).await.map_err(WireError::Io)? {
                0 => return Err(WireError::Closed),
                count => self.decoder.push(&bytes[..count]),
            }
        }
    }

    /// The next message, if it comes within this time.
    pub(crate) async fn receive_within<M: DeserializeOwned>(
        &mut self,
        stream: &Stream,
        wait: Duration,
    ) -> Result<M, WireError> {
        tokio::time::timeout_at(in_time(wait), self.receive(stream))
            .await
            .unwrap_or(Err(WireError::TimedOut))
    }
}

/// Sends one message.
pub(crate) async fn send<M: Serialize>(stream: &Stream, message: &M) -> Result<(), WireError> {
    let bytes = frame::encode(message)?;
    let sending = async { (&mut &*stream).write_all(&bytes).await };
    tokio::time::timeout_at(in_time(SEND_TIMEOUT), sending)
        .await
        .map_err(|_| WireError::TimedOut)?
        .map_err(WireError::Io)
}
