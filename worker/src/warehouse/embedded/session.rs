//! A session of the embedded account. It keeps nothing from one statement to the next: context
//! and limits come with each, and each is computed on the engine's own threads.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::DataFusionError;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;
use sqlparser::tokenizer::TokenWithSpan;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::account::{Account, Place};
use super::cells::{cell, type_name};
use super::command::{Command, Used, command};
use super::describe::describe;
use super::engine::Engine;
use super::failure::{compilation, of_engine, unsupported};
use super::listing::{Listing, text};
use super::parse::{tokens, with_values};
use super::planning::plan_tokens;
use super::rewrite::heading;
use super::show;
use crate::warehouse::collected::Collected;
use crate::warehouse::{Answer, Binding, Column, Context, Limits, Session, WarehouseError};

/// One session.
pub(crate) struct EmbeddedSession {
    engine: Arc<Engine>,
}

impl EmbeddedSession {
    /// Opens one; it costs a pointer.
    pub(crate) fn new(engine: Arc<Engine>) -> EmbeddedSession {
        EmbeddedSession { engine }
    }
}

/// Ends a statement's task when nobody waits for it any more.
struct Task<T>(JoinHandle<T>);

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[async_trait]
impl Session for EmbeddedSession {
    async fn query(
        &mut self,
        statement: &str,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, WarehouseError> {
        let place = Place::of(context);
        let engine = Arc::clone(&self.engine);
        let Some(threads) = self.engine.threads() else {
            return Err(WarehouseError::Cancelled);
        };
        // Answers are not kept: the data never change, and one thread computes each answer, so the
        // statement gives the same rows in the same order again.
        let skip = context.page.as_ref().map_or(0, |page| page.offset);
        let bindings = context.bindings.clone();
        let run = Run { engine, place, limits: *limits, skip, bindings };
        let statement = statement.to_owned();
        let mut task = Task(threads.spawn(async move { run.answer(&statement).await }));
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(WarehouseError::Cancelled),
            ended = tokio::time::timeout(limits.timeout, &mut task.0) => match ended {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(compilation("the engine gave up on this statement")),
                Err(_) => Err(WarehouseError::TimedOut { after: limits.timeout }),
            },
        }
    }

    fn is_broken(&self) -> bool {
        false
    }

    async fn close(self: Box<Self>) {}
}

/// One statement on its way.
struct Run {
    engine: Arc<Engine>,
    place: Place,
    limits: Limits,
    /// Rows to leave out before the first.
    skip: u64,
    /// The values of its `?`.
    bindings: Vec<Binding>,
}

impl Run {
    async fn answer(&self, statement: &str) -> Result<Answer, WarehouseError> {
        let tokens = with_values(tokens(statement)?, &self.bindings)?;
        let account = &self.engine.account;
        let listing = match command(&tokens)? {
            Command::Query => return self.rows(&tokens).await,
            Command::Show(show) => show::show(account, &self.place, &show)?,
            Command::Describe(described, name) => describe(account, &self.place, described, &name)?,
            Command::Use(used, name) => self.used(used, &name)?,
            Command::Explain(tokens) => self.explained(&tokens).await?,
        };
        let mut collected = self.collected_rows();
        for row in listing.rows {
            if !collected.add(row) {
                break;
            }
        }
        Ok(self.finished(listing.columns, collected))
    }

    async fn rows(&self, tokens: &[TokenWithSpan]) -> Result<Answer, WarehouseError> {
        let plan = self.plan(tokens).await?;
        // One row more than may be given says whether there are more.
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let most = self.limits.rows_max.saturating_add(1).saturating_add(skipped);
        let plan = LogicalPlanBuilder::from(plan)
            .limit(0, Some(most))
            .and_then(LogicalPlanBuilder::build)
            .map_err(|error| of_engine(&error))?;
        let (columns, collected) =
            self.collected(&plan).await.map_err(|error| of_engine(&error))?;
        Ok(self.finished(columns, collected))
    }

    async fn plan(&self, tokens: &[TokenWithSpan]) -> Result<LogicalPlan, WarehouseError> {
        plan_tokens(tokens, &self.engine.state, &self.engine.account, &self.place).await
    }

    async fn collected(
        &self,
        plan: &LogicalPlan,
    ) -> Result<(Vec<Column>, Collected), DataFusionError> {
        let mut state = self.engine.state.clone();
        state.mark_start_execution();
        let physical = state.create_physical_plan(plan).await?;
        let columns = physical
            .schema()
            .fields()
            .iter()
            .map(|field| Column {
                name: heading(field.name()).to_owned(),
                type_name: type_name(field.data_type()),
                nullable: field.is_nullable(),
            })
            .collect();
        let mut collected = self.collected_rows();
        let mut stream = execute_stream(physical, state.task_ctx())?;
        while let Some(batch) = stream.next().await {
            if !add_batch(&mut collected, &batch?)? {
                break;
            }
        }
        Ok((columns, collected))
    }

    async fn explained(&self, tokens: &[TokenWithSpan]) -> Result<Listing, WarehouseError> {
        if tokens.is_empty() {
            return Err(compilation("EXPLAIN without a statement"));
        }
        let plan = self.plan(tokens).await?;
        let mut state = self.engine.state.clone();
        state.mark_start_execution();
        let plan = state.optimize(&plan).map_err(|error| of_engine(&error))?;
        let mut listing = Listing::of(&["content"]);
        listing.rows.push(vec![text(&plan.display_indent().to_string())]);
        Ok(listing)
    }

    fn used(&self, used: Used, name: &[String]) -> Result<Listing, WarehouseError> {
        match (used, name) {
            (Used::Database, [database]) => {
                Account::database(database)?;
            }
            (Used::Schema, [schema]) => {
                Account::schema(&self.place.database, schema)?;
            }
            (Used::Database | Used::Schema, [database, schema]) => {
                Account::schema(database, schema)?;
            }
            (Used::Database | Used::Schema, _) => {
                return Err(compilation(format!("invalid name '{}'", name.join("."))));
            }
            (Used::Else, _) => {
                return Err(unsupported("USE ROLE and USE WAREHOUSE; it has one of each"));
            }
        }
        let mut listing = Listing::of(&["status"]);
        listing.rows.push(vec![text(
            "It exists, but nothing is kept: each call brings its own database and schema. Give \
             them with the call, or write names in three parts.",
        )]);
        Ok(listing)
    }

    fn collected_rows(&self) -> Collected {
        Collected::behind(self.skip, self.limits)
    }

    fn finished(&self, columns: Vec<Column>, collected: Collected) -> Answer {
        let truncated = collected.truncated();
        let bytes = collected.bytes();
        let rows = collected.into_rows();
        // Behind the last row nothing tells how many were left out.
        let seen = (!truncated && (self.skip == 0 || !rows.is_empty()))
            .then(|| self.skip + rows.len() as u64);
        Answer {
            query_id: uuid::Uuid::new_v4().to_string(),
            columns,
            truncated,
            total: seen,
            is_kept: false,
            rows,
            bytes,
            database: Some(self.place.database.clone()),
            schema: Some(self.place.schema.clone()),
        }
    }
}

/// Adds a batch; false when a row did not fit, and no other will.
fn add_batch(collected: &mut Collected, batch: &RecordBatch) -> Result<bool, DataFusionError> {
    for row in 0..batch.num_rows() {
        let cells = batch
            .columns()
            .iter()
            .map(|column| cell(column, row))
            .collect::<Result<Vec<_>, DataFusionError>>()?;
        if !collected.add(cells) {
            return Ok(false);
        }
    }
    Ok(true)
}
