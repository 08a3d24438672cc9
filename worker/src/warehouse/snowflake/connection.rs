//! One session at Snowflake: its tokens, and what is sent under them.
//!
//! The tokens never leave this file but to the wire; the library above gets placeholders, for it
//! writes what it holds into its log. A token is renewed before it expires, and when the server
//! says that it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mcp_protocol::secret::Secret;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::Mutex;
use uuid::Uuid;

use super::failure;
use super::gate::{Blame, Gate};
use super::left::Roster;
use super::login::Login;
use super::tries::Tries;
use super::wire::{Bearer, Reply, Trouble, Wire};
use crate::clock::{Moment, unix_seconds};
use crate::warehouse::WarehouseError;

/// A token is renewed when it has less than this left.
const RENEWED_BEFORE: Duration = Duration::from_secs(300);
/// How long a login or a renewal may take altogether.
const LOGIN_LIMIT: Duration = Duration::from_secs(30);
/// How long a goodbye may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// How long the end of a statement may take to be confirmed.
const ABORT_LIMIT: Duration = Duration::from_millis(1500);
/// How often that is asked, and how long after each other.
const ABORTS_MAX: u32 = 6;
const ABORT_WAIT: Duration = Duration::from_millis(100);
/// How long a session lasts that says nothing about it.
const VALIDITY_DEFAULT: i64 = 3600;

/// What a session stands in: what `USE` changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) role: Option<String>,
    pub(super) warehouse: Option<String>,
    pub(super) database: Option<String>,
    pub(super) schema: Option<String>,
}

/// What an account's sessions have in common.
pub(super) struct Account {
    /// What it is called in errors.
    pub(super) name: String,
    pub(super) wire: Wire,
    pub(super) login: Login,
    pub(super) gate: Gate,
    /// Logins that were sent.
    pub(super) logins: AtomicU64,
    /// Its sessions that live in this worker.
    pub(super) roster: Roster,
}

/// One session, with its tokens while it has some.
pub(super) struct Connection {
    pub(super) account: Arc<Account>,
    tokens: Mutex<Option<Tokens>>,
    /// A statement was left running in it, which would end with it.
    left: AtomicBool,
}

/// A statement that runs, as an abort can name it.
#[derive(Debug, Clone)]
pub(super) enum Named {
    /// By the request that brought it, in the same session.
    ByRequest(Uuid),
    /// By the warehouse's name for it, in any session.
    ById(String),
}

/// What a login gave.
#[derive(Debug, Clone)]
struct Tokens {
    session: Secret,
    master: Secret,
    renew_at: Moment,
}

/// A session that was opened and that nobody has taken yet; closed when nobody does.
struct Arrived {
    account: Arc<Account>,
    tokens: Option<Tokens>,
}

impl Drop for Arrived {
    fn drop(&mut self) {
        if let (Some(tokens), Ok(runtime)) = (self.tokens.take(), Handle::try_current()) {
            let account = Arc::clone(&self.account);
            let untaken = Connection::new(account);
            runtime.spawn(async move {
                *untaken.tokens.lock().await = Some(tokens);
                untaken.close().await;
            });
        }
    }
}

/// Where a new session stands, and what its account is set to.
#[derive(Debug, Clone, Default)]
pub(super) struct Welcome {
    pub(super) place: Place,
    pub(super) time_zone: Option<String>,
}

/// A session token to send with a request.
pub(super) struct Pass(Secret);

impl Pass {
    pub(super) fn bearer(&self) -> Bearer<'_> {
        Bearer::Token(self.0.expose())
    }
}

/// Why a login came to nothing, and what is to be changed before the next one.
struct NotLetIn {
    error: WarehouseError,
    blame: Blame,
}

impl From<WarehouseError> for NotLetIn {
    fn from(error: WarehouseError) -> NotLetIn {
        NotLetIn { error, blame: Blame::Credentials }
    }
}

/// Why there is no token.
pub(super) enum NoPass {
    /// The session ended at the server, and with it all that it held.
    Gone,
    Failed(WarehouseError),
}

impl Connection {
    pub(super) fn new(account: Arc<Account>) -> Connection {
        Connection { account, tokens: Mutex::new(None), left: AtomicBool::new(false) }
    }

    /// Opens a session at the server, if the gate lets us try.
    ///
    /// A login that began goes on when nobody waits for it any more: the gate has to learn how it
    /// ended, and a session that nobody took is closed.
    pub(super) async fn log_in(&self) -> Result<Welcome, WarehouseError> {
        let mut tokens = self.tokens.lock().await;
        *tokens = None;
        let attempt = self.account.gate.enter().await?;
        let visitor = Connection::new(Arc::clone(&self.account));
        let login = tokio::spawn(async move {
            let clock = visitor.account.wire.clock();
            let result =
                clock.within(LOGIN_LIMIT, visitor.introduce()).await.unwrap_or_else(|| {
                    let words = format!("no answer to the login within {LOGIN_LIMIT:?}");
                    Err(visitor.unreachable(&words).into())
                });
            let ended = result.as_ref().err().map(|not| (&not.error, not.blame));
            attempt.ended(ended).await;
            let result = result.map_err(|NotLetIn { error, blame }| match error {
                WarehouseError::Refused { reason, .. } => {
                    visitor.account.gate.refused(&reason, blame)
                }
                other => other,
            });
            let arrived = |tokens| Arrived { account: visitor.account, tokens: Some(tokens) };
            result.map(|(welcome, tokens)| (welcome, arrived(tokens)))
        });
        let broken_off = |_| Err(self.unreachable("the login broke off"));
        let (welcome, mut arrived) = login.await.unwrap_or_else(broken_off)?;
        *tokens = arrived.tokens.take();
        Ok(welcome)
    }

    async fn introduce(&self) -> Result<(Welcome, Tokens), NotLetIn> {
        let Account { wire, login, logins, .. } = &*self.account;
        let data = login.data(wire.http(), unix_seconds()).await?;
        let mut url = wire.url("/session/v1/login-request", Uuid::new_v4());
        url.query_pairs_mut().extend_pairs(login.query());
        logins.fetch_add(1, Ordering::Relaxed);
        let reply = wire.post(url, Bearer::Nobody, &json!({ "data": &data })).await;
        let reply = reply.map_err(|trouble| self.not_let_in(&trouble))?;
        if !reply.success {
            let error = login.refused(&reply, &data, unix_seconds());
            return Err(NotLetIn { error, blame: failure::blame(&reply.code) });
        }
        login.welcomed(&reply.data);
        let given = self.tokens_of(&reply.data, ["token", "masterToken", "validityInSeconds"]);
        let tokens =
            given.ok_or_else(|| self.unreachable("the answer to the login has no token"))?;
        Ok((welcome(&reply.data), tokens))
    }

    /// A token to send, renewed if it will soon expire.
    pub(super) async fn pass(&self) -> Result<Pass, NoPass> {
        let held = self.tokens.lock().await.clone().ok_or(NoPass::Gone)?;
        if self.account.wire.clock().now() < held.renew_at {
            return Ok(Pass(held.session));
        }
        self.renew(&Pass(held.session)).await
    }

    /// Exchanges a token that expired, or soon will.
    pub(super) async fn renew(&self, old: &Pass) -> Result<Pass, NoPass> {
        let mut tokens = self.tokens.lock().await;
        let held = tokens.clone().ok_or(NoPass::Gone)?;
        if held.session != old.0 {
            return Ok(Pass(held.session));
        }
        let clock = self.account.wire.clock();
        let asked = clock.within(LOGIN_LIMIT, self.renewal(&held)).await;
        let late = || Trouble::Lost("no answer to the renewal of the token".to_owned());
        let reply = asked.unwrap_or_else(|| Err(late()));
        let reply = reply.map_err(|trouble| NoPass::Failed(self.unreachable(trouble.words())))?;
        let names = ["sessionToken", "masterToken", "validityInSecondsST"];
        match self.tokens_of(&reply.data, names).filter(|_| reply.success) {
            Some(fresh) => {
                tracing::debug!("renewed the token of a session");
                Ok(Pass(tokens.insert(fresh).session.clone()))
            }
            // Whatever the reason, this session cannot be used any more.
            None => {
                tracing::info!(code = reply.code, "a session's token cannot be renewed");
                *tokens = None;
                Err(NoPass::Gone)
            }
        }
    }

    /// Asks for new tokens, again where that may help: to ask twice does no harm.
    async fn renewal(&self, held: &Tokens) -> Result<Reply, Trouble> {
        let wire = &self.account.wire;
        let body = json!({ "oldSessionToken": held.session.expose(), "requestType": "RENEW" });
        let mut tries = Tries::begin(wire.clock());
        loop {
            let url = wire.url("/session/token-request", Uuid::new_v4());
            match wire.post(url, Bearer::Token(held.master.expose()), &body).await {
                Ok(reply) => return Ok(reply),
                Err(trouble @ (Trouble::Denied { .. } | Trouble::Nonsense(_))) => {
                    return Err(trouble);
                }
                Err(trouble) if tries.rest(&trouble).await => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Forgets a session that the server no longer knows.
    pub(super) async fn lose(&self) {
        *self.tokens.lock().await = None;
    }

    /// Whether it has tokens, and nobody is changing them.
    pub(super) fn is_open(&self) -> bool {
        self.tokens.try_lock().is_ok_and(|tokens| tokens.is_some())
    }

    /// Ends a statement at the server; true when the server confirms it.
    pub(super) async fn abort(&self, statement: &Named) -> bool {
        let clock = self.account.wire.clock();
        clock.within(ABORT_LIMIT, self.aborted(statement)).await.unwrap_or(false)
    }

    /// Asks for the end of a statement. One that does not run may be on its way, for its request
    /// and this one are not bound to arrive in order: so it is asked for some more times.
    async fn aborted(&self, statement: &Named) -> bool {
        let wire = &self.account.wire;
        let (path, body) = match statement {
            Named::ByRequest(id) => {
                let body = json!({ "sqlText": "", "requestId": id.to_string() });
                ("/queries/v1/abort-request".to_owned(), body)
            }
            Named::ById(id) => (format!("/queries/{id}/abort-request"), json!({})),
        };
        let Ok(mut pass) = self.pass().await else { return false };
        for _ in 0..ABORTS_MAX {
            let url = wire.url(&path, Uuid::new_v4());
            match wire.post(url, pass.bearer(), &body).await {
                Ok(reply) if reply.success => return true,
                Ok(reply) if failure::is_expired(&reply.code) => match self.renew(&pass).await {
                    Ok(renewed) => {
                        pass = renewed;
                        continue;
                    }
                    Err(NoPass::Gone | NoPass::Failed(_)) => return false,
                },
                Ok(reply) if failure::is_not_running(&reply.code) => match statement {
                    Named::ByRequest(_) => {}
                    // It has a name, so it has run.
                    Named::ById(_) => return false,
                },
                Ok(_) => return false,
                Err(trouble) => {
                    tracing::debug!(why = trouble.words(), "the end of a statement is asked again");
                }
            }
            wire.clock().until(wire.clock().now() + ABORT_WAIT).await;
        }
        false
    }

    /// Asks whether the session still lives, and has the server keep it. A network that is away
    /// says nothing about that.
    pub(super) async fn is_alive(&self) -> bool {
        let Ok(pass) = self.pass().await else { return false };
        let wire = &self.account.wire;
        let url = wire.url("/session/heartbeat", Uuid::new_v4());
        match wire.post(url, pass.bearer(), &json!({})).await {
            Ok(reply) if failure::is_expired(&reply.code) => self.renew(&pass).await.is_ok(),
            Ok(reply) => reply.success,
            Err(trouble) => {
                tracing::debug!(why = trouble.words(), "a session was not checked");
                true
            }
        }
    }

    /// From now on a goodbye is said by [`Connection::say_goodbye`] alone.
    pub(super) fn leave_open(&self) {
        self.left.store(true, Ordering::SeqCst);
    }

    /// Says goodbye, unless a statement was left running in it.
    pub(super) async fn close(&self) {
        if !self.left.load(Ordering::SeqCst) {
            self.say_goodbye().await;
        }
    }

    /// Says goodbye, so that temporary objects and an open transaction end now.
    pub(super) async fn say_goodbye(&self) {
        let Some(held) = self.tokens.lock().await.take() else { return };
        let wire = &self.account.wire;
        let mut url = wire.url("/session", Uuid::new_v4());
        url.query_pairs_mut().append_pair("delete", "true");
        let body = json!({});
        let sent = wire.post(url, Bearer::Token(held.session.expose()), &body);
        if let Some(Err(trouble)) = wire.clock().within(CLOSE_LIMIT, sent).await {
            tracing::debug!(why = trouble.words(), "a session ends without a goodbye");
        }
    }

    fn tokens_of(&self, data: &Value, [session, master, validity]: [&str; 3]) -> Option<Tokens> {
        let secret = |name: &str| data.get(name)?.as_str().map(|text| Secret::new(text.to_owned()));
        let seconds = data.get(validity).and_then(Value::as_i64).unwrap_or(VALIDITY_DEFAULT);
        let lasts = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        // One that lasts shorter than that is renewed at half its time.
        let wait = lasts.checked_sub(RENEWED_BEFORE).unwrap_or(lasts / 2);
        let renew_at = self.account.wire.clock().now() + wait;
        Some(Tokens { session: secret(session)?, master: secret(master)?, renew_at })
    }

    fn not_let_in(&self, trouble: &Trouble) -> WarehouseError {
        match trouble {
            Trouble::Denied { status: status @ (403 | 404), .. } => {
                let code = status.to_string();
                self.account.login.failed(&code, "", None, unix_seconds())
            }
            other => self.unreachable(other.words()),
        }
    }

    pub(super) fn unreachable(&self, reason: &str) -> WarehouseError {
        WarehouseError::Connect { warehouse: self.account.name.clone(), reason: reason.to_owned() }
    }
}

fn welcome(data: &Value) -> Welcome {
    let info = |name: &str| Some(data.get("sessionInfo")?.get(name)?.as_str()?.to_owned());
    let place = Place {
        role: info("roleName"),
        warehouse: info("warehouseName"),
        database: info("databaseName"),
        schema: info("schemaName"),
    };
    let parameters = data.get("parameters").and_then(Value::as_array);
    let zone = parameters.into_iter().flatten().find(|one| one["name"] == "TIMEZONE");
    let time_zone = zone.and_then(|one| one["value"].as_str()).map(str::to_owned);
    Welcome { place, time_zone }
}
