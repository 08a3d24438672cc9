//! How a reply reaches its client: as one JSON body when it is quick, as a stream of events when it
//! is not.
//!
//! A client that hears nothing cannot tell a slow statement from a dead worker, and neither can the
//! proxies before it. So a reply that takes longer than a fifth of a second begins as a stream at once:
//! headers, now and then a comment, and the result when it is there. From then on it is a task of
//! its own that writes to whichever connection its client has: one that breaks is waited for a
//! moment. What a request means is not known here.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::Stage;
use super::words::{RETRY, error_body, refusal};
use crate::clock::{Clock, Moment};
use crate::mcp::edge::calls::{Call, Seat};

/// When a reply does what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    /// A reply that takes longer becomes a stream.
    commit_after: Duration,
    /// How often a stream says that it lives.
    ping_every: Duration,
    /// How long a client that lost its connection may take to come back.
    come_back: Duration,
}

/// Pings are more frequent than the idle limits of proxies. A client comes back after
/// [`RETRY_MS`]; the statement of one that never does ends within the two seconds that are promised.
pub(super) const RHYTHM: Rhythm = Rhythm {
    commit_after: Duration::from_millis(200),
    ping_every: Duration::from_secs(15),
    come_back: Duration::from_secs(1),
};

/// What a client is told to wait before it comes back, in milliseconds.
const RETRY_MS: u64 = 300;
/// Events that may wait for a connection before the reply itself has to.
const WAITING_MAX: usize = 64;
/// Events that are handed to a connection ahead of its writing.
const SEAT_EVENTS: usize = 4;
/// The media type of a stream of events.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// What will be the reply.
pub(super) type Work = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Makes the event by which the client of a call can come back. It costs more than a quick reply
/// should, so it is made when there is a stream.
pub(super) type Prime = Box<dyn FnOnce(&Call) -> Bytes + Send>;

/// What a reply is bound to.
pub(super) struct Terms {
    /// The request's id, for errors.
    pub(super) id: Value,
    /// The run, if the request belongs to a session.
    pub(super) call: Option<Call>,
    /// What the stream begins with, if the client knows how to come back.
    pub(super) prime: Option<Prime>,
    /// Whether the client takes a stream.
    pub(super) streams: bool,
    /// When the reply must be there, and how long that was.
    pub(super) limit: Option<(Moment, Duration)>,
    /// How far the door is closed.
    pub(super) stage: watch::Receiver<Stage>,
    pub(super) rhythm: Rhythm,
    pub(super) clock: Clock,
}

/// Why a reply is not what the work gave.
enum Cut {
    Cancelled,
    TooLong(Duration),
    Leaving,
}

/// What happened to a reply that was not there at once.
enum Early {
    Answered(Response<Body>),
    Cut(Cut),
    Slow,
}

/// The reply. Dropping this future, or the body it gives, ends the work.
pub(super) async fn reply(mut work: Work, mut terms: Terms) -> Response<Body> {
    let slow_at = terms.streams.then(|| terms.clock.now() + terms.rhythm.commit_after);
    match early(&mut work, &mut terms, slow_at).await {
        Early::Answered(response) if is_event_stream(&response) => {
            stream(Source::Events(response.into_body()), terms)
        }
        Early::Answered(response) => response,
        Early::Cut(cut) => match cut.message() {
            Some(message) => refusal(StatusCode::OK, RETRY, &message, Some(terms.id)),
            None if terms.streams => event_stream(Body::from(": cancelled\n\n")),
            None => refusal(StatusCode::OK, RETRY, "the request was cancelled", Some(terms.id)),
        },
        Early::Slow => stream(Source::Work(work), terms),
    }
}

/// The reply as a stream, however soon it is there.
pub(super) fn reply_as_stream(work: Work, terms: Terms) -> Response<Body> {
    stream(Source::Work(work), terms)
}

async fn early(work: &mut Work, terms: &mut Terms, slow_at: Option<Moment>) -> Early {
    let Terms { call, limit, stage, clock, .. } = terms;
    tokio::select! {
        biased;
        response = work => Early::Answered(response),
        () = cancelled(call.as_ref().map(|call| &call.cancel)) => Early::Cut(Cut::Cancelled),
        cut = overrun(*limit, stage, *clock) => Early::Cut(cut),
        () = clock.until_some(slow_at) => Early::Slow,
    }
}

/// Returns when the client wants no reply any more.
async fn cancelled(cancel: Option<&CancellationToken>) {
    match cancel {
        Some(cancel) => cancel.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Returns when the reply has to be made without its work.
async fn overrun(
    limit: Option<(Moment, Duration)>,
    stage: &mut watch::Receiver<Stage>,
    clock: Clock,
) -> Cut {
    let too_long = async {
        match limit {
            Some((at, limit)) => {
                clock.until(at).await;
                limit
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = stage.wait_for(|stage| *stage >= Stage::AnsweringRest) => Cut::Leaving,
        limit = too_long => Cut::TooLong(limit),
    }
}

/// Returns when the client is back.
async fn back(rejoined: Option<&mut mpsc::Receiver<Seat>>) -> Seat {
    if let Some(rejoined) = rejoined
        && let Some(seat) = rejoined.recv().await
    {
        return seat;
    }
    std::future::pending().await
}

impl Cut {
    /// What the client is told; nothing when it wants no answer.
    fn message(&self) -> Option<String> {
        match self {
            Cut::Cancelled => None,
            Cut::TooLong(limit) => Some(format!("the request took longer than {limit:?}")),
            Cut::Leaving => Some("this worker is leaving; retry".to_owned()),
        }
    }
}

/// Where the events of a stream come from.
enum Source {
    Work(Work),
    Events(Body),
    Ended,
}

impl Source {
    /// The next bytes, whole events each time; `None` when there are no more. May be dropped and
    /// asked again without losing anything.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            match self {
                Source::Work(work) => {
                    let response = work.await;
                    if is_event_stream(&response) {
                        *self = Source::Events(response.into_body());
                        continue;
                    }
                    // The body is in memory already, so nothing is waited for.
                    let body = response.into_body().collect().await;
                    *self = Source::Ended;
                    return Some(event(&body.map(|body| body.to_bytes()).unwrap_or_default()));
                }
                Source::Events(body) => match body.frame().await {
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(bytes) => return Some(bytes),
                        Err(_) => continue,
                    },
                    Some(Err(_)) | None => *self = Source::Ended,
                },
                Source::Ended => return None,
            }
        }
    }
}

/// A stream on its way.
struct Streaming {
    source: Source,
    terms: Terms,
    /// The client's connection.
    seat: Seat,
    /// The client knows how to come back.
    primed: bool,
    /// Events that no connection has taken yet.
    waiting: VecDeque<Bytes>,
    ping_at: Moment,
    /// The connection is lost; until when its client may come back.
    gone_until: Option<Moment>,
}

/// What moves a stream on.
enum Turn {
    Event(Option<Bytes>),
    Taken,
    Gone,
    Back(Seat),
    GivenUp,
    Ping,
    Cut(Cut),
}

fn stream(source: Source, mut terms: Terms) -> Response<Body> {
    let prime = terms.prime.take().zip(terms.call.as_ref());
    let first = prime.map(|(prime, call)| prime(call));
    let primed = first.is_some();
    // The first event leaves with the headers: a client that has only these cannot come back.
    let (seat, body) = seat(first);
    let ping_at = terms.clock.now() + terms.rhythm.ping_every;
    let waiting = VecDeque::new();
    let gone_until = None;
    let streaming = Streaming { source, terms, seat, primed, waiting, ping_at, gone_until };
    tokio::spawn(streaming.run().in_current_span());
    event_stream(body)
}

impl Streaming {
    async fn run(mut self) {
        loop {
            match self.turn().await {
                // The client has gone on at another worker, which answers.
                Turn::Event(Some(_)) if self.is_taken_up() => return,
                Turn::Event(Some(bytes)) => self.waiting.push_back(bytes),
                Turn::Event(None) => self.source = Source::Ended,
                Turn::Taken => {}
                Turn::Gone if !self.primed => return,
                Turn::Gone => {
                    self.gone_until = Some(self.terms.clock.now() + self.terms.rhythm.come_back)
                }
                Turn::Back(seat) => {
                    self.seat = seat;
                    self.gone_until = None;
                }
                Turn::GivenUp => return,
                Turn::Ping => {
                    self.ping_at = self.terms.clock.now() + self.terms.rhythm.ping_every;
                    // A connection that takes nothing is not asked to take more.
                    if self.waiting.is_empty() {
                        self.waiting.push_back(Bytes::from_static(b": still at work\n\n"));
                    }
                }
                Turn::Cut(cut) => {
                    let Some(message) = cut.message() else { return };
                    let error = error_body(RETRY, &message, Some(self.terms.id.clone()));
                    self.waiting.push_back(event(error.to_string().as_bytes()));
                    self.source = Source::Ended;
                }
            }
            if self.waiting.is_empty() && matches!(self.source, Source::Ended) {
                return;
            }
        }
    }

    fn is_taken_up(&self) -> bool {
        self.terms.call.as_ref().is_some_and(|call| call.leave.is_cancelled())
    }

    async fn turn(&mut self) -> Turn {
        let Streaming { source, terms, seat, waiting, ping_at, gone_until, primed: _ } = self;
        let Terms { call, limit, stage, clock, .. } = terms;
        let (cancel, rejoined) = match call {
            Some(Call { cancel, rejoined, .. }) => (Some(&*cancel), Some(rejoined)),
            None => (None, None),
        };
        let ended = matches!(source, Source::Ended);
        let here = gone_until.is_none();
        tokio::select! {
            biased;
            () = cancelled(cancel) => Turn::Cut(Cut::Cancelled),
            seat = back(rejoined) => Turn::Back(seat),
            cut = overrun(*limit, stage, *clock), if !ended => Turn::Cut(cut),
            permit = seat.reserve(), if here && !waiting.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(bytes) = waiting.pop_front() {
                        permit.send(bytes);
                    }
                    Turn::Taken
                }
                Err(_) => Turn::Gone,
            },
            () = seat.closed(), if here => Turn::Gone,
            bytes = source.next(), if !ended && waiting.len() < WAITING_MAX => Turn::Event(bytes),
            () = clock.until_some(*gone_until), if !here => Turn::GivenUp,
            () = clock.until(*ping_at), if here && !ended => Turn::Ping,
        }
    }
}

/// A place for a client, and the body that it reads from it, which begins with this event.
pub(super) fn seat(first: Option<Bytes>) -> (Seat, Body) {
    let (seat, mut events) = mpsc::channel::<Bytes>(SEAT_EVENTS);
    if let Some(first) = first {
        seat.try_send(first).expect("a new seat is empty");
    }
    let events = futures::stream::poll_fn(move |context| {
        events.poll_recv(context).map(|event| event.map(Ok::<_, Infallible>))
    });
    (seat, Body::from_stream(events))
}

/// The event that a stream begins with, so that its client can come back with this id.
pub(super) fn priming(event_id: &str) -> Bytes {
    Bytes::from(format!("id: {event_id}\nretry: {RETRY_MS}\ndata: \n\n"))
}

/// A message as an event. JSON as we write it has no line breaks.
pub(super) fn event(message: &[u8]) -> Bytes {
    Bytes::from([b"data: ", message, b"\n\n"].concat())
}

/// A stream that nobody on the way may keep or hold up.
pub(super) fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn is_event_stream(response: &Response<Body>) -> bool {
    let value = response.headers().get(header::CONTENT_TYPE);
    value.is_some_and(|value| value.as_bytes().starts_with(EVENT_STREAM.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_protocol::relay::SealingKeys;
    use tokio::sync::oneshot;

    use super::*;
    use crate::access::Caller;
    use crate::bus::Bus;
    use crate::mcp::edge::Edge;
    use crate::mcp::edge::calls::Found;
    use crate::mcp::edge::session::{Client, Session};

    const QUICK: Rhythm = Rhythm {
        commit_after: Duration::from_millis(5),
        ping_every: Duration::from_millis(20),
        come_back: Duration::from_secs(20),
    };

    fn terms(stage: watch::Receiver<Stage>) -> Terms {
        let (id, clock) = (Value::from(7), Clock::start());
        let (call, prime, limit) = (None, None, None);
        Terms { id, call, prime, streams: true, limit, stage, rhythm: QUICK, clock }
    }

    /// Work that gives this reply when it is told to.
    fn work() -> (oneshot::Sender<Response<Body>>, Work) {
        let (give, given) = oneshot::channel();
        (give, Box::pin(async move { given.await.expect("a reply") }))
    }

    fn json(text: &'static str) -> Response<Body> {
        Response::new(Body::from(text))
    }

    fn edge() -> (Arc<Edge>, Session) {
        let (_, keys) = watch::channel(SealingKeys::default());
        let edge = Edge::new(keys, Bus::alone(), Clock::start());
        let text = str::to_owned;
        let (name, version, protocol) = (text("desk"), text("1"), text("2025-11-25"));
        let client = Client { name, version, protocol, capabilities: serde_json::Map::new() };
        let (session, _) = edge.begin(client, &Caller::nobody());
        (edge, session)
    }

    async fn next(body: &mut Body) -> Option<String> {
        let frame = tokio::time::timeout(Duration::from_secs(20), body.frame());
        let bytes = frame.await.expect("something in time")?.expect("no error").into_data();
        Some(String::from_utf8_lossy(&bytes.expect("data")).into_owned())
    }

    async fn past_pings(body: &mut Body) -> Option<String> {
        loop {
            match next(body).await {
                Some(event) if event.starts_with(':') => {}
                event => return event,
            }
        }
    }

    #[tokio::test]
    async fn a_quick_reply_is_left_alone_and_a_slow_one_is_a_stream_that_pings() {
        let (_door, stage) = watch::channel(Stage::Serving);
        let (give, quick) = work();
        give.send(json("{\"quick\":1}")).expect("it waits");
        let response = reply(quick, terms(stage.clone())).await;
        assert!(!is_event_stream(&response));
        let (give, slow) = work();
        let response = reply(slow, terms(stage)).await;
        assert!(is_event_stream(&response));
        let mut body = response.into_body();
        assert!(next(&mut body).await.is_some_and(|event| event.starts_with(':')));
        give.send(json("{\"slow\":1}")).expect("it waits");
        assert_eq!(past_pings(&mut body).await.as_deref(), Some("data: {\"slow\":1}\n\n"));
        assert_eq!(next(&mut body).await, None);
    }

    #[tokio::test]
    async fn a_client_that_takes_no_stream_waits_for_its_reply() {
        let (_door, stage) = watch::channel(Stage::Serving);
        let (give, slow) = work();
        let replied = tokio::spawn(reply(slow, Terms { streams: false, ..terms(stage) }));
        let clock = Clock::start();
        clock.until(clock.now() + QUICK.ping_every).await;
        give.send(json("{}")).expect("it waits");
        assert!(!is_event_stream(&replied.await.expect("no panic")));
    }

    #[tokio::test]
    async fn what_the_tool_sends_meanwhile_comes_first_and_in_order() {
        for early in [true, false] {
            let (_door, stage) = watch::channel(Stage::Serving);
            let (give, slow) = work();
            let (seat, events) = seat(None);
            if early {
                give.send(event_stream(events)).expect("it waits");
                let mut body = reply(slow, terms(stage)).await.into_body();
                sent_in_order(&seat, &mut body).await;
            } else {
                let mut body = reply(slow, terms(stage)).await.into_body();
                give.send(event_stream(events)).expect("it waits");
                sent_in_order(&seat, &mut body).await;
            }
        }
    }

    async fn sent_in_order(seat: &Seat, body: &mut Body) {
        for number in ["1", "2", "3"] {
            seat.send(event(number.as_bytes())).await.expect("it listens");
        }
        for number in ["1", "2", "3"] {
            assert_eq!(past_pings(body).await, Some(format!("data: {number}\n\n")));
        }
    }

    #[tokio::test]
    async fn a_stream_without_an_id_ends_its_work_with_its_connection() {
        let (_door, stage) = watch::channel(Stage::Serving);
        let (mut give, slow) = work();
        drop(reply(slow, terms(stage)).await);
        let ended = tokio::time::timeout(Duration::from_secs(20), give.closed());
        assert!(ended.await.is_ok(), "the work goes on");
    }

    #[tokio::test]
    async fn a_client_that_comes_back_gets_what_it_missed_and_one_that_does_not_ends_the_work() {
        let (_door, stage) = watch::channel(Stage::Serving);
        let (edge, session) = edge();
        for comes in [true, false] {
            let call = edge.call(&session, &Value::from(7)).expect("a short id");
            let event_id = edge.event_id(&call, b"{}");
            let come_back = if comes { QUICK.come_back } else { Duration::from_millis(20) };
            let (mut give, slow) = work();
            let rhythm = Rhythm { come_back, ..QUICK };
            let first = priming(&event_id);
            let (call, prime) = (Some(call), Some(Box::new(|_: &Call| first) as Prime));
            let terms = Terms { call, prime, rhythm, ..terms(stage.clone()) };
            let mut body = reply(slow, terms).await.into_body();
            let first = next(&mut body).await.expect("an event");
            assert_eq!(first, format!("id: {event_id}\nretry: 300\ndata: \n\n"));
            drop(body);
            if !comes {
                let ended = tokio::time::timeout(Duration::from_secs(20), give.closed());
                assert!(ended.await.is_ok(), "the work goes on");
                continue;
            }
            give.send(json("{}")).expect("it goes on");
            let lost = edge.lost(&session, &event_id).expect("a good id");
            let (seat, mut body) = seat(None);
            assert_eq!(edge.rejoin(&lost, seat), Found::Running);
            assert_eq!(past_pings(&mut body).await.as_deref(), Some("data: {}\n\n"));
            assert_eq!(next(&mut body).await, None);
        }
    }

    #[tokio::test]
    async fn a_stream_that_must_end_says_why_unless_nobody_wants_to_know() {
        let (door, stage) = watch::channel(Stage::Serving);
        let (edge, session) = edge();
        let call = edge.call(&session, &Value::from(7));
        let (_give, slow) = work();
        let mut body = reply(slow, Terms { call, ..terms(stage.clone()) }).await.into_body();
        edge.cancel(&session, &Value::from(7));
        assert_eq!(past_pings(&mut body).await, None);
        let (_give, slow) = work();
        let limited = terms(stage.clone());
        let limit = QUICK.ping_every;
        let limit = Some((limited.clock.now() + limit, limit));
        let mut body = reply(slow, Terms { limit, ..limited }).await.into_body();
        let told = past_pings(&mut body).await.expect("an error");
        assert!(told.contains("-32000") && told.contains("took longer"), "{told}");
        let (_give, slow) = work();
        let mut body = reply(slow, terms(stage)).await.into_body();
        door.send_replace(Stage::AnsweringRest);
        let told = past_pings(&mut body).await.expect("an error");
        assert!(told.contains("\"id\":7") && told.contains("leaving"), "{told}");
        assert_eq!(next(&mut body).await, None);
    }
}
