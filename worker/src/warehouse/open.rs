//! From settings to a warehouse: the one place that knows which ones there are.

use std::sync::Arc;

use mcp_protocol::settings::WarehouseSettings;

use super::snowflake::{House, SnowflakeWarehouse};
use super::{Warehouse, WarehouseError};

/// Makes the warehouse that the settings name. Blocks: the sample account makes its data first,
/// a private key is opened.
///
/// # Errors
/// When it cannot be made, or this program was built without it.
pub fn open(
    settings: &WarehouseSettings,
    house: &House,
) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    match settings {
        WarehouseSettings::Embedded { scale } => embedded(*scale),
        WarehouseSettings::Snowflake(account) => {
            Ok(Arc::new(SnowflakeWarehouse::open(account, house)?))
        }
    }
}

#[cfg(feature = "embedded")]
fn embedded(scale: f64) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    Ok(Arc::new(super::embedded::EmbeddedWarehouse::open(scale)?))
}

#[cfg(not(feature = "embedded"))]
fn embedded(_scale: f64) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    Err(WarehouseError::Unsupported {
        warehouse: "this build of mcp-worker".to_owned(),
        what: "the embedded sample account was left out; build with the cargo feature `embedded`"
            .to_owned(),
    })
}
