//! What statements cost, by estimate: the time that each ran, at the price of its warehouse's size.
//!
//! Only statements of clients with a budget are looked at. It is an estimate, not a bill: an idle
//! warehouse costs too, statements that run beside each other share what they cost, and the time
//! of a statement is as we see it. What needs no warehouse, such as SHOW, costs nothing here.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use mcp_protocol::access::Quota;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Errand, ToolError, position};
use crate::clock::since_boot;
use crate::mcp::answer::cell_text;
use crate::quota::{Quotas, in_credits};
use crate::sql;
use crate::warehouse::course::{Course, Part, Stage};
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Context, WarehouseError};

/// Credits an hour of a standard warehouse of the first generation, by its size in Snowflake's words:
/// docs.snowflake.com, "Overview of warehouses", as of November 2026.
const PER_HOUR: [(&str, u64); 10] = [
    ("X-Small", 1),
    ("Small", 2),
    ("Medium", 4),
    ("Large", 8),
    ("X-Large", 16),
    ("2X-Large", 32),
    ("3X-Large", 64),
    ("4X-Large", 128),
    ("5X-Large", 256),
    ("6X-Large", 512),
];
/// For so long a warehouse is taken to have the size that it had.
const KNOWN_FOR: Duration = Duration::from_secs(5 * 60);
/// The most places whose prices are remembered.
const KNOWN_MAX: usize = 256;

/// Where a statement stands, as far as its price depends on it.
type Place = (Option<String>, Option<String>, Option<String>);

/// What statements cost an hour where they stand, as of the last look. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    known: Arc<Mutex<BTreeMap<Place, (u64, Duration)>>>,
}

/// What a call's statements cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// This call, in millionths of a credit.
    pub microcredits: u64,
    /// What is left of the client's budget today, the same.
    pub left: u64,
}

impl Cost {
    /// As data.
    #[must_use]
    pub fn structured(&self) -> Value {
        let credits = |micro: u64| json!(in_credits(micro).parse::<f64>().unwrap_or_default());
        json!({ "estimated": credits(self.microcredits), "left_today": credits(self.left) })
    }

    /// For the reader.
    #[must_use]
    pub fn words(&self) -> String {
        let (cost, left) = (in_credits(self.microcredits), in_credits(self.left));
        format!("About {cost} credits, by estimate; {left} are left today (UTC).")
    }
}

/// Measures one statement, until it is dropped: what it cost is counted then, however it ended.
pub(super) struct Meter {
    per_hour: u64,
    quotas: Quotas,
    client: Option<String>,
    quota: Quota,
    /// When it began to run, in nanoseconds; 0 before.
    began: AtomicU64,
    /// Where its time is told once it is over, and what was told before it.
    course: Course,
    before: Duration,
    /// It runs on when nobody waits for it any more.
    left: bool,
    sum: Arc<AtomicU64>,
}

impl Meter {
    /// A meter for a statement that costs something; none where nobody counts it.
    ///
    /// # Errors
    /// When it cannot be estimated.
    pub(super) async fn of(
        errand: &Errand<'_>,
        statement: &str,
        context: &Context,
    ) -> Result<Option<Meter>, ToolError> {
        let quota = &errand.caller.grant.quota;
        let is_read_again = context.page.is_some();
        if quota.microcredits_per_day.is_none() || is_read_again || !computes(statement) {
            return Ok(None);
        }
        let per_hour = per_hour(errand, context).await?;
        Ok(Some(Meter {
            per_hour,
            quotas: errand.desk.quotas.clone(),
            client: errand.caller.name.as_deref().map(str::to_owned),
            quota: quota.clone(),
            began: AtomicU64::new(0),
            course: errand.course.clone(),
            before: errand.course.time(Part::Statement),
            left: false,
            sum: Arc::clone(&errand.microcredits),
        }))
    }

    /// Looks at a statement on its way.
    pub(super) async fn follow(&self, mut stage: watch::Receiver<Stage>) -> Infallible {
        let runs = |stage: &Stage| matches!(stage, Stage::Running { .. });
        if stage.wait_for(runs).await.is_ok() {
            let now = u64::try_from(since_boot().as_nanos()).unwrap_or(u64::MAX);
            self.began.store(now.max(1), Relaxed);
        }
        std::future::pending().await
    }

    /// The statement runs on; it costs something until this is dropped.
    pub(super) fn runs_on(mut self) -> Meter {
        self.left = true;
        self
    }

    fn ran(&self) -> Duration {
        let told = self.course.time(Part::Statement).saturating_sub(self.before);
        match self.began.load(Relaxed) {
            // What was told is exact, and nothing is told of what was dropped on its way.
            _ if !told.is_zero() && !self.left => told,
            0 => Duration::ZERO,
            began => since_boot().saturating_sub(Duration::from_nanos(began)),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let cost = microcredits(self.ran(), self.per_hour);
        if cost > 0 {
            self.sum.fetch_add(cost, Relaxed);
            self.quotas.cost(self.client.as_deref(), &self.quota, cost);
        }
    }
}

/// What so much time costs at so many credits an hour, in millionths, rounded up.
fn microcredits(time: Duration, per_hour: u64) -> u64 {
    let cost = (time.as_micros() * u128::from(per_hour)).div_ceil(3600);
    u64::try_from(cost).unwrap_or(u64::MAX)
}

/// Whether a warehouse computes for it.
fn computes(statement: &str) -> bool {
    sql::can_be_explained(statement) || matches!(sql::verb(statement), "call" | "create" | "copy")
}

/// Credits an hour where a statement stands: 0 without a warehouse, or where nothing is paid for.
///
/// # Errors
/// When the size of the warehouse cannot be seen.
pub(in crate::mcp) fn per_hour<'a>(
    errand: &'a Errand<'_>,
    context: &'a Context,
) -> BoxFuture<'a, Result<u64, ToolError>> {
    Box::pin(async move {
        let Context { connection, role, warehouse, .. } = context.clone();
        let (place, now) = ((connection, role, warehouse), since_boot());
        let prices = &errand.desk.prices;
        if let Some(price) = prices.known(&place, now) {
            return Ok(price);
        }
        let (connection, role, warehouse) = place.clone();
        let there = Context { connection, role, warehouse, ..Context::default() };
        let shown = match errand.ask("SHOW WAREHOUSES", &there).await {
            Ok(shown) => shown,
            Err(ToolError::Pool(PoolError::Warehouse(WarehouseError::Unsupported { .. }))) => {
                return Ok(0);
            }
            Err(error) => return Err(error),
        };
        let columns = ["is_current", "name", "size"].map(|name| position(&shown, name));
        let current = shown.rows.iter().find_map(|row| {
            let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map(cell_text);
            let [is_current, name, size] = columns.map(text);
            (is_current.as_deref() == Some("Y")).then_some((name, size))
        });
        let price = match current {
            None if there.warehouse.is_none() => 0,
            None => return Err(unseen(there.warehouse.as_deref().unwrap_or_default())),
            Some((name, size)) => match of_size(size.as_deref().unwrap_or_default()) {
                Some(price) => price,
                None => return Err(unseen(name.as_deref().unwrap_or_default())),
            },
        };
        prices.learn(place, (price, now));
        Ok(price)
    })
}

fn of_size(size: &str) -> Option<u64> {
    PER_HOUR.iter().find(|(name, _)| name.eq_ignore_ascii_case(size)).map(|(_, price)| *price)
}

fn unseen(warehouse: &str) -> ToolError {
    ToolError::Unpriced { warehouse: warehouse.to_owned() }
}

impl Prices {
    fn known(&self, place: &Place, now: Duration) -> Option<u64> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (price, at) = known.get(place)?;
        (now.saturating_sub(*at) < KNOWN_FOR).then_some(*price)
    }

    fn learn(&self, place: Place, price: (u64, Duration)) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(place, price);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_costs_what_the_size_costs() {
        let hour = Duration::from_secs(3600);
        for (size, credits) in [("X-Small", 1), ("x-large", 16), ("6X-Large", 512)] {
            let price = of_size(size).expect("it has a price");
            assert_eq!(microcredits(hour, price), credits * 1_000_000);
        }
        assert_eq!(of_size(""), None);
        assert_eq!(microcredits(Duration::from_micros(1), 1), 1);
        assert_eq!(microcredits(hour, 0), 0);
    }

    #[test]
    fn only_what_a_warehouse_computes_costs_anything() {
        for computed in ["SELECT 1", "with a as (select 1) select * from a", "CALL p()"] {
            assert!(computes(computed), "{computed}");
        }
        for free in ["SHOW TABLES", "DESCRIBE TABLE t", "EXPLAIN SELECT 1", "LIST @s", ""] {
            assert!(!computes(free), "{free}");
        }
    }

    #[test]
    fn a_price_is_known_for_a_while() {
        let (prices, place) = (Prices::default(), (None, None, Some("WH".to_owned())));
        prices.learn(place.clone(), (8, Duration::from_secs(1)));
        assert_eq!(prices.known(&place, Duration::from_secs(300)), Some(8));
        assert_eq!(prices.known(&place, Duration::from_secs(302)), None);
        assert_eq!(prices.known(&(None, None, None), Duration::from_secs(2)), None);
    }
}
