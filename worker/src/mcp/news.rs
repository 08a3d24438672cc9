//! What a client hears of a call that takes long: progress, and log messages.
//!
//! Only a client that asks is told: of progress with a `progressToken`, of log messages with the
//! `logLevel` that version 2026-07-28 puts into each request. (`logging/setLevel` of the older
//! versions would have to be remembered between requests, which no worker does.) A call that ends
//! within the first second says nothing.

// MCP calls log messages deprecated, and defines them all the same.
#![expect(deprecated, reason = "clients of version 2026-07-28 may ask for log messages")]

use std::convert::Infallible;
use std::time::Duration;

use rmcp::model::{
    LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam, ProgressToken,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{RoleServer, ServiceError};
use serde_json::json;
use tokio::sync::watch;

use crate::clock::{Clock, Moment};
use crate::warehouse::course::{Course, Stage};

/// How often a client is told how far its call is.
const EVERY: Duration = Duration::from_secs(1);
/// As what log messages are sent.
const LOGGER: &str = "statements";

/// What one client wants to hear of one call.
pub(super) struct News {
    peer: Peer<RoleServer>,
    token: Option<ProgressToken>,
    wants_log: bool,
    stage: watch::Receiver<Stage>,
    clock: Clock,
    begun: Moment,
}

impl News {
    /// What the client of this request wants to hear, and where the call is to tell it; nothing,
    /// and nowhere, for most.
    pub(super) fn wanted(
        context: &RequestContext<RoleServer>,
        clock: Clock,
    ) -> (Course, Option<News>) {
        let token = context.meta.get_progress_token();
        let wants_log = match context.meta.log_level() {
            Some(LoggingLevel::Debug | LoggingLevel::Info) => true,
            Some(
                LoggingLevel::Notice
                | LoggingLevel::Warning
                | LoggingLevel::Error
                | LoggingLevel::Critical
                | LoggingLevel::Alert
                | LoggingLevel::Emergency,
            )
            | None => false,
        };
        if token.is_none() && !wants_log {
            return (Course::default(), None);
        }
        let (course, stage) = Course::followed();
        let peer = context.peer.clone();
        let begun = clock.now();
        (course, Some(News { peer, token, wants_log, stage, clock, begun }))
    }

    /// Tells it for as long as it is polled. A client that cannot be told is told nothing more.
    pub(super) async fn spread(mut self) -> Infallible {
        let Err(error) = self.told().await;
        tracing::debug!(%error, "a client does not hear how far its call is");
        std::future::pending().await
    }

    async fn told(&mut self) -> Result<Infallible, ServiceError> {
        let mut next = self.begun + EVERY;
        let mut logged = None;
        loop {
            self.clock.until(next).await;
            next = next + EVERY;
            let stage = self.stage.borrow_and_update().clone();
            if self.wants_log && logged.as_ref() != Some(&stage) {
                let data = json!({ "stage": word(&stage), "query_id": query_id(&stage) });
                let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, data);
                self.peer.notify_logging_message(message.with_logger(LOGGER)).await?;
                logged = Some(stage.clone());
            }
            let Some(token) = &self.token else { continue };
            let passed = self.clock.now().since(self.begun);
            let progress = ProgressNotificationParam::new(token.clone(), passed.as_secs_f64());
            self.peer.notify_progress(progress.with_message(words(&stage, passed))).await?;
        }
    }
}

/// How far it is, for people.
fn words(stage: &Stage, passed: Duration) -> String {
    let seconds = passed.as_secs();
    match stage {
        Stage::Before => format!("preparing for {seconds} s"),
        Stage::Waiting => format!("waiting for a session for {seconds} s"),
        Stage::Running { query_id: None } => format!("running for {seconds} s"),
        Stage::Running { query_id: Some(id) } => format!("running for {seconds} s (query {id})"),
        Stage::Ended => format!("putting the answer together after {seconds} s"),
    }
}

/// How far it is, for programs.
fn word(stage: &Stage) -> &'static str {
    match stage {
        Stage::Before => "preparing",
        Stage::Waiting => "waiting for a session",
        Stage::Running { .. } => "running",
        Stage::Ended => "ended",
    }
}

fn query_id(stage: &Stage) -> Option<&str> {
    match stage {
        Stage::Running { query_id } => query_id.as_deref(),
        Stage::Before | Stage::Waiting | Stage::Ended => None,
    }
}
