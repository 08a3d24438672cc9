//! What a request pays before it is answered: its part of the limits.
//!
//! Who a client is, is found out further in. So a request carries a [`Ticket`], which whoever
//! admits it has stamped by [`pay`]; out here its stamp becomes headers, and its place among those
//! that are answered at once is kept until the last byte of the answer. Who was not let in pays
//! from the address's own account.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use mcp_protocol::settings::HttpSettings;
use serde_json::{Value, json};

use super::asker::Asker;
use super::body::holding;
use super::words::{RETRY, Refused, error_body};
use crate::access::Caller;
use crate::quota::{self, Place, Quotas, Refusal, Standing};

/// The limits at the door.
#[derive(Debug)]
pub(super) struct Toll {
    quotas: Quotas,
    requests_per_second: Option<u32>,
    concurrent_requests: Option<u32>,
    failed_logins_per_minute: u32,
}

/// What a request carries until somebody knows whose it is.
#[derive(Debug, Clone)]
struct Ticket {
    toll: Arc<Toll>,
    stamp: Arc<Mutex<Stamp>>,
}

/// What was paid.
#[derive(Debug, Default)]
pub(super) struct Stamp {
    standing: Option<Standing>,
    place: Option<Place>,
}

impl Toll {
    pub(super) fn new(settings: &HttpSettings, quotas: Quotas) -> Arc<Toll> {
        Arc::new(Toll {
            quotas,
            requests_per_second: settings.requests_per_second,
            concurrent_requests: settings.concurrent_requests,
            failed_logins_per_minute: settings.failed_logins_per_minute,
        })
    }

    /// What a caller pays for one request.
    pub(super) fn ask(&self, caller: &Caller) -> Result<Stamp, Refusal> {
        let client = caller.name.as_deref();
        // First the client's own limit: what it sends above that takes nothing from the others.
        let standing = self.quotas.request(client, &caller.grant.quota)?;
        let total = (self.requests_per_second, self.concurrent_requests);
        let place = self.quotas.entrance(client, total)?;
        Ok(Stamp { standing, place })
    }

    /// Answers somebody who was not let in, and soon no more.
    fn turned_away(&self, from: Option<IpAddr>, response: Response) -> Response {
        let Some(from) = from else { return response };
        let mut response = match self.quotas.failed_login(from, self.failed_logins_per_minute) {
            Ok(()) => response,
            Err(refusal) => too_much(&refusal),
        };
        // Guessing is not to be cheap: each guess needs a connection of its own.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        response
    }
}

/// Lets a request of this caller pass that has the head which [`collect`] saw.
pub(super) fn pay(head: &Parts, caller: &Caller) -> Result<(), Refused> {
    let Some(ticket) = head.extensions.get::<Ticket>() else { return Ok(()) };
    let stamp = ticket.toll.ask(caller).map_err(|refusal| too_much(&refusal))?;
    *ticket.stamp.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
    Ok(())
}

/// Hands out tickets, and sees to it that what they are stamped with holds.
pub(super) async fn collect(
    State(toll): State<Arc<Toll>>,
    mut request: Request,
    next: Next,
) -> Response {
    let stamp = Arc::new(Mutex::new(Stamp::default()));
    let from = request.extensions().get::<Asker>().map(Asker::address);
    request.extensions_mut().insert(Ticket { toll: Arc::clone(&toll), stamp: Arc::clone(&stamp) });
    let mut response = next.run(request).await;
    if response.status() == StatusCode::UNAUTHORIZED {
        return toll.turned_away(from, response);
    }
    let paid = std::mem::take(&mut *stamp.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(standing) = paid.standing {
        quota::tell(standing, response.headers_mut());
    }
    match paid.place {
        Some(place) => response.map(|body| holding(body, place)),
        None => response,
    }
}

/// What a program needs to know that asked too much.
pub(super) fn data(refusal: &Refusal) -> Value {
    json!({ "retryAfterSeconds": refusal.retry_seconds(), "limit": refusal.limit.name() })
}

/// What a client is told that asked too much.
fn too_much(refusal: &Refusal) -> Response {
    let mut body = error_body(RETRY, &refusal.to_string(), None);
    body["error"]["data"] = data(refusal);
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    refusal.tell(response.headers_mut());
    response
}
