//! A session of the pool: it stands where a statement wants it to, and keeps nothing of it.
//!
//! Sessions are shared by all clients, so a statement that only reads is the only kind that leaves
//! a session as it was. Before and after any other the session is opened anew: role, parameters,
//! variables, temporary objects, an open transaction and the last query id end with the old one.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::bindings::bindings;
use super::cells::{Decoder, Format, PartReader, take_json_rows};
use super::connection::{Connection, Named, Place, Welcome};
use super::fetch::Fetch;
use super::layer::Library;
use super::left;
use super::statement::{Ask, Effect, Found, Inline, Statement, Unanswered, perhaps_done};
use super::tag::QueryTag;
use crate::sql::{self, Level};
use crate::warehouse::collected::Collected;
use crate::warehouse::left::Leave;
use crate::warehouse::{Answer, Context, Limits, Post, Run, Session, WarehouseError};

/// How often a statement is said again because its session was gone.
pub(super) const SESSIONS_MAX: u32 = 3;

/// One session at Snowflake.
pub(super) struct SnowflakeSession {
    pub(super) connection: Arc<Connection>,
    pub(super) library: Library,
    worker: Arc<str>,
    /// Where a new session stands.
    pub(super) welcome: Welcome,
    pub(super) place: Place,
    pub(super) condition: Condition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    /// As it was opened.
    Fresh,
    /// Others read in it; nothing but its place changed.
    Used,
    /// Something was said in it that may have left traces.
    Marked,
    /// Not to be used again: nobody knows what still runs in it.
    Broken,
}

/// A statement that runs. When nobody waits for it any more it is ended at the server.
struct Running<'a> {
    session: &'a mut SnowflakeSession,
    /// The name of one that another session began.
    taken_up: Option<String>,
    over: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.session.condition = Condition::Broken;
        let sent = || self.session.library.request_id().map(Named::ByRequest);
        let statement = self.taken_up.take().map(Named::ById).or_else(sent);
        if let (Some(statement), Ok(runtime)) = (statement, Handle::try_current()) {
            let connection = Arc::clone(&self.session.connection);
            runtime.spawn(async move { connection.abort(&statement).await });
        }
    }
}

impl SnowflakeSession {
    /// Opens one.
    pub(super) async fn open(
        connection: Connection,
        worker: Arc<str>,
    ) -> Result<SnowflakeSession, WarehouseError> {
        let connection = Arc::new(connection);
        connection.account.roster.enter(&connection);
        let welcome = connection.log_in().await?;
        let library = Library::new(Arc::clone(&connection));
        let library = library.map_err(|words| connection.unreachable(&words))?;
        let place = welcome.place.clone();
        let condition = Condition::Fresh;
        Ok(SnowflakeSession { connection, library, worker, welcome, place, condition })
    }

    /// Ends this session and begins another, of which nothing is known yet.
    pub(super) async fn anew(&mut self) -> Result<(), WarehouseError> {
        self.connection.close().await;
        self.welcome = self.connection.log_in().await?;
        self.place = self.welcome.place.clone();
        self.condition = Condition::Fresh;
        Ok(())
    }

    async fn answer(
        &mut self,
        statement: &str,
        effect: Effect,
        context: &Context,
        limits: &Limits,
    ) -> Result<Answer, WarehouseError> {
        let mut sessions = 0;
        loop {
            sessions += 1;
            if self.is_broken() {
                self.anew().await?;
            }
            let result = self.said(statement, effect, context, limits).await;
            match result {
                Err(Unanswered::SessionGone) if sessions < SESSIONS_MAX => {
                    tracing::info!("a session ended at the server; another is opened");
                    self.condition = Condition::Marked;
                }
                Err(Unanswered::SessionGone) => {
                    let words = "the server ends every session at once";
                    return Err(self.connection.unreachable(words));
                }
                Err(Unanswered::Failed(error)) => return Err(error),
                Ok(answer) => return Ok(answer),
            }
        }
    }

    async fn said(
        &mut self,
        statement: &str,
        effect: Effect,
        context: &Context,
        limits: &Limits,
    ) -> Result<Answer, Unanswered> {
        match (effect, self.condition) {
            // What others said here before is none of its business either.
            (Effect::Changes, Condition::Used | Condition::Marked | Condition::Broken) => {
                self.anew().await?;
            }
            (Effect::Changes, Condition::Fresh) | (Effect::Reads, _) => {}
        }
        self.stand(context, limits).await?;
        self.condition = match effect {
            Effect::Reads => Condition::Used,
            Effect::Changes => Condition::Marked,
        };
        let rows_kept = context.rows_kept.unwrap_or(limits.rows_max);
        let (found, inline) = match &context.page {
            Some(page) => {
                let (request_id, course) = (Uuid::new_v4(), context.course.clone());
                let connection = &*self.connection;
                let statement = Statement { connection, request_id, effect, course };
                statement.kept(&page.query_id).await?
            }
            None => {
                let ask = self.ask(context, effect, limits);
                self.library.run(statement, ask).await?
            }
        };
        let skip = context.page.as_ref().map_or(0, |page| page.offset);
        let collected = self.collected(&found, inline, Collected::behind(skip, *limits)).await;
        let collected = collected.map_err(|error| match effect {
            Effect::Reads => error,
            Effect::Changes => perhaps_done(&error.to_string()),
        })?;
        let Found { query_id, row_types, total, database, schema, .. } = found;
        // One more than is kept is all that is told of those beyond.
        let is_told = |total: &u64| effect == Effect::Changes || *total <= rows_kept as u64;
        let truncated = collected.truncated();
        Ok(Answer {
            query_id,
            columns: row_types.iter().map(super::cells::RowType::column).collect(),
            bytes: collected.bytes(),
            rows: collected.into_rows(),
            truncated,
            total: total.filter(is_told),
            is_kept: true,
            database: database.or_else(|| self.place.database.clone()),
            schema: schema.or_else(|| self.place.schema.clone()),
        })
    }

    async fn collected(
        &self,
        found: &Found,
        inline: Inline,
        mut collected: Collected,
    ) -> Result<Collected, WarehouseError> {
        let decoder = Decoder::new(&found.row_types, self.welcome.time_zone.as_deref());
        let unreadable = |why: &dyn std::fmt::Display| {
            self.connection.unreachable(&format!("the answer cannot be read: {why}"))
        };
        let flow = match (inline.rowset, inline.rowset_base64) {
            (Some(rows), _) => {
                take_json_rows(&rows, &decoder, &mut collected).map_err(|why| unreadable(&why))?
            }
            (None, Some(packed)) if !packed.is_empty() => {
                let part = STANDARD.decode(packed).map_err(|why| unreadable(&why))?;
                let read = PartReader::new(Format::Arrow, &decoder).whole(&part, &mut collected);
                read.map_err(|why| unreadable(&why))?
            }
            (None, _) => ControlFlow::Continue(()),
        };
        if flow.is_continue() {
            let fetch = Fetch { connection: &self.connection, found, decoder: &decoder };
            fetch.all(&mut collected).await?;
        }
        Ok(collected)
    }

    pub(super) fn ask(&self, context: &Context, effect: Effect, limits: &Limits) -> Ask {
        let mut parameters = Map::new();
        let tag = QueryTag { worker: &self.worker, origin: &context.origin };
        parameters.insert("QUERY_TAG".to_owned(), json!(tag.text()));
        // Whole seconds; one more, so that our own limit comes first.
        let seconds = limits.timeout.as_secs() + 1;
        parameters.insert("STATEMENT_TIMEOUT_IN_SECONDS".to_owned(), json!(seconds));
        if effect == Effect::Reads {
            // One row more than may be given says whether there are more.
            let rows = context.rows_kept.unwrap_or(limits.rows_max).saturating_add(1);
            parameters.insert("ROWS_PER_RESULTSET".to_owned(), json!(rows));
        }
        let is_named_at_once = match context.leave {
            Leave::After(_) => true,
            Leave::Never | Leave::Told(_) => false,
        };
        let (course, bindings) = (context.course.clone(), bindings(&context.bindings));
        Ask { parameters, bindings, effect, course, is_named_at_once }
    }

    /// Ends the statement that runs; a session whose statement may still run is done with. True
    /// when it is certain that the statement came to nothing.
    async fn end(&mut self, taken_up: Option<&str>) -> bool {
        if let Some(query_id) = taken_up {
            return self.connection.abort(&Named::ById(query_id.to_owned())).await;
        }
        let Some(statement) = self.library.request_id() else { return true };
        let is_ended = self.connection.abort(&Named::ByRequest(statement)).await;
        if !is_ended {
            self.condition = Condition::Broken;
        }
        is_ended
    }
}

/// The name of a statement that another session began, and that ends with who waits for it now.
fn taken_up(context: &Context) -> Option<String> {
    let page = context.page.as_ref();
    page.filter(|page| page.run == Run::TakenUp).map(|page| page.query_id.clone())
}

/// What is no plain reading is taken for a change; to read an answer again changes nothing.
fn effect_of(statement: &str, context: &Context) -> Effect {
    if context.page.is_some() {
        return Effect::Reads;
    }
    let decision = match context.bindings.as_slice() {
        [] => sql::decide(statement, Level::Read),
        _ => sql::decide_bound(statement, Level::Read),
    };
    if decision.is_allowed() { Effect::Reads } else { Effect::Changes }
}

#[async_trait]
impl Session for SnowflakeSession {
    async fn query(
        &mut self,
        statement: &str,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, WarehouseError> {
        let clock = self.connection.account.wire.clock();
        self.library.begin();
        let effect = effect_of(statement, context);
        let taken_up = taken_up(context);
        let mut running = Running { session: self, taken_up: taken_up.clone(), over: false };
        let answer = running.session.answer(statement, effect, context, limits);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WarehouseError::Cancelled),
            ended = clock.within(limits.timeout, answer) => {
                ended.unwrap_or(Err(WarehouseError::TimedOut { after: limits.timeout }))
            }
            query_id = left::named_when_left(context, clock) => {
                Err(WarehouseError::Left { query_id })
            }
        };
        let ended = match ended {
            Err(error @ WarehouseError::Cancelled) => {
                running.session.end(taken_up.as_deref()).await;
                Err(error)
            }
            Err(WarehouseError::Left { query_id }) => {
                if taken_up.is_none() {
                    running.session.let_go(&query_id, context, limits);
                }
                Err(WarehouseError::Left { query_id })
            }
            Err(error @ WarehouseError::TimedOut { .. }) => {
                let is_nothing = running.session.end(taken_up.as_deref()).await;
                match effect {
                    Effect::Changes if !is_nothing => {
                        Err(perhaps_done(&format!("no answer within {:?}", limits.timeout)))
                    }
                    Effect::Changes | Effect::Reads => Err(error),
                }
            }
            ended => ended,
        };
        running.over = true;
        ended
    }

    async fn post(
        &mut self,
        post: &Post,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Value, WarehouseError> {
        self.asked((post, context), limits, cancel).await
    }

    async fn check(&mut self) {
        if !self.connection.is_alive().await {
            self.condition = Condition::Broken;
        }
    }

    fn is_broken(&self) -> bool {
        match self.condition {
            Condition::Fresh | Condition::Used => false,
            Condition::Marked | Condition::Broken => true,
        }
    }

    async fn close(self: Box<Self>) {
        self.connection.close().await;
    }
}
