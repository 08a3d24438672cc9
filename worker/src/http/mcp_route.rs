//! `/mcp`: limits, sessions and plain answers around the SDK's stateless Streamable HTTP service.
//!
//! The SDK answers malformed bodies with 415, knows neither a time limit nor a drain, and keeps
//! sessions in one process; here a client gets a JSON-RPC error that it can read in each of these
//! cases, and a session that every worker knows. Which reply becomes a stream is decided in
//! [`stream`](super::stream).

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use mcp_protocol::measure::Measure;
use mcp_protocol::settings::Settings;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::Value;
use tokio::sync::watch;
use tracing::field::display;

use super::body::{LEVELS_MAX, is_deeper_than};
use super::message::{
    Agreed, Cancelled, Envelope, Implementation, Introduced, Introduction, Message,
    PROTOCOL_VERSION, SESSION_ID, accept_both, envelope, is_sessionless, takes_streams,
};
use super::stream::{self, Prime, Terms, Work};
use super::words::{INVALID_REQUEST, NO_SESSION, PARSE_ERROR, RETRY, Refused, refusal};
use super::{Stage, maintenance, toll};
use crate::access::{Caller, Reception};
use crate::admin::{Office, Visit};
use crate::clock::Clock;
use crate::mcp::edge::Edge;
use crate::mcp::edge::calls::Call;
use crate::mcp::edge::resume::Resumable;
use crate::mcp::edge::session::{Client, Session};
use crate::mcp::server::{Leaving, Served};
use crate::metrics::Metrics;
use crate::warehouse::connections::Connections;

/// The request whose reply is a subscription.
const LISTEN: &str = "subscriptions/listen";

/// The SDK's service, whichever server it serves.
type Service =
    Box<dyn Fn(Request<Full<Bytes>>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// The SDK's service with our limits.
pub(super) struct McpDoor {
    service: Service,
    reception: Reception,
    connections: Connections,
    pub(super) edge: Arc<Edge>,
    office: Office,
    stage: watch::Receiver<Stage>,
    leaving: Leaving,
    body_bytes_max: usize,
    request_timeout: Duration,
    body_timeout: Duration,
    clock: Clock,
}

impl McpDoor {
    pub(super) fn new(
        settings: &Settings,
        (server, reception, edge): (impl Served, Reception, Arc<Edge>),
        office: Office,
        stage: watch::Receiver<Stage>,
        clock: Clock,
    ) -> McpDoor {
        let body_bytes_max = usize::try_from(settings.http.body_bytes_max).unwrap_or(usize::MAX);
        // `Host` and `Origin` were judged at the door, for every path alike.
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_max_request_body_bytes(body_bytes_max)
            .disable_allowed_hosts();
        let sessions = Arc::new(NeverSessionManager::default());
        let connections = server.connections().clone();
        let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
        let service = Arc::new(service);
        McpDoor {
            service: Box::new(move |request| {
                let service = Arc::clone(&service);
                Box::pin(async move { service.handle(request).await.map(Body::new) })
            }),
            reception,
            connections,
            edge,
            office,
            leaving: leaving(stage.clone()),
            stage,
            body_bytes_max,
            request_timeout: settings.http.request_timeout,
            body_timeout: settings.http.body_timeout,
            clock,
        }
    }

    /// Who sends this request; from now on it says so itself.
    pub(super) async fn admit(&self, head: &mut Parts) -> Result<Caller, Refused> {
        let caller = self.reception.admit(head).await;
        let caller = caller.map_err(|refusal| Refused::from(refusal.response()))?;
        tracing::Span::current().record("client", caller.name.as_deref());
        toll::pay(head, &caller)?;
        head.extensions.insert(caller.clone());
        Ok(caller)
    }

    /// The whole body, as far as it may go.
    async fn body(&self, body: Body) -> Result<Bytes, Refused> {
        let deadline = self.clock.now() + self.body_timeout;
        let body = tokio::select! {
            body = Limited::new(body, self.body_bytes_max).collect() => body,
            () = self.clock.until(deadline) => {
                let message = "the body did not arrive";
                return Err(refusal(StatusCode::REQUEST_TIMEOUT, RETRY, message, None).into());
            }
        };
        let body = body.map(|body| body.to_bytes()).map_err(|error| {
            if error.is::<LengthLimitError>() {
                let message = format!("a body may have {} bytes", self.body_bytes_max);
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return refusal(status, INVALID_REQUEST, &message, None);
            }
            refusal(StatusCode::BAD_REQUEST, PARSE_ERROR, "the body broke off", None)
        })?;
        if is_deeper_than(&body, LEVELS_MAX) {
            let message = format!("lists and objects may be {LEVELS_MAX} deep");
            return Err(refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, &message, None).into());
        }
        Ok(body)
    }

    /// The session that a request belongs to, if it names one. Versions that have no sessions
    /// ignore what a client says of one.
    pub(super) fn session(
        &self,
        head: &Parts,
        caller: &Caller,
        id: Option<Value>,
    ) -> Result<Option<Arc<Session>>, Refused> {
        if is_sessionless(&head.headers) {
            return Ok(None);
        }
        let Some(named) = head.headers.get(SESSION_ID) else { return Ok(None) };
        let session = named.to_str().ok().and_then(|named| self.edge.open(named, caller));
        if let (Some(session), Some(metrics)) = (&session, head.extensions.get::<Arc<Metrics>>()) {
            metrics.session_seen(session.tag);
        }
        // Why is not told: it would tell a stranger which ids there are.
        let message = "there is no such session; begin a new one with initialize";
        let refused = || refusal(StatusCode::NOT_FOUND, NO_SESSION, message, id);
        let session = session.ok_or_else(refused)?;
        tracing::Span::current().record("session", display(&session.tag));
        Ok(Some(Arc::new(session)))
    }

    /// Remembers who was here.
    fn note(&self, headers: &HeaderMap, caller: &Caller, session: Option<&Session>) {
        let text = |name: HeaderName| headers.get(name)?.to_str().ok().map(str::to_owned);
        let (program, protocol) = match session {
            Some(session) => (Some(session.client.to_string()), session.client.protocol.clone()),
            None => (text(header::USER_AGENT), text(PROTOCOL_VERSION).unwrap_or_default()),
        };
        let (session, client) = (session.map(|one| one.tag), caller.name.as_deref());
        let client = client.map(str::to_owned);
        self.office.visitors().note(Visit { session, client, program, protocol });
    }

    /// Lets a client introduce itself, and begins a session for it.
    async fn introduce(&self, head: Parts, body: Bytes, caller: &Caller) -> Response<Body> {
        let metrics = head.extensions.get::<Arc<Metrics>>().cloned();
        let introduction = serde_json::from_slice::<Message<Introduction>>(&body);
        let request = Request::from_parts(head, Full::new(body));
        let (mut head, body) = (self.service)(request).await.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let introduced = serde_json::from_slice::<Introduced>(&body);
        if let (Ok(Message { params }), Ok(Introduced { result })) = (introduction, introduced) {
            let Implementation { name, version } = params.client_info;
            let Agreed { protocol_version: protocol } = result;
            let client = Client { name, version, protocol, capabilities: params.capabilities };
            let (session, id) = self.edge.begin(client, caller);
            tracing::Span::current().record("session", display(&session.tag));
            self.note(&head.headers, caller, Some(&session));
            metrics.iter().for_each(|metrics| metrics.session_seen(session.tag));
            let id = HeaderValue::try_from(id).expect("base64url fits into a header");
            head.headers.insert(SESSION_ID, id);
        }
        Response::from_parts(head, Body::from(body))
    }

    /// Answers a request.
    async fn reply(
        self: Arc<McpDoor>,
        mut head: Parts,
        body: Bytes,
        (id, method): (Value, &str),
    ) -> Response<Body> {
        let session = head.extensions.get::<Arc<Session>>();
        let call = session.and_then(|session| self.edge.call(session, &id));
        let prime = self.prime(&mut head, &body, call.as_ref());
        let streams = takes_streams(&head.headers);
        accept_both(&mut head.headers);
        let limit = self.clock.now() + self.request_timeout;
        let terms = Terms {
            id,
            call,
            prime,
            streams,
            // A subscription lasts as long as its client and this worker.
            limit: (method != LISTEN).then_some((limit, self.request_timeout)),
            stage: self.stage.clone(),
            rhythm: stream::RHYTHM,
            clock: self.clock,
        };
        stream::reply(self.work(head, body), terms).await
    }

    /// Goes on with a call that another worker began.
    pub(super) fn go_on(
        self: Arc<McpDoor>,
        mut head: Parts,
        (body, id): (Bytes, Value),
    ) -> Response<Body> {
        let session = head.extensions.get::<Arc<Session>>();
        let call = session.and_then(|session| self.edge.call(session, &id));
        let prime = self.prime(&mut head, &body, call.as_ref());
        let limit = Some((self.clock.now() + self.request_timeout, self.request_timeout));
        let (stage, clock) = (self.stage.clone(), self.clock);
        let (streams, rhythm) = (true, stream::RHYTHM);
        let terms = Terms { id, call, prime, streams, limit, stage, rhythm, clock };
        stream::reply_as_stream(self.work(head, body), terms)
    }

    /// Ends the statement of a cancelled request that no worker waits for: its own one may have died.
    async fn end_left(
        self: Arc<McpDoor>,
        (session, caller): (Arc<Session>, Caller),
        request: Value,
    ) {
        let Some(statement) = self.edge.statement(&session, &request, &caller).await else {
            return;
        };
        if let Ok(pool) = self.connections.of(statement.connection.as_deref(), &caller)
            && let Err(error) = pool.end(&statement.query_id).await
        {
            tracing::warn!(%error, "the statement of a cancelled request may run on");
        }
    }

    /// What a client of this call may come back with, if it knows how to, and what other workers
    /// need to take it up.
    fn prime(&self, head: &mut Parts, body: &Bytes, call: Option<&Call>) -> Option<Prime> {
        let session = head.extensions.get::<Arc<Session>>();
        let call = call.filter(|_| session.is_some_and(|session| session.is_primed()))?;
        let resumable = match head.extensions.remove::<Resumable>() {
            Some(taken_up) => taken_up.run_by(call),
            None => self.edge.resumable(call, head.extensions.get::<Caller>()?),
        };
        head.extensions.insert(resumable);
        let (edge, body) = (Arc::clone(&self.edge), body.clone());
        Some(Box::new(move |call| stream::priming(&edge.event_id(call, &body))))
    }

    /// The SDK's answer.
    fn work(self: Arc<McpDoor>, head: Parts, body: Bytes) -> Work {
        Box::pin(async move {
            let request = Request::from_parts(head, Full::new(body));
            (self.service)(request).await
        })
    }
}

/// Answers one message of a client.
pub(super) async fn answer(
    State(door): State<Arc<McpDoor>>,
    request: Request<Body>,
) -> Response<Body> {
    answered(door, request).await.unwrap_or_else(Refused::into_response)
}

async fn answered(door: Arc<McpDoor>, request: Request<Body>) -> Result<Response<Body>, Refused> {
    let (mut head, body) = request.into_parts();
    let caller = door.admit(&mut head).await?;
    let body = door.body(body).await?;
    if let Some(metrics) = head.extensions.get::<Arc<Metrics>>() {
        #[expect(clippy::cast_precision_loss, reason = "a histogram's sum is no exact number")]
        let bytes = body.len() as f64;
        metrics.tallies.size(Measure::RequestBytes, &[], bytes, None);
    }
    let Envelope { id, method } = envelope(&head.headers, &body)?;
    let method = method.unwrap_or_default();
    if id.is_some() {
        let taken = door.office.maintenance();
        let refused = maintenance::turned_away(taken.borrow().as_ref(), &method, id.clone());
        if let Some(refused) = refused {
            return Err(refused.into());
        }
    }
    if method == "initialize" {
        accept_both(&mut head.headers);
        return Ok(readable(door.introduce(head, body.clone(), &caller).await, id));
    }
    let session = door.session(&head, &caller, id.clone())?;
    door.note(&head.headers, &caller, session.as_deref());
    if let Some(session) = session {
        // Clients of a version that does not ask for the header are known by their session.
        let version = HeaderValue::try_from(&session.client.protocol);
        if let (false, Ok(version)) = (head.headers.contains_key(PROTOCOL_VERSION), version) {
            head.headers.insert(PROTOCOL_VERSION, version);
        }
        head.extensions.insert(session);
    }
    if method == LISTEN {
        head.extensions.insert(door.leaving.clone());
    }
    let Some(id) = id else {
        return Ok(notified(door, head, &body, &method).await);
    };
    let asked = (id.clone(), method.as_ref());
    let response = Arc::clone(&door).reply(head, body.clone(), asked).await;
    Ok(readable(response, Some(id)))
}

/// Takes a notification, or what is none and has no id either.
async fn notified(
    door: Arc<McpDoor>,
    mut head: Parts,
    body: &Bytes,
    method: &str,
) -> Response<Body> {
    let session = head.extensions.get::<Arc<Session>>().cloned();
    let caller = head.extensions.get::<Caller>().cloned();
    accept_both(&mut head.headers);
    let request = Request::from_parts(head, Full::new(body.clone()));
    let response = (door.service)(request).await;
    if let (Some(session), Some(caller), "notifications/cancelled") = (session, caller, method)
        && response.status().is_success()
        && let Ok(Message { params }) = serde_json::from_slice::<Message<Cancelled>>(body)
    {
        door.edge.cancel(&session, &params.request_id);
        tokio::spawn(door.end_left((session, caller), params.request_id));
    }
    readable(response, None)
}

/// The SDK's answer, in JSON-RPC's words where it has none.
fn readable(response: Response<Body>, id: Option<Value>) -> Response<Body> {
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let message = "the body is JSON, but no JSON-RPC 2.0 message of MCP";
        return refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, id);
    }
    response
}

/// Fires when this door begins to close.
fn leaving(mut stage: watch::Receiver<Stage>) -> Leaving {
    let leaving = Leaving::default();
    let told = leaving.clone();
    tokio::spawn(async move {
        // An error means that the door is gone, which is the same.
        let _ = stage.wait_for(|stage| *stage > Stage::Serving).await.is_ok();
        told.0.cancel();
    });
    leaving
}
