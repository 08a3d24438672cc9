//! "Are you alive, ready, well?", answered from what is known anyway.
//!
//! Nothing here asks the warehouse or waits for a session: the answer is there within milliseconds
//! while the pool is exhausted and while the warehouse is away. That a warehouse is away makes a
//! worker degraded, never unready: to replace it would help nobody. What is told to everybody has
//! neither numbers of the account nor words of an error; details are for those who may see them.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use mcp_protocol::admin::{CircuitState, PoolState};
use mcp_protocol::health::{CertificateState, EXHAUSTED_FOR};
use mcp_protocol::message::{CertificateVitals, Logins, RevocationListVitals};
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::admin::Entrance;
use crate::admin::Office;
use crate::clock::{Clock, Moment, unix_seconds};
use crate::metrics::Metrics;
use crate::settings::Identity;
use crate::warehouse::connections::{About, Connections};
use crate::warehouse::contact::Known;
use crate::warehouse::pool::Pool;

/// What the health answers are made from.
#[derive(Clone)]
pub struct Health {
    /// Who answers.
    pub identity: Arc<Identity>,
    /// The environment's name.
    pub environment: String,
    /// Its sessions.
    pub connections: Connections,
    /// Whether it takes requests.
    pub serving: watch::Receiver<Serving>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// Its place among its colleagues.
    pub office: Office,
}

/// Whether the worker takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Not yet.
    Booting,
    /// Yes.
    Ready,
    /// Not any more.
    Draining,
}

/// How well something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wellness {
    Healthy,
    /// Nobody knows, for nothing was asked yet.
    Unknown,
    /// It works, not as it should.
    Degraded,
    /// It does not work.
    Unhealthy,
}

impl Wellness {
    fn word(self) -> &'static str {
        match self {
            Wellness::Healthy => "healthy",
            Wellness::Unknown => "unknown",
            Wellness::Degraded => "degraded",
            Wellness::Unhealthy => "unhealthy",
        }
    }
}

/// What the health routes share.
pub(super) struct Desk {
    health: Health,
    entrance: Entrance,
    clock: Clock,
}

/// The health routes.
pub(super) fn router(health: Health, entrance: Entrance, clock: Clock) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(brief))
        .route("/health/detailed", get(detailed))
        .route("/status", get(status))
        .with_state(Arc::new(Desk { health, entrance, clock }))
}

async fn readyz(State(desk): State<Arc<Desk>>) -> (StatusCode, &'static str) {
    match *desk.health.serving.borrow() {
        Serving::Ready => (StatusCode::OK, "ready\n"),
        Serving::Booting => (StatusCode::SERVICE_UNAVAILABLE, "booting\n"),
        Serving::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// For everybody: how it is, in a word each.
async fn brief(State(desk): State<Arc<Desk>>) -> Response {
    let (status, word) = desk.overall();
    (status, Json(desk.head(word))).into_response()
}

/// For those who may see it: how each part is, and why.
async fn detailed(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if let Err(refused) = desk.entrance.may_look(request).await {
        return refused;
    }
    let (status, word) = desk.overall();
    let body = json!({
        "overall_status": word,
        "timestamp": unix_seconds(),
        "worker": desk.worker(),
        "components": desk.components(),
    });
    (status, Json(body)).into_response()
}

/// For those who may see it: the worker and what it holds, in numbers.
async fn status(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if let Err(refused) = desk.entrance.may_look(request).await {
        return refused;
    }
    let (status, word) = desk.overall();
    let Desk { health, .. } = &*desk;
    let vitals = health.metrics.vitals(health.connections.default_pool().vitals());
    let pools: Map<String, Value> = health
        .connections
        .each()
        .map(|(about, pool)| (about.name.clone(), json!(PoolState::from(&pool.vitals()))))
        .collect();
    let mut body = desk.head(word);
    body["connection_pool"] = json!(PoolState::from(&vitals.pool));
    body["connections"] = pools.into();
    body["active_connections"] = vitals.connections.into();
    body["requests_in_flight"] = vitals.requests_in_flight.into();
    body["total_requests"] = vitals.requests_total.into();
    body["sessions"] = health.office.visitors().list().len().into();
    (status, Json(body)).into_response()
}

impl Desk {
    /// How the worker is as a whole. An answer that is no 200 means that another worker should be
    /// asked, so only one that takes no requests gives it.
    fn overall(&self) -> (StatusCode, &'static str) {
        match *self.health.serving.borrow() {
            Serving::Booting => return (StatusCode::SERVICE_UNAVAILABLE, "booting"),
            Serving::Draining => return (StatusCode::SERVICE_UNAVAILABLE, "draining"),
            Serving::Ready => {}
        }
        if self.health.office.maintenance().borrow().is_some() {
            return (StatusCode::OK, "maintenance");
        }
        let connections = self.health.connections.each();
        let parts =
            connections.flat_map(|(about, pool)| [of_database(pool), self.of_pool(about, pool)]);
        let own = [self.of_certificate(), self.of_revocation_lists(), self.of_logs()];
        let worst = parts.chain(own).max().unwrap_or(Wellness::Healthy);
        let word = match worst {
            Wellness::Healthy | Wellness::Unknown => Wellness::Healthy,
            Wellness::Degraded | Wellness::Unhealthy => Wellness::Degraded,
        };
        (StatusCode::OK, word.word())
    }

    fn head(&self, word: &str) -> Value {
        json!({
            "status": word,
            "snowflake_connection": of_database(self.health.connections.default_pool()).word(),
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.clock.now().since(Moment::START).as_secs(),
            "timestamp": unix_seconds(),
            "environment": self.health.environment,
            "worker": self.worker(),
        })
    }

    fn worker(&self) -> Value {
        let Identity { app, slot, run, pid } = &*self.health.identity;
        json!({ "app": app, "slot": slot, "run": run, "pid": pid })
    }

    fn components(&self) -> Value {
        let (health, now) = (&self.health, self.clock.now());
        let vitals = health.metrics.vitals(health.connections.default_pool().vitals());
        let named = health.connections.each().skip(1);
        let named: Map<String, Value> = named
            .map(|(about, pool)| {
                let parts = json!({
                    "connection_pool": self.pool_told(about, pool),
                    "database": database_told(about, pool, now),
                });
                (about.name.clone(), parts)
            })
            .collect();
        let refused: u64 = vitals.refusals.iter().map(|refusal| refusal.count_total).sum();
        let default = health.connections.each().next();
        json!({
            "connection_pool": default.map(|(about, pool)| self.pool_told(about, pool)),
            "database": default.map(|(about, pool)| database_told(about, pool, now)),
            "connections": named,
            "requests": {
                "in_flight": vitals.requests_in_flight,
                "total": vitals.requests_total,
                "errors_total": vitals.request_errors_total,
                "open_connections": vitals.connections,
            },
            "sessions": { "seen_lately": health.office.visitors().list().len() },
            "limits": {
                "exceeded_total": refused,
                "unshared_total": vitals.unshared_limits_total,
            },
            "certificate": vitals.certificate.map(|one| certificate_told(one, self.of_certificate())),
            "client_crl": vitals.revocation_lists.map(|RevocationListVitals { due_at }| json!({
                "status": self.of_revocation_lists().word(),
                "due_at": due_at,
            })),
            "logs": {
                "status": self.of_logs().word(),
                "dropped_total": vitals.log_lines_dropped_total,
            },
            "maintenance": *health.office.maintenance().borrow(),
        })
    }

    fn of_certificate(&self) -> Wellness {
        let pool = self.health.connections.default_pool();
        let certificate = self.health.metrics.vitals(pool.vitals()).certificate;
        match certificate.map_or(CertificateState::Fine, |one| one.state(unix_seconds())) {
            CertificateState::Fine => Wellness::Healthy,
            CertificateState::EndsSoon { .. }
            | CertificateState::RenewalFails
            | CertificateState::Ended => Wellness::Degraded,
        }
    }

    /// A list that should have been replaced by now says nothing of what was revoked since.
    fn of_revocation_lists(&self) -> Wellness {
        let pool = self.health.connections.default_pool();
        match self.health.metrics.vitals(pool.vitals()).revocation_lists {
            Some(lists) if lists.due_at <= unix_seconds() => Wellness::Degraded,
            Some(_) | None => Wellness::Healthy,
        }
    }

    fn of_logs(&self) -> Wellness {
        match self.health.metrics.loses_lines(self.clock.now()) {
            true => Wellness::Degraded,
            false => Wellness::Healthy,
        }
    }

    fn of_pool(&self, about: &About, pool: &Pool) -> Wellness {
        let now = self.clock.now();
        let exhausted = pool.contact().exhausted_at;
        let lately = exhausted.is_some_and(|at| now.since(at) < EXHAUSTED_FOR);
        match lately || self.health.metrics.pool_stays_full(&about.name, now) {
            true => Wellness::Degraded,
            false => Wellness::Healthy,
        }
    }

    fn pool_told(&self, about: &About, pool: &Pool) -> Value {
        let state = PoolState::from(&pool.vitals());
        let utilization = f64::from(state.active) / f64::from(state.max.max(1));
        let mut told = json!(state);
        told["status"] = self.of_pool(about, pool).word().into();
        told["utilization"] = ((utilization * 1000.0).round() / 1000.0).into();
        told["statements"] = pool.running().len().into();
        told
    }
}

/// How the way to a warehouse is.
fn of_database(pool: &Pool) -> Wellness {
    let (vitals, known) = (pool.vitals(), pool.contact());
    match vitals.logins {
        Logins::Refused | Logins::Failing | Logins::LoggedOut => match vitals.total {
            0 => Wellness::Unhealthy,
            _some => Wellness::Degraded,
        },
        Logins::Fine if known.is_troubled => Wellness::Degraded,
        Logins::Fine if known.answered_at.is_some() => Wellness::Healthy,
        Logins::Fine => Wellness::Unknown,
    }
}

fn database_told(about: &About, pool: &Pool, now: Moment) -> Value {
    let Known { answered_at, trouble, .. } = pool.contact();
    let CircuitState { state, reason, failures, retry_in_ms, .. } =
        crate::admin::circuit(about, pool, now);
    json!({
        "status": of_database(pool).word(),
        "account": about.account,
        "last_success": answered_at,
        "last_error": trouble.map(|trouble| json!({
            "at": trouble.at,
            "kind": trouble.kind,
            "code": trouble.code,
            "message": trouble.words,
        })),
        "circuit": {
            "state": state,
            "reason": reason,
            "failures": failures,
            "retry_in_ms": retry_in_ms,
        },
    })
}

fn certificate_told(certificate: CertificateVitals, wellness: Wellness) -> Value {
    let CertificateVitals { expires_at, renewal_fails } = certificate;
    json!({
        "status": wellness.word(),
        "expires_at": expires_at,
        "renewal_fails": renewal_fails,
    })
}
