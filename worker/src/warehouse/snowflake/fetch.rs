//! The rest of a long answer: its parts, one after the other, in order, up to the limits.
//!
//! The library would fetch all parts at once into memory, put the first rows last, and read a
//! store's error as data. Here a part is read as it arrives, no part is fetched that no row is
//! wanted of, and one that broke off is fetched again from its start.

use std::ops::ControlFlow;
use std::time::Duration;

use super::cells::{Decoder, Format, PartReader};
use super::connection::Connection;
use super::statement::{Chunk, Found};
use super::tries::Tries;
use super::wire::{self, Trouble};
use crate::warehouse::WarehouseError;
use crate::warehouse::collected::Collected;
use crate::warehouse::course::Part;

/// How long nothing may arrive while a part is read.
const STALL_LIMIT: Duration = Duration::from_secs(30);

/// Fetches the parts of an answer.
pub(super) struct Fetch<'a> {
    pub(super) connection: &'a Connection,
    pub(super) found: &'a Found,
    pub(super) decoder: &'a Decoder,
}

/// Why a part could not be had.
enum Broken {
    Trouble(Trouble),
    Decode(String),
}

impl Fetch<'_> {
    /// Adds the rows of all parts until there are enough.
    pub(super) async fn all(&self, collected: &mut Collected) -> Result<(), WarehouseError> {
        let clock = self.connection.account.wire.clock();
        let began = clock.now();
        let all = self.every_part(collected).await;
        self.found.course.spent(Part::Fetch, clock.now().since(began));
        all
    }

    async fn every_part(&self, collected: &mut Collected) -> Result<(), WarehouseError> {
        for (index, chunk) in self.found.chunks.iter().enumerate() {
            if chunk.row_count.is_some_and(|rows| collected.passes_over(rows)) {
                continue;
            }
            if self.is_enough(collected) || self.part(index, chunk, collected).await?.is_break() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether the limit is reached: then it is known without another part that there is more.
    fn is_enough(&self, collected: &mut Collected) -> bool {
        if !collected.is_full() {
            return false;
        }
        collected.leave_the_rest();
        true
    }

    async fn part(
        &self,
        index: usize,
        chunk: &Chunk,
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, WarehouseError> {
        let mark = collected.mark();
        let mut tries = Tries::begin(self.connection.account.wire.clock());
        loop {
            let broken = match self.read(chunk, collected).await {
                Ok(flow) => return Ok(flow),
                Err(broken) => broken,
            };
            collected.truncate_to(mark);
            let (words, again) = match broken {
                Broken::Trouble(Trouble::Denied { status, words }) => {
                    tracing::warn!(status, "a part of an answer is denied");
                    let words = format!("{words}; its address may have expired, ask again");
                    (words, false)
                }
                Broken::Trouble(trouble) => {
                    let again = tries.rest(&trouble).await;
                    (trouble.words().to_owned(), again)
                }
                Broken::Decode(words) => {
                    // It may have broken off without the connection saying so: once more.
                    let trouble = Trouble::Nonsense(words.clone());
                    let again = tries.made() == 0 && tries.rest(&trouble).await;
                    (words, again)
                }
            };
            if !again {
                let parts = self.found.chunks.len();
                let words = format!("part {} of {parts} of the answer: {words}", index + 1);
                return Err(self.connection.unreachable(&words));
            }
        }
    }

    async fn read(
        &self,
        chunk: &Chunk,
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, Broken> {
        let account = &self.connection.account;
        let clock = account.wire.clock();
        let mut request = account.wire.http().get(&chunk.url);
        for (name, value) in &self.found.chunk_headers {
            request = request.header(name, value);
        }
        let stalled = || {
            let words = format!("nothing arrived for {STALL_LIMIT:?}");
            Broken::Trouble(Trouble::Lost(words))
        };
        let sent = clock.within(STALL_LIMIT, request.send()).await.ok_or_else(stalled)?;
        let mut response = sent.map_err(|error| Broken::Trouble(wire::of_sending(error)))?;
        if let Some(trouble) = wire::of_status(response.status(), None) {
            return Err(Broken::Trouble(trouble));
        }
        let format = if self.found.is_arrow { Format::Arrow } else { Format::Json };
        let mut reader = PartReader::new(format, self.decoder);
        loop {
            let piece = clock.within(STALL_LIMIT, response.chunk()).await.ok_or_else(stalled)?;
            let piece = piece.map_err(|error| Broken::Trouble(wire::of_reading(error)))?;
            let Some(piece) = piece else { break };
            let fed = reader.feed(&piece, collected);
            if fed.map_err(|error| Broken::Decode(error.to_string()))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let rows = reader.finish().map_err(|error| Broken::Decode(error.to_string()))?;
        match chunk.row_count {
            // It may break off just between two of its pieces.
            Some(announced) if announced != rows => {
                Err(Broken::Decode(format!("it has {rows} rows of {announced}")))
            }
            Some(_) | None => Ok(ControlFlow::Continue(())),
        }
    }
}
