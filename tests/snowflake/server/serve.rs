//! Connections: reads a request, applies the fault that is due, answers.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::answers::{sparse, strange_type};
use super::date::http_date;
use super::faults::{Endpoint, Fault};
use super::http::{self, Body, Reply, Request, Sending, Wire};
use super::sessions::{self, EXPIRED, Refusal};
use super::{State, cortex, statements};

/// Takes connections until `over` fires.
pub(crate) async fn accept(
    state: Arc<State>,
    listener: TcpListener,
    over: CancellationToken,
    tasks: TaskTracker,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = over.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        state.note(|seen| seen.connections += 1);
        tasks.spawn(connection(Arc::clone(&state), stream, over.clone()));
    }
}

async fn connection(state: Arc<State>, mut stream: TcpStream, over: CancellationToken) {
    let _ = stream.set_nodelay(true);
    tokio::select! {
        _ = conversation(&state, &mut stream) => {}
        () = over.cancelled() => drop(stream.set_zero_linger()),
    }
}

async fn conversation(state: &Arc<State>, stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = http::read(stream, &mut buffer).await? {
        if !answer(state, stream, &request).await? {
            break;
        }
    }
    Ok(())
}

/// Answers one request. True when the connection can be used again.
async fn answer(state: &Arc<State>, stream: &mut TcpStream, request: &Request) -> io::Result<bool> {
    let endpoint = Endpoint::of(request);
    let statement = match endpoint {
        Endpoint::Query => {
            statements::note_sent(state, request);
            request.json()["sqlText"].as_str().unwrap_or_default().to_owned()
        }
        Endpoint::Login
        | Endpoint::Page
        | Endpoint::Person
        | Endpoint::Renew
        | Endpoint::Heartbeat
        | Endpoint::Close
        | Endpoint::Result
        | Endpoint::Abort
        | Endpoint::Monitor
        | Endpoint::Chunk
        | Endpoint::Rest
        | Endpoint::Other => String::new(),
    };
    state.note(|seen| *seen.requests.entry(endpoint).or_default() += 1);
    let fault = state.faults.take(endpoint, &statement);
    let (reply, sending) = match fault {
        None => (handle(state, endpoint, request).await, Sending::Whole),
        Some(fault) => match before(state, endpoint, request, &fault) {
            Before::Reply(reply) => (reply, Sending::Whole),
            Before::Reset => {
                stream.set_zero_linger()?;
                return Ok(false);
            }
            Before::Silence => {
                http::until_gone(stream).await;
                state.note(|seen| seen.hung_up += 1);
                return Ok(false);
            }
            Before::Execute => {
                let reply = handle(state, endpoint, request).await;
                match after(state, request, reply, &fault) {
                    After::Reply(reply, sending) => (reply, sending),
                    After::Reset => {
                        stream.set_zero_linger()?;
                        return Ok(false);
                    }
                    After::Silence => {
                        http::until_gone(stream).await;
                        return Ok(false);
                    }
                }
            }
        },
    };
    let gzip = request.header("accept-encoding").is_some_and(|names| names.contains("gzip"));
    let date = http_date(state.hours_off());
    Wire { stream, clock: state.clock, date, gzip }.send(reply, sending).await
}

/// What the service does when nothing is wrong.
async fn handle(state: &Arc<State>, endpoint: Endpoint, request: &Request) -> Reply {
    let answered = match endpoint {
        Endpoint::Login => Ok(sessions::login(state, request)),
        Endpoint::Page => Ok(sessions::page(state, request)),
        Endpoint::Person => return sessions::person(request),
        Endpoint::Renew => sessions::renew(state, request),
        Endpoint::Heartbeat => sessions::heartbeat(state, request),
        Endpoint::Close => sessions::close(state, request),
        Endpoint::Query => statements::query(state, request).await,
        Endpoint::Result => statements::result(state, request).await,
        Endpoint::Abort => statements::abort(state, request),
        Endpoint::Monitor => statements::monitor(state, request),
        Endpoint::Chunk => return statements::chunk(state, request),
        Endpoint::Rest => return cortex::answer(state, request),
        Endpoint::Other => {
            let line = format!("{} {}", request.method, request.path);
            state.note(|seen| seen.strange.push(line));
            return Reply::page(404, "text/html", "<html><body>404 Not Found</body></html>");
        }
    };
    Reply::json(answered.unwrap_or_else(Refusal::json))
}

/// What a fault does before anything is executed.
enum Before {
    Execute,
    Reply(Reply),
    Reset,
    Silence,
}

fn before(state: &State, endpoint: Endpoint, request: &Request, fault: &Fault) -> Before {
    let reply = match fault {
        Fault::Refused { code, message } => {
            note_refused_login(state, endpoint, request);
            let data = json!({"nextAction": "RETRY_LOGIN", "errorCode": code, "age": 0,
                              "internalError": false, "queryId": "", "sqlState": "08001"});
            let refused = json!({"data": data, "code": code, "message": message,
                                 "success": false, "headers": null});
            Reply::json(refused)
        }
        Fault::RefusedBare { code, message } => {
            note_refused_login(state, endpoint, request);
            Reply::json(Refusal { code, message }.json())
        }
        Fault::Nothing => {
            Reply::json(json!({"data": null, "code": null, "message": null, "success": true}))
        }
        Fault::Status { status, retry_after } => {
            note_refused_login(state, endpoint, request);
            unavailable(endpoint, *status, *retry_after)
        }
        Fault::Redirect(address) => {
            let mut reply = Reply::page(307, "text/html", "<html><body>over there</body></html>");
            reply.headers.push(("Location", address.clone()));
            reply
        }
        Fault::TokenExpired => Reply::json(expired(state, request, false)),
        Fault::TokenExpired401 => {
            let mut reply = Reply::json(expired(state, request, false));
            reply.status = 401;
            reply
        }
        Fault::MasterExpired => Reply::json(expired(state, request, true)),
        Fault::SessionGone(code) => {
            let id = state.sessions().named_by(request.token());
            if let Some(id) = id {
                state.sessions().remove(id);
                state.count_sessions();
            }
            Reply::json(Refusal { code, message: sessions::GONE.message }.json())
        }
        Fault::ResetBefore => return Before::Reset,
        Fault::Hang => return Before::Silence,
        Fault::TokenExpiredMeanwhile
        | Fault::ResetAfter
        | Fault::ResetHalfway
        | Fault::Truncated
        | Fault::CutShort
        | Fault::Drip { .. }
        | Fault::HangAfter
        | Fault::Garbage
        | Fault::Empty
        | Fault::WrongType
        | Fault::UnknownColumnType
        | Fault::Sparse => return Before::Execute,
    };
    Before::Reply(reply)
}

fn note_refused_login(state: &State, endpoint: Endpoint, request: &Request) {
    if endpoint == Endpoint::Login {
        let data = request.json()["data"].clone();
        let user = data["LOGIN_NAME"].as_str().unwrap_or_default().to_owned();
        state.note_login(request, &data, &user, false);
    }
}

fn expired(state: &State, request: &Request, master_as_well: bool) -> Value {
    let now = state.clock.now();
    let mut sessions = state.sessions();
    if let Some(id) = sessions.named_by(request.token()) {
        sessions.expire(id, now, master_as_well);
    }
    EXPIRED.json()
}

fn unavailable(endpoint: Endpoint, status: u16, retry_after: Option<u32>) -> Reply {
    let mut reply = if endpoint == Endpoint::Chunk {
        statements::denied(status)
    } else {
        let page = format!("<html><head><title>{status}</title></head><body>sorry</body></html>");
        Reply::page(status, "text/html", &page)
    };
    if let Some(seconds) = retry_after {
        reply.headers.push(("Retry-After", seconds.to_string()));
    }
    reply
}

/// What a fault does to an answer.
enum After {
    Reply(Reply, Sending),
    Reset,
    Silence,
}

fn after(state: &State, request: &Request, mut reply: Reply, fault: &Fault) -> After {
    let sending = match fault {
        Fault::ResetAfter => return After::Reset,
        Fault::HangAfter => return After::Silence,
        Fault::TokenExpiredMeanwhile => {
            reply = Reply::json(expired(state, request, false));
            Sending::Whole
        }
        Fault::ResetHalfway => Sending::ResetHalfway,
        Fault::Truncated => Sending::Truncated,
        Fault::CutShort => {
            reply = halved(reply);
            Sending::Whole
        }
        Fault::Drip { bytes, every } => Sending::Drip { bytes: *bytes, every: *every },
        Fault::Garbage => {
            reply.body = Body::Bytes(b"{\"data\": {\"rowtype\": [}} \xff\xfe nothing".to_vec());
            reply.headers = vec![("Content-Type", "application/json".to_owned())];
            Sending::Whole
        }
        Fault::Empty => {
            reply.body = Body::Bytes(Vec::new());
            Sending::Whole
        }
        Fault::WrongType => {
            reply.headers.push(("Content-Type", "text/html".to_owned()));
            Sending::Whole
        }
        Fault::UnknownColumnType => {
            reply.body = changed(reply.body, strange_type);
            Sending::Whole
        }
        Fault::Sparse => {
            reply.body = changed(reply.body, sparse);
            Sending::Whole
        }
        Fault::Refused { .. }
        | Fault::RefusedBare { .. }
        | Fault::Nothing
        | Fault::Status { .. }
        | Fault::Redirect(_)
        | Fault::TokenExpired
        | Fault::TokenExpired401
        | Fault::MasterExpired
        | Fault::SessionGone(_)
        | Fault::ResetBefore
        | Fault::Hang => Sending::Whole,
    };
    After::Reply(reply, sending)
}

fn changed(body: Body, change: fn(Value) -> Value) -> Body {
    match body {
        Body::Json(value) => Body::Json(change(value)),
        Body::Bytes(_) | Body::Stream(_) => body,
    }
}

/// Half of what is in it, packed as before, so that only its reader sees that it ends too early.
fn halved(mut reply: Reply) -> Reply {
    let packed = reply.headers.iter().any(|(name, _)| *name == "Content-Encoding");
    let mut bytes = match reply.body {
        Body::Json(value) => {
            reply.headers.push(("Content-Type", "application/json".to_owned()));
            value.to_string().into_bytes()
        }
        Body::Bytes(bytes) if packed => http::gunzip(&bytes).unwrap_or(bytes),
        Body::Bytes(bytes) => bytes,
        Body::Stream(pieces) => pieces.flatten().collect(),
    };
    bytes.truncate(bytes.len() / 2);
    reply.body = Body::Bytes(if packed { http::gzip(&bytes) } else { bytes });
    reply
}
