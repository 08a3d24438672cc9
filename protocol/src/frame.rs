//! Frames: a `u32` length, then a bincode body. Bytes in, messages out; no socket.
//!
//! This is the one file that knows bincode: another encoding is a change here alone. The length
//! is checked before anything is allocated, and the body must be used up to its last byte.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body that is sent or accepted, in bytes.
pub const FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Length of the prefix, in bytes.
const PREFIX_BYTES: usize = 4;

/// Why bytes are not a frame, or a message does not fit into one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The peer announced more than the limit; the connection cannot be used any more.
    #[error("a frame of {announced} bytes was announced; the limit is {FRAME_BYTES_MAX}")]
    TooLong {
        /// What the prefix said.
        announced: usize,
    },
    /// The body is no message of this kind: garbage, or a newer peer's message.
    #[error("a frame's body cannot be read: {0}")]
    Body(String),
    /// Our own message is longer than the limit.
    #[error("a message of {0} bytes does not fit into a frame")]
    MessageTooLong(usize),
}

fn format() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<FRAME_BYTES_MAX>()
}

/// The frame of a message: prefix and body.
///
/// # Errors
/// When the message is longer than [`FRAME_BYTES_MAX`].
pub fn encode<M: Serialize>(message: &M) -> Result<Vec<u8>, FrameError> {
    let body = bincode::serde::encode_to_vec(message, bincode::config::standard())
        .map_err(|error| FrameError::Body(error.to_string()))?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|_| body.len() <= FRAME_BYTES_MAX)
        .ok_or(FrameError::MessageTooLong(body.len()))?;
    let mut frame = Vec::with_capacity(PREFIX_BYTES + body.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// The message in a frame's body.
///
/// # Errors
/// When the body is not exactly one message of this kind.
pub fn decode<M: DeserializeOwned>(body: &[u8]) -> Result<M, FrameError> {
    let (message, used) = bincode::serde::decode_from_slice(body, format())
        .map_err(|error| FrameError::Body(error.to_string()))?;
    if used != body.len() {
        return Err(FrameError::Body(format!("{} bytes are left over", body.len() - used)));
    }
    Ok(message)
}

/// Collects bytes as they arrive and hands out whole bodies.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes in what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole body, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// When the announced length is over the limit. The stream has lost its step: close it.
    pub fn next_body(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let Some(prefix) = self.bytes.first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let announced = u32::from_le_bytes(*prefix) as usize;
        if announced > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong { announced });
        }
        if self.bytes.len() < PREFIX_BYTES + announced {
            return Ok(None);
        }
        let rest = self.bytes.split_off(PREFIX_BYTES + announced);
        let mut body = std::mem::replace(&mut self.bytes, rest);
        body.drain(..PREFIX_BYTES);
        Ok(Some(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_back_byte_by_byte() {
        let frame = encode(&("query", 7u32)).unwrap();
        let mut decoder = Decoder::default();
        for byte in &frame[..frame.len() - 1] {
            decoder.push(&[*byte]);
            assert_eq!(decoder.next_body(), Ok(None));
        }
        decoder.push(&frame[frame.len() - 1..]);
        let body = decoder.next_body().unwrap().unwrap();
        assert_eq!(decode::<(String, u32)>(&body), Ok(("query".to_owned(), 7)));
        assert_eq!(decoder.next_body(), Ok(None));
    }

    #[test]
    fn two_messages_in_one_read_come_out_apart() {
        let mut bytes = encode(&1u8).unwrap();
        bytes.extend(encode(&2u8).unwrap());
        let mut decoder = Decoder::default();
        decoder.push(&bytes);
        assert_eq!(decode::<u8>(&decoder.next_body().unwrap().unwrap()), Ok(1));
        assert_eq!(decode::<u8>(&decoder.next_body().unwrap().unwrap()), Ok(2));
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_body_arrives() {
        let mut decoder = Decoder::default();
        decoder.push(&u32::MAX.to_le_bytes());
        assert_eq!(decoder.next_body(), Err(FrameError::TooLong { announced: u32::MAX as usize }));
        decoder = Decoder::default();
        decoder.push(b"GET / HTTP/1.1\r\n");
        assert!(matches!(decoder.next_body(), Err(FrameError::TooLong { .. })));
    }

    #[test]
    fn an_oversized_message_of_our_own_is_refused() {
        let message = "x".repeat(FRAME_BYTES_MAX);
        assert!(matches!(encode(&message), Err(FrameError::MessageTooLong(_))));
    }

    #[test]
    fn a_length_inside_a_body_cannot_make_us_allocate() {
        // A string that claims four gigabytes, in a body of nine bytes.
        let body = [0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
        assert!(decode::<String>(&body).is_err());
    }

    #[test]
    fn left_over_bytes_are_refused() {
        assert!(matches!(decode::<u8>(&[1, 2]), Err(FrameError::Body(_))));
    }
}
