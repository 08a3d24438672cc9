//! A session of the pool: it stands where a statement wants it to, and keeps nothing of it.
//!
//! Sessions are shared by all clients, so a statement that only reads is the only kind that leaves
//! a session as it was. Before and after any other the session is opened anew: role, parameters,
//! variables, temporary objects, an open transaction and the last query id end with the old one.

use std::ops::ControlFlow;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use snowflake_api::RawQueryResult;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::bindings::bindings;
use super::cells::{Decoder, Format, PartReader, take_json_rows};
use super::connection::{Connection, Place, Welcome};
use super::fetch::Fetch;
use super::kept::kept;
use super::layer::Library;
use super::statement::{Ask, Effect, Found, Unanswered, perhaps_done};
use super::tag::QueryTag;
use crate::sql::{self, Decision, Level};
use crate::warehouse::collected::Collected;
use crate::warehouse::{Answer, Context, Limits, Post, Session, WarehouseError};

/// How often a statement is said again because its session was gone.
pub(super) const SESSIONS_MAX: u32 = 3;

/// One session at Snowflake.
pub(super) struct SnowflakeSession {
    pub(super) connection: Arc<Connection>,
    library: Library,
    worker: Arc<str>,
    /// Where a new session stands.
    welcome: Welcome,
    place: Place,
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
    over: bool,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.session.condition = Condition::Broken;
        if let (Some(statement), Ok(runtime)) =
            (self.session.library.request_id(), Handle::try_current())
        {
            let connection = Arc::clone(&self.session.connection);
            runtime.spawn(async move { connection.abort(statement).await });
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
        let (found, raw) = match &context.page {
            Some(page) => kept(&self.connection, page, context.course.clone()).await?,
            None => {
                let ask = self.ask(context, effect, limits);
                self.library.run(statement, ask).await?
            }
        };
        let skip = context.page.as_ref().map_or(0, |page| page.offset);
        let collected = self.collected(&found, raw, Collected::behind(skip, *limits)).await;
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
        raw: RawQueryResult,
        mut collected: Collected,
    ) -> Result<Collected, WarehouseError> {
        let decoder = Decoder::new(&found.row_types, self.welcome.time_zone.as_deref());
        let unreadable = |why: &dyn std::fmt::Display| {
            self.connection.unreachable(&format!("the answer cannot be read: {why}"))
        };
        let flow = match raw {
            RawQueryResult::Bytes(parts) => {
                let read = parts.iter().try_fold(ControlFlow::Continue(()), |flow, part| {
                    if flow.is_break() {
                        return Ok(flow);
                    }
                    PartReader::new(Format::Arrow, &decoder).whole(part, &mut collected)
                });
                read.map_err(|why| unreadable(&why))?
            }
            RawQueryResult::Json(rows) => take_json_rows(&rows.value, &decoder, &mut collected)
                .map_err(|why| unreadable(&why))?,
            RawQueryResult::Empty => ControlFlow::Continue(()),
        };
        if flow.is_continue() {
            let fetch = Fetch { connection: &self.connection, found, decoder: &decoder };
            fetch.all(&mut collected).await?;
        }
        Ok(collected)
    }

    /// Goes where the statement wants to stand.
    pub(super) async fn stand(
        &mut self,
        context: &Context,
        limits: &Limits,
    ) -> Result<(), Unanswered> {
        let wanted = self.wanted(context)?;
        let is_to_go =
            |now: &Option<String>, wanted: &Option<String>| now.is_some() && wanted.is_none();
        if is_to_go(&self.place.role, &wanted.role)
            || is_to_go(&self.place.warehouse, &wanted.warehouse)
            || is_to_go(&self.place.database, &wanted.database)
        {
            // There is no statement for "none".
            self.anew().await?;
        }
        if wanted.role != self.place.role {
            self.go("ROLE", &[&wanted.role], limits).await?;
            // A role may bring a warehouse and a database of its own.
            self.place = Place { role: wanted.role.clone(), ..Place::default() };
        }
        if wanted.warehouse != self.place.warehouse {
            self.go("WAREHOUSE", &[&wanted.warehouse], limits).await?;
            self.place.warehouse.clone_from(&wanted.warehouse);
        }
        if wanted.database != self.place.database || wanted.schema != self.place.schema {
            match &wanted.schema {
                Some(_) => self.go("SCHEMA", &[&wanted.database, &wanted.schema], limits).await?,
                None => self.go("DATABASE", &[&wanted.database], limits).await?,
            }
            self.place.database.clone_from(&wanted.database);
            self.place.schema.clone_from(&wanted.schema);
        }
        Ok(())
    }

    /// The place that a context means here.
    fn wanted(&self, context: &Context) -> Result<Place, WarehouseError> {
        let own = &self.welcome.place;
        let (database, schema) = match (&context.database, &context.schema) {
            (None, None) => (own.database.clone(), own.schema.clone()),
            (None, Some(schema)) if own.database.is_none() => {
                return Err(WarehouseError::Statement {
                    message: format!(
                        "schema {schema} of which database? Name one; there is no default"
                    ),
                });
            }
            (None, Some(schema)) => (own.database.clone(), Some(schema.clone())),
            (Some(_), None) if context.database == own.database => {
                (own.database.clone(), own.schema.clone())
            }
            (Some(database), schema) => (Some(database.clone()), schema.clone()),
        };
        Ok(Place {
            role: context.role.clone().or_else(|| own.role.clone()),
            warehouse: context.warehouse.clone().or_else(|| own.warehouse.clone()),
            database,
            schema,
        })
    }

    async fn go(
        &mut self,
        kind: &str,
        names: &[&Option<String>],
        limits: &Limits,
    ) -> Result<(), Unanswered> {
        let quoted = |name: &String| format!("\"{}\"", name.replace('"', "\"\""));
        let names: Vec<String> =
            names.iter().filter_map(|name| name.as_ref().map(quoted)).collect();
        let ask = self.ask(&Context::default(), Effect::Reads, limits);
        // Where it stands is not known until the server has said so.
        let before = std::mem::replace(&mut self.condition, Condition::Marked);
        let moved = self.library.run(&format!("USE {kind} {}", names.join(".")), ask).await;
        match &moved {
            Ok(_) | Err(Unanswered::Failed(WarehouseError::Statement { .. })) => {
                self.condition = before;
            }
            Err(Unanswered::SessionGone | Unanswered::Failed(_)) => {}
        }
        moved.map(drop)
    }

    fn ask(&self, context: &Context, effect: Effect, limits: &Limits) -> Ask {
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
        let course = context.course.clone();
        Ask { parameters, bindings: bindings(&context.bindings), effect, course }
    }

    /// Ends the statement that runs; a session whose statement may still run is done with. True
    /// when it is certain that the statement came to nothing.
    async fn end(&mut self) -> bool {
        let Some(statement) = self.library.request_id() else { return true };
        let is_ended = self.connection.abort(statement).await;
        if !is_ended {
            self.condition = Condition::Broken;
        }
        is_ended
    }
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
    match decision {
        Decision::Allowed { .. } => Effect::Reads,
        Decision::Refused { .. } => Effect::Changes,
    }
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
        let mut running = Running { session: self, over: false };
        let answer = running.session.answer(statement, effect, context, limits);
        let ended = tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WarehouseError::Cancelled),
            ended = clock.within(limits.timeout, answer) => {
                ended.unwrap_or(Err(WarehouseError::TimedOut { after: limits.timeout }))
            }
        };
        let ended = match ended {
            Err(error @ WarehouseError::Cancelled) => {
                running.session.end().await;
                Err(error)
            }
            Err(error @ WarehouseError::TimedOut { .. }) => {
                let is_nothing = running.session.end().await;
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
