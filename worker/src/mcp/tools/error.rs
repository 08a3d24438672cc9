//! Why a tool gives nothing back, and what its client is told: what went wrong and what to do next.

use std::time::Duration;

use mcp_protocol::access::Allowed;

use super::cursor::CursorError;

use crate::mcp::names::NameError;
use crate::metrics::Ending;
use crate::warehouse::WarehouseError;
use crate::warehouse::connections::NoSuchConnection;
use crate::warehouse::journal::code;
use crate::warehouse::pool::PoolError;

/// Why a tool gives nothing back.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The arguments do not fit the tool's schema.
    #[error("the arguments do not fit: {0}")]
    Arguments(String),
    /// A name is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The gate does not let the statement pass.
    #[error("the statement was refused: {0}")]
    Refused(String),
    /// The caller may not say this name.
    #[error("{what} {name} is not open to this client; {allowed}")]
    NotGranted {
        /// What the name is of: `role`.
        what: &'static str,
        /// The name.
        name: String,
        /// Which ones are.
        allowed: String,
    },
    /// The call names a connection that its caller does not have.
    #[error(transparent)]
    Connection(#[from] NoSuchConnection),
    /// The cursor does not lead on.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The statement would read more than its caller may read at once.
    #[error("the statement would scan about {estimate}, and this client may scan {bound} at once")]
    TooMuch {
        /// What it would scan.
        estimate: String,
        /// What it may scan.
        bound: String,
    },
    /// What the statement would cost cannot be estimated, and its caller has a budget.
    #[error("the size of the warehouse {warehouse} cannot be seen, so no credits can be estimated")]
    Unpriced {
        /// The virtual warehouse.
        warehouse: String,
    },
    /// There is none, or it is another client's.
    #[error("there is no query {0} that this client began")]
    NoSuchQuery(String),
    /// A row is larger than a whole answer may be.
    #[error("the next row alone is larger than an answer may be ({bytes_max} bytes)")]
    RowTooLarge {
        /// What an answer may have.
        bytes_max: u64,
    },
    /// The warehouse gave no answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The statement was left running, as the call wished.
    #[error("the statement runs on as {query_id}")]
    Left {
        /// What the warehouse calls it.
        query_id: String,
        /// The connection; the default one without.
        connection: Option<String>,
    },
    /// The warehouse gave no answer, and something is known about it that may help.
    #[error("{error}")]
    Hinted {
        /// What the warehouse said.
        error: PoolError,
        /// What to do next, in whole sentences.
        hint: String,
    },
}

impl ToolError {
    /// The client went away.
    #[must_use]
    pub fn cancelled() -> ToolError {
        ToolError::Pool(PoolError::Warehouse(WarehouseError::Cancelled))
    }

    /// Whether nobody wants the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, ToolError::Pool(PoolError::Warehouse(WarehouseError::Cancelled)))
    }

    /// Whether asking for the answer again, or later, gives the same.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            ToolError::Pool(_) => self.is_about_statement(),
            ToolError::Left { .. } => false,
            ToolError::Arguments(_)
            | ToolError::Name(_)
            | ToolError::Refused(_)
            | ToolError::NotGranted { .. }
            | ToolError::Connection(_)
            | ToolError::Cursor(_)
            | ToolError::TooMuch { .. }
            | ToolError::Unpriced { .. }
            | ToolError::NoSuchQuery(_)
            | ToolError::RowTooLarge { .. }
            | ToolError::Hinted { .. } => true,
        }
    }

    /// Whether somebody ended the statement at the warehouse.
    #[must_use]
    pub fn is_ended_there(&self) -> bool {
        let ToolError::Pool(PoolError::Warehouse(WarehouseError::Statement { message })) = self
        else {
            return false;
        };
        code(message) == Some("000604")
    }

    /// Whether the caller may not do that, so that nothing was asked of the warehouse for it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            ToolError::Refused(_)
                | ToolError::NotGranted { .. }
                | ToolError::Connection(_)
                | ToolError::Cursor(_)
                | ToolError::TooMuch { .. }
                | ToolError::Unpriced { .. }
                | ToolError::NoSuchQuery(_)
        )
    }

    /// Whether the warehouse answers, and does not do this: another statement may be done.
    #[must_use]
    pub fn is_about_statement(&self) -> bool {
        matches!(
            self,
            ToolError::Pool(PoolError::Warehouse(
                WarehouseError::Statement { .. } | WarehouseError::Unsupported { .. }
            ))
        )
    }

    /// A name that the caller may not say.
    #[must_use]
    pub fn not_granted(what: &'static str, name: &str, allowed: &Allowed) -> ToolError {
        let allowed = match allowed {
            Allowed::Any => "any other is".to_owned(),
            Allowed::Only(names) if names.is_empty() => {
                format!("none may be named: leave `{what}` out, and the connection's own is used")
            }
            Allowed::Only(names) => format!("these are: {}", names.join(", ")),
        };
        ToolError::NotGranted { what, name: name.to_owned(), allowed }
    }

    /// A time limit that is longer than it may be.
    #[must_use]
    pub fn timeout_too_long(asked: u64, most: Duration) -> ToolError {
        ToolError::Arguments(format!("`timeout` is {asked} s; at most {} s", most.as_secs_f64()))
    }

    /// What it is counted as.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self {
            ToolError::Arguments(_) | ToolError::Name(_) | ToolError::Cursor(_) => {
                Ending::wrong("arguments", "400")
            }
            ToolError::Refused(_) => Ending::wrong("refused", "403"),
            ToolError::NotGranted { .. } | ToolError::Connection(_) => {
                Ending::wrong("not_granted", "403")
            }
            ToolError::Left { .. } => Ending::ANSWERED,
            ToolError::NoSuchQuery(_) => Ending::wrong("no_such_query", "404"),
            ToolError::Unpriced { .. } => Ending::wrong("unpriced", "403"),
            ToolError::TooMuch { .. } => Ending::wrong("too_much", "413"),
            ToolError::RowTooLarge { .. } => Ending::wrong("too_large", "413"),
            ToolError::Pool(error) | ToolError::Hinted { error, .. } => ending_of_pool(error),
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            ToolError::Arguments(_) => {
                format!("Error: {self}. Call again with arguments as in the tool's schema.")
            }
            ToolError::Name(_) => {
                format!(
                    "Error: {self}. Unquoted names fold to upper case; list_databases and list_views show the names there are."
                )
            }
            ToolError::Refused(_)
            | ToolError::NotGranted { .. }
            | ToolError::Connection(_)
            | ToolError::Cursor(_) => format!("Error: {self}"),
            ToolError::TooMuch { .. } => {
                format!(
                    "Error: {self}. Nothing was run. Filter on a column by which the table is clustered, such as a date, or read fewer columns; explain_query shows the estimate."
                )
            }
            ToolError::Unpriced { .. } => {
                format!(
                    "Error: {self}. Nothing was run. This client has a budget of credits: name another warehouse, or whoever runs this server should grant MONITOR on this one; one without a size has no price here."
                )
            }
            ToolError::NoSuchQuery(_) => {
                format!("Error: {self}. query_history shows the ones there are.")
            }
            ToolError::RowTooLarge { .. } => {
                format!(
                    "Error: {self}. Select fewer columns, or only the beginning of long ones: LEFT(column, 1000)."
                )
            }
            ToolError::Hinted { error, hint } => {
                format!("Error executing query: {error}\n{hint}")
            }
            ToolError::Left { .. } => format!("Error executing query: {self}"),
            ToolError::Pool(error) => of_pool(error),
        }
    }
}

fn ending_of_pool(error: &PoolError) -> Ending {
    match error {
        PoolError::Exhausted { .. } => Ending::wrong("pool_exhausted", "503"),
        PoolError::Closed => Ending::wrong("leaving", "503"),
        PoolError::Quota(_) => Ending::wrong("quota", "429"),
        PoolError::Open { .. } | PoolError::Warehouse(WarehouseError::Connect { .. }) => {
            Ending::wrong("unreachable", "503")
        }
        PoolError::Refused { .. }
        | PoolError::Warehouse(WarehouseError::Refused { .. } | WarehouseError::LoggedOut { .. }) => {
            Ending::wrong("credentials", "503")
        }
        PoolError::Warehouse(WarehouseError::Statement { .. }) => Ending::wrong("statement", "400"),
        PoolError::Warehouse(WarehouseError::Service { .. }) => Ending::wrong("service", "502"),
        PoolError::Warehouse(WarehouseError::Unsupported { .. }) => {
            Ending::wrong("unsupported", "501")
        }
        PoolError::Warehouse(WarehouseError::TimedOut { .. }) => Ending::wrong("timeout", "504"),
        PoolError::Warehouse(WarehouseError::Cancelled) => Ending::CANCELLED,
        PoolError::Warehouse(WarehouseError::Left { .. }) => Ending::ANSWERED,
        PoolError::Warehouse(WarehouseError::Settings { .. }) => Ending::wrong("settings", "500"),
        PoolError::Warehouse(WarehouseError::Interrupted { .. }) => {
            Ending::wrong("interrupted", "502")
        }
    }
}

fn of_pool(error: &PoolError) -> String {
    match error {
        PoolError::Warehouse(WarehouseError::Statement { .. }) => {
            format!(
                "Error executing query: {error}\nCheck the names with list_databases, search_objects and describe_object, then correct the statement."
            )
        }
        PoolError::Warehouse(WarehouseError::TimedOut { .. }) => {
            format!(
                "Error executing query: {error}\nFilter or aggregate earlier, look at fewer rows, or see with explain_query what it would read."
            )
        }
        // The reason names files and keys; it is in the log, for those who can do something.
        PoolError::Refused { .. } | PoolError::Warehouse(WarehouseError::Refused { .. }) => {
            "Error executing query: the warehouse refuses this server's credentials. Trying again does not help; whoever runs the server must act.".to_owned()
        }
        PoolError::Warehouse(WarehouseError::Service { status, retry_after, .. }) => {
            format!("Error: {error}\n{}", of_service(*status, *retry_after))
        }
        PoolError::Quota(_) => format!("Error: the statement was not run: {error}."),
        PoolError::Exhausted { .. }
        | PoolError::Open { .. }
        | PoolError::Closed
        | PoolError::Warehouse(
            WarehouseError::Unsupported { .. }
            | WarehouseError::Cancelled
            | WarehouseError::Left { .. }
            | WarehouseError::Connect { .. }
            | WarehouseError::LoggedOut { .. }
            | WarehouseError::Settings { .. }
            | WarehouseError::Interrupted { .. },
        ) => format!("Error executing query: {error}"),
    }
}

/// What to do about a service that does not do what it was asked.
fn of_service(status: u16, retry_after: Option<Duration>) -> String {
    match (status, retry_after) {
        (403, _) => {
            "This role may not use it. Ask an administrator for USAGE on the service, on its \
                     database and schema, and for the database role SNOWFLAKE.CORTEX_USER."
                .to_owned()
        }
        (404, _) => {
            "It is not there, or this role does not see it: whoever runs this server should \
                     compare its configured identifier and role with SHOW in the account."
                .to_owned()
        }
        (408 | 429 | 500.., Some(after)) => {
            format!("It is busy; ask again in {} s.", after.as_secs().max(1))
        }
        (408 | 429 | 500.., None) => {
            "It is busy or in trouble itself; ask again in a while.".to_owned()
        }
        _ => "Ask differently: fewer or other columns, a simpler filter or question.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_not_told_where_refused_credentials_are_remembered() {
        let reason = || "wrong password, until /run/refused-logins/abc is removed".to_owned();
        let warehouse = WarehouseError::Refused { warehouse: "it".to_owned(), reason: reason() };
        for error in [PoolError::Refused { reason: reason() }, PoolError::Warehouse(warehouse)] {
            let words = ToolError::Pool(error).words();
            assert!(words.contains("whoever runs the server"), "{words}");
            assert!(!words.contains("/run") && !words.contains("password"), "{words}");
        }
    }

    #[test]
    fn a_name_that_may_not_be_said_comes_with_those_that_may() {
        let roles = Allowed::Only(vec!["ANALYST".to_owned(), "READER".to_owned()]);
        let words = ToolError::not_granted("role", "ACCOUNTADMIN", &roles).words();
        assert!(words.contains("ACCOUNTADMIN") && words.contains("ANALYST, READER"), "{words}");
        let words = ToolError::not_granted("role", "X", &Allowed::Only(Vec::new())).words();
        assert!(words.contains("leave `role` out"), "{words}");
    }
}
