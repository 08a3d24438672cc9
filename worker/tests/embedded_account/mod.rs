//! A session of the embedded account at a small scale, and answers as text.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mcp_worker::warehouse::embedded::EmbeddedWarehouse;
use mcp_worker::warehouse::{Answer, Cell, Context, Limits, Session, Warehouse, WarehouseError};
use tokio_util::sync::CancellationToken;

/// Enough for every test.
pub(crate) const LIMITS: Limits =
    Limits { rows_max: 10_000, bytes_max: 16 << 20, timeout: Duration::from_secs(120) };

static WAREHOUSE: OnceLock<Arc<EmbeddedWarehouse>> = OnceLock::new();

/// The one account of this test program.
pub(crate) fn warehouse() -> Arc<EmbeddedWarehouse> {
    Arc::clone(WAREHOUSE.get_or_init(|| Arc::new(EmbeddedWarehouse::open(0.01).unwrap())))
}

/// A session with a context.
pub(crate) struct Asking {
    session: Box<dyn Session>,
    pub(crate) context: Context,
}

#[allow(dead_code, reason = "each test program uses some of these")]
impl Asking {
    pub(crate) async fn new() -> Asking {
        let session = warehouse().connect().await.unwrap();
        Asking { session, context: Context::default() }
    }

    pub(crate) async fn answer(&mut self, statement: &str) -> Result<Answer, WarehouseError> {
        let cancel = CancellationToken::new();
        self.session.query(statement, &self.context, &LIMITS, &cancel).await
    }

    /// The rows as text, or the error behind a `!`.
    pub(crate) async fn rows(&mut self, statement: &str) -> String {
        match self.answer(statement).await {
            Ok(answer) => answer.rows.iter().map(|row| line(row)).collect::<Vec<_>>().join("; "),
            Err(error) => format!("!{error}"),
        }
    }

    /// The names of the columns, or the error behind a `!`.
    pub(crate) async fn names(&mut self, statement: &str) -> String {
        match self.answer(statement).await {
            Ok(answer) => {
                answer.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(" | ")
            }
            Err(error) => format!("!{error}"),
        }
    }

    /// The types of the columns, or the error behind a `!`.
    pub(crate) async fn types(&mut self, statement: &str) -> String {
        match self.answer(statement).await {
            Ok(answer) => {
                answer.columns.iter().map(|c| c.type_name.as_str()).collect::<Vec<_>>().join(" | ")
            }
            Err(error) => format!("!{error}"),
        }
    }
}

fn line(row: &[Cell]) -> String {
    row.iter().map(written).collect::<Vec<_>>().join(" | ")
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Boolean(true) => "TRUE".to_owned(),
        Cell::Boolean(false) => "FALSE".to_owned(),
        Cell::Number(number) => number.clone(),
        Cell::Float(float) => format!("~{float}"),
        Cell::Text(text) => format!("'{text}'"),
        Cell::Json(json) => json.to_string(),
    }
}
