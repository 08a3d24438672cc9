//! `access.log`: one line a request, written when the last byte of its answer is out, or when
//! nobody wants it any more.
//!
//! The path is in it without what stands behind the question mark, for that may hold a secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, HttpBody};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tracing::Level;
use tracing::field::display;

use super::asker::Asker;
use super::body::{End, Watcher, watched};
use crate::clock::{Clock, Moment};
use crate::passage::{Passage, REQUEST_ID};
use crate::traces;
use crate::warehouse::journal::milliseconds;

/// The most characters of a path or of what a client calls itself.
const TEXT_CHARS_MAX: usize = 500;

/// A request that is being answered; its line is written when this is dropped.
pub(super) struct Entry {
    passage: Passage,
    method: Method,
    path: String,
    user_agent: Option<HeaderValue>,
    asker: Asker,
    status: Option<StatusCode>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    finished: bool,
    began: Moment,
    clock: Clock,
}

/// Counts the bytes of a request's body.
struct Counted(Arc<AtomicU64>);

impl Entry {
    /// A request came; from now on it knows its passage, and its body is counted.
    pub(super) fn begin(request: &mut Request<Body>, asker: Asker, clock: Clock) -> Entry {
        let passage = Passage { remote: Some(asker.address()), ..Passage::of(request.headers()) };
        request.extensions_mut().insert(passage.clone());
        let bytes_in = Arc::<AtomicU64>::default();
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = watched(body, Counted(Arc::clone(&bytes_in)));
        let is_wanted = tracing::enabled!(target: "access", Level::INFO);
        let path = request.uri().path();
        Entry {
            passage,
            method: request.method().clone(),
            path: if is_wanted {
                path.chars().take(TEXT_CHARS_MAX).collect()
            } else {
                String::new()
            },
            user_agent: request.headers().get(header::USER_AGENT).cloned(),
            asker,
            status: None,
            bytes_in,
            bytes_out: 0,
            finished: false,
            began: clock.now(),
            clock,
        }
    }

    /// What is logged about the request is logged within this.
    pub(super) fn span(&self) -> tracing::Span {
        self.passage.span.clone()
    }

    /// The answer, which says what the request was named, and ends it with its own end.
    pub(super) fn answer(mut self, response: Response<Body>) -> Response<Body> {
        self.status = Some(response.status());
        let (mut head, body) = response.into_parts();
        if let Ok(id) = HeaderValue::from_str(&self.passage.request_id) {
            head.headers.insert(REQUEST_ID, id);
        }
        self.finished = body.is_end_stream();
        Response::from_parts(head, watched(body, self))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _within = self.passage.span.enter();
        let agent = self.user_agent.as_ref().map(shown);
        tracing::info!(
            target: "access",
            method = self.method.as_str(),
            path = self.path,
            status = self.status.map(|status| status.as_u16()),
            duration_ms = milliseconds(self.clock.now().since(self.began)),
            bytes_in = self.bytes_in.load(Ordering::Relaxed),
            bytes_out = self.bytes_out,
            finished = self.finished,
            remote = %self.asker,
            proxy = self.asker.via().map(display),
            user_agent = agent.as_deref(),
            "request"
        );
        if traces::sampling().is_some() {
            let span = &self.passage.span;
            span.record("method", self.method.as_str());
            span.record("path", self.path.as_str());
            span.record("status", self.status.map(|status| status.as_u16()));
            span.record("remote", display(self.asker.address()));
            span.record("user_agent", agent.as_deref());
        }
    }
}

/// What a client calls itself, as far as it is written down.
pub(super) fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(TEXT_CHARS_MAX).collect()
}

impl Watcher for Counted {
    fn passed(&mut self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// An answer's body is the end of its request.
impl Watcher for Entry {
    fn passed(&mut self, bytes: u64) {
        self.bytes_out += bytes;
    }

    fn last(&mut self) {
        self.finished = true;
    }

    fn ended(&mut self, end: End) {
        self.finished |= matches!(end, End::Whole);
    }
}
