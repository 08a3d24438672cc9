//! What an administrator may ask at the door: `/admin/…` and `/api/…`.
//!
//! Whoever asks must be a client that is known by name and has `admin = true`; being on this machine
//! is not enough, for a proxy is, too, and so is every program of it. Each wish is for all workers
//! of the app, whichever of them got it, and each is written down with its asker and its end. What a
//! wish does is decided elsewhere; here it is read, passed on and told as JSON.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use mcp_protocol::access::AccessSettings;
use mcp_protocol::admin::told::{Body as Answer, Missing, Told};
use mcp_protocol::admin::{Maintenance, REASON_CHARS_MAX, WAIT_MAX, Wish};
use mcp_protocol::settings::LogLevel;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::asker::Asker;
use super::message::says_json;
use super::words::Refused;
use crate::access::{Caller, Reception};
use crate::admin::Office;
use crate::audit::Audit;
use crate::clock::unix_seconds;

/// The longest body, in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long a reset waits for statements that run, when nothing else is asked for, in seconds.
const RESET_WAIT: u64 = 30;
/// When clients are told to come back, when nothing else is asked for, in seconds.
const RETRY_AFTER: u64 = 60;
/// The longest time after which clients can be told to come back, in seconds.
const RETRY_AFTER_MAX: u64 = 24 * 60 * 60;

/// Who may look, and who may act.
#[derive(Clone)]
pub(super) struct Entrance {
    reception: Reception,
    access: watch::Receiver<Arc<AccessSettings>>,
    app: Arc<str>,
}

impl Entrance {
    pub(super) fn new(
        reception: Reception,
        access: watch::Receiver<Arc<AccessSettings>>,
        app: &str,
    ) -> Entrance {
        Entrance { reception, access, app: app.into() }
    }

    /// Lets an administrator look; and anybody on this machine, where nobody has to say who it is.
    pub(super) async fn may_look(&self, request: Request) -> Result<(), Response> {
        let (mut head, _) = request.into_parts();
        let caller = self.admit(&mut head).await?;
        let is_here = head.extensions.get::<Asker>().is_some_and(Asker::is_here);
        match self.is_open() && is_here {
            true => Ok(()),
            false => self.is_administrator(&caller).map_err(Refused::into_response),
        }
    }

    /// Lets an administrator act.
    async fn may_act(&self, head: &mut Parts) -> Result<Caller, (Option<Caller>, Response)> {
        let caller = self.admit(head).await.map_err(|refused| (None, refused))?;
        match self.is_administrator(&caller) {
            Ok(()) => Ok(caller),
            Err(refused) => Err((Some(caller), refused.into_response())),
        }
    }

    async fn admit(&self, head: &mut Parts) -> Result<Caller, Response> {
        self.reception.admit(head).await.map_err(|refusal| {
            let mut response = error(refusal.status(), "not_admitted", refusal.words());
            let challenge = refusal.response().headers_mut().remove(header::WWW_AUTHENTICATE);
            if let Some(challenge) = challenge {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            response
        })
    }

    /// Whether nobody is known by name.
    fn is_open(&self) -> bool {
        let access = self.access.borrow();
        access.clients.is_empty() && access.oauth.is_none()
    }

    fn is_administrator(&self, caller: &Caller) -> Result<(), Refused> {
        let app = &self.app;
        let words = match &caller.name {
            Some(_) if caller.grant.admin => return Ok(()),
            Some(name) => format!(
                "client {name} is no administrator; `admin = true` in [apps.{app}.clients.{name}] \
                 makes it one"
            ),
            None if self.is_open() => format!(
                "nobody here is known by name, and so nobody is an administrator; write \
                 [apps.{app}.clients.NAME] with `admin = true` and make a key \
                 (`mcp-supervisor client key create NAME`), or use `mcp-supervisor` on the machine \
                 itself"
            ),
            None => {
                let words = "show the key of an administrator: Authorization: Bearer KEY";
                let mut response = error(StatusCode::UNAUTHORIZED, "not_admitted", words);
                let challenge = HeaderValue::from_static("Bearer realm=\"mcp\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
                return Err(response.into());
            }
        };
        Err(error(StatusCode::FORBIDDEN, "no_administrator", &words).into())
    }
}

/// What the routes share.
struct Desk {
    entrance: Entrance,
    office: Office,
    audit: Audit,
}

/// The routes of administrators.
pub(super) fn router(entrance: Entrance, office: Office, audit: Audit) -> Router {
    let ends = |State(desk): State<Arc<Desk>>, Path(id): Path<String>, request: Request| async move {
        desk.carry_out(request, |_: Nothing| Ok(Wish::CancelQuery { id })).await
    };
    Router::new()
        .route("/admin/reset-connection-pool", post(reset_pools))
        .route("/admin/export-state", get(look(Wish::State)))
        .route("/admin/maintenance-mode", get(look(Wish::Maintained)).post(maintain))
        .route("/admin/log-level", post(log_level))
        .route("/admin/circuit-breaker", get(look(Wish::Circuits)))
        .route("/admin/circuit-breaker/reset", post(reset_circuits))
        .route("/api/sessions", get(look(Wish::Sessions)))
        .route("/api/debug/active-queries", get(look(Wish::Queries)))
        .route("/api/debug/active-queries/{id}", delete(ends))
        .route("/api/debug/active-queries/{id}/cancel", post(ends))
        .route("/api/test-connection", post(test_connection))
        .with_state(Arc::new(Desk { entrance, office, audit }))
}

/// A route that only looks.
fn look(
    wish: Wish,
) -> impl Fn(State<Arc<Desk>>, Request) -> futures::future::BoxFuture<'static, Response> + Clone {
    move |State(desk), request| {
        let wish = wish.clone();
        Box::pin(async move { desk.carry_out(request, |_: Nothing| Ok(wish)).await })
    }
}

/// A body that says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    wait_seconds: Option<u64>,
}

async fn reset_pools(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let wish = |body: ResetBody| {
        let wait_seconds = body.wait_seconds.unwrap_or(RESET_WAIT);
        let most = WAIT_MAX.as_secs();
        match wait_seconds <= most {
            true => Ok(Wish::ResetPools { wait_seconds }),
            false => Err(format!("`wait_seconds` is {wait_seconds}; {most} is the most")),
        }
    };
    desk.carry_out(request, wish).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConnectionBody {
    connection: Option<String>,
}

async fn test_connection(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let wish = |body: ConnectionBody| Ok(Wish::TestConnections { connection: body.connection });
    desk.carry_out(request, wish).await
}

async fn reset_circuits(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let wish = |body: ConnectionBody| Ok(Wish::ResetCircuits { connection: body.connection });
    desk.carry_out(request, wish).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaintenanceBody {
    enabled: Option<bool>,
    reason: Option<String>,
    retry_after: Option<u64>,
}

async fn maintain(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let wish = |body: MaintenanceBody| {
        let MaintenanceBody { enabled, reason, retry_after } = body;
        let retry_after_seconds = retry_after.unwrap_or(RETRY_AFTER);
        if reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARS_MAX) {
            return Err(format!("`reason` may have {REASON_CHARS_MAX} characters"));
        }
        if !(1..=RETRY_AFTER_MAX).contains(&retry_after_seconds) {
            return Err(format!(
                "`retry_after` is {retry_after_seconds}; write seconds from 1 to {RETRY_AFTER_MAX}"
            ));
        }
        match enabled {
            Some(true) => {
                // Whoever asks is filled in where that is known.
                let (since, by) = (unix_seconds(), String::new());
                Ok(Wish::Maintain(Some(Maintenance { since, reason, retry_after_seconds, by })))
            }
            Some(false) => Ok(Wish::Maintain(None)),
            None => Err("say `enabled`: true or false".to_owned()),
        }
    };
    desk.carry_out(request, wish).await
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelBody {
    level: Option<String>,
}

async fn log_level(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let wish = |body: LevelBody| match body.level.as_deref() {
        None => Ok(Wish::LogLevel(None)),
        Some(word) => match word.parse::<LogLevel>() {
            Ok(level) => Ok(Wish::LogLevel(Some(level))),
            Err(known) => Err(format!("`{word}` is no level; there are {known}, and null")),
        },
    };
    desk.carry_out(request, wish).await
}

impl Desk {
    /// Reads a wish, has it carried out by all workers if its sender may wish it, tells the answer,
    /// and writes it down.
    async fn carry_out<B: DeserializeOwned + Default>(
        &self,
        request: Request,
        wish: impl FnOnce(B) -> Result<Wish, String>,
    ) -> Response {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let caller = match self.entrance.may_act(&mut head).await {
            Ok(caller) => caller,
            Err((caller, refused)) => {
                // Those who are nobody are written down where they were turned away.
                if let Some(caller) = caller {
                    let why = Some("no administrator");
                    self.audit.administered(&path, Some(&caller), ("refused", why));
                }
                return refused;
            }
        };
        let wish = match read(&head, body).await.map(wish) {
            Ok(Ok(wish)) => signed(wish, &caller),
            Ok(Err(words)) => return bad_request(words),
            Err(refused) => return refused,
        };
        let (action, meant) = (wish.name(), detail(&wish));
        let (response, outcome, why) = match self.office.ask(wish).await {
            Err(error) => {
                let words = error.to_string();
                (unavailable(&words), "error", Some(words))
            }
            Ok(gathered) => match Told::of(gathered) {
                Err(missing) => {
                    let words = in_words(&missing);
                    (unavailable(&words), "error", Some(words))
                }
                Ok(told) => told_as(told),
            },
        };
        let why: Vec<String> = meant.into_iter().chain(why).collect();
        let why = Some(why.join("; ")).filter(|why| !why.is_empty());
        self.audit.administered(action, Some(&caller), (outcome, why.as_deref()));
        response
    }
}

/// The answer of all workers, and how it is written down.
fn told_as(told: Told) -> (Response, &'static str, Option<String>) {
    let missing = Some(in_words(&told.missing)).filter(|words| !words.is_empty());
    if let Answer::Cancelled { cancelled: None } = told.body {
        let words = "no such statement runs; /api/debug/active-queries shows those that do";
        return (error(StatusCode::NOT_FOUND, "no_such_query", words), "error", missing);
    }
    let outcome = if told.is_troubled() { "partly" } else { "ok" };
    ((StatusCode::OK, Json(told)).into_response(), outcome, missing)
}

/// Which thing a wish is about, for the audit log.
fn detail(wish: &Wish) -> Option<String> {
    let of_file = matches!(wish, Wish::LogLevel(None)).then(|| "as the file says".to_owned());
    of_file.or_else(|| wish.detail())
}

/// A wish with the name of whoever has it, where that is kept.
fn signed(wish: Wish, caller: &Caller) -> Wish {
    match wish {
        Wish::Maintain(Some(maintenance)) => {
            let by = format!("client {}", caller.name.as_deref().unwrap_or_default());
            Wish::Maintain(Some(Maintenance { by, ..maintenance }))
        }
        wish => wish,
    }
}

/// The body as what it is to be; without one its defaults.
async fn read<B: DeserializeOwned + Default>(head: &Parts, body: Body) -> Result<B, Response> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body: Bytes = match body {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let words = format!("a body may have {BODY_BYTES_MAX} bytes");
            return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", &words));
        }
    };
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(B::default());
    }
    if !says_json(&head.headers) {
        let words = "send the body as Content-Type: application/json";
        return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_request", words));
    }
    serde_json::from_slice(&body)
        .map_err(|why| bad_request(format!("the body is not right: {why}")))
}

fn in_words(missing: &[Missing]) -> String {
    let one = |missing: &Missing| format!("slot {}: {}", missing.worker.slot, missing.why);
    missing.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn bad_request(words: String) -> Response {
    error(StatusCode::BAD_REQUEST, "bad_request", &words)
}

fn unavailable(words: &str) -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "unavailable", words)
}

fn error(status: StatusCode, code: &str, words: &str) -> Response {
    let body: Value = json!({ "error": { "code": code, "message": words } });
    (status, Json(body)).into_response()
}
