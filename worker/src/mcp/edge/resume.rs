//! A call whose client may come back for the answer, at any worker.
//!
//! The id of its stream carries what was called; the supervisor knows, as long as the statement
//! runs, what the warehouse calls it. With both, a worker that never heard of the call gives its
//! answer, without a second execution. Only what reads is taken up so.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use mcp_protocol::relay::Statement;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::calls::{Call, CallKey};
use crate::bus::Bus;
use crate::warehouse::course::Stage;
use crate::warehouse::left::Leave;

/// The longest message that the id of a stream carries, packed, in bytes: ids are headers.
pub(super) const PACKED_BYTES_MAX: usize = 2048;
/// The longest message that is unpacked, in bytes.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// A call that any worker can take up; in the extensions of its request.
#[derive(Debug, Clone)]
pub struct Resumable {
    pub(super) bus: Bus,
    pub(super) key: CallKey,
    pub(super) principal: Option<Arc<str>>,
    /// What the warehouse calls the statement, where another worker began it.
    pub(super) taken_up: Option<String>,
    /// The statement that the client wrote itself; no other of the call's is taken up.
    pub(super) statement: Option<Arc<str>>,
    /// Fires when another worker has taken it up from here.
    pub(super) leave: CancellationToken,
}

/// A statement that is told of as long as this lives.
struct Told<'a> {
    resumable: &'a Resumable,
    connection: Option<&'a str>,
    query_id: Option<String>,
}

impl Resumable {
    /// The same, of a call whose client wrote this statement.
    #[must_use]
    pub fn of(self, statement: &str) -> Resumable {
        Resumable { statement: Some(statement.trim().into()), ..self }
    }

    /// Whether this is the statement that can be taken up.
    #[must_use]
    pub fn is_of(&self, statement: &str) -> bool {
        self.statement.as_deref() == Some(statement.trim())
    }

    /// What the warehouse calls the statement, when it runs already.
    #[must_use]
    pub fn taken_up(&self) -> Option<&str> {
        self.taken_up.as_deref()
    }

    /// The same, run by this call.
    #[must_use]
    pub fn run_by(self, call: &Call) -> Resumable {
        Resumable { leave: call.leave.clone(), ..self }
    }

    /// When its statement is to be left to another worker.
    #[must_use]
    pub fn leave(&self) -> Leave {
        Leave::Told(self.leave.clone())
    }

    /// Tells where the statement can be found, for as long as it is polled. One that ends here has
    /// not to be looked for any more; one whose worker dies has.
    pub async fn tell(
        &self,
        connection: Option<&str>,
        mut stage: watch::Receiver<Stage>,
    ) -> Infallible {
        let mut told = Told { resumable: self, connection, query_id: None };
        loop {
            let named = match &*stage.borrow_and_update() {
                Stage::Running { query_id } => query_id.clone(),
                Stage::Before | Stage::Waiting | Stage::Ended => None,
            };
            if named.is_some() && named != told.query_id {
                told.begin(named);
            }
            if stage.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Told<'_> {
    fn begin(&mut self, query_id: Option<String>) {
        let Resumable { bus, key, principal, .. } = self.resumable;
        self.query_id = query_id;
        bus.began(Statement {
            session: key.session,
            request: key.request.to_string(),
            principal: principal.as_deref().map(str::to_owned),
            connection: self.connection.map(str::to_owned),
            query_id: self.query_id.clone().unwrap_or_default(),
            reads: true,
        });
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        // What another worker has taken up is that one's to tell of.
        if self.query_id.is_some() && !self.resumable.leave.is_cancelled() {
            let Resumable { bus, key, .. } = self.resumable;
            bus.ended(key.session, &key.request);
        }
    }
}

/// A message, small; nothing when it does not become small enough.
pub(in crate::mcp) fn packed(message: &[u8]) -> Vec<u8> {
    let mut packer = DeflateEncoder::new(Vec::new(), Compression::fast());
    let packed = packer.write_all(message).and_then(|()| packer.finish());
    let packed = packed.expect("memory takes what is written");
    if packed.len() <= PACKED_BYTES_MAX { packed } else { Vec::new() }
}

/// The message again.
pub(in crate::mcp) fn unpacked(packed: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    let unpacked = DeflateDecoder::new(packed).take(MESSAGE_BYTES_MAX).read_to_end(&mut message);
    (unpacked.is_ok() && !message.is_empty()).then_some(message)
}

#[cfg(test)]
mod tests {
    use mcp_protocol::relay::SessionTag;

    use super::*;
    use crate::warehouse::course::Course;

    #[test]
    fn a_message_comes_back_unless_it_is_too_long_for_a_header() {
        for message in [b"x".repeat(9000), b"{}".to_vec()] {
            assert_eq!(unpacked(&packed(&message)), Some(message));
        }
        let noise: [u8; 9000] = super::super::ring::random();
        assert!(packed(&noise).is_empty());
        assert_eq!(unpacked(&[]), None);
        assert_eq!(unpacked(&noise), None);
    }

    #[tokio::test]
    async fn a_statement_is_found_by_others_while_it_runs_and_not_afterwards() {
        let bus = Bus::alone();
        let other = bus.sibling();
        let session = SessionTag([1; 16]);
        let key = CallKey { session, request: "7".into() };
        let leave = CancellationToken::new();
        let resumable =
            Resumable { bus, key, principal: None, taken_up: None, statement: None, leave };
        let (course, stage) = Course::followed();
        let telling = tokio::spawn(async move { resumable.tell(None, stage).await });
        course.named("01b2");
        let clock = crate::clock::Clock::start();
        let found = async {
            while other.seek(session, "7").await.is_none_or(|found| found.query_id != "01b2") {
                tokio::task::yield_now().await;
            }
        };
        assert!(clock.within(std::time::Duration::from_secs(20), found).await.is_some());
        telling.abort();
        assert!(telling.await.is_err());
        assert_eq!(other.seek(session, "7").await, None);
    }
}
