//! `/ws`: MCP over a WebSocket, one JSON-RPC message in each text frame, for clients that want it.
//!
//! It is no part of the protocol's standard, so it is off unless the configuration says otherwise.
//! Each message pays and is admitted as a request to `/mcp` is, with what the client showed when it
//! came: a key that is revoked meanwhile ends the conversation at its next message. A conversation
//! dies with its worker; before a drain closes it, what runs in it is answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::channel::mpsc;
use futures::{SinkExt, StreamExt};
use http::StatusCode;
use http::request::Parts;
use mcp_protocol::admin::Maintenance;
use mcp_protocol::settings::Settings;
use rmcp::ServiceExt;
use rmcp::model::{GetExtensions, JsonRpcMessage};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use serde_json::Value;
use tokio::sync::watch;

use super::asker::Asker;
use super::body::{LEVELS_MAX, is_deeper_than};
use super::talk::Talk;
use super::toll::{self, Stamp, Toll};
use super::words::{INVALID_REQUEST, PARSE_ERROR, RETRY, error_body, refusal};
use super::{Stage, connection, maintenance};
use crate::access::Reception;
use crate::admin::Office;
use crate::clock::{Clock, Moment};
use crate::mcp::server::Served;
use crate::passage::{Passage, REQUEST_ID};

/// What both sides say they speak.
const PROTOCOL: &str = "mcp";
/// The most requests of one conversation that run at once.
const RUNNING_MAX: usize = 64;
/// Messages that wait for the server; no more are read meanwhile.
const QUEUE_MAX: usize = 16;
/// How often a client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(15);

/// Why a conversation ends, as RFC 6455 numbers it.
mod ending {
    pub(super) const LEAVING: u16 = 1001;
    pub(super) const NOT_TEXT: u16 = 1003;
    pub(super) const NOT_ADMITTED: u16 = 1008;
}

/// What every conversation needs.
pub(super) struct SocketDoor<S> {
    server: S,
    reception: Reception,
    toll: Arc<Toll>,
    maintenance: watch::Receiver<Option<Maintenance>>,
    office: Office,
    stage: watch::Receiver<Stage>,
    message_bytes_max: usize,
    write_timeout: Duration,
    clock: Clock,
}

/// One conversation.
struct Conversation<S> {
    door: Arc<SocketDoor<S>>,
    socket: WebSocket,
    /// What the client showed when it came; also what the connection takes of the door.
    head: Parts,
    /// To the server; gone when the client has said its last.
    to_server: mpsc::Sender<RxJsonRpcMessage<RoleServer>>,
    /// What runs, by the request's id, with what was paid for it.
    running: BTreeMap<String, Stamp>,
    heard_at: Moment,
    talk: Talk,
}

/// Whether a conversation goes on, or how it ends.
enum Next {
    GoOn,
    Close(u16, String),
    Gone,
}

impl<S: Served> SocketDoor<S> {
    pub(super) fn new(
        settings: &Settings,
        (server, reception): (S, Reception),
        (toll, office): (Arc<Toll>, Office),
        stage: watch::Receiver<Stage>,
        clock: Clock,
    ) -> SocketDoor<S> {
        let message_bytes_max = usize::try_from(settings.http.body_bytes_max).unwrap_or(usize::MAX);
        let write_timeout = settings.http.write_timeout;
        SocketDoor {
            server,
            reception,
            toll,
            maintenance: office.maintenance(),
            office,
            stage,
            message_bytes_max,
            write_timeout,
            clock,
        }
    }
}

/// Begins a conversation.
pub(super) async fn upgrade<S: Served>(
    State(door): State<Arc<SocketDoor<S>>>,
    upgrade: WebSocketUpgrade,
    request: Request,
) -> Response {
    let (mut head, _) = request.into_parts();
    let mut own = head.clone();
    // Each message is a request of its own.
    head.headers.remove(REQUEST_ID);
    let caller = match door.reception.admit(&mut own).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.response(),
    };
    tracing::Span::current().record("client", caller.name.as_deref());
    if let Err(refused) = toll::pay(&own, &caller) {
        return refused.into_response();
    }
    let taken = door.maintenance.borrow().clone();
    if let Some(refused) = maintenance::turned_away(taken.as_ref(), "", None) {
        return refused;
    }
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(door.message_bytes_max)
        .max_frame_size(door.message_bytes_max);
    if upgrade.selected_protocol().is_none() {
        let words = "say that you speak it: Sec-WebSocket-Protocol: mcp";
        return refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, words, None);
    }
    upgrade.on_upgrade(move |socket| async move {
        let (to_server, from_client) = mpsc::channel(QUEUE_MAX);
        // Without a bound, so that the server never waits for a client; what runs is bounded.
        let (to_client, from_server) = mpsc::unbounded();
        let server = door.server.clone();
        let serving = tokio::spawn(async move {
            if let Ok(service) = server.serve((to_client, from_client)).await {
                let _ = service.waiting().await;
            }
        });
        let heard_at = door.clock.now();
        let running = BTreeMap::new();
        let talk = Talk::begin(&head, door.office.clone(), door.clock);
        let conversation = Conversation { door, socket, head, to_server, running, heard_at, talk };
        conversation.converse(from_server).await;
        serving.abort();
    })
}

impl<S: Served> Conversation<S> {
    async fn converse(
        mut self,
        mut from_server: mpsc::UnboundedReceiver<TxJsonRpcMessage<RoleServer>>,
    ) {
        let mut stage = self.door.stage.clone();
        let mut ping_at = self.door.clock.now() + PING_EVERY;
        loop {
            let now_at = *stage.borrow_and_update();
            let finished = now_at >= Stage::ClosingIdle && self.running.is_empty();
            if finished || now_at >= Stage::AnsweringRest {
                let words = "this worker is leaving; connect again";
                return self.close(ending::LEAVING, words.to_owned()).await;
            }
            let next = tokio::select! {
                frame = self.socket.recv() => match frame {
                    Some(Ok(frame)) => {
                        self.heard_at = self.door.clock.now();
                        self.heard(frame).await
                    }
                    Some(Err(_)) | None => Next::Gone,
                },
                message = from_server.next() => match message {
                    Some(message) => self.tell(&message).await,
                    None => Next::Gone,
                },
                _ = stage.changed() => Next::GoOn,
                () = self.door.clock.until(ping_at) => {
                    ping_at = self.door.clock.now() + PING_EVERY;
                    self.ping().await
                }
            };
            match next {
                Next::GoOn => {}
                Next::Close(code, words) => return self.close(code, words).await,
                Next::Gone => return,
            }
        }
    }

    async fn ping(&mut self) -> Next {
        if self.door.clock.now().since(self.heard_at) > connection::IDLE_MAX {
            return Next::Gone;
        }
        self.write(Message::Ping(Default::default())).await
    }

    async fn heard(&mut self, frame: Message) -> Next {
        let text = match frame {
            Message::Text(text) => {
                self.talk.heard(text.len());
                text
            }
            Message::Binary(_) => {
                return Next::Close(ending::NOT_TEXT, "send messages as text".to_owned());
            }
            Message::Ping(_) | Message::Pong(_) => return Next::GoOn,
            Message::Close(_) => return Next::Gone,
        };
        if is_deeper_than(text.as_bytes(), LEVELS_MAX) {
            let words = format!("lists and objects may be {LEVELS_MAX} deep");
            return self.refuse(Value::Null, (INVALID_REQUEST, words), Value::Null).await;
        }
        match serde_json::from_str::<RxJsonRpcMessage<RoleServer>>(&text) {
            Ok(message) => self.pass_on(message).await,
            Err(error) => {
                let code = if error.is_data() { INVALID_REQUEST } else { PARSE_ERROR };
                let words = format!("this is no JSON-RPC message of MCP: {error}");
                self.refuse(id_in(&text), (code, words), Value::Null).await
            }
        }
    }

    /// Admits a message, and hands it to the server.
    async fn pass_on(&mut self, mut message: RxJsonRpcMessage<RoleServer>) -> Next {
        let mut head = self.head.clone();
        let remote = head.extensions.get::<Asker>().map(Asker::address);
        let passage = Passage { remote, ..Passage::of(&head.headers) };
        head.extensions.insert(passage.clone());
        let caller = match self.door.reception.admit(&mut head).await {
            Ok(caller) => caller,
            Err(refusal) => return Next::Close(ending::NOT_ADMITTED, refusal.words().to_owned()),
        };
        passage.span.record("client", caller.name.as_deref());
        match &mut message {
            JsonRpcMessage::Request(request) => {
                let id = serde_json::to_value(&request.id).unwrap_or_default();
                let words = if self.running.contains_key(&id.to_string()) {
                    Some((INVALID_REQUEST, "a request with this id is still running".to_owned()))
                } else if self.running.len() >= RUNNING_MAX {
                    Some((RETRY, format!("{RUNNING_MAX} requests run already; wait for one")))
                } else {
                    None
                };
                if let Some(words) = words {
                    return self.refuse(id, words, Value::Null).await;
                }
                let taken = self.door.maintenance.borrow().clone();
                let method = request.request.method();
                if let Some((words, data)) = maintenance::refusal_of(taken.as_ref(), method) {
                    return self.refuse(id, (RETRY, words), data).await;
                }
                match self.door.toll.ask(&caller) {
                    Ok(paid) => drop(self.running.insert(id.to_string(), paid)),
                    Err(refusal) => {
                        let data = toll::data(&refusal);
                        return self.refuse(id, (RETRY, refusal.to_string()), data).await;
                    }
                }
                self.talk.asked(&request.request, &caller);
                head.extensions.insert(caller);
                request.request.extensions_mut().insert(head);
            }
            JsonRpcMessage::Notification(notification) => {
                self.talk.visit(&caller);
                head.extensions.insert(caller);
                notification.notification.extensions_mut().insert(head);
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        match self.to_server.send(message).await {
            Ok(()) => Next::GoOn,
            Err(_) => Next::Gone,
        }
    }

    /// Tells the client what the server says.
    async fn tell(&mut self, message: &TxJsonRpcMessage<RoleServer>) -> Next {
        let Ok(message) = serde_json::to_value(message) else { return Next::GoOn };
        if message.get("method").is_none()
            && let Some(id) = message.get("id")
        {
            self.running.remove(&id.to_string());
        }
        self.talk.answered(&message);
        self.write(Message::Text(message.to_string().into())).await
    }

    async fn refuse(&mut self, id: Value, (code, words): (i32, String), data: Value) -> Next {
        let mut body = error_body(code, &words, Some(id));
        if !data.is_null() {
            body["error"]["data"] = data;
        }
        self.write(Message::Text(body.to_string().into())).await
    }

    async fn write(&mut self, message: Message) -> Next {
        if let Message::Text(text) = &message {
            self.talk.told(text.len());
        }
        let writing = self.socket.send(message);
        match self.door.clock.within(self.door.write_timeout, writing).await {
            Some(Ok(())) => Next::GoOn,
            Some(Err(_)) | None => Next::Gone,
        }
    }

    async fn close(mut self, code: u16, words: String) {
        self.talk.ends(code);
        // A reason has at most 123 bytes.
        let short: String = words.chars().take(40).collect();
        let reason = if words.len() <= 123 { words } else { short };
        let frame = CloseFrame { code, reason: Utf8Bytes::from(reason) };
        if let Next::Gone = self.write(Message::Close(Some(frame))).await {
            return;
        }
        // The client says goodbye too; one that does not is not waited for.
        let goodbye = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        self.door.clock.within(Duration::from_secs(1), goodbye).await;
    }
}

/// The id of a message that cannot be understood as a whole.
fn id_in(text: &str) -> Value {
    let value = serde_json::from_str::<Value>(text).unwrap_or_default();
    value.get("id").filter(|id| id.is_string() || id.is_number()).cloned().unwrap_or_default()
}
