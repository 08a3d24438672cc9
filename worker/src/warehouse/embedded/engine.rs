//! The SQL engine around the account: its tables registered, its limits set, its own threads.
//!
//! The engine computes on threads of its own, so that a long statement takes no thread from
//! the worker's requests.

use std::sync::Arc;

use datafusion::arrow::record_batch::RecordBatch;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemTable, MemoryCatalogProvider,
    MemoryCatalogProviderList, MemorySchemaProvider, TableProvider,
};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::ViewTable;
use datafusion::execution::SessionStateDefaults;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::logical_expr::planner::ExprPlanner;
use datafusion::prelude::SessionConfig;
use futures::executor::block_on;
use tokio::runtime::{Builder, Handle, Runtime};

use super::account::{
    Account, ColumnOf, DATABASE, INFORMATION_SCHEMA, Kind, Place, REPORTS, Relation, TPCH,
};
use super::cells::type_name;
use super::directory;
use super::failure::NAME;
use super::functions::ours;
use super::operators::Operators;
use super::planning;
use super::sample::generate;
use super::views::VIEWS;
use super::yielding::Yielding;
use crate::warehouse::WarehouseError;

/// What all statements together may hold in memory, beside the tables.
const MEMORY_MAX: usize = 1 << 30;
/// How many threads compute.
const THREADS: usize = 2;
/// A deep statement is planned by deep recursion.
const STACK_BYTES: usize = 64 << 20;

/// The account with everything that answers for it.
pub(crate) struct Engine {
    /// The directory.
    pub(crate) account: Account,
    /// The engine with all tables and functions.
    pub(crate) state: SessionState,
    runtime: Option<Runtime>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // May happen on a thread that must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Engine {
    /// Generates the data and prepares everything that statements need.
    pub(crate) fn open(scale: f64) -> Result<Engine, WarehouseError> {
        let refused =
            |reason: String| WarehouseError::Connect { warehouse: NAME.to_owned(), reason };
        if !(scale.is_finite() && scale > 0.0 && scale <= 10.0) {
            return Err(refused(format!("{scale} is not a scale; use more than 0, up to 10")));
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("sample-account")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|error| refused(format!("its threads do not start: {error}")))?;
        let (account, state) = prepare(scale).map_err(|error| refused(error.to_string()))?;
        Ok(Engine { account, state, runtime: Some(runtime) })
    }

    /// Where statements are computed.
    pub(crate) fn threads(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }
}

fn prepare(scale: f64) -> Result<(Account, SessionState)> {
    let database = MemoryCatalogProvider::new();
    for name in Account::schemas() {
        database.register_schema(name, Arc::new(MemorySchemaProvider::new()))?;
    }
    let database: Arc<dyn CatalogProvider> = Arc::new(database);
    let mut account = Account::default();
    for sample in generate(scale)? {
        let name = sample.relation.name.clone();
        let table = MemTable::try_new(sample.schema, vec![sample.batches])?;
        register(database.as_ref(), TPCH, &name, Arc::new(table))?;
        account.add(sample.relation);
    }
    let state = state(Arc::clone(&database))?;
    for view in VIEWS {
        let plan = block_on(plan_view(view.query, &state, &account))?;
        let columns = columns_of(&plan);
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        let kind = Kind::View { text: view.text(&names) };
        account.add(Relation { schema: REPORTS, name: view.name.to_owned(), kind, columns });
        let table = ViewTable::new(plan, Some(view.query.to_owned()));
        register(database.as_ref(), REPORTS, view.name, Arc::new(table))?;
    }
    for (relation, batch) in directory::describe(&mut account)? {
        let table = MemTable::try_new(batch.schema(), vec![vec![batch] as Vec<RecordBatch>])?;
        register(database.as_ref(), INFORMATION_SCHEMA, &relation.name, Arc::new(table))?;
    }
    Ok((account, state))
}

async fn plan_view(query: &str, state: &SessionState, account: &Account) -> Result<LogicalPlan> {
    let place = Place { database: DATABASE.to_owned(), schema: TPCH.to_owned() };
    let plan = planning::plan(query, state, account, &place).await;
    plan.map_err(|error| DataFusionError::External(Box::new(error)))
}

fn columns_of(plan: &LogicalPlan) -> Vec<ColumnOf> {
    let fields = plan.schema().fields().iter();
    fields
        .map(|field| ColumnOf {
            name: field.name().clone(),
            type_name: type_name(field.data_type()),
            nullable: true,
        })
        .collect()
}

fn register(
    database: &dyn CatalogProvider,
    schema: &str,
    name: &str,
    table: Arc<dyn TableProvider>,
) -> Result<()> {
    match database.schema(schema) {
        Some(schema) => schema.register_table(name.to_owned(), table).map(|_| ()),
        None => Err(DataFusionError::Internal(format!("no schema {schema}"))),
    }
}

fn state(database: Arc<dyn CatalogProvider>) -> Result<SessionState> {
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(DATABASE.to_owned(), database);
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(GreedyMemoryPool::new(MEMORY_MAX)))
        .with_disk_manager_builder(
            DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled),
        )
        .build_arc()?;
    let ours = ours();
    let mut planners: Vec<Arc<dyn ExprPlanner>> = vec![Arc::new(Operators::new(ours.clone()))];
    planners.extend(SessionStateDefaults::default_expr_planners());
    let mut scalars = SessionStateDefaults::default_scalar_functions();
    scalars.extend(ours.into_values());
    Ok(SessionStateBuilder::new()
        .with_config(config())
        .with_runtime_env(runtime)
        .with_catalog_list(Arc::new(catalogs))
        .with_expr_planners(planners)
        .with_scalar_functions(scalars)
        .with_aggregate_functions(SessionStateDefaults::default_aggregate_functions())
        .with_window_functions(SessionStateDefaults::default_window_functions())
        .with_physical_optimizer_rule(Arc::new(Yielding))
        .build())
}

fn config() -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(1)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(DATABASE, TPCH)
        .with_information_schema(false);
    let options = config.options_mut();
    // Names are folded before the engine sees them; constants with a point are exact.
    options.sql_parser.enable_ident_normalization = false;
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.default_null_ordering = "nulls_max".to_owned();
    options.execution.time_zone = Some("+00:00".to_owned());
    options.optimizer.max_passes = 3;
    config
}
