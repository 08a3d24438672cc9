//! A body that holds something until its last byte is written, or nobody wants it any more.
//!
//! An answer is not over when its head is there: a stream lasts for minutes, and a client may read
//! slowly. What counts a request as running is kept here.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use mcp_protocol::measure::Measure;

use crate::metrics::Metrics;

/// So deep may lists and objects of a message be in each other.
pub(super) const LEVELS_MAX: usize = 64;

/// How a body came to its end.
pub(super) enum End {
    /// All of it is there.
    Whole,
    /// It broke off.
    Broken,
}

/// Sees a body go by, and is dropped with it.
pub(super) trait Watcher: Send + Unpin + 'static {
    /// A piece of so many bytes went by.
    fn passed(&mut self, _bytes: u64) {}

    /// That was the last piece; nobody may ask for more.
    fn last(&mut self) {}

    /// Somebody asked for more, and there is nothing.
    fn ended(&mut self, _end: End) {}
}

struct Watched<W> {
    body: Body,
    watcher: W,
}

/// The body, which this one sees go by.
pub(super) fn watched(body: Body, watcher: impl Watcher) -> Body {
    Body::new(Watched { body, watcher })
}

impl<W: Watcher> HttpBody for Watched<W> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.watcher.passed(frame.data_ref().map_or(0, Bytes::len) as u64);
                if self.body.is_end_stream() {
                    self.watcher.last();
                }
            }
            Poll::Ready(Some(Err(_))) => self.watcher.ended(End::Broken),
            Poll::Ready(None) => self.watcher.ended(End::Whole),
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

struct Holding<T>(Option<T>);

/// The body, which drops this at its end.
pub(super) fn holding<T: Send + Unpin + 'static>(body: Body, held: T) -> Body {
    watched(body, Holding(Some(held)))
}

impl<T: Send + Unpin + 'static> Watcher for Holding<T> {
    fn ended(&mut self, _end: End) {
        self.0 = None;
    }
}

struct Metered {
    metrics: Arc<Metrics>,
    bytes: u64,
}

/// The body, whose written bytes are counted at its end.
pub(super) fn metered(body: Body, metrics: Arc<Metrics>) -> Body {
    watched(body, Metered { metrics, bytes: 0 })
}

impl Watcher for Metered {
    fn passed(&mut self, bytes: u64) {
        self.bytes += bytes;
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "a histogram's sum is no exact number")]
        let bytes = self.bytes as f64;
        self.metrics.tallies.size(Measure::ResponseBytes, &[], bytes, None);
    }
}

/// Whether JSON opens more lists and objects in each other than this. Texts are skipped; whether it
/// is JSON at all is for the parser to say.
pub(super) fn is_deeper_than(json: &[u8], levels: usize) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json {
        if in_text {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > levels {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert!(!is_deeper_than(br#"{"a":[[1],[2],[3]],"b":{"c":{}}}"#, 3));
        assert!(is_deeper_than(br#"{"a":[[1]]}"#, 2));
        assert!(!is_deeper_than(br#"["[[[[", "\"[[[", "\\"]"#, 1));
        assert!(is_deeper_than(br#"["\\", []]"#, 1));
        assert!(is_deeper_than("[".repeat(1 << 20).as_bytes(), 64));
        assert!(!is_deeper_than(b"]]]][", 1));
    }
}
