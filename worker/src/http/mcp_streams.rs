//! `GET` and `DELETE` of `/mcp`: a client that comes back for a stream, and one that ends its session.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::mcp_route::McpDoor;
use super::message::{ACCEPTED, LAST_EVENT_ID};
use super::stream;
use super::words::{INVALID_REQUEST, RETRY, Refused, error_body, refusal};
use crate::access::Caller;
use crate::mcp::edge::Lost;
use crate::mcp::edge::calls::Found;

/// Continues the stream of a request whose connection broke.
pub(super) async fn resume(
    State(door): State<Arc<McpDoor>>,
    request: Request<Body>,
) -> Response<Body> {
    let (mut head, _) = request.into_parts();
    let resumed = async {
        let caller = door.admit(&mut head).await?;
        let session = door.session(&head, &caller, None)?;
        let (Some(session), Some(event)) = (session, head.headers.get(LAST_EVENT_ID)) else {
            return Err(not_allowed("POST, DELETE").into());
        };
        let event = event.to_str().unwrap_or_default();
        let Some(lost) = door.edge.lost(&session, event) else {
            let message = "the Last-Event-ID is none of this session's";
            return Err(refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, None).into());
        };
        // With an id on its new stream a client can come back once more.
        let (seat, body) = stream::seat(Some(stream::priming(event)));
        Ok(match door.edge.rejoin(&lost, seat) {
            Found::Running => stream::event_stream(body),
            // To a reader of event streams this status means: do not come back.
            Found::Cancelled => status(StatusCode::NO_CONTENT),
            Found::Lost => {
                head.extensions.insert(session);
                go_on(Arc::clone(&door), head, lost, &caller).await
            }
        })
    };
    resumed.await.unwrap_or_else(Refused::into_response)
}

/// Goes on with what another worker began and can do no more, or tells that it is lost.
async fn go_on(door: Arc<McpDoor>, mut head: Parts, lost: Lost, caller: &Caller) -> Response<Body> {
    let id = serde_json::from_str(&lost.key.request).unwrap_or_default();
    if let Some(message) = &lost.message
        && let Some(resumable) = door.edge.take_up(&lost, caller).await
    {
        head.extensions.insert(resumable);
        head.method = Method::POST;
        let json = HeaderValue::from_static("application/json");
        head.headers.insert(header::CONTENT_TYPE, json);
        head.headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPTED));
        return door.go_on(head, (Bytes::from(message.clone()), id));
    }
    let message = "the worker that ran this request was lost; call again";
    let error = error_body(RETRY, message, Some(id)).to_string();
    stream::event_stream(Body::from(stream::event(error.as_bytes())))
}

/// Ends a session.
pub(super) async fn end(
    State(door): State<Arc<McpDoor>>,
    request: Request<Body>,
) -> Response<Body> {
    let (mut head, _) = request.into_parts();
    let ended = async {
        let caller = door.admit(&mut head).await?;
        match door.session(&head, &caller, None)? {
            Some(session) => door.edge.end(&session),
            None => return Err(not_allowed("POST").into()),
        }
        Ok(status(StatusCode::NO_CONTENT))
    };
    ended.await.unwrap_or_else(Refused::into_response)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}
