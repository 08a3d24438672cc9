//! One person's login from the first question to the token: what is asked of Snowflake, and when.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_protocol::secret::Secret;
use reqwest::Url;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::kept::Kept;
use super::visitor::{self, Brought, Door};
use crate::clock::unix_seconds;
use crate::warehouse::WarehouseError;
use crate::warehouse::snowflake::account::is_loopback;
use crate::warehouse::snowflake::failure;
use crate::warehouse::snowflake::login::Login;
use crate::warehouse::snowflake::wire::{Bearer, Reply, Trouble, Wire};

/// How long one answer of Snowflake may take.
const ASKED_LIMIT: Duration = Duration::from_secs(30);
/// How long the browser's last answer may take.
const LAST_ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum NotLoggedIn {
    /// The account is no name, or the like.
    #[error("{0}")]
    Settings(String),
    /// No port of this machine to come back to.
    #[error("cannot listen for the browser on this machine")]
    Listen(#[source] io::Error),
    /// Snowflake did not answer, or said no.
    #[error("{0}")]
    Snowflake(String),
    /// Nobody came back.
    #[error("nobody logged in at the browser in time; run the command again")]
    Nobody,
    /// The person does not want it kept, and workers cannot log in without.
    #[error(
        "the browser does not allow that the login is kept, and workers log in by what is kept; \
         run the command again and allow it, or give the user a key pair"
    )]
    NotToBeKept,
    /// What was given cannot be kept.
    #[error("cannot write `{}`", file.display())]
    Keep {
        /// Where it was to be kept.
        file: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

/// Whether the login that is kept is good; what is not is let go.
pub(super) async fn tried(wire: &Wire, login: &Login, kept: &Kept) -> Result<bool, NotLoggedIn> {
    if kept.token().is_none() {
        return Ok(false);
    }
    let data = login.data(wire.http(), unix_seconds()).await;
    let data = data.map_err(|error| NotLoggedIn::Snowflake(error.to_string()))?;
    let reply = asked(wire, "/session/v1/login-request", &data).await?;
    if reply.success {
        close(wire, &reply.data).await;
        login.welcomed(&reply.data);
        return Ok(true);
    }
    match login.refused(&reply, &data, unix_seconds()) {
        WarehouseError::LoggedOut { .. } => Ok(false),
        error => Err(NotLoggedIn::Snowflake(error.to_string())),
    }
}

/// A person who is asked to log in.
pub(super) struct Sitting<'a> {
    wire: &'a Wire,
    login: &'a Login,
    /// Where the person logs in.
    address: Url,
    /// What shows that the one who asked for the page is the one who brings the token.
    proof: Secret,
    port: u16,
    brought: mpsc::Receiver<Brought>,
    /// Answers browsers; ends with the sitting.
    door: JoinSet<()>,
    over: CancellationToken,
}

impl Sitting<'_> {
    pub(super) async fn open<'a>(
        wire: &'a Wire,
        login: &'a Login,
    ) -> Result<Sitting<'a>, NotLoggedIn> {
        let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = bound.map_err(NotLoggedIn::Listen)?;
        let port = listener.local_addr().map_err(NotLoggedIn::Listen)?.port();
        let mut question = login.at_browser();
        question.remove("SESSION_PARAMETERS");
        question.insert("BROWSER_MODE_REDIRECT_PORT".to_owned(), json!(port.to_string()));
        let reply = asked(wire, "/session/authenticator-request", &question.into()).await?;
        let (address, proof) = match failure::is_without_provider(&reply.code) {
            true => own_page(wire, login, port),
            false => page(&said(login, reply)?).ok_or_else(|| {
                NotLoggedIn::Snowflake("the answer names no page to log in at".to_owned())
            })?,
        };
        let (told, brought) = mpsc::channel(1);
        let origin = wire.url("/", Uuid::new_v4()).origin().ascii_serialization();
        let (mut door, over) = (JoinSet::new(), CancellationToken::new());
        let at = Door { brought: told, port, origin };
        door.spawn(visitor::answer(listener, at, over.clone()));
        Ok(Sitting { wire, login, address, proof, port, brought, door, over })
    }

    pub(super) fn address(&self) -> &str {
        self.address.as_str()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for what the browser brings or the person pastes, and shows it to Snowflake: once,
    /// for a wrong one may be counted against the user.
    pub(super) async fn token(
        mut self,
        patience: Duration,
        lines: &mut mpsc::Receiver<String>,
    ) -> Result<Secret, NotLoggedIn> {
        let clock = self.wire.clock();
        let came = clock.within(patience, self.came(lines)).await;
        let Brought { token, consent, verdict } = came.ok_or(NotLoggedIn::Nobody)?;
        if !consent {
            let _ = verdict.send(Err(NotLoggedIn::NotToBeKept.to_string()));
            self.closed().await;
            return Err(NotLoggedIn::NotToBeKept);
        }
        let exchanged = self.exchanged(&token).await;
        let told = exchanged.as_ref().map(drop).map_err(ToString::to_string);
        let _ = verdict.send(told);
        self.closed().await;
        exchanged
    }

    /// Returns when the browser has its answer, or does not take it.
    async fn closed(&mut self) {
        self.over.cancel();
        self.wire.clock().within(LAST_ANSWER_LIMIT, self.door.join_next()).await;
    }

    async fn came(&mut self, lines: &mut mpsc::Receiver<String>) -> Brought {
        loop {
            let line = tokio::select! {
                Some(brought) = self.brought.recv() => return brought,
                Some(line) = lines.recv() => line,
                else => std::future::pending().await,
            };
            if let Some(token) = visitor::pasted(&line) {
                let (verdict, _) = oneshot::channel();
                return Brought { token, consent: true, verdict };
            }
        }
    }

    async fn exchanged(&self, token: &Secret) -> Result<Secret, NotLoggedIn> {
        let mut shown = self.login.at_browser();
        shown.insert("TOKEN".to_owned(), json!(token.expose()));
        shown.insert("PROOF_KEY".to_owned(), json!(self.proof.expose()));
        let reply = asked(self.wire, "/session/v1/login-request", &shown.into()).await?;
        let given = said(self.login, reply)?;
        close(self.wire, &given).await;
        let kept = given["idToken"].as_str().filter(|token| !token.is_empty());
        kept.map(|token| Secret::new(token.to_owned())).ok_or_else(|| {
            NotLoggedIn::Snowflake(
                "Snowflake lets the user in and gives no token that can be kept; let an \
                 administrator run `ALTER ACCOUNT SET ALLOW_ID_TOKEN = TRUE`, or give the user a \
                 key pair"
                    .to_owned(),
            )
        })
    }
}

/// Where the person is sent: to nothing that is not encrypted, but for a stand-in of Snowflake.
/// Behind it what shows that whoever asked for the page is the one who brings the token.
fn page(data: &Value) -> Option<(Url, Secret)> {
    let url = Url::parse(data["ssoUrl"].as_str()?).ok()?;
    let host = url.host_str()?;
    let proof = Secret::new(data["proofKey"].as_str()?.to_owned());
    let is_safe = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(host));
    is_safe.then_some((url, proof))
}

/// Snowflake's own page, for an account without a company's login page.
fn own_page(wire: &Wire, login: &Login, port: u16) -> (Url, Secret) {
    let random = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
    let proof = Secret::new(STANDARD.encode(random));
    let mut url = wire.url("/console/login", Uuid::new_v4());
    url.query_pairs_mut()
        .clear()
        .append_pair("login_name", login.user())
        .append_pair("browser_mode_redirect_port", &port.to_string())
        .append_pair("proof_key", proof.expose());
    (url, proof)
}

async fn asked(wire: &Wire, path: &str, data: &Value) -> Result<Reply, NotLoggedIn> {
    let url = wire.url(path, Uuid::new_v4());
    let body = json!({ "data": data });
    let late = || Err(Trouble::Lost(format!("no answer within {ASKED_LIMIT:?}")));
    let asked = wire.clock().within(ASKED_LIMIT, wire.post(url, Bearer::Nobody, &body)).await;
    let told = |trouble: Trouble| {
        NotLoggedIn::Snowflake(format!("Snowflake cannot be asked: {}", trouble.words()))
    };
    asked.unwrap_or_else(late).map_err(told)
}

fn said(login: &Login, reply: Reply) -> Result<Value, NotLoggedIn> {
    if reply.success {
        return Ok(reply.data);
    }
    let Reply { code, message, date, .. } = reply;
    let error = login.failed(&code, &message, date, unix_seconds());
    Err(NotLoggedIn::Snowflake(error.to_string()))
}

/// The session itself is not needed; that it stays open for a while harms nobody.
async fn close(wire: &Wire, given: &Value) {
    let mut url = wire.url("/session", Uuid::new_v4());
    url.query_pairs_mut().append_pair("delete", "true");
    let token = given["token"].as_str().unwrap_or_default();
    let body = Value::Object(Map::new());
    let _ = wire.clock().within(ASKED_LIMIT, wire.post(url, Bearer::Token(token), &body)).await;
}
