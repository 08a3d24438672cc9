//! Requests to the account's REST interface (`/api/v2/...`), under a session's own token.
//!
//! It is the way to services that are no statements, such as Cortex. A request is sent once: only
//! the service knows whether asking again does harm. An answer is JSON, or an error with a message.

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderValue};
use serde_json::Value;

use super::connection::{Connection, NoPass, Pass};
use super::session::{Condition, SESSIONS_MAX, SnowflakeSession};
use super::statement::Unanswered;
use super::wire::{Trouble, headers, of_sending, of_status, whole};
use crate::warehouse::{Context, Limits, Post, Session, WarehouseError};

/// The longest message of an error that is told, in characters.
const MESSAGE_CHARS_MAX: usize = 2000;

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
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let request = wire.http().post(url).headers(headers).json(&post.body);
        let response = request.send().await.map_err(of_sending).map_err(failed)?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let body = whole(response, bytes_max).await.map_err(failed)?;
        let answer: Option<Value> = serde_json::from_slice(&body).ok();
        match (of_status(status, None), answer) {
            (None, Some(answer)) => Ok(Some(answer)),
            (None, None) => Err(failed(Trouble::Nonsense("the answer is no JSON".to_owned()))),
            (Some(trouble @ Trouble::Denied { .. }), Some(answer)) => {
                let message = message(&answer).unwrap_or_else(|| trouble.words().to_owned());
                Err(Unposted::Failed(WarehouseError::Statement { message }))
            }
            (Some(trouble @ Trouble::Denied { .. }), None) => {
                let message = trouble.words().to_owned();
                Err(Unposted::Failed(WarehouseError::Statement { message }))
            }
            (Some(trouble), _) => Err(failed(trouble)),
        }
    }
}

impl SnowflakeSession {
    /// Asks a service in this session, or in another one when this is gone.
    pub(super) async fn posted(
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
    let code = ["code", "error_code"].iter().find_map(|key| answer.get(key)?.as_str());
    let text: String = text.chars().take(MESSAGE_CHARS_MAX).collect();
    Some(match code {
        Some(code) => format!("{code}: {text}"),
        None => text,
    })
}
