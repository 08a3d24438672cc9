//! From settings to a warehouse: the one place that knows which ones there are.

use std::sync::Arc;

use mcp_protocol::settings::{SnowflakeSettings, WarehouseSettings};

use super::{Warehouse, WarehouseError};

/// Makes the warehouse that the settings name. Blocks: the sample account makes its data first.
///
/// # Errors
/// When it cannot be made, or this program was built without it.
pub fn open(settings: &WarehouseSettings) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    match settings {
        WarehouseSettings::Embedded { scale } => embedded(*scale),
        WarehouseSettings::Snowflake(account) => snowflake(account),
    }
}

/// The place where the connection to Snowflake will be made. Until there is one, trying again
/// cannot help, so this is no failure to connect.
fn snowflake(account: &SnowflakeSettings) -> Result<Arc<dyn Warehouse>, WarehouseError> {
    Err(WarehouseError::Unsupported {
        warehouse: "this build of mcp-worker".to_owned(),
        what: format!(
            "it has no connection to Snowflake yet, and the account {} was asked for; write \
             warehouse.kind = \"embedded\" to serve the sample account",
            account.account
        ),
    })
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

#[cfg(test)]
mod tests {
    use mcp_protocol::secret::Secret;
    use mcp_protocol::settings::SnowflakeLogin;

    use super::*;

    #[test]
    fn an_account_at_snowflake_is_refused_by_name_and_without_its_secrets() {
        let account = SnowflakeSettings {
            account: "ORG-ACCOUNT".to_owned(),
            user: Some("MCP".to_owned()),
            role: None,
            warehouse: None,
            database: None,
            schema: None,
            host: None,
            login: SnowflakeLogin::Password { password: Secret::new("canary".to_owned()) },
        };
        let Err(error) = open(&WarehouseSettings::Snowflake(Box::new(account))) else {
            panic!("there is no connection to Snowflake yet");
        };
        assert!(matches!(error, WarehouseError::Unsupported { .. }), "{error:?}");
        let said = format!("{error} {error:?}");
        assert!(said.contains("no connection to Snowflake yet"), "{said}");
        assert!(said.contains("ORG-ACCOUNT") && !said.contains("canary"), "{said}");
    }
}
