//! Requests to the account's REST interface (`/api/v2/...`), under a session's own token.
//!
//! It is the way to services that are no statements, such as Cortex. A request is sent once: only
//! the service knows whether asking again does harm. An answer is JSON, or events of which one is the
//! whole answer, or an error with a message. That a service is in trouble says nothing about the
//! account: statements go on.

use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, NoPass, Pass};
use super::session::{Condition, SESSIONS_MAX, SnowflakeSession};
use super::statement::Unanswered;
use super::wire::{Trouble, headers, of_sending, of_status, whole};
use crate::warehouse::{Context, Limits, Post, Session, WarehouseError};

/// The longest message of an error that is told, in characters.
const MESSAGE_CHARS_MAX: usize = 2000;
/// The type of an answer that comes in events.
const EVENTS: &str = "text/event-stream";

/// Why there is no answer.
pub(super) enum Unposted {
    /// The session is gone, and nothing was asked: open another and ask again.
    SessionGone,
    Failed(WarehouseError),
}

impl From<NoPass> for Unposted {
    fn from(why: NoPass) -> Unposted {
        match why {
            NoPass::Gone => Unposted::SessionGone,
            NoPass::Failed(error) => Unposted::Failed(error),
        }
    }
}

impl Connection {
    /// Asks, with a token that is renewed once if the server no longer takes it.
    pub(super) async fn post(&self, post: &Post, bytes_max: usize) -> Result<Value, Unposted> {
        let pass = self.pass().await?;
        match self.posted(post, &pass, bytes_max).await? {
            Some(answer) => Ok(answer),
            None => {
                let pass = self.renew(&pass).await?;
                let answer = self.posted(post, &pass, bytes_max).await?;
                answer.ok_or(Unposted::SessionGone)
            }
        }
    }

    /// The answer; none when the token is not taken.
    async fn posted(
        &self,
        post: &Post,
        pass: &Pass,
        bytes_max: usize,
    ) -> Result<Option<Value>, Unposted> {
        let wire = &self.account.wire;
        let failed = |trouble: Trouble| Unposted::Failed(self.unreachable(trouble.words()));
        let url = wire.further(&post.path).map_err(failed)?;
        let mut headers = headers(pass.bearer());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        let request = wire.http().post(url).headers(headers).json(&post.body);
        let response = request.send().await.map_err(of_sending).map_err(failed)?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let said = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let after = said(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
        let retry_after = after.map(Duration::from_secs);
        let streamed = said(CONTENT_TYPE).is_some_and(|kind| kind.starts_with(EVENTS));
        match of_status(status, retry_after) {
            None => {
                answer(response, streamed, bytes_max).await.map(Some).map_err(|why| match why {
                    NoAnswer::Trouble(trouble) => failed(trouble),
                    NoAnswer::Said(error) => Unposted::Failed(error),
                })
            }
            Some(trouble) => {
                let body = whole(response, bytes_max).await.map_err(failed)?;
                let said = serde_json::from_slice(&body).ok().and_then(|said| message(&said));
                let message = said.unwrap_or_else(|| trouble.words().to_owned());
                let status = status.as_u16();
                Err(Unposted::Failed(WarehouseError::Service { status, message, retry_after }))
            }
        }
    }
}

/// Why there is no answer behind a head that promised one.
enum NoAnswer {
    Trouble(Trouble),
    Said(WarehouseError),
}

/// What a service answers, whole.
async fn answer(response: Response, streamed: bool, bytes_max: usize) -> Result<Value, NoAnswer> {
    let body = whole(response, bytes_max).await.map_err(NoAnswer::Trouble)?;
    if streamed {
        return last_of(&String::from_utf8_lossy(&body));
    }
    let answer = serde_json::from_slice(&body);
    answer.map_err(|_| NoAnswer::Trouble(Trouble::Nonsense("the answer is no JSON".to_owned())))
}

/// The one event that is the whole answer; those before it are pieces of it.
fn last_of(events: &str) -> Result<Value, NoAnswer> {
    let nonsense = |words: &str| NoAnswer::Trouble(Trouble::Nonsense(words.to_owned()));
    let mut found = None;
    for event in events.replace("\r\n", "\n").split("\n\n") {
        let field = |name: &str| {
            let lines = event.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.map(|text| text.strip_prefix(' ').unwrap_or(text)).collect::<Vec<_>>().join("\n")
        };
        let data = || serde_json::from_str::<Value>(&field("data"));
        match field("event").as_str() {
            "response" => found = Some(data().map_err(|_| nonsense("an event is no JSON"))?),
            "error" => {
                let said = data().ok().and_then(|said| message(&said));
                let message = said.unwrap_or_else(|| "it gave no reason".to_owned());
                let said = WarehouseError::Service { status: 500, message, retry_after: None };
                return Err(NoAnswer::Said(said));
            }
            _piece => {}
        }
    }
    found.ok_or_else(|| nonsense("the events end before the answer"))
}

impl SnowflakeSession {
    /// Asks a service, until the answer is there, its time is over or nobody wants it.
    pub(super) async fn asked(
        &mut self,
        (post, context): (&Post, &Context),
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Value, WarehouseError> {
        let clock = self.connection.account.wire.clock();
        let after = limits.timeout;
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WarehouseError::Cancelled),
            ended = clock.within(after, self.posted(post, context, limits)) => {
                ended.unwrap_or(Err(WarehouseError::TimedOut { after }))
            }
        }
    }

    /// Asks a service in this session, or in another one when this is gone.
    async fn posted(
        &mut self,
        post: &Post,
        context: &Context,
        limits: &Limits,
    ) -> Result<Value, WarehouseError> {
        for _ in 0..SESSIONS_MAX {
            if self.is_broken() {
                self.anew().await?;
            }
            match self.stand(context, limits).await {
                Err(Unanswered::Failed(error)) => return Err(error),
                Err(Unanswered::SessionGone) => {
                    self.condition = Condition::Marked;
                    continue;
                }
                Ok(()) => self.condition = Condition::Used,
            }
            match self.connection.post(post, limits.bytes_max).await {
                Ok(answer) => return Ok(answer),
                Err(Unposted::Failed(error)) => return Err(error),
                Err(Unposted::SessionGone) => self.condition = Condition::Marked,
            }
        }
        Err(self.connection.unreachable("the server ends every session at once"))
    }
}

/// What a service says is wrong.
fn message(answer: &Value) -> Option<String> {
    let text = answer.get("message")?.as_str()?;
    let code = ["code", "error_code"].iter().find_map(|key| match answer.get(key)? {
        Value::String(code) => Some(code.clone()),
        Value::Number(code) => Some(code.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let text: String = text.chars().take(MESSAGE_CHARS_MAX).collect();
    Some(match code {
        Some(code) => format!("{code}: {text}"),
        None => text,
    })
}
