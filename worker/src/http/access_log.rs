//! `access.log`: one line a request, written when the last byte of its answer is out, or when
//! nobody wants it any more.
//!
//! The path is in it without what stands behind the question mark, for that may hold a secret.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tracing::Level;
use tracing::field::display;

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
    remote: SocketAddr,
    status: Option<StatusCode>,
    bytes_in: Arc<AtomicU64>,
    bytes_out: u64,
    finished: bool,
    began: Moment,
    clock: Clock,
}

/// A body whose bytes are counted.
struct Counted {
    body: Body,
    bytes: Arc<AtomicU64>,
}

/// An answer's body, which is the end of its request.
struct Logged {
    body: Body,
    entry: Entry,
}

impl Entry {
    /// A request came; from now on it knows its passage, and its body is counted.
    pub(super) fn begin(request: &mut Request<Body>, remote: SocketAddr, clock: Clock) -> Entry {
        let passage = Passage::of(request.headers());
        request.extensions_mut().insert(passage.clone());
        let bytes_in = Arc::<AtomicU64>::default();
        let body = std::mem::take(request.body_mut());
        *request.body_mut() = Body::new(Counted { body, bytes: Arc::clone(&bytes_in) });
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
            remote,
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
        Response::from_parts(head, Body::new(Logged { body, entry: self }))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let _within = self.passage.span.enter();
        let agent = self.user_agent.as_ref().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let agent = agent.map(|agent| agent.chars().take(TEXT_CHARS_MAX).collect::<String>());
        tracing::info!(
            target: "access",
            method = self.method.as_str(),
            path = self.path,
            status = self.status.map(|status| status.as_u16()),
            duration_ms = milliseconds(self.clock.now().since(self.began)),
            bytes_in = self.bytes_in.load(Ordering::Relaxed),
            bytes_out = self.bytes_out,
            finished = self.finished,
            remote = %self.remote,
            user_agent = agent.as_deref(),
            "request"
        );
        if traces::is_on() {
            let span = &self.passage.span;
            span.record("method", self.method.as_str());
            span.record("path", self.path.as_str());
            span.record("status", self.status.map(|status| status.as_u16()));
            span.record("remote", display(self.remote.ip()));
            span.record("user_agent", agent.as_deref());
        }
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
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

impl HttpBody for Logged {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.entry.bytes_out += frame.data_ref().map_or(0, Bytes::len) as u64;
                // The last one may be asked for no more.
                self.entry.finished = self.body.is_end_stream();
            }
            Poll::Ready(None) => self.entry.finished = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
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
